//! Ranking of held-out entries among the entries of their row that were never seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Length of the list whose recall is told.
const LIST: usize = 20;
/// Most rows that are ranked, spread evenly over all.
const MOST_ROWS: usize = 4096;

/// How well scores rank the held-out entries of each row among those that were never seen; means over rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ranking {
    /// Area under the ROC curve: the share of pairs of a held-out and an unseen entry whose held-out one has the higher
    /// score. 1 is perfect, ½ is chance; ties count half.
    pub auc: f64,
    /// Recall at 20: the share of a row's held-out entries, of at most 20, among its 20 highest scores without training
    /// entries.
    pub recall_at_20: f64,
    /// Number of ranked rows: those with a held-out and an unseen entry, at most 4096 of them.
    pub rows: usize,
}

/// The columns of a row that were seen.
#[derive(Clone, Debug, Default)]
struct Row {
    training: Vec<usize>,
    held_out: Vec<usize>,
}

/// Rows with held-out entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    columns: usize,
    rows: BTreeMap<usize, Row>,
}

impl Rows {
    /// The rows of a matrix of that many columns, from the positions of training entries and of held-out entries.
    pub(crate) fn new(
        columns: usize,
        training: impl Iterator<Item = (usize, usize)>,
        held_out: impl Iterator<Item = (usize, usize)>,
    ) -> Self {
        let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
        held_out.for_each(|(row, column)| rows.entry(row).or_default().held_out.push(column));
        for (row, column) in training {
            if let Some(row) = rows.get_mut(&row) {
                row.training.push(column);
            }
        }
        // An entry that was trained on is not to be found again.
        rows.values_mut().for_each(|row| {
            let seen: BTreeSet<usize> = row.training.iter().copied().collect();
            row.held_out.retain(|column| !seen.contains(column));
        });
        Self { columns, rows }
    }

    /// The ranking by scores; `score` gives that of each column in a row. `None` where no row can be ranked.
    pub(crate) fn ranking(&self, score: impl Fn(usize, &mut [f64])) -> Option<Ranking> {
        let stride = self.rows.len().div_ceil(MOST_ROWS).max(1);
        let (mut scores, mut auc, mut recall, mut rows) = (vec![0.0; self.columns], 0.0, 0.0, 0);
        for (at, row) in self.rows.iter().step_by(stride) {
            score(*at, &mut scores);
            if let Some((area, found)) = row.ranked(&scores) {
                (auc, recall, rows) = (auc + area, recall + found, rows + 1);
            }
        }
        let mean = |sum: f64| sum / rows as f64;
        (rows > 0).then(|| Ranking { auc: mean(auc), recall_at_20: mean(recall), rows })
    }
}

impl Row {
    /// Area under the curve, and recall of the first entries; `None` without held-out or without unseen entries.
    fn ranked(&self, scores: &[f64]) -> Option<(f64, f64)> {
        let mut is_seen = vec![false; scores.len()];
        self.training.iter().chain(&self.held_out).for_each(|&column| is_seen[column] = true);
        let mut unseen: Vec<f64> = scores.iter().zip(&is_seen).filter(|(_, seen)| !**seen).map(|(s, _)| *s).collect();
        if self.held_out.is_empty() || unseen.is_empty() {
            return None;
        }
        unseen.sort_by(f64::total_cmp);
        let (mut area, mut found) = (0.0, 0);
        for score in self.held_out.iter().map(|&column| scores[column]) {
            let lower = unseen.partition_point(|other| *other < score);
            let equal = unseen.partition_point(|other| *other <= score) - lower;
            area += (lower as f64 + 0.5 * equal as f64) / unseen.len() as f64;
            let higher = self.held_out.iter().filter(|&&column| scores[column] > score).count();
            found += usize::from(unseen.len() - lower - equal.div_ceil(2) + higher < LIST);
        }
        let count = self.held_out.len();
        Some((area / count as f64, found.min(LIST) as f64 / count.min(LIST) as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of 60 columns: columns 0 to 9 are training entries, 10 and 11 are held out.
    fn rows() -> Rows {
        Rows::new(60, (0..10).map(|column| (3, column)), [(3, 10), (3, 11)].into_iter())
    }

    fn ranked(score: impl Fn(usize) -> f64) -> Ranking {
        rows().ranking(|_, scores| scores.iter_mut().enumerate().for_each(|(at, s)| *s = score(at))).unwrap()
    }

    #[test]
    fn held_out_entries_are_ranked_among_unseen_ones_alone() {
        // Scores of training entries are the highest, and count for nothing.
        let best = ranked(|column| -(column as f64));
        assert_eq!(best, Ranking { auc: 1.0, recall_at_20: 1.0, rows: 1 });
        let worst = ranked(|column| column as f64);
        assert_eq!(worst, Ranking { auc: 0.0, recall_at_20: 0.0, rows: 1 });
        assert_eq!(ranked(|_| 1.0).auc, 0.5);
        // Column 10 is above all 48 unseen ones, column 11 below 24 of them.
        let mixed = ranked(|column| match column {
            10 => 100.0,
            11 => 35.5,
            other => other as f64,
        });
        assert_eq!(mixed, Ranking { auc: 0.75, recall_at_20: 0.5, rows: 1 });
    }

    #[test]
    fn rows_without_either_kind_are_left_out() {
        let none = |_: usize, scores: &mut [f64]| scores.fill(0.0);
        assert!(Rows::new(2, [(0, 0)].into_iter(), [(0, 1)].into_iter()).ranking(none).is_none());
        // A held-out entry that was trained on is no entry to find.
        assert!(Rows::new(3, [(0, 0)].into_iter(), [(0, 0)].into_iter()).ranking(none).is_none());
        let many = Rows::new(3, std::iter::empty(), (0..10_000).map(|row| (row, 0)));
        assert!(many.ranking(none).is_some_and(|of| of.rows <= MOST_ROWS && of.rows > MOST_ROWS / 2));
    }
}
