//! Execution of a kernel on terms, path by path, with the indices that it comes across.

use std::collections::{BTreeMap, HashMap};

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{AddressSpace, Block, Expression, Function, GlobalVariable, Handle, Statement, SwitchValue};

use super::domain::{Interval, Kind};
use super::facts::Facts;
use super::terms::{Id, Op, Terms};
use super::values::{Place, Root, State, Step, Value, inner_of, made, picked, with_part};
use super::world::World;

/// An index of a kernel: where it stands, and whether it is below the length on every path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The text of the access.
    pub text: String,
    /// What is not known to be below what.
    pub failed: Option<String>,
}

/// Ways out of a loop or of a switch.
#[derive(Default)]
pub struct Exits {
    pub is_loop: bool,
    pub breaks: Vec<State>,
    pub continues: Vec<State>,
}

/// Return of a function: whether it is known when, and what.
struct Returned {
    state: State,
    value: Option<Value>,
    known: bool,
}

/// A call of a function.
pub struct Frame<'m> {
    pub id: u32,
    pub function: &'m Function,
    pub info: &'m FunctionInfo,
    pub name: &'m str,
    pub values: HashMap<Handle<Expression>, Value>,
    pub arguments: Vec<Value>,
    pub exits: Vec<Exits>,
    returns: Vec<Returned>,
    /// A loop has returned: the conditions of later paths say nothing about it.
    lost: bool,
}

pub struct Walk<'m> {
    pub module: &'m naga::Module,
    pub info: &'m ModuleInfo,
    pub source: &'m str,
    pub world: World,
    pub terms: Terms,
    pub sites: BTreeMap<(&'m str, usize), Site>,
    /// What stands in workgroup memory: one interval for each variable.
    pub shared: HashMap<Handle<GlobalVariable>, Interval>,
    pub loaded: HashMap<(Handle<GlobalVariable>, Vec<Step>), Value>,
    /// Whether the walk is a final one, on which indices count.
    pub recording: bool,
    calls: u32,
}

impl<'m> Walk<'m> {
    pub fn new(module: &'m naga::Module, info: &'m ModuleInfo, source: &'m str, world: World) -> Self {
        let (terms, sites) = (Terms::default(), BTreeMap::new());
        let (shared, loaded) = (HashMap::new(), HashMap::new());
        Self { module, info, source, world, terms, sites, shared, loaded, recording: true, calls: 0 }
    }

    /// Walks an entry until what stands in workgroup memory is settled.
    pub fn entry(&mut self, name: &str) {
        let position = self.module.entry_points.iter().position(|entry| entry.name == name).expect("an entry");
        let entry = &self.module.entry_points[position];
        for _ in 0..6 {
            let before = self.shared.clone();
            self.sites.clear();
            let arguments = self.builtins(entry);
            let mut variables = HashMap::new();
            for (handle, global) in self.module.global_variables.iter() {
                if global.space == AddressSpace::Private {
                    variables.insert(Root::Global(handle), self.zero(global.ty));
                }
            }
            let state = State { variables, facts: Facts::default(), path: self.terms.condition(true) };
            let info = self.info.get_entry_point(position);
            self.inlined((&entry.function, info, &entry.name), arguments, state);
            if self.shared == before {
                return;
            }
            self.loaded.clear();
        }
        panic!("what stands in workgroup memory of {name} does not settle");
    }

    fn zero(&self, ty: Handle<naga::Type>) -> Value {
        made(self.module, inner_of(self.module, ty), &mut |kind| self.terms.known(0, kind))
    }

    /// Arguments of an entry.
    fn builtins(&self, entry: &naga::EntryPoint) -> Vec<Value> {
        let size = entry.workgroup_size.map(i64::from);
        let number = |interval| Value::Term(self.terms.any(interval, Kind::U32));
        let below = |count: i64| number(Interval::new(0, count - 1));
        let threads: i64 = size.iter().product();
        let of = |argument: &naga::FunctionArgument| {
            let Some(naga::Binding::BuiltIn(of)) = argument.binding else { panic!("an argument without a meaning") };
            let extents = self.world.extents.iter();
            match of {
                naga::BuiltIn::WorkGroupId => Value::Parts(extents.map(|extent| below(extent.high)).collect()),
                naga::BuiltIn::NumWorkGroups => Value::Parts(extents.map(|extent| number(*extent)).collect()),
                naga::BuiltIn::LocalInvocationIndex => below(threads),
                naga::BuiltIn::LocalInvocationId => Value::Parts(size.map(below).to_vec()),
                // Subgroups have four threads or more.
                naga::BuiltIn::SubgroupId => below(threads / 4),
                naga::BuiltIn::NumSubgroups => number(Interval::new(1, threads / 4)),
                _ => {
                    made(self.module, inner_of(self.module, argument.ty), &mut |kind| self.terms.any(kind.all(), kind))
                }
            }
        };
        entry.function.arguments.iter().map(of).collect()
    }

    /// Walks a function; the state and value at its end, if it has one.
    fn inlined(
        &mut self,
        (function, info, name): (&'m Function, &'m FunctionInfo, &'m str),
        arguments: Vec<Value>,
        mut state: State,
    ) -> Option<(State, Option<Value>)> {
        self.calls += 1;
        let path = std::mem::replace(&mut state.path, self.terms.condition(true));
        let (id, values) = (self.calls, HashMap::new());
        let (exits, returns, lost) = (Vec::new(), Vec::new(), false);
        let mut frame = Frame { id, function, info, name, values, arguments, exits, returns, lost };
        for (handle, variable) in function.local_variables.iter() {
            let value = match variable.init {
                Some(init) => self.get(&mut frame, &state, init),
                None => self.zero(variable.ty),
            };
            state.variables.insert(Root::Local(id, handle), value);
        }
        if let Some(state) = self.block(&mut frame, &function.body, state) {
            let known = !frame.lost;
            frame.returns.push(Returned { state, value: None, known });
        }
        let mut all = frame.returns.into_iter().rev();
        let Returned { mut state, mut value, mut known } = all.next()?;
        for before in all {
            known &= before.known;
            let condition = known.then_some(before.state.path);
            value = match (&before.value, &value) {
                (Some(a), Some(b)) => Some(picked(&self.terms, condition, (a, &before.state.facts), (b, &state.facts))),
                _ => None,
            };
            state = State::merged(&self.terms, condition, &before.state, &state);
        }
        state.variables.retain(|root, _| !matches!(root, Root::Local(of, _) if *of == id));
        Some((State { path, ..state }, value))
    }

    /// Walks statements; the state behind them, if the end is reached.
    pub fn block(&mut self, frame: &mut Frame<'m>, block: &'m Block, mut state: State) -> Option<State> {
        for statement in block.iter() {
            state = self.statement(frame, statement, state)?;
        }
        Some(state)
    }

    fn statement(&mut self, frame: &mut Frame<'m>, statement: &'m Statement, mut state: State) -> Option<State> {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    let value = self.evaluated(frame, &state, handle);
                    frame.values.insert(handle, value);
                }
            }
            Statement::Block(block) => return self.block(frame, block, state),
            Statement::If { condition, accept, reject } => {
                let condition = self.condition(frame, &state, *condition);
                return self.branch(frame, condition, (accept, reject), state);
            }
            Statement::Switch { selector, cases } => return self.switch(frame, *selector, cases, state),
            Statement::Loop { body, continuing, break_if } => {
                return self.repeated(frame, (body, continuing, *break_if), state);
            }
            Statement::Break => {
                frame.exits.last_mut().expect("a loop or switch").breaks.push(state);
                return None;
            }
            Statement::Continue => {
                let around = frame.exits.iter_mut().rev().find(|exits| exits.is_loop);
                around.expect("a loop").continues.push(state);
                return None;
            }
            Statement::Return { value } => {
                let value = value.map(|value| self.get(frame, &state, value));
                let in_loop = frame.exits.iter().any(|exits| exits.is_loop);
                frame.lost |= in_loop;
                frame.returns.push(Returned { state, value, known: !frame.lost });
                return None;
            }
            Statement::Store { pointer, value } => {
                let value = self.get(frame, &state, *value);
                if let Value::At(place) = self.get(frame, &state, *pointer) {
                    self.store(&mut state, &place, value);
                }
            }
            Statement::Call { function, arguments, result } => {
                let arguments = arguments.iter().map(|argument| self.get(frame, &state, *argument)).collect();
                let called = &self.module.functions[*function];
                let name = called.name.as_deref().unwrap_or_default();
                let (after, value) = self.inlined((called, &self.info[*function], name), arguments, state)?;
                if let Some(result) = result {
                    frame.values.insert(*result, value.unwrap_or(Value::Opaque));
                }
                return Some(after);
            }
            Statement::SubgroupCollectiveOperation { result, .. } => {
                let value = self.unknown(frame, *result);
                frame.values.insert(*result, value);
            }
            Statement::ControlBarrier(_) | Statement::MemoryBarrier(_) => {}
            other => panic!("a statement that is not known: {other:?}"),
        }
        Some(state)
    }

    pub fn condition(&mut self, frame: &mut Frame<'m>, state: &State, handle: Handle<Expression>) -> Id {
        match self.get(frame, state, handle) {
            Value::Term(id) => id,
            _ => self.terms.any(Kind::Bool.all(), Kind::Bool),
        }
    }

    /// The state on the path where a condition holds, or does not.
    pub fn assumed(&self, state: &State, condition: Id, holds: bool) -> Option<State> {
        let mut state = state.clone();
        let own = if holds { condition } else { self.terms.not(condition) };
        state.path = self.terms.both(state.path, own);
        state.facts.assume(&self.terms, condition, holds).then_some(state)
    }

    fn branch(
        &mut self,
        frame: &mut Frame<'m>,
        condition: Id,
        (accept, reject): (&'m Block, &'m Block),
        state: State,
    ) -> Option<State> {
        let [yes, no] = [true, false].map(|holds| self.assumed(&state, condition, holds));
        let yes = yes.and_then(|state| self.block(frame, accept, state));
        let no = no.and_then(|state| self.block(frame, reject, state));
        self.joined(condition, state.path, yes, no)
    }

    fn joined(&self, condition: Id, before: Id, yes: Option<State>, no: Option<State>) -> Option<State> {
        let (yes, no) = match (yes, no) {
            (Some(yes), Some(no)) => (yes, no),
            (one, other) => return one.or(other),
        };
        let both = self.terms.both(before, condition);
        let neither = self.terms.both(before, self.terms.not(condition));
        let through = yes.path == both && no.path == neither;
        let mut state = State::merged(&self.terms, Some(condition), &yes, &no);
        if through {
            state.path = before;
        }
        Some(state)
    }

    fn switch(
        &mut self,
        frame: &mut Frame<'m>,
        selector: Handle<Expression>,
        cases: &'m [naga::SwitchCase],
        state: State,
    ) -> Option<State> {
        let Value::Term(selector) = self.get(frame, &state, selector) else {
            panic!("a selector that is not followed")
        };
        let kind = self.terms.get(selector).1;
        let number = |value: SwitchValue| match value {
            SwitchValue::I32(value) => Some(i64::from(value)),
            SwitchValue::U32(value) => Some(i64::from(value)),
            SwitchValue::Default => None,
        };
        let mut ends = Vec::new();
        let mut rest = Some(state);
        // The default stands for all numbers that no case names, wherever it stands.
        let mut ordered: Vec<&naga::SwitchCase> = cases.iter().collect();
        ordered.sort_by_key(|case| number(case.value).is_none());
        for case in ordered {
            assert!(!case.fall_through, "a case that falls through");
            let Some(left) = rest.take() else { break };
            let condition = match number(case.value) {
                Some(value) => self.terms.of(Op::Equal, selector, self.terms.known(value, kind)),
                None => self.terms.condition(true),
            };
            rest = self.assumed(&left, condition, false);
            let Some(inside) = self.assumed(&left, condition, true) else { continue };
            frame.exits.push(Exits::default());
            let end = self.block(frame, &case.body, inside);
            let breaks = frame.exits.pop().map(|exits| exits.breaks).unwrap_or_default();
            ends.extend(end.into_iter().chain(breaks));
        }
        ends.extend(rest);
        self.any_of(ends)
    }

    /// One state for several paths.
    pub fn any_of(&self, states: Vec<State>) -> Option<State> {
        states.into_iter().reduce(|a, b| State::merged(&self.terms, None, &a, &b))
    }

    fn store(&mut self, state: &mut State, place: &Place, value: Value) {
        if let Root::Global(global) = place.root {
            let space = self.module.global_variables[global].space;
            if space == AddressSpace::WorkGroup
                && let Value::Term(id) = value
            {
                let range = state.facts.range(&self.terms, id);
                let all = self.shared.entry(global).or_insert(Interval::NONE);
                *all = all.or(range);
            }
            if space != AddressSpace::Private {
                return;
            }
        }
        if let Some(before) = state.variables.get(&place.root) {
            let after = with_part(before, &place.path, value, &self.terms);
            state.variables.insert(place.root, after);
        }
    }

    /// Takes back the returns of a walk that was not final.
    pub fn returns(&self, frame: &Frame<'m>) -> usize {
        frame.returns.len()
    }

    pub fn forget_returns(&self, frame: &mut Frame<'m>, count: usize) {
        frame.returns.truncate(count);
    }
}
