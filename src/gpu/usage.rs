//! Registers read and written by the ops of a tape.

use std::collections::BTreeSet;

use crate::tape::{Bound, Expression, Op, Program, Values};

/// Accesses of the ops to each register.
pub(super) struct Usage {
    pub(super) writers: Vec<usize>,
    pub(super) readers: Vec<usize>,
    /// Ops that touch each register, numbered over the whole tape.
    pub(super) touched: Vec<Vec<usize>>,
}

impl Usage {
    pub(super) fn new(program: &Program) -> Self {
        let count = program.registers().len();
        let mut usage = Self { writers: vec![0; count], readers: vec![0; count], touched: vec![Vec::new(); count] };
        for (index, step) in program.steps().enumerate() {
            let (reads, writes) = (reads(&step.op, program), writes(&step.op));
            reads.iter().for_each(|register| usage.readers[*register] += 1);
            writes.iter().for_each(|register| usage.writers[*register] += 1);
            reads.union(&writes).for_each(|register| usage.touched[*register].push(index));
        }
        usage
    }

    /// Whether only one pass writes the register.
    pub(super) fn passes_write_once(&self, register: usize, program: &Program) -> bool {
        let passes =
            program.steps().filter(|step| matches!(step.op, Op::Pass(_)) && writes(&step.op).contains(&register));
        self.writers[register] > 0 && passes.count() == 1
    }
}

fn scalars_of(expression: &Expression, into: &mut BTreeSet<usize>) {
    expression.reads(&mut |scalar| {
        into.insert(scalar.index());
    });
}

/// Registers that an op reads.
pub(super) fn reads(op: &Op, program: &Program) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    let weights = program.weights.index();
    match op {
        Op::Pass(pass) => {
            for lane in &pass.lanes {
                match &lane.values {
                    Values::Measure { left, right, minus, .. } => {
                        all.extend([left.register.index(), right.register.index()]);
                        all.extend(minus.map(|minus| minus.index()));
                    }
                    Values::Given(values) => _ = all.insert(values.index()),
                }
                if let Some(adjoint) = &lane.adjoint {
                    let applied = [&adjoint.left, &adjoint.right].into_iter().flatten();
                    all.extend(applied.map(|(applied, _)| applied.register.index()));
                    all.insert(weights);
                }
            }
        }
        Op::Combine(op) => {
            for (c, x) in &op.terms {
                scalars_of(c, &mut all);
                all.insert(x.index());
            }
            if let Some(only) = op.only {
                all.extend([only.index(), op.out.index()]);
            }
        }
        Op::MeasuredCombine(op) => {
            for (c, x) in &op.terms {
                scalars_of(c, &mut all);
                all.insert(x.index());
            }
            all.extend(op.times.map(|times| times.index()));
            if let Some(only) = op.only {
                all.extend([only.index(), op.out.index()]);
            }
        }
        Op::Dot { a, b, .. } => all.extend([a.index(), b.index()]),
        Op::MeasuredDot { a, b, .. } => all.extend([a.index(), b.index(), weights]),
        Op::Energy { residual, .. } => all.extend([residual.index(), weights]),
        Op::Formula { value, .. } => scalars_of(value, &mut all),
        Op::MeasuredClip(op) => {
            all.insert(op.x.index());
            for bound in op.bounds() {
                match bound {
                    Bound::All(formula) => scalars_of(formula, &mut all),
                    Bound::Each(register) => _ = all.insert(register.index()),
                }
            }
        }
        Op::LabelNoise(op) => {
            all.extend([op.base.index(), op.deviation.index(), op.stream.index(), op.turn.index()]);
        }
        Op::Precondition(op) => {
            all.extend([op.direction.index(), op.factor.index(), op.raised.index()]);
            scalars_of(&op.damping, &mut all);
        }
        // Other blocks of the result keep their values.
        Op::Product(op) => all.extend([op.a.register.index(), op.b.register.index(), op.out.register.index()]),
        Op::Host(op) => all.extend(op.inputs.iter().chain(&op.outputs).map(|register| register.index())),
    }
    all
}

/// Registers that an op writes.
pub(super) fn writes(op: &Op) -> BTreeSet<usize> {
    match op {
        Op::Pass(pass) => {
            let mut all = BTreeSet::new();
            for lane in &pass.lanes {
                if let Values::Measure { out, .. } = lane.values {
                    all.insert(out.index());
                }
                let adjoint = lane.adjoint.iter().flat_map(|adjoint| [&adjoint.left, &adjoint.right]);
                all.extend(adjoint.flatten().map(|(_, out)| out.register.index()));
            }
            all
        }
        Op::Combine(op) => [op.out.index()].into(),
        Op::MeasuredCombine(op) => [op.out.index()].into(),
        Op::MeasuredClip(op) => [op.out.index()].into(),
        Op::LabelNoise(op) => [op.out.index()].into(),
        Op::Dot { out, .. } | Op::MeasuredDot { out, .. } | Op::Energy { out, .. } | Op::Formula { out, .. } => {
            [out.index()].into()
        }
        Op::Precondition(op) => [op.out.index(), op.raised.index()].into(),
        Op::Product(op) => [op.out.register.index()].into(),
        Op::Host(op) => op.outputs.iter().map(|register| register.index()).collect(),
    }
}
