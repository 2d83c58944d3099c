//! Choice of the kernel variant: the variants that fit are timed on the loaded data, once per machine.

use std::time::Duration;
use web_time::Instant;

use crate::engine::Load;
use crate::engine::Options;
use crate::engine::{Candidate, Precision};
use crate::error::Result;
use crate::gpu::blueprint::{Blueprint, Form, Stage, Subject, Work};
use crate::gpu::bound::{Bounds, Item, Machine};
use crate::gpu::buffers::{Panel, short_panel};
use crate::gpu::device::{Abilities, Device};
use crate::gpu::dispatch::Bound;
use crate::gpu::frame::Frame;
use crate::gpu::pass::pattern_modules::require_axes;
use crate::gpu::pass::rows::variant_of;
use crate::gpu::pass::strings::require_states;
use crate::gpu::pipelines::Compiler;
use crate::gpu::sizes::Sizes;
use crate::gpu::text::Texts;
use crate::gpu::tuning::{Tuning, hash};
use crate::gpu::variant::{Extent, TWO_KERNEL, Variant};
use crate::operators::{GpuForm, GpuPlan, GpuThin, Operator};
use crate::tape::{Op, Pass, Program};

/// Most measurement data that a timed pass reads. It exceeds the caches of any GPU and takes milliseconds on a slow
/// one; on software adapters it is what they read in a few milliseconds.
const TIMED_BYTES: usize = 512 << 20;
const TIMED_BYTES_SOFTWARE: usize = 2 << 20;
/// Least duration of a timed submission. The pass is repeated to reach it, so that submitting and waiting do not count.
const TIMED: Duration = Duration::from_millis(2);
/// Number of timed submissions, after one to warm up.
const SAMPLES: usize = 3;

/// Name of the only kernel variant for operators whose data are vectors or nonzeros.
pub(super) const THIN: &str = "thin";

/// Names of the kernel variants that fit the operator on this device: strategies first, then exact variants.
///
/// # Errors
/// [`crate::Error::Unsupported`] for operators without a shader.
pub fn variants(device: &Device, operator: &dyn Operator, batch: usize, precision: Precision) -> Result<Vec<String>> {
    Ok(match form_of(operator)? {
        GpuForm::Rows(_) => Variant::names(&extent(operator, batch, precision), &device.abilities()),
        GpuForm::Thin(_) => vec![THIN.into()],
    })
}

/// GPU form of an operator.
///
/// # Errors
/// [`crate::Error::Unsupported`] for an operator without one.
pub(super) fn form_of(operator: &dyn Operator) -> Result<GpuForm<'_>> {
    operator.accelerate().gpu.ok_or_else(|| crate::Error::Unsupported {
        what: format!("operator '{}' on the backend 'gpu'", operator.name()),
        fix: "it has no shader: use the backend 'cpu'".into(),
    })
}

/// Checks that there are kernels for an operator of its size.
///
/// # Errors
/// [`crate::Error::Unsupported`].
pub(crate) fn require_operator(operator: &dyn Operator, precision: Precision) -> Result<()> {
    match form_of(operator)? {
        GpuForm::Thin(GpuThin::Strings(_)) => require_states(operator.domain().order(), precision),
        GpuForm::Thin(GpuThin::Patterns(of)) => require_axes(of.shape()),
        _ => Ok(()),
    }
}

fn extent(operator: &dyn Operator, slots: usize, precision: Precision) -> Extent {
    Extent::new(operator.domain().dimension(), operator.measurements(), slots, precision)
}

/// The pass whose times decide: the first of an iteration with an adjoint, or else the first.
fn decisive(program: &Program) -> Option<&Pass> {
    let of = |step| match step {
        &crate::tape::Step { op: Op::Pass(ref pass), .. } => Some(pass),
        _ => None,
    };
    let full = |pass: &&Pass| pass.lanes.iter().any(|lane| lane.adjoint.is_some());
    program.iteration().filter_map(of).find(full).or_else(|| program.steps().filter_map(of).next())
}

/// The problem whose kernel variant is chosen.
pub(super) struct Chooser<'a, 'l> {
    pub(super) device: &'a Device,
    pub(super) load: &'a Load<'l>,
    pub(super) plan: &'a GpuPlan,
    pub(super) options: &'a Options,
    pub(super) texts: &'a Texts<'a>,
}

impl Chooser<'_, '_> {
    fn subject(&self) -> Subject<'_> {
        Subject {
            program: &self.load.program,
            operator: self.load.operator.as_ref(),
            batch: self.load.batch,
            precision: self.options.precision,
            readable: self.options.readable,
        }
    }

    pub(super) fn blueprint(&self, variant: Variant) -> Result<Blueprint> {
        Blueprint::new(self.texts, self.subject(), Form::Rows(self.plan, variant))
    }

    /// Sizes of the decisive pass.
    pub(super) fn sizes(&self, variant: Variant) -> Sizes {
        let operator = self.load.operator.as_ref();
        let pass = decisive(&self.load.program);
        let lanes = pass.map_or(1, |pass| pass.lanes.len());
        let frame = Frame::new(operator, 1, self.load.batch * lanes, self.options.precision);
        Sizes::new(operator, self.plan, frame, pass.map_or(variant, |pass| variant_of(pass, variant)))
    }

    /// The forced variant alone, or the variants to time, with the one that always fits first. Under a memory limit,
    /// further variants are dropped if their buffers take more than a quarter of it.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a variant that does not exist or does not fit.
    pub(super) fn considered(&self) -> Result<Vec<Variant>> {
        let (operator, abilities) = (self.load.operator.as_ref(), self.device.abilities());
        let lanes = decisive(&self.load.program).map_or(1, |pass| pass.lanes.len());
        let extent = extent(operator, self.load.batch * lanes, self.options.precision);
        let mut found = match &self.load.variant {
            Some(name) => vec![Variant::forced(name, operator.name(), &extent, &abilities)?],
            None => {
                Variant::candidates(&extent, &abilities, (operator.measurements() * self.plan.row_words()) as u64 * 4)
            }
        };
        let back =
            decisive(&self.load.program).is_some_and(|pass| pass.lanes.iter().any(|lane| lane.adjoint.is_some()));
        // Without an adjoint, kernels that own rows offer no choice.
        if self.load.variant.is_none() && !back {
            found.retain(|variant| !variant.strategy.owns_rows());
            if found.is_empty() {
                found.push(TWO_KERNEL);
            }
        }
        if let Some(limit) = self.options.memory_bytes {
            let mut kept = Vec::new();
            for variant in found {
                if kept.is_empty() || self.blueprint(variant)?.plan.bytes() <= limit / 4 {
                    kept.push(variant);
                }
            }
            found = kept;
        }
        Ok(found)
    }

    /// Most device bytes that the considered variants take beside the measurement data; they are present one at a time.
    pub(super) fn reserve(&self, considered: &[Variant]) -> Result<u64> {
        let bytes = considered
            .iter()
            .map(|variant| Ok(self.blueprint(*variant)?.plan.bytes()))
            .collect::<Result<Vec<u64>>>()?;
        Ok(bytes.into_iter().max().unwrap_or(0))
    }

    fn key(&self, considered: &[Variant]) -> Result<String> {
        let operator = self.load.operator.as_ref();
        let mut texts: Vec<String> = considered.iter().map(|variant| variant.to_string()).collect();
        for variant in considered {
            let blueprint = self.blueprint(*variant)?;
            texts.extend(
                blueprint.stages().filter(|stage| self.decides(stage)).flat_map(|stage| {
                    stage.calls().into_iter().map(|call| call.module.text.clone()).collect::<Vec<_>>()
                }),
            );
        }
        let (shape, m) = (operator.domain(), operator.measurements());
        Ok(format!(
            "{} | {} | {}x{} m {m} slots {} {} | {}",
            self.device.name(),
            self.device.driver(),
            shape.rows(),
            shape.columns(),
            self.load.batch,
            self.options.precision.word(),
            hash(texts.iter().map(String::as_str)),
        ))
    }

    fn decides(&self, stage: &Stage) -> bool {
        let lanes = decisive(&self.load.program).map_or(1, |pass| pass.lanes.len());
        match &stage.work {
            Work::Pass(calls) => calls.panel.iter().all(|call| call.lanes == lanes),
            _ => false,
        }
    }

    /// The only variant considered, or the fastest on record, or the fastest now with the times of all.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub(super) fn choose(
        &self,
        considered: &[Variant],
        panels: &[Panel],
        tuning: &mut Tuning,
    ) -> Result<(Variant, Vec<Candidate>)> {
        if let [only] = considered {
            return Ok((*only, Vec::new()));
        }
        let key = self.key(considered)?;
        if !self.options.retune
            && let Some(name) = tuning.find(&key)
            && let Some(known) = considered.iter().find(|variant| variant.to_string() == name)
        {
            return Ok((*known, Vec::new()));
        }
        let abilities = self.device.abilities();
        let bytes = if abilities.software { TIMED_BYTES_SOFTWARE } else { TIMED_BYTES };
        let short = short_panel(self.device, &panels[0], (bytes / (self.plan.row_words() * 4)).max(1))?;
        let mut timed = Vec::new();
        let mut best: Option<(Variant, f64)> = None;
        for variant in considered {
            // The first candidate always fits, so it remains where another one lacks memory or a working compiler.
            let milliseconds = match self.time(*variant, &short, &abilities) {
                Err(error) if best.is_none() => return Err(error),
                Err(_) => continue,
                Ok(milliseconds) => milliseconds,
            };
            timed.push(Candidate { variant: self.sizes(*variant).name(), milliseconds });
            if best.is_none_or(|(_, least)| milliseconds < least) {
                best = Some((*variant, milliseconds));
            }
        }
        let chosen = best.map_or(TWO_KERNEL, |(variant, _)| variant);
        tuning.keep(key, chosen.to_string());
        Ok((chosen, timed))
    }

    /// Median milliseconds of one pass of all trials.
    fn time(&self, variant: Variant, panel: &Panel, abilities: &Abilities) -> Result<f64> {
        let (batch, blueprint) = (self.load.batch, self.blueprint(variant)?);
        let data = u32::from(self.plan.made().is_none());
        let panels = vec![bound(self.device, panel)];
        let machine =
            Machine::new(self.device, &blueprint, batch, (data, &[]), panels, false, |stage| self.decides(stage))?;
        let passes = |item: &&Item| matches!(&item.work, Bounds::Pass(_));
        let Some(item) = machine.head.iter().chain(&machine.tail).find(passes) else { return Ok(0.0) };
        let turn = item.group.map(|_| 0);
        let run = |repeats: u32| -> Result<Duration> {
            let begin = Instant::now();
            machine.submit("timing kernel variants", batch, |encoder| {
                (0..repeats).try_for_each(|_| machine.stage(encoder, item, turn))
            })?;
            Ok(begin.elapsed())
        };
        machine.write_slots(&vec![true; batch]);
        // The first run also uploads the data and sets zeros.
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
}

/// A panel, bound for passes.
pub(super) fn bound(device: &Device, panel: &Panel) -> Bound {
    let compiler = Compiler::new(device, u32::from(panel.data.is_some()));
    Bound { panel: compiler.bind_panel(&panel.buffers()), rows: panel.rows }
}
