//! Coded diffraction patterns on graphics adapters: laws over pictures, and larger signals against the processor.

use std::sync::{Arc, OnceLock};

use crate::common::{Outcome, ensure, own, own_backend};
use crate::says::assert_says;
use libtest_mimic::{Failed, Trial};
use lowrank::gpu::Device;
use lowrank::internals::engine::Load;
use lowrank::internals::gpu::{Options, load as load_on};
use lowrank::internals::laws::{ENGINE_LAWS, Held, Place};
use lowrank::internals::tape::{Evaluation, Sides};
use lowrank::memory::Location;
use lowrank::operators::{CodedDiffraction, Loss, Operator};
use lowrank::problem::{Domain, Factors, Truth};
use lowrank::{Backend, Method, Model, Precision, Problem, Settings, Solver, Stop};

/// Name, shape, and the measured pixels of all patterns.
type Subject = (&'static str, &'static [usize], std::ops::Range<usize>);

/// Axes on both sides of a call's end, axes of one pixel, and patterns of which the first and the last are measured in part.
const SUBJECTS: &[Subject] = &[
    ("4x8 m=151", &[4, 8], 9..160),
    ("8x1x2 m=45", &[8, 1, 2], 0..45),
    ("2x32 m=200", &[2, 32], 70..270),
    ("64 m=64", &[64], 0..64),
    ("1x1 m=3", &[1, 1], 0..3),
];

fn operator(shape: &[usize], measured: std::ops::Range<usize>) -> Arc<dyn Operator> {
    let all = CodedDiffraction::random(shape, measured.end, 3).expect("a small operator").centred(false);
    if measured.start == 0 { Arc::new(all) } else { all.slice(measured).expect("measurements that there are") }
}

fn wave(count: usize, pitch: f64) -> Vec<f64> {
    (0..count).map(|i| (i as f64 * pitch).sin() + 0.3 * (i as f64 * 0.11).cos()).collect()
}

/// Signals that take several calls of a transform: e and G V for two factors, one and several panels.
fn agrees(device: &Device, shape: &[usize], precision: Precision) -> Outcome {
    let n: usize = shape.iter().product();
    let (operator, batch, k) = (operator(shape, n / 2..2 * n + 5), 2, 2);
    let (m, domain) = (operator.measurements(), operator.domain());
    let at = Evaluation::new(Sides::Left, domain, k, Loss::Square);
    let [l, r, v] = [0.7, 0.9, 1.3].map(|pitch| wave(batch * 2 * n * k, pitch));
    let (y, w) = (wave(batch * m, 0.5), wave(batch * m, 0.2));
    let pair = Factors::pair(batch, domain, k, l.clone(), r.clone())?;
    let applied = Factors::single(batch, 2 * n, k, v.clone())?;
    let (mut e, mut gradient) = (vec![0.0; batch * m], vec![0.0; batch * 2 * n * k]);
    operator.forward(0, &pair, &mut e);
    e.iter_mut().zip(&y).for_each(|(e, y)| *e -= y);
    let pulled: Vec<f64> = e.iter().zip(&w).map(|(e, w)| e * w).collect();
    operator.adjoint_apply(0, &pulled, &applied, &mut gradient);
    let mut whole: Option<[Vec<f64>; 2]> = None;
    for panel_bytes in [None, Some(4096)] {
        let load =
            Load { operator: operator.clone(), program: at.program.clone(), increments: None, batch, variant: None };
        let options = Options { precision, panel_bytes, paranoid: true, ..Options::default() };
        let mut engine = load_on(device, &load, &options)?;
        let inputs = [(at.target, y.clone()), (at.weights, w.clone())];
        let factors = [(at.point, stacked(&l, &r, batch)), (at.applied, stacked(&v, &v, batch))];
        inputs.iter().chain(&factors).try_for_each(|(to, numbers)| engine.write(*to, numbers))?;
        let found = [engine.read(at.residual)?, left_of(&engine.read(at.gradient)?, batch)];
        for (name, (found, expected)) in ["residual", "gradient"].iter().zip(found.iter().zip([&e, &gradient])) {
            let apart = norm(found.iter().zip(expected).map(|(a, b)| a - b)) / norm(expected.iter().copied());
            let bound = 30.0 * precision.unit_roundoff();
            ensure(apart < bound, || format!("{name} of {shape:?}, panels {panel_bytes:?}: {apart:e}"))?;
        }
        let panels = engine.info().panels;
        ensure((panels > 1) == panel_bytes.is_some(), || format!("{panels} panels"))?;
        let same = whole.is_none_or(|whole| whole == found);
        ensure(same, || format!("{shape:?}: panels and short calls change bits"))?;
        whole = Some(found);
    }
    Ok(())
}

fn norm(of: impl Iterator<Item = f64>) -> f64 {
    of.map(|v| v * v).sum::<f64>().sqrt()
}

/// L above R of each trial.
fn stacked(l: &[f64], r: &[f64], batch: usize) -> Vec<f64> {
    let size = l.len() / batch;
    l.chunks(size).zip(r.chunks(size)).flat_map(|(l, r)| [l, r].concat()).collect()
}

/// The first half of each trial.
fn left_of(both: &[f64], batch: usize) -> Vec<f64> {
    let size = both.len() / batch;
    both.chunks(size).flat_map(|both| &both[..size / 2]).copied().collect()
}

/// Descent keeps the transforms of the point for its gradient: as on the processor, for one factor and for two.
fn descends(device: &Device) -> Outcome {
    for (name, model) in [("psd", Model::psd()), ("signed", Model::signed(1, 1))] {
        let truth = Truth::from_factor_on(Domain::hermitian(64), 1, wave(128, 0.7))?;
        let operator = CodedDiffraction::random(&[8, 8], 6 * 64, 1)?;
        let problem = Problem::measure(operator, truth)?;
        let run = |backend: Backend| -> Result<f64, Failed> {
            let settings = Settings::new(Method::gd()).model(model.clone()).search_rank(2).precision(Precision::F64);
            let stop = Stop::default().max_iterations(5);
            let solution = Solver::new(problem.clone(), settings.stop(stop), backend)?.solve()?;
            solution.best().relative_error.ok_or_else(|| "no error".into())
        };
        let (found, expected) = (run(Backend::Gpu(device.clone()))?, run(Backend::Cpu)?);
        ensure((found - expected).abs() < 1e-9 * expected, || format!("{name}: {found}, {expected}"))?;
    }
    Ok(())
}

/// Other axes, and less memory than masks and transforms take.
fn refusals(device: &Device) -> Outcome {
    let load = |shape: &[usize], memory_bytes| {
        let operator = operator(shape, 0..4 * shape.iter().product::<usize>());
        let program = Evaluation::new(Sides::One, operator.domain(), 2, Loss::Square).program;
        let load = Load { operator, program, increments: None, batch: 1, variant: None };
        let engine = load_on(device, &load, &Options { memory_bytes, ..Options::default() })?;
        Ok::<_, lowrank::Error>(engine.info().memory.bytes(Location::Device))
    };
    let axes = load(&[4, 12], None).expect_err("an axis of twelve").to_string();
    assert_says(&axes, &["diffraction", "12 pixels", "powers of two", "'cpu'"]);
    let needed = load(&[32, 32], None)?;
    let memory = load(&[32, 32], Some(100)).expect_err("too little memory").to_string();
    assert_says(&memory, &["device_memory", "100 bytes"]);
    // Fewer patterns at a time take less.
    let less = load(&[32, 32], Some(needed - 1))?;
    ensure(less < needed, || format!("{less} bytes"))
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for device in crate::common::devices() {
        for place in Place::adapter(&device).into_iter().filter(|place| place.variant.is_none()) {
            for (name, shape, measured) in SUBJECTS {
                let shared: Arc<OnceLock<Arc<dyn Operator>>> = Arc::default();
                for law in ENGINE_LAWS.iter().filter(|law| !["exact on integers", "declared bytes"].contains(&law.name))
                {
                    let (place, shared) = (place.clone(), shared.clone());
                    let make = || operator(shape, measured.clone());
                    let domain = shared.get_or_init(make).domain();
                    if !law.concerns(domain) {
                        continue;
                    }
                    trials.push(Trial::test(format!("{name}, {}: {}", place.name, law.name), move || {
                        let place = Place { backend: own_backend(&place.backend), ..place };
                        match law.check(&**shared.get_or_init(make), &place) {
                            Ok(Held::Holds) => Ok(()),
                            Ok(Held::NotApplicable) => Err("the law did not apply: this test checked nothing".into()),
                            Err(why) => Err(Failed::from(why)),
                        }
                    }));
                }
            }
        }
        let double = device.require(Precision::F64).is_ok();
        let precisions = [Precision::F32, Precision::F64].into_iter().filter(|of| double || *of == Precision::F32);
        for precision in precisions {
            for shape in [&[64, 64][..], &[8192], &[2, 4096]] {
                let (device, name) = (device.clone(), format!("{shape:?} in {} agrees", precision.word()));
                trials.push(Trial::test(name, move || agrees(&own(&device), shape, precision)));
            }
        }
        let first = device.clone();
        trials.push(Trial::test("what cannot be is refused", move || refusals(&own(&first))));
        if double {
            trials.push(Trial::test("descends like the processor", move || descends(&own(&device))));
        }
    }
    trials.extend(crate::common::missing_adapter("patterns"));
    trials
}
