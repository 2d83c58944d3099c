//! The tangent space of the matrices of one rank, as changes of their factors.

use faer::c64;

use crate::error::{Error, Result};
use crate::linalg;
use crate::problem::Product;

/// Share of the largest singular value of the factors below which a column is zero.
pub(crate) const ZERO_COLUMN: f64 = 1e-3;

/// A matrix U S Uᵀ or L Rᵀ with the changes of its factors. The parameters are the rows of U, or those of L and then
/// those of R, r numbers each. The factors of a complex matrix have their real parts above their imaginary parts.
pub(crate) struct Tangent {
    rank: usize,
    complex: bool,
    left: Vec<f64>,
    /// R, where it is not U.
    right: Option<Vec<f64>>,
    /// Signs of the columns of U.
    signs: Vec<f64>,
}

impl Tangent {
    /// The tangent space at a product, whose zero columns are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the zero matrix and for non-finite entries.
    pub(crate) fn at(product: &Product<'_>) -> Result<Self> {
        let k = product.left().columns();
        if product.positive() < k {
            // Columns of both signs have no common balance: they stay as they are.
            let signs = (0..k).map(|column| product.sign(column)).collect();
            let left = product.left().as_slice().to_vec();
            return Ok(Self { rank: k, complex: product.is_complex(), left, right: None, signs });
        }
        let values = product.singular_values()?;
        let largest = values.first().copied().unwrap_or(0.0);
        let rank = values.iter().filter(|value| **value > ZERO_COLUMN * largest).count();
        if rank == 0 {
            let fix = "the tangent space has no dimension there: leave it out";
            return Err(Error::invalid("confidence", "the zero matrix as solution", "another matrix", fix));
        }
        let mut blocks = product.leading(rank, rank)?.into_iter();
        let left = blocks.next().unwrap_or_default();
        Ok(Self { rank, complex: product.is_complex(), left, right: blocks.next(), signs: vec![1.0; rank] })
    }

    /// The same tangent space, from orthonormal bases of the column spaces: {Q Wᵀ + W Qᵀ}, or {P Wᵀ + V Qᵀ}. Balanced factors have
    /// orthogonal columns, which keep their directions.
    pub(crate) fn with_orthonormal_factors(self) -> Self {
        let (r, lengths) = (self.rank, self.singular_values());
        let basis = |of: Vec<f64>| match &lengths {
            Some(squares) => of.iter().enumerate().map(|(at, v)| v / squares[at % r].sqrt()).collect(),
            None if self.complex => linalg::orthonormal_columns::<c64>(of.len() / r, r, &of),
            None => linalg::orthonormal_columns::<f64>(of.len() / r, r, &of),
        };
        Self { left: basis(self.left), right: self.right.map(basis), signs: vec![1.0; r], ..self }
    }

    /// Singular values of the matrix, from its balanced factors: ‖u_c‖² of each column. Absent where columns have both signs.
    pub(crate) fn singular_values(&self) -> Option<Vec<f64>> {
        if self.signs.iter().any(|sign| *sign < 0.0) {
            return None;
        }
        let square = |c: usize| self.left.iter().skip(c).step_by(self.rank).map(|v| v * v).sum();
        Some((0..self.rank).map(square).collect())
    }

    /// Factors Q of the matrix and W of a change, U or L and R after one another.
    pub(crate) fn factors<'a>(&'a self, change: &'a [f64]) -> [[&'a [f64]; 2]; 2] {
        let (left, right) = change.split_at(self.left.len());
        match &self.right {
            None => [[&self.left, &self.left], [left, left]],
            Some(own) => [[&self.left, own], [left, right]],
        }
    }

    /// ‖T‖_F² of the change T = W Qᵀ + P Vᵀ of the matrix by a change (W, V) of factors P and Q with orthonormal columns: ‖W‖² + ‖V‖²
    /// + 2 Re tr((WᴴP)(VᴴQ)).
    pub(crate) fn energy_of(&self, change: &[f64]) -> f64 {
        let [own, of] = self.factors(change);
        let inner = |side: usize| self.inner(of[side], own[side]);
        let ([re, im], [other_re, other_im], r) = (inner(0), inner(1), self.rank);
        let trace = |a: &[f64], b: &[f64]| (0..r * r).map(|at| a[at] * b[at % r * r + at / r]).sum::<f64>();
        let squares: f64 = of.iter().flat_map(|block| block.iter()).map(|v| v * v).sum();
        squares + 2.0 * (trace(&re, &other_re) - trace(&im, &other_im))
    }

    /// Real and imaginary parts of WᴴP, r×r.
    fn inner(&self, w: &[f64], p: &[f64]) -> [Vec<f64>; 2] {
        let r = self.rank;
        let product = |a: &[f64], b: &[f64], all: &mut [f64], sign: f64| {
            for (a, b) in a.chunks(r).zip(b.chunks(r)) {
                for (row, a) in all.chunks_mut(r).zip(a) {
                    row.iter_mut().zip(b).for_each(|(sum, b)| *sum += sign * a * b);
                }
            }
        };
        let (mut re, mut im) = (vec![0.0; r * r], vec![0.0; r * r]);
        product(w, p, &mut re, 1.0);
        if self.complex {
            let half = w.len() / 2;
            product(&w[..half], &p[half..], &mut im, 1.0);
            product(&w[half..], &p[..half], &mut im, -1.0);
        }
        [re, im]
    }

    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// Rows n1 of the matrix.
    pub(crate) fn rows(&self) -> usize {
        self.left.len() / self.rank
    }

    /// Columns n2 of the matrix.
    pub(crate) fn columns(&self) -> usize {
        self.right.as_ref().map_or(self.rows(), |right| right.len() / self.rank)
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.left.len() + self.right.as_ref().map_or(0, Vec::len)
    }

    /// Dimension of the tangent space: the parameters without the changes that keep the product.
    pub(crate) fn degrees_of_freedom(&self) -> usize {
        self.parameters() - self.invariant()
    }

    /// Dimension of the changes that keep the product: those of an invertible matrix between two factors, of an orthogonal or unitary
    /// one behind a single factor.
    pub(crate) fn invariant(&self) -> usize {
        let r = self.rank;
        match (self.right.is_some(), self.complex) {
            (true, complex) => r * r * if complex { 2 } else { 1 },
            (false, true) => r * r,
            (false, false) => r * (r - 1) / 2,
        }
    }

    /// Derivative of entry (a, b) of a real matrix by the parameters, without zeros; an index may come twice.
    pub(crate) fn entry(&self, a: usize, b: usize) -> Vec<(usize, f64)> {
        let r = self.rank;
        let right = self.right.as_deref().unwrap_or(&self.left);
        let second = if self.right.is_some() { self.left.len() } else { 0 };
        let of_left = (0..r).map(|l| (a * r + l, self.signs[l] * right[b * r + l]));
        let of_right = (0..r).map(|l| (second + b * r + l, self.signs[l] * self.left[a * r + l]));
        of_left.chain(of_right).collect()
    }

    /// The rank-one change x yᵀ of the matrix by parameter `at`, up to a factor that is returned with it. The change of
    /// a symmetric matrix is twice the symmetric part.
    pub(crate) fn change(&self, at: usize) -> (Vec<f64>, Vec<f64>, f64) {
        let r = self.rank;
        let column = |of: &[f64], l: usize| -> Vec<f64> { of.iter().skip(l).step_by(r).copied().collect() };
        let unit = |size: usize, i: usize| (0..size).map(|at| f64::from(u8::from(at == i))).collect::<Vec<f64>>();
        match &self.right {
            None => (unit(self.rows(), at / r), column(&self.left, at % r), 2.0 * self.signs[at % r]),
            Some(right) if at < self.left.len() => (unit(self.rows(), at / r), column(right, at % r), 1.0),
            Some(_) => {
                let at = at - self.left.len();
                (column(&self.left, at % r), unit(self.columns(), at / r), 1.0)
            }
        }
    }

    /// An orthonormal basis of the changes that keep the product of a real matrix, parameters×count row-major.
    pub(crate) fn gauge(&self) -> Vec<f64> {
        let (r, count) = (self.rank, self.invariant());
        let mut all = vec![0.0; self.parameters() * count];
        let pairs: Vec<(usize, usize)> = match self.right {
            // L Ω with −R Ωᵀ, where Ω = E_pq.
            Some(_) => (0..r * r).map(|at| (at / r, at % r)).collect(),
            // U K S with a skew K = E_pq − E_qp.
            None => (0..r).flat_map(|p| (p + 1..r).map(move |q| (p, q))).collect(),
        };
        for (column, &(p, q)) in pairs.iter().enumerate() {
            for (row, own) in self.left.chunks(r).enumerate() {
                all[(row * r + q) * count + column] = self.signs[q] * own[p];
                if self.right.is_none() {
                    all[(row * r + p) * count + column] = -self.signs[p] * own[q];
                }
            }
            for (row, own) in self.right.iter().flat_map(|right| right.chunks(r)).enumerate() {
                all[(self.left.len() + row * r + p) * count + column] = -own[q];
            }
        }
        if count == 0 { all } else { linalg::orthonormal_columns::<f64>(self.parameters(), count, &all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::MatrixView;

    fn tangents() -> Vec<Tangent> {
        let numbers: Vec<f64> = (0..30).map(|i| ((i * 7919 + 13) % 101) as f64 / 50.0 - 1.0).collect();
        let u = MatrixView::new(5, 3, &numbers[..15]).unwrap();
        let r = MatrixView::new(4, 3, &numbers[15..27]).unwrap();
        let of = |product: Product<'_>| Tangent::at(&product).unwrap();
        vec![of(Product::psd(u)), of(Product::signed(u, 2)), of(Product::pair(u, r).unwrap())]
    }

    #[test]
    fn dimensions_are_those_of_the_manifolds() {
        let found: Vec<usize> = tangents().iter().map(Tangent::degrees_of_freedom).collect();
        assert_eq!(found, [15 - 3, 15 - 3, 3 * (5 + 4 - 3)]);
    }

    #[test]
    fn changes_are_the_derivatives_of_the_entries_and_the_gauge_has_none() {
        for tangent in tangents() {
            let gauge = tangent.gauge();
            let count = gauge.len() / tangent.parameters();
            for (a, b) in (0..tangent.rows()).flat_map(|a| (0..tangent.columns()).map(move |b| (a, b))) {
                let mut derivative = vec![0.0; tangent.parameters()];
                tangent.entry(a, b).into_iter().for_each(|(at, v)| derivative[at] += v);
                for (at, found) in derivative.iter().enumerate() {
                    let (x, y, factor) = tangent.change(at);
                    let wanted = match tangent.right {
                        None => factor * (x[a] * y[b] + x[b] * y[a]) / 2.0,
                        Some(_) => factor * x[a] * y[b],
                    };
                    approx::assert_relative_eq!(*found, wanted, epsilon = 1e-14);
                }
                for column in 0..count {
                    let along = (0..tangent.parameters()).map(|at| derivative[at] * gauge[at * count + column]);
                    approx::assert_abs_diff_eq!(along.sum::<f64>(), 0.0, epsilon = 1e-13);
                }
            }
        }
    }
}
