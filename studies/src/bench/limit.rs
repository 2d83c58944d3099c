//! Memory bandwidth, the limit for an iteration over stored matrices.

use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bench::median;
use lowrank::Backend;
use lowrank::Result;
use lowrank::gpu;
use lowrank::internals::{Pages, copy_times, sum_in_streams};

/// Bandwidth found by one test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateTest {
    pub name: String,
    /// Gigabytes per second, the median over the rounds.
    pub gigabytes_per_second: f64,
}

/// Memory bandwidth of all tests; the limit is the fastest one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Bytes that a test reads or copies.
    pub bytes: usize,
    pub tests: Vec<RateTest>,
}

impl Limit {
    /// Bandwidth of the fastest test.
    pub fn gigabytes_per_second(&self) -> f64 {
        self.tests.iter().map(|test| test.gigabytes_per_second).fold(0.0, f64::max)
    }
}

/// Tests of a backend's memory. Rounds can alternate with other measurements, because the bandwidth of a shared
/// machine changes from second to second.
pub struct Probe {
    kind: Kind,
    bytes: usize,
    /// Seconds of every round, for each test.
    times: Vec<Vec<f64>>,
}

enum Kind {
    /// Reads of a buffer of f32 numbers with all threads and with one, each at 1, 2, 4 and 8 positions at a time: one
    /// position per thread underestimates the bandwidth. `cases` holds (threads, streams) of each test.
    Reads { numbers: Pages<f32>, cases: Vec<(usize, usize)> },
    /// Copies of a buffer on the device; the rate counts bytes read and bytes written.
    Copies(gpu::Device),
}

impl Probe {
    /// Creates a probe over `bytes` bytes, which should far exceed the last-level cache; `None` for the reference
    /// backend.
    pub fn new(backend: &Backend, bytes: usize) -> Option<Self> {
        let kind = match backend {
            Backend::Reference => return None,
            Backend::Gpu(device) => Kind::Copies(device.clone()),
            Backend::Team(_, own) => return Self::new(own, bytes),
            _ => {
                let threads = rayon::current_num_threads();
                let counts = if threads > 1 { vec![threads, 1] } else { vec![1] };
                let cases = counts.iter().flat_map(|&threads| [1, 2, 4, 8].map(|streams| (threads, streams))).collect();
                // On such pages as the measurements, and written, so that they exist.
                let mut numbers = Pages::zeroed(bytes.max(1 << 10) / 4);
                numbers.as_mut_slice().par_iter_mut().enumerate().for_each(|(i, number)| *number = (i % 7) as f32);
                Kind::Reads { numbers, cases }
            }
        };
        let tests = if let Kind::Reads { cases, .. } = &kind { cases.len() } else { 1 };
        Some(Self { kind, bytes: bytes.max(1 << 10) / 4 * 4, times: vec![Vec::new(); tests] })
    }

    /// Runs every test once.
    ///
    /// # Errors
    /// Those of the device.
    pub fn round(&mut self) -> Result<()> {
        match &self.kind {
            Kind::Reads { numbers, cases } => {
                let numbers = numbers.as_slice();
                for (&(threads, streams), times) in cases.iter().zip(&mut self.times) {
                    let part = numbers.len().div_ceil(threads);
                    let begin = Instant::now();
                    let read = |numbers| sum_in_streams(numbers, streams);
                    std::hint::black_box(numbers.par_chunks(part).map(read).sum::<f32>());
                    times.push(begin.elapsed().as_secs_f64());
                }
            }
            Kind::Copies(device) => {
                let (times, bytes) = copy_times(device, self.bytes, 1)?;
                self.bytes = bytes;
                self.times[0].extend(times);
            }
        }
        Ok(())
    }

    /// Returns medians over the rounds so far.
    pub fn limit(&self) -> Limit {
        let names: Vec<String> = match &self.kind {
            Kind::Reads { cases, .. } => {
                cases.iter().map(|(threads, streams)| format!("{threads} threads, {streams} streams each")).collect()
            }
            Kind::Copies(_) => vec!["copy on the device, read and written".into()],
        };
        let moved = self.bytes as f64 * if matches!(self.kind, Kind::Copies(_)) { 2e-9 } else { 1e-9 };
        let taken = names.into_iter().zip(&self.times).filter(|(_, times)| !times.is_empty());
        let tests =
            taken.map(|(name, times)| RateTest { name, gigabytes_per_second: moved / median(&mut times.clone()) });
        Limit { bytes: self.bytes, tests: tests.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_gives_a_rate() {
        let mut probe = Probe::new(&Backend::Cpu, 1 << 16).expect("the backend has a probe");
        assert!(probe.limit().tests.is_empty() && Probe::new(&Backend::Reference, 1 << 16).is_none());
        probe.round().expect("reading memory does not fail");
        assert!(probe.limit().gigabytes_per_second() > 0.0);
    }
}
