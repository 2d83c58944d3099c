//! All rows of a shard for all trials, by the chosen traversal.

use crate::operators::rows::stream::{ShardRows, stream};
use crate::operators::rows::tile::tile;
use crate::operators::rows::traversal::Traversal;
use crate::operators::{Loss, TrialPass};
use crate::simd::{InstructionSet, Stored, Unit};

/// The rows of a shard for all trials.
pub(in crate::operators) fn pass_over<S: Stored<T>, T: Unit>(
    set: InstructionSet,
    traversal: Traversal,
    rows: ShardRows<'_, S>,
    loss: Loss,
    trials: &mut [TrialPass<'_, T>],
) {
    match (trials, traversal) {
        ([], _) => {}
        // The other trials of the batch are inactive.
        ([trial], Traversal::Together(_)) => stream(set, Traversal::Phases(4), rows, loss, trial),
        ([trial], traversal) => stream(set, traversal, rows, loss, trial),
        (trials, Traversal::Together(count)) => tile(set, count, rows, loss, trials),
        (trials, _) => tile(set, 16, rows, loss, trials),
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::operators::kernel;
    use crate::operators::rows::traversal::TRAVERSALS;

    /// Residuals and accumulators of some trials.
    fn results<S: Stored<f32>>(
        set: InstructionSet,
        rows: ShardRows<'_, S>,
        points: &[Vec<f32>],
        traversal: Traversal,
        alone: bool,
    ) -> Vec<f32> {
        let together = if alone { 1 } else { points.len() };
        kernel::tests::results(points, rows.count(), together, |trials| {
            pass_over(set, traversal, rows, Loss::Square, trials)
        })
    }

    #[test]
    fn bits_depend_on_neither_the_traversal_nor_company() {
        // Tails, remainders of rows and of trials, several groups, spans and columns of a tile.
        for (p, m, batch) in [(1, 3, 2), (16, 4, 7), (53, 9, 9), (403, 61, 13), (2600, 53, 33)] {
            let numbers: Vec<f32> = (0..p * m).map(|i| (i as f32 * 0.37).sin()).collect();
            let halves: Vec<f16> = numbers.iter().map(|&v| f16::from_f32(v)).collect();
            let scales = vec![0.25_f32; m];
            let points: Vec<Vec<f32>> =
                (0..batch).map(|b| (0..p).map(|q| ((q * 7 + b) as f32 * 0.11).cos()).collect()).collect();
            for set in InstructionSet::available() {
                let single = ShardRows { p, numbers: &numbers[..], scales: None };
                let half = ShardRows { p, numbers: &halves[..], scales: Some(&scales) };
                let expected = results(set, single, &points, Traversal::Phases(4), true);
                let expected_half = results(set, half, &points, Traversal::Phases(4), true);
                for other in set.of_the_same_bits() {
                    assert_eq!(
                        expected,
                        results(other, single, &points, Traversal::Phases(4), true),
                        "{} {p}",
                        other.word()
                    );
                    assert_eq!(
                        expected_half,
                        results(other, half, &points, Traversal::Phases(4), true),
                        "{} {p}",
                        other.word()
                    );
                }
                for (traversal, name) in TRAVERSALS {
                    for alone in [true, false] {
                        assert_eq!(
                            expected,
                            results(set, single, &points, traversal, alone),
                            "{} {p} {name}",
                            set.word()
                        );
                        assert_eq!(
                            expected_half,
                            results(set, half, &points, traversal, alone),
                            "{} {p} {name}",
                            set.word()
                        );
                    }
                }
            }
        }
    }
}
