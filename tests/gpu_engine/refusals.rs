//! What is refused, what is lost, and how adapters are named.

use std::sync::Arc;

use lowrank::engine::Load;
use lowrank::gpu::{Device, Options, list_adapters, load, wgpu};
use lowrank::methods::Recipe;
use lowrank::operators::{Dense, Operator};
use lowrank::problem::{Factors, Shape};

use crate::case::{Case, Outcome, check_gradient};

pub fn wrong_variant(device: &Device) -> Outcome {
    for (name, wanted) in [("three-kernel", "one-pass"), ("tiled/5", "tiled/8"), ("one-pass/2048x1", "threads")] {
        match Case::new(61, 40, 2, 1).forced(name).load(device, Options::default()) {
            Err(error @ lowrank::Error::Invalid { .. }) if error.to_string().contains(wanted) => {}
            other => return Err(format!("{name}: {:?}", other.err()).into()),
        }
    }
    Ok(())
}

pub fn wrong_sizes(device: &Device) -> Outcome {
    let case = Case::new(5, 7, 2, 2);
    let mut engine = case.load(device, Options::default())?;
    let refused = [
        engine.set_factors(&Factors::symmetric(1, 5, 2, vec![0.0; 10])?).is_err(),
        engine.set_factors(&case.pair().0).is_err(),
        engine.set_steps(&[1.0]).is_err(),
        engine.set_observations(&[0.0; 13], &[0.0; 14]).is_err(),
        engine.set_active(&[true]).is_err(),
        engine.evaluate(&case.factors, &Factors::symmetric(2, 5, 1, vec![0.0; 10])?).is_err(),
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
    fn shape(&self) -> Shape {
        self.0.shape()
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
    let operator = Arc::new(HostOnly(Dense::gaussian(Shape::psd(3), 4, 1)?));
    let problem = Load {
        operator,
        recipe: Recipe::default(),
        driven: None,
        batch: 1,
        search_rank: 1,
        signature: None,
        variant: None,
    };
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
    check_gradient(&case, engine.as_mut(), &case.factors, &case.factors)?;
    raw.destroy();
    let outcomes = [
        ("advance", engine.advance(1).err()),
        ("residuals", engine.residuals().err()),
        ("factors", engine.factors().err()),
        ("evaluate", engine.evaluate(&case.factors, &case.factors).err()),
        ("set_steps", engine.set_steps(&case.steps).err()),
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
