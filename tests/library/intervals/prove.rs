//! Proof that an index lies below a length. Where the interval does not show it, cases are told apart: a condition of a choice
//! holds or not, or a number that occurs several times lies in the lower or upper half of its interval.

use super::domain::Interval;
use super::facts::Facts;
use super::terms::{Id, Map, Node, Terms};

/// Cases within cases.
const DEEP: usize = 3;
/// Most values of a number that is told apart.
const WIDE: i64 = 1024;
/// Most cases of a proof.
const CASES: usize = 2000;

struct Goal<'a> {
    terms: &'a Terms,
    index: Id,
    length: i64,
    left: usize,
}

/// Whether `index` is at least 0 and less than `length` wherever these facts hold.
pub fn below(terms: &Terms, facts: &Facts, index: Id, length: i64) -> bool {
    Goal { terms, index, length, left: CASES }.holds(facts, DEEP)
}

impl Goal<'_> {
    fn holds(&mut self, facts: &Facts, deep: usize) -> bool {
        let range = facts.range(self.terms, self.index);
        if Interval::new(0, self.length - 1).holds(range) {
            return true;
        }
        if deep == 0 || self.left == 0 {
            return false;
        }
        self.left -= 1;
        let (conditions, shared) = self.candidates(facts);
        for condition in conditions {
            let side = |goal: &mut Self, holds: bool| {
                let mut inner = facts.clone();
                !(inner.assume(goal.terms, condition, holds) && inner.settle(goal.terms))
                    || goal.holds(&inner, deep - 1)
            };
            if side(self, true) && side(self, false) {
                return true;
            }
        }
        shared.into_iter().any(|(_, id)| self.halved(facts, id, deep))
    }

    fn halved(&mut self, facts: &Facts, id: Id, deep: usize) -> bool {
        let range = facts.range(self.terms, id);
        if range.is_empty() || Interval::new(0, self.length - 1).holds(facts.range(self.terms, self.index)) {
            return true;
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        if range.low == range.high {
            return self.holds(facts, deep - 1);
        }
        let middle = range.low + (range.high - range.low) / 2;
        [Interval::new(range.low, middle), Interval::new(middle + 1, range.high)].into_iter().all(|half| {
            let mut inner = facts.clone();
            !(inner.limit(self.terms, id, half) && inner.settle(self.terms)) || self.halved(&inner, id, deep)
        })
    }

    /// Open conditions, and numbers that occur several times with few values, the fewest first.
    fn candidates(&self, facts: &Facts) -> (Vec<Id>, Vec<(i64, Id)>) {
        // What a known condition compares is bound to what it is compared with.
        let (mut uses, mut order) = (Map::<Id, usize>::default(), vec![self.index]);
        order.extend(facts.conditions(self.terms));
        let mut conditions = Vec::new();
        let mut next = 0;
        while next < order.len() {
            let parts = match self.terms.get(order[next]).0 {
                Node::Of(_, a, b) => vec![a, b],
                Node::Not(of) => vec![of],
                Node::Choose(condition, yes, no) => {
                    if facts.range(self.terms, condition).value().is_none() && !conditions.contains(&condition) {
                        conditions.push(condition);
                    }
                    vec![condition, yes, no]
                }
                _ => vec![],
            };
            for part in parts {
                let count = uses.entry(part).or_default();
                *count += 1;
                if *count == 1 {
                    order.push(part);
                }
            }
            next += 1;
        }
        let several = order.iter().filter(|id| uses.get(id).is_some_and(|count| *count > 1));
        let mut shared: Vec<(i64, Id)> = several
            .map(|&id| (facts.range(self.terms, id), id))
            .filter(|(range, _)| range.low < range.high && range.high - range.low < WIDE)
            .map(|(range, id)| (range.high - range.low, id))
            .collect();
        shared.sort_unstable();
        (conditions, shared)
    }
}
