//! Complex numbers in single or double precision, and factors of them column by column.

use rayon::prelude::*;
use rustfft::FftNum;
use rustfft::num_complex::Complex;

use super::CodedDiffraction;
use super::fourier::Fourier;
use crate::real::Real;

/// A precision of transforms.
pub(super) trait Number: Real + FftNum {
    fn fourier(of: &CodedDiffraction) -> &Fourier<Self>;
    fn masks(of: &CodedDiffraction) -> &[Complex<Self>];
}

impl Number for f32 {
    fn fourier(of: &CodedDiffraction) -> &Fourier<Self> {
        &of.single
    }

    fn masks(of: &CodedDiffraction) -> &[Complex<Self>] {
        &of.single_masks
    }
}

impl Number for f64 {
    fn fourier(of: &CodedDiffraction) -> &Fourier<Self> {
        &of.fourier
    }

    fn masks(of: &CodedDiffraction) -> &[Complex<Self>] {
        &of.masks
    }
}

/// Numbers that a thread takes at a time of what all patterns share.
pub(super) const CHUNK: usize = 1 << 12;

/// Columns of a complex factor, one after the other.
pub(super) struct Columns<T> {
    numbers: Vec<Complex<T>>,
    n: usize,
}

impl<T: Real> Columns<T> {
    /// Those of the real form of a factor, row-major.
    pub(super) fn of(numbers: &[T], count: usize) -> Self {
        let (real, imaginary) = numbers.split_at(numbers.len() / 2);
        let n = real.len() / count.max(1);
        let mut columns = Vec::with_capacity(real.len());
        for j in 0..count {
            columns.extend((j..real.len()).step_by(count).map(|at| Complex::new(real[at], imaginary[at])));
        }
        Self { numbers: columns, n }
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[Complex<T>]> {
        self.numbers.chunks_exact(self.n)
    }
}

/// Adds columns of n complex numbers each to a factor in its real form.
pub(super) fn add_columns<T: Real>(columns: &[Complex<T>], n: usize, out: &mut [T]) {
    let count = columns.len() / n;
    let (real, imaginary) = out.split_at_mut(n * count);
    for (j, column) in columns.chunks_exact(n).enumerate() {
        let pairs = real[j..].iter_mut().step_by(count).zip(imaginary[j..].iter_mut().step_by(count));
        for ((real, imaginary), v) in pairs.zip(column) {
            *real += v.re;
            *imaginary += v.im;
        }
    }
}

/// Adds sums to the first, each number in the order of the sums.
pub(super) fn add_in_order<T: Number>(total: &mut [Complex<T>], sums: &[&[Complex<T>]]) {
    total.par_chunks_mut(CHUNK).enumerate().for_each(|(at, total)| {
        for sum in sums {
            total.iter_mut().zip(&sum[at * CHUNK..]).for_each(|(total, v)| *total = *total + *v);
        }
    });
}
