//! Algorithms: their words, parameters and defaults, and what runs them: a recipe of stages that every engine knows, or a
//! rule that decides on the host.

mod cards;
mod recipe;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::operators::Loss;
use crate::problem::Shape;

pub use cards::{METHODS, MethodCard};
pub use recipe::{Minibatches, Polyak, Recipe, Stage, Tuning, Turns};

/// The algorithm that moves the factors. [`METHODS`] has formulas, parameters and sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// `U ← U − μ·s·A*(A(UUᵀ) − y)·U`, the iteration of Stöger & Soltanolkotabi (arXiv 2106.15013).
    #[serde(rename = "gd")]
    GradientDescent,
    /// Gradient descent from extrapolated points, with restarts.
    Momentum,
    /// Gradient descent with a step of Polyak now and then.
    GdPolyak,
    /// Gradients of a part of the measurements.
    Sgd,
    /// The gradient times (VᵀV + λI)⁻¹, λ fixed.
    ScaledGd,
    /// The same with λ in proportion to the residual. The default: far from the solution it is gradient descent, with its bias
    /// towards low rank, and near it the condition number of M no longer counts. From a small random start it needs about a
    /// hundred passes to 1e-5 whatever the condition number, the search rank and the kind of measurement are (`tests/methods`),
    /// where gradient descent needs thousands and methods with line searches, far fewer near the solution, interpolate where the
    /// measurements leave room for it.
    #[default]
    PrecGd,
    /// L and R in turn, with pseudo-inverses.
    AltScaledGd,
    /// Nonlinear conjugate gradients.
    Cg,
    /// Limited-memory quasi-Newton.
    Lbfgs,
    /// Descent on the manifold of matrices of rank k.
    Riemannian,
}

/// How long a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepRule {
    /// step_size.
    Constant,
    /// The first of step_size·2ʲ, step_size·2ʲ⁻¹, … that descends enough, beginning one above the last one taken.
    Armijo,
    /// The least of the quartic that the loss is along the direction.
    Exact,
}

impl StepRule {
    /// The rule of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "constant" => Some(Self::Constant),
            "armijo" => Some(Self::Armijo),
            "exact" => Some(Self::Exact),
            _ => None,
        }
    }
}

/// Parameters of methods; what is left out has the method's default, what a method does not have is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parameters {
    /// λ of `scaled-gd`, in units of ‖M‖. Default: 0 from a spectral start, else [`DAMPING`]·‖s·A*(y)‖.
    pub damping: Option<f64>,
    /// c in λ = c·√s·‖e‖ = 2c√f of `prec-gd` and `cg`. Default: [`DAMPING_FACTOR`], [`CG_DAMPING_FACTOR`].
    pub damping_factor: Option<f64>,
    /// Default: `Exact` for `cg` and `lbfgs`, else `Constant`.
    pub step_rule: Option<StepRule>,
    /// q: the step of iteration t is q^t times that of the first. Default: 1, and [`L1_DECAY`] for the loss `l1` of gd and scaled-gd,
    /// whose subgradients do not become small.
    pub step_decay: Option<f64>,
    /// K of `gd-polyak`: every K-th step is Polyak's. Default: 10.
    pub polyak_every: Option<usize>,
    /// The loss that Polyak's step aims at. Default: 0.
    pub optimal_loss: Option<f64>,
    /// Share of Polyak's step that is taken. Default: 1, and ½ where it sets a first step that decays: outliers make it too long.
    pub polyak_scale: Option<f64>,
    /// Groups of measurements of `sgd`. Default: 10.
    pub minibatches: Option<usize>,
    /// Seed of their order. Default: 0.
    pub method_seed: Option<u64>,
    /// Pairs that `lbfgs` remembers. Default: 10.
    pub memory: Option<usize>,
    /// ρ of the loss. Default: square.
    pub loss: Loss,
}

/// λ of `scaled-gd` over ‖s·A*(y)‖ where the start is not spectral.
pub const DAMPING: f64 = 1e-3;
/// Step of `scaled-gd` and `prec-gd`. Near the solution the error is multiplied by 1 − 2μ where the measurements are isometric;
/// where they are so to within δ only, steps below 1/(1 + δ) are stable.
pub const PRECONDITIONED_STEP: f64 = 0.4;
/// λ of `prec-gd` over √s·‖e‖, which estimates ‖UUᵀ − M‖_F.
pub const DAMPING_FACTOR: f64 = 1.0;
/// The same of `cg`, whose steps are exact.
pub const CG_DAMPING_FACTOR: f64 = 0.1;

/// q of the loss `l1`.
pub const L1_DECAY: f64 = 0.95;

impl Parameters {
    /// q.
    pub(crate) fn decay(&self, method: Method) -> Option<f64> {
        let decays = matches!(method, Method::GradientDescent | Method::ScaledGd) && self.optimal_loss.is_none();
        self.step_decay.or((self.loss == Loss::L1 && decays).then_some(L1_DECAY))
    }

    /// Whether the first step is Polyak's and the others decay from it: steps that decay need one of the right size.
    pub(crate) fn decays_from_polyak(&self, method: Method) -> bool {
        let decays = self.decay(method).is_some_and(|q| q < 1.0);
        self.loss != Loss::Square && self.optimal_loss.is_none() && decays
    }
}

/// What runs a method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    /// Stages on the engine; nothing is read back.
    Recipe(Recipe),
    /// A rule on the host, which asks the engine for gradients and measurements.
    Driven(Driven),
}

/// A rule that decides on the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Driven {
    pub rule: Rule,
    pub step: StepRule,
    pub loss: Loss,
}

/// Where to go from the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// −∇f, or −∇f (VᵀV + λI)⁺ where it is preconditioned.
    Gradient {
        precondition: bool,
    },
    Conjugate,
    QuasiNewton {
        memory: usize,
    },
    /// L, then R.
    Alternating,
    Manifold {
        minibatches: Option<Minibatches>,
    },
}

fn unused(method: Method, name: &str, found: impl ToString) -> Error {
    let has: Vec<&str> = METHODS.iter().filter(|card| card.has(name)).map(|card| card.word).collect();
    let allowed = format!("nothing for the method {}; {} for it", method.word(), has.join(", "));
    Error::invalid(name, found, allowed, "leave it out, or choose another method")
}

impl Method {
    /// The word of `--method` and of reports.
    pub fn word(self) -> &'static str {
        self.card().map_or("gd", |card| card.word)
    }

    /// The method of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        METHODS.iter().find(|card| card.word == word).map(|card| card.method)
    }

    /// What `lowrank list methods` shows of it.
    pub fn card(self) -> Option<&'static MethodCard> {
        METHODS.iter().find(|card| card.method == self)
    }

    /// Whether D is multiplied by (VᵀV + λI)⁻¹, so that steps have no unit.
    pub fn is_preconditioned(self) -> bool {
        matches!(self, Self::ScaledGd | Self::PrecGd | Self::AltScaledGd)
    }

    /// Whether its step is chosen by a line search unless it is told otherwise.
    pub fn searches(self) -> bool {
        matches!(self, Self::Cg | Self::Lbfgs | Self::Riemannian)
    }

    /// Refuses parameters that are out of range or that this method does not have.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter.
    pub fn check(self, p: &Parameters) -> Result<()> {
        let card = self.card();
        let given: [(&str, Option<String>); 10] = [
            ("damping", p.damping.map(|v| v.to_string())),
            ("damping_factor", p.damping_factor.map(|v| v.to_string())),
            ("step_rule", p.step_rule.map(|v| format!("{v:?}").to_lowercase())),
            ("step_decay", p.step_decay.map(|v| v.to_string())),
            ("polyak_every", p.polyak_every.map(|v| v.to_string())),
            ("optimal_loss", p.optimal_loss.map(|v| v.to_string())),
            ("polyak_scale", p.polyak_scale.map(|v| v.to_string())),
            ("minibatches", p.minibatches.map(|v| v.to_string())),
            ("method_seed", p.method_seed.map(|v| v.to_string())),
            ("memory", p.memory.map(|v| v.to_string())),
        ];
        for (name, value) in given {
            if let Some(value) = value.filter(|_| !card.is_some_and(|card| card.has(name))) {
                return Err(unused(self, name, value));
            }
        }
        let at_least_zero = |name: &str, value: Option<f64>, fix: &str| match value {
            Some(v) if !(v.is_finite() && v >= 0.0) => {
                Err(Error::invalid(name, v, "a finite number of at least 0", fix))
            }
            _ => Ok(()),
        };
        at_least_zero("damping", p.damping, "0 is ScaledGD itself; leave it out for an automatic value")?;
        at_least_zero("damping_factor", p.damping_factor, "leave it out for the default")?;
        at_least_zero("optimal_loss", p.optimal_loss, "leave it out for 0")?;
        if let Some(v) = p.polyak_scale.filter(|v| !(v.is_finite() && *v > 0.0)) {
            return Err(Error::invalid("polyak_scale", v, "a positive finite number", "leave it out for 1"));
        }
        if let Some(v) = p.step_decay.filter(|v| !(*v > 0.0 && *v <= 1.0)) {
            return Err(Error::invalid("step_decay", v, "above 0, at most 1", "leave it out for a step that stays"));
        }
        for (name, value) in [("polyak_every", p.polyak_every), ("minibatches", p.minibatches), ("memory", p.memory)] {
            if value == Some(0) {
                return Err(Error::invalid(name, 0, "at least 1", "leave it out for the default"));
            }
        }
        if let Loss::Huber { delta } = p.loss
            && !(delta.is_finite() && delta > 0.0)
        {
            return Err(Error::invalid(
                "loss",
                format!("huber:{delta}"),
                "huber:δ with δ above 0",
                "for example huber:1",
            ));
        }
        if p.loss != Loss::Square {
            if p.step_rule == Some(StepRule::Exact) || (p.step_rule.is_none() && self.searches()) {
                let fix = "use gd, scaled-gd, gd-polyak or sgd for it";
                return Err(Error::invalid("loss", p.loss.word(), "square where steps are exact", fix));
            }
            if self == Self::PrecGd || self == Self::AltScaledGd {
                let fix = "use scaled-gd, whose damping does not follow the residual";
                return Err(Error::invalid("loss", p.loss.word(), format!("square for {}", self.word()), fix));
            }
        }
        Ok(())
    }

    /// What runs it for unknowns of that shape; `undamped` where some λ is 0.
    ///
    /// # Errors
    /// [`Error::Invalid`] as [`Method::check`] has it; [`Error::Unsupported`] for a shape that it is not for.
    pub fn algorithm(self, p: &Parameters, shape: Shape, undamped: bool) -> Result<Algorithm> {
        self.check(p)?;
        let recipe = Recipe { loss: p.loss, ..Recipe::default() };
        let minibatches = Minibatches { count: p.minibatches.unwrap_or(10), seed: p.method_seed.unwrap_or(0) };
        let step = p.step_rule.unwrap_or(if self.searches() { StepRule::Exact } else { StepRule::Constant });
        let driven = |rule: Rule| Algorithm::Driven(Driven { rule, step, loss: p.loss });
        // Where the optimal loss is known every step can be Polyak's.
        let polyak = match p.optimal_loss {
            Some(_) => Polyak::Every(1),
            None if p.decays_from_polyak(self) => Polyak::First,
            None => Polyak::Never,
        };
        Ok(match self {
            Self::GradientDescent | Self::ScaledGd | Self::PrecGd if step != StepRule::Constant => {
                driven(Rule::Gradient { precondition: self.is_preconditioned() })
            }
            Self::GradientDescent => Algorithm::Recipe(Recipe { polyak, ..recipe }),
            Self::ScaledGd if undamped && polyak == Polyak::Never && p.loss == Loss::Square => {
                driven(Rule::Gradient { precondition: true })
            }
            Self::ScaledGd => Algorithm::Recipe(Recipe { precondition: true, polyak, ..recipe }),
            Self::PrecGd => Algorithm::Recipe(Recipe { precondition: true, residual_damping: true, ..recipe }),
            Self::Momentum => Algorithm::Recipe(Recipe { accelerate: true, ..recipe }),
            Self::GdPolyak => {
                Algorithm::Recipe(Recipe { polyak: Polyak::Every(p.polyak_every.unwrap_or(10)), ..recipe })
            }
            Self::Sgd => Algorithm::Recipe(Recipe { minibatches: Some(minibatches), ..recipe }),
            Self::AltScaledGd if shape.is_symmetric() => {
                return Err(Error::Unsupported {
                    what: "alt-scaled-gd for a model of one factor, which has nothing to alternate".into(),
                    fix: "use scaled-gd or prec-gd, or say --model asymmetric".into(),
                });
            }
            Self::AltScaledGd => driven(Rule::Alternating),
            Self::Cg => driven(Rule::Conjugate),
            Self::Lbfgs => driven(Rule::QuasiNewton { memory: p.memory.unwrap_or(10) }),
            Self::Riemannian => driven(Rule::Manifold { minibatches: p.minibatches.map(|_| minibatches) }),
        })
    }
}
