//! Exact steps in one pass an iteration, and in two: the same iterates but for roundings.

use std::sync::Arc;

use lowrank::internals::laws::Place;
use lowrank::internals::tape::{Kind, Program, Role};
use lowrank::methods::{Context, Method, StepRule};
use lowrank::operators::{Dense, Loss, Operator, RankOne, Seeded};
use lowrank::problem::{Domain, Factors, synthetic};
use lowrank::tape::Tape;
use lowrank::{Backend, Model, Precision, Problem, Settings, Solver, Stop};

use crate::running::Running;
use crate::thin::ThinOperator;

const N: usize = 9;
const K: usize = 3;
const M: usize = 200;

/// Passes in an iteration that Context asks for.
#[derive(Clone, Copy, PartialEq)]
enum Passes {
    One,
    Two,
}

fn program(method: &Method, model: &Model, passes: Passes, ridge: bool) -> Arc<Program> {
    let flops_per_byte = if passes == Passes::One { 1.0 } else { 100.0 };
    let mut tape = Tape::new(model.recorded(), Domain::symmetric(N), K, Loss::Square, false, ridge);
    method.record(&mut tape, &Context { flops_per_byte, ..Context::default() }).unwrap();
    Arc::new(tape.finish())
}

fn methods() -> Vec<Method> {
    vec![
        Method::cg().into(),
        Method::gd().step_rule(StepRule::Exact).into(),
        Method::scaled_gd().damping(0.1).step_rule(StepRule::Exact).into(),
        Method::prec_gd().step_rule(StepRule::Exact).into(),
    ]
}

/// Stored rows, made rows, vectors with centred residuals, and operators that run through the reference implementation.
fn operators() -> Vec<(&'static str, Arc<dyn Operator>)> {
    let domain = Domain::symmetric(N);
    vec![
        ("dense", Arc::new(Dense::gaussian(domain, M, 3).unwrap())),
        ("seeded", Arc::new(Seeded::new(domain, M, 3).unwrap())),
        ("rank-one", Arc::new(RankOne::gaussian(domain, M, 3).unwrap())),
        ("centred", Arc::new(RankOne::gaussian(domain, M, 3).unwrap().centred(true).unwrap())),
        ("reference", Arc::new(ThinOperator::vectors(domain, M, 2, 3, false))),
        ("centred reference", Arc::new(ThinOperator::vectors(domain, M, 2, 3, false).centred())),
        ("entries", Arc::new(ThinOperator::entries(domain, M, 3))),
    ]
}

/// Near a solution, or at it: far away exact steps of steepest descent are chaotic, and roundings become large whatever makes them.
fn near_by(share: f64) -> Vec<f64> {
    let at = |at: usize| (2.1 * at as f64).sin() + share * (1.3 * at as f64).cos();
    (0..N * K).map(at).collect()
}

/// L and R of the matrix that is measured.
fn truth(model: &Model) -> Factors {
    let left = near_by(0.0);
    let sign = |column: usize| if model.signature().is_some_and(|(p, _)| column >= p) { -1.0 } else { 1.0 };
    let right = left.iter().enumerate().map(|(at, v)| v * sign(at % K)).collect();
    Factors::pair(1, Domain::symmetric(N), K, left, right).unwrap()
}

/// An engine at the start, with observations that no matrix fits.
fn start(operator: &Arc<dyn Operator>, place: &Place, program: Arc<Program>, model: &Model) -> Running<'static> {
    let load = lowrank::internals::engine::Load {
        operator: operator.clone(),
        program: program.clone(),
        increments: None,
        batch: 1,
        variant: None,
    };
    let mut running = Running { engine: place.load(&load).unwrap(), program: program.clone() };
    let mut y = vec![0.0; operator.measurements()];
    for shard in 0..operator.shards() {
        operator.forward(shard, &truth(model), &mut y[operator.shard_range(shard)]);
    }
    y.iter_mut().enumerate().for_each(|(i, y)| *y += 0.1 * (i as f64 * 0.7).sin());
    running.put("observations", &y).unwrap();
    let names: Vec<(String, Kind, Role)> =
        program.registers().iter().map(|of| (of.name.clone(), of.kind.clone(), of.role)).collect();
    for (name, ..) in names.iter().filter(|(_, kind, role)| (kind, role) == (&Kind::Scalar, &Role::Input)) {
        running.put(name, &[if name == "ridge" { 0.5 } else { 0.05 }]).unwrap();
    }
    running.put("factors", &near_by(0.1)).unwrap();
    running
}

fn far(found: &[f64], expected: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let off = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    off / norm(&mut expected.iter().copied())
}

#[test]
fn one_pass_moves_as_two_do() {
    let places = Place::host();
    for (named, operator) in operators() {
        for model in [Model::psd(), Model::signed(2, 1)] {
            for (method, ridge) in methods().into_iter().zip([true, false].into_iter().cycle()).chain(
                // cg both ways.
                methods().into_iter().take(1).zip([false]),
            ) {
                let [one, two] = [Passes::One, Passes::Two].map(|passes| program(&method, &model, passes, ridge));
                assert_eq!((one.passes(), two.passes()), (1.0, 2.0));
                for place in places.iter().filter(|place| place.precision == Precision::F64 && place.variant.is_none())
                {
                    let mut found = start(&operator, place, one.clone(), &model);
                    let mut expected = start(&operator, place, two.clone(), &model);
                    for t in 0..30 {
                        let what = format!("{method:?} {model:?} ridge {ridge} on {named}, {}: {t}", place.name);
                        let off = far(&found.residual().unwrap(), &expected.residual().unwrap());
                        assert!(off < 1e-9, "{what}: residuals are {off:e} apart");
                        let off = far(&found.factors().unwrap(), &expected.factors().unwrap());
                        assert!(off < 1e-9, "{what}: factors are {off:e} apart");
                        for running in [&mut found, &mut expected] {
                            running.run(1).unwrap();
                        }
                    }
                }
            }
        }
    }
}

/// An operator whose passes think longer than they read.
struct Thoughtful(Dense);

impl Operator for Thoughtful {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn domain(&self) -> Domain {
        self.0.domain()
    }
    fn measurements(&self) -> usize {
        self.0.measurements()
    }
    fn normalization(&self) -> f64 {
        self.0.normalization()
    }
    fn shards(&self) -> usize {
        self.0.shards()
    }
    fn shard_range(&self, shard: usize) -> std::ops::Range<usize> {
        self.0.shard_range(shard)
    }
    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        self.0.sensing_matrix(i)
    }
    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
        self.0.forward(shard, point, out);
    }
    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        self.0.adjoint_apply(shard, residual, applied, out);
    }
    fn cost(&self, batch: usize, search_rank: usize) -> lowrank::operators::Cost {
        let cost = self.0.cost(batch, search_rank);
        lowrank::operators::Cost::new(cost.bytes, 20.0 * cost.flops)
    }
    fn accelerate(&self) -> lowrank::operators::Acceleration<'_> {
        self.0.accelerate()
    }
}

/// The declared cost decides, for all trials of a batch and all backends alike; errors are the same either way.
#[test]
fn runs_take_one_pass_where_reading_is_what_it_costs() {
    let truth = synthetic::psd(20).rank(2).seed(4).build().unwrap();
    let dense = || Dense::gaussian(truth.domain(), 600, 5).unwrap();
    let solved = |problem: Problem, model: Model, precision: Precision| {
        let settings = Settings::new(Method::cg())
            .model(model)
            .search_rank(3)
            .precision(precision)
            .stop(Stop::default().relative_error(1e-5).max_iterations(200));
        let mut solver = Solver::new(problem, settings, Backend::Cpu).unwrap();
        let solution = solver.solve().unwrap();
        let info = solution.engine.clone();
        let bytes = info.operator_bytes_per_iteration / info.operator_bytes as f64;
        (bytes, solution.best().iterations, solution.best().relative_error.unwrap())
    };
    let of = |operator: Dense| Problem::measure(operator, truth.clone()).unwrap();
    for precision in [Precision::F32, Precision::F64] {
        let one = solved(of(dense()), Model::psd(), precision);
        let two = solved(Problem::measure(Thoughtful(dense()), truth.clone()).unwrap(), Model::psd(), precision);
        assert_eq!((one.0, two.0), (1.0, 2.0), "bytes of an iteration in those of the data");
        assert!(one.1.abs_diff(two.1) <= 1 && one.2 <= 1e-5 && two.2 <= 1e-5, "{one:?} {two:?}");
    }
    let pair = solved(of(dense()), Model::asymmetric(), Precision::F64);
    assert_eq!(pair.0, 2.0, "two factors");
    let vectors = RankOne::gaussian(truth.domain(), 600, 5).unwrap();
    let thin = solved(Problem::measure(vectors, truth.clone()).unwrap(), Model::psd(), Precision::F64);
    assert_eq!(thin.0, 2.0, "vectors");
}
