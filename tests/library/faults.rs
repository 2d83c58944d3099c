//! Devices that fail: the last good iterate comes back, or the run goes on.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use lowrank::gpu::Device;
use lowrank::internals::engine::{FaultKind, Faults};
use lowrank::operators::Dense;
use lowrank::problem::synthetic;
use lowrank::solver::OnDeviceLoss;
use lowrank::{Backend, Error, Init, Method, Problem, Settings, Solution, Solver, Status, Stop};

use crate::notes;
use crate::says::says;

fn problem() -> Problem {
    let truth = synthetic::psd(10).rank(2).condition_number(1.5).seed(3).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), 120, 7).unwrap(), truth).unwrap()
}

fn settings(what: OnDeviceLoss) -> Settings {
    let start = Init::SmallRandom { scale: 1e-2, seed: 1 };
    let settings = Settings::new(Method::momentum()).search_rank(4).init(start).on_device_loss(what);
    settings.stop(Stop::default().max_iterations(60).stall_window(None))
}

fn solver(what: OnDeviceLoss, backend: Backend) -> Solver {
    Solver::new(problem(), settings(what), backend).unwrap()
}

fn whole() -> Solution {
    solver(OnDeviceLoss::Stop, Backend::Cpu).solve().unwrap()
}

#[test]
fn each_fault_ends_a_run_with_the_last_good_iterate() {
    let whole = whole();
    // Three calls an observation: residuals, factors, advance.
    for (kind, call) in [(FaultKind::Lost, 8), (FaultKind::OutOfMemory, 9), (FaultKind::Refused, 10)] {
        let mut solver = solver(OnDeviceLoss::Stop, Backend::Cpu);
        solver.inject(Faults::new([(call, kind)])).unwrap();
        let solution = solver.solve().unwrap();
        let trial = &solution.trials[0];
        assert_eq!(trial.status, Status::DeviceLost, "{kind:?}");
        let fault = solution.fault.as_ref().unwrap();
        assert_eq!((fault.iteration, trial.kept_iteration), (20, 20));
        let expected = whole.trace.iter().find(|row| row.iteration == 20).unwrap();
        assert_eq!(trial.train_loss, expected.train_loss);
        let fits = match kind {
            FaultKind::Lost => matches!(*fault.error, Error::DeviceLost { .. }),
            FaultKind::OutOfMemory => matches!(*fault.error, Error::OutOfMemory { .. }),
            _ => matches!(*fault.error, Error::Device { .. }),
        };
        assert!(fits && notes(&solution, &["failed", "iteration 20"]));
    }
    // Before the first observation there is nothing to return.
    let mut solver = solver(OnDeviceLoss::Stop, Backend::Cpu);
    solver.inject(Faults::new([(1, FaultKind::Lost)])).unwrap();
    assert!(matches!(solver.solve(), Err(Error::DeviceLost { .. })));
}

#[test]
fn retry_goes_on_bit_for_bit_and_gives_up_in_the_end() {
    let whole = whole();
    for faults in [
        vec![(8, FaultKind::Lost)],
        vec![(0, FaultKind::Lost)],
        vec![(5, FaultKind::Lost), (6, FaultKind::OutOfMemory), (7, FaultKind::Refused)],
    ] {
        let mut solver = solver(OnDeviceLoss::Retry, Backend::Cpu);
        solver.inject(Faults::new(faults.clone())).unwrap();
        let solution = solver.solve().unwrap();
        assert!(solution.fault.is_none() && solution.trials[0].status == whole.trials[0].status);
        assert_eq!(solution.trials[0].left(), whole.trials[0].left(), "{faults:?}");
        assert_eq!(solution.trace.len(), whole.trace.len());
        assert_eq!(solution.notices.iter().filter(|n| says(n, "iteration")).count(), faults.len());
    }
    let mut solver = solver(OnDeviceLoss::Retry, Backend::Cpu);
    solver.inject(Faults::new((8..40).map(|call| (call, FaultKind::Lost)))).unwrap();
    let solution = solver.solve().unwrap();
    assert_eq!((solution.trials[0].status, solution.trials[0].kept_iteration), (Status::DeviceLost, 20));
}

#[test]
fn a_number_that_is_none_ends_the_trial_with_the_last_good_iterate() {
    for call in [3, 5, 8] {
        let mut solver = solver(OnDeviceLoss::Stop, Backend::Cpu);
        solver.inject(Faults::new([(call, FaultKind::NotANumber)])).unwrap();
        let trial = solver.solve().unwrap().trials.remove(0);
        assert_eq!(trial.status, Status::Diverged, "{call}");
        assert!(trial.left().as_slice().iter().all(|v| v.is_finite()) && trial.train_loss.is_finite());
        assert!(
            trial.remark.as_ref().is_some_and(|remark| says(remark, "not a number") || says(remark, "NaN")),
            "{:?}",
            trial.remark
        );
    }
}

/// A device whose handle the test keeps, to destroy it.
fn opened() -> Option<(Device, wgpu::Device)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN;
    let instance = wgpu::Instance::new(descriptor);
    let adapter = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN)).into_iter().next()?;
    let (raw, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).ok()?;
    Some((Device::from_wgpu(raw.clone(), queue, &adapter.get_info()), raw))
}

/// Whether tests without an adapter are to fail; says that this one was not run otherwise.
fn ignored(what: &str) {
    let required = std::env::var("LOWRANK_REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(!required, "LOWRANK_REQUIRE_GPU=1 and no adapter: install a Vulkan driver");
    let _ = writeln!(std::io::stderr(), "\n*** IGNORED: no GPU adapter, {what} ***");
}

#[test]
fn a_device_that_carries_out_nothing_is_refused() {
    let Some((device, _raw)) = opened() else { return ignored("none was idle") };
    let mut solver = solver(OnDeviceLoss::Stop, Backend::Gpu(device));
    solver.inject(Faults::new((0..100).map(|call| (call, FaultKind::Idle)))).unwrap();
    let error = solver.solve().unwrap_err();
    assert!(matches!(error, Error::Device { .. }) && says(&error.to_string(), "driver"), "{error}");
}

#[test]
fn a_device_destroyed_in_the_middle_of_a_run() {
    let run = |what: OnDeviceLoss| {
        let (device, raw) = opened()?;
        let mut solver = solver(what, Backend::Gpu(device));
        let solution = solver.solve_with(|progress| {
            if progress.iteration == 30 {
                raw.destroy();
            }
            ControlFlow::Continue(())
        });
        Some(solution.unwrap())
    };
    let Some(stopped) = run(OnDeviceLoss::Stop) else { return ignored("none was destroyed") };
    assert_eq!((stopped.trials[0].status, stopped.trials[0].kept_iteration), (Status::DeviceLost, 30));
    assert!(matches!(*stopped.fault.unwrap().error, Error::DeviceLost { .. }));
    let (device, _raw) = opened().unwrap();
    let whole = solver(OnDeviceLoss::Stop, Backend::Gpu(device)).solve().unwrap();
    let retried = run(OnDeviceLoss::Retry).unwrap();
    assert_eq!(retried.engine.variant, whole.engine.variant);
    assert_eq!(retried.trials[0].left(), whole.trials[0].left());
    let moved = run(OnDeviceLoss::Cpu).unwrap();
    assert_eq!((moved.engine.backend.as_str(), moved.trials[0].status), ("cpu", whole.trials[0].status));
    let (here, there) = (moved.trials[0].train_loss, whole.trials[0].train_loss);
    assert!((here - there).abs() < 1e-2 * there, "{here} {there}");
    assert!(notes(&moved, &["iteration 30", "cpu"]), "{:?}", moved.notices);
}

#[test]
fn a_device_that_does_not_answer_in_time() {
    let run = |what: OnDeviceLoss| {
        let (device, _raw) = opened()?;
        let mut solver = solver(what, Backend::Gpu(device.clone()));
        let solution = solver.solve_with(|progress| {
            if progress.iteration == 30 {
                device.set_patience(Duration::ZERO);
            }
            ControlFlow::Continue(())
        });
        Some(solution.unwrap())
    };
    let Some(stopped) = run(OnDeviceLoss::Stop) else {
        let required = std::env::var("LOWRANK_REQUIRE_GPU").is_ok_and(|value| value == "1");
        assert!(!required, "LOWRANK_REQUIRE_GPU=1 and no adapter: install a Vulkan driver");
        let _ = writeln!(std::io::stderr(), "\n*** IGNORED: no GPU adapter, none was waited for ***");
        return;
    };
    assert_eq!((stopped.trials[0].status, stopped.trials[0].kept_iteration), (Status::DeviceLost, 30));
    let error = stopped.fault.unwrap().error;
    assert!(matches!(*error, Error::DeviceLost { .. }) && says(&error.to_string(), "answer"), "{error}");
    // Opened again it is given no more time, so that trying again comes to nothing.
    assert_eq!(run(OnDeviceLoss::Retry).unwrap().trials[0].status, Status::DeviceLost);
    let moved = run(OnDeviceLoss::Cpu).unwrap();
    assert_eq!((moved.engine.backend.as_str(), moved.trials[0].status), ("cpu", whole().trials[0].status));
}
