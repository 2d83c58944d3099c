//! What the repetitions of a cell say together.

use serde::Serialize;

use crate::sweep::{Cell, Outcome};

/// A cell's results. Diverged solves count with an infinite error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CellSummary {
    #[serde(flatten)]
    pub cell: Cell,
    pub count: usize,
    pub successes: usize,
    /// successes/count; NaN without solves.
    pub rate: f64,
    /// Wilson's 95 % interval of the rate.
    pub wilson_low: f64,
    pub wilson_high: f64,
    pub median_relative_error: f64,
    /// Quartiles of the relative error.
    pub lower_quartile: f64,
    pub upper_quartile: f64,
    pub median_iterations: f64,
}

/// Summarises each cell; `outcomes` are in the order of solves, absent where not run.
pub fn summarise(cells: &[Cell], repetitions: usize, success: f64, outcomes: &[Option<Outcome>]) -> Vec<CellSummary> {
    cells
        .iter()
        .zip(outcomes.chunks(repetitions))
        .map(|(&cell, outcomes)| {
            let finished: Vec<&Outcome> = outcomes.iter().flatten().collect();
            let sorted = |value: fn(&Outcome) -> f64| {
                let mut values: Vec<f64> = finished.iter().map(|o| value(o)).collect();
                values.sort_by(f64::total_cmp);
                values
            };
            let errors = sorted(|o| if o.relative_error.is_nan() { f64::INFINITY } else { o.relative_error });
            let count = finished.len();
            let successes = finished.iter().filter(|o| o.succeeded(success)).count();
            let (wilson_low, wilson_high) = wilson(successes, count);
            CellSummary {
                cell,
                count,
                successes,
                rate: successes as f64 / count as f64,
                wilson_low,
                wilson_high,
                median_relative_error: quantile(&errors, 0.5),
                lower_quartile: quantile(&errors, 0.25),
                upper_quartile: quantile(&errors, 0.75),
                median_iterations: quantile(&sorted(|o| o.iterations as f64), 0.5),
            }
        })
        .collect()
}

/// 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % score interval of a rate p̂ = successes/count,
/// (p̂ + z²/2N ± z√(p̂(1−p̂)/N + z²/4N²)) / (1 + z²/N): sensible also for rates of 0 and 1, where p̂ ± z√(p̂(1−p̂)/N) would
/// have no width. (0, 1) without data.
pub fn wilson(successes: usize, count: usize) -> (f64, f64) {
    if count == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (count as f64, successes as f64 / count as f64);
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // The ends are exact where the rate is 0 or 1; rounding would leave 1e-17.
    let low = if successes == 0 { 0.0 } else { ((centre - half) / scale).max(0.0) };
    let high = if successes == count { 1.0 } else { ((centre + half) / scale).min(1.0) };
    (low, high)
}

/// The q-quantile of ascending numbers, linear between neighbours (NumPy's default); NaN of none.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (below, share) = (at.floor() as usize, at.fract());
    let (a, b) = (sorted[below], sorted[(below + 1).min(last)]);
    // Also where both are infinite.
    if share == 0.0 || a == b { a } else { a + share * (b - a) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Grid;
    use lowrank::solver::Status;

    #[test]
    fn wilson_agrees_with_published_values() {
        // R: binom::binom.confint(x, n, methods = "wilson")
        for (successes, count, low, high) in [
            (15, 20, 0.531_299_7, 0.888_138_2),
            (1, 10, 0.017_876_2, 0.404_150_0),
            (81, 263, 0.255_280_1, 0.366_202_6),
            (0, 20, 0.0, 0.161_125_3),
        ] {
            let found = wilson(successes, count);
            approx::assert_abs_diff_eq!(found.0, low, epsilon = 1e-4);
            approx::assert_abs_diff_eq!(found.1, high, epsilon = 1e-4);
            let mirrored = wilson(count - successes, count);
            approx::assert_abs_diff_eq!(mirrored.1, 1.0 - found.0, epsilon = 1e-12);
        }
        assert_eq!((wilson(0, 5).0, wilson(5, 5).1, wilson(0, 0)), (0.0, 1.0, (0.0, 1.0)));
    }

    #[test]
    fn quantiles_interpolate_and_survive_infinities() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 10.0], 0.5), 2.5);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 10.0], 0.25), 1.75);
        assert_eq!(quantile(&[4.0], 0.75), 4.0);
        assert_eq!(quantile(&[1.0, f64::INFINITY, f64::INFINITY], 0.75), f64::INFINITY);
        assert_eq!(quantile(&[1.0, 2.0, f64::INFINITY], 0.5), 2.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn cells_count_what_finished() {
        let grid = Grid { n: vec![9], rank: vec![1], measurements: vec![5, 9], ..Grid::default() };
        let outcome = |relative_error: f64| {
            let status = Status::Stalled;
            Some(Outcome {
                status,
                iterations: 10,
                train_loss: 0.0,
                relative_error,
                step_size: Some(1.0),
                init_scale: None,
                seconds: 0.0,
            })
        };
        let outcomes = [outcome(1e-3), outcome(f64::NAN), outcome(0.5), None, outcome(1e-4), None];
        let found = summarise(&grid.cells(), 3, 1e-3, &outcomes);
        assert_eq!((found[0].count, found[0].successes, found[0].median_relative_error), (3, 1, 0.5));
        assert_eq!((found[1].count, found[1].successes, found[1].rate), (1, 1, 1.0));
        assert_eq!(found[0].upper_quartile, f64::INFINITY);
    }
}
