//! Problems for recipes: an operator, a model, and what each trial brings, in sizes at which every stage matters.

use std::sync::Arc;

use libtest_mimic::Failed;
use lowrank::engine::{Engine, Load};
use lowrank::gpu::{Device, Options};
use lowrank::laws::Place;
use lowrank::methods::{Minibatches, Polyak, Recipe, Tuning};
use lowrank::operators::{Loss, Operator, REGISTRY};
use lowrank::problem::{Factors, Shape};
use lowrank::{Backend, Precision};

use crate::common::thin::ThinOperator;

pub type Outcome = Result<(), Failed>;

/// Reproducible numbers in [-1, 1) that f32 holds exactly.
struct Stream(u64);

impl Stream {
    fn take(&mut self, count: usize) -> Vec<f64> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from((self.0 >> 48) as u16) / 32_768.0 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }
}

/// Models, as this crate's engines know them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Model {
    Psd,
    Signed,
    Asymmetric,
    /// Increments around a centre.
    Centred,
}

pub const MODELS: [Model; 4] = [Model::Psd, Model::Signed, Model::Asymmetric, Model::Centred];

/// Every kind of recipe, with and without a decay of steps.
pub fn recipes() -> Vec<(&'static str, Recipe, f64)> {
    let plain = Recipe::default();
    let groups = |count| Some(Minibatches { count, seed: 5 });
    let (huber, first) = (Loss::Huber { delta: 0.3 }, Polyak::First);
    vec![
        ("gd", plain, 1.0),
        ("gd-decay", plain, 0.9),
        ("momentum", Recipe { accelerate: true, ..plain }, 1.0),
        ("gd-polyak-1", Recipe { polyak: Polyak::Every(1), ..plain }, 1.0),
        ("gd-polyak-3", Recipe { polyak: Polyak::Every(3), ..plain }, 0.95),
        ("scaled-gd", Recipe { precondition: true, ..plain }, 1.0),
        ("scaled-gd-polyak", Recipe { precondition: true, polyak: first, ..plain }, 0.9),
        ("prec-gd", Recipe { precondition: true, residual_damping: true, ..plain }, 1.0),
        ("sgd", Recipe { minibatches: groups(4), ..plain }, 0.97),
        ("sgd-10", Recipe { minibatches: groups(10), ..plain }, 1.0),
        ("l1-geometric", Recipe { loss: Loss::L1, polyak: first, ..plain }, 0.85),
        ("huber-geometric", Recipe { loss: huber, polyak: first, ..plain }, 0.85),
        (
            "everything",
            Recipe {
                loss: huber,
                precondition: true,
                residual_damping: true,
                polyak: Polyak::Every(2),
                accelerate: true,
                minibatches: groups(3),
            },
            0.95,
        ),
        ("sgd-first", Recipe { polyak: first, minibatches: groups(3), ..plain }, 0.9),
    ]
}

pub fn recipe(name: &str) -> (Recipe, f64) {
    let (_, recipe, decay) = recipes().into_iter().find(|(known, ..)| *known == name).expect("a recipe of the list");
    (recipe, decay)
}

/// One factor a trial, or two.
pub fn factors_of(
    batch: usize,
    shape: Shape,
    k: usize,
    left: Vec<f64>,
    right: Vec<f64>,
) -> Result<Factors, lowrank::Error> {
    match shape.is_symmetric() {
        true => Factors::symmetric(batch, shape.rows(), k, left),
        false => Factors::pair(batch, shape, k, left, right),
    }
}

pub struct Case {
    pub operator: Arc<dyn Operator>,
    pub model: Model,
    pub recipe: Recipe,
    pub k: usize,
    pub batch: usize,
    pub factors: Factors,
    pub centre: Option<Factors>,
    pub target: Vec<f64>,
    pub weights: Vec<f64>,
    pub steps: Vec<f64>,
    pub shrink: Vec<f64>,
    pub tuning: Vec<Tuning>,
    pub variant: Option<String>,
}

pub fn registered(name: &str, shape: Shape, m: usize) -> Arc<dyn Operator> {
    let registration = REGISTRY.iter().find(|r| r.name == name).expect("a registered operator");
    Arc::from((registration.random)(shape, m, 7).expect("a small operator"))
}

/// By word: a registered operator with a kernel variant behind a colon, or one of the thin test operators.
pub fn operator(word: &str, model: Model, n: usize, m: usize) -> (Arc<dyn Operator>, Option<String>) {
    let shape = if model == Model::Asymmetric { Shape::asymmetric(n, n + 3) } else { Shape::psd(n) };
    let (name, variant) = word.split_once(':').map_or((word, None), |(name, variant)| (name, Some(variant)));
    let operator: Arc<dyn Operator> = match name {
        "vectors" => Arc::new(ThinOperator::vectors(shape, m, 2, 3, false)),
        "vectors-centred" => Arc::new(ThinOperator::vectors(shape, m, 1, 3, false).centred()),
        "nonzeros" => Arc::new(ThinOperator::nonzeros(shape, m, 40, 3, false)),
        "entries" => Arc::new(ThinOperator::entries(shape, m, 3)),
        name => registered(name, shape, m),
    };
    (operator, variant.map(str::to_owned))
}

impl Case {
    pub fn new(word: &str, model: Model, sizes: [usize; 4], named: &str) -> Self {
        let [n, m, k, batch] = sizes;
        let (operator, variant) = operator(word, model, n, m);
        let (recipe, decay) = recipe(named);
        Self::with(operator, model, (k, batch), (recipe, decay)).forced(variant)
    }

    pub fn forced(self, variant: Option<String>) -> Self {
        Self { variant, ..self }
    }

    /// Steps, λ and shares that move the factors by some hundredths an iteration, different in each trial.
    pub fn with(
        operator: Arc<dyn Operator>,
        model: Model,
        (k, batch): (usize, usize),
        (recipe, decay): (Recipe, f64),
    ) -> Self {
        let (shape, m, mut stream) = (operator.shape(), operator.measurements(), Stream(9));
        let n2 = if shape.is_symmetric() { 0 } else { shape.columns() };
        let (left, right) = (stream.take(batch * shape.rows() * k), stream.take(batch * n2 * k));
        let factors = factors_of(batch, shape, k, left, right).expect("sizes");
        let centre = (model == Model::Centred).then(|| {
            let values = stream.take(batch * shape.rows() * k).into_iter().map(|v| 0.5 * v).collect();
            Factors::symmetric(batch, shape.rows(), k, values).expect("sizes")
        });
        let mut case = Self {
            target: stream.take(batch * m),
            weights: stream.take(batch * m).into_iter().map(|w| if w < -0.8 { 0.0 } else { w.abs() }).collect(),
            steps: vec![0.0; batch],
            shrink: (0..batch).map(|b| if b == 1 && model != Model::Centred { 0.01 } else { 0.0 }).collect(),
            tuning: vec![Tuning::default(); batch],
            variant: None,
            operator,
            model,
            recipe,
            k,
            batch,
            factors,
            centre,
        };
        case.scale(decay);
        case
    }

    fn scale(&mut self, decay: f64) {
        let evaluation = {
            let mut engine = self.reference().expect("the reference engine");
            engine.evaluate(&self.factors, &self.factors).expect("a gradient")
        };
        let square = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
        let of = |values: &[f64], trial: usize| {
            let size = values.len() / self.batch;
            square(&values[trial * size..(trial + 1) * size])
        };
        let m = self.operator.measurements();
        for trial in 0..self.batch {
            let own = of(self.factors.left_data(), trial).max(1e-6);
            let other = if self.factors.is_single() { own } else { of(self.factors.right_data(), trial).max(1e-6) };
            let gradient = (of(&evaluation.left, trial) + of(&evaluation.right, trial)).sqrt().max(1e-6);
            let residual = (0..m).map(|i| trial * m + i).map(|at| self.weights[at] * evaluation.residual[at].powi(2));
            let residual = residual.sum::<f64>().sqrt().max(1e-6);
            let spread = own.min(other) / self.k as f64;
            let share = 0.03 * (1.0 + trial as f64) * own.min(other).sqrt() / gradient / self.recipe.gradient_scale();
            self.steps[trial] = if self.recipe.precondition { share * spread } else { share };
            self.tuning[trial] = Tuning {
                damping: 0.3 * spread / (1.0 + trial as f64),
                damping_factor: if self.recipe.residual_damping { 0.2 * spread / residual } else { 0.0 },
                decay: decay.powi(1 + trial as i32),
                optimal: 0.01 * trial as f64 * residual * residual,
                polyak_scale: 0.3 / (1.0 + trial as f64),
            };
        }
    }

    /// Trial `trial` alone.
    pub fn single(&self, trial: usize) -> Self {
        let m = self.operator.measurements();
        let alone = |factors: &Factors| {
            let right = if factors.is_single() { Vec::new() } else { factors.right(trial).as_slice().to_vec() };
            let left = factors.left(trial).as_slice().to_vec();
            factors_of(1, self.operator.shape(), self.k, left, right).expect("sizes")
        };
        let rows = trial * m..(trial + 1) * m;
        Self {
            operator: Arc::clone(&self.operator),
            factors: alone(&self.factors),
            centre: self.centre.as_ref().map(alone),
            target: self.target[rows.clone()].to_vec(),
            weights: self.weights[rows].to_vec(),
            steps: vec![self.steps[trial]],
            shrink: vec![self.shrink[trial]],
            tuning: vec![self.tuning[trial]],
            variant: self.variant.clone(),
            batch: 1,
            ..*self
        }
    }

    fn load(&self, place: &Place) -> Result<Box<dyn Engine>, lowrank::Error> {
        let gpu = matches!(place.backend, Backend::Gpu(_));
        let problem = Load {
            operator: self.operator.clone(),
            recipe: self.recipe,
            driven: None,
            batch: self.batch,
            search_rank: self.k,
            signature: (self.model == Model::Signed).then_some((self.k - self.k / 2, self.k / 2)),
            variant: self.variant.clone().filter(|_| gpu),
        };
        let mut engine = place.load(&problem)?;
        engine.set_observations(&self.target, &self.weights)?;
        if let Some(centre) = &self.centre {
            engine.set_centre(centre)?;
        }
        self.begin(engine.as_mut())?;
        Ok(engine)
    }

    /// From the beginning.
    pub fn begin(&self, engine: &mut dyn Engine) -> Result<(), lowrank::Error> {
        engine.set_steps(&self.steps)?;
        engine.set_ridge(&self.shrink)?;
        engine.set_factors(&self.factors)?;
        engine.set_tuning(&self.tuning)
    }

    pub fn reference(&self) -> Result<Box<dyn Engine>, lowrank::Error> {
        self.load(&Place::new("reference", Backend::Reference, Precision::F64))
    }

    pub fn cpu(&self, precision: Precision) -> Result<Box<dyn Engine>, lowrank::Error> {
        self.load(&Place::new("cpu", Backend::Cpu, precision))
    }

    /// In paranoid mode.
    pub fn gpu(&self, device: &Device, options: Options) -> Result<Box<dyn Engine>, lowrank::Error> {
        let precision = options.precision;
        let options = Options { paranoid: true, ..options };
        self.load(&Place { options, ..Place::new("gpu", Backend::Gpu(device.clone()), precision) })
    }

    pub fn label(&self) -> String {
        let name = self.variant.as_deref().unwrap_or(self.operator.name());
        let (shape, m) = (self.operator.shape(), self.operator.measurements());
        format!("{name} {:?} {}x{} m {m} k {} batch {}", self.model, shape.rows(), shape.columns(), self.k, self.batch)
    }
}

/// L, then R.
pub fn numbers(engine: &mut dyn Engine) -> Result<Vec<f64>, Failed> {
    let factors = engine.factors()?;
    let right = if factors.is_single() { &[][..] } else { factors.right_data() };
    Ok(factors.left_data().iter().chain(right).copied().collect())
}

/// Within `tolerance` of the largest number.
pub fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Outcome {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} numbers instead of {}", found.len(), expected.len()).into());
    }
    let scale = expected.iter().fold(0.0_f64, |all, v| all.max(v.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        if error.is_nan() || error > tolerance * scale {
            return Err(format!("{what}[{at}]: {found}, expected {expected} within {:e}", tolerance * scale).into());
        }
    }
    Ok(())
}

pub fn same(what: &str, found: &[f64], expected: &[f64]) -> Outcome {
    match found.iter().zip(expected).position(|(a, b)| a.to_bits() != b.to_bits()) {
        _ if found.len() != expected.len() => Err(format!("{what}: lengths differ").into()),
        Some(at) => Err(format!("{what}[{at}]: {} is not {} bit for bit", found[at], expected[at]).into()),
        None => Ok(()),
    }
}
