//! Loops: intervals of the variables that a loop writes, which hold before each round.

use std::collections::BTreeSet;

use naga::{AddressSpace, Block, Expression, Handle, Statement};

use super::domain::{Interval, Kind};
use super::terms::{Id, Node, Op};
use super::values::{Root, Shape, State, Value};
use super::walk::{Exits, Frame, Walk};

/// Rounds after which ends that still move go to the end of their type.
const LATE: usize = 6;

type Body<'m> = (&'m Block, &'m Block, Option<Handle<Expression>>);

impl<'m> Walk<'m> {
    /// Walks a loop; the state behind it, if it is left.
    pub fn repeated(&mut self, frame: &mut Frame<'m>, body: Body<'m>, state: State) -> Option<State> {
        let roots = self.written(frame, body);
        let roots: Vec<Root> = roots.into_iter().filter(|root| state.variables.contains_key(root)).collect();
        let shapes = |walk: &Self, state: &State| -> Vec<Shape> {
            roots.iter().map(|root| Shape::of(&state.variables[root], &walk.terms, &state.facts)).collect()
        };
        let first = shapes(self, &state);
        let (recording, returns) = (std::mem::replace(&mut self.recording, false), self.returns(frame));
        let mut head = first.clone();
        let (mut before, mut steps) = (None, vec![None; roots.len()]);
        for round in 0.. {
            let inside = self.inside(&state, &roots, &head, &steps);
            let (back, _) = self.round(frame, body, inside.clone());
            self.forget_returns(frame, returns);
            let next: Vec<Shape> = match &back {
                Some(back) => first.iter().zip(shapes(self, back)).map(|(a, b)| a.or(&b)).collect(),
                None => first.clone(),
            };
            if head.iter().zip(&next).all(|(head, next)| head.holds(next)) {
                steps = roots.iter().map(|root| self.step(*root, &state, &inside, back.as_ref())).collect();
                before = Some(std::mem::replace(&mut head, next));
                break;
            }
            head = head.iter().zip(&next).map(|(head, next)| head.widened(next, round >= LATE)).collect();
        }
        self.recording = recording;
        let inside = self.inside(&state, &roots, &head, &steps);
        let (back, mut breaks) = self.round(frame, body, inside);
        // The intervals were narrowed by one round; they have to hold after another one as well.
        let held = back.is_none_or(|back| head.iter().zip(shapes(self, &back)).all(|(head, back)| head.holds(&back)));
        if let (false, Some(wider)) = (held, before) {
            self.forget_returns(frame, returns);
            let inside = self.inside(&state, &roots, &wider, &vec![None; roots.len()]);
            (_, breaks) = self.round(frame, body, inside);
        }
        let path = state.path;
        self.any_of(breaks).map(|state| State { path, ..state })
    }

    /// A state before a round: variables are in their intervals, or the first number plus a multiple of their step.
    fn inside(&self, state: &State, roots: &[Root], head: &[Shape], steps: &[Option<(Id, i64)>]) -> State {
        let mut inside = state.clone();
        for ((root, shape), step) in roots.iter().zip(head).zip(steps) {
            let value = match (shape, step) {
                (Shape::Number(all, kind), Some((first, step))) => {
                    let most = (all.high - state.facts.range(&self.terms, *first).low) / step;
                    let count = self.terms.any(Interval::new(0, most.max(0)), *kind);
                    let moved = self.terms.of(Op::Mul, count, self.terms.known(*step, *kind));
                    let value = self.terms.of(Op::Add, *first, moved);
                    // The interval holds before every round, so this is no contradiction.
                    let _ = inside.facts.limit(&self.terms, value, *all);
                    Value::Term(value)
                }
                _ => shape.value(&self.terms),
            };
            inside.variables.insert(*root, value);
        }
        inside
    }

    /// The first number of a variable and what every round adds to it, where that is the same and nothing wraps.
    fn step(&self, root: Root, first: &State, inside: &State, back: Option<&State>) -> Option<(Id, i64)> {
        let number = |state: &State| match state.variables.get(&root) {
            Some(Value::Term(id)) => Some(*id),
            _ => None,
        };
        let (first, inside, back) = (number(first)?, number(inside)?, (number(back?)?, back?));
        let (Node::Of(Op::Add, from, by), Kind::U32) = self.terms.get(back.0) else { return None };
        let by = self.terms.value(by).filter(|_| from == inside)?;
        let exact = back.1.facts.range(&self.terms, from).high + by <= Kind::U32.all().high;
        (exact && by > 0).then_some((first, by))
    }

    /// One round from any state of the head: the state that comes back, and those that leave.
    fn round(
        &mut self,
        frame: &mut Frame<'m>,
        (body, continuing, break_if): Body<'m>,
        inside: State,
    ) -> (Option<State>, Vec<State>) {
        frame.exits.push(Exits { is_loop: true, ..Exits::default() });
        let end = self.block(frame, body, inside);
        let Exits { mut breaks, continues, .. } = frame.exits.pop().expect("the exits of this loop");
        let ends: Vec<State> = end.into_iter().chain(continues).collect();
        let end = self.any_of(ends).and_then(|end| self.block(frame, continuing, end));
        let (Some(end), Some(leaves)) = (end.clone(), break_if) else { return (end, breaks) };
        let condition = self.condition(frame, &end, leaves);
        breaks.extend(self.assumed(&end, condition, true));
        (self.assumed(&end, condition, false), breaks)
    }

    /// Variables that a loop writes. A function that it calls may write private ones.
    fn written(&self, frame: &Frame<'m>, (body, continuing, _): Body<'m>) -> Vec<Root> {
        let mut all = BTreeSet::new();
        let mut globals = false;
        let mut blocks = vec![body, continuing];
        while let Some(block) = blocks.pop() {
            for statement in block.iter() {
                match statement {
                    Statement::Block(block) => blocks.push(block),
                    Statement::If { accept, reject, .. } => blocks.extend([accept, reject]),
                    Statement::Switch { cases, .. } => blocks.extend(cases.iter().map(|case| &case.body)),
                    Statement::Loop { body, continuing, .. } => blocks.extend([body, continuing]),
                    Statement::Call { .. } => globals = true,
                    Statement::Store { pointer, .. } => match root_of(frame, *pointer) {
                        Some(variable) => _ = all.insert(variable),
                        None => globals = true,
                    },
                    _ => {}
                }
            }
        }
        let mut roots: Vec<Root> = all.into_iter().map(|variable| Root::Local(frame.id, variable)).collect();
        let private = self.module.global_variables.iter().filter(|(_, of)| of.space == AddressSpace::Private);
        roots.extend(private.filter(|_| globals).map(|(handle, _)| Root::Global(handle)));
        roots
    }
}

/// The local variable that a pointer points into.
fn root_of(frame: &Frame<'_>, mut pointer: Handle<Expression>) -> Option<Handle<naga::LocalVariable>> {
    loop {
        match frame.function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => pointer = base,
            Expression::LocalVariable(variable) => return Some(variable),
            _ => return None,
        }
    }
}
