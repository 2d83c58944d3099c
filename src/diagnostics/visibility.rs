//! Changes of a matrix of its rank that no measurement sees.

use crate::diagnostics::{Tangent, information};
use crate::error::Result;
use crate::host;
use crate::linalg;
use crate::operators::Operator;
use crate::problem::random::{Purpose, normals};
use crate::problem::{Factors, Product};

/// Share of the mean eigenvalue of JᵀJ below which no measurement sees a change, along orthonormal bases of the factors.
const UNSEEN: f64 = 1e-8;
/// Share of it below which the second order of a change is not seen either.
const FLAT: f64 = 1e-6;
/// Changes whose second order is looked at.
const TRIED: u64 = 3;

/// What measurements see of the tangent space at a matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visibility {
    /// Number of dimensions that no measurement sees: along them other matrices of its rank fit as well. Those of a complex matrix
    /// are counted as real ones.
    pub open: usize,
    /// Root mean square error ‖Z − M‖_F of least squares in the tangent space, in units of the noise's standard deviation:
    /// √Σ ‖T_k‖²/λ_k over the changes T_k along the eigenvectors of JᵀJ. Infinite where a dimension is open.
    pub amplification: f64,
}

/// What the measurements of positive weight see at a matrix.
///
/// Near a matrix Q S Qᵀ of its rank the change T = Q Wᵀ + W Qᵀ goes on with W S⁻¹ Wᵀ, beside changes of the tangent space (of two factors
/// likewise). Where measurements see that part, they determine the matrix although they miss T: so do ⟨P⟩ = ±1 for a pure state.
/// No dimension is open then.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for the zero matrix and for non-finite entries.
pub(crate) fn visibility(operator: &dyn Operator, product: &Product<'_>, weights: &[f64]) -> Result<Visibility> {
    let plain = Tangent::at(product)?;
    let singular_values = plain.singular_values();
    let tangent = plain.with_orthonormal_factors();
    let d = tangent.parameters();
    let (values, vectors) = linalg::symmetric_eigen(d, &information(operator, &tangent, weights)?)?;
    let mean = values.iter().sum::<f64>() / tangent.degrees_of_freedom() as f64;
    let missed = values.iter().filter(|value| **value < UNSEEN * mean).count();
    let open = missed.saturating_sub(tangent.invariant());
    let seen = Seen { operator, tangent, weights, values, vectors, missed, mean };
    let hidden = Visibility { open, amplification: f64::INFINITY };
    let seen_after_all = Visibility { open: 0, ..hidden };
    match singular_values {
        _ if open == 0 => Ok(Visibility { open, amplification: seen.amplification() }),
        None => Ok(hidden),
        Some(singular_values) => {
            for seed in 0..TRIED {
                if seen.is_flat(&singular_values, &normals(seed, Purpose::Laws, 1.0, missed))? {
                    return Ok(hidden);
                }
            }
            Ok(seen_after_all)
        }
    }
}

/// What the measurements see at a matrix: eigenvalues, ascending, and eigenvectors of JᵀJ.
struct Seen<'a> {
    operator: &'a dyn Operator,
    tangent: Tangent,
    weights: &'a [f64],
    values: Vec<f64>,
    vectors: Vec<f64>,
    missed: usize,
    mean: f64,
}

impl Seen<'_> {
    /// The error of the matrix, see [`Visibility`].
    fn amplification(&self) -> f64 {
        let d = self.tangent.parameters();
        let square = |k: usize| {
            let change: Vec<f64> = self.vectors.iter().skip(k).step_by(d).copied().collect();
            self.tangent.energy_of(&change) / self.values[k]
        };
        (self.missed..d).map(square).sum::<f64>().sqrt()
    }

    /// Whether measurements miss the second order of a change too, given by its coefficients along the eigenvectors that they miss:
    /// the part of A(W S⁻¹ Wᵀ) that no change of the tangent space has.
    fn is_flat(&self, singular_values: &[f64], coefficients: &[f64]) -> Result<bool> {
        let (d, r, domain) = (self.tangent.parameters(), self.tangent.rank(), self.operator.domain());
        let entry = |row: &[f64]| coefficients.iter().zip(row).map(|(c, v)| c * v).sum();
        let change: Vec<f64> = self.vectors.chunks(d).map(|row| entry(&row[..self.missed])).collect();
        let [own, [left, right]] = self.tangent.factors(&change);
        let scaled: Vec<f64> = left.iter().enumerate().map(|(at, v)| v / singular_values[at % r]).collect();
        let size: f64 = [&scaled[..], right].map(|of| of.iter().map(|v| v * v).sum::<f64>()).iter().product();
        let point = Factors::pair(1, domain, r, scaled, right.to_vec())?;
        let weighted = self.weighted(&host::measure(self.operator, &point));
        let along = self.along(&weighted, own)?;
        let all: f64 = weighted.iter().map(|(residual, weight)| residual * residual / weight).sum();
        let tangential: f64 = (self.missed..d)
            .map(|k| {
                let share: f64 = (0..d).map(|at| self.vectors[at * d + k] * along[at]).sum();
                share * share / self.values[k]
            })
            .sum();
        Ok(all - tangential <= FLAT * self.mean * size)
    }

    /// w·a about the weighted mean for centred residuals, with the weights, 1 for those that are 0.
    fn weighted(&self, measured: &[f64]) -> Vec<(f64, f64)> {
        let total: f64 = self.weights.iter().sum();
        let sum = || measured.iter().zip(self.weights).map(|(a, w)| a * w).sum::<f64>();
        let centre = if self.operator.is_centred() { sum() / total } else { 0.0 };
        let of = |(a, w): (&f64, &f64)| (w * (a - centre), if *w > 0.0 { *w } else { 1.0 });
        measured.iter().zip(self.weights).map(of).collect()
    }

    /// Jᵀ of weighted measurements.
    fn along(&self, weighted: &[(f64, f64)], [left, right]: [&[f64]; 2]) -> Result<Vec<f64>> {
        let (r, domain) = (self.tangent.rank(), self.operator.domain());
        let residual: Vec<f64> = weighted.iter().map(|(residual, _)| *residual).collect();
        if left.len() == self.tangent.parameters() {
            let applied = Factors::single(1, domain.rows(), r, left.to_vec())?;
            return Ok(host::adjoint(self.operator, &residual, &applied).iter().map(|v| 2.0 * v).collect());
        }
        let applied = Factors::pair(1, domain, r, left.to_vec(), right.to_vec())?;
        let mut all = host::adjoint(self.operator, &residual, &applied);
        all.extend(host::adjoint_transposed(self.operator, &residual, &applied));
        Ok(all)
    }
}

/// Operations of [`visibility`] at a matrix of rank `rank`: d measurements of a change, JᵀJ, and its eigenvalues.
pub(crate) fn work_of_visibility(operator: &dyn Operator, rank: usize) -> f64 {
    let (domain, m) = (operator.domain(), operator.measurements() as f64);
    let sides = if domain.is_symmetric() { domain.rows() } else { domain.rows() + domain.columns() };
    let d = (sides * rank) as f64;
    let jacobian = match operator.entries() {
        Some(_) => m * (2 * rank).pow(2) as f64,
        None => d * operator.cost(1, 1).flops + m * d * d,
    };
    jacobian + 10.0 * d.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::{Dense, Entries, Layout, Pauli};
    use crate::problem::{Domain, MatrixView, synthetic};

    /// Sensing matrices of the entries of two diagonal blocks, and of the first rows and columns.
    fn blocks(domain: Domain, first: usize) -> Dense {
        let (n1, n2) = (domain.rows(), domain.columns());
        let seen = |i: usize, j: usize| (i < n1 / 2) == (j < n2 / 2) || i < first || j < first;
        let positions = (0..n1 * n2).filter(|at| seen(at / n2, at % n2));
        let rows: Vec<f64> = positions.flat_map(|at| (0..n1 * n2).map(move |q| f64::from(u8::from(q == at)))).collect();
        Dense::from_rows(domain, Layout::Full, &rows).unwrap()
    }

    /// Between two blocks of rank 2 a rotation of U (1 dimension), or an invertible matrix between L and R (4), is open. Two rows and
    /// columns that cross the blocks leave nothing open.
    #[test]
    fn what_lies_between_two_blocks_is_open() {
        for seed in 0..8 {
            let numbers = normals(seed, Purpose::Laws, 1.0, 44);
            let u = MatrixView::new(12, 2, &numbers[..24]).unwrap();
            let r = MatrixView::new(10, 2, &numbers[24..]).unwrap();
            for (domain, product, open) in [
                (Domain::symmetric(12), Product::psd(u), 1),
                (Domain::rectangular(12, 10), Product::pair(u, r).unwrap(), 4),
            ] {
                for (first, open) in [(0, open), (2, 0)] {
                    let operator = blocks(domain, first);
                    let weights = vec![1.0; operator.measurements()];
                    assert_eq!(
                        visibility(&operator, &product, &weights).unwrap().open,
                        open,
                        "{domain} {seed} {first}"
                    );
                }
            }
        }
    }

    /// Measurements along all of an orthonormal basis, up to a factor c, keep the norm of every change, so that noise of each degree of
    /// freedom counts 1/c².
    #[test]
    fn an_isometry_spreads_noise_over_the_degrees_of_freedom() {
        let (rows, columns): (Vec<_>, Vec<_>) = (0..35).map(|at| (at / 5, at % 5)).unzip();
        let entries = Entries::new(Domain::rectangular(7, 5), &rows, &columns).unwrap();
        let basis = |at: usize| {
            let (i, j) = (at / 6, at % 6);
            let size = if i == j { 1.0 } else { 0.5_f64.sqrt() };
            (0..36).map(move |q| if i <= j && (q == at || q == j * 6 + i) { size } else { 0.0 })
        };
        let rows: Vec<f64> = (0..36).filter(|at| at / 6 <= at % 6).flat_map(basis).collect();
        let symmetric = Dense::from_rows(Domain::symmetric(6), Layout::Full, &rows).unwrap();
        let strings = Pauli::random(2, 16, 1).unwrap();
        let truths = [
            synthetic::asymmetric(7, 5).rank(2).condition_number(3.0).seed(1).build().unwrap(),
            synthetic::psd(6).rank(2).condition_number(3.0).seed(2).build().unwrap(),
            synthetic::signed(6, (1, 1)).seed(3).build().unwrap(),
            synthetic::hermitian(4).rank(2).condition_number(3.0).seed(4).build().unwrap(),
        ];
        let operators: [&dyn Operator; 4] = [&entries, &symmetric, &symmetric, &strings];
        let freedom = [2 * (7 + 5 - 2), 11, 11, 2 * 4 * 2 - 4];
        for (at, (truth, operator)) in truths.iter().zip(operators).enumerate() {
            let c = if at == 3 { 2.0 } else { 1.0 };
            let seen = visibility(operator, &truth.product().unwrap(), &vec![1.0; operator.measurements()]).unwrap();
            let wanted = (freedom[at] as f64).sqrt() / c;
            approx::assert_relative_eq!(seen.amplification, wanted, max_relative = 1e-5);
        }
    }
}
