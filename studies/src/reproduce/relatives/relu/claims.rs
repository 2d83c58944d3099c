//! Claims on threshold sampling.

use super::super::tasks::curve;
use super::super::{MeasuredCurve, Rerun};
use super::measure::{Contender, named, ranks};
use crate::reproduce::claims::{Claim, Draft, Value};

const PAPER: &str = "arXiv 2406.05822";
const RIVAL: &str = "own setting, after the use of unseen signs in arXiv 2503.23832";
const OWN: &str = "own observation";
/// Error above which a run is far from the matrix, and least residual of one that does not fit.
const FAR: f64 = 0.3;
const MISFIT: f64 = 1e-3;

/// Result of a run.
pub(super) struct Run {
    rank: usize,
    threshold: f64,
    error: f64,
    residual: f64,
    /// Least number of seen entries in a row.
    fewest: usize,
}

/// Returns the runs of a contender on all problems.
fn runs(s: &Rerun, curves: &[MeasuredCurve], contender: Contender) -> Vec<Run> {
    let mut all = Vec::new();
    for rank in ranks(s) {
        let of = |what: &str| {
            let found = curve(curves, &format!("{}-{what}", named(rank)), contender.name());
            found.map(|curve| curve.points.as_slice()).unwrap_or_default()
        };
        for ((error, residual), rows) in of("error").iter().zip(of("residual")).zip(of("rows")) {
            let (threshold, error, residual) = (error.0, error.1, residual.1);
            all.push(Run { rank, threshold, error, residual, fewest: rows.1 as usize });
        }
    }
    all
}

/// Judges whether all of the runs have a property; a note lists those that do not.
fn every(draft: Draft, runs: &[Run], holds: impl Fn(&Run) -> bool) -> Claim {
    if runs.is_empty() {
        return draft.not_applicable(Value::None, "no run has this setting");
    }
    let others: Vec<String> = (runs.iter().filter(|run| !holds(run)))
        .map(|run| format!("r = {}, t = {}: {:.1e}, {} entries", run.rank, run.threshold, run.error, run.fewest))
        .collect();
    let measured = Value::text(format!("{} of {}", runs.len() - others.len(), runs.len()));
    let note = (!others.is_empty()).then(|| others.join("; "));
    draft.judge(measured, others.is_empty(), note)
}

pub(super) fn all(s: &Rerun, curves: &[MeasuredCurve]) -> Vec<Claim> {
    vec![
        random(s, curves),
        spectral(s, curves),
        rows(s, curves),
        hinge(s, curves),
        stationary(s, curves),
        wide(s, curves),
    ]
}

fn random(s: &Rerun, curves: &[MeasuredCurve]) -> Claim {
    let text = format!(
        "a random start on the seen entries alone ends with an error of at least {FAR} at every rank and every threshold of at \
         least 0"
    );
    let draft = Draft::new("random-fails", PAPER, Value::text("all"), text);
    let mut kept = runs(s, curves, Contender::Random);
    kept.retain(|run| run.threshold >= 0.0);
    every(draft, &kept, |run| run.error.is_nan() || run.error >= FAR)
}

fn spectral(s: &Rerun, curves: &[MeasuredCurve]) -> Claim {
    let text = format!(
        "the spectral start without the first direction reaches an error of {:e} wherever each row has twice as many seen entries \
         as the rank or more",
        s.target
    );
    let draft = Draft::new("spectral-succeeds", PAPER, Value::text("all"), text);
    let mut kept = runs(s, curves, Contender::Spectral);
    kept.retain(|run| run.fewest >= 2 * run.rank);
    every(draft, &kept, |run| run.error <= s.target)
}

fn rows(s: &Rerun, curves: &[MeasuredCurve]) -> Claim {
    let text = "where the spectral start fails, it fits the seen entries and some row has hardly more of them than the r unknowns of \
                that row, at most r + 1: the data do not determine it";
    let draft = Draft::new("rows-decide", OWN, Value::text("all"), text);
    let mut kept = runs(s, curves, Contender::Spectral);
    kept.retain(|run| run.error.is_nan() || run.error > s.target);
    every(draft, &kept, |run| run.fewest <= run.rank + 1 && run.residual <= MISFIT)
}

fn hinge(s: &Rerun, curves: &[MeasuredCurve]) -> Claim {
    let text = format!(
        "with the one-sided loss on unseen entries a random start reaches an error of {:e} wherever the threshold is not positive",
        s.target
    );
    let draft = Draft::new("hinge-succeeds", RIVAL, Value::text("all"), text);
    let mut kept = runs(s, curves, Contender::Hinge);
    kept.retain(|run| run.threshold <= 0.0);
    every(draft, &kept, |run| run.error <= s.target)
}

fn stationary(s: &Rerun, curves: &[MeasuredCurve]) -> Claim {
    let text = format!(
        "above a positive threshold the one-sided loss has other stationary points: some random starts with r columns end with an \
         error of at least {FAR} and do not fit the data"
    );
    let draft = Draft::new("positive-threshold", OWN, Value::text("≥ 1"), text);
    let mut kept = runs(s, curves, Contender::Hinge);
    kept.retain(|run| run.threshold > 0.0);
    let stuck = kept.iter().filter(|run| run.error >= FAR && run.residual > MISFIT).count();
    let note = format!("{stuck} of {} runs", kept.len());
    draft.judge(Value::number(stuck as f64), stuck > 0, Some(note))
}

fn wide(s: &Rerun, curves: &[MeasuredCurve]) -> Claim {
    let text = format!(
        "one column more leads around them: every random start at a positive threshold ends with an error below {FAR}, though \
         slowly"
    );
    let draft = Draft::new("one-more-column", OWN, Value::text("all"), text);
    let mut kept = runs(s, curves, Contender::Wide);
    kept.retain(|run| run.threshold > 0.0);
    every(draft, &kept, |run| run.error < FAR)
}
