//! Common parts of loading a problem of any form: the report about it, and refusals.

use crate::engine::{EngineInfo, Load, Options};
use crate::error::{Error, Result};
use crate::gpu::blueprint::Subject;
use crate::gpu::device::Device;
use crate::memory::{Location, Memory, readable_bytes};
use crate::tape::{Op, Program, When};

/// Refuses sizes that kernels cannot count.
pub(super) fn require_count(name: &str, size: usize) -> Result<()> {
    if size == 0 || u32::try_from(size).is_err() {
        return Err(Error::invalid(name, size, "1 to 2³² − 1", "pass at least 1"));
    }
    Ok(())
}

/// Engine information before the data are placed.
pub(super) fn base_info(device: &Device, load: &Load<'_>, options: &Options) -> EngineInfo {
    let moved = load.program.moved(load.operator.measurements());
    let notices = (moved > 0)
        .then(|| format!("backend: host ops move {moved} numbers per trial to the host and back in each iteration"));
    EngineInfo {
        backend: "gpu".into(),
        adapter: device.name().into(),
        driver: device.driver().into(),
        software_adapter: device.is_software(),
        precision: options.precision,
        storage: None,
        threads: 1,
        variant: String::new(),
        candidates: Vec::new(),
        operator_bytes_per_iteration: 0.0,
        operator_bytes: 0,
        panels: 1,
        streamed_panels: 0,
        streamed_bytes_per_iteration: 0,
        memory: Memory::default(),
        notices: notices.into_iter().collect(),
        settled: true,
        f64_passes: None,
        team: None,
    }
}

/// Average over the iterations of a sum over passes, each pass weighted by `of`.
pub(super) fn over_passes(program: &Program, of: impl Fn(&crate::tape::Pass) -> f64) -> f64 {
    let share = |when: When| match when {
        When::Always | When::Later => 1.0,
        When::First => 0.0,
        When::Every { period, .. } => 1.0 / period as f64,
        When::Except { period, .. } => 1.0 - 1.0 / period as f64,
    };
    let all = program.iteration().map(|step| match &step.op {
        Op::Pass(pass) => share(step.when) * of(pass),
        _ => 0.0,
    });
    all.sum()
}

pub(super) fn has_adjoint(pass: &crate::tape::Pass) -> bool {
    pass.lanes.iter().any(|lane| lane.adjoint.is_some())
}

/// Refuses data that exceed a limit on device memory; these data must stay on the device.
pub(super) fn require_memory(memory: &Memory, options: &Options) -> Result<()> {
    let needed = memory.bytes(Location::Device);
    match options.memory_bytes {
        Some(limit) if needed > limit => Err(Error::invalid(
            "device_memory",
            readable_bytes(limit),
            format!("at least {needed} bytes: this operator cannot be streamed"),
            "raise it, run fewer trials at a time, or use the backend 'cpu'",
        )),
        _ => Ok(()),
    }
}

pub(super) fn subject<'s>(load: &'s Load<'_>, options: &Options) -> Subject<'s> {
    Subject {
        program: &load.program,
        operator: load.operator.as_ref(),
        batch: load.batch,
        precision: options.precision,
        readable: options.readable,
    }
}
