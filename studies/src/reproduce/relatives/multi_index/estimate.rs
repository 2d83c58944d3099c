//! Rank-one measurements and the leading eigenvectors of Σ T(y_i) a_i a_iᵀ.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, ColRef, Mat, MatRef, Par};
use rand_chacha::ChaCha8Rng;

use super::preprocess::Transform;
use lowrank::internals::{Purpose, normal, stream};

/// Most steps of the Lanczos iteration.
const STEPS: usize = 400;
/// Steps between checks of convergence.
const CHECKED: usize = 10;
/// Residual of an eigenpair over the size of the spectrum at which it counts as found; the error of an overlap is of
/// the order of the square of residual over gap.
const RESIDUAL: f64 = 1e-4;

/// Measurements that are added to the matrix together.
const BLOCK: usize = 256;

/// Kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// y = Σ_{j ≤ r} ⟨a, u_j⟩² with real a ~ N(0, I).
    Real { rank: usize },
    /// y = |⟨a, u⟩|² with complex a ~ CN(0, I).
    Complex,
}

impl Field {
    /// Returns ν, the number of squares in y.
    pub(super) fn squares(self) -> usize {
        match self {
            Self::Real { rank } => rank,
            Self::Complex => 2,
        }
    }
}

/// Measurements of orthonormal u_1, …, u_r. A complex measurement a = p + iq is two rows, (p, q) and (−q, p), of the
/// real form of twice the size, and u has two basis vectors, for u and iu.
pub(super) struct Sample {
    /// Number of columns of the rows: n, or 2n for complex data.
    width: usize,
    /// Rows of one measurement: 1, or 2 for complex data.
    each: usize,
    /// Rounded to f32, which defines the measurements.
    rows: Vec<f32>,
    /// y_i.
    observations: Vec<f64>,
    /// Basis vectors, one after another.
    truth: Vec<f64>,
    /// Number of wanted eigenvectors.
    wanted: usize,
}

impl Sample {
    /// Draws `count` measurements in dimension n.
    pub(super) fn new(field: Field, n: usize, count: usize, seed: u64, index: u64) -> Self {
        let mut rng = stream(seed, Purpose::Operator, index);
        let (width, each, wanted) = match field {
            Field::Real { rank } => (n, 1, rank),
            Field::Complex => (2 * n, 2, 1),
        };
        let mut truth = orthonormal(width, wanted, &mut rng);
        if field == Field::Complex {
            truth.extend(turned(&truth.clone()));
        }
        let mut rows: Vec<f32> = Vec::with_capacity(count * each * width);
        for _ in 0..count {
            let row: Vec<f32> = (0..width).map(|_| normal(&mut rng) as f32).collect();
            rows.extend(&row);
            if field == Field::Complex {
                rows.extend(turned(&row));
            }
        }
        let of = |rows: &[f32]| {
            let inner = |u: &[f64]| dot(&rows[..width], u).powi(2);
            truth.chunks(width).map(inner).sum::<f64>()
        };
        let observations = rows.chunks(each * width).map(of).collect();
        Self { width, each, rows, observations, truth, wanted }
    }

    /// Returns the overlap (1/k)·Σ_{j ≤ k} ‖Bᵀû_j‖² of the leading k eigenvectors with the truth from the first
    /// `count` measurements, the mean squared cosine of the principal angles.
    pub(super) fn overlap(&self, transform: Transform, count: usize, rng: &mut ChaCha8Rng) -> f64 {
        let observations = &self.observations[..count];
        let mean = observations.iter().sum::<f64>() / count as f64;
        let weights: Vec<f64> = observations.iter().map(|y| transform.of(y / mean) / count as f64).collect();
        let matrix = self.matrix(&weights);
        let found = leading(self.width, self.wanted, rng, |v| {
            let product = &matrix * ColRef::from_slice(v);
            product.iter().copied().collect()
        });
        let squares = found.iter().flat_map(|v| self.truth.chunks(self.width).map(|u| inner(u, v).powi(2)));
        squares.sum::<f64>() / self.wanted as f64
    }

    /// Returns Σ w_i a_i a_iᵀ, summed in f32: its relative error is far below [`RESIDUAL`].
    fn matrix(&self, weights: &[f64]) -> Mat<f64> {
        let (width, each) = (self.width, self.each);
        let mut sum = Mat::<f32>::zeros(width, width);
        let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        for (rows, weights) in self.rows.chunks(BLOCK * each * width).zip(weights.chunks(BLOCK)) {
            let count = weights.len() * each;
            let rows = MatRef::from_row_major_slice(&rows[..count * width], count, width);
            let weighted = Mat::from_fn(count, width, |i, j| weights[i / each] as f32 * rows[(i, j)]);
            triangular::matmul(&mut sum, lower, Accum::Add, rows.transpose(), full, &weighted, full, 1.0, Par::Seq);
        }
        Mat::from_fn(width, width, |i, j| f64::from(sum[(i.max(j), i.min(j))]))
    }
}

/// Returns i·u of u = p + iq as (−q, p).
fn turned<T: Copy + std::ops::Neg<Output = T>>(u: &[T]) -> Vec<T> {
    let (p, q) = u.split_at(u.len() / 2);
    q.iter().map(|q| -*q).chain(p.iter().copied()).collect()
}

/// Returns the `wanted` eigenvectors of the largest eigenvalues of a symmetric map, by the Lanczos iteration with full
/// orthogonalisation.
fn leading(n: usize, wanted: usize, rng: &mut ChaCha8Rng, product: impl Fn(&[f64]) -> Vec<f64>) -> Vec<Vec<f64>> {
    let mut basis = vec![orthonormal(n, 1, rng)];
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    loop {
        let step = diagonal.len();
        let mut next = product(&basis[step]);
        diagonal.push(inner(&next, &basis[step]));
        // Twice is enough.
        for _ in 0..2 {
            for v in &basis {
                let along = inner(&next, v);
                next.iter_mut().zip(v).for_each(|(next, v)| *next -= along * v);
            }
        }
        let rest = inner(&next, &next).sqrt();
        let size = diagonal.iter().chain(&beside).map(|v| v.abs()).fold(0.0, f64::max);
        let last = diagonal.len() == STEPS.min(n) || rest <= 1e-12 * size;
        if last || diagonal.len() % CHECKED == 0 {
            let small = ritz(&diagonal, &beside, wanted);
            if last || small.iter().all(|s| rest * s[s.len() - 1].abs() <= RESIDUAL * size) {
                return small.iter().map(|s| combined(&basis, s)).collect();
            }
        }
        beside.push(rest);
        basis.push(next.iter().map(|v| v / rest).collect());
    }
}

/// Returns the eigenvectors of the `wanted` largest eigenvalues of a tridiagonal matrix with nonzero entries beside the
/// diagonal: eigenvalues by bisection, vectors by two steps of inverse iteration.
fn ritz(diagonal: &[f64], beside: &[f64], wanted: usize) -> Vec<Vec<f64>> {
    let k = diagonal.len();
    let off = |i: usize| beside.get(i).map_or(0.0, |b| b.abs());
    let radius = |i: usize| off(i) + if i > 0 { off(i - 1) } else { 0.0 };
    let ends = || (0..k).map(|i| (diagonal[i] - radius(i), diagonal[i] + radius(i)));
    let (least, most) = ends().fold((f64::INFINITY, f64::NEG_INFINITY), |e, of| (e.0.min(of.0), e.1.max(of.1)));
    let size = least.abs().max(most.abs()).max(f64::MIN_POSITIVE);
    let value = |j: usize| {
        let (mut low, mut high) = (least, most);
        while high - low > 1e-14 * size {
            let middle = 0.5 * (low + high);
            if above(diagonal, beside, middle) > j { low = middle } else { high = middle }
        }
        // A little beside the eigenvalue, so that the shifted matrix has an inverse.
        high + 1e-13 * size
    };
    let vector = |j: usize| {
        let shift = value(j);
        let start = vec![1.0; k];
        (0..2).fold(start, |v, _| {
            let mut v = shifted_inverse(diagonal, beside, shift, v);
            let length = inner(&v, &v).sqrt();
            v.iter_mut().for_each(|v| *v /= length);
            v
        })
    };
    (0..wanted.min(k)).map(vector).collect()
}

/// Returns the number of eigenvalues above `shift`: positive pivots of the factors of the shifted matrix.
fn above(diagonal: &[f64], beside: &[f64], shift: f64) -> usize {
    let (mut pivot, mut count) = (1.0, 0);
    for (i, d) in diagonal.iter().enumerate() {
        let square = if i > 0 { beside[i - 1].powi(2) } else { 0.0 };
        pivot = d - shift - square / pivot;
        if pivot == 0.0 {
            pivot = f64::MIN_POSITIVE;
        }
        count += usize::from(pivot > 0.0);
    }
    count
}

/// Solves (T − shift)x = v by elimination; rows change places where the pivot is the smaller entry.
fn shifted_inverse(diagonal: &[f64], beside: &[f64], shift: f64, mut v: Vec<f64>) -> Vec<f64> {
    let k = diagonal.len();
    // Row i after elimination: entries at i, i + 1 and i + 2.
    let mut rows = vec![[0.0; 3]; k];
    let off = |i: usize| beside.get(i).copied().unwrap_or(0.0);
    let mut current = [diagonal[0] - shift, off(0), 0.0];
    for i in 0..k - 1 {
        let mut next = [off(i), diagonal[i + 1] - shift, if i + 2 < k { off(i + 1) } else { 0.0 }];
        if next[0].abs() > current[0].abs() {
            std::mem::swap(&mut current, &mut next);
            v.swap(i, i + 1);
        }
        let factor = next[0] / pivot_of(current[0]);
        rows[i] = current;
        v[i + 1] -= factor * v[i];
        current = [next[1] - factor * current[1], next[2] - factor * current[2], 0.0];
    }
    rows[k - 1] = current;
    for i in (0..k).rev() {
        let after = |j: usize| v.get(i + j).copied().unwrap_or(0.0);
        v[i] = (v[i] - rows[i][1] * after(1) - rows[i][2] * after(2)) / pivot_of(rows[i][0]);
    }
    v
}

/// Returns a pivot that can be divided by.
fn pivot_of(value: f64) -> f64 {
    if value == 0.0 { f64::EPSILON } else { value }
}

fn combined(basis: &[Vec<f64>], of: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; basis[0].len()];
    for (v, share) in basis.iter().zip(of) {
        sum.iter_mut().zip(v).for_each(|(sum, v)| *sum += share * v);
    }
    sum
}

/// Returns `count` orthonormal vectors of random directions, one after another.
fn orthonormal(n: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut all: Vec<f64> = Vec::with_capacity(n * count);
    for _ in 0..count {
        let mut v: Vec<f64> = (0..n).map(|_| normal(rng)).collect();
        for u in all.chunks(n) {
            let along = inner(&v, u);
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
        }
        let size = inner(&v, &v).sqrt();
        all.extend(v.iter().map(|v| v / size));
    }
    all
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn dot(row: &[f32], v: &[f64]) -> f64 {
    row.iter().zip(v).map(|(a, v)| f64::from(*a) * v).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leading_vectors_are_those_of_a_dense_decomposition() {
        let mut rng = stream(1, Purpose::Laws, 0);
        let n = 60;
        let q = orthonormal(n, n, &mut rng);
        let value = |j: usize| if j < 2 { 3.0 - j as f64 } else { (j as f64 * 0.7).sin() };
        let product = |v: &[f64]| {
            let mut sum = vec![0.0; n];
            for (j, u) in q.chunks(n).enumerate() {
                let along = value(j) * inner(u, v);
                sum.iter_mut().zip(u).for_each(|(sum, u)| *sum += along * u);
            }
            sum
        };
        let found = leading(n, 2, &mut rng, product);
        for (v, u) in found.iter().zip(q.chunks(n)) {
            approx::assert_relative_eq!(inner(v, u).abs(), 1.0, epsilon = 1e-6);
        }
    }

    #[test]
    fn small_eigenvectors_solve_their_equation() {
        let (diagonal, beside): (Vec<f64>, Vec<f64>) =
            ((0..30).map(|i| f64::from(i * 7 % 11)).collect(), (0..29).map(|i| 0.3 + 0.1 * f64::from(i % 5)).collect());
        let mut last = f64::INFINITY;
        for v in ritz(&diagonal, &beside, 3) {
            let at = |i: usize| {
                let left = if i > 0 { beside[i - 1] * v[i - 1] } else { 0.0 };
                diagonal[i] * v[i] + left + if i < 29 { beside[i] * v[i + 1] } else { 0.0 }
            };
            let value: f64 = (0..30).map(|i| v[i] * at(i)).sum();
            assert!((0..30).all(|i| (at(i) - value * v[i]).abs() < 1e-9) && value < last);
            last = value;
        }
        // The largest diagonal entry is below the largest eigenvalue.
        assert!(above(&diagonal, &beside, 10.0) > 0);
        assert_eq!((above(&diagonal, &beside, -2.0), above(&diagonal, &beside, 13.0)), (30, 0));
    }

    #[test]
    fn observations_are_squares_and_complex_data_does_not_see_the_phase() {
        let real = Sample::new(Field::Real { rank: 2 }, 7, 5, 1, 0);
        let expected: f64 = real.truth.chunks(7).map(|u| dot(&real.rows[..7], u).powi(2)).sum();
        approx::assert_relative_eq!(real.observations[0], expected);
        let complex = Sample::new(Field::Complex, 7, 5, 1, 0);
        // Both rows of a measurement see the same |⟨a, u⟩|².
        let second: f64 = complex.truth.chunks(14).map(|u| dot(&complex.rows[14..28], u).powi(2)).sum();
        approx::assert_relative_eq!(complex.observations[0], second, max_relative = 1e-6);
        approx::assert_abs_diff_eq!(inner(&complex.truth[..14], &complex.truth[14..]), 0.0, epsilon = 1e-15);
    }

    #[test]
    fn the_matrix_is_the_weighted_sum_of_outer_products() {
        // More measurements than a block has.
        let count = BLOCK + 9;
        for field in [Field::Real { rank: 1 }, Field::Complex] {
            let sample = Sample::new(field, 5, count, 3, 0);
            let weights: Vec<f64> = (0..count).map(|i| (i as f64).sin() / count as f64).collect();
            let matrix = sample.matrix(&weights);
            let rows = sample.rows.chunks(sample.width).enumerate();
            let mut expected = Mat::<f64>::zeros(sample.width, sample.width);
            for (i, row) in rows {
                let a = ColRef::from_slice(row);
                let outer = |p: usize, q: usize| weights[i / sample.each] * f64::from(a[p]) * f64::from(a[q]);
                expected += Mat::from_fn(sample.width, sample.width, outer);
            }
            assert!((&matrix - &expected).norm_max() < 1e-6, "{field:?}");
            assert_eq!(matrix.as_ref(), matrix.transpose(), "{field:?}");
        }
    }

    #[test]
    fn many_measurements_find_the_truth_and_few_do_not() {
        for field in [Field::Real { rank: 1 }, Field::Real { rank: 2 }, Field::Complex] {
            let sample = Sample::new(field, 40, 2000, 2, 0);
            let mut rng = stream(2, Purpose::Init, 0);
            let many = sample.overlap(Transform::Optimal, 2000, &mut rng);
            let few = sample.overlap(Transform::Optimal, 10, &mut rng);
            assert!(many > 0.95 && many <= 1.0 + 1e-9 && few < 0.6, "{field:?}: {many}, {few}");
        }
    }
}
