//! The choice among kernel variants: time those that fit on the loaded data.

use std::time::{Duration, Instant};

use crate::engine::{Candidate, Load, Precision};
use crate::error::Result;
use crate::gpu::buffers::{Panel, short_panel};
use crate::gpu::device::Device;
use crate::gpu::engine::Options;
use crate::gpu::frame::Frame;
use crate::gpu::program::{At, Form, Program};
use crate::gpu::rows::{self, Rows};
use crate::gpu::shaders::{form_of, modules, widest};
use crate::gpu::sizes::Sizes;
use crate::gpu::thin::THIN;
use crate::gpu::variant::{Abilities, Extent, Variant};
use crate::memory::Place;
use crate::operators::{GpuForm, GpuPlan, Operator};

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
    let plan = match form_of(operator)? {
        GpuForm::Rows(source) => source.plan(widest(precision)),
        GpuForm::Thin(_) => return Ok(vec![THIN.into()]),
    };
    let extent = Extent::new(operator.shape().dimension(), operator.measurements(), batch, precision, &plan);
    Ok(Variant::names(&extent, &device.abilities()))
}

/// The forced variant alone, or those that are to be timed, the one that always fits first. Where there is a limit on
/// memory, no other one whose buffers take more than a quarter of it.
///
/// # Errors
/// [`crate::Error::Invalid`] for a variant that does not exist or fit.
pub(super) fn considered(device: &Device, load: &Load<'_>, plan: &GpuPlan, options: &Options) -> Result<Vec<Sizes>> {
    let (operator, abilities) = (load.operator.as_ref(), device.abilities());
    let (p, m) = (operator.shape().dimension(), operator.measurements());
    let extent = Extent::new(p, m, load.batch, options.precision, plan);
    let variants = match &load.variant {
        Some(name) => vec![Variant::forced(name, operator.name(), &extent, &abilities)?],
        None => Variant::candidates(&extent, &abilities, (m * plan.row_words) as u64 * 4),
    };
    let frame = Frame::of(load, options.precision);
    let sizes = |variant| Sizes::new(operator, plan, frame, variant);
    let mut found: Vec<Sizes> = variants.into_iter().map(sizes).collect();
    if let (Some(limit), Some(first)) = (options.memory_bytes, found.first().copied()) {
        found.retain(|sizes| *sizes == first || working_bytes(sizes) <= limit / 4);
    }
    Ok(found)
}

/// Bytes that a variant takes on the device beside the measurement data.
pub(super) fn working_bytes(sizes: &Sizes) -> u64 {
    rows::memory(sizes).bytes(Place::Device)
}

/// Bytes that the choice among them takes on the device beside the measurement data: two have their buffers at a time.
pub(super) fn reserve(considered: &[Sizes]) -> u64 {
    let mut bytes: Vec<u64> = considered.iter().map(working_bytes).collect();
    bytes.sort_unstable();
    bytes.iter().rev().take(2).fold(0, |all, &bytes| all.saturating_add(bytes))
}

/// The program of the only variant considered, or of the fastest one with the times of all; and its sizes.
///
/// Times are taken around a wait, which every adapter can do; timestamp queries are optional in WebGPU and would measure the
/// same thing here, where a submission is many gradients long.
///
/// # Errors
/// [`crate::Error::Device`].
pub(super) fn choose(
    device: &Device,
    load: &Load<'_>,
    plan: &GpuPlan,
    options: &Options,
    considered: &[Sizes],
    panels: &[Panel],
) -> Result<(Program, Sizes, Vec<Candidate>)> {
    let (operator, abilities) = (load.operator.as_ref(), device.abilities());
    let build = |sizes: Sizes, panels: &[Panel]| {
        let modules = modules(&sizes, operator.name(), plan, &options.mutations)?;
        Program::new(device, sizes.frame, &modules.shared, options.paranoid, |shared| {
            Ok(Form::Rows(Box::new(Rows::new(device, sizes, &modules, shared, panels, options.paranoid)?)))
        })
    };
    if let [only] = considered[..] {
        return Ok((build(only, panels)?, only, Vec::new()));
    }
    let bytes = if abilities.software { TIMED_BYTES_SOFTWARE } else { TIMED_BYTES };
    let short = [short_panel(device, &panels[0], (bytes / (plan.row_words * 4)).max(1))?];
    let mut timed = Vec::new();
    let mut best: Option<(Program, Sizes, f64)> = None;
    for &sizes in considered {
        // The first candidate always fits; without memory or a working compiler for another one there is still that.
        let outcome = build(sizes, &short).and_then(|program| Ok((time(&program, &abilities)?, program)));
        let (milliseconds, program) = match outcome {
            Err(error) if best.is_none() => return Err(error),
            Err(_) => continue,
            Ok(found) => found,
        };
        timed.push(Candidate { variant: sizes.name(), milliseconds });
        if best.as_ref().is_none_or(|&(_, _, least)| milliseconds < least) {
            best = Some((program, sizes, milliseconds));
        }
    }
    match best {
        Some((program, sizes, _)) => Ok((program.over(panels)?, sizes, timed)),
        None => Ok((build(considered[0], panels)?, considered[0], timed)),
    }
}

/// Median milliseconds of one gradient of all trials.
fn time(program: &Program, abilities: &Abilities) -> Result<f64> {
    let batch = program.frame.batch;
    let run = |repeats: u32| -> Result<Duration> {
        let begin = Instant::now();
        program.submit("timing kernel variants", |pass| {
            (0..repeats).try_for_each(|_| program.gradient(pass, batch, At::Current, None))
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
