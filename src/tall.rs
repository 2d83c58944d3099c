//! Tall matrices with few columns on all cores: rows in parts, whose sums are added in order, so that bits do not depend
//! on the threads.

use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

use crate::field::Field;

/// Rows per part.
const ROWS: usize = 2048;

/// Runs `f` on parts of the rows, each with the number of its first row.
pub(crate) fn by_rows<E: Field>(out: MatMut<'_, E>, f: &(impl Fn(usize, MatMut<'_, E>) + Sync)) {
    halves(out, 0, f);
}

fn halves<E: Field>(out: MatMut<'_, E>, from: usize, f: &(impl Fn(usize, MatMut<'_, E>) + Sync)) {
    let rows = out.nrows();
    if rows <= ROWS {
        return f(from, out);
    }
    let middle = (rows / 2).next_multiple_of(ROWS);
    let (above, below) = out.split_at_row_mut(middle);
    rayon::join(|| halves(above, from, f), || halves(below, from + middle, f));
}

/// The matrix of f(i, j).
pub(crate) fn from_fn<E: Field>(rows: usize, columns: usize, f: impl Fn(usize, usize) -> E + Sync) -> Mat<E> {
    let mut out = Mat::zeros(rows, columns);
    by_rows(out.as_mut(), &|from, mut part| {
        for j in 0..columns {
            for i in 0..part.nrows() {
                part[(i, j)] = f(from + i, j);
            }
        }
    });
    out
}

/// AB for a small B.
pub(crate) fn times<E: Field>(a: MatRef<'_, E>, b: MatRef<'_, E>) -> Mat<E> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    by_rows(out.as_mut(), &|from, mut part| part.copy_from(a.subrows(from, part.nrows()) * b));
    out
}

/// C ← C − AB for a small B.
pub(crate) fn subtract_product<E: Field>(c: MatMut<'_, E>, a: MatRef<'_, E>, b: MatRef<'_, E>) {
    by_rows(c, &|from, mut part| {
        let product = a.subrows(from, part.nrows()) * b;
        part -= product;
    });
}

/// AᴴB, which is AᵀB for real matrices.
pub(crate) fn adjoint_times<E: Field>(a: MatRef<'_, E>, b: MatRef<'_, E>) -> Mat<E> {
    let rows = a.nrows();
    if rows <= ROWS {
        return a.adjoint() * b;
    }
    let part = |at: usize| {
        let (from, count) = (at * ROWS, ROWS.min(rows - at * ROWS));
        a.subrows(from, count).adjoint() * b.subrows(from, count)
    };
    let parts: Vec<Mat<E>> = (0..rows.div_ceil(ROWS)).into_par_iter().map(part).collect();
    parts.into_iter().fold(Mat::zeros(a.ncols(), b.ncols()), |sum, part| sum + part)
}

/// f of the number of each column, in their order.
pub(crate) fn columns<E: Field, V: Send>(a: MatRef<'_, E>, f: impl Fn(usize) -> V + Sync + Send) -> Vec<V> {
    match a.nrows() <= ROWS {
        true => (0..a.ncols()).map(f).collect(),
        false => (0..a.ncols()).into_par_iter().map(f).collect(),
    }
}

/// Re Σ conj(Aᵢⱼ)Bᵢⱼ.
pub(crate) fn inner<E: Field>(a: MatRef<'_, E>, b: MatRef<'_, E>) -> f64 {
    columns(a, |j| (a.col(j).adjoint() * b.col(j)).real()).iter().sum()
}

/// An orthonormal basis Q of the range of A and the matrix W with Q = AW, both from Gram matrices, so that a tall A is
/// read a few times only; `None` where Gram matrices do not show whether its columns are independent (condition above
/// 10⁵) and for matrices that are not tall.
///
/// The second round makes up for the rounding of the first (Fukaya et al. 2014, CholeskyQR2).
pub(crate) fn range_by_gram<E: Field>(a: MatRef<'_, E>) -> Option<(Mat<E>, Mat<E>)> {
    if a.nrows() <= ROWS || a.ncols() == 0 {
        return None;
    }
    let whiten = |gram: Mat<E>| {
        let eigen = gram.self_adjoint_eigen(faer::Side::Lower).ok()?;
        let k = gram.ncols();
        let values: Vec<f64> = (0..k).map(|j| eigen.S()[j].real()).collect();
        // Not true where a value is not a number either.
        let independent = values[0] > 1e-10 * values[k - 1] && values[k - 1].is_finite();
        independent.then(|| Mat::from_fn(k, k, |i, j| eigen.U()[(i, j)] / values[j].sqrt()))
    };
    let first = whiten(adjoint_times(a, a))?;
    let rough = times(a, first.as_ref());
    let second = whiten(adjoint_times(rough.as_ref(), rough.as_ref()))?;
    Some((times(rough.as_ref(), second.as_ref()), first * second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rows: usize, columns: usize, seed: f64) -> Mat<f64> {
        Mat::from_fn(rows, columns, |i, j| {
            ((i * columns + j) as f64 * 0.37 + (j as f64 + seed).powi(3)).sin() + ((i * (j + 2)) as f64).cos()
        })
    }

    #[test]
    fn products_of_many_parts_are_those_of_the_whole() {
        for rows in [5, ROWS, 3 * ROWS + 17] {
            let (a, b, small) = (wave(rows, 4, 0.0), wave(rows, 3, 1.0), wave(4, 3, 2.0));
            let scale = 1e-12 * rows as f64;
            let near = |found: &Mat<f64>, wanted: &Mat<f64>| {
                assert_eq!((found.nrows(), found.ncols()), (wanted.nrows(), wanted.ncols()));
                assert!((found - wanted).norm_max() < scale, "{rows} rows");
            };
            near(&adjoint_times(a.as_ref(), b.as_ref()), &(a.transpose() * &b));
            near(&times(a.as_ref(), small.as_ref()), &(&a * &small));
            let mut left = b.clone();
            subtract_product(left.as_mut(), a.as_ref(), small.as_ref());
            near(&left, &(&b - &a * &small));
            near(&from_fn(rows, 4, |i, j| a[(i, j)]), &a);
            let wanted: f64 = (0..4).map(|j| (0..rows).map(|i| a[(i, j)] * a[(i, j)]).sum::<f64>()).sum();
            assert!((inner(a.as_ref(), a.as_ref()) - wanted).abs() < scale);
        }
    }

    #[test]
    fn bases_by_gram_matrices_are_orthonormal_and_dependent_columns_have_none() {
        let rows = 2 * ROWS + 5;
        let mut a = wave(rows, 4, 0.5);
        (0..rows).for_each(|i| a[(i, 3)] *= 1e-4);
        let (q, w) = range_by_gram(a.as_ref()).unwrap();
        assert!((q.transpose() * &q - Mat::<f64>::identity(4, 4)).norm_max() < 1e-13);
        assert!((&a * &w - &q).norm_max() < 1e-9);
        (0..rows).for_each(|i| a[(i, 3)] = a[(i, 0)]);
        assert!(range_by_gram(a.as_ref()).is_none());
        assert!(range_by_gram(wave(ROWS, 4, 0.5).as_ref()).is_none());
    }
}
