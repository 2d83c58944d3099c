//! Candidates of a cross-validation.

use std::fmt::Display;

use crate::error::{Error, Result};

/// Search ranks that are tried, and those tried together with ridges.
const SEARCH_RANKS: [usize; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20];
const FEW_SEARCH_RANKS: [usize; 7] = [1, 2, 3, 5, 8, 12, 20];
/// Ridges a decade and number of ridges, alone and together with search ranks.
const RIDGES: (f64, i32) = (3.0, 12);
const FEW_RIDGES: (f64, i32) = (2.0, 6);

/// Values of one setting to choose from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Wanted<T> {
    /// The setting has its value; nothing is chosen.
    #[default]
    Given,
    /// The library's list.
    Usual,
    /// This list.
    List(Vec<T>),
}

impl<T: Copy + PartialOrd + Display> Wanted<T> {
    /// The values in ascending order.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty list; those of `usual`.
    pub(super) fn values(&self, name: &str, given: T, usual: impl FnOnce() -> Result<Vec<T>>) -> Result<Vec<T>> {
        let mut values = match self {
            Self::Given => vec![given],
            Self::Usual => usual()?,
            Self::List(list) => list.clone(),
        };
        values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        values.dedup();
        if values.is_empty() {
            return Err(Error::invalid(name, "an empty list", "at least one candidate", "name some, or say auto"));
        }
        Ok(values)
    }
}

/// A search rank and a ridge to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) search_rank: usize,
    /// Ridge of the final solve.
    pub(super) ridge: f64,
}

/// Search ranks up to the size of the matrix that the measurements determine; 1 in any case.
pub(super) fn search_ranks(few: bool, size: usize, determined: impl Fn(usize) -> bool) -> Vec<usize> {
    let all: &[usize] = if few { &FEW_SEARCH_RANKS } else { &SEARCH_RANKS };
    all.iter().copied().filter(|&rank| rank == 1 || (rank <= size && determined(rank))).collect()
}

/// 0, and ridges below the least one with the zero solution.
pub(super) fn ridges(few: bool, largest: f64) -> Vec<f64> {
    let (a_decade, count) = if few { FEW_RIDGES } else { RIDGES };
    let of = |j: i32| largest * 10f64.powf(-f64::from(j) / a_decade);
    std::iter::once(0.0).chain((1..=count).map(of)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_end_at_the_size_and_where_measurements_determine_no_more() {
        assert_eq!(search_ranks(false, 100, |_| true), SEARCH_RANKS);
        assert_eq!(search_ranks(false, 9, |_| true), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(search_ranks(true, 100, |rank| rank < 6), [1, 2, 3, 5]);
        assert_eq!(search_ranks(false, 100, |_| false), [1]);
    }

    #[test]
    fn ridges_fall_from_the_largest_by_decades() {
        let found = ridges(true, 50.0);
        assert_eq!(found.len(), 7);
        assert_eq!(found[0], 0.0);
        approx::assert_relative_eq!(found[2], 5.0, max_relative = 1e-12);
        approx::assert_relative_eq!(ridges(false, 1.0)[12], 1e-4, max_relative = 1e-12);
    }

    #[test]
    fn lists_are_sorted_and_not_empty() {
        let list = Wanted::List(vec![3, 1, 3]);
        assert_eq!(list.values("search_rank", 7, || unreachable!()).unwrap(), [1, 3]);
        assert_eq!(Wanted::Given.values("search_rank", 7, || unreachable!()).unwrap(), [7]);
        assert!(Wanted::<usize>::List(vec![]).values("search_rank", 7, || unreachable!()).is_err());
    }
}
