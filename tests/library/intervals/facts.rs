//! What is known of terms on a path, the intervals that follow from it, and what a condition adds.

use std::cell::RefCell;

use super::domain::{Interval, Kind};
use super::terms::{Id, Map, Node, Op, Terms};

/// Interval of an operation.
pub fn apply(op: Op, a: Interval, b: Interval, kind: Kind) -> Interval {
    if a.is_empty() || b.is_empty() {
        return Interval::NONE;
    }
    let positive = a.low >= 0 && b.low >= 0;
    let found = match op {
        Op::Add => a.plus(b),
        Op::Sub => a.minus(b),
        Op::Mul => a.times(b),
        Op::Min => a.least(b),
        Op::Max => a.greatest(b),
        Op::Less => Interval::new(i64::from(a.high < b.low), i64::from(a.low < b.high)),
        Op::Equal => {
            let same = a.value().is_some() && a == b;
            Interval::new(i64::from(same), i64::from(!a.and(b).is_empty()))
        }
        _ if !positive => kind.all(),
        Op::Div => a.over(b),
        Op::Rem => a.modulo(b),
        Op::And => a.bits_and(b),
        Op::Or if b.value() == Some(0) => a,
        Op::Or | Op::Xor => a.bits_or(b),
        Op::Up => a.shifted_up(b),
        Op::Down => a.shifted_down(b),
    };
    found.within(kind)
}

/// Choices within choices whose conditions are taken into account.
const NESTED: usize = 3;

/// Intervals of terms beyond those that follow from their nodes.
#[derive(Clone, Default)]
pub struct Facts {
    known: Map<Id, Interval>,
    memo: RefCell<Map<Id, Interval>>,
    nested: usize,
}

/// Depth up to which a fact is carried from a term to its parts.
const DEEP: usize = 24;

impl Facts {
    /// The interval of a term.
    pub fn range(&self, terms: &Terms, id: Id) -> Interval {
        if let Some(&found) = self.memo.borrow().get(&id) {
            return found;
        }
        let (node, kind) = terms.get(id);
        let mut found = match node {
            Node::Known(value) => return Interval::one(value),
            Node::Any(_, interval) => interval,
            Node::Of(op, a, b) => {
                let found = apply(op, self.range(terms, a), self.range(terms, b), kind);
                self.ordered(terms, op, (a, b), kind, found)
            }
            Node::Not(of) => {
                let of = self.range(terms, of);
                if of.is_empty() { of } else { Interval::new(1 - of.high, 1 - of.low) }
            }
            Node::Choose(condition, yes, no) => self.chosen(terms, condition, yes, no),
        };
        if let Some(&known) = self.known.get(&id) {
            found = found.and(known);
        }
        self.memo.borrow_mut().insert(id, found);
        found
    }

    /// The interval of a difference whose sign is known.
    fn ordered(&self, terms: &Terms, op: Op, (a, b): (Id, Id), kind: Kind, found: Interval) -> Interval {
        if op != Op::Sub || kind != Kind::U32 || found != kind.all() {
            return found;
        }
        let says = |x: Id, y: Id, value: i64| {
            let less = terms.find(Node::Of(Op::Less, x, y), Kind::Bool);
            less.is_some_and(|less| self.known.get(&less).and_then(|known| known.value()) == Some(value))
        };
        if says(a, b, 0) || says(b, a, 1) {
            let exact = self.range(terms, a).minus(self.range(terms, b));
            return exact.and(Interval::new(i64::from(says(b, a, 1)), i64::MAX));
        }
        found
    }

    fn chosen(&self, terms: &Terms, condition: Id, yes: Id, no: Id) -> Interval {
        match self.range(terms, condition).value() {
            Some(0) => return self.range(terms, no),
            Some(_) => return self.range(terms, yes),
            None => {}
        }
        let side = |of: Id, holds: bool| {
            if self.nested >= NESTED || terms.value(of).is_some() {
                return self.range(terms, of);
            }
            let mut inner = self.clone();
            inner.nested += 1;
            if inner.assume(terms, condition, holds) { inner.range(terms, of) } else { Interval::NONE }
        };
        side(yes, true).or(side(no, false))
    }

    /// Adds that a condition holds or not. False where that cannot be.
    #[must_use]
    pub fn assume(&mut self, terms: &Terms, condition: Id, holds: bool) -> bool {
        self.limit_to(terms, condition, Interval::one(i64::from(holds)), DEEP)
    }

    /// Adds that a term lies in an interval. False where that cannot be.
    #[must_use]
    pub fn limit(&mut self, terms: &Terms, id: Id, to: Interval) -> bool {
        self.limit_to(terms, id, to, DEEP)
    }

    fn limit_to(&mut self, terms: &Terms, id: Id, to: Interval, deep: usize) -> bool {
        let before = self.range(terms, id);
        let now = before.and(to);
        if now.is_empty() {
            return false;
        }
        if now != before {
            self.known.insert(id, now);
            self.memo.borrow_mut().clear();
        } else if terms.get(id).1 != Kind::Bool {
            return true;
        }
        deep == 0 || self.carried(terms, id, now, deep - 1)
    }

    /// Carries all conditions that are known to their parts again. False where that cannot be.
    #[must_use]
    pub fn settle(&mut self, terms: &Terms) -> bool {
        self.conditions(terms).into_iter().all(|id| self.limit_to(terms, id, self.known[&id], DEEP))
    }

    /// The conditions that are known to hold or not.
    pub fn conditions(&self, terms: &Terms) -> Vec<Id> {
        let mut known: Vec<Id> = self.known.keys().copied().filter(|id| terms.get(*id).1 == Kind::Bool).collect();
        known.sort_unstable();
        known
    }

    /// What an interval of a term says of its parts.
    fn carried(&mut self, terms: &Terms, id: Id, now: Interval, deep: usize) -> bool {
        match terms.get(id) {
            (Node::Not(of), _) => self.limit_to(terms, of, Interval::new(1 - now.high, 1 - now.low), deep),
            (Node::Choose(condition, yes, no), _) => self.carried_to_choice(terms, (condition, yes, no), now, deep),
            (Node::Of(op @ (Op::Less | Op::Equal), a, b), _) => match now.value() {
                Some(holds) => self.compared(terms, op, (a, b), holds == 1, deep),
                None => true,
            },
            (Node::Of(op, a, b), kind) => self.carried_to_operands(terms, op, (a, b), kind, now, deep),
            _ => true,
        }
    }

    fn carried_to_choice(
        &mut self,
        terms: &Terms,
        (condition, yes, no): (Id, Id, Id),
        now: Interval,
        deep: usize,
    ) -> bool {
        let can = |of: Id, holds: bool| {
            let mut inner = self.clone();
            inner.nested += 1;
            let possible =
                inner.nested > NESTED || inner.limit_to(terms, condition, Interval::one(i64::from(holds)), deep);
            possible && !inner.range(terms, of).and(now).is_empty()
        };
        let (of, holds) = match (can(yes, true), can(no, false)) {
            (true, false) => (yes, 1),
            (false, true) => (no, 0),
            (true, true) => return true,
            (false, false) => return false,
        };
        // What is learnt of the second may bound numbers of the first.
        let condition = |facts: &mut Self| facts.limit_to(terms, condition, Interval::one(holds), deep);
        condition(self) && self.limit_to(terms, of, now, deep) && condition(self)
    }

    fn compared(&mut self, terms: &Terms, op: Op, (a, b): (Id, Id), holds: bool, deep: usize) -> bool {
        let (x, y) = (self.range(terms, a), self.range(terms, b));
        let below = |high: i64| Interval::new(i64::MIN, high);
        let above = |low: i64| Interval::new(low, i64::MAX);
        match (op, holds) {
            (Op::Less, true) => {
                self.limit_to(terms, a, below(y.high - 1), deep) && self.limit_to(terms, b, above(x.low + 1), deep)
            }
            (Op::Less, false) => {
                self.limit_to(terms, a, above(y.low), deep) && self.limit_to(terms, b, below(x.high), deep)
            }
            (_, true) => self.limit_to(terms, a, y, deep) && self.limit_to(terms, b, x, deep),
            (_, false) => {
                // A value at an end of the other interval is cut off.
                let apart = |from: Interval, value: Option<i64>| match value {
                    Some(value) if from.low == value => above(value + 1),
                    Some(value) if from.high == value => below(value - 1),
                    _ => above(i64::MIN),
                };
                let (of_a, of_b) = (apart(x, y.value()), apart(y, x.value()));
                self.limit_to(terms, a, of_a, deep) && self.limit_to(terms, b, of_b, deep)
            }
        }
    }

    fn carried_to_operands(
        &mut self,
        terms: &Terms,
        op: Op,
        (a, b): (Id, Id),
        kind: Kind,
        now: Interval,
        deep: usize,
    ) -> bool {
        let (x, y) = (self.range(terms, a), self.range(terms, b));
        let all = Interval::new(i64::MIN, i64::MAX);
        // Where the exact result leaves the type, nothing follows.
        let exact = |exact: Interval| kind.all().holds(exact);
        let (of_a, of_b) = match op {
            Op::Add if exact(x.plus(y)) => (now.minus(y), now.minus(x)),
            Op::Sub if exact(x.minus(y)) => (now.plus(y), x.minus(now)),
            Op::Mul if exact(x.times(y)) && y.value().is_some_and(|by| by > 0) => {
                let by = y.low;
                (
                    Interval::new(
                        now.low.div_euclid(by) + i64::from(now.low.rem_euclid(by) > 0),
                        now.high.div_euclid(by),
                    ),
                    all,
                )
            }
            Op::Div if x.low >= 0 && y.value().is_some_and(|by| by > 0) => {
                (Interval::new(now.low * y.low, now.high * y.low + y.low - 1), all)
            }
            // x / y < h + 1 means x < (h + 1)·y.
            Op::Div if x.low >= 0 && y.low > 0 => {
                (Interval::new(now.low.saturating_mul(y.low), (now.high + 1).saturating_mul(y.high) - 1), all)
            }
            Op::Rem if x.high < y.low => (now, all),
            Op::Min => (Interval::new(now.low, i64::MAX), Interval::new(now.low, i64::MAX)),
            Op::Max => (Interval::new(i64::MIN, now.high), Interval::new(i64::MIN, now.high)),
            Op::Down if x.low >= 0 && y.value().is_some_and(|by| (0..32).contains(&by)) => {
                (Interval::new(now.low << y.low, ((now.high + 1) << y.low) - 1), all)
            }
            _ => return true,
        };
        self.limit_to(terms, a, of_a, deep) && self.limit_to(terms, b, of_b, deep)
    }

    /// What holds on both of two paths.
    pub fn either(&self, other: &Self) -> Self {
        let both = self.known.iter().filter_map(|(id, a)| other.known.get(id).map(|b| (*id, a.or(*b))));
        Self { known: both.collect(), memo: RefCell::default(), nested: 0 }
    }
}
