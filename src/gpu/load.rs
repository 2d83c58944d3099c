//! Loading a problem: which form of iteration, where its data go, and what is reported of it.

use crate::engine::{Engine, EngineInfo, Load};
use crate::error::{Error, Result};
use crate::gpu::device::Device;
use crate::gpu::engine::{GpuEngine, Options};
use crate::gpu::groups::require_groups;
use crate::gpu::place::{Placed, held, place};
use crate::gpu::shaders::{form_of, widest};
use crate::gpu::stream::Stream;
use crate::gpu::thin;
use crate::memory::Memory;
use crate::operators::{GpuForm, GpuSource};

/// Uploads the operator's data, compiles the kernels for its sizes and allocates everything an iteration needs.
/// Factors, observations and steps are zero until they are set; all trials are active.
///
/// # Errors
/// [`Error::Unsupported`] for operators that bring nothing for a GPU, double precision on an adapter without it, losses other than
/// the square of centred residuals, and very many minibatches;
/// [`Error::Invalid`] for an empty batch, search rank or row; [`Error::Device`] where the adapter's limits or memory do not
/// suffice or a kernel does not compile.
pub fn load<'a>(device: &Device, load: &Load<'a>, options: &Options) -> Result<Box<dyn Engine + 'a>> {
    let operator = load.operator.as_ref();
    let form = form_of(operator)?;
    load.require_loss()?;
    require_groups(load)?;
    device.require(options.precision)?;
    let counts = [("batch", load.batch), ("search_rank", load.search_rank), ("measurements", operator.measurements())];
    counts.into_iter().try_for_each(|(name, size)| require_count(name, size))?;
    let engine = match form {
        GpuForm::Rows(source) => load_rows(device, load, source, options)?,
        GpuForm::Thin(data) => {
            let (program, info) = thin::load(device, load, data, options)?;
            GpuEngine::new(device, load, options, program, None, info)?
        }
    };
    Ok(Box::new(engine))
}

/// Refuses what kernels cannot count.
pub(super) fn require_count(name: &str, size: usize) -> Result<()> {
    if size == 0 || u32::try_from(size).is_err() {
        return Err(Error::invalid(name, size, "1 to 2³² − 1", "give at least 1"));
    }
    Ok(())
}

/// What is known of an engine before its data are placed.
pub(super) fn base_info(device: &Device, options: &Options) -> EngineInfo {
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
        notices: Vec::new(),
        team: None,
    }
}

fn load_rows<'a>(device: &Device, load: &Load<'a>, source: &dyn GpuSource, options: &Options) -> Result<GpuEngine<'a>> {
    let plan = source.plan(widest(options.precision));
    require_count("row_words", plan.row_words)?;
    let Placed { program, sizes, candidates, resident, stream, notices } = place(device, load, &plan, options)?;
    // Kernels that own rows read them once, the others twice; every tile of trials reads them anew.
    let passes = if sizes.variant.strategy.owns_rows() { 1 } else { 2 } * sizes.tiles(sizes.batch);
    let stored = sizes.m as f64 * plan.row_bytes as f64;
    let info = EngineInfo {
        storage: plan.storage(),
        variant: format!("{}/{}", load.operator.name(), sizes.name()),
        candidates,
        operator_bytes_per_iteration: stored * passes as f64,
        operator_bytes: (sizes.m * plan.held_words()) as u64 * 4,
        panels: resident.len() + stream.as_ref().map_or(0, Stream::panels),
        streamed_panels: stream.as_ref().map_or(0, Stream::panels),
        streamed_bytes_per_iteration: stream.as_ref().map_or(0, |stream| stream.rows() * plan.row_words * 4) as u64,
        memory: held(&sizes, &resident, stream.as_ref()),
        notices,
        ..base_info(device, options)
    };
    GpuEngine::new(device, load, options, program, stream, info)
}
