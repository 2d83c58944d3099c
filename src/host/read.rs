//! Read bandwidth of memory: the limit for passes over stored matrices.

use crate::simd::{InstructionSet, Stored, Task, Unit, Widen};

/// Sum of `numbers`, read in 1, 2, 4 or 8 concurrent streams. The remainder at the end of a stream is not read.
pub fn sum_in_streams(numbers: &[f32], streams: usize) -> f32 {
    f32::run(InstructionSet::available()[0], Read { numbers, streams })
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
    // Two sums per stream, so that the additions of one stream do not wait for each other.
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
    }
}
