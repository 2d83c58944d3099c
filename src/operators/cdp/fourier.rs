//! Discrete Fourier transforms over any number of axes.

use std::f64::consts::TAU;
use std::sync::Arc;

use faer::c64;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

/// Lines across an array that are transformed together, and numbers between them.
const LINES: usize = 16;
const PADDING: usize = 4;

/// The transform F of arrays of a shape, row-major, without a factor, and its adjoint Fᴴ.
pub(super) struct Fourier<T: FftNum> {
    shape: Vec<usize>,
    axes: Vec<[Arc<dyn Fft<T>>; 2]>,
}

impl<T: FftNum> Fourier<T> {
    pub(super) fn new(shape: &[usize]) -> Self {
        let mut planner = FftPlanner::new();
        let mut plan = |n: &usize| [planner.plan_fft_forward(*n), planner.plan_fft_inverse(*n)];
        Self { shape: shape.to_vec(), axes: shape.iter().map(&mut plan).collect() }
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// x ← F x
    pub(super) fn forward(&self, x: &mut [Complex<T>], scratch: &mut Vec<Complex<T>>) {
        self.run(x, scratch, 0);
    }

    /// x ← Fᴴ x
    pub(super) fn adjoint(&self, x: &mut [Complex<T>], scratch: &mut Vec<Complex<T>>) {
        self.run(x, scratch, 1);
    }

    fn run(&self, x: &mut [Complex<T>], scratch: &mut Vec<Complex<T>>, direction: usize) {
        let zero = Complex::new(T::zero(), T::zero());
        let mut stride = x.len();
        let mut lines = Vec::new();
        for (n, plans) in self.shape.iter().zip(&self.axes) {
            let plan = &plans[direction];
            stride /= n;
            scratch.resize(scratch.len().max(plan.get_inplace_scratch_len()), zero);
            if stride == 1 {
                plan.process_with_scratch(x, scratch);
                continue;
            }
            // Some neighbouring lines at once: a cache line of the array holds numbers of several. With the padding, lines of a power
            // of two do not fall into the same sets of the cache.
            let length = n + PADDING;
            lines.resize(LINES * length, zero);
            for block in x.chunks_mut(n * stride) {
                for first in (0..stride).step_by(LINES) {
                    let some = first..stride.min(first + LINES);
                    for (i, row) in block.chunks(stride).enumerate() {
                        row[some.clone()].iter().enumerate().for_each(|(line, v)| lines[line * length + i] = *v);
                    }
                    for line in lines.chunks_mut(length).take(some.len()) {
                        plan.process_with_scratch(&mut line[..*n], scratch);
                    }
                    for (i, row) in block.chunks_mut(stride).enumerate() {
                        row[some.clone()].iter_mut().enumerate().for_each(|(line, v)| *v = lines[line * length + i]);
                    }
                }
            }
        }
    }
}

impl Fourier<f64> {
    /// Entry (i, j) of F, exact for axes of length 1 and 2.
    pub(super) fn entry(&self, mut i: usize, mut j: usize) -> c64 {
        let mut entry = c64::new(1.0, 0.0);
        for n in self.shape.iter().rev() {
            let turns = (i % n) * (j % n) % n;
            entry *= match (4 * turns) as f64 / *n as f64 {
                0.0 => c64::new(1.0, 0.0),
                1.0 => c64::new(0.0, -1.0),
                2.0 => c64::new(-1.0, 0.0),
                3.0 => c64::new(0.0, 1.0),
                quarters => c64::from_polar(1.0, -TAU * quarters / 4.0),
            };
            (i, j) = (i / n, j / n);
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_are_their_matrices_and_adjoints() {
        for shape in [vec![1], vec![6], vec![3, 4], vec![2, 2, 2], vec![2, 5, 3]] {
            let fourier = Fourier::new(&shape);
            let n = fourier.len();
            let x: Vec<c64> = (0..n).map(|i| c64::new((i as f64 * 1.3).sin(), (i as f64 * 0.7).cos())).collect();
            let (mut forward, mut adjoint) = (x.clone(), x.clone());
            fourier.forward(&mut forward, &mut Vec::new());
            fourier.adjoint(&mut adjoint, &mut Vec::new());
            for i in 0..n {
                let sum = |of: &dyn Fn(usize) -> c64| (0..n).map(|j| of(j) * x[j]).sum::<c64>();
                assert!((forward[i] - sum(&|j| fourier.entry(i, j))).norm() < 1e-12, "{shape:?}");
                assert!((adjoint[i] - sum(&|j| fourier.entry(j, i).conj())).norm() < 1e-12, "{shape:?}");
            }
        }
    }
}
