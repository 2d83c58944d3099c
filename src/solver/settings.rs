//! Settings of a run with their defaults, checked before any work.

mod check;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::Precision;
use crate::methods::Method;
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::{Domain, Holdout};
use crate::solver::faults::OnDeviceLoss;
use crate::solver::init::{IMBALANCED, Init, InitStd, InitWord, Preprocess};
use crate::solver::schedule::{SaveEvery, Schedule};
use crate::solver::trial::Trial;

/// Stop rules. Targets (`relative_error`, `loss`, `residual`) act together: a trial converges when it reaches all
/// targets that are set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "settings do nothing by themselves"]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Stop {
    /// Target for the relative error ‖UUᵀ − M‖_F/‖M‖_F; needs a truth.
    pub relative_error: Option<f64>,
    /// Target for the training loss.
    pub loss: Option<f64>,
    /// Target for the relative residual ‖r‖/‖y‖ over the training measurements.
    pub residual: Option<f64>,
    /// Wall-clock limit of the iteration in seconds.
    pub time: Option<f64>,
    /// Largest number of iterations.
    pub max_iterations: usize,
    /// Window of the stall rule, in iterations; `None` disables the rule.
    pub stall_window: Option<usize>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            relative_error: None,
            loss: None,
            residual: None,
            time: None,
            max_iterations: 5_000,
            stall_window: Some(200),
        }
    }
}

impl Stop {
    /// Sets the target for the relative error ‖Z − M‖_F/‖M‖_F; needs a truth. Default: none.
    pub fn relative_error(mut self, target: f64) -> Self {
        self.relative_error = Some(target);
        self
    }

    /// Sets the target for the training loss. Default: none.
    pub fn loss(mut self, target: f64) -> Self {
        self.loss = Some(target);
        self
    }

    /// Sets the target for the relative residual ‖e‖/‖y‖. Default: none.
    pub fn residual(mut self, target: f64) -> Self {
        self.residual = Some(target);
        self
    }

    /// Sets the wall-clock limit in seconds. Default: none.
    pub fn time(mut self, seconds: f64) -> Self {
        self.time = Some(seconds);
        self
    }

    /// Sets the largest number of iterations. Default: 5000.
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// Sets the window of the stall rule in iterations; `None` disables the rule. Default: 200.
    pub fn stall_window(mut self, iterations: Option<usize>) -> Self {
        self.stall_window = iterations;
        self
    }

    /// Whether any target is set.
    pub fn has_target(&self) -> bool {
        self.relative_error.is_some() || self.loss.is_some() || self.residual.is_some()
    }
}

/// Settings of a run.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "settings do nothing by themselves"]
pub struct Settings {
    /// Method; `None` for one that suits the loss and the model.
    pub(crate) method: Option<Method>,
    pub(crate) loss: Loss,
    pub(crate) init_std: InitStd,
    pub(crate) search_rank: Option<usize>,
    pub(crate) step_size: Option<f64>,
    pub(crate) init: Init,
    pub(crate) init_scale_ratio: Option<f64>,
    pub(crate) model: Option<Model>,
    pub(crate) ridge: f64,
    pub(crate) unobserved_weight: f64,
    pub(crate) nonnegative: bool,
    pub(crate) fixed_trace: Option<f64>,
    pub(crate) label_noise: f64,
    pub(crate) label_noise_until: Option<usize>,
    pub(crate) sharpness: f64,
    pub(crate) without_biases: bool,
    pub(crate) without_tuning: bool,
    pub(crate) stop: Stop,
    pub(crate) observe: Schedule,
    pub(crate) holdout: Option<Holdout>,
    /// Measurements to hold out, instead of a share of them.
    pub(crate) held_out: Option<Vec<usize>>,
    pub(crate) precision: Precision,
    pub(crate) variant: Option<String>,
    pub(crate) device_memory: Option<u64>,
    pub(crate) retune: bool,
    pub(crate) diagnose: bool,
    pub(crate) trials: Vec<Trial>,
    pub(crate) checkpoint: Option<(PathBuf, SaveEvery)>,
    pub(crate) on_device_loss: OnDeviceLoss,
}

impl Settings {
    /// Settings with the given method. [`Settings::default`] chooses one that suits the loss and the model.
    ///
    /// Other defaults: search rank min(n, 20), step 1/(4‖s·A*(y)‖), automatic small random start of seed 0, 5000
    /// iterations, an observation every 10, single precision, one trial per instance.
    pub fn new(method: impl Into<Method>) -> Self {
        Self { method: Some(method.into()), ..Self::default() }
    }

    /// The trials as set.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn chosen_trials(&self) -> &[Trial] {
        &self.trials
    }

    /// Whether measurements are held out.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn holds_out(&self) -> bool {
        self.holdout.is_some() || self.held_out.is_some()
    }

    /// Sets the method with its parameters, see [`crate::methods::METHODS`]. Default: see [`Settings::method_of`].
    pub fn method(mut self, method: impl Into<Method>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Sets the loss ρ. Default: square.
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// Sets the divisor of the variance of a random start. Default: k.
    #[doc(hidden)]
    pub fn init_word(self, word: InitWord, preprocess: Preprocess) -> Self {
        match word {
            InitWord::SmallRandom => self.init(Init::Automatic { seed: 0 }),
            InitWord::Imbalanced => self.init(Init::Automatic { seed: 0 }).init_scale_ratio(IMBALANCED),
            InitWord::Spectral { skip } => self.init(Init::Spectral { skip, preprocess }),
        }
    }

    /// What the variance of a random start is divided by. Default: k.
    pub fn init_std(mut self, std: InitStd) -> Self {
        self.init_std = std;
        self
    }

    /// Sets the search rank k. Default: min(n, 20).
    pub fn search_rank(mut self, search_rank: usize) -> Self {
        self.search_rank = Some(search_rank);
        self
    }

    /// Sets the step size μ. Default: 1/(4‖s·A*(y)‖), a quarter of the inverse of the estimated ‖M‖.
    pub fn step_size(mut self, step_size: f64) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// Start of the iteration.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Sets ρ, the size of the random R₀ over that of L₀, for the asymmetric model. Default: 1. With unequal sizes
    /// descent converges linearly where k exceeds the rank (arXiv 2310.01769 has 1/3).
    pub fn init_scale_ratio(mut self, ratio: f64) -> Self {
        self.init_scale_ratio = Some(ratio);
        self
    }

    /// Sets the model. Default: psd for symmetric measurements, asymmetric for all others.
    pub fn model(mut self, model: Model) -> Self {
        self.model = Some(model);
        self
    }

    /// The model for measurements on this domain.
    pub fn model_of(&self, domain: &Domain) -> Model {
        self.model.clone().unwrap_or_else(|| Model::natural(domain))
    }

    /// Adds (ridge/2)‖U‖², or (ridge/2)(‖L‖² + ‖R‖²), to the loss of the descent; reported losses do not include it.
    /// Default: 0.
    pub fn ridge(mut self, ridge: f64) -> Self {
        self.ridge = ridge;
        self
    }

    /// Keeps the factors non-negative: every step ends at max(U, 0), and the start is |U₀|. Methods whose step is along the
    /// gradient can do that, the others are refused. Default: no.
    pub fn nonnegative(mut self, nonnegative: bool) -> Self {
        self.nonnegative = nonnegative;
        self
    }

    /// Fixes the trace tr(U Uᴴ) = ‖U‖_F² = t > 0, as a quantum state has t = 1. Default: free.
    ///
    /// Methods whose step is along the gradient scale the factor after every step, U ← U·√(t/‖U‖_F²), from a start of that
    /// size. Any other method, among them the default, first runs without the constraint, since pursuit finds the rank; its
    /// result is scaled to the trace and descends from there by [`crate::methods::Momentum`] with that step. It needs the model
    /// psd, and neither a ridge, which would be constant, nor the scale of a random start.
    pub fn fixed_trace(mut self, trace: f64) -> Self {
        self.fixed_trace = Some(trace);
        self
    }

    /// Adds fresh noise N(0, σ²) to every observation in every iteration; reported losses are those without it. Noise on
    /// labels moves the factors along the fits towards flat ones, with a small trace of the Hessian: for products of factors
    /// towards a low nuclear norm. The noise follows the seed of the trial's start and is the same on every backend; its numbers
    /// are sums of eight bytes of a hash, nearly normal. A trial then ends at its last iterate. Default: 0.
    ///
    /// It needs a method with one gradient per iteration: constant or scheduled steps. (Damian, Ma & Lee 2021, arXiv 2106.06530;
    /// Gatmiry et al. 2023, arXiv 2306.13239)
    pub fn label_noise(mut self, deviation: f64) -> Self {
        self.label_noise = deviation;
        self
    }

    /// Sets the number of iterations with label noise; later ones see the observations as given, so that the descent settles on
    /// a fit. Default and most: 2²⁴.
    pub fn label_noise_until(mut self, iterations: usize) -> Self {
        self.label_noise_until = Some(iterations);
        self
    }

    /// Takes gradients at the displaced point U + ρ·∇f/‖∇f‖: sharpness-aware minimisation, which prefers flat fits and costs
    /// two passes per iteration. A trial then ends at its last iterate. Default: 0, gradients at U.
    ///
    /// It needs a method with one gradient per iteration, see [`Settings::label_noise`]. (Foret et al. 2021, arXiv 2010.01412)
    pub fn sharpness(mut self, radius: f64) -> Self {
        self.sharpness = radius;
        self
    }

    /// The fixed trace, where every step of the method keeps it.
    pub(crate) fn kept_trace(&self, method: &Method) -> Option<f64> {
        self.fixed_trace.filter(|_| method.keeps_trace())
    }

    /// Whether the factors are projected, for the methods that do so.
    pub(crate) fn projects(&self) -> bool {
        self.nonnegative || self.fixed_trace.is_some()
    }

    /// Whether label noise or sharpness-aware gradients change the descent.
    pub(crate) fn perturbs(&self) -> bool {
        self.label_noise > 0.0 || self.sharpness > 0.0
    }

    /// Gives every entry of the whole matrix the target 0 with the weight ω, beside the measurements: the descent minimises
    /// ½Σ wᵢ(⟨Aᵢ, Z⟩ − yᵢ)² + (ω/2)‖Z‖_F² + (ridge/2)(‖L‖² + ‖R‖²), with w as given to [`crate::Problem::with_weights`], not
    /// scaled. Reported training losses are those of the measurements alone. Default: 0.
    ///
    /// The term costs thin products: ‖L Rᵀ‖_F² = ⟨LᵀL, RᵀR⟩. It needs the square loss, a model of two factors, and one of the
    /// methods `cg`, `lbfgs`, `gd`, `prec-gd` and `alt-scaled-gd`; implicit feedback is this with ω = 1, see
    /// [`crate::operators::entries::Implicit`]. (Hu, Koren & Volinsky, ICDM 2008)
    pub fn unobserved_weight(mut self, weight: f64) -> Self {
        self.unobserved_weight = weight;
        self
    }

    /// Disables biases of rows and columns for noisy entries, for observations from which they were already subtracted.
    pub fn without_biases(mut self) -> Self {
        self.without_biases = true;
        self
    }

    /// Disables the choice of a ridge, and of biases of rows and columns, for noisy entries.
    pub fn without_tuning(mut self) -> Self {
        self.without_tuning = true;
        self
    }

    /// Stop rules.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Iterations at which trials are observed.
    pub fn observe(mut self, schedule: Schedule) -> Self {
        self.observe = schedule;
        self
    }

    /// Holds `fraction` of each trial's measurements, drawn with `seed`, out of training. Their loss is traced, the
    /// iterate with the lowest is kept, and for isotropic ensembles it estimates the relative error.
    pub fn holdout(mut self, fraction: f64, seed: u64) -> Self {
        self.holdout = Some(Holdout { fraction, seed });
        self
    }

    /// Holds these measurements out of training, like the share of [`Settings::holdout`]. A trial that uses the first
    /// rows only holds out those among them.
    pub fn holdout_measurements(mut self, measurements: impl IntoIterator<Item = usize>) -> Self {
        self.held_out = Some(measurements.into_iter().collect());
        self
    }

    /// Sets the arithmetic of the Cpu and Gpu backends; Reference is always f64.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Forces a kernel variant of the backend. [`crate::engine::EngineInfo::candidates`] and the error for a wrong name
    /// list the names. Default: the fastest on the machine.
    pub fn variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = Some(variant.into());
        self
    }

    /// Limits the device memory of the Gpu backend in bytes. Measurement data that do not fit are streamed to the
    /// device in every iteration, with the same results bit for bit. Default: all device memory; data that do not fit
    /// are streamed too.
    pub fn device_memory(mut self, bytes: u64) -> Self {
        self.device_memory = Some(bytes);
        self
    }

    /// Times the kernel variants of a GPU again and ignores earlier timings for the same adapter and sizes.
    pub fn retune(mut self) -> Self {
        self.retune = true;
        self
    }

    /// Diagnoses trials that have a truth: every observation then has a [`crate::diagnostics::Diagnosis`] (angles,
    /// singular values, the power iteration) and every result its [`crate::diagnostics::Phases`]. This costs one pass
    /// over the measurements at the start and two thin SVDs of U per observation. Trials without a truth get a
    /// [`crate::diagnostics::PhaseProxy`], from one SVD per observation.
    pub fn diagnose(mut self, diagnose: bool) -> Self {
        self.diagnose = diagnose;
        self
    }

    /// Saves the run to a file at its start, at the given intervals, and at its end, for [`crate::Solver::resume`].
    /// This costs one pass over the measurements at the start, for their digest.
    pub fn checkpoint(mut self, path: impl Into<PathBuf>, every: SaveEvery) -> Self {
        self.checkpoint = Some((path.into(), every));
        self
    }

    /// Sets the reaction to a device failure during a run. Default: [`OnDeviceLoss::Stop`]. The others read the state
    /// of the method back at every observation.
    pub fn on_device_loss(mut self, what: OnDeviceLoss) -> Self {
        self.on_device_loss = what;
        self
    }

    /// Sets the trials of a batch, which share the operator and advance together.
    pub fn trials(mut self, trials: impl IntoIterator<Item = Trial>) -> Self {
        self.trials = trials.into_iter().collect();
        self
    }

    /// The method for measurements on this domain: the given one, or one that suits the loss, the model and the other
    /// settings. The automatic choice is [`crate::methods::Pursuit`] for the square loss ([`crate::Solver`] takes
    /// [`crate::methods::GaussNewton`] for stored or generated matrices on the host), [`crate::methods::Momentum`] for
    /// non-negative factors, and gradient descent for robust losses, for models that pursuit does not support, and where a
    /// step, a small random start, label noise or a sharpness is set.
    pub fn method_of(&self, domain: &Domain) -> Method {
        self.method.clone().unwrap_or_else(|| self.automatic_method(&self.model_of(domain), false).0)
    }

    /// The automatic method for a model, with the reason for the choice.
    pub(crate) fn automatic_method(&self, model: &Model, few_rows: bool) -> (Method, String) {
        match self.unobserved_weight > 0.0 && !self.perturbs() {
            true => (Method::cg().into(), "the weight of unobserved entries".into()),
            false => Method::automatic(self.loss, model, self.asks_for_descent(), (self.nonnegative, few_rows)),
        }
    }

    /// Whether a number of columns was requested.
    pub(crate) fn asks_for_rank(&self) -> bool {
        self.search_rank.is_some() || self.trials.iter().any(|trial| trial.search_rank.is_some())
    }

    /// Whether a step or a small random start is set, which belong to gradient descent.
    pub(crate) fn asks_for_descent(&self) -> bool {
        let of_trial = |trial: &Trial| trial.step_size.is_some() || trial.init_scale.is_some();
        let start = matches!(self.init, Init::SmallRandom { .. }) || self.init_scale_ratio.is_some();
        self.step_size.is_some() || start || self.perturbs() || self.trials.iter().any(of_trial)
    }

    /// The start as set.
    pub fn chosen_init(&self) -> &Init {
        &self.init
    }
}
