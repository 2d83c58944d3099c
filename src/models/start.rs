//! Starts from the leading vectors of P = s·A*(w∘y).

use faer::Mat;

use crate::error::{Error, Result};
use crate::field::Field;
use crate::linalg::{complex, eigen, row_major, view};
use crate::problem::{Domain, Factors};

/// Leading eigenpairs of a symmetric matrix, largest eigenvalue first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Eigenpairs {
    /// Eigenvalues, largest first.
    pub values: Vec<f64>,
    /// Eigenvectors, n×values.len(), row-major, columns orthonormal. Complex ones are real parts above imaginary parts.
    pub vectors: Vec<f64>,
}

/// Leading singular triplets, largest value first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SingularTriplets {
    /// Singular values, largest first.
    pub values: Vec<f64>,
    /// Left singular vectors, n1×values.len(), row-major.
    pub left: Vec<f64>,
    /// Right singular vectors, n2×values.len(), row-major.
    pub right: Vec<f64>,
}

/// The matrix P = s·A*(w∘y) with its leading vectors, which govern the first iterations.
pub trait Backprojection {
    /// Domain of the operator.
    fn domain(&self) -> Domain;

    /// Eigenpairs of P on a symmetric domain: all, or at least the `wanted` largest in modulus.
    ///
    /// # Errors
    /// [`Error::Invalid`] where P is not finite.
    fn eigenpairs(&self, wanted: usize) -> Result<Eigenpairs>;

    /// Leading singular triplets of P, at least `wanted` of them.
    ///
    /// # Errors
    /// [`Error::Invalid`] where P is not finite.
    fn triplets(&self, wanted: usize) -> Result<SingularTriplets>;

    /// The product VᴴP′V for n×k vectors V, k×k row-major (complex: real part above imaginary part), where P is made of transformed observations, which lose the
    /// scale, and P′ of the given ones. `None` where P is P′.
    ///
    /// # Errors
    /// Errors of the factors that hold V.
    fn lengths(&self, vectors: &[f64], columns: usize) -> Result<Option<Vec<f64>>>;
}

/// Number of vectors needed.
fn wanted(domain: Domain, k: usize, skip: usize) -> Result<usize> {
    let (wanted, n) = (k.saturating_add(skip), domain.order());
    if k == 0 || wanted > n {
        let found = format!("{k} columns after {skip}");
        return Err(Error::invalid("init", found, format!("1 to n = {n} together"), "lower search_rank"));
    }
    Ok(wanted)
}

/// U₀ = V √Λ from the k largest eigenvalues after the first `skip`; negative ones count as zero.
pub(super) fn from_eigenvectors(p: &dyn Backprojection, k: usize, skip: usize) -> Result<Factors> {
    let (n, wanted) = (p.domain().rows(), wanted(p.domain(), k, skip)?);
    let Eigenpairs { values, vectors } = p.eigenpairs(wanted)?;
    let vectors: Vec<f64> = vectors.chunks(values.len()).flat_map(|row| &row[skip..wanted]).copied().collect();
    let start = match p.lengths(&vectors, k)? {
        None => {
            let scale: Vec<f64> = values[skip..wanted].iter().map(|v| v.max(0.0).sqrt()).collect();
            vectors.chunks(k).flat_map(|row| row.iter().zip(&scale).map(|(v, s)| v * s)).collect()
        }
        Some(small) => match p.domain().is_complex() {
            false => lengthened(view(n, k, &vectors).to_owned(), view(k, k, &small).to_owned())?,
            true => lengthened(complex(n, k, &vectors), complex(2 * k, k, &small))?,
        },
    };
    Factors::single(1, n, k, nonzero(start)?)
}

/// The vectors V W√Θ with VᴴP′V = W Θ Wᴴ, row-major in their real form.
fn lengthened<E: Field>(vectors: Mat<E>, small: Mat<E>) -> Result<Vec<f64>> {
    let (values, w) = eigen(&small)?;
    let turned = vectors * w;
    let scaled = Mat::from_fn(turned.nrows(), turned.ncols(), |i, j| turned[(i, j)] * values[j].max(0.0).sqrt());
    Ok(row_major(E::stacked(scaled).as_ref()))
}

/// U₀ of U S Uᵀ from the p largest and then the q smallest eigenvalues.
pub(super) fn from_both_ends(matrix: &dyn Backprojection, (p, q): (usize, usize)) -> Result<Factors> {
    let n = matrix.domain().rows();
    let most = matrix.domain().order();
    if p + q > most {
        let allowed = format!("at most n = {most}");
        return Err(Error::invalid("init", format!("{} columns", p + q), allowed, "lower signature"));
    }
    let Eigenpairs { values, vectors } = matrix.eigenpairs(p + q)?;
    let count = values.len();
    let columns: Vec<(usize, f64)> = (0..p)
        .map(|j| (j, values[j].max(0.0).sqrt()))
        .chain((0..q).map(|j| (count - 1 - j, (-values[count - 1 - j]).max(0.0).sqrt())))
        .collect();
    let start = vectors.chunks(count).flat_map(|row| columns.iter().map(|(j, scale)| row[*j] * scale)).collect();
    Factors::single(1, n, p + q, nonzero(start)?)
}

/// L₀ = A √Σ and R₀ = B √Σ from the k largest singular values after the first `skip`.
pub(super) fn from_singular_vectors(p: &dyn Backprojection, k: usize, skip: usize) -> Result<Factors> {
    let wanted = wanted(p.domain(), k, skip)?;
    let triplets = p.triplets(wanted)?;
    let part = |vectors: &[f64]| -> Vec<f64> {
        let rows = vectors.chunks(triplets.values.len());
        rows.flat_map(|row| (skip..wanted).map(|j| row[j] * triplets.values[j].sqrt())).collect()
    };
    let (left, right) = (part(&triplets.left), part(&triplets.right));
    Factors::pair(1, p.domain(), k, nonzero(left)?, right)
}

fn nonzero(start: Vec<f64>) -> Result<Vec<f64>> {
    if start.iter().any(|v| *v != 0.0) {
        return Ok(start);
    }
    let found = "a zero start: s·A*(y) has no usable eigenvalue there";
    Err(Error::invalid("init", found, "observations whose s·A*(y) has a positive part", "use a random start"))
}
