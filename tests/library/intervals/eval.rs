//! Expressions on terms, and the indices in them.

use naga::{
    AddressSpace, BinaryOperator, Expression, Handle, Literal, MathFunction, ScalarKind, TypeInner, UnaryOperator,
};

use super::domain::{Interval, Kind};
use super::prove::below;
use super::terms::{Id, Op};
use super::values::{Place, Root, State, Step, Value, inner_of, kind_of, made, part};
use super::walk::{Frame, Site, Walk};
use super::world::number_of;

impl<'m> Walk<'m> {
    /// The value of an expression, which has been computed unless it is always there.
    pub fn get(&mut self, frame: &mut Frame<'m>, state: &State, handle: Handle<Expression>) -> Value {
        match frame.values.get(&handle) {
            Some(value) => value.clone(),
            None => self.evaluated(frame, state, handle),
        }
    }

    fn inner(&self, frame: &Frame<'m>, handle: Handle<Expression>) -> &'m TypeInner {
        let (frame, module) = (frame.info, self.module);
        frame[handle].ty.inner_with(&module.types)
    }

    /// A value of the type of an expression of which nothing is known.
    pub fn unknown(&self, frame: &Frame<'m>, handle: Handle<Expression>) -> Value {
        self.any_value(self.inner(frame, handle))
    }

    fn any_value(&self, inner: &TypeInner) -> Value {
        made(self.module, inner, &mut |kind| self.terms.any(kind.all(), kind))
    }

    /// Computes an expression here.
    pub fn evaluated(&mut self, frame: &mut Frame<'m>, state: &State, handle: Handle<Expression>) -> Value {
        let function = frame.function;
        let found = match &function.expressions[handle] {
            Expression::Literal(literal) => self.literal(*literal),
            Expression::Constant(constant) => self.constant(self.module.constants[*constant].init),
            Expression::ZeroValue(ty) => {
                made(self.module, inner_of(self.module, *ty), &mut |kind| self.terms.known(0, kind))
            }
            Expression::Compose { ty, components } => {
                let all = components.iter().map(|component| self.get(frame, state, *component)).collect();
                composed(inner_of(self.module, *ty), all)
            }
            Expression::Splat { size, value } => match self.get(frame, state, *value) {
                Value::Term(id) => Value::Parts(vec![Value::Term(id); *size as usize]),
                _ => Value::Opaque,
            },
            Expression::Swizzle { size, vector, pattern } => match self.get(frame, state, *vector) {
                Value::Parts(parts) => {
                    Value::Parts(pattern[..*size as usize].iter().map(|at| parts[*at as usize].clone()).collect())
                }
                _ => Value::Opaque,
            },
            Expression::FunctionArgument(at) => frame.arguments[*at as usize].clone(),
            Expression::GlobalVariable(global) => Value::At(Place { root: Root::Global(*global), path: Vec::new() }),
            Expression::LocalVariable(local) => {
                Value::At(Place { root: Root::Local(frame.id, *local), path: Vec::new() })
            }
            Expression::Access { base, index } => {
                let step = match self.get(frame, state, *index) {
                    Value::Term(id) => id,
                    _ => self.terms.any(Kind::U32.all(), Kind::U32),
                };
                self.accessed(frame, state, (handle, *base), Step::Index(step))
            }
            Expression::AccessIndex { base, index } => {
                self.accessed(frame, state, (handle, *base), Step::Field(*index))
            }
            Expression::Load { pointer } => match self.get(frame, state, *pointer) {
                Value::At(place) => self.load(state, &place, self.inner(frame, handle)),
                _ => Value::Opaque,
            },
            _ => self.computed(frame, state, handle),
        };
        // What is not followed can be any value of its type.
        if found == Value::Opaque { self.unknown(frame, handle) } else { found }
    }

    /// The value of an operation.
    fn computed(&mut self, frame: &mut Frame<'m>, state: &State, handle: Handle<Expression>) -> Value {
        let function = frame.function;
        match &function.expressions[handle] {
            Expression::Unary { op, expr } => {
                let of = self.get(frame, state, *expr);
                self.unary(*op, &of)
            }
            Expression::Binary { op, left, right } => {
                let (left, right) = (self.get(frame, state, *left), self.get(frame, state, *right));
                self.binary(*op, &left, &right)
            }
            Expression::Select { condition, accept, reject } => {
                let condition = self.get(frame, state, *condition);
                let (accept, reject) = (self.get(frame, state, *accept), self.get(frame, state, *reject));
                match condition {
                    Value::Term(id) => {
                        let facts = &state.facts;
                        super::values::picked(&self.terms, Some(id), (&accept, facts), (&reject, facts))
                    }
                    _ => Value::Opaque,
                }
            }
            Expression::Math { fun, arg, arg1, arg2, .. } => {
                let mut all = vec![self.get(frame, state, *arg)];
                for more in arg1.iter().chain(arg2) {
                    all.push(self.get(frame, state, *more));
                }
                self.math(*fun, &all)
            }
            Expression::As { expr, kind, convert } => {
                let of = self.get(frame, state, *expr);
                self.cast(state, &of, *kind, convert.is_some())
            }
            _ => Value::Opaque,
        }
    }

    fn literal(&self, literal: Literal) -> Value {
        match literal {
            Literal::U32(value) => Value::Term(self.terms.known(i64::from(value), Kind::U32)),
            Literal::I32(value) => Value::Term(self.terms.known(i64::from(value), Kind::I32)),
            Literal::Bool(value) => Value::Term(self.terms.condition(value)),
            _ => Value::Opaque,
        }
    }

    fn constant(&self, handle: Handle<Expression>) -> Value {
        match &self.module.global_expressions[handle] {
            Expression::Literal(literal) => self.literal(*literal),
            Expression::Constant(constant) => self.constant(self.module.constants[*constant].init),
            Expression::Compose { ty, components } => {
                let all = components.iter().map(|component| self.constant(*component)).collect();
                composed(inner_of(self.module, *ty), all)
            }
            _ => Value::Opaque,
        }
    }

    /// An element, whose index has to be below the length.
    fn accessed(
        &mut self,
        frame: &mut Frame<'m>,
        state: &State,
        (handle, base): (Handle<Expression>, Handle<Expression>),
        step: Step,
    ) -> Value {
        let of = self.get(frame, state, base);
        let inner = self.inner(frame, base);
        let (target, points) = match inner {
            TypeInner::Pointer { base, .. } => (inner_of(self.module, *base), true),
            other => (other, matches!(other, TypeInner::ValuePointer { .. })),
        };
        let length = match target {
            TypeInner::Array { size: naga::ArraySize::Constant(count), .. } => Some(i64::from(count.get())),
            TypeInner::Array { stride, .. } => Some(self.dynamic(&of, i64::from(*stride))),
            TypeInner::Vector { size, .. } | TypeInner::ValuePointer { size: Some(size), .. } => Some(*size as i64),
            _ => None,
        };
        let is_list = matches!(target, TypeInner::Array { size: naga::ArraySize::Dynamic, .. });
        let step = match step {
            // Elements of an array are numbered by terms; fields of structs and vectors by themselves.
            Step::Field(at) if matches!(target, TypeInner::Array { .. }) => {
                Step::Index(self.terms.known(i64::from(at), Kind::U32))
            }
            other => other,
        };
        if let (Step::Index(index), Some(length)) = (step, length) {
            let constant = matches!(frame.function.expressions[handle], Expression::AccessIndex { .. });
            if is_list || !constant {
                self.index(frame, state, handle, index, length);
            }
        }
        match of {
            Value::At(mut place) if points => {
                place.path.push(step);
                Value::At(place)
            }
            other => part(&other, &[step], &self.terms),
        }
    }

    /// Elements of a storage binding.
    fn dynamic(&self, of: &Value, stride: i64) -> i64 {
        let Value::At(Place { root: Root::Global(global), .. }) = of else { panic!("an array without a length") };
        let variable = &self.module.global_variables[*global];
        let binding = variable.binding.expect("a binding");
        let words = self.world.words.get(&(binding.group, binding.binding));
        let name = variable.name.as_deref().unwrap_or_default();
        4 * words.unwrap_or_else(|| panic!("{} binds nothing at {name}", self.world.module)) / stride
    }

    fn index(&mut self, frame: &Frame<'m>, state: &State, handle: Handle<Expression>, index: Id, length: i64) {
        if !self.recording {
            return;
        }
        let key = (frame.name, handle.index());
        if self.sites.get(&key).is_some_and(|site| site.failed.is_some()) {
            return;
        }
        let holds = below(&self.terms, &state.facts, index, length);
        let said = || {
            let range = state.facts.range(&self.terms, index);
            format!("{} to {} of {length}", range.low, range.high)
        };
        let failed = (!holds).then(said);
        let span = frame.function.expressions.get_span(handle);
        let text = span.to_range().map_or_else(String::new, |range| self.source[range].to_owned());
        self.sites.insert(key, Site { text, failed });
    }

    fn load(&mut self, state: &State, place: &Place, inner: &TypeInner) -> Value {
        let Root::Global(global) = place.root else {
            return state
                .variables
                .get(&place.root)
                .map_or(Value::Opaque, |value| part(value, &place.path, &self.terms));
        };
        let variable = &self.module.global_variables[global];
        match variable.space {
            AddressSpace::Private => {
                state.variables.get(&place.root).map_or(Value::Opaque, |value| part(value, &place.path, &self.terms))
            }
            AddressSpace::WorkGroup => match inner {
                // What nobody has written yet is written in a later walk.
                TypeInner::Scalar(scalar) if kind_of(*scalar) == Some(Kind::U32) => {
                    let range = self.shared.get(&global).copied().unwrap_or(Interval::one(0));
                    Value::Term(self.terms.any(range, Kind::U32))
                }
                _ => Value::Opaque,
            },
            AddressSpace::Uniform => {
                let [Step::Field(field)] = place.path[..] else { return Value::Opaque };
                let known = self.world.uniform.get(field as usize).copied();
                self.kept(global, place, |walk| {
                    known.map_or(Value::Opaque, |known| Value::Term(walk.terms.any(known, Kind::U32)))
                })
            }
            AddressSpace::Storage { access } if !access.contains(naga::StorageAccess::STORE) => {
                let name = variable.name.as_deref().unwrap_or_default();
                self.kept(global, place, |walk| walk.listed(state, name, &place.path, inner))
            }
            _ => Value::Opaque,
        }
    }

    /// What nobody writes is the same whenever it is loaded.
    fn kept(
        &mut self,
        global: Handle<naga::GlobalVariable>,
        place: &Place,
        make: impl FnOnce(&Self) -> Value,
    ) -> Value {
        let key = (global, place.path.clone());
        if let Some(found) = self.loaded.get(&key) {
            return found.clone();
        }
        let value = make(self);
        self.loaded.insert(key, value.clone());
        value
    }

    /// A number or a vector of a list.
    fn listed(&self, state: &State, name: &str, path: &[Step], inner: &TypeInner) -> Value {
        let (Step::Index(index), rest) = (path[0], &path[1..]) else { return Value::Opaque };
        let mut field = match rest {
            [Step::Field(field), ..] => *field,
            _ => 0,
        };
        made(self.module, inner, &mut |kind| {
            field += 1;
            number_of(&self.world, &self.terms, &state.facts, name, index, field - 1, kind)
        })
    }

    fn unary(&self, op: UnaryOperator, of: &Value) -> Value {
        match (op, of) {
            (UnaryOperator::LogicalNot, Value::Term(id)) => Value::Term(self.terms.not(*id)),
            (UnaryOperator::Negate, Value::Term(id)) => {
                Value::Term(self.terms.of(Op::Sub, self.terms.known(0, self.terms.get(*id).1), *id))
            }
            _ => Value::Opaque,
        }
    }

    fn binary(&self, op: BinaryOperator, left: &Value, right: &Value) -> Value {
        let terms = &self.terms;
        match (left, right) {
            (Value::Term(a), Value::Term(b)) => Value::Term(self.of_terms(op, *a, *b)),
            (Value::Parts(a), Value::Parts(b)) if a.len() == b.len() => {
                Value::Parts(a.iter().zip(b).map(|(a, b)| self.binary(op, a, b)).collect())
            }
            (Value::Parts(a), Value::Term(b)) => {
                Value::Parts(a.iter().map(|a| self.binary(op, a, &Value::Term(*b))).collect())
            }
            (Value::Term(a), Value::Parts(b)) => {
                Value::Parts(b.iter().map(|b| self.binary(op, &Value::Term(*a), b)).collect())
            }
            _ if matches!(op, BinaryOperator::Equal) => Value::Term(terms.any(Kind::Bool.all(), Kind::Bool)),
            _ => Value::Opaque,
        }
    }

    fn of_terms(&self, op: BinaryOperator, a: Id, b: Id) -> Id {
        let terms = &self.terms;
        let is_condition = terms.get(a).1 == Kind::Bool;
        let of = |op| terms.of(op, a, b);
        match op {
            BinaryOperator::And | BinaryOperator::LogicalAnd if is_condition => terms.both(a, b),
            BinaryOperator::InclusiveOr | BinaryOperator::LogicalOr if is_condition => {
                terms.choose(a, terms.condition(true), b)
            }
            BinaryOperator::Add => of(Op::Add),
            BinaryOperator::Subtract => of(Op::Sub),
            BinaryOperator::Multiply => of(Op::Mul),
            BinaryOperator::Divide => of(Op::Div),
            BinaryOperator::Modulo => of(Op::Rem),
            BinaryOperator::And | BinaryOperator::LogicalAnd => of(Op::And),
            BinaryOperator::InclusiveOr | BinaryOperator::LogicalOr => of(Op::Or),
            BinaryOperator::ExclusiveOr => of(Op::Xor),
            BinaryOperator::ShiftLeft => of(Op::Up),
            BinaryOperator::ShiftRight => of(Op::Down),
            BinaryOperator::Equal => of(Op::Equal),
            BinaryOperator::NotEqual => terms.not(of(Op::Equal)),
            BinaryOperator::Less => of(Op::Less),
            BinaryOperator::GreaterEqual => terms.not(of(Op::Less)),
            BinaryOperator::Greater => terms.of(Op::Less, b, a),
            BinaryOperator::LessEqual => terms.not(terms.of(Op::Less, b, a)),
        }
    }

    fn math(&self, fun: MathFunction, all: &[Value]) -> Value {
        let terms = &self.terms;
        match (fun, all) {
            (MathFunction::Min, [Value::Term(a), Value::Term(b)]) => Value::Term(terms.of(Op::Min, *a, *b)),
            (MathFunction::Max, [Value::Term(a), Value::Term(b)]) => Value::Term(terms.of(Op::Max, *a, *b)),
            (MathFunction::Clamp, [Value::Term(a), Value::Term(low), Value::Term(high)]) => {
                Value::Term(terms.of(Op::Min, terms.of(Op::Max, *a, *low), *high))
            }
            _ => Value::Opaque,
        }
    }

    fn cast(&self, state: &State, of: &Value, kind: ScalarKind, converts: bool) -> Value {
        let (Value::Term(id), true) = (of, converts) else { return Value::Opaque };
        let (terms, from) = (&self.terms, self.terms.get(*id).1);
        let to = match kind {
            ScalarKind::Uint => Kind::U32,
            ScalarKind::Sint => Kind::I32,
            _ => return Value::Opaque,
        };
        if from == Kind::Bool {
            return Value::Term(terms.choose(*id, terms.known(1, to), terms.known(0, to)));
        }
        if from == to {
            return of.clone();
        }
        Value::Term(terms.any(state.facts.range(terms, *id).within(to), to))
    }
}

/// A value of parts. Parts of a vector may be vectors.
fn composed(inner: &TypeInner, all: Vec<Value>) -> Value {
    let is_vector = matches!(inner, TypeInner::Vector { .. });
    if is_vector && all.contains(&Value::Opaque) {
        return Value::Opaque;
    }
    let parts = all.into_iter().flat_map(|value| match value {
        Value::Parts(parts) if is_vector => parts,
        other => vec![other],
    });
    Value::Parts(parts.collect())
}
