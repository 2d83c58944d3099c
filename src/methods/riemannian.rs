//! Descent on the manifold of matrices of rank k. The gradient is projected onto the tangent space, and a decomposition
//! of 2k×2k retracts the new point to rank k (Vandereycken 2013; Wei, Cai, Chan & Leung 2016).
//!
//! With Z = A Σ Bᵀ (A = B = Q where Z is symmetric) and G = A*(w∘e), the products needed are H = G B and K = Gᵀ A:
//!
//! ```text
//! P_T(G) = H⊥Bᵀ + A Kᵀ,  H⊥ = H − A AᵀH
//! Z − t·P_T(G) = [A H⊥] [[Σ, −tI], [−tI, 0]] [B K]ᵀ
//! ```
//!
//! For symmetric Z = QΛQᵀ, with W = H − ½Q QᵀH, P_T(G) = W Qᵀ + Q Wᵀ and both brackets are [Q W].

use crate::error::{Error, Result};
use crate::linalg::{symmetric_eigen, thin_qr, thin_svd, times, transposed_times};
use crate::methods::card::{Context, MethodCard, StartKind, StepSize};
use crate::methods::line::{self, StepRule};
use crate::methods::parameters;
use crate::methods::{Algorithm, Method};
use crate::models::Model;
use crate::named::{Named, at_least_one};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{BlockSize, Minibatches, Register, Tape};

pub(super) const CARD: MethodCard = MethodCard {
    word: "riemannian",
    formula: "Z <- retract_k(Z - t P_T(s A*(e))), T the tangent space of rank k at Z; t least along the line",
    parameters: &[
        Parameter::new(&parameters::STEP_RULE, "exact"),
        Parameter::new(&parameters::MINIBATCHES, "none"),
        Parameter::new(&parameters::METHOD_SEED, "0"),
    ],
    step_size: "found",
    cost: "2 passes; some factors to the host and back",
    source: "Vandereycken 2013 (arXiv 1209.3834), Wei et al. 2016 (arXiv 1511.01562); stochastic: arXiv 2311.02374",
    make: |of| {
        Ok(Method::new(Riemannian {
            step_rule: of.get("step_rule", "constant or exact")?,
            minibatches: of.get("minibatches", "a whole number of at least 1")?,
            seed: of.get("method_seed", "a whole number")?,
        }))
    },
};

/// Descent on the manifold of matrices of rank k, with exact steps along the tangent (Vandereycken 2013; Wei et al. 2016).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct Riemannian {
    step_rule: Option<StepRule>,
    minibatches: Option<usize>,
    seed: Option<u64>,
}

impl Riemannian {
    /// Sets the step rule. Default: exact.
    pub fn step_rule(mut self, rule: StepRule) -> Self {
        self.step_rule = Some(rule);
        self
    }

    /// Sets the number of groups of measurements that take turns. Default: none.
    pub fn minibatches(mut self, groups: usize) -> Self {
        self.minibatches = Some(groups);
        self
    }

    /// Sets the seed of the order of groups. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    fn groups(&self) -> Option<Minibatches> {
        self.minibatches.map(|count| Minibatches::new(count, self.seed.unwrap_or(0)))
    }
}

/// L and R, or U and nothing.
struct Point {
    left: Vec<f64>,
    right: Vec<f64>,
}

/// A, Σ, B of a trial's factors.
struct Decomposed {
    a: Vec<f64>,
    values: Vec<f64>,
    b: Vec<f64>,
}

/// Q and Λ from U = Q√Λ, or A, Σ, B of L Rᵀ from the triangular factors.
fn decomposed(at: &Point, k: usize) -> Result<Decomposed> {
    if at.right.is_empty() {
        let (q, values, _) = thin_svd(at.left.len() / k, k, &at.left)?;
        return Ok(Decomposed { a: q, values: values.iter().map(|v| v * v).collect(), b: Vec::new() });
    }
    let (n1, n2) = (at.left.len() / k, at.right.len() / k);
    let ((ql, rl), (qr, rr)) = (thin_qr(n1, k, &at.left), thin_qr(n2, k, &at.right));
    // R_L R_Rᵀ, c1×c2.
    let (c1, c2) = (n1.min(k), n2.min(k));
    let rr_t: Vec<f64> = (0..k * c2).map(|i| rr[i % c2 * k + i / c2]).collect();
    let (u, values, v) = thin_svd(c1, c2, &times(&rl, k, &rr_t, c2))?;
    let count = c1.min(c2);
    Ok(Decomposed { a: times(&ql, c1, &u, count), values, b: times(&qr, c2, &v, count) })
}

/// [A H], row by row.
fn beside(a: &[f64], h: &[f64], count: usize) -> Vec<f64> {
    a.chunks(count).zip(h.chunks(count)).flat_map(|(a, h)| a.iter().chain(h)).copied().collect()
}

/// [[Σ, −tI], [−tI, 0]].
fn middle(values: &[f64], t: f64) -> Vec<f64> {
    let c = values.len();
    (0..4 * c * c)
        .map(|at| {
            let (i, j) = (at / (2 * c), at % (2 * c));
            match (i < c, j < c) {
                (true, true) if i == j => values[i],
                (true, false) if j == i + c => -t,
                (false, true) if i == j + c => -t,
                _ => 0.0,
            }
        })
        .collect()
}

/// A√Σ with k columns; columns without a value are zero.
fn with_roots(vectors: &[f64], columns: usize, picks: &[(usize, f64)], k: usize) -> Vec<f64> {
    let row = |row: &[f64]| {
        let mut out = vec![0.0; k];
        picks.iter().zip(&mut out).for_each(|((j, value), out)| *out = row[*j] * value.max(0.0).sqrt());
        out
    };
    vectors.chunks(columns).flat_map(row).collect()
}

/// The factors of the best approximation of rank k to the point after a step t.
fn retracted(z: &Decomposed, tangent: &Point, t: f64, k: usize) -> Result<Point> {
    let c = z.values.len();
    let m = middle(&z.values, t);
    let left = beside(&z.a, &tangent.left, c);
    let (q, r) = thin_qr(left.len() / (2 * c), 2 * c, &left);
    let size = r.len() / (2 * c);
    if z.b.is_empty() {
        // R M Rᵀ.
        let rm = times(&r, 2 * c, &m, 2 * c);
        let r_t: Vec<f64> = (0..r.len()).map(|i| r[i % size * 2 * c + i / size]).collect();
        let (values, vectors) = symmetric_eigen(size, &times(&rm, 2 * c, &r_t, size))?;
        let picks: Vec<(usize, f64)> = (0..k.min(size)).map(|j| (size - 1 - j, values[size - 1 - j])).collect();
        let left = with_roots(&times(&q, size, &vectors, size), size, &picks, k);
        return Ok(Point { left, right: Vec::new() });
    }
    let right = beside(&z.b, &tangent.right, c);
    let (p, s) = thin_qr(right.len() / (2 * c), 2 * c, &right);
    let wide = s.len() / (2 * c);
    let s_t: Vec<f64> = (0..s.len()).map(|i| s[i % wide * 2 * c + i / wide]).collect();
    let (u, values, v) = thin_svd(size, wide, &times(&times(&r, 2 * c, &m, 2 * c), 2 * c, &s_t, wide))?;
    let count = size.min(wide);
    let picks: Vec<(usize, f64)> = (0..k.min(count)).map(|j| (j, values[j])).collect();
    Ok(Point {
        left: with_roots(&times(&q, size, &u, count), count, &picks, k),
        right: with_roots(&times(&p, wide, &v, count), count, &picks, k),
    })
}

/// Pads fewer than k columns with zeros, for the engine.
fn widened(v: &[f64], count: usize, k: usize) -> Vec<f64> {
    v.chunks(count).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, k - count))).collect()
}

fn narrowed(v: &[f64], count: usize, k: usize) -> Vec<f64> {
    v.chunks(k).flat_map(|row| &row[..count]).copied().collect()
}

/// The blocks of a list: L and R, or U and nothing.
fn point(values: &[f64], sizes: &[BlockSize]) -> Point {
    let (left, right) = values.split_at(sizes[0].len());
    Point { left: left.to_vec(), right: right.to_vec() }
}

/// Concatenates both blocks, padded to k columns.
fn laid_out(left: &[f64], right: &[f64], count: usize, k: usize) -> Vec<f64> {
    widened(left, count, k).into_iter().chain(widened(right, count, k)).collect()
}

impl Algorithm for Riemannian {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default()
            .with("step_rule", self.step_rule)
            .with("minibatches", self.minibatches)
            .with("method_seed", self.seed)
    }

    fn check(&self, loss: Loss) -> Result<()> {
        at_least_one("minibatches", self.minibatches)?;
        if self.step_rule == Some(StepRule::Armijo) {
            let fix = "leave it out: the exact step along the tangent costs one pass";
            return Err(Error::invalid("step_rule", "armijo", "constant or exact for riemannian", fix));
        }
        line::require_square(Some(self.step_rule()), loss)
    }

    fn check_model(&self, model: &Model) -> Result<()> {
        if model.takes_roots() {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("the method riemannian for the model {}", model.word()),
            fix: "use gd or momentum, which suit every model, or lbfgs, cg or prec-gd for one or two factors".into(),
        })
    }

    /// Its decompositions on the host are real.
    fn takes_complex(&self) -> bool {
        false
    }

    fn step_size(&self) -> StepSize {
        StepSize::Found
    }

    fn step_rule(&self) -> StepRule {
        self.step_rule.unwrap_or(StepRule::Exact)
    }

    fn minibatches(&self) -> Option<usize> {
        self.minibatches
    }

    fn start(&self, _damping: Option<f64>) -> StartKind {
        StartKind::Spectral
    }

    fn record(&self, t: &mut Tape, _context: &Context) -> Result<()> {
        let (u, k) = (t.iterate(), t.search_rank());
        let sizes = t.sizes(u).to_vec();
        let count = sizes.iter().map(|block| block.rows).fold(k, usize::min);
        let groups = self.groups();
        let whole = t.whole(u);
        let (bases, values) = (t.blocks("bases"), t.blocks_of("values", vec![BlockSize::new(1, count)]));
        let of = sizes.clone();
        // Z = A Σ Bᵀ. An overflow leaves no bases; its loss is NaN too, and the run has diverged.
        t.on_host("bases", [Register::from(whole)], [Register::from(bases), values.into()], move |given, made| {
            match decomposed(&point(&given[0].numbers(), &of), k) {
                Ok(z) => {
                    made[0] = laid_out(&z.a, &z.b, count, k).into();
                    made[1] = z.values.into();
                }
                Err(_) => {
                    made[0] = vec![f64::NAN; given[0].len()].into();
                    made[1] = vec![f64::NAN; count].into();
                }
            }
            Ok(())
        });
        let (e, g) = t.gradient_applied(u, bases, groups);
        if groups.is_none() {
            t.observe(e);
        }
        let (tangent, of) = (t.blocks("tangent"), sizes.clone());
        let inputs = [Register::from(bases), g.into()];
        t.on_host("tangent", inputs, [Register::from(tangent)], move |given, made| {
            let (z, g) = (point(&given[0].numbers(), &of), point(&given[1].numbers(), &of));
            let (a, h) = (narrowed(&z.left, count, k), narrowed(&g.left, count, k));
            let inner = times(&a, count, &transposed_times(&a, count, &h, count), count);
            let part = if of.len() == 1 { 0.5 } else { 1.0 };
            let left: Vec<f64> = h.iter().zip(&inner).map(|(h, i)| h - part * i).collect();
            made[0] = laid_out(&left, &narrowed(&g.right, count, k), count, k).into();
            Ok(())
        });
        let step = match self.step_rule() {
            StepRule::Exact => {
                // t = ⟨e, a⟩/⟨a, a⟩ with a = A(P_T(G)), the minimum of the loss along the tangent.
                let (a, _) = t.along(bases, tangent).ok_or_else(line::no_lines)?;
                let (ea, aa) = (t.measured_dot(e, a), t.measured_dot(a, a));
                t.formula(ea / aa)
            }
            _ => {
                let step = t.step();
                t.formula(step * groups.map_or(1.0, |groups| groups.count as f64))
            }
        };
        let of = sizes;
        let inputs = [Register::from(bases), values.into(), tangent.into(), step.into()];
        t.on_host("retraction", inputs, [Register::from(u)], move |given, made| {
            let (z, tangent) = (point(&given[0].numbers(), &of), point(&given[2].numbers(), &of));
            let narrow = |v: &[f64]| narrowed(v, count, k);
            let z = Decomposed { a: narrow(&z.left), values: given[1].numbers().into_owned(), b: narrow(&z.right) };
            let tangent = Point { left: narrow(&tangent.left), right: narrow(&tangent.right) };
            match retracted(&z, &tangent, given[3].number(0), k) {
                Ok(at) => made[0] = at.left.into_iter().chain(at.right).collect::<Vec<f64>>().into(),
                Err(_) => made[0] = vec![f64::NAN; given[0].len()].into(),
            }
            Ok(())
        });
        Ok(())
    }
}
