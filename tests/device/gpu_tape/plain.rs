//! A tape carried out op by op in f64, one trial after the other, from the matrices Aᵢ alone.

use std::collections::HashMap;

use lowrank::internals::tape::{Kind, MatrixProduct, Op, Precondition, Program, Role, Turns};
use lowrank::operators::{Loss, Operator};
use lowrank::tape::{Blocks, Bound, Expression, Held, Initial, Matrix, Measured, Register, Scalar, Values};

#[derive(Clone)]
pub struct Plain<'a> {
    operator: &'a dyn Operator,
    program: &'a Program,
    loss: Loss,
    /// Unit roundoff that preconditioners reckon with.
    unit: f64,
    pub batch: usize,
    pub values: Vec<Vec<f64>>,
    matrices: Vec<Vec<f64>>,
    pub active: Vec<bool>,
    turns: HashMap<u64, Turns>,
    iteration: usize,
}

impl<'a> Plain<'a> {
    pub fn new(operator: &'a dyn Operator, program: &'a Program, loss: Loss, batch: usize, unit: f64) -> Self {
        let m = operator.measurements();
        let values = program.registers().iter().map(|r| vec![0.0; batch * r.kind.len(m)]).collect();
        let matrices = (0..m).map(|i| operator.sensing_matrix(i)).collect();
        let active = vec![true; batch];
        Self { operator, program, loss, unit, batch, values, matrices, active, turns: HashMap::new(), iteration: 0 }
    }

    pub fn write(&mut self, register: Register, values: &[f64]) {
        self.values[register.index()] = values.to_vec();
    }

    pub fn begin(&mut self) {
        self.iteration = 0;
        for (register, declaration) in self.program.kept().collect::<Vec<_>>() {
            let Role::Kept(initial) = declaration.role else { continue };
            match initial {
                Initial::Iterate => self.values[register.index()] = self.values[self.program.iterate().index()].clone(),
                Initial::Number(value) => self.values[register.index()].fill(value),
                Initial::Parameter(scalar) => {
                    self.values[register.index()] = self.values[scalar.index()].clone();
                }
            }
        }
    }

    pub fn run(&mut self, iterations: usize) {
        let active = self.active.clone();
        for t in self.iteration..self.iteration + iterations {
            let program = self.program;
            for step in program.iteration().filter(|step| step.when.holds(t)) {
                for trial in (0..self.batch).filter(|trial| active[*trial]) {
                    self.op(&step.op, trial, t);
                }
            }
        }
        self.iteration += iterations;
    }

    fn range(&self, register: usize, trial: usize) -> std::ops::Range<usize> {
        let len = self.values[register].len() / self.batch;
        trial * len..(trial + 1) * len
    }

    fn of(&self, register: usize, trial: usize) -> Vec<f64> {
        self.values[register][self.range(register, trial)].to_vec()
    }

    fn put(&mut self, register: usize, trial: usize, values: &[f64]) {
        let range = self.range(register, trial);
        self.values[register][range].copy_from_slice(values);
    }

    fn number(&self, expression: &Expression, trial: usize) -> f64 {
        expression.value(&|scalar: Scalar| self.values[scalar.index()][trial])
    }

    fn place(&self, matrix: Matrix) -> (usize, usize, usize) {
        let Kind::Blocks(blocks) = &self.program.declaration(matrix.register).kind else { panic!("blocks") };
        let at: usize = blocks[..matrix.block].iter().map(|block| block.len()).sum();
        (at, blocks[matrix.block].rows, blocks[matrix.block].columns)
    }

    fn matrix(&self, matrix: Matrix, trial: usize) -> Vec<f64> {
        let (at, rows, columns) = self.place(matrix);
        self.of(matrix.register.index(), trial)[at..at + rows * columns].to_vec()
    }

    fn put_matrix(&mut self, matrix: Matrix, trial: usize, values: &[f64]) {
        let (at, rows, columns) = self.place(matrix);
        let mut all = self.of(matrix.register.index(), trial);
        all[at..at + rows * columns].copy_from_slice(values);
        self.put(matrix.register.index(), trial, &all);
    }

    fn weights(&self, trial: usize) -> Vec<f64> {
        self.of(self.program.find("weights").expect("weights").index(), trial)
    }

    fn mean(&self, values: &[f64], trial: usize, range: std::ops::Range<usize>) -> f64 {
        if !self.operator.is_centred() {
            return 0.0;
        }
        let w = self.weights(trial);
        let sum: f64 = range.clone().map(|i| w[i]).sum();
        if sum > 0.0 { range.filter(|i| w[*i] != 0.0).map(|i| w[i] * values[i]).sum::<f64>() / sum } else { 0.0 }
    }

    fn op(&mut self, op: &Op, trial: usize, t: usize) {
        let m = self.operator.measurements();
        match op {
            Op::Pass(pass) => {
                let range = match pass.group {
                    Some(groups) => groups.range(self.turns.entry(groups.seed).or_default().group(groups, t), m),
                    None => 0..m,
                };
                let lanes = pass.lanes.clone();
                let mut results = Vec::new();
                for lane in &lanes {
                    let (n1, n2) = (self.operator.domain().rows(), self.operator.domain().columns());
                    let v = match &lane.values {
                        Values::Given(values) => self.of(values.index(), trial),
                        Values::Measure { left, right, minus, out } => {
                            let minus = minus.map_or(vec![0.0; m], |minus| self.of(minus.index(), trial));
                            let mut v = self.of(out.index(), trial);
                            self.measure((*left, *right), trial, range.clone(), &minus, &mut v);
                            results.push((*out, v.clone()));
                            v
                        }
                    };
                    let Some(adjoint) = &lane.adjoint else { continue };
                    let (w, mean) = (self.weights(trial), self.mean(&v, trial, range.clone()));
                    let mut g = vec![0.0; n1 * n2];
                    for i in range.clone() {
                        let e = v[i] - mean;
                        let e = w[i] * if adjoint.influence { self.loss.derivative(e) } else { e };
                        g.iter_mut().zip(&self.matrices[i]).for_each(|(g, a)| *g += e * a);
                    }
                    for (side, pair) in [adjoint.left, adjoint.right].into_iter().enumerate() {
                        let Some((applied, out)) = pair else { continue };
                        let (x, (_, _, k)) = (self.matrix(applied, trial), self.place(applied));
                        let (rows, inner) = if side == 0 { (n1, n2) } else { (n2, n1) };
                        let of = |i: usize, j: usize| if side == 0 { g[i * n2 + j] } else { g[j * n2 + i] };
                        let product: Vec<f64> = (0..rows * k)
                            .map(|at| (0..inner).map(|j| of(at / k, j) * x[j * k + at % k]).sum())
                            .collect();
                        self.put_matrix(out, trial, &product);
                    }
                }
                for (out, v) in results {
                    self.put(out.index(), trial, &v);
                }
            }
            Op::Combine(op) => {
                let columns = |entry: usize| self.column(op.out, entry);
                let mut sum = vec![0.0; self.of(op.out.index(), trial).len()];
                for (c, x) in &op.terms {
                    let c = self.number(c, trial);
                    sum.iter_mut().zip(self.of(x.index(), trial)).for_each(|(s, x)| *s += c * x);
                }
                if let Some(positive) = op.positive {
                    let negative: Vec<bool> = (0..sum.len()).map(|entry| columns(entry) >= positive).collect();
                    sum.iter_mut().zip(negative).for_each(|(s, negative)| *s = if negative { -*s } else { *s });
                }
                if op.only.is_none_or(|only| self.values[only.index()][trial] != 0.0) {
                    self.put(op.out.index(), trial, &sum);
                }
            }
            Op::MeasuredCombine(op) => {
                let mut sum = vec![0.0; m];
                for (c, x) in &op.terms {
                    let c = self.number(c, trial);
                    sum.iter_mut().zip(self.of(x.index(), trial)).for_each(|(s, x)| *s += c * x);
                }
                if let Some(times) = op.times {
                    sum.iter_mut().zip(self.of(times.index(), trial)).for_each(|(s, x)| *s *= x);
                }
                if op.only.is_none_or(|only| self.values[only.index()][trial] != 0.0) {
                    self.put(op.out.index(), trial, &sum);
                }
            }
            Op::Dot { out, a, b } => {
                let sum = self.of(a.index(), trial).iter().zip(self.of(b.index(), trial)).map(|(a, b)| a * b).sum();
                self.put(out.index(), trial, &[sum]);
            }
            Op::MeasuredDot { out, a, b } => {
                let (x, y, w) = (self.of(a.index(), trial), self.of(b.index(), trial), self.weights(trial));
                let (mx, my) = (self.mean(&x, trial, 0..m), self.mean(&y, trial, 0..m));
                let term = |i: usize| if w[i] == 0.0 { 0.0 } else { w[i] * (x[i] - mx) * (y[i] - my) };
                self.put(out.index(), trial, &[(0..m).map(term).sum()]);
            }
            Op::Energy { out, residual, group } => {
                let range = match group {
                    Some(groups) => groups.range(self.turns.entry(groups.seed).or_default().group(*groups, t), m),
                    None => 0..m,
                };
                self.energy(*out, *residual, range, trial);
            }
            Op::Formula { out, value } => {
                let value = self.number(value, trial);
                self.put(out.index(), trial, &[value]);
            }
            Op::Precondition(op) => self.precondition(op, trial),
            Op::Product(op) => self.product(op, trial),
            Op::MeasuredClip(op) => {
                let bounds = |of: &Option<Bound>, none: f64| match of {
                    Some(Bound::All(formula)) => vec![self.number(formula, trial); m],
                    Some(Bound::Each(register)) => self.of(register.index(), trial),
                    None => vec![none; m],
                };
                let (lower, upper) = (bounds(&op.lower, f64::NEG_INFINITY), bounds(&op.upper, f64::INFINITY));
                let x = self.of(op.x.index(), trial);
                let values: Vec<f64> = (0..m).map(|i| x[i].max(lower[i]).min(upper[i])).collect();
                self.put(op.out.index(), trial, &values);
            }
            Op::LabelNoise(op) => {
                let of = |scalar: Scalar| self.values[scalar.index()][trial];
                let noise = label_noise(of(op.stream), of(op.turn));
                let values: Vec<f64> = (self.of(op.base.index(), trial).iter().zip(noise))
                    .map(|(base, noise)| base + of(op.deviation) * noise)
                    .collect();
                self.put(op.out.index(), trial, &values);
            }
            Op::Host(op) => {
                let inputs: Vec<Vec<f64>> = op.inputs.iter().map(|r| self.of(r.index(), trial)).collect();
                let inputs: Vec<Held<'_>> = inputs.iter().map(|numbers| Held::F64(numbers)).collect();
                let outputs = op.run_each(&[inputs]).expect("a function that works").remove(0);
                for (register, left) in op.outputs.iter().zip(&outputs) {
                    if let Some(values) = left.numbers() {
                        self.put(register.index(), trial, &values);
                    }
                }
            }
        }
    }

    /// v = A(L Rᵀ) − minus in a range.
    fn measure(
        &self,
        (left, right): (Matrix, Matrix),
        trial: usize,
        range: std::ops::Range<usize>,
        minus: &[f64],
        v: &mut [f64],
    ) {
        let ((_, n1, k), (_, n2, _)) = (self.place(left), self.place(right));
        let (l, r) = (self.matrix(left, trial), self.matrix(right, trial));
        for i in range {
            let a = &self.matrices[i];
            let mut sum = 0.0;
            for p in 0..n1 {
                for q in 0..n2 {
                    let z: f64 = (0..k).map(|c| l[p * k + c] * r[q * k + c]).sum();
                    sum += a[p * n2 + q] * z;
                }
            }
            v[i] = sum - minus[i];
        }
    }

    fn energy(&mut self, out: Scalar, residual: Measured, range: std::ops::Range<usize>, trial: usize) {
        let (e, w) = (self.of(residual.index(), trial), self.weights(trial));
        let mean = self.mean(&e, trial, range.clone());
        let term = |i: usize| if w[i] == 0.0 { 0.0 } else { w[i] * self.loss.value(e[i] - mean) };
        let sum = range.map(term).sum();
        self.put(out.index(), trial, &[sum]);
    }

    fn column(&self, of: Blocks, mut entry: usize) -> usize {
        let Kind::Blocks(blocks) = &self.program.declaration(of).kind else { panic!("blocks") };
        for block in blocks {
            if entry < block.len() {
                return entry % block.columns;
            }
            entry -= block.len();
        }
        panic!("past the end")
    }

    fn precondition(&mut self, op: &Precondition, trial: usize) {
        let damping = self.number(&op.damping, trial);
        let mut any = false;
        for (side, partner) in op.partners.iter().enumerate() {
            let v = self.matrix(op.factor.block(*partner), trial);
            let (_, rows, k) = self.place(op.factor.block(*partner));
            let mut gram: Vec<f64> =
                (0..k * k).map(|at| (0..rows).map(|r| v[r * k + at / k] * v[r * k + at % k]).sum()).collect();
            let least = 4.0 * k as f64 * self.unit * (0..k).map(|c| gram[c * k + c]).sum::<f64>();
            let lambda = damping.max(least);
            let d = self.matrix(op.direction.block(side), trial);
            let mut out = d.clone();
            if damping.is_finite() && lambda > 0.0 {
                any |= damping < least;
                (0..k).for_each(|c| gram[c * k + c] += lambda);
                for (row, d) in out.chunks_mut(k).zip(d.chunks(k)) {
                    row.copy_from_slice(&solved(gram.clone(), d.to_vec(), k));
                }
            }
            self.put_matrix(op.out.block(side), trial, &out);
        }
        if any {
            self.values[op.raised.index()][trial] += 1.0;
        }
    }

    fn product(&mut self, op: &MatrixProduct, trial: usize) {
        let turned = |of: Matrix, transposed: bool| {
            let (_, rows, columns) = self.place(of);
            let x = self.matrix(of, trial);
            if !transposed {
                return (rows, columns, x);
            }
            (columns, rows, (0..x.len()).map(|at| x[at % rows * columns + at / rows]).collect())
        };
        let ((rows, inner, a), (_, columns, b)) = (turned(op.a, op.transpose_a), turned(op.b, op.transpose_b));
        let product: Vec<f64> = (0..rows * columns)
            .map(|at| (0..inner).map(|t| a[at / columns * inner + t] * b[t * columns + at % columns]).sum())
            .collect();
        self.put_matrix(op.out, trial, &product);
    }
}

/// Solves the symmetric system by elimination.
fn solved(mut a: Vec<f64>, mut x: Vec<f64>, k: usize) -> Vec<f64> {
    for p in 0..k {
        for i in p + 1..k {
            let f = a[i * k + p] / a[p * k + p];
            for j in p..k {
                a[i * k + j] -= f * a[p * k + j];
            }
            x[i] -= f * x[p];
        }
    }
    for p in (0..k).rev() {
        for j in p + 1..k {
            x[p] -= a[p * k + j] * x[j];
        }
        x[p] /= a[p * k + p];
    }
    x
}

/// ξ of `src/tape/noise.rs` for the measurements in order, with the steps of the hash written again.
fn label_noise(stream: f64, turn: f64) -> impl Iterator<Item = f64> {
    const C: u32 = 0x9e37_79b9;
    let times = |x: u32, by: u32| x.wrapping_mul(by);
    let mix = move |x: u32| {
        let x = times(x ^ (x >> 16), 0x21f0_aaad);
        let x = times(x ^ (x >> 15), 0x735a_2d97);
        x ^ (x >> 15)
    };
    let key = move |low: u32, s: [u32; 2]| {
        let b = mix(low.wrapping_add(s[0]));
        let a = low ^ mix(b.wrapping_add(s[1]));
        let b = b ^ mix(a.wrapping_add(s[0]).wrapping_add(C));
        [a ^ mix(b.wrapping_add(s[1]).wrapping_add(C)), b]
    };
    let seed = key(0, [0x243f_6a88, 0x85a3_08d3]);
    let (t, s) = (key(turn as u32, seed), key(stream as u32 | 1 << 31, seed));
    let bytes = move |q: u32| {
        let x = times(q, C).wrapping_add(t[0] ^ s[0]);
        let x = times(x ^ (x >> 15), 0x21f0_aaad) ^ t[1] ^ s[1];
        let x = times(x ^ (x >> 13), 0x735a_2d97);
        (x ^ (x >> 16)).to_le_bytes().into_iter().map(f64::from).sum::<f64>()
    };
    (0..).map(move |i: u32| (bytes(i) + bytes(i ^ 1 << 31) - 1020.0) / 43690_f64.sqrt())
}
