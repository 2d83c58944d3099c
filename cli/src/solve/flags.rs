//! Flags of `solve`, and their help; those that commands with measurements of the user's own share.

use std::path::PathBuf;

use lowrank::models::{MODELS, ModelCard};

/// What is to be recovered, from where, in which arithmetic, and when to stop.
#[derive(clap::Args, Clone, Debug)]
pub struct Common {
    /// Sensing matrices, .npy: (m, n1, n2), (m, n1·n2), or packed (m, n(n+1)/2) upper triangles row by row
    #[arg(long, value_name = "A.npy", help_heading = "Measurements")]
    pub matrices: Option<PathBuf>,
    /// Vectors a of rank-one measurements a·aᵀ, .npy: (m, n), or (m, n, q) for sums of q products
    #[arg(long, value_name = "a.npy", conflicts_with_all = ["matrices", "sparse", "entries"], help_heading = "Measurements")]
    pub vectors: Option<PathBuf>,
    /// Vectors b of a·bᵀ, for the model asymmetric
    #[arg(long, value_name = "b.npy", requires = "vectors", help_heading = "Measurements")]
    pub vectors_right: Option<PathBuf>,
    /// Of a·aᵀ: descend the plain residuals and not those about their mean
    #[arg(long, requires = "vectors", conflicts_with = "vectors_right", help_heading = "Measurements")]
    pub no_center: bool,
    /// Sampled entries of the unknown: CSV or TSV lines row,column,value, a Matrix Market file, or a scipy.sparse .npz
    #[arg(long, value_name = "FILE", conflicts_with_all = ["matrices", "sparse"], help_heading = "Measurements")]
    pub entries: Option<PathBuf>,
    /// Sensing matrices with few nonzeros, one a row, in full (n1·n2 columns) or packed: Matrix Market, or scipy.sparse .npz
    #[arg(long, value_name = "FILE", conflicts_with = "matrices", help_heading = "Measurements")]
    pub sparse: Option<PathBuf>,
    /// seeded or rademacher: matrices made from a seed, stored nowhere; see `lowrank list operators`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["matrices", "vectors", "sparse", "entries"], requires_all = ["operator_seed", "measurements"], help_heading = "Measurements")]
    pub operator: Option<String>,
    /// Seed of --operator
    #[arg(long, value_parser = crate::grid::single::<u64>, value_name = "SEED", requires = "operator", help_heading = "Measurements")]
    pub operator_seed: Option<u64>,
    /// Number of measurements of --operator
    #[arg(long, value_parser = crate::grid::single::<usize>, value_name = "m", requires = "operator", help_heading = "Measurements")]
    pub measurements: Option<usize>,
    /// Size of the unknown n×n matrix of --operator; or give --shape
    #[arg(long, value_parser = crate::grid::single::<usize>, value_name = "n", requires = "operator", conflicts_with = "shape", help_heading = "Measurements")]
    pub n: Option<usize>,
    /// What rows and columns of CSV or TSV entries count from, 0 or 1 [default: 0; Matrix Market is always 1]
    #[arg(long, value_name = "0|1", requires = "entries", help_heading = "Measurements")]
    pub index_base: Option<String>,
    /// Take the mean and what each row and column adds to it from the entries first; factors explain the rest
    #[arg(long, requires = "entries", help_heading = "Measurements")]
    pub biases: bool,
    /// Observations, .npy: (m,), (m, 1), or (b, m) for several vectors
    #[arg(long, value_name = "y.npy", help_heading = "Measurements")]
    pub observations: Option<PathBuf>,
    /// Known factors, to report the test error. psd: X.npy (n, r) with M = X Xᵀ; asymmetric: .npz with `left` and `right`;
    /// signed: .npz with `left` and `signature`
    #[arg(long, value_name = "FILE", conflicts_with = "truth_matrix", help_heading = "Measurements")]
    pub truth: Option<PathBuf>,
    /// Known matrix M (n1, n2), to report the test error
    #[arg(long, value_name = "M.npy", help_heading = "Measurements")]
    pub truth_matrix: Option<PathBuf>,
    /// Use only so many measurements, the first ones [default: all]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Measurements")]
    pub rows: Option<String>,
    #[arg(long, value_name = "NAME", help = models(), help_heading = "Measurements")]
    pub model: Option<String>,
    /// Numbers of positive and negative columns of U, for the model signed; k is their sum
    #[arg(long, value_name = "p,q", help_heading = "Measurements")]
    pub signature: Option<String>,
    /// packed or full, needed only where the width of the matrices can be read both ways [default: from the file]
    #[arg(long, value_name = "NAME", help_heading = "Measurements")]
    pub layout: Option<String>,
    /// n1,n2 of the unknown matrix, another way to settle the width [default: from the file]
    #[arg(long, value_name = "n1,n2", help_heading = "Measurements")]
    pub shape: Option<String>,
    /// Scale s that makes s·A*A about the identity: auto (from the matrices), 1/m (entries of variance 1), 1, or a number; of
    /// --entries auto and 1/m mean n1·n2/m
    #[arg(long, value_name = "s", allow_hyphen_values = true, default_value = "auto", help_heading = "Measurements")]
    pub normalization: String,

    /// Columns k of U, at least the rank you expect [default: min(n, 20)]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    pub search_rank: Option<String>,
    /// Step size μ of U ← U − μ·s·A*(A(UUᵀ) − y)·U [default: 1/(4 ‖s·A*(y)‖)]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    pub step_size: Option<String>,
    /// Size α of the random start, entries N(0, α²/k) [default: 1e-6 √‖s·A*(y)‖]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    pub init_scale: Option<String>,
    /// Size of the random R over that of L, for the model asymmetric [default: 1]
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "ρ", allow_negative_numbers = true, help_heading = "Method")]
    pub init_scale_ratio: Option<f64>,
    /// Adds (r/2)‖U‖², or (r/2)(‖L‖² + ‖R‖²), to the loss that is descended
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "r", allow_negative_numbers = true, default_value_t = 0.0, help_heading = "Method")]
    pub ridge: f64,
    /// Seed of the random start [default: 0]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    pub seed: Option<String>,
    /// small-random; imbalanced: the same with R a third of the size of L; spectral: from the leading eigenvectors of s·A*(y), or
    /// spectral:1 without the first, which entries above a threshold need; or a file: U0.npy (n, k) or (batch, n, k), or the
    /// factors.npz of another run (both of two factors) [default: small-random; spectral for the methods that need it]
    #[arg(long, value_name = "NAME|FILE", help_heading = "Method")]
    pub init: Option<PathBuf>,
    #[command(flatten)]
    pub method: super::method::Flags,
    /// What is done to the observations before --init spectral: none, truncate (gross outliers), optimal (few quadratic
    /// measurements) [default: none]
    #[arg(long, value_name = "NAME", requires = "init", help_heading = "Method")]
    pub init_preprocess: Option<String>,
    /// k or n: the random start has entries N(0, α²/k) or N(0, α²/n) [default: k]
    #[arg(long, value_name = "k|n", help_heading = "Method")]
    pub init_std: Option<String>,
    /// auto, reference, cpu, gpu, or gpu:NAME; see `lowrank list devices`. Under mpirun a list cpu,gpu:NAME,… is dealt to the ranks in turn
    #[arg(long, value_name = "NAME", default_value = "auto", help_heading = "Method")]
    pub backend: String,
    /// Cut the measurements into so many parts and sum part by part, as ranks under mpirun do: the same bits for any number of ranks
    /// [default: 12 under mpirun, more where there are more ranks; else whole]
    #[arg(long, value_parser = crate::grid::single::<usize>, value_name = "P", help_heading = "Method")]
    pub parts: Option<usize>,
    /// f32, f64 or mixed arithmetic: mixed iterates in f32 around an f64 centre, at the speed of the one and to the accuracy of
    /// the other (reference is always f64; gpu has f64 where the adapter has it, and mixed everywhere)
    #[arg(long, value_name = "TYPE", default_value = "f32", help_heading = "Method")]
    pub precision: String,
    /// f16, f32 or f64: number type that holds the matrices [default: f32, or the file's own with --precision f64 or mixed]
    #[arg(long, value_name = "TYPE", help_heading = "Method")]
    pub storage: Option<String>,
    /// Kernel variant of the backend, instead of the one it would choose; a wrong name lists them
    #[arg(long, value_name = "NAME", help_heading = "Method")]
    pub variant: Option<String>,
    /// Time the kernel variants of a gpu anew, although an earlier run found the fastest one
    #[arg(long, help_heading = "Method")]
    pub retune: bool,
    /// Device memory that gpu gets along with, such as 8G; measurements beyond it are streamed [default: all there is]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, help_heading = "Method")]
    pub device_memory: Option<String>,

    /// Iterations at most
    #[arg(
        long, value_parser = crate::grid::single::<usize>,
        value_name = "N",
        allow_negative_numbers = true,
        default_value_t = 5000,
        help_heading = "When to stop"
    )]
    pub max_iterations: usize,
    /// Stop at ‖Z−M‖/‖M‖ ≤ e, Z being UUᵀ, USUᵀ or LRᵀ; needs a truth
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "e", allow_negative_numbers = true, help_heading = "When to stop")]
    pub stop_relative_error: Option<f64>,
    /// Stop at a training loss ≤ f
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "f", allow_negative_numbers = true, help_heading = "When to stop")]
    pub stop_loss: Option<f64>,
    /// Stop at a relative residual ‖A(Z)−y‖/‖y‖ ≤ e
    #[arg(long, value_parser = crate::grid::single::<f64>, allow_negative_numbers = true, value_name = "e", help_heading = "When to stop")]
    pub stop_residual: Option<f64>,
    /// Stop after so many seconds of iterating
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "SECONDS", allow_negative_numbers = true, help_heading = "When to stop")]
    pub stop_time: Option<f64>,
    /// Iterations over which a flat loss and a still spectrum count as stalled; 0 never does
    #[arg(long, value_parser = crate::grid::single::<usize>, value_name = "N", default_value_t = 200, help_heading = "When to stop")]
    pub stall_window: usize,
    /// Keep this share of the measurements aside, or of --entries those of a file, return the iterate that predicts them
    /// best, estimate the error
    #[arg(long, value_name = "SHARE|FILE", allow_hyphen_values = true, help_heading = "When to stop")]
    pub holdout: Option<String>,
    /// Seed of the choice of held-out measurements
    #[arg(long, value_parser = crate::grid::single::<u64>, value_name = "SEED", default_value_t = 0, help_heading = "When to stop")]
    pub holdout_seed: u64,
}

/// Lists and ranges (`1:8`, `a:b:step`, `log:1e-1:1e-7:7`) of --init-scale, --seed, --search-rank, --step-size and
/// --rows make one batch, their cartesian product.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, value_name = "NAME", help = methods(), default_value = lowrank::internals::methods::AUTOMATIC, display_order = 0, help_heading = "Method")]
    pub method: String,
    /// When to trace and to test the stop rules: every:J iterations, or log (about twelve times a decade)
    #[arg(long, value_name = "WHEN", default_value = "every:10", help_heading = "When to stop")]
    pub observe: String,

    /// Factors, .npz with `left` (batch, n, k), and `right` (batch, n2, k) where there are two
    #[arg(long, value_name = "factors.npz", help_heading = "Output (each optional; - is the standard output)")]
    pub out: Option<PathBuf>,
    /// Report of the run, JSON
    #[arg(long, value_name = "run.json", help_heading = "Output (each optional; - is the standard output)")]
    pub report: Option<PathBuf>,
    /// Every observation of every trial, CSV
    #[arg(long, value_name = "trace.csv", help_heading = "Output (each optional; - is the standard output)")]
    pub trace: Option<PathBuf>,
    /// Parameters and result of every trial, CSV
    #[arg(long, value_name = "trials.csv", help_heading = "Output (each optional; - is the standard output)")]
    pub trials: Option<PathBuf>,
    /// Factors at every observation, .npz with `iterations` (T,) and `factors` (T, batch, n, k), or `left` and `right`
    #[arg(long, value_name = "U.npz", help_heading = "Output (each optional; - is the standard output)")]
    pub snapshots: Option<PathBuf>,
    /// Save the run to this file at its start, so often, and at its end
    #[arg(long, value_name = "run.ckpt", help_heading = "Faults and reruns")]
    pub checkpoint: Option<PathBuf>,
    /// How often: a number of iterations, or of seconds such as 30s
    #[arg(
        long,
        value_name = "N|30s",
        default_value = "30s",
        allow_hyphen_values = true,
        help_heading = "Faults and reruns"
    )]
    pub checkpoint_every: String,
    /// Go on from a checkpoint of the same data and settings; limits and outputs may be others
    #[arg(long, value_name = "run.ckpt", help_heading = "Faults and reruns")]
    pub resume: Option<PathBuf>,
    /// Run again what this report of a finished run says, and say whether the result is the same; flags given beside it go before
    /// those of the report
    #[arg(long, value_name = "run.json", help_heading = "Faults and reruns")]
    pub config: Option<PathBuf>,
    /// stop with the last good iterate, retry on the same device, or go on on the cpu
    #[arg(long, value_name = "NAME", default_value = "stop", help_heading = "Faults and reruns")]
    pub on_device_loss: String,
    /// No notes and no progress
    #[arg(long, short, help_heading = "Output (each optional; - is the standard output)")]
    pub quiet: bool,
}

/// The help of --model.
fn models() -> String {
    let parameters =
        |card: &ModelCard| card.parameters.iter().map(|(name, _)| format!(":{name}=…")).collect::<String>();
    let each = MODELS.iter().map(|card| format!("{}{}: {}", card.word, parameters(card), card.formula));
    format!("{} [default: psd; asymmetric for entries]", each.collect::<Vec<_>>().join("; "))
}

/// The help of --method.
fn methods() -> String {
    let words: Vec<&str> = lowrank::methods::METHODS.iter().map(|card| card.word).collect();
    format!(
        "auto, what suits loss and model, or {}; see `lowrank list methods`. Parameters may stand behind it: lbfgs:memory=5",
        words.join(", ")
    )
}

impl Common {
    /// Whether an error, a loss or a residual is to be reached.
    pub fn has_target(&self) -> bool {
        self.stop_relative_error.is_some() || self.stop_loss.is_some() || self.stop_residual.is_some()
    }
}

impl Args {
    /// The outputs that were asked for.
    pub fn outputs(&self) -> impl Iterator<Item = &PathBuf> {
        let files = [&self.out, &self.report, &self.trace, &self.trials, &self.snapshots, &self.checkpoint];
        files.into_iter().flatten()
    }
}
