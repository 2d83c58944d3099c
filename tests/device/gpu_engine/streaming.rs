//! Panels that pass through the device because it cannot hold all of them.

use std::sync::Arc;

use libtest_mimic::Failed;
use lowrank::Precision;
use lowrank::engine::EngineInfo;
use lowrank::gpu::Device;
use lowrank::internals::gpu::Options;
use lowrank::memory::Location;
use lowrank::operators::{Dense, Operator, Storage};
use lowrank::problem::Domain;

use crate::gpu_engine::case::{Case, Outcome, check_gradient, same};
use crate::running::{Evaluator, Running};
use crate::says::says;

/// What is run on a case: its iterations, or an evaluation at a pair.
enum Loaded {
    Iterations(Running<'static>),
    Evaluation(Evaluator<'static>),
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Iterations,
    Evaluation,
}

impl What {
    fn load(self, case: &Case, device: &Device, options: Options) -> Result<Loaded, lowrank::Error> {
        Ok(match self {
            Self::Iterations => Loaded::Iterations(case.load(device, options)?),
            Self::Evaluation => Loaded::Evaluation(case.evaluator(device, options, &case.pair().0)?),
        })
    }
}

impl Loaded {
    fn info(&self) -> &EngineInfo {
        match self {
            Self::Iterations(running) => running.info(),
            Self::Evaluation(evaluator) => evaluator.running.info(),
        }
    }

    /// (residuals, factors) after some iterations, watched on the way; or (residuals, a gradient).
    fn course(&mut self, case: &Case) -> Result<[Vec<f64>; 2], Failed> {
        Ok(match self {
            Self::Iterations(engine) => {
                engine.run(3)?;
                let residual = engine.residual()?;
                engine.run(2)?;
                [residual, engine.factors()?]
            }
            Self::Evaluation(engine) => {
                let (pair, applied) = case.pair();
                let gradient = engine.evaluate(&pair, &applied)?;
                [gradient.residual, gradient.left]
            }
        })
    }
}

/// What the engine holds beside the measurements, and the bytes of one of those.
fn working_bytes(case: &Case, info: &EngineInfo) -> Result<(u64, u64), Failed> {
    let rows =
        info.memory.parts.iter().find(|part| part.name == "measurements").ok_or("no part for the measurements")?;
    Ok((info.memory.bytes(Location::Device) - rows.bytes, rows.bytes / case.operator.measurements() as u64))
}

/// The factors after some iterations.
fn course(case: &Case, device: &Device, options: Options) -> Result<Vec<f64>, Failed> {
    let [_, factors] = What::Iterations.load(case, device, options)?.course(case)?;
    Ok(factors)
}

pub fn streams(device: &Device, variant: &str, batch: usize) -> Outcome {
    let case = Case::new(17, 257, 3, batch).forced(variant);
    streams_like_resident(device, &case, Precision::F32)
}

/// Panels that pass through the device give bit for bit what panels that stay there give.
fn streams_like_resident(device: &Device, case: &Case, precision: Precision) -> Outcome {
    for what in [What::Iterations, What::Evaluation] {
        streams_what(device, case, precision, what)?;
    }
    Ok(())
}

fn streams_what(device: &Device, case: &Case, precision: Precision, what: What) -> Outcome {
    let m = case.operator.measurements() as u64;
    let options = Options { precision, ..Options::default() };
    let mut whole = what.load(case, device, options.clone())?;
    let (working, row) = working_bytes(case, whole.info())?;
    let expected = whole.course(case)?;
    // Rows of room; of those, the ones that stay; panels that do not (in the last case both are left open).
    for (room, resident, streamed) in [(2, 0, m), (3, 1, m - 1), (9, 5, (m - 5).div_ceil(2)), (m - 1, 0, 0)] {
        let options = Options { memory_bytes: Some(working + room * row), ..options.clone() };
        let mut engine = what.load(case, device, options)?;
        let info = engine.info();
        if room + 1 < m && info.streamed_panels as u64 != streamed
            || info.streamed_panels == 0
            || info.memory.bytes(Location::Device) > working + room * row
            || (room + 1 < m && info.streamed_bytes_per_iteration != (m - resident) * row)
            || info.notices.iter().all(|notice| !says(notice, "device_memory"))
        {
            return Err(format!("{room} rows of room: {info:?}").into());
        }
        for (name, (found, expected)) in
            ["residual", "factors or gradient"].iter().zip(engine.course(case)?.iter().zip(&expected))
        {
            same(&format!("{name}, {room} rows of room"), found, expected)?;
        }
    }
    let limited =
        |memory_bytes| what.load(case, device, Options { memory_bytes: Some(memory_bytes), ..options.clone() });
    let mut enough = limited(working + m * row)?;
    if enough.info().streamed_panels != 0 || !enough.info().notices.is_empty() {
        return Err("streams what fits".into());
    }
    same("where all fits", &enough.course(case)?[1], &expected[1])?;
    match limited(working + 2 * row - 1) {
        Ok(_) => Err("a row and a half were enough".into()),
        Err(error) => {
            let (text, least) = (error.to_string(), (working + 2 * row).to_string());
            let named = says(&text, "device_memory") && says(&text, &format!("{least} bytes"));
            if named { Ok(()) } else { Err(text.into()) }
        }
    }
}

pub fn streams_other_types(device: &Device) -> Outcome {
    for storage in [Storage::F16, Storage::F64] {
        let mut case = Case::new(17, 129, 2, 2).forced("two-kernel");
        case.operator = Arc::new(Dense::gaussian_stored(Domain::symmetric(17), 129, 3, storage)?);
        streams_like_resident(device, &case, Precision::F32)?;
        if device.summary().double_precision {
            streams_like_resident(device, &case, Precision::F64)?;
        }
    }
    Ok(())
}

pub fn streams_from_a_file(device: &Device) -> Outcome {
    let mut case = Case::new(17, 129, 2, 2).forced("one-pass");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("A.npy");
    let rows: Vec<f32> = (0..129).flat_map(|i| case.operator.packed_row(i)).map(|v| v as f32).collect();
    let mut bytes = Vec::new();
    lowrank::io::write_npy_f32(&mut bytes, &[129, 153], &rows)?;
    std::fs::write(&path, bytes)?;
    let owned = course(&case, device, Options::default())?;
    case.operator = Arc::new(Dense::open(&path)?);
    if !case.operator.is_mapped() || case.operator.memory()[0].place != Location::File {
        return Err("the rows were copied".into());
    }
    same("factors", &course(&case, device, Options::default())?, &owned)?;
    streams_like_resident(device, &case, Precision::F32)
}

/// Without a limit, memory that runs out while panels are uploaded makes the last ones pass through.
pub fn running_out_streams(device: &Device) -> Outcome {
    let case = Case::new(61, 257, 3, 3).forced("tiled");
    let row = 1920 * 4;
    let options = Options { panel_bytes: Some(10 * row), ..Options::default() };
    let expected = course(&case, device, options.clone())?;
    for (rows, resident) in [(120, 10), (10, 0), (9, 0)] {
        let result = case.load(device, Options { fails_beyond: Some(rows * row), ..options.clone() });
        if rows == 9 {
            // Not even one panel: then there is nothing to give back, and that is an error.
            match result {
                Err(lowrank::Error::OutOfMemory { .. }) => continue,
                _ => return Err("no memory at all was enough".into()),
            }
        }
        let mut engine = Loaded::Iterations(result?);
        let info = engine.info();
        let panels = format!("{resident} panels");
        let said = info.notices.iter().any(|notice| says(notice, "ran out") && says(notice, &panels));
        if !said || info.panels - info.streamed_panels != resident {
            return Err(format!("{rows} rows: {info:?}").into());
        }
        same("factors", &engine.course(&case)?[1], &expected)?;
    }
    Ok(())
}

/// The choice among variants works on what is there, and keeps to the limit.
pub fn streams_what_was_chosen(device: &Device) -> Outcome {
    let case = Case::new(200, 70, 2, 1);
    let options = Options { memory_bytes: Some(2 << 20), ..Options::default() };
    let engine = case.load(device, options.clone())?;
    let info = engine.info();
    if info.streamed_panels == 0 || info.memory.bytes(Location::Device) > 2 << 20 {
        return Err(format!("{info:?}").into());
    }
    check_gradient(&case, device, &options, &case.factors, &case.factors)
}
