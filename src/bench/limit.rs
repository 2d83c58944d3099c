//! How fast memory is: the limit that an iteration over stored matrices is measured against.

use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::bench::median;
use crate::error::Result;
use crate::gpu;
use crate::pages::Pages;
use crate::simd::{InstructionSet, Stored, Task, Unit, Widen};

/// The rate of one test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateTest {
    pub name: String,
    /// Median over the rounds.
    pub gigabytes_per_second: f64,
}

/// What the memory gives; the limit is the fastest of the tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// That a test goes over.
    pub bytes: usize,
    pub tests: Vec<RateTest>,
}

impl Limit {
    /// The fastest of the tests.
    pub fn gigabytes_per_second(&self) -> f64 {
        self.tests.iter().map(|test| test.gigabytes_per_second).fold(0.0, f64::max)
    }
}

/// Tests of a backend's memory. Rounds can be taken between other measurements, because what a shared machine's memory
/// gives changes from one second to the next.
pub struct Probe {
    kind: Kind,
    bytes: usize,
    /// Seconds of every round, for each test.
    times: Vec<Vec<f64>>,
}

enum Kind {
    /// Reads a buffer of f32 numbers with all threads and with one, each at 1, 2, 4 and 8 places at a time: one place a
    /// thread underestimates what the memory gives. (threads, streams) of each test.
    Reads { numbers: Pages<f32>, ways: Vec<(usize, usize)> },
    /// Copies a buffer on the device; bytes read and bytes written count.
    Copies(gpu::Device),
}

impl Probe {
    /// A probe that goes over that many bytes, which should be far more than the last cache holds; `None` for the
    /// backend that is slow on purpose.
    pub fn new(backend: &Backend, bytes: usize) -> Option<Self> {
        let kind = match backend {
            Backend::Reference => return None,
            Backend::Gpu(device) => Kind::Copies(device.clone()),
            Backend::Team(_, own) => return Self::new(own, bytes),
            Backend::Cpu => {
                let threads = rayon::current_num_threads();
                let counts = if threads > 1 { vec![threads, 1] } else { vec![1] };
                let ways = counts.iter().flat_map(|&threads| [1, 2, 4, 8].map(|streams| (threads, streams))).collect();
                // On such pages as the measurements, and written, so that they exist.
                let mut numbers = Pages::zeroed(bytes.max(1 << 10) / 4);
                numbers.as_mut_slice().par_iter_mut().enumerate().for_each(|(i, number)| *number = (i % 7) as f32);
                Kind::Reads { numbers, ways }
            }
        };
        let tests = if let Kind::Reads { ways, .. } = &kind { ways.len() } else { 1 };
        Some(Self { kind, bytes: bytes.max(1 << 10) / 4 * 4, times: vec![Vec::new(); tests] })
    }

    /// Takes every test once.
    ///
    /// # Errors
    /// Those of the device.
    pub fn round(&mut self) -> Result<()> {
        match &self.kind {
            Kind::Reads { numbers, ways } => {
                let (set, numbers) = (InstructionSet::available()[0], numbers.as_slice());
                for (&(threads, streams), times) in ways.iter().zip(&mut self.times) {
                    let part = numbers.len().div_ceil(threads);
                    let begin = Instant::now();
                    let read = |numbers| f32::run(set, Read { numbers, streams });
                    std::hint::black_box(numbers.par_chunks(part).map(read).sum::<f32>());
                    times.push(begin.elapsed().as_secs_f64());
                }
            }
            Kind::Copies(device) => {
                let (times, bytes) = gpu::copy_times(device, self.bytes, 1)?;
                self.bytes = bytes;
                self.times[0].extend(times);
            }
        }
        Ok(())
    }

    /// Medians over the rounds so far.
    pub fn limit(&self) -> Limit {
        let names: Vec<String> = match &self.kind {
            Kind::Reads { ways, .. } => {
                ways.iter().map(|(threads, streams)| format!("{threads} threads, {streams} streams each")).collect()
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

struct Read<'a> {
    numbers: &'a [f32],
    streams: usize,
}

impl Task<f32, f32> for Read<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<A: Widen<f32, f32>>(self, simd: A) -> f32 {
        match self.streams {
            1 => streams::<A, 1>(simd, self.numbers),
            2 => streams::<A, 2>(simd, self.numbers),
            4 => streams::<A, 4>(simd, self.numbers),
            _ => streams::<A, 8>(simd, self.numbers),
        }
    }
}

#[inline(always)]
fn streams<A: Widen<f32, f32>, const N: usize>(simd: A, numbers: &[f32]) -> f32 {
    let units = <f32 as Unit>::chunks(numbers).0;
    let length = units.len() / N / 2 * 2;
    let parts: [_; N] = std::array::from_fn(|i| &units[i * length..(i + 1) * length]);
    let one = simd.splat(1.0);
    // Two sums a stream, so that the additions of one stream do not wait for each other.
    let (mut even, mut odd) = ([simd.splat(0.0); N], [simd.splat(0.0); N]);
    for q in (0..length).step_by(2) {
        for i in 0..N {
            even[i] = simd.fma(simd.load(&parts[i][q]), one, even[i]);
            odd[i] = simd.fma(simd.load(&parts[i][q + 1]), one, odd[i]);
        }
    }
    even.into_iter().chain(odd).map(|sum| simd.sum(sum)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_reads_everything() {
        let numbers = vec![1.0_f32; 8 * 32 * 5];
        for streams in [1, 2, 4, 8] {
            for set in InstructionSet::available() {
                assert_eq!(f32::run(set, Read { numbers: &numbers, streams }), numbers.len() as f32);
            }
        }
        let mut probe = Probe::new(&Backend::Cpu, 1 << 16).expect("the backend has a probe");
        assert!(probe.limit().tests.is_empty() && Probe::new(&Backend::Reference, 1 << 16).is_none());
        probe.round().expect("reading memory does not fail");
        assert!(probe.limit().gigabytes_per_second() > 0.0);
    }
}
