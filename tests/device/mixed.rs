//! Mixed precision: past the floor of f32 without 64-bit hardware, by an f64 centre that is recomputed now and then.

use std::ops::ControlFlow;

use libtest_mimic::{Failed, Trial as Test};
use lowrank::memory::Location;
use lowrank::operators::{Dense, Operator, Storage};
use lowrank::problem::{MatrixView, synthetic};
use lowrank::{
    Backend, Init, Method, Precision, Problem, Schedule, Settings, Solution, Solver, Status, Stop, Trial, TrialSolution,
};

use crate::common::{Outcome, ensure, own_backend};

fn gd(search_rank: usize, scale: f64, seed: u64, iterations: usize) -> Settings {
    Settings::new(Method::gd())
        .search_rank(search_rank)
        .step_size(0.25)
        .init(Init::SmallRandom { scale, seed })
        .stop(Stop::default().max_iterations(iterations).stall_window(None))
}

fn solve(problem: &Problem, settings: Settings, backend: &Backend) -> Result<Solution, Failed> {
    Ok(Solver::new(problem.clone(), settings, backend.clone())?.solve()?)
}

fn mixed(problem: &Problem, settings: Settings, backend: &Backend) -> Result<Solution, Failed> {
    solve(problem, settings.precision(Precision::Mixed), backend)
}

fn error(trial: &TrialSolution) -> Result<f64, Failed> {
    Ok(trial.relative_error.ok_or("no error")?)
}

/// n×n of rank r, seen through m matrices held in `storage`.
fn problem(n: usize, r: usize, m: usize, seed: u64, storage: Storage) -> Result<Problem, Failed> {
    let truth = synthetic::psd(n).rank(r).seed(seed).build()?;
    let operator = Dense::gaussian_stored(truth.domain(), m, seed + 10, storage)?;
    Ok(Problem::measure(operator, truth)?)
}

/// A start of more columns than n may have fewer singular values; each trial's own columns are kept.
fn factor(trial: &TrialSolution) -> Vec<f64> {
    trial.left().as_slice().to_vec()
}

/// A software adapter has time for some of the cases.
fn is_adapter(backend: &Backend) -> bool {
    matches!(backend, Backend::Gpu(_))
}

/// At exact rank the error is that of double precision, from matrices held in any type, with a handful of f64 passes; the
/// residual and the factor that come out are those of that error.
fn exact_rank(backend: &Backend) -> Outcome {
    let cases = [(1, Storage::F32), (2, Storage::F16), (3, Storage::F64), (4, Storage::F32)];
    for &(seed, storage) in &cases[..if is_adapter(backend) { 2 } else { 4 }] {
        let problem = problem(24, 2, 700, seed, storage)?;
        let solution = mixed(&problem, gd(2, 1e-6, seed, 700), backend)?;
        let best = solution.best();
        let found = error(best)?;
        ensure(found <= 1e-14, || format!("{storage}, seed {seed}: {found:e}"))?;
        ensure(best.relative_residual <= 1e-14, || format!("residual {:e}", best.relative_residual))?;
        ensure(best.remark.is_none(), || format!("{:?}", best.remark))?;
        let passes = solution.timing.f64_passes.unwrap_or(0);
        ensure((4..=16).contains(&passes), || format!("{passes} passes in f64"))?;
        ensure(solution.engine.precision == Precision::Mixed, || format!("{:?}", solution.engine.precision))?;
        // The residual that is told is that of the factor that is told.
        let (operator, y) = (problem.operator(), problem.observations(0).unwrap_or_default());
        let told = measured(&**operator, best.left());
        let rest: f64 = told.iter().zip(y).map(|(a, y)| (a - y) * (a - y)).sum::<f64>().sqrt();
        let whole: f64 = y.iter().map(|y| y * y).sum::<f64>().sqrt();
        ensure(rest / whole <= 1e-14, || format!("the factor has a residual of {:e}", rest / whole))?;
    }
    Ok(())
}

/// A(UUᵀ) by the definition.
fn measured(operator: &dyn Operator, u: MatrixView<'_>) -> Vec<f64> {
    let dot = |i: usize, j: usize| u.row(i).iter().zip(u.row(j)).map(|(a, b)| a * b).sum::<f64>();
    let n = u.rows();
    let z: Vec<f64> = (0..n * n).map(|at| dot(at / n, at % n)).collect();
    (0..operator.measurements()).map(|i| operator.sensing_matrix(i).iter().zip(&z).map(|(a, z)| a * z).sum()).collect()
}

/// From a start of 10⁻⁷ with surplus columns the error is that of double precision at the same time, within 5 %.
fn tiny_start(backend: &Backend) -> Outcome {
    let mut ends = Vec::new();
    let cases = [(21, 40, 10), (24, 40, 40), (22, 40, 4), (23, 50, 12), (25, 44, 8)];
    let cases = &cases[..if is_adapter(backend) { 2 } else { 5 }];
    for &(seed, n, k) in cases {
        let problem = problem(n, 2, 27 * n, seed, Storage::F32)?;
        let settings = gd(k, 1e-7, seed, 260).observe(Schedule::Every(20));
        let double = solve(&problem, settings.clone().precision(Precision::F64), &Backend::Cpu)?;
        let found = mixed(&problem, settings, backend)?;
        ensure(double.trace.len() == 14 && found.trace.len() == 14, || format!("{} rows", found.trace.len()))?;
        for (wanted, found) in double.trace.iter().zip(&found.trace) {
            let (w, f) = (wanted.relative_error.unwrap_or(f64::NAN), found.relative_error.unwrap_or(f64::NAN));
            ensure((f - w).abs() <= 0.05 * w, || {
                format!("seed {seed}, k = {k}, iteration {}: {f:e}, in f64 {w:e}", wanted.iteration)
            })?;
            let (w, f) = (wanted.train_loss, found.train_loss);
            ensure((f - w).abs() <= 0.1 * w, || {
                format!("seed {seed}, k = {k}, iteration {}: loss {f:e}, in f64 {w:e}", wanted.iteration)
            })?;
        }
        ends.push(error(double.best())?);
    }
    // Below what f32 reaches, or the test shows nothing.
    ensure(ends.iter().filter(|end| **end < 1e-7).count() > cases.len() / 2, || format!("{ends:?}"))
}

/// Never worse than f32: any rank, any storage, noise. A software adapter has time for one seed of each storage.
fn never_worse(backend: &Backend, storage: Storage, noise: f64) -> Outcome {
    let starts = [(2, 1e-5), (4, 1e-7), (20, 1e-7), (20, 1e-2)];
    let trials = starts.map(|(k, scale)| Trial::default().search_rank(k).init_scale(scale));
    for seed in 1..=if is_adapter(backend) { 1 } else { 4 } {
        let problem = problem(20, 2, 500, seed, storage)?.with_noise(noise, seed)?;
        let settings = gd(2, 1.0, seed, 250).observe(Schedule::Every(50)).trials(trials);
        let single = solve(&problem, settings.clone(), backend)?;
        let found = mixed(&problem, settings, backend)?;
        for ((single, found), (k, scale)) in single.trials.iter().zip(&found.trials).zip(starts) {
            let (single, found) = (error(single)?, error(found)?);
            ensure(found <= 1.01 * single, || {
                format!("{storage}, seed {seed}, k = {k}, {scale:e}, noise {noise}: {found:e}, in f32 {single:e}")
            })?;
        }
    }
    Ok(())
}

/// A trial of a batch gives bit for bit what it gives alone, however the others fare: frozen early, with fewer rows, another
/// step or start; and one with fewer columns gets as far.
fn batches(backend: &Backend) -> Outcome {
    let problem = problem(18, 2, 400, 5, Storage::F32)?;
    let base = gd(4, 1e-6, 1, 400).stop(Stop::default().max_iterations(400).relative_error(1e-10));
    let trials = [
        Trial::default().seed(1).search_rank(4),
        Trial::default().seed(2).search_rank(4).init_scale(1e-2),
        Trial::default().seed(3).search_rank(4).step_size(0.15).rows(350),
        Trial::default().seed(4).search_rank(4).step_size(0.35).init_scale(1e-9),
    ];
    let together = mixed(&problem, base.clone().trials(trials), backend)?;
    for (index, trial) in trials.into_iter().enumerate() {
        let alone = mixed(&problem, base.clone().trials([trial]), backend)?;
        let (one, of) = (alone.best(), &together.trials[index]);
        let same = factor(one) == factor(of) && one.iterations == of.iterations && one.status == of.status;
        ensure(same, || format!("trial {index}: {:?} and {:?}", one.relative_error, of.relative_error))?;
        ensure(one.relative_residual.to_bits() == of.relative_residual.to_bits(), || {
            format!("trial {index}: residual")
        })?;
    }
    let statuses: Vec<Status> = together.trials.iter().map(|t| t.status).collect();
    ensure(statuses.contains(&Status::Converged) && statuses.contains(&Status::IterationLimit), || {
        format!("the trials were to end at different times: {statuses:?}")
    })?;
    let narrow = [Trial::default().seed(1).search_rank(2), Trial::default().seed(1).search_rank(5)];
    let solution = mixed(&problem, base.trials(narrow), backend)?;
    let narrow = &solution.trials[0];
    ensure(narrow.status == Status::Converged && narrow.left().columns() == 2, || format!("{}", narrow.status))
}

/// Repeats give the same bits, also on the same solver, and looking more often changes nothing.
fn repeats(backend: &Backend) -> Outcome {
    let problem = problem(17, 2, 300, 6, Storage::F32)?;
    // Two centres are enough for a software adapter.
    let iterations = if is_adapter(backend) { 133 } else { 333 };
    let settings = gd(3, 1e-5, 2, iterations).precision(Precision::Mixed);
    let mut solver = Solver::new(problem.clone(), settings.clone(), backend.clone())?;
    let first = solver.solve()?;
    let again = solver.solve()?;
    ensure(factor(first.best()) == factor(again.best()), || "the same solver, again".into())?;
    ensure(first.timing.f64_passes == again.timing.f64_passes, || "the passes are counted anew".into())?;
    for schedule in [Schedule::Every(1), Schedule::Every(1000), Schedule::Log] {
        let other = solve(&problem, settings.clone().observe(schedule), backend)?;
        ensure(factor(other.best()) == factor(first.best()), || format!("{schedule:?} gives other bits"))?;
    }
    Ok(())
}

/// Held-out rows, the stall rule, noise, new observations, a given start and an interruption.
fn rules(backend: &Backend) -> Outcome {
    let clean = problem(18, 2, 400, 7, Storage::F32)?;
    let held = mixed(&clean, gd(2, 1e-6, 1, 600).holdout(0.1, 3), backend)?;
    let best = held.best();
    ensure(best.estimated_relative_error.is_some_and(|e| e < 1e-13), || {
        format!("{:?}", best.estimated_relative_error)
    })?;
    // Stalled where the rounding of f64 is reached, not before.
    let stop = Stop::default().max_iterations(3000);
    let stalled = mixed(&clean, gd(2, 1e-6, 1, 1).stop(stop), backend)?;
    let best = stalled.best();
    ensure(best.status == Status::Stalled && error(best)? < 1e-14, || {
        format!("{}, {:?}", best.status, best.relative_error)
    })?;
    let far = mixed(&clean, gd(4, 1e-3, 1, 1).step_size(3.0).stop(stop), backend)?;
    ensure(far.best().status == Status::Diverged, || format!("{}", far.best().status))?;
    let target = mixed(&clean, gd(2, 1e-6, 1, 600).stop(Stop::default().max_iterations(600).residual(1e-9)), backend)?;
    ensure(target.best().status == Status::Converged && target.best().relative_residual <= 1e-9, || {
        format!("{}", target.best().status)
    })?;
    // A run that goes on from the factor of another goes on in f64.
    let given = Init::Given(lowrank::problem::Factors::single(1, 18, 2, factor(target.best()))?);
    let next = mixed(&clean, gd(2, 1.0, 1, 1).init(given), backend)?;
    let begun = next.trace.first().map_or(f64::NAN, |row| row.relative_residual);
    ensure((begun / target.best().relative_residual - 1.0).abs() < 1e-3, || format!("it begins at {begun:e}"))?;
    let mut solver = Solver::new(clean.clone(), gd(2, 1e-6, 1, 600).precision(Precision::Mixed), backend.clone())?;
    solver.solve()?;
    let halved: Vec<f64> = clean.observations(0).unwrap_or_default().iter().map(|y| y / 2.0).collect();
    solver.set_observations(&halved)?;
    let other = solver.solve()?;
    ensure(other.best().relative_residual < 1e-13, || format!("{:e}", other.best().relative_residual))?;
    let ended =
        solver.solve_with(|p| if p.iteration >= 200 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })?;
    ensure(ended.best().status == Status::Interrupted, || format!("{}", ended.best().status))
}

/// On Reference everything is f64 already.
fn reference_is_double() -> Outcome {
    let solution = mixed(&problem(8, 1, 60, 8, Storage::F32)?, gd(1, 1e-3, 1, 20), &Backend::Reference)?;
    ensure(solution.engine.precision == Precision::F64 && solution.timing.f64_passes.is_none(), || {
        format!("{:?}, {:?}", solution.engine.precision, solution.timing.f64_passes)
    })
}

/// Matrices that are brought to the device for every gradient change nothing.
fn streams(backend: &Backend) -> Outcome {
    let problem = problem(24, 2, 700, 5, Storage::F32)?;
    let settings = gd(2, 1e-6, 5, 200).precision(Precision::Mixed).variant("two-kernel");
    let mut resident = Solver::new(problem.clone(), settings.clone(), backend.clone())?;
    let all = resident.engine().memory.bytes(Location::Device);
    let mut streamed = Solver::new(problem, settings.device_memory(all - (400 << 10)), backend.clone())?;
    ensure(streamed.engine().streamed_panels > 0, || format!("{:?}", streamed.engine()))?;
    let (one, other) = (resident.solve()?, streamed.solve()?);
    ensure(factor(one.best()) == factor(other.best()), || "streaming changed the factor".into())
}

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut tests = vec![Test::test("reference is double", reference_is_double)];
    let devices = crate::common::devices();
    for device in devices.clone() {
        let name = format!("streams, gpu:{}", device.name());
        tests.push(Test::test(name, move || streams(&Backend::Gpu(device.clone()))));
    }
    let backends = [("cpu".to_owned(), Backend::Cpu)].into_iter();
    for (name, backend) in backends.chain(devices.into_iter().map(|d| (format!("gpu:{}", d.name()), Backend::Gpu(d)))) {
        for storage in [Storage::F16, Storage::F32, Storage::F64] {
            for noise in [0.0, 1e-3] {
                let (backend, name) =
                    (backend.clone(), format!("never worse than f32, from {storage}, noise {noise}, {name}"));
                tests.push(Test::test(name, move || never_worse(&own_backend(&backend), storage, noise)));
            }
        }
        let mut add = |what: &str, test: fn(&Backend) -> Outcome| {
            let backend = backend.clone();
            tests.push(Test::test(format!("{what}, {name}"), move || test(&own_backend(&backend))));
        };
        add("double accuracy at exact rank", exact_rank);
        add("the error of f64 from a start of 1e-7", tiny_start);
        add("a batch is its trials", batches);
        add("repeats and schedules", repeats);
        add("rules, starts and new observations", rules);
    }
    tests.extend(crate::common::missing_adapter("mixed"));
    tests
}
