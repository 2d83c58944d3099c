//! Groups of neighbouring measurements that take turns.

use std::ops::Range;

use rand::seq::SliceRandom;

use crate::problem::random::{Purpose, stream};

/// Groups of neighbouring measurements that take turns, in a random permutation per epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Minibatches {
    /// Number of groups, at least 1.
    pub count: usize,
    /// Seed of the permutations.
    pub seed: u64,
}

impl Minibatches {
    /// So many groups in permutations of that seed. A count of 0 means 1.
    pub fn new(count: usize, seed: u64) -> Self {
        Self { count: count.max(1), seed }
    }

    /// Measurements of group `group` among m.
    pub fn range(self, group: usize, m: usize) -> Range<usize> {
        let at = |group: usize| (group as u128 * m as u128 / self.count as u128) as usize;
        at(group)..at(group + 1)
    }

    /// Groups in the order of their turns in an epoch.
    fn order(self, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.count).collect();
        order.shuffle(&mut stream(self.seed, Purpose::Minibatch, epoch as u64));
        order
    }
}

/// Turns of the groups, with the order of the current epoch.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    epoch: Option<usize>,
    order: Vec<usize>,
}

impl Turns {
    /// Group of an iteration.
    pub fn group(&mut self, minibatches: Minibatches, iteration: usize) -> usize {
        let epoch = iteration / minibatches.count;
        if self.epoch != Some(epoch) {
            (self.epoch, self.order) = (Some(epoch), minibatches.order(epoch));
        }
        self.order[iteration % minibatches.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_take_turns_in_an_order_of_their_own_each_epoch() {
        let groups = Minibatches::new(7, 3);
        let mut turns = Turns::default();
        let epochs: Vec<Vec<usize>> =
            (0..3).map(|e| (0..7).map(|t| turns.group(groups, 7 * e + t)).collect()).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..7).collect::<Vec<_>>());
        }
        assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
        // Asked again, out of order.
        assert_eq!(turns.group(groups, 2), epochs[0][2]);
        let ranges: Vec<Range<usize>> = (0..7).map(|g| groups.range(g, 24)).collect();
        assert_eq!((ranges[0].start, ranges[6].end), (0, 24));
        assert!(ranges.windows(2).all(|w| w[0].end == w[1].start) && ranges.iter().all(|r| r.len() >= 3));
    }
}
