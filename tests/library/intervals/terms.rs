//! Numbers of a shader as terms over the numbers that it is given. A term stands for one number of one thread at one time, so
//! what is known of it stays true.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::domain::{Interval, Kind};

/// Number of a term.
pub type Id = u32;

/// Hash of a few small numbers: most of the time goes into maps of terms.
#[derive(Default)]
pub struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
}

/// A map from terms.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Min,
    Max,
    And,
    Or,
    Xor,
    Up,
    Down,
    Less,
    Equal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    Known(i64),
    /// A number of which nothing else is known. The first field tells apart what has the same interval.
    Any(u32, Interval),
    Of(Op, Id, Id),
    Not(Id),
    /// The second where the first holds, else the third.
    Choose(Id, Id, Id),
}

/// All terms, each once.
#[derive(Default)]
pub struct Terms {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    nodes: Vec<(Node, Kind)>,
    found: Map<(Node, Kind), Id>,
    fresh: u32,
}

impl Terms {
    fn make(&self, node: Node, kind: Kind) -> Id {
        let mut inner = self.inner.borrow_mut();
        if let Some(&id) = inner.found.get(&(node, kind)) {
            return id;
        }
        let id = inner.nodes.len() as Id;
        inner.nodes.push((node, kind));
        inner.found.insert((node, kind), id);
        id
    }

    pub fn get(&self, id: Id) -> (Node, Kind) {
        self.inner.borrow().nodes[id as usize]
    }

    /// The term of this node, where there is one.
    pub fn find(&self, node: Node, kind: Kind) -> Option<Id> {
        self.inner.borrow().found.get(&(node, kind)).copied()
    }

    pub fn known(&self, value: i64, kind: Kind) -> Id {
        self.make(Node::Known(value), kind)
    }

    pub fn condition(&self, value: bool) -> Id {
        self.known(i64::from(value), Kind::Bool)
    }

    pub fn value(&self, id: Id) -> Option<i64> {
        if let (Node::Known(value), _) = self.get(id) { Some(value) } else { None }
    }

    pub fn any(&self, interval: Interval, kind: Kind) -> Id {
        if let Some(value) = interval.value() {
            return self.known(value, kind);
        }
        let fresh = {
            let mut inner = self.inner.borrow_mut();
            inner.fresh += 1;
            inner.fresh
        };
        self.make(Node::Any(fresh, interval), kind)
    }

    pub fn not(&self, of: Id) -> Id {
        match self.get(of).0 {
            Node::Known(value) => self.condition(value == 0),
            Node::Not(inner) => inner,
            _ => self.make(Node::Not(of), Kind::Bool),
        }
    }

    pub fn choose(&self, condition: Id, yes: Id, no: Id) -> Id {
        if yes == no {
            return yes;
        }
        match self.get(condition).0 {
            Node::Known(value) => return if value == 0 { no } else { yes },
            Node::Not(inner) => return self.choose(inner, no, yes),
            _ => {}
        }
        let kind = self.get(yes).1;
        if kind == Kind::Bool && (self.value(yes), self.value(no)) == (Some(1), Some(0)) {
            return condition;
        }
        self.make(Node::Choose(condition, yes, no), kind)
    }

    pub fn both(&self, a: Id, b: Id) -> Id {
        self.choose(a, b, self.condition(false))
    }

    /// The term of an operation. Numbers that are known are computed, as the type wraps them.
    pub fn of(&self, op: Op, a: Id, b: Id) -> Id {
        let kind = match op {
            Op::Less | Op::Equal => Kind::Bool,
            _ => self.get(a).1,
        };
        if let (Some(x), Some(y)) = (self.value(a), self.value(b)) {
            let found = super::facts::apply(op, Interval::one(x), Interval::one(y), kind);
            if let Some(value) = found.value() {
                return self.known(value, kind);
            }
        }
        let commutes = matches!(op, Op::Add | Op::Mul | Op::Min | Op::Max | Op::And | Op::Or | Op::Xor | Op::Equal);
        // Known numbers stand on the right.
        let (a, b) =
            if commutes && (self.value(a).is_some() || (self.value(b).is_none() && a > b)) { (b, a) } else { (a, b) };
        self.simpler(op, a, b, kind).unwrap_or_else(|| self.make(Node::Of(op, a, b), kind))
    }

    /// A sum with its known part behind the others, so that sums of the same numbers are the same term.
    fn known_last(&self, a: Id, b: Id, kind: Kind) -> Option<Id> {
        let split = |id: Id| match self.get(id).0 {
            Node::Of(Op::Add, x, known) => self.value(known).map(|value| (x, value)),
            _ => None,
        };
        let (rest, value) = match (split(a), split(b), self.value(b)) {
            (Some((x, first)), _, Some(second)) => (x, first + second),
            (Some((x, first)), Some((y, second)), _) => (self.of(Op::Add, x, y), first + second),
            (Some((x, first)), None, None) => (self.of(Op::Add, x, b), first),
            (None, Some((y, second)), _) => (self.of(Op::Add, a, y), second),
            _ => return None,
        };
        if kind != Kind::U32 {
            return None;
        }
        Some(self.of(Op::Add, rest, self.known(value & i64::from(u32::MAX), kind)))
    }

    /// Laws that hold modulo 2³².
    fn simpler(&self, op: Op, a: Id, b: Id, kind: Kind) -> Option<Id> {
        let by = self.value(b);
        match (op, by) {
            (Op::Add | Op::Sub | Op::Or | Op::Xor | Op::Up | Op::Down, Some(0)) | (Op::Mul | Op::Div, Some(1)) => {
                return Some(a);
            }
            (Op::Mul | Op::And, Some(0)) | (Op::Rem, Some(1)) => return Some(self.known(0, kind)),
            _ => {}
        }
        match op {
            Op::Sub | Op::Xor if a == b => Some(self.known(0, kind)),
            Op::Min | Op::Max if a == b => Some(a),
            Op::Add => {
                // a + (x − a) is x.
                let undone = |a: Id, b: Id| match self.get(b).0 {
                    Node::Of(Op::Sub, x, y) if y == a => Some(x),
                    _ => None,
                };
                undone(a, b).or_else(|| undone(b, a)).or_else(|| self.known_last(a, b, kind))
            }
            Op::And => {
                // Multiples of 2^k do not reach the lowest k bits.
                let by = by.filter(|by| (by + 1) & by == 0)?;
                let Node::Of(Op::Add, x, y) = self.get(a).0 else { return None };
                let multiple = |id: Id| matches!(self.get(id).0, Node::Of(Op::Mul, _, c) if self.value(c).is_some_and(|c| c % (by + 1) == 0));
                match (multiple(x), multiple(y)) {
                    (true, _) => Some(self.of(op, y, b)),
                    (_, true) => Some(self.of(op, x, b)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
