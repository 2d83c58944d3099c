//! Traversals of the rows of a shard. Bits depend on none of them.

/// A traversal; see [`super::stream`] and [`super::tile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operators) enum Traversal {
    /// One trial: blocks of `.0` rows, their dot products and then their sum.
    Phases(usize),
    /// One trial: blocks of `.0` rows, each together with the previous one.
    Overlapped(usize),
    /// Several trials: `.0` rows in cache.
    Together(usize),
}

pub(super) const TRAVERSALS: [(Traversal, &str); 8] = [
    (Traversal::Phases(4), "4 rows in phases"),
    (Traversal::Phases(8), "8 rows in phases"),
    (Traversal::Overlapped(4), "4 rows overlapped"),
    (Traversal::Overlapped(3), "3 rows overlapped"),
    (Traversal::Overlapped(2), "2 rows overlapped"),
    (Traversal::Together(16), "16 rows together"),
    (Traversal::Together(8), "8 rows together"),
    (Traversal::Together(48), "48 rows together"),
];

impl Traversal {
    /// Rows that are whole blocks of every traversal for one trial.
    pub(in crate::operators) const ROWS: usize = 24;

    /// The traversals for `batch` trials, in the form of [`crate::operators::HostKernel::traversals`].
    pub(in crate::operators) fn of(batch: usize) -> Vec<(usize, &'static str)> {
        let several = |traversal: Traversal| matches!(traversal, Traversal::Together(_));
        TRAVERSALS
            .iter()
            .enumerate()
            .filter(|(_, (traversal, _))| several(*traversal) == (batch > 1))
            .map(|(i, traversal)| (i, traversal.1))
            .collect()
    }

    /// The traversal of a number; the first one for an unknown number.
    pub(in crate::operators) fn number(traversal: usize) -> Self {
        TRAVERSALS.get(traversal).unwrap_or(&TRAVERSALS[0]).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_traversal_belongs_to_one_trial_or_to_several() {
        let numbers: Vec<usize> =
            [1, 2].iter().flat_map(|&batch| Traversal::of(batch)).map(|(number, _)| number).collect();
        assert_eq!(numbers, (0..TRAVERSALS.len()).collect::<Vec<_>>());
        for (traversal, _) in TRAVERSALS {
            assert!(
                matches!(traversal, Traversal::Together(_))
                    || matches!(traversal, Traversal::Phases(rows) | Traversal::Overlapped(rows) if Traversal::ROWS.is_multiple_of(rows))
            );
        }
    }
}
