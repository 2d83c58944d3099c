//! `report.json`: settings, environment and results of a run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use lowrank::confidence::StandardErrors;
use lowrank::diagnostics::{PhaseProxy, Phases};
use lowrank::engine::{Candidate, EngineInfo, Precision, Shared};
use lowrank::internals::io::InputInfo;
use lowrank::memory::{Location, Memory, Part};
use lowrank::operators::Storage;
use lowrank::selection::Selection;
use lowrank::solver::{PreferenceFit, Solution, Status, Timing, TrialParameters, TrialSolution};

/// Parameters and result of one trial. Non-finite numbers are written as null.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrialReport {
    #[serde(flatten)]
    pub parameters: TrialParameters,
    pub status: Status,
    /// Remark on the result; see [`TrialSolution::remark`].
    pub remark: Option<String>,
    /// Doubt about the result; see [`TrialSolution::doubt`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// The fit over the whole matrix, for implicit feedback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<PreferenceFit>,
    pub iterations: usize,
    pub kept_iteration: usize,
    pub train_loss: Option<f64>,
    pub relative_residual: Option<f64>,
    pub relative_error: Option<f64>,
    pub holdout_loss: Option<f64>,
    /// Root mean square of the training residuals, in units of y.
    pub train_rmse: Option<f64>,
    pub holdout_rmse: Option<f64>,
    pub estimated_relative_error: Option<f64>,
    pub singular_values: Vec<f64>,
    pub estimated_rank: usize,
    /// SHA-256 of the returned factors in f64, little-endian: runs with equal digests have the same factors bit for
    /// bit.
    #[serde(default)]
    pub factors_sha256: String,
    /// Phase times t_*, t_1, t_power and the reasons for nulls; only for diagnosed trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// Estimate of the phase times without a truth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases_proxy: Option<PhaseProxy>,
}

impl From<&TrialSolution> for TrialReport {
    fn from(t: &TrialSolution) -> Self {
        let finite = |v: f64| Some(v).filter(|v| v.is_finite());
        Self {
            parameters: t.parameters.clone(),
            status: t.status,
            remark: t.remark.clone(),
            doubt: t.doubt.clone(),
            preference: t.preference,
            iterations: t.iterations,
            kept_iteration: t.kept_iteration,
            train_loss: finite(t.train_loss),
            relative_residual: finite(t.relative_residual),
            relative_error: t.relative_error.and_then(finite),
            holdout_loss: t.holdout_loss.and_then(finite),
            train_rmse: finite(t.train_rmse()),
            holdout_rmse: t.holdout_rmse().and_then(finite),
            estimated_relative_error: t.estimated_relative_error.and_then(finite),
            singular_values: t.singular_values.clone(),
            estimated_rank: t.estimated_rank,
            factors_sha256: t.digest(),
            phases: t.phases.clone(),
            phases_proxy: t.phases_proxy.clone(),
        }
    }
}

/// Program and machine of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    pub version: String,
    /// Commit of the source; `unknown` for builds outside a checkout.
    pub commit: String,
    pub backend: String,
    pub adapter: String,
    pub driver: String,
    pub software_adapter: bool,
    pub precision: Precision,
    /// Number type of the measurement data; null for operators that store none.
    pub storage: Option<Storage>,
    pub threads: usize,
    pub variant: String,
    /// Kernel variants timed before the run.
    pub candidates: Vec<Candidate>,
    /// Bytes of the measurement data, padding included.
    pub operator_bytes: u64,
    pub panels: usize,
    /// Panels streamed to the device in every iteration.
    pub streamed_panels: usize,
    pub streamed_bytes_per_iteration: u64,
    /// Ranks that share the measurements; backend, threads and bytes above are those of rank 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Shared>,
    pub debug_build: bool,
    pub os: String,
    pub architecture: String,
}

impl Environment {
    /// Describes this program on this machine with an engine.
    pub fn new(engine: &EngineInfo) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("LOWRANK_COMMIT").into(),
            backend: engine.backend.clone(),
            adapter: engine.adapter.clone(),
            driver: engine.driver.clone(),
            software_adapter: engine.software_adapter,
            precision: engine.precision,
            storage: engine.storage,
            threads: engine.threads,
            variant: engine.variant.clone(),
            candidates: engine.candidates.clone(),
            operator_bytes: engine.operator_bytes,
            panels: engine.panels,
            streamed_panels: engine.streamed_panels,
            streamed_bytes_per_iteration: engine.streamed_bytes_per_iteration,
            team: engine.team.clone(),
            debug_build: cfg!(debug_assertions),
            os: std::env::consts::OS.into(),
            architecture: std::env::consts::ARCH.into(),
        }
    }

    /// Describes this program on this machine without an engine.
    pub(crate) fn host() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("LOWRANK_COMMIT").into(),
            backend: "no backend".into(),
            adapter: "the study computes on the host".into(),
            driver: String::new(),
            software_adapter: false,
            precision: Precision::F64,
            storage: None,
            threads: rayon::current_num_threads(),
            variant: String::new(),
            candidates: Vec::new(),
            operator_bytes: 0,
            panels: 0,
            streamed_panels: 0,
            streamed_bytes_per_iteration: 0,
            team: None,
            debug_build: cfg!(debug_assertions),
            os: std::env::consts::OS.into(),
            architecture: std::env::consts::ARCH.into(),
        }
    }
}

/// Memory of a run, predicted from its sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Bytes of the program's own memory; `file_bytes` are mapped files, `device_bytes` the device's memory.
    pub host_bytes: u64,
    pub file_bytes: u64,
    pub device_bytes: u64,
    pub parts: Vec<Part>,
}

impl From<&Memory> for MemoryReport {
    fn from(memory: &Memory) -> Self {
        Self {
            host_bytes: memory.bytes(Location::Host),
            file_bytes: memory.bytes(Location::File),
            device_bytes: memory.bytes(Location::Device),
            parts: memory.parts.clone(),
        }
    }
}

/// Summary of the standard errors of the best trial's matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceReport {
    /// Estimated standard deviation of the noise on y.
    pub noise_std: f64,
    /// Number of training measurements.
    pub measurements: usize,
    pub degrees_of_freedom: usize,
    pub rank: usize,
    /// Number of entries that the measurements do not determine.
    pub undetermined: usize,
    /// Median of all standard errors; null where it is infinite.
    pub median_standard_error: Option<f64>,
}

impl From<&StandardErrors> for ConfidenceReport {
    fn from(of: &StandardErrors) -> Self {
        Self {
            noise_std: of.noise_std,
            measurements: of.measurements,
            degrees_of_freedom: of.degrees_of_freedom,
            rank: of.rank,
            undetermined: of.undetermined,
            median_standard_error: Some(of.median()).filter(|v| v.is_finite()),
        }
    }
}

/// Report of a run. The first values are those of the best trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    pub status: Status,
    pub iterations: usize,
    pub train_loss: Option<f64>,
    /// Relative error; null without a truth.
    pub relative_error: Option<f64>,
    /// √(Σ we²/Σ w) over the training measurements, with the weights of the problem.
    pub train_rmse: Option<f64>,
    /// The same over the held-out measurements.
    pub holdout_rmse: Option<f64>,
    /// Errors of predictions without the factors, on held-out measurements if there are any, else on training
    /// measurements; only for sampled entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_rmse: Option<lowrank::internals::operators::Baseline>,
    /// Errors of all candidates of a cross-validation, and its choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// Standard errors of the best trial's matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<ConfidenceReport>,
    /// Index of the best trial: lowest held-out loss, or lowest training loss.
    pub best_trial: usize,
    pub trials: Vec<TrialReport>,
    /// Settings, defaults included.
    pub settings: Value,
    pub argv: Vec<String>,
    /// All seeds of the run.
    pub seeds: Value,
    pub inputs: Vec<InputInfo>,
    pub environment: Environment,
    pub timing: Timing,
    pub memory: MemoryReport,
    pub notices: Vec<String>,
    /// Message of the device if a device failure ended the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Iteration of the checkpoint at which the run resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<usize>,
}

impl RunReport {
    /// Creates the report of a finished run.
    pub fn new(
        solution: &Solution,
        settings: Value,
        argv: Vec<String>,
        seeds: Value,
        inputs: Vec<InputInfo>,
        notices: Vec<String>,
    ) -> Self {
        let best = TrialReport::from(solution.best());
        Self {
            status: best.status,
            iterations: best.iterations,
            train_loss: best.train_loss,
            relative_error: best.relative_error,
            train_rmse: best.train_rmse,
            holdout_rmse: best.holdout_rmse,
            baseline_rmse: None,
            selection: None,
            confidence: None,
            best_trial: best.parameters.trial,
            trials: solution.trials.iter().map(TrialReport::from).collect(),
            settings,
            argv,
            seeds,
            inputs,
            environment: Environment::new(&solution.engine),
            timing: solution.timing,
            memory: MemoryReport::from(&solution.memory),
            notices,
            fault: solution.fault.as_ref().map(|fault| fault.error.to_string()),
            resumed_at: solution.resumed_at,
        }
    }
}
