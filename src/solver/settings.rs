//! What a run is asked to do, with its defaults, checked before any work.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::methods::{Method, Parameters};
use crate::solver::checkpoint::SaveEvery;
use crate::solver::faults::OnDeviceLoss;
use crate::solver::init::{Init, InitStd};
use crate::solver::plan;
use crate::solver::schedule::Schedule;

/// Stop rules. Targets (`relative_error`, `loss`, `residual`) are met together: a trial converges when every one that
/// was asked for is reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// ‖UUᵀ − M‖_F/‖M‖_F at most this; needs a truth.
    pub relative_error: Option<f64>,
    /// Training loss at most this.
    pub loss: Option<f64>,
    /// ‖r‖/‖y‖ over the training measurements at most this.
    pub residual: Option<f64>,
    /// Wall-clock limit of the iteration in seconds.
    pub time: Option<f64>,
    /// Iterations at most.
    pub max_iterations: usize,
    /// Window of the stall rule, in iterations; `None` never calls a run stalled.
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
    pub fn relative_error(mut self, target: f64) -> Self {
        self.relative_error = Some(target);
        self
    }

    pub fn loss(mut self, target: f64) -> Self {
        self.loss = Some(target);
        self
    }

    pub fn residual(mut self, target: f64) -> Self {
        self.residual = Some(target);
        self
    }

    pub fn time(mut self, seconds: f64) -> Self {
        self.time = Some(seconds);
        self
    }

    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    pub fn stall_window(mut self, iterations: Option<usize>) -> Self {
        self.stall_window = iterations;
        self
    }

    /// Whether any target was asked for.
    pub fn has_target(&self) -> bool {
        self.relative_error.is_some() || self.loss.is_some() || self.residual.is_some()
    }
}

/// One trial's deviations from the run's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trial {
    pub(crate) instance: Option<usize>,
    pub(crate) step_size: Option<f64>,
    pub(crate) init_scale: Option<f64>,
    pub(crate) seed: Option<u64>,
    pub(crate) search_rank: Option<usize>,
    pub(crate) rows: Option<usize>,
    pub(crate) damping: Option<f64>,
}

impl Trial {
    /// λ of `scaled-gd`.
    pub fn damping(mut self, damping: f64) -> Self {
        self.damping = Some(damping);
        self
    }

    /// Which observation vector (and truth) of the problem, counted from 0.
    pub fn instance(mut self, instance: usize) -> Self {
        self.instance = Some(instance);
        self
    }

    /// μ.
    pub fn step_size(mut self, step_size: f64) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// α.
    pub fn init_scale(mut self, init_scale: f64) -> Self {
        self.init_scale = Some(init_scale);
        self
    }

    /// Seed of the start.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// k.
    pub fn search_rank(mut self, search_rank: usize) -> Self {
        self.search_rank = Some(search_rank);
        self
    }

    /// Use the first so many measurements only.
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }
}

/// Settings of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub(crate) method: Method,
    pub(crate) parameters: Parameters,
    pub(crate) init_std: InitStd,
    pub(crate) search_rank: Option<usize>,
    pub(crate) step_size: Option<f64>,
    pub(crate) init: Init,
    pub(crate) init_scale_ratio: Option<f64>,
    pub(crate) signature: Option<(usize, usize)>,
    pub(crate) ridge: f64,
    pub(crate) stop: Stop,
    pub(crate) observe: Schedule,
    pub(crate) holdout: Option<Holdout>,
    /// Measurements to hold out, in place of a share of them.
    pub(crate) held_out: Option<Vec<usize>>,
    pub(crate) precision: Precision,
    pub(crate) variant: Option<String>,
    pub(crate) device_memory: Option<u64>,
    pub(crate) diagnose: bool,
    pub(crate) trials: Vec<Trial>,
    pub(crate) checkpoint: Option<(PathBuf, SaveEvery)>,
    pub(crate) on_device_loss: OnDeviceLoss,
}

/// A share of the measurements kept out of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holdout {
    pub fraction: f64,
    pub seed: u64,
}

impl Holdout {
    /// The measurements of 0..rows that are held out, ascending.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a share outside 0 to 1, or where none would be left.
    pub fn measurements(self, rows: usize) -> Result<Vec<usize>> {
        self.check()?;
        plan::share_of(self, rows)
    }

    /// Refuses a share that is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless it lies between 0 and 1.
    pub fn check(self) -> Result<()> {
        if self.fraction > 0.0 && self.fraction < 1.0 {
            return Ok(());
        }
        let fix = "0.1 keeps a tenth of the measurements aside";
        Err(Error::invalid("holdout", self.fraction, "a share between 0 and 1, both excluded", fix))
    }
}

impl Settings {
    /// Defaults: search rank min(n, 20), step 1/(4‖s·A*(y)‖), automatic small random start of seed 0, 5000 iterations,
    /// a look every 10, single precision, one trial an instance.
    pub fn new(method: Method) -> Self {
        Self { method, ..Self::default() }
    }

    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Of the method; [`crate::methods::METHODS`] says which it has.
    pub fn parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// What the variance of a random start is divided by. Default: k.
    pub fn init_std(mut self, std: InitStd) -> Self {
        self.init_std = std;
        self
    }

    /// k. Default: min(n, 20).
    pub fn search_rank(mut self, search_rank: usize) -> Self {
        self.search_rank = Some(search_rank);
        self
    }

    /// μ. Default: 1/(4‖s·A*(y)‖), a quarter of the inverse of the estimated ‖M‖.
    pub fn step_size(mut self, step_size: f64) -> Self {
        self.step_size = Some(step_size);
        self
    }

    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// ρ, the size of the random R₀ over that of L₀, for the asymmetric model. Default: 1. Unequal sizes make descent
    /// linear where k exceeds the rank (arXiv 2310.01769 has 1/3).
    pub fn init_scale_ratio(mut self, ratio: f64) -> Self {
        self.init_scale_ratio = Some(ratio);
        self
    }

    /// (p, q), the numbers of positive and negative columns of the iterate U S Uᵀ, for the signed model, where it is needed:
    /// at least the numbers of positive and negative eigenvalues expected. k is p + q.
    pub fn signature(mut self, positive: usize, negative: usize) -> Self {
        self.signature = Some((positive, negative));
        self
    }

    /// Adds (ridge/2)‖U‖², or (ridge/2)(‖L‖² + ‖R‖²), to the loss that is descended; the losses that are reported go
    /// without it. Default: 0.
    pub fn ridge(mut self, ridge: f64) -> Self {
        self.ridge = ridge;
        self
    }

    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    pub fn observe(mut self, schedule: Schedule) -> Self {
        self.observe = schedule;
        self
    }

    /// Keeps `fraction` of each trial's measurements, drawn with `seed`, out of training: their loss is traced, the
    /// iterate where it was lowest is kept, and for isotropic ensembles it estimates the relative error.
    pub fn holdout(mut self, fraction: f64, seed: u64) -> Self {
        self.holdout = Some(Holdout { fraction, seed });
        self
    }

    /// Keeps these measurements out of training, as [`Settings::holdout`] keeps a share of them; of a trial that uses the first
    /// rows only, those among them.
    pub fn holdout_measurements(mut self, measurements: impl IntoIterator<Item = usize>) -> Self {
        self.held_out = Some(measurements.into_iter().collect());
        self
    }

    /// Arithmetic of the Cpu and Gpu backends; Reference is always f64.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Forces a kernel variant of the backend, by the names that [`crate::engine::EngineInfo::candidates`] and the refusal of a
    /// wrong name give. Default: the fastest that the machine has.
    pub fn variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = Some(variant.into());
        self
    }

    /// Bytes of device memory that the Gpu backend gets along with. Measurement data that do not fit are brought to the device
    /// in every iteration, with the same results bit for bit. Default: all there is, and the same where it runs out.
    pub fn device_memory(mut self, bytes: u64) -> Self {
        self.device_memory = Some(bytes);
        self
    }

    /// Follows trials that have a truth through the three phases: every observation then carries a
    /// [`crate::diagnostics::Diagnosis`] (angles, singular values, the power-iteration twin) and every result its
    /// [`crate::diagnostics::Phases`]. Costs one pass over the measurements at the start and two thin SVDs of U an
    /// observation. Trials without a truth get a [`crate::diagnostics::PhaseProxy`], from one SVD an observation.
    pub fn diagnose(mut self, diagnose: bool) -> Self {
        self.diagnose = diagnose;
        self
    }

    /// Saves the run to a file at its start, then so often, and at its end, so that [`crate::Solver::resume`] can go on from there.
    /// Costs one pass over the measurements at the start, for their digest.
    pub fn checkpoint(mut self, path: impl Into<PathBuf>, every: SaveEvery) -> Self {
        self.checkpoint = Some((path.into(), every));
        self
    }

    /// What to do where the device fails in the middle of a run. Default: [`OnDeviceLoss::Stop`]. The others read back, at every
    /// observation, what the method remembers.
    pub fn on_device_loss(mut self, what: OnDeviceLoss) -> Self {
        self.on_device_loss = what;
        self
    }

    /// A batch: trials that share the operator and advance together.
    pub fn trials(mut self, trials: impl IntoIterator<Item = Trial>) -> Self {
        self.trials = trials.into_iter().collect();
        self
    }

    /// The start as it was set.
    pub fn chosen_init(&self) -> &Init {
        &self.init
    }

    /// Checks what does not depend on the problem; [`crate::Solver::new`] does so too.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the setting, what was found and what is allowed.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, value: Option<f64>, fix: &str| match value {
            Some(v) if !(v.is_finite() && v > 0.0) => Err(Error::invalid(name, v, "a positive finite number", fix)),
            _ => Ok(()),
        };
        let nonnegative = |name: &str, value: Option<f64>| match value {
            Some(v) if v.is_nan() || v < 0.0 => {
                Err(Error::invalid(name, v, "a number of at least 0", "leave it out to do without it"))
            }
            _ => Ok(()),
        };
        let step_fix = "leave it out for the automatic step 1/(4‖s·A*(y)‖)";
        let scale_fix = "leave it out for an automatic scale; at 0 gradient descent never moves";
        positive("step_size", self.step_size, step_fix)?;
        self.method.check(&self.parameters)?;
        for trial in &self.trials {
            self.method.check(&Parameters { damping: trial.damping.or(self.parameters.damping), ..self.parameters })?;
        }
        if let Init::SmallRandom { scale, .. } = self.init {
            positive("init_scale", Some(scale), scale_fix)?;
        }
        for trial in &self.trials {
            positive("step_size", trial.step_size, step_fix)?;
            positive("init_scale", trial.init_scale, scale_fix)?;
        }
        if self.search_rank == Some(0) || self.trials.iter().any(|t| t.search_rank == Some(0)) {
            let fix = "use a bound on the rank you expect";
            return Err(Error::invalid("search_rank", 0, "at least 1", fix));
        }
        positive("init_scale_ratio", self.init_scale_ratio, "leave it out for factors of equal size")?;
        if !(self.ridge.is_finite() && self.ridge >= 0.0) {
            let allowed = "a finite number of at least 0";
            return Err(Error::invalid("ridge", self.ridge, allowed, "leave it out for none"));
        }
        if self.ridge > 0.0 && self.precision == Precision::Mixed {
            let fix = "a ridge ends far above the floor of f32: use precision f32 or f64";
            return Err(Error::invalid("ridge", self.ridge, "0 with precision mixed", fix));
        }
        nonnegative("stop_relative_error", self.stop.relative_error)?;
        nonnegative("stop_loss", self.stop.loss)?;
        nonnegative("stop_residual", self.stop.residual)?;
        nonnegative("stop_time", self.stop.time)?;
        if let Some(holdout) = self.holdout {
            holdout.check()?;
        }
        if self.holdout.is_some() && self.held_out.is_some() {
            let fix = "give a share or the measurements themselves";
            return Err(Error::invalid("holdout", "a share and a list of measurements", "one of them", fix));
        }
        if let Some((_, every)) = &self.checkpoint {
            let good = match *every {
                SaveEvery::Iterations(n) => n > 0,
                SaveEvery::Seconds(s) => s.is_finite() && s > 0.0,
            };
            if !good {
                let allowed = "at least 1 iteration, or a positive number of seconds";
                return Err(Error::invalid(
                    "checkpoint_every",
                    format!("{every:?}"),
                    allowed,
                    "for example 100, or 30s",
                ));
            }
        }
        if self.observe == Schedule::Every(0) {
            return Err(Error::invalid("observe", "every:0", "every:J with J ≥ 1, or log", "use every:10"));
        }
        if self.stop.stall_window == Some(0) {
            return Err(Error::invalid("stall_window", 0, "at least 1", "leave it out, or give a window"));
        }
        Ok(())
    }
}
