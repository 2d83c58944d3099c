//! The ways to go over the rows of a shard. Bits depend on none of them.

use crate::operators::rows::stream::{ShardRows, stream};
use crate::operators::rows::tile::tile;
use crate::operators::{Loss, TrialPass};
use crate::simd::{InstructionSet, Stored, Unit};

/// See [`super::stream`] and [`super::tile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operators) enum Way {
    /// One trial: blocks of so many rows, their dot products and then their sum.
    Phases(usize),
    /// One trial: blocks of so many rows, each beside the one before.
    Overlapped(usize),
    /// Several trials: so many rows in cache.
    Together(usize),
}

const WAYS: [(Way, &str); 8] = [
    (Way::Phases(4), "4 rows in phases"),
    (Way::Phases(8), "8 rows in phases"),
    (Way::Overlapped(4), "4 rows overlapped"),
    (Way::Overlapped(3), "3 rows overlapped"),
    (Way::Overlapped(2), "2 rows overlapped"),
    (Way::Together(16), "16 rows together"),
    (Way::Together(8), "8 rows together"),
    (Way::Together(48), "48 rows together"),
];

impl Way {
    /// Rows that are whole blocks of every way for one trial.
    pub(in crate::operators) const ROWS: usize = 24;

    /// The ways for so many trials, as [`crate::operators::HostKernel::ways`] has them.
    pub(in crate::operators) fn of(batch: usize) -> Vec<(usize, &'static str)> {
        let several = |way: Way| matches!(way, Way::Together(_));
        WAYS.iter()
            .enumerate()
            .filter(|(_, (way, _))| several(*way) == (batch > 1))
            .map(|(i, way)| (i, way.1))
            .collect()
    }

    /// The way of a number; the first one where there is none.
    pub(in crate::operators) fn number(way: usize) -> Self {
        WAYS.get(way).unwrap_or(&WAYS[0]).0
    }
}

/// The rows of a shard for all trials.
pub(in crate::operators) fn pass_over<S: Stored<T>, T: Unit>(
    set: InstructionSet,
    way: Way,
    rows: ShardRows<'_, S>,
    loss: Loss,
    trials: &mut [TrialPass<'_, T>],
) {
    match (trials, way) {
        ([], _) => {}
        // The others of a batch are at rest.
        ([trial], Way::Together(_)) => stream(set, Way::Phases(4), rows, loss, trial),
        ([trial], way) => stream(set, way, rows, loss, trial),
        (trials, Way::Together(count)) => tile(set, count, rows, loss, trials),
        (trials, _) => tile(set, 16, rows, loss, trials),
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::operators::kernel;

    /// Residuals and accumulators of some trials.
    fn results<S: Stored<f32>>(
        set: InstructionSet,
        rows: ShardRows<'_, S>,
        points: &[Vec<f32>],
        way: Way,
        alone: bool,
    ) -> Vec<f32> {
        let together = if alone { 1 } else { points.len() };
        kernel::tests::results(points, rows.count(), together, |trials| pass_over(set, way, rows, Loss::Square, trials))
    }

    #[test]
    fn bits_depend_on_neither_the_way_nor_company() {
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
                let expected = results(set, single, &points, Way::Phases(4), true);
                let expected_half = results(set, half, &points, Way::Phases(4), true);
                for other in set.of_the_same_bits() {
                    assert_eq!(expected, results(other, single, &points, Way::Phases(4), true), "{} {p}", other.word());
                    assert_eq!(
                        expected_half,
                        results(other, half, &points, Way::Phases(4), true),
                        "{} {p}",
                        other.word()
                    );
                }
                for (way, name) in WAYS {
                    for alone in [true, false] {
                        assert_eq!(expected, results(set, single, &points, way, alone), "{} {p} {name}", set.word());
                        assert_eq!(expected_half, results(set, half, &points, way, alone), "{} {p} {name}", set.word());
                    }
                }
            }
        }
    }

    #[test]
    fn every_way_belongs_to_one_trial_or_to_several() {
        let numbers: Vec<usize> = [1, 2].iter().flat_map(|&batch| Way::of(batch)).map(|(number, _)| number).collect();
        assert_eq!(numbers, (0..WAYS.len()).collect::<Vec<_>>());
        for (way, _) in WAYS {
            assert!(
                matches!(way, Way::Together(_))
                    || matches!(way, Way::Phases(rows) | Way::Overlapped(rows) if Way::ROWS.is_multiple_of(rows))
            );
        }
    }
}
