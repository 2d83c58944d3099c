//! Values of expressions and variables: terms of whole numbers and conditions, and what consists of them. Real numbers are not
//! followed.

use std::collections::HashMap;

use naga::{GlobalVariable, Handle, LocalVariable, ScalarKind, Type, TypeInner};

use super::domain::{Interval, Kind};
use super::facts::Facts;
use super::terms::{Id, Terms};

/// A variable. Each call of a function has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    Local(u32, Handle<LocalVariable>),
    Global(Handle<GlobalVariable>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Field(u32),
    Index(Id),
}

/// What a pointer points to.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub root: Root,
    pub path: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Term(Id),
    Parts(Vec<Value>),
    At(Place),
    /// Not followed.
    Opaque,
}

/// Intervals in the form of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Number(Interval, Kind),
    Parts(Vec<Shape>),
    Opaque,
}

/// Bounds at which a growing interval is tried again.
const STEPS: [i64; 4] = [1 << 20, 1 << 26, i32::MAX as i64, u32::MAX as i64];

impl Shape {
    pub fn of(value: &Value, terms: &Terms, facts: &Facts) -> Self {
        match value {
            Value::Term(id) => Self::Number(facts.range(terms, *id), terms.get(*id).1),
            Value::Parts(parts) => Self::Parts(parts.iter().map(|part| Self::of(part, terms, facts)).collect()),
            _ => Self::Opaque,
        }
    }

    /// A value of which no more is known than its intervals.
    pub fn value(&self, terms: &Terms) -> Value {
        match self {
            Self::Number(interval, kind) => Value::Term(terms.any(*interval, *kind)),
            Self::Parts(parts) => Value::Parts(parts.iter().map(|part| part.value(terms)).collect()),
            Self::Opaque => Value::Opaque,
        }
    }

    fn both(&self, other: &Self, of: &impl Fn(Interval, Interval, Kind) -> Interval) -> Self {
        match (self, other) {
            (Self::Number(a, kind), Self::Number(b, _)) => Self::Number(of(*a, *b, *kind), *kind),
            (Self::Parts(a), Self::Parts(b)) => Self::Parts(a.iter().zip(b).map(|(a, b)| a.both(b, of)).collect()),
            _ => Self::Opaque,
        }
    }

    pub fn or(&self, other: &Self) -> Self {
        self.both(other, &|a, b, _| a.or(b))
    }

    pub fn holds(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a, _), Self::Number(b, _)) => a.holds(*b),
            (Self::Parts(a), Self::Parts(b)) => a.iter().zip(b).all(|(a, b)| a.holds(b)),
            _ => true,
        }
    }

    /// An interval that holds `next`: an end that moved goes to the next step, and in `late` rounds to the end of the type.
    pub fn widened(&self, next: &Self, late: bool) -> Self {
        let end = |high: i64, kind: Kind| {
            let step = STEPS.into_iter().find(|step| *step >= high && !late);
            step.map_or(kind.all().high, |step| step.min(kind.all().high))
        };
        self.both(next, &|a, b, kind| {
            let low = if b.low < a.low { kind.all().low } else { a.low };
            Interval::new(low, if b.high > a.high { end(b.high, kind) } else { a.high })
        })
    }
}

/// Kind of a scalar that is followed.
pub fn kind_of(scalar: naga::Scalar) -> Option<Kind> {
    match (scalar.kind, scalar.width) {
        (ScalarKind::Uint, 4) => Some(Kind::U32),
        (ScalarKind::Sint, 4) => Some(Kind::I32),
        (ScalarKind::Bool, _) => Some(Kind::Bool),
        _ => None,
    }
}

/// A value of a type whose scalars are made by `scalar`.
pub fn made(module: &naga::Module, inner: &TypeInner, scalar: &mut impl FnMut(Kind) -> Id) -> Value {
    match inner {
        TypeInner::Scalar(of) => kind_of(*of).map_or(Value::Opaque, |kind| Value::Term(scalar(kind))),
        TypeInner::Vector { size, scalar: of } => match kind_of(*of) {
            Some(kind) => Value::Parts((0..*size as usize).map(|_| Value::Term(scalar(kind))).collect()),
            None => Value::Opaque,
        },
        TypeInner::Struct { members, .. } => {
            Value::Parts(members.iter().map(|member| made(module, &module.types[member.ty].inner, scalar)).collect())
        }
        _ => Value::Opaque,
    }
}

/// The part of a value at the end of a path; [`Value::Opaque`] where an index is not known.
pub fn part(value: &Value, path: &[Step], terms: &Terms) -> Value {
    let Some((step, rest)) = path.split_first() else { return value.clone() };
    let Value::Parts(parts) = value else { return Value::Opaque };
    match at(*step, terms).and_then(|at| parts.get(at)) {
        Some(inner) => part(inner, rest, terms),
        None => Value::Opaque,
    }
}

fn at(step: Step, terms: &Terms) -> Option<usize> {
    match step {
        Step::Field(field) => Some(field as usize),
        Step::Index(id) => terms.value(id).and_then(|value| usize::try_from(value).ok()),
    }
}

/// A value with a part replaced; where an index is not known, with all parts forgotten.
pub fn with_part(value: &Value, path: &[Step], new: Value, terms: &Terms) -> Value {
    let Some((step, rest)) = path.split_first() else { return new };
    let Value::Parts(parts) = value else { return Value::Opaque };
    match at(*step, terms).filter(|at| *at < parts.len()) {
        Some(at) => {
            let mut parts = parts.clone();
            parts[at] = with_part(&parts[at], rest, new, terms);
            Value::Parts(parts)
        }
        None => Value::Opaque,
    }
}

/// A type, by its handle or by itself.
pub fn inner_of(module: &naga::Module, ty: Handle<Type>) -> &TypeInner {
    &module.types[ty].inner
}

/// A path of execution: variables, facts, and the condition under which the function is still running here.
#[derive(Clone)]
pub struct State {
    pub variables: HashMap<Root, Value>,
    pub facts: Facts,
    pub path: Id,
}

impl State {
    /// One state for two paths: the first where `condition` holds, or no one knows when.
    pub fn merged(terms: &Terms, condition: Option<Id>, a: &Self, b: &Self) -> Self {
        let mut variables = HashMap::new();
        for (root, of_a) in &a.variables {
            if let Some(of_b) = b.variables.get(root) {
                variables.insert(*root, picked(terms, condition, (of_a, &a.facts), (of_b, &b.facts)));
            }
        }
        let path = condition.map_or(a.path, |condition| terms.choose(condition, a.path, b.path));
        Self { variables, facts: a.facts.either(&b.facts), path }
    }
}

/// The first value where `condition` holds, else the second.
pub fn picked(terms: &Terms, condition: Option<Id>, (a, of_a): (&Value, &Facts), (b, of_b): (&Value, &Facts)) -> Value {
    match (a, b) {
        _ if a == b => a.clone(),
        (Value::Term(x), Value::Term(y)) => Value::Term(match condition {
            Some(condition) => terms.choose(condition, *x, *y),
            None => terms.any(of_a.range(terms, *x).or(of_b.range(terms, *y)), terms.get(*x).1),
        }),
        (Value::Parts(x), Value::Parts(y)) if x.len() == y.len() => {
            Value::Parts(x.iter().zip(y).map(|(x, y)| picked(terms, condition, (x, of_a), (y, of_b))).collect())
        }
        _ => Value::Opaque,
    }
}
