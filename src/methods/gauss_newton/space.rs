//! The matrices that an iteration sees: symmetric ones, with signs of the columns or without, and rectangular ones. They
//! differ in their decompositions and in the coordinates of the tangent space.

use faer::{Mat, MatRef, Side};

use crate::error::{Error, Result};
use crate::problem::random::{Purpose, normals};

/// Factor above the edge of the noise from which a singular value is signal: at 2/√3 the estimate of a singular vector and
/// the true one have the squared cosine ¼ (Benaych-Georges & Nadakuditi, Adv. Math. 2011, for symmetric matrices).
pub(super) const SIGNAL: f64 = 1.154_700_538_379_251_5;

/// Columns and steps of the subspace iteration for a first value.
const FIRST_COLUMNS: usize = 8;
const FIRST_STEPS: usize = 10;

/// The shape of the unknown, and the signs that its columns may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// n×n, with at most so many positive and negative columns.
    Symmetric { n: usize, positive: usize, negative: usize },
    /// n1×n2.
    Rectangular { n1: usize, n2: usize },
}

/// Singular triplets in order of decreasing signal. Values of symmetric matrices have the sign of the eigenvalue, and both
/// vectors are the same.
#[derive(Clone, Debug)]
pub(super) struct Triplets {
    pub(super) values: Vec<f64>,
    pub(super) left: Mat<f64>,
    pub(super) right: Mat<f64>,
}

impl Triplets {
    pub(super) fn none(space: Space) -> Self {
        let (n1, n2) = space.shape();
        Self { values: Vec::new(), left: Mat::zeros(n1, 0), right: Mat::zeros(n2, 0) }
    }

    pub(super) fn count(&self) -> usize {
        self.values.len()
    }

    /// Those at these positions.
    pub(super) fn at(&self, positions: &[usize]) -> Self {
        let of = |matrix: &Mat<f64>| Mat::from_fn(matrix.nrows(), positions.len(), |i, j| matrix[(i, positions[j])]);
        let values = positions.iter().map(|j| self.values[*j]).collect();
        Self { values, left: of(&self.left), right: of(&self.right) }
    }

    /// L and R with Z = L Rᵀ: the left vectors times the values, and the right vectors.
    pub(super) fn ends(&self) -> (Mat<f64>, Mat<f64>) {
        let left = Mat::from_fn(self.left.nrows(), self.count(), |i, j| self.left[(i, j)] * self.values[j]);
        (left, self.right.clone())
    }

    /// Number of positive values.
    pub(super) fn positive(&self) -> usize {
        self.values.iter().filter(|value| **value > 0.0).count()
    }
}

fn not_finite<E>(_: E) -> Error {
    Error::invalid("matrix", "a NaN or infinite entry", "finite entries", "the input is broken")
}

/// Two matrices one above the other.
pub(super) fn stacked(above: MatRef<'_, f64>, below: MatRef<'_, f64>) -> Mat<f64> {
    let n = above.nrows();
    Mat::from_fn(n + below.nrows(), above.ncols(), |i, j| if i < n { above[(i, j)] } else { below[(i - n, j)] })
}

/// An orthonormal basis of the columns of A and B together, those of A first.
pub(super) fn joined(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let (n, left) = (a.nrows(), a.ncols());
    let all = Mat::from_fn(n, left + b.ncols(), |i, j| if j < left { a[(i, j)] } else { b[(i, j - left)] });
    if all.ncols() == 0 { all } else { all.qr().compute_thin_Q() }
}

impl Space {
    pub(super) fn shape(self) -> (usize, usize) {
        match self {
            Self::Symmetric { n, .. } => (n, n),
            Self::Rectangular { n1, n2 } => (n1, n2),
        }
    }

    pub(super) fn is_symmetric(self) -> bool {
        matches!(self, Self::Symmetric { .. })
    }

    /// Degrees of freedom of a column, about.
    pub(super) fn size(self) -> f64 {
        match self {
            Self::Symmetric { n, .. } => n as f64,
            Self::Rectangular { n1, n2 } => (n1 + n2) as f64,
        }
    }

    /// Edge of the spectrum of A*(e)/m for white residuals of root mean square v, beyond a basis of `rank` columns:
    /// √(2n/m)·v, and (√n1 + √n2)/√m·v.
    pub(super) fn edge(self, rank: usize, m: f64, v: f64) -> f64 {
        let rest = |n: usize| n.saturating_sub(rank).max(1) as f64;
        match self {
            Self::Symmetric { n, .. } => (2.0 * rest(n) / m).sqrt() * v,
            Self::Rectangular { n1, n2 } => (rest(n1).sqrt() + rest(n2).sqrt()) / m.sqrt() * v,
        }
    }

    /// The factor c in ⟨Aᵢ, Δ⟩ = c⟨Bᵢ, W⟩ for the stacked thin rows.
    pub(super) fn share(self) -> f64 {
        if self.is_symmetric() { 2.0 } else { 1.0 }
    }

    /// The size of a value that counts as signal: negative eigenvalues do not, where no column is negative.
    pub(super) fn signal(self, value: f64) -> f64 {
        match self {
            Self::Symmetric { negative: 0, .. } => value,
            _ => value.abs(),
        }
    }

    /// The first positions whose values `wanted` accepts, as many as columns of each sign have room beside `used`.
    pub(super) fn chosen(
        self,
        values: &[f64],
        used: [usize; 2],
        mut wanted: impl FnMut(usize, f64) -> bool,
    ) -> Vec<usize> {
        let mut room = match self {
            Self::Symmetric { positive, negative, .. } => [positive, negative],
            Self::Rectangular { n1, n2 } => [n1.max(n2), 0],
        };
        room.iter_mut().zip(used).for_each(|(room, used)| *room = room.saturating_sub(used));
        let mut out: Vec<usize> = Vec::new();
        for (at, value) in values.iter().enumerate() {
            let room = &mut room[usize::from(*value < 0.0)];
            if *room > 0 && wanted(out.len(), self.signal(*value)) {
                *room -= 1;
                out.push(at);
            }
        }
        out
    }

    /// All triplets of a matrix of the space, or of one in coordinates of two bases.
    ///
    /// # Errors
    /// [`Error::Invalid`] where an entry is not finite.
    pub(super) fn decomposed(self, matrix: MatRef<'_, f64>) -> Result<Triplets> {
        let order = |values: &[f64]| {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|a, b| self.signal(values[*b]).total_cmp(&self.signal(values[*a])));
            order
        };
        if self.is_symmetric() {
            let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(not_finite)?;
            let values: Vec<f64> = (0..matrix.nrows()).map(|i| eigen.S()[i]).collect();
            let vectors = eigen.U().to_owned();
            let all = Triplets { values, left: vectors.clone(), right: vectors };
            return Ok(all.at(&order(&all.values)));
        }
        let svd = matrix.thin_svd().map_err(not_finite)?;
        let values: Vec<f64> = (0..matrix.nrows().min(matrix.ncols())).map(|i| svd.S()[i]).collect();
        Ok(Triplets { values, left: svd.U().to_owned(), right: svd.V().to_owned() })
    }

    /// About the first value of a large matrix, from below: subspace iteration.
    ///
    /// # Errors
    /// [`Error::Invalid`] where an entry is not finite.
    pub(super) fn first(self, matrix: &Mat<f64>) -> Result<f64> {
        if !matrix.is_all_finite() {
            return Err(not_finite(()));
        }
        let n = matrix.ncols();
        let columns = FIRST_COLUMNS.min(n).min(matrix.nrows());
        let start = normals(0, Purpose::Laws, 1.0, n * columns);
        let mut v = Mat::from_fn(n, columns, |i, j| start[i * columns + j]);
        for _ in 0..FIRST_STEPS {
            let image = matrix * v.qr().compute_thin_Q();
            v = if self.is_symmetric() { image } else { matrix.transpose() * image };
        }
        let q = v.qr().compute_thin_Q();
        let image = matrix * &q;
        let small = if self.is_symmetric() { q.transpose() * image } else { image.qr().thin_R().to_owned() };
        Ok(self.decomposed(small.as_ref())?.values.first().map_or(0.0, |value| self.signal(*value)))
    }

    /// The leading triplets of a large matrix: those of rectangular ones come from the smaller Gram matrix, whose errors
    /// are small beside the edge of the noise.
    ///
    /// # Errors
    /// [`Error::Invalid`] where an entry is not finite.
    pub(super) fn leading(self, matrix: &Mat<f64>) -> Result<Triplets> {
        if self.is_symmetric() {
            return self.decomposed(matrix.as_ref());
        }
        let wide = matrix.nrows() <= matrix.ncols();
        let gram = if wide { matrix * matrix.transpose() } else { matrix.transpose() * matrix };
        let eigen = gram.self_adjoint_eigen(Side::Lower).map_err(not_finite)?;
        let count = gram.nrows();
        let values: Vec<f64> = (0..count).rev().map(|i| eigen.S()[i].max(0.0).sqrt()).collect();
        let vectors = Mat::from_fn(count, count, |i, j| eigen.U()[(i, count - 1 - j)]);
        let images = if wide { matrix.transpose() * &vectors } else { matrix * &vectors };
        let inverse = |j: usize| if values[j] > 0.0 { 1.0 / values[j] } else { 0.0 };
        let images = Mat::from_fn(images.nrows(), count, |i, j| images[(i, j)] * inverse(j));
        let (left, right) = if wide { (vectors, images) } else { (images, vectors) };
        Ok(Triplets { values, left, right })
    }
}

/// Orthonormal bases Q (n1×q) and R (n2×q) of the tangent space; the same for symmetric matrices.
#[derive(Clone, Debug)]
pub(super) struct Bases {
    pub(super) left: Mat<f64>,
    pub(super) right: Mat<f64>,
}

impl Bases {
    /// Bases of the vectors of `found` and of `more` together.
    pub(super) fn of(space: Space, found: &Triplets, more: &Triplets) -> Self {
        let left = joined(found.left.as_ref(), more.left.as_ref());
        let right = if space.is_symmetric() { left.clone() } else { joined(found.right.as_ref(), more.right.as_ref()) };
        Self { left, right }
    }

    pub(super) fn columns(&self) -> usize {
        self.left.ncols()
    }

    /// The first columns.
    pub(super) fn first(&self, columns: usize) -> Self {
        let of = |matrix: &Mat<f64>| matrix.subcols(0, columns).to_owned();
        Self { left: of(&self.left), right: of(&self.right) }
    }

    /// (I − QQᵀ)T(I − RRᵀ).
    pub(super) fn beyond(&self, t: &Mat<f64>) -> Mat<f64> {
        let without = t - &self.left * (self.left.transpose() * t);
        &without - (&without * &self.right) * self.right.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_value_is_nearly_that_of_the_decomposition() {
        let symmetric = |n, positive, negative| Space::Symmetric { n, positive, negative };
        for (space, spike) in [
            (symmetric(60, 3, 0), 2.0),
            (symmetric(60, 2, 2), -2.0),
            (symmetric(5, 2, 0), 3.0),
            (Space::Rectangular { n1: 40, n2: 70 }, 2.0),
            (Space::Rectangular { n1: 70, n2: 4 }, 2.0),
        ] {
            let (n1, n2) = space.shape();
            let noise = normals(3, Purpose::Laws, 0.3 / (n1.max(n2) as f64).sqrt(), n1 * n2);
            let of = |i: usize, j: usize| noise[i * n2 + j] + if i == j { spike / (1 + i) as f64 } else { 0.0 };
            let whole = Mat::from_fn(n1, n2, of);
            let matrix = if space.is_symmetric() { (&whole + whole.transpose()) * 0.5 } else { whole };
            let wanted = space.signal(space.leading(&matrix).unwrap().values[0]);
            let found = space.first(&matrix).unwrap();
            assert!(found <= wanted * (1.0 + 1e-9) && found > 0.99 * wanted, "{space:?} {found} {wanted}");
        }
        assert!(symmetric(2, 1, 0).first(&Mat::full(2, 2, f64::NAN)).is_err());
    }
}
