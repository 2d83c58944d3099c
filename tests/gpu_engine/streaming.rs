//! Panels that pass through the device because it cannot hold all of them.

use std::sync::Arc;

use libtest_mimic::Failed;
use lowrank::Precision;
use lowrank::engine::Engine;
use lowrank::gpu::{Device, Options};
use lowrank::memory::Place;
use lowrank::operators::{Dense, Operator, Storage};
use lowrank::problem::Shape;

use crate::case::{Case, Outcome, check_gradient, same};

/// What the engine holds beside the measurements, and the bytes of one of those.
fn working_bytes(case: &Case, device: &Device, options: &Options) -> Result<(u64, u64), Failed> {
    let engine = case.load(device, options.clone())?;
    let info = engine.info();
    let rows =
        info.memory.parts.iter().find(|part| part.name == "measurements").ok_or("no part for the measurements")?;
    Ok((info.memory.bytes(Place::Device) - rows.bytes, rows.bytes / case.operator.measurements() as u64))
}

/// (residuals, factors, a gradient) after some iterations, watched on the way.
fn course(engine: &mut dyn Engine, case: &Case) -> Result<[Vec<f64>; 4], Failed> {
    engine.advance(3)?;
    let residual = engine.residuals()?;
    engine.advance(2)?;
    let factors = engine.factors()?.left_data().to_vec();
    let (pair, applied) = case.pair();
    let gradient = engine.evaluate(&pair, &applied)?;
    Ok([residual, factors, gradient.residual, gradient.left])
}

pub fn streams(device: &Device, variant: &str, batch: usize) -> Outcome {
    let case = Case::new(17, 257, 3, batch).forced(variant);
    streams_like_resident(device, &case, Precision::F32)
}

/// Panels that pass through the device give bit for bit what panels that stay there give.
fn streams_like_resident(device: &Device, case: &Case, precision: Precision) -> Outcome {
    let m = case.operator.measurements() as u64;
    let options = Options { precision, ..Options::default() };
    let (working, row) = working_bytes(case, device, &options)?;
    let expected = course(case.load(device, options.clone())?.as_mut(), case)?;
    // Rows of room; of those, the ones that stay; panels that do not (in the last case both are left open).
    for (room, resident, streamed) in [(2, 0, m), (3, 1, m - 1), (9, 5, (m - 5).div_ceil(2)), (m - 1, 0, 0)] {
        let options = Options { memory_bytes: Some(working + room * row), ..options.clone() };
        let mut engine = case.load(device, options)?;
        let info = engine.info();
        if room + 1 < m && info.streamed_panels as u64 != streamed
            || info.streamed_panels == 0
            || info.memory.bytes(Place::Device) > working + room * row
            || (room + 1 < m && info.streamed_bytes_per_iteration != (m - resident) * row)
            || info.notices.iter().all(|notice| !notice.starts_with("device_memory: "))
        {
            return Err(format!("{room} rows of room: {info:?}").into());
        }
        for (what, (found, expected)) in ["residual", "factors", "residual of a gradient", "gradient"]
            .iter()
            .zip(course(engine.as_mut(), case)?.iter().zip(&expected))
        {
            same(&format!("{what}, {room} rows of room"), found, expected)?;
        }
    }
    let mut enough = case.load(device, Options { memory_bytes: Some(working + m * row), ..options.clone() })?;
    if enough.info().streamed_panels != 0 || !enough.info().notices.is_empty() {
        return Err("streams what fits".into());
    }
    same("factors", &course(enough.as_mut(), case)?[1], &expected[1])?;
    match case.load(device, Options { memory_bytes: Some(working + 2 * row - 1), ..options }) {
        Ok(_) => Err("a row and a half were enough".into()),
        Err(error) => {
            let (text, least) = (error.to_string(), (working + 2 * row).to_string());
            let named = text.starts_with("device_memory: ") && text.contains(&format!("at least {least} bytes"));
            if named { Ok(()) } else { Err(text.into()) }
        }
    }
}

pub fn streams_other_types(device: &Device) -> Outcome {
    for storage in [Storage::F16, Storage::F64] {
        let mut case = Case::new(17, 129, 2, 2).forced("two-kernel");
        case.operator = Arc::new(Dense::gaussian_stored(Shape::psd(17), 129, 3, storage)?);
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
    let owned = course(case.load(device, Options::default())?.as_mut(), &case)?;
    case.operator = Arc::new(Dense::open(&path)?);
    if !case.operator.is_mapped() || case.operator.memory()[0].place != Place::File {
        return Err("the rows were copied".into());
    }
    let mapped = course(case.load(device, Options::default())?.as_mut(), &case)?;
    same("factors", &mapped[1], &owned[1])?;
    streams_like_resident(device, &case, Precision::F32)
}

/// Without a limit, memory that runs out while panels are uploaded makes the last ones pass through.
pub fn running_out_streams(device: &Device) -> Outcome {
    let case = Case::new(61, 257, 3, 3).forced("tiled");
    let row = 1920 * 4;
    let options = Options { panel_bytes: Some(10 * row), ..Options::default() };
    let expected = course(case.load(device, options.clone())?.as_mut(), &case)?;
    for (rows, resident) in [(120, 10), (10, 0), (9, 0)] {
        let result = case.load(device, Options { fails_beyond: Some(rows * row), ..options.clone() });
        if rows == 9 {
            // Not even one panel: then there is nothing to give back, and that is an error.
            match result {
                Err(error) if error.to_string().contains("out of device memory") => continue,
                _ => return Err("no memory at all was enough".into()),
            }
        }
        let mut engine = result?;
        let info = engine.info();
        let said = info
            .notices
            .iter()
            .any(|notice| notice.contains("ran out") && notice.contains(&format!("in {resident} panels")));
        if !said || info.panels - info.streamed_panels != resident {
            return Err(format!("{rows} rows: {info:?}").into());
        }
        same("factors", &course(engine.as_mut(), &case)?[1], &expected[1])?;
    }
    Ok(())
}

/// The choice among variants works on what is there, and keeps to the limit.
pub fn streams_what_was_chosen(device: &Device) -> Outcome {
    let case = Case::new(200, 70, 2, 1);
    let mut engine = case.load(device, Options { memory_bytes: Some(2 << 20), ..Options::default() })?;
    let info = engine.info();
    if info.streamed_panels == 0 || info.memory.bytes(Place::Device) > 2 << 20 {
        return Err(format!("{info:?}").into());
    }
    check_gradient(&case, engine.as_mut(), &case.factors, &case.factors)
}
