//! How fast this machine reads memory: the limit that an iteration over stored matrices is measured against.

use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bench::median;
use crate::simd::{InstructionSet, Stored, Task, Unit, Widen};

/// One way of reading a buffer from end to end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadTest {
    pub threads: usize,
    /// Places at which every thread reads at the same time.
    pub streams: usize,
    /// Median over the repetitions.
    pub gigabytes_per_second: f64,
}

/// The tests of a [`ReadProbe`]; the limit is the fastest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadLimit {
    pub bytes: usize,
    pub tests: Vec<ReadTest>,
}

impl ReadLimit {
    /// The fastest of the tests.
    pub fn gigabytes_per_second(&self) -> f64 {
        self.tests.iter().map(|test| test.gigabytes_per_second).fold(0.0, f64::max)
    }
}

/// Reads a buffer of f32 numbers over and over, with all threads and with one, each at 1, 2, 4 and 8 places at a time: one
/// place a thread underestimates what the memory gives. Rounds can be taken between other measurements, because what a
/// shared machine's memory gives changes from one second to the next.
pub struct ReadProbe {
    numbers: Vec<f32>,
    /// (threads, streams) and the seconds that each round took.
    times: Vec<((usize, usize), Vec<f64>)>,
}

impl ReadProbe {
    /// A buffer of that many bytes; it should be far larger than the last cache.
    pub fn new(bytes: usize) -> Self {
        // Written, so that the pages exist.
        let numbers = (0..bytes.max(1 << 10) / 4).into_par_iter().map(|i| (i % 7) as f32).collect();
        let threads = rayon::current_num_threads();
        let counts = if threads > 1 { vec![threads, 1] } else { vec![1] };
        let ways = counts.iter().flat_map(|&threads| [1, 2, 4, 8].map(|streams| ((threads, streams), Vec::new())));
        Self { numbers, times: ways.collect() }
    }

    /// Takes every test once.
    pub fn round(&mut self) {
        let set = InstructionSet::available()[0];
        for ((threads, streams), times) in &mut self.times {
            let part = self.numbers.len().div_ceil(*threads);
            let begin = Instant::now();
            let read = |numbers| f32::run(set, Read { numbers, streams: *streams });
            std::hint::black_box(self.numbers.par_chunks(part).map(read).sum::<f32>());
            times.push(begin.elapsed().as_secs_f64());
        }
    }

    /// Medians over the rounds so far.
    pub fn limit(&self) -> ReadLimit {
        let bytes = self.numbers.len() * 4;
        let rate = |times: &[f64]| bytes as f64 * 1e-9 / median(&mut times.to_vec());
        let taken = self.times.iter().filter(|(_, times)| !times.is_empty());
        let tests = taken.map(|&((threads, streams), ref times)| ReadTest {
            threads,
            streams,
            gigabytes_per_second: rate(times),
        });
        ReadLimit { bytes, tests: tests.collect() }
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
        let mut probe = ReadProbe::new(1 << 16);
        assert!(probe.limit().tests.is_empty());
        probe.round();
        assert!(probe.limit().gigabytes_per_second() > 0.0);
    }
}
