//! Problems with reproducible numbers, what the operator's own f64 functions make of them, and error bounds.

use std::sync::Arc;

use libtest_mimic::Failed;
use lowrank::gpu::Device;
use lowrank::internals::engine::{Engine, Load};
use lowrank::internals::gpu::{Options, load};
use lowrank::internals::tape::{Program, Sides};
use lowrank::methods::{Context, Method};
use lowrank::operators::{Dense, Layout, Loss, Operator};
use lowrank::problem::{Domain, Factors};
use lowrank::tape::Tape;

use crate::running::{Evaluator, Gradient, Running};

pub type Outcome = Result<(), Failed>;

/// Reproducible numbers in [-1, 1) that f32 holds exactly.
pub struct Stream(pub u64);

impl Stream {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 48) as u16) / 32_768.0 - 1.0
    }

    pub fn take(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// A problem and the numbers to run it with.
pub struct Case {
    pub operator: Arc<Dense>,
    pub k: usize,
    pub batch: usize,
    pub factors: Factors,
    pub target: Vec<f64>,
    pub weights: Vec<f64>,
    pub steps: Vec<f64>,
    /// Kernel variant to force.
    pub variant: Option<String>,
}

impl Case {
    pub fn new(n: usize, m: usize, k: usize, batch: usize) -> Self {
        let mut stream = Stream(9);
        Self {
            operator: Arc::new(Dense::gaussian(Domain::symmetric(n), m, 3).expect("a small operator")),
            k,
            batch,
            factors: Factors::single(batch, n, k, stream.take(batch * n * k)).expect("sizes"),
            target: stream.take(batch * m),
            weights: stream.take(batch * m).into_iter().map(f64::abs).collect(),
            steps: stream.take(batch).into_iter().map(|s| s.abs() / (8 * m * n) as f64).collect(),
            variant: None,
        }
    }

    pub fn forced(self, variant: &str) -> Self {
        Self { variant: Some(variant.to_owned()), ..self }
    }

    /// Trial `trial` alone.
    pub fn single(&self, trial: usize) -> Self {
        let (n, m) = (self.operator.domain().rows(), self.operator.measurements());
        let rows = trial * m..(trial + 1) * m;
        Self {
            operator: Arc::clone(&self.operator),
            k: self.k,
            batch: 1,
            factors: Factors::single(1, n, self.k, self.factors.left(trial).as_slice().to_vec()).expect("sizes"),
            target: self.target[rows.clone()].to_vec(),
            weights: self.weights[rows].to_vec(),
            steps: vec![self.steps[trial]],
            variant: self.variant.clone(),
        }
    }

    /// In paranoid mode.
    pub fn load_program(
        &self,
        device: &Device,
        options: Options,
        program: Arc<Program>,
    ) -> Result<Box<dyn Engine>, lowrank::Error> {
        let load_of = Load {
            operator: self.operator.clone(),
            program,
            increments: None,
            batch: self.batch,
            variant: self.variant.clone(),
        };
        load(device, &load_of, &Options { paranoid: true, ..options })
    }

    /// Gradient descent, ready to run.
    pub fn load(&self, device: &Device, options: Options) -> Result<Running<'static>, lowrank::Error> {
        let domain = self.operator.domain();
        let model = lowrank::Model::natural(&domain);
        let mut tape = Tape::new(model.recorded(), domain, self.k, Loss::Square, false, false);
        Method::from(Method::gd()).record(&mut tape, &Context::default())?;
        let program = Arc::new(tape.finish());
        let engine = self.load_program(device, options, program.clone())?;
        let mut running = Running { engine, program };
        running.put("observations", &self.target)?;
        running.put("weights", &self.weights)?;
        running.put("step_size", &self.steps)?;
        running.put("factors", self.factors.left_data())?;
        Ok(running)
    }

    /// What evaluates at points like this one, a single factor or a pair.
    pub fn evaluator(
        &self,
        device: &Device,
        options: Options,
        point: &Factors,
    ) -> Result<Evaluator<'static>, lowrank::Error> {
        let sides = if point.is_single() { Sides::One } else { Sides::Left };
        let load = |program| self.load_program(device, options, program);
        let mut evaluator = Evaluator::new(self.operator.as_ref(), self.k, sides, load)?;
        evaluator.observe(&self.target, &self.weights)?;
        Ok(evaluator)
    }

    /// A true pair (L, R) and another factor V.
    pub fn pair(&self) -> (Factors, Factors) {
        let (domain, mut stream) = (self.operator.domain(), Stream(77));
        let size = self.batch * domain.rows() * self.k;
        let pair = Factors::pair(self.batch, domain, self.k, stream.take(size), stream.take(size)).expect("sizes");
        (pair, Factors::single(self.batch, domain.rows(), self.k, stream.take(size)).expect("sizes"))
    }

    /// The gradient as the operator's own f64 functions give it.
    pub fn expected(&self, point: &Factors, applied: &Factors) -> Gradient {
        gradient(self.operator.as_ref(), point, applied, &self.target, &self.weights)
    }

    /// Bounds on the rounding errors of `residual` and `left` in f32, from the data: u·(number of roundings) times
    /// the sums of absolute values, and the residual's own error carried through the adjoint.
    pub fn bounds(&self, point: &Factors, applied: &Factors, expected: &Gradient) -> Gradient {
        let (n, m, k) = (self.operator.domain().rows(), self.operator.measurements(), self.k);
        let p = self.operator.domain().dimension();
        let rows: Vec<f64> = (0..m).flat_map(|i| self.operator.packed_row(i)).map(f64::abs).collect();
        let magnitude = Dense::from_rows(Domain::symmetric(n), Layout::Packed, &rows).expect("the same sizes");
        let (point, applied) = (absolute(point), absolute(applied));
        let unit = f64::from(f32::EPSILON) / 2.0;
        // A row's products are added by 64 threads or more, whose sums are added by trees and chains of 32 or fewer.
        let depth = (k + p.div_ceil(64) + 40) as f64 * unit;
        let plus: Vec<f64> = self.target.iter().map(|y| -y.abs()).collect();
        let sums = gradient(&magnitude, &point, &applied, &plus, &vec![0.0; plus.len()]).residual;
        let residual: Vec<f64> = sums.iter().map(|sum| depth * sum).collect();
        let deep = (m + n + 70) as f64 * unit;
        // Σ_i w_i·(Δe_i + deep·|e_i|)·|A_i||V|, with the adjoint of |A| applied to that.
        let shifted: Vec<f64> = expected
            .residual
            .iter()
            .zip(&residual)
            .map(|(e, error)| 1.01 * (error + deep * (e.abs() + error)))
            .collect();
        let mut left = vec![0.0; self.batch * n * k];
        for shard in 0..magnitude.shards() {
            let range = magnitude.shard_range(shard);
            let r: Vec<f64> = (0..self.batch)
                .flat_map(|b| range.clone().map(move |i| b * m + i))
                .map(|at| self.weights[at].abs() * shifted[at])
                .collect();
            magnitude.adjoint_apply(shard, &r, &applied, &mut left);
        }
        Gradient { residual, left, right: Vec::new() }
    }
}

pub fn absolute(factors: &Factors) -> Factors {
    let domain = Domain::symmetric(factors.rows());
    let abs = |data: &[f64]| data.iter().map(|v| v.abs()).collect::<Vec<f64>>();
    let (left, right) = (abs(factors.left_data()), abs(factors.right_data()));
    Factors::pair(factors.batch(), domain, factors.search_rank(), left, right).expect("sizes")
}

/// The gradient of the operator's own functions, in f64.
pub fn gradient(
    operator: &dyn Operator,
    point: &Factors,
    applied: &Factors,
    target: &[f64],
    weights: &[f64],
) -> Gradient {
    let (batch, m) = (point.batch(), operator.measurements());
    let mut residual = vec![0.0; batch * m];
    let mut left = vec![0.0; batch * point.rows() * point.search_rank()];
    for shard in 0..operator.shards() {
        let range = operator.shard_range(shard);
        let pick = |all: &[f64]| -> Vec<f64> {
            (0..batch).flat_map(|b| all[b * m + range.start..b * m + range.end].to_vec()).collect()
        };
        let (target, weights) = (pick(target), pick(weights));
        let mut part = vec![0.0; target.len()];
        operator.forward(shard, point, &mut part);
        part.iter_mut().zip(&target).for_each(|(e, target)| *e -= target);
        let r: Vec<f64> = part.iter().zip(&weights).map(|(e, w)| e * w).collect();
        operator.adjoint_apply(shard, &r, applied, &mut left);
        for (b, part) in part.chunks(range.len()).enumerate() {
            residual[b * m + range.start..b * m + range.end].copy_from_slice(part);
        }
    }
    Gradient { residual, left, right: Vec::new() }
}

pub fn within(what: &str, found: &[f64], expected: &[f64], bound: &[f64]) -> Outcome {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} numbers instead of {}", found.len(), expected.len()).into());
    }
    for (at, ((found, expected), bound)) in found.iter().zip(expected).zip(bound).enumerate() {
        let error = (found - expected).abs();
        if error.is_nan() || error > *bound {
            return Err(format!("{what}[{at}]: {found}, expected {expected} within {bound:e}").into());
        }
    }
    Ok(())
}

pub fn same(what: &str, found: &[f64], expected: &[f64]) -> Outcome {
    let differ = |(a, b): (&f64, &f64)| a.to_bits() != b.to_bits();
    match found.iter().zip(expected).position(differ) {
        _ if found.len() != expected.len() => Err(format!("{what}: lengths differ").into()),
        Some(at) => Err(format!("{what}[{at}]: {} is not {} bit for bit", found[at], expected[at]).into()),
        None => Ok(()),
    }
}

/// At a point, as an engine of its own gives it.
pub fn check_gradient(case: &Case, device: &Device, options: &Options, point: &Factors, applied: &Factors) -> Outcome {
    check_evaluation(case, &mut case.evaluator(device, options.clone(), point)?, point, applied)
}

pub fn check_evaluation(case: &Case, engine: &mut Evaluator<'_>, point: &Factors, applied: &Factors) -> Outcome {
    let found = engine.evaluate(point, applied)?;
    let expected = case.expected(point, applied);
    let bounds = case.bounds(point, applied, &expected);
    let label = format!(
        "n {} m {} k {} batch {}",
        case.operator.domain().rows(),
        case.operator.measurements(),
        case.k,
        case.batch
    );
    within(&format!("residual, {label}"), &found.residual, &expected.residual, &bounds.residual)?;
    within(&format!("left, {label}"), &found.left, &expected.left, &bounds.left)?;
    if found.right.is_empty() { Ok(()) } else { Err("a symmetric model has no right gradient".into()) }
}

/// One iteration from the case's factors is U − step·D for the active trials, with D as an evaluation gives it.
pub fn check_step(case: &Case, device: &Device, active: &[bool]) -> Outcome {
    let gradient = case.evaluator(device, Options::default(), &case.factors)?.evaluate(&case.factors, &case.factors)?;
    let mut engine = case.load(device, Options::default())?;
    // From elsewhere first, so that a kernel that leaves something out does not find the right numbers of the last one.
    engine.put("factors", case.pair().0.left_data())?;
    engine.run(1)?;
    engine.put("factors", case.factors.left_data())?;
    engine.set_active(active)?;
    engine.run(1)?;
    let old = case.factors.left_data();
    let step = |at: usize| {
        let trial = at / (old.len() / case.batch);
        if active[trial] { f64::from(case.steps[trial] as f32) } else { 0.0 }
    };
    let expected: Vec<f64> = (0..old.len()).map(|at| old[at] - step(at) * gradient.left[at]).collect();
    // A product and a difference, each rounded once; a frozen factor is exact.
    let bound: Vec<f64> = (0..old.len())
        .map(|at| match step(at) {
            0.0 => 0.0,
            step => f64::from(f32::EPSILON) * (old[at].abs() + 2.0 * (step * gradient.left[at]).abs()),
        })
        .collect();
    within("factor", &engine.factors()?, &expected, &bound)
}
