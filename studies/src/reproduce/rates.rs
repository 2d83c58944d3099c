//! Claims about many runs: times and errors against α, iterations against k.

use std::fmt::Write;

use crate::reproduce::claims::{COMPUTED, Claim, Draft, PAPER, Value};
use crate::reproduce::data::{ScalePoint, ScaleRun, StartTime, TimesRun, WidthRun};
use crate::reproduce::fit::{Line, fit_line, fit_power, median};
use lowrank::engine::Precision;

/// Largest accepted variation of t_* over all α, in iterations.
const A_FEW: usize = 3;
/// Ratio of the error over the last 20 iterations above which the run has reached the floor set by α.
const SETTLED: f64 = 0.8;

/// Claims that t_* hardly depends on α.
pub(super) fn alignment_time(run: &TimesRun) -> Claim {
    let scales = run.starts.iter().map(|s| s.init_scale);
    let (low, high) = scales.fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
    let draft = Draft::new(
        "t-star-constant",
        COMPUTED,
        Value::number(A_FEW as f64),
        format!("t_* varies by at most {A_FEW} iterations from α = {high:e} to {low:e} (expected: the bound)"),
    );
    let stars: Vec<usize> = run.starts.iter().filter_map(|s| s.phases.t_star).collect();
    let span = stars.iter().max().zip(stars.iter().min()).map(|(a, b)| a - b);
    let measured = Value::number(span.map(|s| s as f64));
    if let Some(reason) = run.facts.outside() {
        return draft.not_applicable(measured, reason);
    }
    let (large, late): (Vec<&StartTime>, Vec<&StartTime>) =
        run.starts.iter().filter(|s| s.phases.t_star.is_none()).partition(|s| too_large(s, &stars));
    if let Some(first) = late.first() {
        return draft.fails(measured, format!("at α = {:e}: {}", first.init_scale, first.phases.reasons.join("; ")));
    }
    let mut note = format!("t_* = {stars:?}");
    for start in &large {
        let _ = write!(note, "; α = {:e} is too large: the signal has grown before it is aligned", start.init_scale);
    }
    if stars.len() < 4 {
        return draft.not_applicable(measured, format!("fewer than 4 starts are small enough; {note}"));
    }
    draft.judge(measured, span.is_some_and(|s| s <= A_FEW), Some(note))
}

/// Returns whether a start left its power iteration before other starts aligned.
fn too_large(start: &StartTime, stars: &[usize]) -> bool {
    stars.iter().max().is_some_and(|star| start.phases.t_power.is_some_and(|power| power <= *star + A_FEW))
}

/// Claims that t_1 grows by ln10/ln(1 + μλ_{r*}(P)) per decade.
pub(super) fn growth_time(run: &TimesRun) -> Claim {
    let expected = run.facts.iterations_per_decade();
    let draft = Draft::new(
        "t-1-per-decade",
        COMPUTED,
        Value::number(expected),
        "t_1 grows by ln10/ln(1 + μλ_r*(P)) iterations per decade of smaller α, within 10 %",
    );
    let points: Vec<(f64, f64)> =
        run.starts.iter().filter_map(|s| Some((-s.init_scale.log10(), s.phases.t_1? as f64))).collect();
    let slope = fit_line(&points).map(|l| l.slope);
    let measured = Value::number(slope);
    if let Some(reason) = run.facts.outside().or_else(|| run.facts.staged()) {
        return draft.not_applicable(measured, reason);
    }
    let near = slope.is_some_and(|s| (s / expected - 1.0).abs() <= 0.1);
    draft.judge(measured, near && points.len() == run.starts.len(), None)
}

/// Returns the test error below which rounding dominates the effect of α.
fn precision_floor(precision: Precision) -> f64 {
    if precision == Precision::F32 { 3e-6 } else { 1e-13 }
}

/// Returns whether a point lies in the scaling regime: aligned before growth, settled at the stop time, above the
/// floor.
pub(super) fn used(run: &ScaleRun, point: &ScalePoint) -> bool {
    let aligned = matches!((point.phases.t_star, point.phases.t_1), (Some(star), Some(one)) if star < one);
    let settled = point.test_error >= SETTLED * point.earlier_error;
    aligned && settled && point.test_error > precision_floor(run.precision) && point.test_error < 0.1
}

/// Fits log₁₀ test error against log₁₀ α over the used points.
pub(super) fn test_line(run: &ScaleRun) -> Option<Line> {
    fit_power(run.points.iter().filter(|p| used(run, p)).map(|p| (p.init_scale, p.test_error)))
}

fn train_line(run: &ScaleRun) -> Option<Line> {
    fit_power(run.points.iter().filter(|p| used(run, p)).map(|p| (p.init_scale, p.train_loss)))
}

/// Describes the points of the slope, or the reason why there is none.
fn points_used(run: &ScaleRun) -> Result<String, String> {
    let alphas: Vec<f64> = run.points.iter().filter(|p| used(run, p)).map(|p| p.init_scale).collect();
    let (low, high) = alphas.iter().fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), &v| (a.min(v), b.max(v)));
    if alphas.len() < 3 || high / low < 99.0 {
        return Err(format!(
            "{} of {} values of α are aligned before t_1, settled at T = {} and above the floor of {:?}; a slope needs 3 \
             over two decades",
            alphas.len(),
            run.points.len(),
            run.stop_time,
            run.precision
        ));
    }
    Ok(format!("fitted to the {} points from α = {high:.0e} to {low:.0e} at T = {}", alphas.len(), run.stop_time))
}

/// Returns whether the values of α allow a slope at this precision if the prediction is right: three of them over two
/// decades, small enough for a spectral phase and ending above the floor.
fn grid_allows(run: &ScaleRun) -> bool {
    let ends_above = |a: f64| run.facts.exponent().is_some_and(|e| a.powf(e) > precision_floor(run.precision));
    let inside: Vec<f64> =
        run.points.iter().map(|p| p.init_scale).filter(|a| *a <= 1.001e-3 && ends_above(*a)).collect();
    let span = inside.iter().copied().fold(0.0, f64::max) / inside.iter().copied().fold(f64::INFINITY, f64::min);
    inside.len() >= 3 && span >= 99.0
}

/// Judges a slope if there is one; otherwise gives the reason.
fn slope(draft: Draft, run: &ScaleRun, measured: Option<f64>, holds: impl Fn(f64) -> bool) -> Claim {
    let value = Value::number(measured);
    if let Some(reason) = run.facts.outside().or_else(|| run.facts.staged()) {
        return draft.not_applicable(value, reason);
    }
    match (points_used(run), measured) {
        (Ok(note), Some(slope)) => draft.judge(value, holds(slope), Some(note)),
        (Ok(_), None) => draft.fails(value, "no line through the points"),
        (Err(reason), _) if grid_allows(run) => draft.fails(value, reason),
        (Err(reason), _) => draft.not_applicable(value, reason),
    }
}

/// Claims the exponent of the test error in α.
pub(super) fn test_slope(run: &ScaleRun) -> Claim {
    let (id, at) = match run.factor {
        Some(factor) => (format!("test-slope-{factor}"), format!(" at m = {factor}·n·r*, n = {}", run.facts.n)),
        None => ("test-slope".to_owned(), String::new()),
    };
    let expected = run.facts.exponent();
    let draft = Draft::new(
        &id,
        COMPUTED,
        Value::number(expected),
        format!(
            "the final test error{at} falls like α to the power 2·(1 − ln(1+μλ_r*+1(P))/ln(1+μλ_r*(P))), within 0.15 (the \
             theorem guarantees 21/16 under its own assumptions)"
        ),
    );
    slope(draft, run, test_line(run).map(|l| l.slope), |s| expected.is_some_and(|e| (s - e).abs() <= 0.15))
}

/// Claims that the training loss is quadratic in the error.
pub(super) fn train_slope(run: &ScaleRun) -> Claim {
    let test = test_line(run).map(|l| l.slope);
    let expected = test.map(|s| 2.0 * s);
    let draft = Draft::new(
        "train-slope",
        COMPUTED,
        Value::number(expected),
        "the final training loss falls with twice the exponent of the test error, within 20 %",
    );
    slope(draft, run, train_line(run).map(|l| l.slope), |s| expected.is_some_and(|e| (s / e - 1.0).abs() <= 0.2))
}

/// Returns the claim of a skipped extra run.
pub(super) fn skipped(factor: usize, reason: &str) -> Claim {
    let statement = format!("the exponent of the final test error in α at m = {factor}·n·r*");
    Draft::new(&format!("test-slope-{factor}"), COMPUTED, Value::None, statement).not_applicable(Value::None, reason)
}

/// Returns widths with their iterations; a run that did not reach the target counts as infinite.
pub(super) fn by_width(run: &WidthRun) -> Vec<(usize, Vec<f64>)> {
    let mut groups: Vec<(usize, Vec<f64>)> = Vec::new();
    for trial in &run.trials {
        let value = trial.iterations.map_or(f64::INFINITY, |t| t as f64);
        match groups.iter_mut().find(|g| g.0 == trial.search_rank) {
            Some(group) => group.1.push(value),
            None => groups.push((trial.search_rank, vec![value])),
        }
    }
    groups.sort_by_key(|g| g.0);
    groups
}

/// Iterations at k = r* and at k ≥ 2r*, if both exist with enough starts.
struct Widths {
    exact: Vec<f64>,
    wide: Vec<(usize, Vec<f64>)>,
}

fn split(run: &WidthRun) -> Result<Widths, String> {
    let groups = by_width(run);
    let rank = run.facts.rank;
    let exact = groups.iter().find(|g| g.0 == rank).map(|g| g.1.clone());
    let wide: Vec<_> = groups.into_iter().filter(|g| g.0 >= 2 * rank).collect();
    match exact {
        Some(exact) if !wide.is_empty() && exact.len() >= 8 => Ok(Widths { exact, wide }),
        Some(exact) if exact.len() < 8 => Err(format!("{} starts are too few for a spread; 8 are needed", exact.len())),
        _ => Err("the widths r* and at least one of 2r* or more are needed".into()),
    }
}

/// Claims that only k = r* is visibly slower.
pub(super) fn width_median(run: &WidthRun) -> Claim {
    let draft = |expected| {
        let target = run.target;
        let statement = format!(
            "over the starts, the median number of iterations to a test error of {target:e} is larger at k = r* than at \
             every k ≥ 2r* (expected: above the largest of these)"
        );
        Draft::new("width-median", PAPER, expected, statement)
    };
    let Widths { exact, wide } = match split(run) {
        Ok(widths) => widths,
        Err(reason) => return draft(Value::None).not_applicable(Value::None, reason),
    };
    let found = median(&exact).unwrap_or(f64::NAN);
    let others = wide.iter().filter_map(|g| median(&g.1)).fold(0.0, f64::max);
    let measured = if found.is_infinite() { Value::text("not reached") } else { Value::number(found) };
    if let Some(reason) = run.facts.outside() {
        return draft(Value::number(others)).not_applicable(measured, reason);
    }
    draft(Value::number(others)).judge(measured, others.is_finite() && found > others, None)
}

/// Claims that only k = r* depends on the start.
pub(super) fn width_spread(run: &WidthRun) -> Claim {
    let draft = Draft::new(
        "width-spread",
        PAPER,
        Value::text("shrinks with k"),
        "the spread (largest − smallest number of iterations over the starts) is larger at k = r* than at every k ≥ 4r*, and \
         nowhere smaller than at the largest k (to one iteration, the resolution)",
    );
    let Widths { exact, wide } = match split(run) {
        Ok(widths) => widths,
        Err(reason) => return draft.not_applicable(Value::None, reason),
    };
    let spread = |values: &[f64]| {
        let (low, high) = values.iter().fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), &v| (a.min(v), b.max(v)));
        // All endless: no spread is known.
        if low.is_infinite() { f64::NAN } else { high - low }
    };
    let (first, others) = (spread(&exact), wide.iter().map(|g| (g.0, spread(&g.1))).collect::<Vec<_>>());
    let shown = |v: f64| if v.is_finite() { format!("{v:.0}") } else { "unknown".into() };
    let list = others.iter().map(|s| shown(s.1)).collect::<Vec<_>>().join(", ");
    let measured = Value::text(format!("{} at k = r*; {list} at k ≥ 2r*", shown(first)));
    if let Some(reason) = run.facts.outside() {
        return draft.not_applicable(measured, reason);
    }
    let last = others.last().map_or(f64::NAN, |s| s.1);
    // With a handful of starts the spreads at r* and 2r* may come out in either order.
    let shrinks = others.iter().filter(|s| s.0 >= 4 * run.facts.rank).all(|s| first > s.1);
    let smallest = others.iter().map(|s| s.1).chain([first]).all(|s| last <= s + 1.0);
    draft.judge(measured, shrinks && smallest, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::claims::Verdict;
    use crate::reproduce::data::WidthTrial;
    use crate::reproduce::facts::Facts;
    use crate::reproduce::facts::tests::typical;
    use lowrank::diagnostics::Phases;

    fn phases(star: usize, one: usize) -> Phases {
        Phases { t_star: Some(star), t_1: Some(one), ..Phases::default() }
    }

    fn times(star: impl Fn(usize) -> usize, per_decade: f64) -> TimesRun {
        let one = |d: usize| (10.0 + per_decade * d as f64).round() as usize;
        let starts = (3..=9)
            .map(|d| StartTime { init_scale: 10f64.powi(-(d as i32)), phases: phases(star(d), one(d)) })
            .collect();
        TimesRun { facts: typical(), search_rank: 20, precision: Precision::F32, stop_time: 120, starts }
    }

    #[test]
    fn times_against_the_scale() {
        let good = times(|_| 18, 10.1);
        assert_eq!(alignment_time(&good).verdict, Verdict::Holds);
        assert_eq!(growth_time(&good).verdict, Verdict::Holds);
        assert_eq!(alignment_time(&times(|d| 10 + d, 10.1)).verdict, Verdict::Fails);
        assert_eq!(growth_time(&times(|_| 18, 12.0)).verdict, Verdict::Fails);
        let mut late = times(|_| 18, 10.1);
        late.starts[3].phases.t_star = None;
        late.starts[3].phases.t_1 = None;
        assert_eq!(alignment_time(&late).verdict, Verdict::Fails);
        assert_eq!(growth_time(&late).verdict, Verdict::Fails);
        // A start that grows before it can align is left out; three that remain say nothing.
        let mut large = times(|_| 18, 10.1);
        let grown = |one: &mut StartTime| one.phases = Phases { t_1: Some(17), t_power: Some(16), ..Phases::default() };
        grown(&mut large.starts[0]);
        let claim = alignment_time(&large);
        assert_eq!(claim.verdict, Verdict::Holds);
        assert!(claim.reason.unwrap().contains("α = 1e-3"));
        large.starts[..4].iter_mut().for_each(grown);
        assert_eq!(alignment_time(&large).verdict, Verdict::NotApplicable);
        late.facts = Facts { measurements: 300, ..typical() };
        assert_eq!(alignment_time(&late).verdict, Verdict::NotApplicable);
        let staged = TimesRun { facts: Facts { lambda_first: 3.0, ..typical() }, ..times(|_| 18, 12.0) };
        assert_eq!(growth_time(&staged).verdict, Verdict::NotApplicable);
    }

    fn scale(precision: Precision, exponent: f64, train: f64) -> ScaleRun {
        let point = |d: i32| {
            let alpha = 10f64.powi(-d);
            let test_error = 2.0 * alpha.powf(exponent);
            let train_loss = alpha.powf(train);
            // At α = 0.1 there is no spectral phase.
            let phases =
                if d == 1 { Phases { t_1: Some(5), ..Phases::default() } } else { phases(18, 10 + 10 * d as usize) };
            ScalePoint { init_scale: alpha, test_error, train_loss, earlier_error: test_error, phases }
        };
        let points = (1..=7).map(point).collect();
        ScaleRun { facts: typical(), factor: None, search_rank: 75, precision, stop_time: 220, points }
    }

    #[test]
    fn slopes_are_fitted_where_the_scale_rules() {
        let good = scale(Precision::F64, 1.19, 2.4);
        let claim = test_slope(&good);
        assert_eq!(claim.verdict, Verdict::Holds, "{claim:?}");
        assert!(claim.reason.unwrap().contains("6 points"));
        assert_eq!(train_slope(&good).verdict, Verdict::Holds);
        assert_eq!(test_slope(&scale(Precision::F64, 1.4, 2.8)).verdict, Verdict::Fails);
        assert_eq!(train_slope(&scale(Precision::F64, 1.19, 1.2)).verdict, Verdict::Fails);
        // A run that had not settled is left out; where that leaves too little, the stop time was at fault.
        let mut short = scale(Precision::F64, 1.19, 2.4);
        short.points[6].earlier_error *= 10.0;
        assert!(test_slope(&short).reason.unwrap().contains("5 points"));
        short.points.iter_mut().for_each(|p| p.earlier_error = 10.0 * p.test_error);
        assert_eq!(test_slope(&short).verdict, Verdict::Fails);
        // Single precision has fewer points above its floor; a grid without three of them has no slope.
        assert!(test_slope(&scale(Precision::F32, 1.19, 2.4)).reason.unwrap().contains("3 points"));
        // At a steep slope not even that, which is no fault of the claim.
        let mut steep = scale(Precision::F32, 1.6, 3.2);
        steep.facts.lambda_next = Some(0.2);
        assert_eq!(test_slope(&steep).verdict, Verdict::NotApplicable);
        let mut few = scale(Precision::F64, 1.19, 2.4);
        few.points.truncate(3);
        assert_eq!(test_slope(&few).verdict, Verdict::NotApplicable);
        few.facts.sigma_min = 0.2;
        assert!(test_slope(&few).reason.unwrap().contains("too few"));
        let broken = ScaleRun {
            points: good.points.iter().map(|p| ScalePoint { test_error: f64::NAN, ..p.clone() }).collect(),
            ..good
        };
        assert_eq!(test_slope(&broken).verdict, Verdict::Fails);
    }

    fn widths(of: impl Fn(usize, u64) -> Option<usize>) -> WidthRun {
        let trials = [3, 6, 50]
            .into_iter()
            .flat_map(|k| (0..8).map(move |seed| (k, seed)))
            .map(|(k, seed)| WidthTrial { search_rank: k, seed, iterations: of(k, seed) })
            .collect();
        WidthRun { facts: typical(), init_scale: 1e-6, target: 1e-2, limit: 300, precision: Precision::F32, trials }
    }

    #[test]
    fn only_the_exact_width_is_slow() {
        let good = |k: usize, seed: u64| match k {
            3 => 86 + seed as usize,
            6 => 82 + seed as usize / 3,
            _ => 82,
        };
        let run = widths(|k, s| Some(good(k, s)));
        assert_eq!((width_median(&run).verdict, width_spread(&run).verdict), (Verdict::Holds, Verdict::Holds));
        let slow_wide = widths(|k, s| Some(if k == 50 { 120 } else { good(k, s) }));
        assert_eq!(
            (width_median(&slow_wide).verdict, width_spread(&slow_wide).verdict),
            (Verdict::Fails, Verdict::Holds)
        );
        let scattered = widths(|k, s| Some(if k == 50 { 70 + 2 * s as usize } else { good(k, s) }));
        assert_eq!(
            (width_median(&scattered).verdict, width_spread(&scattered).verdict),
            (Verdict::Holds, Verdict::Fails)
        );
        // k = r* that never arrives is slow; k ≥ 2r* that never arrives is a failure.
        assert_eq!(width_median(&widths(|k, s| (k > 3).then(|| good(k, s)))).verdict, Verdict::Holds);
        assert_eq!(width_median(&widths(|k, s| (k < 50).then(|| good(k, s)))).verdict, Verdict::Fails);
        assert_eq!(width_spread(&widths(|_, _| None)).verdict, Verdict::Fails);
        let mut few = run.clone();
        few.trials.retain(|t| t.seed < 3);
        assert_eq!(width_median(&few).verdict, Verdict::NotApplicable);
        let mut weak = run;
        weak.facts.sigma_min = 0.2;
        assert_eq!(width_spread(&weak).verdict, Verdict::NotApplicable);
    }
}
