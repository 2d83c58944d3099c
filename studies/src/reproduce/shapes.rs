//! Claims about one run and its power iteration.

use crate::reproduce::claims::{COMPUTED, Claim, Draft, PAPER, Value};
use crate::reproduce::data::PhaseRun;
use crate::reproduce::facts::Facts;
use crate::reproduce::fit::median;
use crate::reproduce::settings::Ensemble;
use lowrank::diagnostics::Diagnosis;
use lowrank::internals::diagnostics::{ALIGNED, POWER_LEFT};

/// Smallest n at which ‖P − M‖ fluctuates by less than the tolerance (the edge of a spectrum fluctuates like
/// n^(−2/3)).
const LARGE: usize = 80;
/// Test error that counts as recovery: far above the floor of single precision, far below 1.
const SMALL: f64 = 1e-3;

/// Claims ‖P − M‖ ≈ ‖M‖_F·√(2n/m).
pub(super) fn distance(facts: &Facts) -> Claim {
    let draft = Draft::new(
        "p-distance",
        COMPUTED,
        Value::number(facts.edge()),
        "‖P − M‖ is ‖M‖_F·√(2n/m), within 10 %: the noise in the spectral phase",
    );
    let Some(found) = facts.distance else {
        return draft.not_applicable(Value::None, "only the leading eigenvalues of P are computed for n > 1024");
    };
    let measured = Value::number(found);
    if facts.operator != Ensemble::Dense {
        let reason = format!("the formula is that of Gaussian matrices, and these are {}", facts.operator.word());
        return draft.not_applicable(measured, reason);
    }
    if facts.n < LARGE || 2 * facts.measurements < facts.n {
        let reason =
            format!("for n = {} and m = {} the edge of the spectrum is not sharp", facts.n, facts.measurements);
        return draft.not_applicable(measured, reason);
    }
    draft.judge(measured, (found / facts.edge() - 1.0).abs() <= 0.1, None)
}

fn diagnosed(run: &PhaseRun) -> impl DoubleEndedIterator<Item = (usize, &Diagnosis)> {
    run.trace.iter().filter_map(|r| Some((r.iteration, r.diagnosis.as_ref()?)))
}

/// Returns the angles to L at iteration t.
fn angles(run: &PhaseRun) -> Vec<(usize, f64)> {
    diagnosed(run).filter_map(|(t, d)| Some((t, d.angle_spectral?))).collect()
}

fn reasons(run: &PhaseRun) -> String {
    if run.phases.reasons.is_empty() { "a time is missing".into() } else { run.phases.reasons.join("; ") }
}

/// Claims that angle(L, L_t) falls below 0.1, then rises towards angle(L, X).
pub(super) fn angle_shape(run: &PhaseRun) -> Claim {
    let draft = Draft::new(
        "angle-shape",
        PAPER,
        Value::text(format!("below {ALIGNED}, then {:.3}", run.facts.angle)),
        "angle(L, L_t) falls below 0.1 before t_1, then rises again to angle(L, X) (within 10 % + 0.01 at the end)",
    );
    let angles = angles(run);
    let lowest = angles.iter().filter(|a| run.phases.t_1.is_none_or(|t| a.0 <= t)).map(|a| a.1).reduce(f64::min);
    let (Some(lowest), Some(last)) = (lowest, angles.last().map(|a| a.1)) else {
        return match run.facts.outside() {
            Some(reason) => draft.not_applicable(Value::None, reason),
            None => draft.fails(Value::None, "no angles were observed: the run diverged, or k < r*"),
        };
    };
    let measured = Value::text(format!("{lowest:.3}, then {last:.3}"));
    if let Some(reason) = run.facts.outside() {
        return draft.not_applicable(measured, reason);
    }
    let back = (last - run.facts.angle).abs() <= 0.1 * run.facts.angle + 0.01;
    let holds = lowest < ALIGNED && back && last > lowest;
    draft.judge(measured, holds, (!holds).then(|| reasons(run)))
}

/// Claims that the test error stays near 1 until about t_1 and ends small.
pub(super) fn error_shape(run: &PhaseRun) -> Claim {
    let draft = Draft::new(
        "error-shape",
        PAPER,
        Value::text(format!("at least 0.9, then at most {SMALL:e}")),
        "the test error stays at 0.9 or above until 0.8·t_1·ln(1+μλ_r*(P))/ln(1+μλ_1(P)), about when the strongest direction \
         emerges, and ends small",
    );
    let errors: Vec<(usize, f64)> = run.trace.iter().filter_map(|r| Some((r.iteration, r.relative_error?))).collect();
    let end = errors.last().map_or(f64::NAN, |e| e.1);
    let outside = run.facts.outside();
    let Some(t_1) = run.phases.t_1 else {
        let measured = Value::text(format!("no t_1; ends at {end:.1e}"));
        return match outside {
            Some(reason) => draft.not_applicable(measured, reason),
            None => draft.fails(measured, reasons(run)),
        };
    };
    let until = 0.8 * t_1 as f64 * run.facts.head_start();
    // The first observation counts even where t_1 = 0.
    let early = errors.iter().filter(|e| e.0 as f64 <= until).map(|e| e.1).fold(f64::INFINITY, f64::min);
    let measured = Value::text(format!("{early:.3} at least until t = {:.0}, then {end:.1e}", until));
    if let Some(reason) = outside {
        return draft.not_applicable(measured, reason);
    }
    draft.judge(measured, early >= 0.9 && end <= SMALL && t_1 > 0, (t_1 == 0).then(|| "t_1 = 0".into()))
}

/// Claims that angle(X, L_t) stays at angle(X, L) during phase II, as long as the run has not left its power
/// iteration. If the σ(X) differ, the strong directions saturate within phase II, and the others then see less noise
/// than P has.
pub(super) fn plateau(run: &PhaseRun) -> Claim {
    let draft = Draft::new(
        "plateau",
        PAPER,
        Value::number(run.facts.angle),
        "during phase II angle(X, L_t) stays at angle(X, L) (median from t_* until t_1 or t_power, whichever is \
         first, within 10 % + 0.01)",
    );
    let outside = run.facts.outside();
    let (Some(star), Some(t_1)) = (run.phases.t_star, run.phases.t_1) else {
        return match outside {
            Some(reason) => draft.not_applicable(Value::None, reason),
            None => draft.fails(Value::None, reasons(run)),
        };
    };
    let end = run.phases.t_power.map_or(t_1, |t| t.min(t_1)).max(star);
    let during: Vec<f64> =
        diagnosed(run).filter(|(t, _)| (star..=end).contains(t)).filter_map(|(_, d)| d.angle_truth).collect();
    let found = median(&during);
    let measured = Value::number(found);
    if let Some(reason) = outside {
        return draft.not_applicable(measured, reason);
    }
    let note = format!("phase II is t = {star} to {t_1}; judged until {end}");
    let near = found.is_some_and(|v| (v - run.facts.angle).abs() <= 0.1 * run.facts.angle + 0.01);
    draft.judge(measured, near, Some(note))
}

/// Claims that U_t and Ũ_t have the same angles until t_power.
pub(super) fn power_iteration_agrees(run: &PhaseRun) -> Claim {
    let draft = Draft::new(
        "power-iteration-angles",
        PAPER,
        Value::number(0.1),
        format!(
            "until t_power, the first t with ‖U_t − Ũ_t‖ > {POWER_LEFT}‖Ũ_t‖, both angles of U_t and of Ũ_t = (I + μP)ᵗU_0 \
             differ by at most 0.1 (expected: the bound)"
        ),
    );
    let gap = |a: Option<f64>, b: Option<f64>| Some((a? - b?).abs());
    let end = run.phases.t_power.unwrap_or(usize::MAX);
    let largest = diagnosed(run)
        .filter(|(t, _)| *t < end)
        .flat_map(|(_, d)| [gap(d.angle_truth, d.power_angle_truth), gap(d.angle_spectral, d.power_angle_spectral)])
        .flatten()
        .reduce(f64::max);
    let measured = Value::number(largest);
    match (run.facts.outside(), largest, run.phases.t_power) {
        (Some(reason), _, _) => draft.not_applicable(measured, reason),
        (None, None, _) => draft.not_applicable(measured, "the power iteration needs n ≤ 1024 and k ≥ r*"),
        (None, Some(largest), Some(t)) => draft.judge(measured, largest <= 0.1, Some(format!("t_power = {t}"))),
        (None, Some(_), None) => draft.fails(measured, reasons(run)),
    }
}

/// Claims t_power > t_*.
pub(super) fn power_iteration_outlives(run: &PhaseRun) -> Claim {
    let draft = Draft::new(
        "power-iteration-outlives-alignment",
        PAPER,
        Value::text("t_power > t_*"),
        "the run leaves its power iteration only after alignment (t_power after t_*)",
    );
    let shown = |t: Option<usize>| t.map_or("none".to_owned(), |t| t.to_string());
    let measured = Value::text(format!("t_* = {}, t_power = {}", shown(run.phases.t_star), shown(run.phases.t_power)));
    let has_power = diagnosed(run).any(|(_, d)| d.power_distance.is_some());
    match (run.facts.outside(), run.phases.t_star, run.phases.t_power) {
        (Some(reason), _, _) => draft.not_applicable(measured, reason),
        (None, Some(star), Some(power)) => draft.judge(measured, power > star, None),
        (None, _, None) if !has_power => draft.not_applicable(measured, "the power iteration needs n ≤ 1024"),
        (None, _, _) => draft.fails(measured, reasons(run)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::reproduce::claims::Verdict;
    use crate::reproduce::facts::tests::typical;
    use lowrank::diagnostics::{Phase, Phases};
    use lowrank::engine::Precision;
    use lowrank::solver::TraceRow;

    /// Synthetic run of the paper's shape: t_* = 20, t_1 = 60, t_power = 55.
    pub(crate) fn good() -> PhaseRun {
        let row = |t: usize| {
            let spectral = match t {
                0..20 => 1.0 - 0.045 * t as f64,
                20..60 => 0.05,
                _ => 0.252,
            };
            let truth = match t {
                0..20 => 1.0 - 0.035 * t as f64,
                20..60 => 0.252,
                _ => 1e-3,
            };
            let diagnosis = Diagnosis {
                sigma_rank: 0.5,
                sigma_next: Some(1e-4),
                angle_truth: Some(truth),
                angle_spectral: Some(spectral),
                power_angle_truth: Some(if t < 20 { truth } else { 0.252 }),
                power_angle_spectral: Some(if t < 20 { spectral } else { 0.03 }),
                power_distance: Some(if t < 55 { 0.01 } else { 2.0 }),
                noise_norm: 1e-4,
                signal_min: 0.5,
                phase: Phase::Alignment,
            };
            TraceRow {
                trial: 0,
                iteration: t,
                seconds: 0.0,
                train_loss: 1.0,
                relative_residual: 1.0,
                relative_error: Some(if t < 58 { 0.98 } else { 1e-6 }),
                holdout_loss: None,
                phase_proxy: None,
                imbalance: None,
                flatness: None,
                diagnosis: Some(diagnosis),
            }
        };
        let phases = Phases { t_star: Some(20), t_1: Some(60), t_power: Some(55), ..Phases::default() };
        PhaseRun {
            facts: typical(),
            search_rank: 20,
            init_scale: 1e-6,
            precision: Precision::F32,
            phases,
            trace: (0..=100).map(row).collect(),
        }
    }

    const ALL: [fn(&PhaseRun) -> Claim; 5] =
        [angle_shape, error_shape, plateau, power_iteration_agrees, power_iteration_outlives];

    #[test]
    fn the_good_run_holds_and_outside_nothing_applies() {
        let mut run = good();
        for claim in ALL.map(|c| c(&run)).into_iter().chain([distance(&run.facts)]) {
            assert_eq!(claim.verdict, Verdict::Holds, "{claim:?}");
        }
        run.facts.sigma_min = 0.3;
        for claim in ALL.map(|c| c(&run)) {
            assert_eq!(claim.verdict, Verdict::NotApplicable, "{claim:?}");
            assert!(claim.reason.unwrap().contains("too few"));
        }
    }

    fn spoil(change: impl Fn(usize, &mut TraceRow)) -> PhaseRun {
        let mut run = good();
        run.trace.iter_mut().for_each(|r| change(r.iteration, r));
        run
    }

    fn verdicts(run: &PhaseRun) -> Vec<String> {
        ALL.iter().map(|c| c(run)).filter(|c| c.verdict == Verdict::Fails).map(|c| c.id).collect()
    }

    #[test]
    fn each_spoiled_trace_fails_its_claim_and_no_other() {
        fn d(row: &mut TraceRow) -> &mut Diagnosis {
            row.diagnosis.as_mut().unwrap()
        }
        let never_low = spoil(|t, r| d(r).angle_spectral = Some(if t < 60 { 0.12 } else { 0.252 }));
        assert_eq!(verdicts(&never_low), ["angle-shape", "power-iteration-angles"]);
        let never_back = spoil(|_, r| d(r).angle_spectral = d(r).angle_spectral.map(|a| a.min(0.1)));
        assert!(verdicts(&never_back).iter().any(|id| id == "angle-shape"));
        assert_eq!(verdicts(&spoil(|t, r| r.relative_error = Some(if t == 30 { 0.8 } else { 0.0 }))), ["error-shape"]);
        assert_eq!(verdicts(&spoil(|_, r| r.relative_error = Some(0.95))), ["error-shape"]);
        let low = spoil(|t, r| {
            if (20..60).contains(&t) {
                d(r).angle_truth = Some(0.2);
                d(r).power_angle_truth = Some(0.2);
            }
        });
        assert_eq!(verdicts(&low), ["plateau"]);
        assert_eq!(
            verdicts(&spoil(
                |t, r| d(r).power_angle_truth = Some(if t == 54 { 0.5 } else { d(r).angle_truth.unwrap() })
            )),
            ["power-iteration-angles"]
        );
        let mut early = good();
        early.phases.t_power = Some(19);
        assert_eq!(verdicts(&early), ["power-iteration-outlives-alignment"]);
        let mut none = good();
        none.phases = Phases { reasons: vec!["t_star: because".into()], ..Phases::default() };
        let failed = verdicts(&none);
        assert!(
            ["plateau", "error-shape", "power-iteration-angles", "power-iteration-outlives-alignment"]
                .iter()
                .all(|id| failed.iter().any(|f| f == id))
        );
        assert!(plateau(&none).reason.unwrap().contains("because"));
    }

    #[test]
    fn the_distance_is_judged_where_the_edge_is_sharp() {
        let with = |distance: Option<f64>, n: usize| distance_of(distance, n).verdict;
        fn distance_of(found: Option<f64>, n: usize) -> Claim {
            distance(&Facts { distance: found, n, measurements: 30 * n, ..typical() })
        }
        assert_eq!(with(Some(0.447), 100), Verdict::Holds);
        assert_eq!(with(Some(0.50), 100), Verdict::Fails);
        assert_eq!(with(Some(f64::NAN), 100), Verdict::Fails);
        assert_eq!(with(Some(0.50), 30), Verdict::NotApplicable);
        assert_eq!(with(None, 2000), Verdict::NotApplicable);
    }

    #[test]
    fn a_run_without_observations_fails_and_a_staged_one_falls_earlier() {
        let empty = PhaseRun { trace: Vec::new(), phases: Phases::default(), ..good() };
        assert_eq!(angle_shape(&empty).verdict, Verdict::Fails);
        // A strong direction emerges before t_1: the error may fall earlier, but not at once.
        let early = |at: usize| spoil(move |t, r| r.relative_error = Some(if t < at { 0.98 } else { 1e-6 }));
        assert_eq!(error_shape(&early(40)).verdict, Verdict::Fails);
        for (at, verdict) in [(40, Verdict::Holds), (5, Verdict::Fails)] {
            let mut staged = early(at);
            staged.facts.lambda_first = 2.0;
            assert_eq!(error_shape(&staged).verdict, verdict, "{at}");
        }
    }
}
