//! A weight of unobserved entries on every backend: the iterates of the reference engine.

use libtest_mimic::{Failed, Trial as Test};
use lowrank::internals::{Purpose, normals};
use lowrank::methods::{Method, StepRule};
use lowrank::operators::Entries;
use lowrank::operators::entries::Implicit;
use lowrank::problem::{Block, Domain, Factors};
use lowrank::{Backend, Init, Precision, Problem, Settings, Solver, Stop};

/// Sizes at which no block fills its workgroups.
const SHAPE: (usize, usize) = (67, 45);
const K: usize = 5;

fn problem() -> Problem {
    let seen: Vec<usize> = (0..SHAPE.0 * SHAPE.1).filter(|at| (at * 31 + at / 7) % 11 < 2).collect();
    let (rows, columns): (Vec<_>, Vec<_>) = seen.iter().map(|at| (at / SHAPE.1, at % SHAPE.1)).unzip();
    let counts: Vec<f64> = seen.iter().map(|at| (1 + at % 3) as f64).collect();
    let of = Implicit::new(4.0).unwrap().confidences(&counts).unwrap();
    let operator = Entries::new(Domain::rectangular(SHAPE.0, SHAPE.1), &rows, &columns).unwrap();
    Problem::new(operator, of.targets).unwrap().with_weights(of.weights).unwrap()
}

/// Factors after three iterations, left above right.
fn after_three(method: &Method, backend: &Backend) -> Vec<f64> {
    let drawn = |seed, count| normals(seed, Purpose::Init, 0.5, count);
    let blocks = vec![Block::new(SHAPE.0, K, drawn(1, SHAPE.0 * K)), Block::new(SHAPE.1, K, drawn(2, SHAPE.1 * K))];
    let settings = Settings::new(method.clone())
        .unobserved_weight(Implicit::UNOBSERVED_WEIGHT)
        .ridge(3.0)
        .init(Init::Given(Factors::of_blocks(1, blocks).unwrap()))
        .precision(if *backend.word() == *"reference" { Precision::F64 } else { Precision::F32 })
        .stop(Stop::default().max_iterations(3));
    let solution = Solver::new(problem(), settings, backend.clone()).unwrap().solve().unwrap();
    let best = solution.best();
    [best.left().as_slice(), best.right().as_slice()].concat()
}

fn as_the_reference(method: &Method, backend: &Backend) -> Result<(), Failed> {
    let (wanted, found) = (after_three(method, &Backend::Reference), after_three(method, backend));
    let size = wanted.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    let worst = wanted.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    if worst.is_nan() || worst > 1e-4 * size {
        return Err(format!("{method}: apart by {worst:e} of {size:e}").into());
    }
    Ok(())
}

pub fn trials() -> Vec<Test> {
    let methods: [Method; 5] = [
        Method::cg().into(),
        Method::lbfgs().into(),
        Method::gd().into(),
        Method::prec_gd().step_rule(StepRule::Armijo).into(),
        Method::alt_scaled_gd().step_rule(StepRule::Exact).into(),
    ];
    let mut backends = vec![("cpu".to_owned(), Backend::Cpu)];
    let devices = crate::common::devices();
    backends.extend(devices.into_iter().map(|device| (format!("gpu:{}", device.name()), Backend::Gpu(device))));
    let mut tests = Vec::new();
    for (name, backend) in backends {
        for method in methods.clone() {
            let backend = backend.clone();
            tests.push(Test::test(format!("{method}, {name}"), move || as_the_reference(&method, &backend)));
        }
    }
    tests.extend(crate::common::missing_adapter("implicit"));
    tests
}
