//! Problems for methods: an operator, a model, and what each trial brings, in sizes at which every op matters.

use std::sync::Arc;

use libtest_mimic::Failed;
use lowrank::gpu::Device;
use lowrank::internals::engine::Load;
use lowrank::internals::gpu::Options;
use lowrank::internals::laws::Place;
use lowrank::internals::operators::REGISTRY;
use lowrank::internals::tape::{Kind, Program, Role, Sides};
use lowrank::methods::{Context, GameMetric, Method, StepRule};
use lowrank::operators::{Loss, Operator};
use lowrank::problem::Domain;
use lowrank::tape::Tape;
use lowrank::{Backend, Precision};

use crate::methods_gpu::everything::Everything;
use crate::running::{Evaluator, Running};
use crate::thin::ThinOperator;

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

/// Models, as iterations know them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Model {
    Psd,
    Signed,
    Asymmetric,
    /// Increments around a centre.
    Centred,
}

pub const MODELS: [Model; 4] = [Model::Psd, Model::Signed, Model::Asymmetric, Model::Centred];

impl Model {
    fn model(self, k: usize) -> lowrank::Model {
        match self {
            Self::Psd | Self::Centred => lowrank::Model::psd(),
            Self::Signed => lowrank::Model::signed(k - k / 2, k / 2),
            Self::Asymmetric => lowrank::Model::asymmetric(),
        }
    }
}

/// A method, and the loss that it is for.
#[derive(Clone)]
pub struct Recipe {
    pub name: &'static str,
    pub method: Method,
    pub loss: Loss,
    /// Its steps move the factors by so much of what others do; those that are found need none.
    pub preconditioned: bool,
    /// ∇f of a group stands for that of all times this.
    pub scale: f64,
    /// Whether every step ends at max(U, 0).
    pub nonnegative: bool,
    /// Whether every step ends at U·√(t/‖U‖_F²).
    pub fixed_trace: bool,
}

impl Recipe {
    /// Whether steps are the least of a polynomial: roundings of its coefficients move them.
    pub fn is_exact(&self) -> bool {
        self.method.step_rule() == StepRule::Exact
    }
}

/// Every kind of iteration: constant, decaying, Polyak's, found steps; directions of all methods that do not go to the host.
pub fn recipes() -> Vec<Recipe> {
    let huber = Loss::Huber { delta: 0.3 };
    let of = |name, method: Method, loss| Recipe {
        name,
        method,
        loss,
        preconditioned: false,
        scale: 1.0,
        nonnegative: false,
        fixed_trace: false,
    };
    let plain = |name, method: Method| of(name, method, Loss::Square);
    let scaled = |name, method: Method| Recipe { preconditioned: true, ..plain(name, method) };
    vec![
        plain("gd", Method::gd().into()),
        plain("gd-decay", Method::gd().step_decay(0.9).into()),
        plain("gd-optimal", Method::gd().optimal_loss(0.0).into()),
        Recipe { nonnegative: true, ..plain("gd-nonnegative", Method::gd().into()) },
        Recipe { nonnegative: true, ..plain("gd-polyak-nonnegative", Method::gd_polyak().polyak_every(2).into()) },
        Recipe { nonnegative: true, scale: 4.0, ..plain("sgd-nonnegative", Method::sgd().minibatches(4).into()) },
        Recipe { nonnegative: true, ..plain("momentum-nonnegative", Method::momentum().into()) },
        Recipe { fixed_trace: true, ..plain("gd-trace", Method::gd().into()) },
        Recipe { fixed_trace: true, ..plain("heavy-ball-trace", Method::heavy_ball().into()) },
        Recipe { fixed_trace: true, ..plain("momentum-trace", Method::momentum().into()) },
        plain("gd-exact", Method::gd().step_rule(StepRule::Exact).into()),
        plain("gd-armijo", Method::gd().step_rule(StepRule::Armijo).into()),
        plain("momentum", Method::momentum().into()),
        plain("heavy-ball", Method::heavy_ball().into()),
        plain("gd-polyak-1", Method::gd_polyak().polyak_every(1).into()),
        plain("gd-polyak-3", Method::gd_polyak().polyak_every(3).into()),
        scaled("scaled-gd", Method::scaled_gd().damping(0.1).into()),
        scaled("scaled-gd-polyak", Method::scaled_gd().damping(0.1).optimal_loss(0.0).into()),
        Recipe {
            preconditioned: true,
            ..of("scaled-gd-huber", Method::scaled_gd().damping(0.1).step_decay(0.9).into(), huber)
        },
        scaled("prec-gd", Method::prec_gd().into()),
        scaled("prec-gd-exact", Method::prec_gd().step_rule(StepRule::Exact).into()),
        scaled("prec-gd-armijo", Method::prec_gd().step_rule(StepRule::Armijo).into()),
        Recipe { scale: 4.0, ..plain("sgd", Method::sgd().minibatches(4).seed(5).step_decay(0.97).into()) },
        Recipe { scale: 10.0, ..plain("sgd-10", Method::sgd().minibatches(10).seed(5).into()) },
        of("l1-geometric", Method::gd().step_decay(0.85).into(), Loss::L1),
        of("huber-geometric", Method::gd().step_decay(0.85).into(), huber),
        scaled("cg", Method::cg().into()),
        scaled("cg-armijo", Method::cg().step_rule(StepRule::Armijo).into()),
        plain("lbfgs", Method::lbfgs().memory(3).into()),
        plain("lbfgs-armijo", Method::lbfgs().memory(2).step_rule(StepRule::Armijo).into()),
        Recipe { preconditioned: true, ..of("descent-ascent", Method::descent_ascent().into(), huber) },
        of("descent-ascent-euclidean", Method::descent_ascent().metric(GameMetric::Euclidean).into(), huber),
        Recipe { preconditioned: true, ..of("extragradient", Method::extragradient().into(), huber) },
        of(
            "extragradient-adaptive",
            Method::extragradient().metric(GameMetric::Euclidean).adaptive(true).into(),
            huber,
        ),
        // Points far apart, so that differences of their residuals are not rounding.
        plain("zeroth-order", Method::zeroth_order().directions(2).radius(0.2).into()),
        Recipe { preconditioned: true, scale: 3.0, ..of("everything", Method::new(Everything), huber) },
    ]
}

pub fn recipe(name: &str) -> Recipe {
    recipes().into_iter().find(|recipe| recipe.name == name).expect("a recipe of the list")
}

pub struct Case {
    pub operator: Arc<dyn Operator>,
    pub model: Model,
    pub recipe: Recipe,
    pub program: Arc<Program>,
    pub k: usize,
    pub batch: usize,
    /// (batch, numbers of all blocks)
    pub factors: Vec<f64>,
    pub centre: Vec<f64>,
    pub target: Vec<f64>,
    pub weights: Vec<f64>,
    pub steps: Vec<f64>,
    /// λ, c of λ = c√(2E), the loss that is aimed at, the share of Polyak's step, and the ridge.
    pub damping: Vec<f64>,
    pub damping_factor: Vec<f64>,
    pub optimal: Vec<f64>,
    pub polyak_scale: Vec<f64>,
    pub ridge: Vec<f64>,
    /// t of ‖U‖_F² = t.
    pub traces: Vec<f64>,
    /// β of the heavy ball.
    pub momentum: Vec<f64>,
    /// Stream of the random directions.
    pub streams: Vec<f64>,
    pub variant: Option<String>,
}

pub fn registered(name: &str, domain: Domain, m: usize) -> Arc<dyn Operator> {
    let registration = REGISTRY.iter().find(|r| r.name == name).expect("a registered operator");
    Arc::from((registration.random)(domain, m, 7).expect("a small operator"))
}

/// By word: a registered operator with a kernel variant behind a colon, or one of the thin test operators.
pub fn operator(word: &str, model: Model, n: usize, m: usize) -> (Arc<dyn Operator>, Option<String>) {
    let domain = if model == Model::Asymmetric { Domain::rectangular(n, n + 3) } else { Domain::symmetric(n) };
    let (name, variant) = word.split_once(':').map_or((word, None), |(name, variant)| (name, Some(variant)));
    let operator: Arc<dyn Operator> = match name {
        "vectors" => Arc::new(ThinOperator::vectors(domain, m, 2, 3, false)),
        "vectors-centred" => Arc::new(ThinOperator::vectors(domain, m, 1, 3, false).centred()),
        "nonzeros" => Arc::new(ThinOperator::nonzeros(domain, m, 40, 3, false)),
        "entries" => Arc::new(ThinOperator::entries(domain, m, 3)),
        name => registered(name, domain, m),
    };
    (operator, variant.map(str::to_owned))
}

/// The iteration of a method, with a ridge for all but the plainest model.
pub fn recorded(
    recipe: &Recipe,
    model: Model,
    domain: Domain,
    k: usize,
    ridge: bool,
) -> Result<Program, lowrank::Error> {
    let centred = model == Model::Centred;
    let mut tape =
        Tape::new(model.model(k).recorded(), domain, k, recipe.loss, centred, ridge).nonnegative(recipe.nonnegative);
    if recipe.fixed_trace {
        tape.fix_trace();
    }
    recipe.method.record(&mut tape, &Context::default())?;
    Ok(tape.finish())
}

impl Case {
    pub fn new(word: &str, model: Model, sizes: [usize; 4], named: &str) -> Self {
        let [n, m, k, batch] = sizes;
        let (operator, variant) = operator(word, model, n, m);
        Self { variant, ..Self::with(operator, model, (k, batch), recipe(named)) }
    }

    /// Steps, λ and shares that move the factors by some hundredths an iteration, different in each trial.
    pub fn with(operator: Arc<dyn Operator>, model: Model, (k, batch): (usize, usize), recipe: Recipe) -> Self {
        let (domain, m, mut stream) = (operator.domain(), operator.measurements(), Stream(9));
        let program = recorded(&recipe, model, domain, k, model != Model::Psd).expect("a tape");
        let rows = domain.rows() + if domain.is_symmetric() { 0 } else { domain.columns() };
        let factors = stream.take(batch * rows * k);
        let centre = match model {
            Model::Centred => stream.take(factors.len()).into_iter().map(|v| 0.5 * v).collect(),
            _ => Vec::new(),
        };
        let mut case = Self {
            target: stream.take(batch * m),
            weights: stream.take(batch * m).into_iter().map(|w| if w < -0.8 { 0.0 } else { w.abs() }).collect(),
            steps: vec![0.0; batch],
            damping: vec![0.0; batch],
            damping_factor: vec![0.0; batch],
            optimal: vec![0.0; batch],
            polyak_scale: vec![0.0; batch],
            ridge: vec![0.0; batch],
            traces: vec![1.0; batch],
            momentum: (0..batch).map(|trial| 0.9 / (1.0 + trial as f64)).collect(),
            streams: (0..batch).map(|trial| (5 * trial + 3) as f64).collect(),
            variant: None,
            program: Arc::new(program),
            operator,
            model,
            recipe,
            k,
            batch,
            factors,
            centre,
        };
        case.scale();
        case
    }

    /// The same with a pass of its own for steps along a direction, as where passes are not bound by reading.
    pub fn in_two_passes(&self) -> Result<Self, lowrank::Error> {
        let model = self.model.model(self.k).recorded();
        let (domain, centred) = (self.operator.domain(), self.model == Model::Centred);
        let mut tape =
            Tape::new(model, domain, self.k, self.recipe.loss, centred, self.program.find("ridge").is_some());
        self.recipe.method.record(&mut tape, &Context { flops_per_byte: f64::INFINITY, ..Context::default() })?;
        Ok(Self { program: Arc::new(tape.finish()), ..self.copied() })
    }

    fn scale(&mut self) {
        let (domain, m) = (self.operator.domain(), self.operator.measurements());
        let sides = if domain.is_symmetric() { Sides::One } else { Sides::Both };
        let evaluation = {
            let load = |program| self.load_program(&reference(), program);
            let mut evaluator =
                Evaluator::new(self.operator.as_ref(), self.k, sides, load).expect("the reference engine");
            evaluator.observe(&self.target, &self.weights).expect("as many");
            evaluator.evaluate_at(&self.factors).expect("a gradient")
        };
        let square = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
        let of = |values: &[f64], trial: usize| {
            let size = values.len() / self.batch;
            square(&values[trial * size..(trial + 1) * size])
        };
        for trial in 0..self.batch {
            let size = self.factors.len() / self.batch;
            let own = &self.factors[trial * size..(trial + 1) * size];
            let (left, right) = own.split_at(domain.rows() * self.k);
            let other = if right.is_empty() { square(left) } else { square(right) };
            let least = square(left).min(other).max(1e-6);
            let gradient = (of(&evaluation.left, trial) + of(&evaluation.right, trial)).sqrt().max(1e-6);
            let residual = (0..m).map(|i| trial * m + i).map(|at| self.weights[at] * evaluation.residual[at].powi(2));
            let residual = residual.sum::<f64>().sqrt().max(1e-6);
            let spread = least / self.k as f64;
            let share = 0.03 * (1.0 + trial as f64) * least.sqrt() / gradient / self.recipe.scale;
            self.steps[trial] = if self.recipe.preconditioned { share * spread } else { share };
            self.damping[trial] = 0.3 * spread / (1.0 + trial as f64);
            self.damping_factor[trial] = 0.2 * spread / residual;
            self.optimal[trial] = 0.01 * trial as f64 * residual * residual;
            self.polyak_scale[trial] = 0.3 / (1.0 + trial as f64);
            self.traces[trial] = square(own) * (0.9 + 0.2 * trial as f64);
            self.ridge[trial] = if trial == 1 { 0.01 / share } else { 0.0 };
        }
    }

    /// Trial `trial` alone.
    pub fn single(&self, trial: usize) -> Self {
        let own = |all: &[f64]| {
            let size = all.len() / self.batch;
            all[trial * size..(trial + 1) * size].to_vec()
        };
        Self { batch: 1, ..self.with_numbers(own) }
    }

    /// All trials.
    fn copied(&self) -> Self {
        self.with_numbers(<[f64]>::to_vec)
    }

    fn with_numbers(&self, own: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        Self {
            operator: Arc::clone(&self.operator),
            program: Arc::clone(&self.program),
            recipe: self.recipe.clone(),
            factors: own(&self.factors),
            centre: own(&self.centre),
            target: own(&self.target),
            weights: own(&self.weights),
            steps: own(&self.steps),
            damping: own(&self.damping),
            damping_factor: own(&self.damping_factor),
            optimal: own(&self.optimal),
            polyak_scale: own(&self.polyak_scale),
            ridge: own(&self.ridge),
            traces: own(&self.traces),
            momentum: own(&self.momentum),
            streams: own(&self.streams),
            variant: self.variant.clone(),
            ..*self
        }
    }

    fn load_program(
        &self,
        place: &Place,
        program: Arc<Program>,
    ) -> Result<Box<dyn lowrank::internals::engine::Engine>, lowrank::Error> {
        let variant = self.variant.clone().filter(|_| matches!(place.backend, Backend::Gpu(_)));
        let operator = self.operator.clone();
        place.load(&Load { operator, program, increments: None, batch: self.batch, variant })
    }

    fn load(&self, place: &Place) -> Result<Running<'static>, lowrank::Error> {
        let program = Arc::clone(&self.program);
        let mut running = Running { engine: self.load_program(place, program.clone())?, program };
        running.put("observations", &self.target)?;
        running.put("weights", &self.weights)?;
        if self.model == Model::Centred {
            running.put("centre", &self.centre)?;
        }
        self.begin(&mut running)?;
        Ok(running)
    }

    /// From the beginning.
    pub fn begin(&self, running: &mut Running<'_>) -> Result<(), lowrank::Error> {
        let program = Arc::clone(&self.program);
        for (register, of) in program.all() {
            if of.role != Role::Input || of.kind != Kind::Scalar {
                continue;
            }
            let values = match of.name.as_str() {
                "step_size" => &self.steps,
                "momentum" => &self.momentum,
                "damping" => &self.damping,
                "damping_factor" => &self.damping_factor,
                "optimal_loss" => &self.optimal,
                "polyak_scale" => &self.polyak_scale,
                "ridge" => &self.ridge,
                "noise_stream" => &self.streams,
                "fixed_trace" => &self.traces,
                other => panic!("no number for the parameter '{other}'"),
            };
            running.engine.write(register, values)?;
        }
        running.put("factors", &self.factors)
    }

    pub fn reference(&self) -> Result<Running<'static>, lowrank::Error> {
        self.load(&reference())
    }

    pub fn cpu(&self, precision: Precision) -> Result<Running<'static>, lowrank::Error> {
        self.load(&Place::new("cpu", Backend::Cpu, precision))
    }

    /// In paranoid mode.
    pub fn gpu(&self, device: &Device, options: Options) -> Result<Running<'static>, lowrank::Error> {
        let precision = options.precision;
        let options = Options { paranoid: true, ..options };
        self.load(&Place { options, ..Place::new("gpu", Backend::Gpu(device.clone()), precision) })
    }

    /// As runs are: all of a submission at once, nothing poisoned.
    pub fn quick(&self, device: &Device) -> Result<Running<'static>, lowrank::Error> {
        self.load(&Place::new("gpu", Backend::Gpu(device.clone()), Precision::F32))
    }

    pub fn label(&self) -> String {
        let name = self.variant.as_deref().unwrap_or(self.operator.name());
        let (domain, m) = (self.operator.domain(), self.operator.measurements());
        format!("{name} {:?} {domain} m {m} k {} batch {}", self.model, self.k, self.batch)
    }
}

fn reference() -> Place {
    Place::new("reference", Backend::Reference, Precision::F64)
}

/// How often λ was raised.
pub fn raised(running: &mut Running<'_>) -> Result<Vec<f64>, lowrank::Error> {
    match running.program.find("raised") {
        Some(register) => running.engine.read(register),
        None => Ok(Vec::new()),
    }
}

/// All that iterations hand on, one after the other.
pub fn numbers(running: &mut Running<'_>) -> Result<Vec<f64>, lowrank::Error> {
    Ok(running.kept()?.into_iter().flat_map(|(_, values)| values).collect())
}

/// Within `tolerance` of the largest number.
pub fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Outcome {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} numbers instead of {}", found.len(), expected.len()).into());
    }
    within(what, found, expected, tolerance * expected.iter().fold(0.0_f64, |all, v| all.max(v.abs())))
}

fn within(what: &str, found: &[f64], expected: &[f64], bound: f64) -> Outcome {
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        if error.is_nan() || error > bound {
            return Err(format!("{what}[{at}]: {found}, expected {expected} within {bound:e}").into());
        }
    }
    Ok(())
}

/// Everything that iterations hand on. Differences of points and of gradients are as exact as what they are differences of; what is
/// made of them, and of steps that are the least of a polynomial, is that much less exact.
pub fn all_near(
    case: &Case,
    what: &str,
    found: &mut Running<'_>,
    expected: &mut Running<'_>,
    tolerance: f64,
) -> Outcome {
    let (found, expected) = (found.kept()?, expected.kept()?);
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |all, v| all.max(v.abs()));
    let size = |of: &str| expected.iter().find(|(name, _)| name == of).map_or(0.0, |(_, values)| largest(values));
    let looser = if case.recipe.is_exact() { 10.0 } else { 1.0 };
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        let (scale, looser) = match name.as_str() {
            _ if case.recipe.method.word() != "lbfgs" => (0.0, looser),
            name if name.ends_with(".points") => (size("last point"), looser),
            name if name.ends_with(".gradients") => (size("last gradient"), looser),
            name if name.ends_with(".rho") || ["gamma", "direction"].contains(&name) => (0.0, 100.0),
            _ => (0.0, looser),
        };
        let scale = scale.max(largest(expected));
        within(&format!("{what}, '{name}'"), found, expected, tolerance * looser * scale)?;
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
