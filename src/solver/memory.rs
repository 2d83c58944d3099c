//! Memory held by a run.

use std::collections::HashSet;

use crate::diagnostics::{PaperDiagnostics, Spectrum};
use crate::engine::EngineInfo;
use crate::error::{Error, Result};
use crate::memory::{Memory, product};
use crate::models::Model;
use crate::solver::choices;
use crate::solver::problem::Problem;
use crate::solver::settings::Settings;
use crate::solver::trial::Trial;

/// Memory of the operator, the engine and the solver, predicted from the sizes.
pub(super) fn memory(
    (problem, settings): (&Problem, &Settings),
    model: &Model,
    search_rank: usize,
    engine: &EngineInfo,
) -> Memory {
    let mut parts = problem.operator().memory();
    parts.extend(engine.memory.parts.iter().cloned());
    let wanted = choices::wanted_trials(problem, settings);
    parts.extend(of_solver((problem, settings), model, &wanted, search_rank).parts);
    Memory { parts }
}

/// Largest size of the factors of all trials, 16 GiB.
const MOST_FACTORS: f64 = (1_u64 << 34) as f64;

/// Asks for the solver's own memory, before it is taken.
///
/// # Errors
/// [`Error::Invalid`] for factors beyond any use; [`Error::Memory`].
pub(super) fn require(
    (problem, settings): (&Problem, &Settings),
    model: &Model,
    wanted: &[Trial],
    search_rank: usize,
) -> Result<()> {
    let domain = problem.operator().domain();
    let bytes = 8.0 * wanted.len() as f64 * model.numbers(&domain, search_rank) as f64;
    if bytes > MOST_FACTORS {
        let size = bytes / MOST_FACTORS * 16.0;
        let found = format!("{search_rank} for {} trials of {domain} matrices, {size:.0} GiB of factors", wanted.len());
        let fix = "lower it (n columns represent every solution), or run fewer trials at a time";
        return Err(Error::invalid("search_rank", found, "at most 16 GiB", fix));
    }
    let fix = match (settings.diagnose, wanted.len()) {
        (true, _) => "Leave out diagnose, or run fewer trials at a time",
        (false, 1) => "Lower the search rank, or use a machine with more memory",
        (false, _) => "Run fewer trials at a time, or lower the search rank",
    };
    of_solver((problem, settings), model, wanted, search_rank).require("search_rank", fix)
}

/// Memory of the solver itself; `search_rank` is that of the widest trial, with the method's own columns.
fn of_solver(
    (problem, settings): (&Problem, &Settings),
    model: &Model,
    wanted: &[Trial],
    search_rank: usize,
) -> Memory {
    let (domain, m, batch) = (problem.operator().domain(), problem.operator().measurements(), wanted.len());
    let one = model.numbers(&domain, search_rank);
    // Targets, weights and residuals of the last observation; the given observations.
    let measured = product(&[m, 3 * batch + problem.instances(), 8]);
    // The start, the factors of the last observation, and those kept of each trial. During an observation, the trial's
    // factors again and the workspace of their decomposition.
    let factors = one.saturating_mul(3 * batch as u64 + 4).saturating_mul(8);
    let mut parts = vec![("observations and residuals in f64", measured), ("factors in f64", factors)];
    let diagnoses = of_diagnoses((problem, settings), model, wanted, search_rank);
    parts.extend((diagnoses > 0).then_some(("diagnoses", diagnoses)));
    Memory::of_host(parts)
}

/// Bytes of the diagnoses of all trials with a truth: spectra of their training measurements, and what is compared
/// with them.
fn of_diagnoses(
    (problem, settings): (&Problem, &Settings),
    model: &Model,
    wanted: &[Trial],
    search_rank: usize,
) -> u64 {
    if !(settings.diagnose && model.has_phases()) {
        return 0;
    }
    let n = problem.operator().domain().rows();
    let (mut spectra, mut bytes, mut workspace) = (HashSet::new(), 0_u64, 0);
    for trial in wanted {
        let instance = trial.instance.unwrap_or(0);
        if let Some(truth) = problem.truth(instance) {
            if spectra.insert((instance, trial.rows, trial.fold)) {
                bytes = bytes.saturating_add(Spectrum::bytes(n, truth.rank().unwrap_or(1)));
            }
            bytes = bytes.saturating_add(PaperDiagnostics::bytes(truth, search_rank));
            workspace = workspace.max(PaperDiagnostics::workspace(truth, search_rank));
        }
    }
    // Trials are diagnosed side by side.
    let together = wanted.len().min(rayon::current_num_threads()) as u64;
    bytes.saturating_add(workspace.saturating_mul(together))
}
