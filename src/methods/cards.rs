//! What there is to say of each method.

use crate::methods::Method;

/// What `lowrank list methods` shows of a method.
#[derive(Clone, Copy, Debug)]
pub struct MethodCard {
    pub method: Method,
    /// The word of `--method`.
    pub word: &'static str,
    pub formula: &'static str,
    /// Names of its own parameters, as in [`crate::methods::Parameters`], with their defaults.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Default of `step_size`.
    pub step_size: &'static str,
    /// Passes over the measurements in an iteration, and what comes back to the host in it.
    pub cost: &'static str,
    pub source: &'static str,
}

impl MethodCard {
    /// Whether it has a parameter.
    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, _)| *name == parameter)
    }
}

const GRADIENT_STEP: &str = "1/(4 ||s A*(y)||)";
const NOTHING: &str = "1 pass, nothing read back";
const READ: &str = "residuals and n x k numbers read back";

/// Every method, in the order of the help text.
pub const METHODS: &[MethodCard] = &[
    MethodCard {
        method: Method::GradientDescent,
        word: "gd",
        formula: "U <- U - step_size * s * A*(A(UU') - y) U",
        parameters: &[
            ("step_rule", "constant"),
            ("step_decay", "1; l1: 0.95"),
            ("polyak_scale", "1; l1: 0.5"),
            ("optimal_loss", "0"),
        ],
        step_size: GRADIENT_STEP,
        cost: NOTHING,
        source: "Stöger & Soltanolkotabi 2021, arXiv 2106.15013; asymmetric: arXiv 2303.14244, 2310.01769",
    },
    MethodCard {
        method: Method::Momentum,
        word: "momentum",
        formula: "U+ = Y - step_size * grad f(Y), Y <- U+ + j/(j+3) (U+ - U), j <- 0 where that went uphill",
        parameters: &[],
        step_size: GRADIENT_STEP,
        cost: NOTHING,
        source: "Nesterov 1983; restarts of O'Donoghue & Candès 2015",
    },
    MethodCard {
        method: Method::GdPolyak,
        word: "gd-polyak",
        formula: "gd, and every polyak_every-th step (f - optimal_loss)/||grad f||^2 long",
        parameters: &[("polyak_every", "10"), ("optimal_loss", "0"), ("polyak_scale", "1")],
        step_size: GRADIENT_STEP,
        cost: NOTHING,
        source: "Davis, Drusvyatskiy & Jiang 2024, arXiv 2409.19791",
    },
    MethodCard {
        method: Method::Sgd,
        word: "sgd",
        formula: "gd with the gradient of one of `minibatches` groups of measurements, times their number",
        parameters: &[("minibatches", "10"), ("method_seed", "0"), ("step_decay", "1")],
        step_size: GRADIENT_STEP,
        cost: "1/minibatches of a pass, nothing read back",
        source: "groups of neighbouring measurements, a new order every epoch",
    },
    MethodCard {
        method: Method::ScaledGd,
        word: "scaled-gd",
        formula: "U <- U - step_size * grad f(U) (U'U + damping I)^-1; L with R'R, R with L'L",
        parameters: &[
            ("damping", "0 from a spectral start, else 1e-3 ||s A*(y)||"),
            ("step_rule", "constant"),
            ("step_decay", "1; l1: 0.95"),
            ("polyak_scale", "1; l1: 0.5"),
            ("optimal_loss", "0"),
        ],
        step_size: "0.4",
        cost: "1 pass; damping > 0: nothing read back, damping 0: residuals and n x k numbers",
        source: "Tong, Ma & Chi 2021, arXiv 2005.08898; damping > 0: Xu et al. 2023, arXiv 2302.01186",
    },
    MethodCard {
        method: Method::PrecGd,
        word: "prec-gd",
        formula: "scaled-gd with damping = damping_factor * sqrt(s) ||A(UU') - y|| = 2 damping_factor sqrt(f)",
        parameters: &[("damping_factor", "1"), ("step_rule", "constant")],
        step_size: "0.4",
        cost: NOTHING,
        source: "Zhang, Fattahi & Zhang 2021 (there damping = sqrt of their f = ||residual||^2 s: damping_factor 1)",
    },
    MethodCard {
        method: Method::AltScaledGd,
        word: "alt-scaled-gd",
        formula: "L <- L - step_size * s A*(e) R (R'R)^+, then R <- R - step_size * s A*(e)' L (L'L)^+ at the new e",
        parameters: &[("step_rule", "constant")],
        step_size: "1",
        cost: "2 passes; residuals and n x k numbers read back",
        source: "AGN, NeurIPS 2024; AltScaledGD 2023",
    },
    MethodCard {
        method: Method::Cg,
        word: "cg",
        formula: "D <- -G + beta D, beta of Polak & Ribière (at least 0), G = grad f (V'V + lambda I)^-1 as in prec-gd; exact steps",
        parameters: &[("damping_factor", "0.1"), ("step_rule", "exact")],
        step_size: "found",
        cost: READ,
        source: "Polak & Ribière 1969; along D the loss is a quartic whose coefficients come from A(UD'+DU') and A(DD')",
    },
    MethodCard {
        method: Method::Lbfgs,
        word: "lbfgs",
        formula: "D = -H grad f, H from the last `memory` steps (two-loop recursion); exact steps",
        parameters: &[("memory", "10"), ("step_rule", "exact")],
        step_size: "found",
        cost: READ,
        source: "Liu & Nocedal 1989",
    },
    MethodCard {
        method: Method::Riemannian,
        word: "riemannian",
        formula: "Z <- retract_k(Z - t P_T(s A*(e))), T the tangent space of rank k at Z; t least along the line",
        parameters: &[("step_rule", "exact"), ("minibatches", "none"), ("method_seed", "0")],
        step_size: "found",
        cost: READ,
        source: "Vandereycken 2013 (arXiv 1209.3834), Wei et al. 2016 (arXiv 1511.01562); stochastic: arXiv 2311.02374",
    },
];
