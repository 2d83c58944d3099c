//! Measured speed: the time of an iteration of a loaded engine, compared with the memory bandwidth of the machine.
//!
//! Times are medians over several samples of several iterations each. Bytes count every stored number of the
//! measurements once per iteration, even if a kernel reads it more often. Flops count the products with these
//! numbers, 4 per number and trial. Rates therefore compare programs that do the same work, not the instructions they
//! execute.

mod empty;
mod limit;
mod scale;

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use lowrank::Backend;
use lowrank::engine::{Candidate, Precision};
use lowrank::internals::engine::{Engine, Load, Options};
use lowrank::memory::Location;
use lowrank::methods::{Context, Method};
use lowrank::models::Model;
use lowrank::operators::{Loss, Operator, Storage};
use lowrank::tape::Tape;
use lowrank::{Error, Result};

pub use empty::overhead;
pub use limit::{Limit, Probe, RateTest};
pub use scale::{Exponent, SCALE_AXES, ScaleAxis, scale};

/// One case to time.
#[derive(Clone)]
pub struct Case {
    pub operator: Arc<dyn Operator>,
    pub batch: usize,
    pub search_rank: usize,
    pub backend: Backend,
    pub precision: Precision,
    /// Forced kernel variant.
    pub variant: Option<String>,
    /// Limit on the device memory of the Gpu backend; see [`lowrank::Settings::device_memory`].
    pub device_memory: Option<u64>,
}

/// Amount of timing per case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    pub samples: usize,
    /// Minimal seconds of a sample, which has at least one iteration.
    pub seconds: f64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { samples: 5, seconds: 0.3 }
    }
}

/// Cost of one iteration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    pub operator: String,
    pub n: usize,
    pub measurements: usize,
    pub search_rank: usize,
    pub batch: usize,
    pub storage: Option<Storage>,
    pub precision: Precision,
    pub backend: String,
    pub adapter: String,
    pub software_adapter: bool,
    pub variant: String,
    pub candidates: Vec<Candidate>,
    pub iterations: usize,
    /// Milliseconds per iteration in the median sample; `fastest` and `slowest` are the extremes.
    pub milliseconds: f64,
    pub fastest: f64,
    pub slowest: f64,
    pub gigabytes_per_second: f64,
    pub gigaflops: f64,
    /// Predicted host memory of the operator and the engine, without mapped files.
    pub predicted_bytes: u64,
    /// Largest growth of the program's memory, if measured.
    pub peak_bytes: Option<u64>,
    /// Memory bandwidth between the samples, if measured.
    pub limit: Option<Limit>,
}

impl Measurement {
    /// Returns the achieved share of the memory bandwidth.
    pub fn share_of_limit(&self) -> Option<f64> {
        self.limit.as_ref().map(|limit| self.gigabytes_per_second / limit.gigabytes_per_second())
    }
}

/// Longest time for an engine to settle, in seconds.
const SETTLING_SECONDS: f64 = 5.0;

/// Times iterations of gradient descent. With `probe_bytes`, a round of a [`Probe`] follows every sample.
///
/// # Errors
/// [`Error::Invalid`] for an empty batch or search rank; those of loading and of the device.
pub fn time_iterations(case: &Case, effort: Effort, probe_bytes: Option<usize>) -> Result<Measurement> {
    let operator = &case.operator;
    for (name, size) in [("batch", case.batch), ("search_rank", case.search_rank)] {
        if size == 0 {
            return Err(Error::invalid(name, 0, "at least 1", "pass at least 1"));
        }
    }
    let (shape, m) = (operator.domain(), operator.measurements());
    let n = shape.rows();
    let mut tape = Tape::new(Model::psd().recorded(), shape, case.search_rank, Loss::Square, false, false);
    Method::from(Method::gd()).record(&mut tape, &Context::default())?;
    let program = Arc::new(tape.finish());
    let load = Load {
        operator: operator.clone(),
        program: program.clone(),
        increments: None,
        batch: case.batch,
        variant: case.variant.clone(),
    };
    let options = Options { memory_bytes: case.device_memory, ..Options::default() };
    let mut engine = case.backend.load(&load, case.precision, &options)?;
    engine.write(program.target.into(), &vec![0.5; case.batch * m])?;
    // Steps so short that nothing grows: the arithmetic is the same for all finite numbers that are not subnormal.
    if let Some(step) = program.find("step_size") {
        engine.write(step, &vec![1e-12; case.batch])?;
    }
    let entries: Vec<f64> = (0..case.batch * n * case.search_rank).map(|i| (i % 97) as f64 / 97.0 - 0.5).collect();
    engine.write(program.iterate.into(), &entries)?;

    let iterations = paced(&mut *engine, effort.seconds)?;
    settle(&mut *engine)?;
    let mut probe = probe_bytes.and_then(|bytes| Probe::new(&case.backend, bytes));
    let mut times = Vec::with_capacity(effort.samples);
    for _ in 0..effort.samples.max(1) {
        let begin = Instant::now();
        engine.run(iterations)?;
        times.push(begin.elapsed().as_secs_f64() / iterations as f64);
        if let Some(probe) = &mut probe {
            probe.round()?;
        }
    }
    let seconds = median(&mut times);
    let cost = operator.cost(case.batch, case.search_rank);
    let info = engine.info();
    Ok(Measurement {
        operator: operator.name().to_owned(),
        n,
        measurements: m,
        search_rank: case.search_rank,
        batch: case.batch,
        storage: info.storage,
        precision: info.precision,
        backend: info.backend.clone(),
        adapter: info.adapter.clone(),
        software_adapter: info.software_adapter,
        variant: info.variant.clone(),
        candidates: info.candidates.clone(),
        iterations,
        milliseconds: seconds * 1e3,
        fastest: times[0] * 1e3,
        slowest: times[times.len() - 1] * 1e3,
        gigabytes_per_second: cost.bytes / seconds * 1e-9,
        gigaflops: cost.flops / seconds * 1e-9,
        predicted_bytes: (operator.memory().iter().chain(&info.memory.parts))
            .filter(|part| part.place == Location::Host)
            .map(|part| part.bytes)
            .sum(),
        peak_bytes: None,
        limit: probe.map(|probe| probe.limit()),
    })
}

/// Warms the engine up and finds the number of iterations that take at least `seconds`.
fn paced(engine: &mut dyn Engine, seconds: f64) -> Result<usize> {
    let mut iterations = 1;
    loop {
        let begin = Instant::now();
        engine.run(iterations)?;
        let took = begin.elapsed().as_secs_f64();
        if took >= seconds {
            return Ok(iterations);
        }
        let wanted = (seconds / took.max(1e-9) * iterations as f64 * 1.1).ceil();
        iterations = (wanted as usize).clamp(iterations + 1, iterations * 16);
    }
}

/// Runs iterations until the engine has chosen its traversal.
fn settle(engine: &mut dyn Engine) -> Result<()> {
    let begin = Instant::now();
    while !engine.info().settled && begin.elapsed().as_secs_f64() < SETTLING_SECONDS {
        engine.run(1)?;
    }
    Ok(())
}

/// Sorts the values and returns the median.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
