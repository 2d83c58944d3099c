//! Products of small and tall matrices on the host, in f64 for every type of factors.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::real::{Real, convert};
use crate::tape::BlockSize;

/// Rows per part of a tall matrix; parts are added in order, so that bits do not depend on the threads.
const ROWS: usize = 2048;

/// A row-major matrix, and whether its transpose is meant.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a, T> {
    pub values: &'a [T],
    pub size: BlockSize,
    pub transposed: bool,
}

impl<T: Real> Factor<'_, T> {
    fn rows(&self) -> usize {
        if self.transposed { self.size.columns } else { self.size.rows }
    }

    fn columns(&self) -> usize {
        if self.transposed { self.size.rows } else { self.size.columns }
    }

    /// The stored rows `from..to` alone.
    fn part(&self, from: usize, to: usize) -> Self {
        let to = to.min(self.size.rows);
        let k = self.size.columns;
        Self { values: &self.values[from * k..to * k], size: BlockSize::new(to - from, k), ..*self }
    }
}

/// op(A)·op(B) of matrices that are not tall, row-major.
fn small<T: Real>(a: Factor<'_, T>, b: Factor<'_, T>) -> Vec<f64> {
    let mut out = vec![0.0; a.rows() * b.columns()];
    let (of_a, of_b): (Vec<f64>, Vec<f64>) = (convert(a.values), convert(b.values));
    let seen = |of: &Factor<'_, T>, values| {
        let stored = MatRef::from_row_major_slice(values, of.size.rows, of.size.columns);
        if of.transposed { stored.transpose() } else { stored }
    };
    let to = MatMut::from_row_major_slice_mut(&mut out, a.rows(), b.columns());
    matmul(to, Accum::Replace, seen(&a, &of_a[..]), seen(&b, &of_b[..]), 1.0, Par::Seq);
    out
}

/// out ← op(A)·op(B): over many rows that both are summed over, or that A and the result have, part by part on all cores.
pub(super) fn product<T: Real>(a: Factor<'_, T>, b: Factor<'_, T>, out: &mut [T]) {
    let starts = |rows: usize| (0..rows.div_ceil(ROWS)).into_par_iter().map(|part| part * ROWS);
    let write = |out: &mut [T], values: &[f64]| out.iter_mut().zip(values).for_each(|(out, v)| *out = T::from_f64(*v));
    if a.transposed && !b.transposed && a.size.rows > ROWS {
        let of = |from| small(a.part(from, from + ROWS), b.part(from, from + ROWS));
        let parts: Vec<Vec<f64>> = starts(a.size.rows).map(of).collect();
        let sums: Vec<f64> = (0..out.len()).map(|at| parts.iter().map(|part| part[at]).sum()).collect();
        write(out, &sums);
    } else if !a.transposed && a.size.rows > ROWS && b.columns() > 0 {
        let part = |(at, out): (usize, &mut [T])| write(out, &small(a.part(at * ROWS, (at + 1) * ROWS), b));
        out.par_chunks_mut(ROWS * b.columns()).enumerate().for_each(part);
    } else {
        write(out, &small(a, b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::random::{Purpose, normals};

    #[test]
    fn every_shape_and_transpose_is_the_sum_of_its_definition() {
        // Tall ones have more than two parts, the last of them short.
        let tall = 2 * ROWS + 77;
        for (rows, inner, columns) in [(3, 5, 2), (4, tall, 3), (tall, 4, 3), (tall, 1, 1), (3, 4, tall)] {
            for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
                let factor = |seed, rows: usize, columns: usize, transposed: bool| {
                    let size = if transposed { BlockSize::new(columns, rows) } else { BlockSize::new(rows, columns) };
                    (normals(seed, Purpose::Laws, 1.0, rows * columns), size)
                };
                let (left, size_a) = factor(1, rows, inner, transpose_a);
                let (right, size_b) = factor(2, inner, columns, transpose_b);
                let a = Factor { values: &left, size: size_a, transposed: transpose_a };
                let b = Factor { values: &right, size: size_b, transposed: transpose_b };
                let mut out = vec![f64::NAN; rows * columns];
                product(a, b, &mut out);
                for (at, found) in out.iter().enumerate() {
                    let (i, j) = (at / columns, at % columns);
                    let of_a = |l: usize| left[if transpose_a { l * rows + i } else { i * inner + l }];
                    let of_b = |l: usize| right[if transpose_b { j * inner + l } else { l * columns + j }];
                    let wanted: f64 = (0..inner).map(|l| of_a(l) * of_b(l)).sum();
                    assert!((found - wanted).abs() < 1e-11 * (inner as f64).sqrt().max(1.0) * 10.0, "{at}");
                }
            }
        }
    }
}
