//! What is refused, what is lost, and how adapters are named.

use std::sync::Arc;

use lowrank::gpu::{Device, list_adapters, wgpu};
use lowrank::internals::engine::Load;
use lowrank::internals::gpu::{Mutation, Options, load};
use lowrank::internals::tape::{Evaluation, Sides};
use lowrank::operators::{Dense, Loss, Operator};
use lowrank::problem::{Domain, Factors};

use crate::gpu_engine::case::{Case, Outcome, check_evaluation};
use crate::says::says;

pub fn wrong_variant(device: &Device) -> Outcome {
    for (name, wanted) in [("three-kernel", "one-pass"), ("tiled/5", "tiled/8"), ("one-pass/2048x1", "threads")] {
        match Case::new(61, 40, 2, 1).forced(name).load(device, Options::default()) {
            Err(error @ lowrank::Error::Invalid { .. }) if error.to_string().contains(wanted) => {}
            other => return Err(format!("{name}: {:?}", other.err()).into()),
        }
    }
    Ok(())
}

/// A driver that carries out nothing leaves buffers as they were; one that miscomputes leaves other numbers.
pub fn idle_driver(device: &Device) -> Outcome {
    let file = "device/canary.wgsl";
    for (replace, wanted) in [("words[at.x]", "no kernel"), ("words[at.x] + 1u", "wrong numbers")] {
        let mutation = Mutation { file, find: "words[at.x] * 1664525u + at.x", replace };
        let options = Options { mutations: vec![mutation], ..Options::default() };
        match Case::new(5, 7, 2, 1).load(device, options) {
            Err(error @ lowrank::Error::Device { .. }) => {
                let text = error.to_string();
                let told = says(&text, wanted) && text.contains(device.name()) && says(&text, "'cpu'");
                if !told {
                    return Err(text.into());
                }
            }
            other => return Err(format!("{replace}: {:?}", other.err()).into()),
        }
    }
    Ok(())
}

pub fn wrong_sizes(device: &Device) -> Outcome {
    let case = Case::new(5, 7, 2, 2);
    let mut engine = case.load(device, Options::default())?;
    let point = case.pair().0;
    let mut evaluator = case.evaluator(device, Options::default(), &point)?;
    let refused = [
        engine.put("factors", &[0.0; 10]).is_err(),
        engine.put("factors", &[0.0; 40]).is_err(),
        engine.put("step_size", &[1.0]).is_err(),
        engine.put("observations", &[0.0; 13]).is_err(),
        engine.put("weights", &[0.0; 15]).is_err(),
        engine.set_active(&[true]).is_err(),
        evaluator.evaluate(&point, &Factors::single(2, 5, 1, vec![0.0; 10])?).is_err(),
        Case::new(5, 7, 0, 1).load(device, Options::default()).is_err(),
        Case::new(5, 7, 1, 0).load(device, Options::default()).is_err(),
    ];
    match refused.iter().position(|refused| !refused) {
        Some(at) => Err(format!("call {at} was accepted").into()),
        None => Ok(()),
    }
}

/// An operator that somebody wrote for the CPU only: the dense one without its shader.
struct HostOnly(Dense);

impl Operator for HostOnly {
    fn name(&self) -> &str {
        "host-only"
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
    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        self.0.sensing_matrix(i)
    }
    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
        self.0.forward(shard, point, out);
    }
    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        self.0.adjoint_apply(shard, residual, applied, out);
    }
}

pub fn host_only(device: &Device) -> Outcome {
    let operator = Arc::new(HostOnly(Dense::gaussian(Domain::symmetric(3), 4, 1)?));
    let program = Evaluation::new(Sides::One, operator.domain(), 1, Loss::Square).program;
    let problem = Load { operator, program, increments: None, batch: 1, variant: None };
    match load(device, &problem, &Options::default()) {
        Err(error @ lowrank::Error::Unsupported { .. }) if error.to_string().contains("'cpu'") => Ok(()),
        other => Err(format!("{:?}", other.err()).into()),
    }
}

/// A device of the caller's own, with no more than core WebGPU limits; then it is destroyed under the engine.
pub fn lost(device: &Device) -> Outcome {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let found = adapters.into_iter().find(|adapter| adapter.get_info().name == device.name());
    let adapter = found.ok_or("the adapter is gone")?;
    let descriptor = wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits::default().or_worse_values_from(&adapter.limits()),
        ..Default::default()
    };
    let (raw, queue) = pollster::block_on(adapter.request_device(&descriptor))?;
    let own = Device::from_wgpu(raw.clone(), queue, &adapter.get_info());
    let case = Case::new(5, 7, 2, 2);
    let mut engine = case.load(&own, Options::default())?;
    let mut evaluator = case.evaluator(&own, Options::default(), &case.factors)?;
    check_evaluation(&case, &mut evaluator, &case.factors, &case.factors)?;
    raw.destroy();
    let outcomes = [
        ("run", engine.run(1).err()),
        ("residual", engine.residual().err()),
        ("factors", engine.factors().err()),
        ("state", engine.engine.state().err()),
        ("evaluate", evaluator.evaluate(&case.factors, &case.factors).err()),
        ("step_size", engine.put("step_size", &case.steps).err()),
        ("load", case.load(&own, Options::default()).err()),
    ];
    for (call, error) in outcomes {
        match error {
            Some(lowrank::Error::DeviceLost { .. }) => {}
            other => return Err(format!("{call} on a destroyed device: {other:?}").into()),
        }
    }
    Ok(())
}

pub fn by_name(device: &Device) -> Outcome {
    let name = device.name().to_uppercase();
    if Device::open(Some(&name))?.name() != device.name() {
        return Err("an adapter is not found by its name in capitals".into());
    }
    match Device::open(Some("no such adapter")) {
        Err(lowrank::Error::NoAdapter { available, .. }) if available.contains(device.name()) => {}
        other => return Err(format!("a wrong name must list the adapters: {other:?}").into()),
    }
    let listed = list_adapters();
    let first = listed.first().ok_or("no adapter is listed")?;
    if first != device.summary() { Err("the best adapter is not the first of the list".into()) } else { Ok(()) }
}
