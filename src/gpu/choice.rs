//! The choice among kernel variants: time those that fit on the loaded data.

use std::time::{Duration, Instant};

use crate::engine::{Candidate, Load, Precision};
use crate::error::Result;
use crate::gpu::buffers::{Panel, short_panel};
use crate::gpu::device::Device;
use crate::gpu::engine::Options;
use crate::gpu::program::{At, Program};
use crate::gpu::shaders::{modules, source_of, widest};
use crate::gpu::sizes::Sizes;
use crate::gpu::variant::{Abilities, Extent, Variant};
use crate::operators::{GpuPlan, Operator};

/// Measurement data that a timed gradient reads at most: more than the caches of any GPU hold, and little enough that a slow
/// one takes milliseconds; of software adapters, what fits in a few of those.
const TIMED_BYTES: usize = 512 << 20;
const TIMED_BYTES_SOFTWARE: usize = 2 << 20;
/// A timed submission repeats the gradient until it takes about this long, so that submitting and waiting do not count.
const TIMED: Duration = Duration::from_millis(2);
/// Submissions timed, after one to warm up.
const SAMPLES: usize = 3;

/// Names of the kernel variants that the operator may be loaded with on this device: strategies, then exact variants.
///
/// # Errors
/// [`crate::Error::Unsupported`] for operators without a shader.
pub fn variants(device: &Device, operator: &dyn Operator, batch: usize, precision: Precision) -> Result<Vec<String>> {
    let plan = source_of(operator)?.plan(widest(precision));
    let extent = Extent::new(operator.shape().dimension(), operator.measurements(), batch, precision, &plan);
    Ok(Variant::names(&extent, &device.abilities()))
}

/// The program of the forced variant, or of the fastest candidate with the times of all.
///
/// Times are taken around a wait, which every adapter can do; timestamp queries are optional in WebGPU and would measure the
/// same thing here, where a submission is many gradients long.
///
/// # Errors
/// [`crate::Error::Invalid`] for a variant that does not exist or fit, [`crate::Error::Device`].
pub(super) fn choose(
    device: &Device,
    load: &Load<'_>,
    plan: &GpuPlan,
    options: &Options,
    panels: &[Panel],
) -> Result<(Program, Vec<Candidate>)> {
    let (operator, abilities) = (load.operator.as_ref(), device.abilities());
    let (p, m) = (operator.shape().dimension(), operator.measurements());
    let extent = Extent::new(p, m, load.batch, options.precision, plan);
    let build = |variant: Variant, panels: &[Panel]| {
        let sizes = Sizes::new(operator, plan, load.search_rank, load.batch, options.precision, variant);
        let modules = modules(&sizes, operator.name(), plan, &options.mutations)?;
        Program::new(device, sizes, &modules, panels, options.paranoid)
    };
    if let Some(name) = &load.variant {
        let variant = Variant::forced(name, operator.name(), &extent, &abilities)?;
        return Ok((build(variant, panels)?, Vec::new()));
    }
    let candidates = Variant::candidates(&extent, &abilities, (m * plan.row_words) as u64 * 4);
    if let [only] = candidates[..] {
        return Ok((build(only, panels)?, Vec::new()));
    }
    let bytes = if abilities.software { TIMED_BYTES_SOFTWARE } else { TIMED_BYTES };
    let short = [short_panel(device, &panels[0], (bytes / (plan.row_words * 4)).max(1))?];
    let mut timed = Vec::new();
    let mut best: Option<(Program, f64)> = None;
    for variant in candidates {
        // The first candidate always fits; without memory or a working compiler for another one there is still that.
        let outcome = build(variant, &short).and_then(|program| Ok((time(&program, &abilities)?, program)));
        let (milliseconds, program) = match outcome {
            Err(error) if best.is_none() => return Err(error),
            Err(_) => continue,
            Ok(found) => found,
        };
        timed.push(Candidate { variant: program.sizes.name(), milliseconds });
        if best.as_ref().is_none_or(|&(_, least)| milliseconds < least) {
            best = Some((program, milliseconds));
        }
    }
    match best {
        Some((program, _)) => Ok((program.over(panels)?, timed)),
        None => Ok((build(crate::gpu::variant::TWO_KERNEL, panels)?, timed)),
    }
}

/// Median milliseconds of one gradient of all trials.
fn time(program: &Program, abilities: &Abilities) -> Result<f64> {
    let batch = program.sizes.batch;
    let run = |repeats: u32| -> Result<Duration> {
        let begin = Instant::now();
        program.submit("timing kernel variants", |pass| {
            (0..repeats).try_for_each(|_| program.gradient(pass, batch, At::Current))
        })?;
        Ok(begin.elapsed())
    };
    program.write_slots(&vec![true; batch]);
    // The first run also brings the data to the device and sets zeros.
    run(1)?;
    let once = run(1)?;
    let repeats = (TIMED.as_nanos() / once.as_nanos().max(1)).clamp(1, 64) as u32;
    let samples = if abilities.software { 1 } else { SAMPLES };
    let mut times = vec![once];
    if repeats > 1 || samples > 1 {
        times = (0..samples).map(|_| Ok(run(repeats)? / repeats)).collect::<Result<Vec<_>>>()?;
    }
    times.sort();
    Ok(times[times.len() / 2].as_secs_f64() * 1e3)
}
