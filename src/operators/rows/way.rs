//! Traversals of the rows of a shard. Bits depend on none of them.

/// A traversal; see [`super::stream`] and [`super::tile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operators) enum Way {
    /// One trial: blocks of `.0` rows, their dot products and then their sum.
    Phases(usize),
    /// One trial: blocks of `.0` rows, each together with the previous one.
    Overlapped(usize),
    /// Several trials: `.0` rows in cache.
    Together(usize),
}

pub(super) const WAYS: [(Way, &str); 8] = [
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
    /// Rows that are whole blocks of every traversal for one trial.
    pub(in crate::operators) const ROWS: usize = 24;

    /// The traversals for `batch` trials, in the form of [`crate::operators::HostKernel::ways`].
    pub(in crate::operators) fn of(batch: usize) -> Vec<(usize, &'static str)> {
        let several = |way: Way| matches!(way, Way::Together(_));
        WAYS.iter()
            .enumerate()
            .filter(|(_, (way, _))| several(*way) == (batch > 1))
            .map(|(i, way)| (i, way.1))
            .collect()
    }

    /// The traversal of a number; the first one for an unknown number.
    pub(in crate::operators) fn number(way: usize) -> Self {
        WAYS.get(way).unwrap_or(&WAYS[0]).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
