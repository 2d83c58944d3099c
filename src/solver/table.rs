//! The options of the solver, each with its place in the identity of a run and in the settings.

mod fixed_trace;
mod perturbation;
mod words;

use serde_json::json;

use crate::memory::system::parse_size;
use crate::options::OptionKind::{Count, Counts, File, Number, Numbers, Seed, Seeds, Switch, Text};
use crate::options::{
    ALL, FAULTS, MEASUREMENTS, METHOD, OptionCard, STOP, Usual, WITH_BACKEND, WITH_MODEL, WITH_PRECISION, WITH_VARIANT,
};
use crate::solver::apply::{Apply, checkpoint, elsewhere, holdout, put};
use crate::solver::place::{BOTH, ENGINE, Place, RUN};
use crate::solver::schedule::SaveEvery;
use crate::solver::settings::Settings;

use words::{methods, models};

const SOLVE: &[&str] = &["solve"];

/// An option, its place in the identity of a run, and what it changes in the settings.
type Row = (OptionCard, Place, Apply);

/// Options of the solver, each with its place in the identity of a run and in the settings.
pub(crate) const SETTINGS: &[Row] = &[
    (
        OptionCard::new(
            "truth",
            File,
            "FILE",
            MEASUREMENTS,
            "Known factors, to report the test error. psd: X.npy (n, r) with M = X Xᵀ; asymmetric: .npz with left and right; signed: \
             .npz with left and signature",
        )
        .program_only()
        .excludes(&["truth_matrix"]),
        Place::Within("truth"),
        elsewhere,
    ),
    (
        OptionCard::new("truth_matrix", File, "M.npy", MEASUREMENTS, "Known matrix M (n1, n2), to report the test error")
            .program_only(),
        Place::Within("truth"),
        elsewhere,
    ),
    (
        OptionCard::new("rows", Counts, "LIST", MEASUREMENTS, "Number of measurements in use, the first ones")
            .chosen("all"),
        Place::Within("trials"),
        elsewhere,
    ),
    (
        OptionCard::new("model", Text, "NAME", MEASUREMENTS, "Model of the unknown")
            .words(models)
            .chosen("psd; asymmetric for sampled entries and pairs of vectors")
            .but(&[("sweep", Usual::Chosen("psd, for every operator")), ("generate", Usual::Chosen("psd, for every operator"))])
            .of(WITH_MODEL),
        Place::Entry(BOTH, |t| json!(t.plan.model)),
        elsewhere,
    ),
    (
        OptionCard::new("method", Text, "NAME", METHOD, "Method: auto, which suits loss and model, or")
            .words(methods)
            .value("auto")
            .of(&["solve", "sweep"]),
        Place::Entry(BOTH, |t| json!(t.plan.method.word())),
        elsewhere,
    ),
    (
        OptionCard::new(
            "search_rank",
            Counts,
            "LIST",
            METHOD,
            "Columns k of U, at least the rank that you expect; in solve also auto, or auto:1:8 with candidates: the smallest within one \
             standard error of the best in a cross-validation",
        )
        .or_auto()
        .chosen("min(n, 20)"),
        Place::Within("trials"),
        elsewhere,
    ),
    (
        OptionCard::new("step_size", Numbers, "LIST", METHOD, "Step size μ of U ← U − μ·s·A*(A(UUᵀ) − y)·U")
            .chosen("1/(4 ‖s·A*(y)‖)"),
        Place::Within("trials"),
        elsewhere,
    ),
    (
        OptionCard::new(
            "init",
            File,
            "NAME|FILE",
            METHOD,
            "Start: small-random; imbalanced, with R a third of the size of L; spectral, the leading eigenvectors of s·A*(y), or \
             spectral:J without the first J; or a file, U0.npy (n, k) or (batch, n, k), or the factors.npz of another run",
        )
        .program_only()
        .chosen("small-random; spectral for the methods that need it"),
        Place::Within("init"),
        elsewhere,
    ),
    (
        OptionCard::new("init_scale", Numbers, "LIST", METHOD, "Size α of the random start, entries N(0, α²/k)")
            .chosen("1e-6 √‖s·A*(y)‖"),
        Place::Within("trials"),
        elsewhere,
    ),
    (
        OptionCard::new("init_std", Text, "k|n", METHOD, "Entries of the random start: N(0, α²/k) or N(0, α²/n)").value("k"),
        Place::Within("init"),
        |settings, of| Ok(put(settings, of.word("init_std")?, Settings::init_std)),
    ),
    (
        OptionCard::new(
            "init_scale_ratio",
            Number,
            "ρ",
            METHOD,
            "Size of the random R over that of L, for the model asymmetric",
        )
        .chosen("1"),
        Place::Within("trials"),
        |settings, of| Ok(put(settings, of.one("init_scale_ratio")?, Settings::init_scale_ratio)),
    ),
    (
        OptionCard::new(
            "init_preprocess",
            Text,
            "NAME",
            METHOD,
            "Change of the observations before a spectral start: none, truncate (gross outliers), optimal (few quadratic \
             measurements)",
        )
        .value("none")
        .requires(&["init"]),
        Place::Within("init"),
        elsewhere,
    ),
    (OptionCard::new("seed", Seeds, "LIST", METHOD, "Seed of the random start").chosen("0"),
        Place::Within("trials"), elsewhere),
    (
        OptionCard::new(
            "loss",
            Text,
            "NAME",
            METHOD,
            "Sum over the residuals: square, l1 or huber:δ; the last two tolerate gross outliers",
        )
        .value("square"),
        Place::Entry(BOTH, |t| json!(t.settings.loss.word())),
        |settings, of| Ok(put(settings, of.word("loss")?, Settings::loss)),
    ),
    (
        OptionCard::new(
            "ridge",
            Numbers,
            "r",
            METHOD,
            "Weight of (r/2)‖U‖², or (r/2)(‖L‖² + ‖R‖²), in the loss of the descent; in solve also auto, or auto:log:0.1:10:5 with \
             candidates: the largest within one standard error of the best in a cross-validation",
        )
        .or_auto()
        .value("0"),
        Place::Entry(RUN, |t| json!(t.plan.ridge)),
        elsewhere,
    ),
    (
        OptionCard::new(
            "folds",
            Count,
            "K",
            METHOD,
            "Folds of the cross-validation that chooses search_rank auto and ridge auto; holdout_seed divides the measurements",
        )
        .chosen("5; fewer for less than 25 measurements")
        .of(SOLVE),
        Place::Apart,
        elsewhere,
    ),
    (
        OptionCard::new(
            "nonnegative",
            Switch,
            "",
            METHOD,
            "Keep the factors non-negative: every step ends at max(U, 0), from the absolute values of the start",
        )
        .of(SOLVE),
        Place::Entry(BOTH, |t| json!(t.settings.nonnegative.then_some(true))),
        |settings, of| Ok(settings.nonnegative(of.is_on("nonnegative"))),
    ),
    fixed_trace::FIXED_TRACE,
    perturbation::LABEL_NOISE,
    perturbation::LABEL_NOISE_UNTIL,
    perturbation::SHARPNESS,
    (
        OptionCard::new(
            "without_biases",
            Switch,
            "",
            METHOD,
            "Do not try biases of rows and columns for noisy entries",
        )
        .of(SOLVE),
        Place::Apart,
        |settings, of| Ok(if of.is_on("without_biases") { settings.without_biases() } else { settings }),
    ),
    (
        OptionCard::new(
            "backend",
            Text,
            "NAME",
            METHOD,
            "Where to compute: auto, reference, cpu, gpu, or gpu:NAME; see `lowrank list devices`. Under mpirun the ranks take the \
             backends of a list cpu,gpu:NAME,… in turn",
        )
        .value("auto")
        .of(WITH_BACKEND),
        Place::Apart,
        elsewhere,
    ),
    (
        OptionCard::new(
            "precision",
            Text,
            "TYPE",
            METHOD,
            "Arithmetic: f32, f64, or mixed, which iterates in f32 around an f64 centre at the speed of f32 and to the accuracy of f64 \
             (reference is always f64)",
        )
        .value("f32")
        .but(&[("reproduce", Usual::Chosen("f64; of ss21 f64 for scale (f32 on a GPU), f32 for the others"))])
        .of(WITH_PRECISION),
        Place::Entry(BOTH, |t| json!(t.settings.precision.word())),
        |settings, of| Ok(put(settings, of.word("precision")?, Settings::precision)),
    ),
    (
        OptionCard::new(
            "parts",
            Count,
            "P",
            METHOD,
            "Number of parts of the measurements whose sums are added, as ranks under mpirun do: the same bits for any number of ranks",
        )
        .program_only()
        .chosen("12 under mpirun, more where there are more ranks; else one"),
        Place::Apart,
        elsewhere,
    ),
    (
        OptionCard::new("variant", Text, "NAME", METHOD, "Kernel variant of the backend; a wrong name lists all")
            .chosen("the fastest on this machine")
            .of(WITH_VARIANT),
        Place::Entry(ENGINE, |t| json!(t.settings.variant)),
        |settings, of| Ok(put(settings, of.text("variant"), Settings::variant)),
    ),
    (
        OptionCard::new("retune", Switch, "", METHOD, "Time the kernel variants of a gpu again and ignore earlier timings"),
        Place::Apart,
        |settings, of| Ok(if of.is_on("retune") { settings.retune() } else { settings }),
    ),
    (
        OptionCard::new(
            "device_memory",
            Text,
            "SIZE",
            METHOD,
            "Memory that a gpu may use, such as 8G; measurements beyond it are streamed",
        )
        .chosen("all of it")
        .of(WITH_VARIANT),
        Place::Entry(ENGINE, |t| json!(t.settings.device_memory)),
        |settings, of| {
            let bytes = of.text("device_memory").map(|text| parse_size("device_memory", text)).transpose()?;
            Ok(put(settings, bytes, Settings::device_memory))
        },
    ),
    (
        OptionCard::new(
            "diagnose",
            Switch,
            "",
            METHOD,
            "Follow angles, singular values and the phases of gradient descent at every observation",
        )
        .python_only()
        .of(SOLVE),
        Place::Apart,
        |settings, of| Ok(settings.diagnose(of.is_on("diagnose"))),
    ),
    (
        OptionCard::new(
            "confidence",
            Switch,
            "",
            METHOD,
            "Standard errors of all entries of the matrix, by the delta method; entries are then fitted without an automatic ridge",
        )
        .of(SOLVE),
        Place::Apart,
        |settings, of| Ok(if of.is_on("confidence") { settings.without_tuning() } else { settings }),
    ),
    (
        OptionCard::new("max_iterations", Count, "N", STOP, "Largest number of iterations")
            .value("5000")
            .but(&[("sweep", Usual::Value("2000"))])
            .of(ALL),
        Place::Apart,
        |mut settings, of| {
            settings.stop.max_iterations = of.one("max_iterations")?.unwrap_or(settings.stop.max_iterations);
            Ok(settings)
        },
    ),
    (
        OptionCard::new(
            "stop_relative_error",
            Number,
            "e",
            STOP,
            "Target ‖Z−M‖/‖M‖ ≤ e, where Z is UUᵀ, USUᵀ or LRᵀ; needs a truth",
        ),
        Place::Entry(RUN, |t| json!(t.settings.stop.relative_error)),
        |mut settings, of| {
            settings.stop.relative_error = of.one("stop_relative_error")?;
            Ok(settings)
        },
    ),
    (OptionCard::new("stop_loss", Number, "f", STOP, "Target: training loss ≤ f"),
        Place::Entry(RUN, |t| json!(t.settings.stop.loss)), |mut settings, of| {
        settings.stop.loss = of.one("stop_loss")?;
        Ok(settings)
    }),
    (
        OptionCard::new("stop_residual", Number, "e", STOP, "Target: relative residual ‖A(Z)−y‖/‖y‖ ≤ e"),
        Place::Entry(RUN, |t| json!(t.settings.stop.residual)),
        |mut settings, of| {
            settings.stop.residual = of.one("stop_residual")?;
            Ok(settings)
        },
    ),
    (
        OptionCard::new("stop_time", Number, "SECONDS", STOP, "Largest number of seconds of iterating"),
        Place::Apart,
        |mut settings, of| {
            settings.stop.time = of.one("stop_time")?;
            Ok(settings)
        },
    ),
    (
        OptionCard::new(
            "stall_window",
            Count,
            "N",
            STOP,
            "A trial has stalled after N iterations with a flat loss and a still spectrum; 0 disables the rule",
        )
        .value("200")
        .of(ALL),
        Place::Entry(RUN, |t| json!(t.settings.stop.stall_window)),
        |mut settings, of| {
            settings.stop.stall_window = of.one("stall_window")?.filter(|window| *window > 0);
            Ok(settings)
        },
    ),
    (
        OptionCard::new(
            "observe",
            Text,
            "WHEN",
            STOP,
            "Iterations at which trials are traced and stop rules tested: every:J, or log (about twelve a decade)",
        )
        .value("every:10")
        .but(&[("compare", Usual::Chosen("every:1; on a gpu every:10; for minibatches once an epoch"))]),
        Place::Entry(RUN, |t| json!(format!("{:?}", t.settings.observe))),
        |settings, of| Ok(put(settings, of.word("observe")?, Settings::observe)),
    ),
    (
        OptionCard::new(
            "holdout",
            Number,
            "SHARE|FILE",
            STOP,
            "Share of the measurements, or a file of entries, that is kept out of training: the result is the iterate that \
             predicts them best, and they estimate its error",
        ),
        Place::Within("holdout"),
        holdout,
    ),
    (
        OptionCard::new("holdout_seed", Seed, "SEED", STOP, "Seed of the draw of held-out measurements").value("0"),
        Place::Within("holdout"),
        |settings, of| of.one::<u64>("holdout_seed").map(|_| settings),
    ),
    (
        OptionCard::new(
            "checkpoint",
            File,
            "run.ckpt",
            FAULTS,
            "Save the run to this file at its start, at intervals, and at its end",
        )
        .program_only()
        .of(SOLVE),
        Place::Destination,
        checkpoint,
    ),
    (
        OptionCard::new(
            "checkpoint_every",
            Text,
            "N|30s",
            FAULTS,
            "Interval between saves: a number of iterations, or of seconds such as 30s",
        )
        .program_only()
        .value("30s")
        .of(SOLVE),
        Place::Apart,
        |settings, of| of.word::<SaveEvery>("checkpoint_every").map(|_| settings),
    ),
    (
        OptionCard::new(
            "on_device_loss",
            Text,
            "NAME",
            FAULTS,
            "After a device failure: stop with the last good iterate, retry on the same device, or cpu, continue there",
        )
        .value("stop")
        .of(SOLVE),
        Place::Apart,
        |settings, of| Ok(put(settings, of.word("on_device_loss")?, Settings::on_device_loss)),
    ),
];
