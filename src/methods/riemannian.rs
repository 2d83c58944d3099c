//! Descent on the manifold of matrices of rank k. The gradient is projected onto the tangent space, and a decomposition
//! of 2k×2k retracts the new point to rank k (Vandereycken 2013; Wei, Cai, Chan & Leung 2016).
//!
//! With Z = A Σ Bᴴ (A = B = Q where Z is symmetric or Hermitian) and G = A*(w∘e), the products needed are H = G B and K = Gᴴ A:
//!
//! ```text
//! P_T(G) = H⊥Bᴴ + A Kᴴ,  H⊥ = H − A AᴴH
//! Z − t·P_T(G) = [A H⊥] [[Σ, −tI], [−tI, 0]] [B K]ᴴ
//! ```
//!
//! For Z = QΛQᴴ, with W = H − ½Q QᴴH, P_T(G) = W Qᴴ + Q Wᴴ and both brackets are [Q W].

use faer::{Mat, c64};

use crate::error::{Error, Result};
use crate::field::Field;
use crate::linalg::{eigen, row_major, singular, svd_of_product, view};
use crate::methods::card::{Context, MethodCard, StartKind, StepSize};
use crate::methods::line::{self, StepRule};
use crate::methods::parameters;
use crate::methods::{Algorithm, Method};
use crate::models::Model;
use crate::named::{Named, at_least_one};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{BlockSize, Held, Left, Minibatches, Register, Tape};

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
struct Point<E: Field> {
    left: Mat<E>,
    right: Option<Mat<E>>,
}

/// A, Σ, B of a trial's factors, B where it is not A.
struct Decomposed<E: Field> {
    values: Vec<f64>,
    vectors: Point<E>,
}

/// How registers hold points: their blocks, the columns k of a factor, and those that a decomposition fills.
#[derive(Clone)]
struct Layout {
    sizes: Vec<BlockSize>,
    k: usize,
    count: usize,
}

impl Layout {
    /// The first `columns` columns of both blocks.
    fn read<E: Field>(&self, numbers: &[f64], columns: usize) -> Point<E> {
        let (left, right) = numbers.split_at(self.sizes[0].len());
        let of = |size: &BlockSize, part: &[f64]| {
            E::unstacked(view(size.rows, self.k, part).subcols(0, columns.min(self.k)).to_owned())
        };
        Point { left: of(&self.sizes[0], left), right: self.sizes.get(1).map(|size| of(size, right)) }
    }

    /// Both blocks with zeros in the columns that the point lacks.
    fn write<E: Field>(&self, point: &Point<E>) -> Vec<f64> {
        let of =
            |block: &Mat<E>| {
                let wide = Mat::from_fn(block.nrows(), self.k, |i, j| {
                    if j < block.ncols() { block[(i, j)] } else { E::of(0.0, 0.0) }
                });
                row_major(E::stacked(wide).as_ref())
            };
        of(&point.left).into_iter().chain(point.right.iter().flat_map(of)).collect()
    }
}

/// Q and Λ from U = Q√Λ, or A, Σ, B of L Rᴴ.
fn decomposed<E: Field>(at: &Point<E>) -> Result<Decomposed<E>> {
    if let Some(right) = &at.right {
        let ([left, right], values) = svd_of_product(&at.left, right)?;
        return Ok(Decomposed { values, vectors: Point { left, right: Some(right) } });
    }
    let (vectors, values, _) = singular(&at.left)?;
    let values = values.iter().map(|v| v * v).collect();
    Ok(Decomposed { values, vectors: Point { left: vectors, right: None } })
}

/// [A H]
fn beside<E: Field>(a: &Mat<E>, h: &Mat<E>) -> Mat<E> {
    let count = a.ncols();
    Mat::from_fn(a.nrows(), count + h.ncols(), |i, j| if j < count { a[(i, j)] } else { h[(i, j - count)] })
}

/// [[Σ, −tI], [−tI, 0]]
fn middle<E: Field>(values: &[f64], t: f64) -> Mat<E> {
    let c = values.len();
    Mat::from_fn(2 * c, 2 * c, |i, j| match (i < c, j < c) {
        (true, true) if i == j => E::of(values[i], 0.0),
        (true, false) if j == i + c => E::of(-t, 0.0),
        (false, true) if i == j + c => E::of(-t, 0.0),
        _ => E::of(0.0, 0.0),
    })
}

/// Columns of vectors, picked in order, times the roots of their values.
fn with_roots<E: Field>(vectors: &Mat<E>, picks: &[(usize, f64)]) -> Mat<E> {
    Mat::from_fn(vectors.nrows(), picks.len(), |i, j| vectors[(i, picks[j].0)] * picks[j].1.max(0.0).sqrt())
}

/// The factors of the best approximation of rank k to the point after a step t.
fn retracted<E: Field>(z: &Decomposed<E>, tangent: &Point<E>, t: f64, k: usize) -> Result<Point<E>> {
    let m = middle::<E>(&z.values, t);
    let left = beside(&z.vectors.left, &tangent.left).qr();
    let (q, r) = (left.compute_thin_Q(), left.thin_R());
    let (Some(b), Some(along)) = (&z.vectors.right, &tangent.right) else {
        let (values, vectors) = eigen(&(r * m * r.adjoint()))?;
        let size = values.len();
        let picks: Vec<(usize, f64)> = (0..k.min(size)).map(|j| (size - 1 - j, values[size - 1 - j])).collect();
        return Ok(Point { left: with_roots(&(q * vectors), &picks), right: None });
    };
    let right = beside(b, along).qr();
    let (p, s) = (right.compute_thin_Q(), right.thin_R());
    let small = r * m * s.adjoint();
    let (u, values, v) = singular(&small)?;
    let picks: Vec<(usize, f64)> = values.into_iter().enumerate().take(k).collect();
    Ok(Point { left: with_roots(&(q * u), &picks), right: Some(with_roots(&(p * v), &picks)) })
}

/// P_T(G) from the products of G with the bases.
fn tangent_of<E: Field>(z: &Point<E>, g: Point<E>) -> Point<E> {
    let inner = &z.left * (z.left.adjoint() * &g.left);
    let part = if z.right.is_none() { 0.5 } else { 1.0 };
    let left = Mat::from_fn(g.left.nrows(), g.left.ncols(), |i, j| g.left[(i, j)] - inner[(i, j)] * part);
    Point { left, right: g.right }
}

/// Numbers of a diverged run: its loss is NaN too.
fn none(length: usize) -> Left {
    vec![f64::NAN; length].into()
}

/// The bases and values of the iterate. An overflow leaves no bases.
fn bases<E: Field>(layout: &Layout, given: &[Held<'_>], made: &mut [Left]) {
    match decomposed(&layout.read::<E>(&given[0].numbers(), layout.k)) {
        Ok(z) => {
            made[0] = layout.write(&z.vectors).into();
            made[1] = z.values.into();
        }
        Err(_) => {
            made[0] = none(given[0].len());
            made[1] = none(layout.count);
        }
    }
}

fn tangent<E: Field>(layout: &Layout, given: &[Held<'_>], made: &mut [Left]) {
    let [z, g] = [0, 1].map(|at| layout.read::<E>(&given[at].numbers(), layout.count));
    made[0] = layout.write(&tangent_of(&z, g)).into();
}

fn retraction<E: Field>(layout: &Layout, given: &[Held<'_>], made: &mut [Left]) {
    let [vectors, along] = [0, 2].map(|at| layout.read::<E>(&given[at].numbers(), layout.count));
    let z = Decomposed { values: given[1].numbers().into_owned(), vectors };
    made[0] = match retracted(&z, &along, given[3].number(0), layout.k) {
        Ok(at) => layout.write(&at).into(),
        Err(_) => none(given[0].len()),
    };
}

/// A function of registers on the host, for real factors and for complex ones.
type Part = fn(&Layout, &[Held<'_>], &mut [Left]);

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
        let complex = t.domain().is_complex();
        let parts = if complex { 2 } else { 1 };
        let count = sizes.iter().map(|block| block.rows / parts).fold(k, usize::min);
        let groups = self.groups();
        let whole = t.whole(u);
        let (bases_at, values) = (t.blocks("bases"), t.blocks_of("values", vec![BlockSize::new(1, count)]));
        let layout = Layout { sizes, k, count };
        // In complex numbers where the factors are.
        let on_host = |t: &mut Tape, name, inputs: &[Register], outputs: &[Register], both: (Part, Part)| {
            let (layout, own) = (layout.clone(), if complex { both.1 } else { both.0 });
            t.on_host(name, inputs.iter().copied(), outputs.iter().copied(), move |given, made| {
                own(&layout, given, made);
                Ok(())
            });
        };
        // Z = A Σ Bᴴ.
        on_host(t, "bases", &[whole.into()], &[bases_at.into(), values.into()], (bases::<f64>, bases::<c64>));
        let (e, g) = t.gradient_applied(u, bases_at, groups);
        if groups.is_none() {
            t.observe(e);
        }
        let along = t.blocks("tangent");
        on_host(t, "tangent", &[bases_at.into(), g.into()], &[along.into()], (tangent::<f64>, tangent::<c64>));
        let step = match self.step_rule() {
            StepRule::Exact => {
                // t = ⟨e, a⟩/⟨a, a⟩ with a = A(P_T(G)), the minimum of the loss along the tangent.
                let (a, _) = t.along(bases_at, along).ok_or_else(line::no_lines)?;
                let (ea, aa) = (t.measured_dot(e, a), t.measured_dot(a, a));
                t.formula(ea / aa)
            }
            _ => {
                let step = t.step();
                t.formula(step * groups.map_or(1.0, |groups| groups.count as f64))
            }
        };
        let inputs = [bases_at.into(), values.into(), along.into(), step.into()];
        on_host(t, "retraction", &inputs, &[u.into()], (retraction::<f64>, retraction::<c64>));
        Ok(())
    }
}
