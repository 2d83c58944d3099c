//! The spectrum of P = s·A*(y), which governs the first iterations.

use faer::{Mat, c64};

use crate::error::{Error, Result};
use crate::field::Field;
use crate::host;
use crate::linalg::{eigen, orthonormal_columns, row_major, symmetric_eigen, view};
use crate::memory::{Memory, product};
use crate::models::SingularTriplets;
use crate::operators::Operator;
use crate::problem::Factors;
use crate::problem::complex::expanded;
use crate::problem::random::{Purpose, normals};

/// Largest n at which P is formed by one application to the identity (the cost of one power step) and decomposed
/// completely. Above it, subspace iteration finds the leading eigenpairs only.
const LARGEST_FORMED: usize = 1024;
/// Most numbers of a P that is not square and is formed, 128 MiB.
const MOST_FORMED: usize = 16 * LARGEST_FORMED * LARGEST_FORMED;
/// Matrices of the size of P that are held at most while it is formed and decomposed, besides a part for each thread: the
/// identity twice, P, the copies of the decomposition.
const COPIES: usize = 6;
/// Steps of the subspace iteration. They give the leading eigenvalue to about a per cent, from below.
const STEPS: usize = 16;
/// Relative change of the last wanted value in a step below which large problems need no further step.
const SETTLED: f64 = 2e-4;

/// Eigenpairs of P = s·Σ wᵢyᵢAᵢ, largest eigenvalue first. On a complex domain they are those of its real form: each
/// eigenvalue twice, with the vectors v and i·v.
#[derive(Clone, Debug)]
pub struct Spectrum {
    n: usize,
    values: Vec<f64>,
    /// Eigenvectors, n×values.len(), row-major, columns orthonormal.
    vectors: Vec<f64>,
}

impl Spectrum {
    /// The spectrum for weighted observations w∘y (length m). It is complete for n ≤ 1024 and otherwise has `wanted`
    /// leading pairs (at least 8).
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where P is not finite; [`crate::Error::Memory`].
    pub fn new(operator: &dyn Operator, weighted: &[f64], s: f64, wanted: usize) -> Result<Self> {
        match operator.domain().is_complex() {
            false => Self::of::<f64>(operator, weighted, s, wanted),
            true => Self::of::<c64>(operator, weighted, s, wanted),
        }
    }

    fn of<E: Field>(operator: &dyn Operator, weighted: &[f64], s: f64, wanted: usize) -> Result<Self> {
        let rows = operator.domain().rows();
        let n = rows / E::PARTS;
        require_room(&[rows, Self::pairs(n, wanted)])?;
        let image = |v: &Mat<E>| -> Result<Mat<E>> {
            let columns = v.ncols();
            let v = Factors::single(1, rows, columns, row_major(E::stacked(v.clone()).as_ref()))?;
            let p = host::adjoint(operator, weighted, &v);
            Ok(E::unstacked(Mat::from_fn(rows, columns, |i, j| s * p[i * columns + j])))
        };
        if n <= LARGEST_FORMED {
            let (values, vectors) = eigen(&image(&Mat::identity(n, n))?)?;
            return Ok(Self::descending(values, vectors));
        }
        let columns = Self::pairs(n, wanted);
        let start = normals(0, Purpose::Laws, 1.0, rows * columns);
        let mut v = E::unstacked(view(rows, columns, &start).to_owned());
        let mut ritz = (vec![], Mat::zeros(n, 0));
        for _ in 0..STEPS {
            let q = v.qr().compute_thin_Q();
            v = image(&q)?;
            // Rayleigh–Ritz: QᴴPQ = W Θ Wᴴ, vectors QW.
            let (values, w) = eigen(&(q.adjoint() * &v))?;
            ritz = (values, &q * w);
        }
        Ok(Self::descending(ritz.0, ritz.1))
    }

    /// Number of eigenpairs of a spectrum.
    fn pairs(n: usize, wanted: usize) -> usize {
        if n <= LARGEST_FORMED { n } else { (2 * wanted).max(8).min(n) }
    }

    /// Bytes that a spectrum holds.
    pub(crate) fn bytes(n: usize, wanted: usize) -> u64 {
        product(&[n + 1, Self::pairs(n, wanted), size_of::<f64>()])
    }

    /// The real form of complex pairs has every eigenvalue twice, with v and i·v.
    fn descending<E: Field>(ascending: Vec<f64>, vectors: Mat<E>) -> Self {
        let (rows, count) = (E::PARTS * vectors.nrows(), ascending.len());
        let reversed = Mat::from_fn(vectors.nrows(), count, |i, j| vectors[(i, count - 1 - j)]);
        let vectors = row_major(E::stacked(reversed).as_ref());
        let values = ascending.into_iter().rev().flat_map(|value| std::iter::repeat_n(value, E::PARTS)).collect();
        let vectors = if E::PARTS == 2 { expanded(count, &vectors) } else { vectors };
        Self { n: rows, values, vectors }
    }

    /// Size n of P.
    pub fn size(&self) -> usize {
        self.n
    }

    /// Eigenvalues λ₁ ≥ λ₂ ≥ …
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Whether all n eigenpairs are present.
    pub fn is_complete(&self) -> bool {
        self.values.len() == self.n
    }

    /// Spectral norm ‖P‖.
    pub fn norm(&self) -> f64 {
        self.values.iter().fold(0.0, |a, v| a.max(v.abs()))
    }

    /// Orthonormal basis of L, the span of the leading `rank` eigenvectors, n×rank row-major.
    pub fn leading(&self, rank: usize) -> Vec<f64> {
        let (count, rank) = (self.values.len(), rank.min(self.values.len()));
        self.vectors.chunks(count).flat_map(|row| &row[..rank]).copied().collect()
    }

    /// Eigenvectors, n×count row-major.
    pub(crate) fn vectors(&self) -> &[f64] {
        &self.vectors
    }

    /// Distance ‖P − M‖ to a truth M (n×n row-major), where the spectrum is complete.
    ///
    /// # Errors
    /// Those of the eigenvalue decomposition.
    pub fn distance_to(&self, truth: &[f64]) -> Result<Option<f64>> {
        if !self.is_complete() {
            return Ok(None);
        }
        let n = self.n;
        let v = view(n, n, &self.vectors);
        let scaled = faer::Mat::from_fn(n, n, |i, j| v[(i, j)] * self.values[j]);
        let p = scaled * v.transpose();
        let difference: Vec<f64> = (0..n * n).map(|at| p[(at / n, at % n)] - truth[at]).collect();
        let (values, _) = symmetric_eigen(n, &difference)?;
        Ok(Some(values.iter().fold(0.0, |a, v| a.max(v.abs()))))
    }
}

/// Asks for the memory of the spectrum of a P of which matrices of this size are held.
fn require_room(size: &[usize]) -> Result<()> {
    let bytes = product(&[size, &[COPIES + rayon::current_num_threads(), size_of::<f64>()]].concat());
    Memory::of_host([("the spectrum of A*(y)", bytes)]).require("matrix", "Use a machine with more memory")
}

/// Spectral norm ‖P‖ for P = s·Σ wᵢyᵢAᵢ of any operator, to about a per cent, from below.
///
/// # Errors
/// [`crate::Error::Invalid`] where P is not finite.
pub fn spectral_norm(operator: &dyn Operator, weighted: &[f64], s: f64) -> Result<f64> {
    Ok(singular_triplets(operator, weighted, s, 1)?.values.first().copied().unwrap_or(0.0))
}

/// At least `wanted` leading singular triplets of P = s·Σ wᵢyᵢAᵢ, by subspace iteration with PᵀP: values from below, to
/// about a per cent. Where the smaller side is at most 1024, P is formed by one application to the identity, which
/// costs as much as one step. P is not formed where measurements touch few entries, and where it is large.
pub(crate) fn singular_triplets(
    operator: &dyn Operator,
    weighted: &[f64],
    s: f64,
    wanted: usize,
) -> Result<SingularTriplets> {
    match operator.domain().is_complex() {
        false => triplets::<f64>(operator, weighted, s, wanted),
        true => triplets::<c64>(operator, weighted, s, wanted),
    }
}

fn triplets<E: Field>(operator: &dyn Operator, weighted: &[f64], s: f64, wanted: usize) -> Result<SingularTriplets> {
    let (n1, n2) = (operator.domain().rows(), operator.domain().columns());
    let k = (2 * wanted).max(8).min(operator.domain().order());
    let images = Images::new(operator, weighted, k)?;
    let q = leading_directions::<E>(&images, wanted)?;
    // P Q = A Σ Wᵀ, so the triplets are (A, Σ, Q W).
    let image = images.of(q.clone())?;
    let refused =
        |found| Error::invalid("observations", found, "finite numbers", "check the observations and the operator");
    if image.iter().any(|value| !value.is_finite()) {
        return Err(refused("a non-finite A*(y)"));
    }
    let of = |rows: usize, data: &[f64]| E::unstacked(view(rows, k, data).to_owned());
    let svd = of(n1, &image).thin_svd();
    let svd = svd.map_err(|_| refused("an A*(y) whose eigendecomposition failed"))?;
    Ok(SingularTriplets {
        values: (0..k).map(|j| s * svd.S()[j].real()).collect(),
        left: row_major(E::stacked(svd.U().to_owned()).as_ref()),
        right: row_major(E::stacked(of(n2, &q) * svd.V()).as_ref()),
    })
}

/// Products of P/s with k columns.
struct Images<'a> {
    operator: &'a dyn Operator,
    weighted: &'a [f64],
    columns: usize,
    /// P/s, n1×n2, where it is formed.
    formed: Option<Vec<f64>>,
}

impl<'a> Images<'a> {
    fn new(operator: &'a dyn Operator, weighted: &'a [f64], columns: usize) -> Result<Self> {
        let (n1, n2) = (operator.domain().rows(), operator.domain().columns());
        let small = n1.min(n2) <= LARGEST_FORMED && n1.saturating_mul(n2) <= MOST_FORMED;
        let forms = small && operator.accelerate().gathers.is_none();
        require_room(&if forms { [n1.max(n2), n1.min(n2)] } else { [n1.saturating_add(n2), columns] })?;
        let mut images = Self { operator, weighted, columns, formed: None };
        let eye = |n: usize| -> Vec<f64> { (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect() };
        images.formed = match (forms, n2 <= n1) {
            (false, _) => None,
            (true, true) => Some(images.measured(eye(n2), n2)?),
            (true, false) => {
                let p = images.measured_transposed(eye(n1), n1)?;
                Some((0..n1 * n2).map(|at| p[at % n2 * n1 + at / n2]).collect())
            }
        };
        Ok(images)
    }

    fn measured(&self, v: Vec<f64>, k: usize) -> Result<Vec<f64>> {
        let domain = self.operator.domain();
        let factors = Factors::pair(1, domain, k, vec![0.0; domain.rows() * k], v)?;
        Ok(host::adjoint(self.operator, self.weighted, &factors))
    }

    fn measured_transposed(&self, w: Vec<f64>, k: usize) -> Result<Vec<f64>> {
        let domain = self.operator.domain();
        let factors = Factors::pair(1, domain, k, w, vec![0.0; domain.columns() * k])?;
        Ok(host::adjoint_transposed(self.operator, self.weighted, &factors))
    }

    /// P Q/s.
    fn of(&self, q: Vec<f64>) -> Result<Vec<f64>> {
        let (domain, k) = (self.operator.domain(), self.columns);
        match &self.formed {
            Some(p) => {
                Ok(row_major((view(domain.rows(), domain.columns(), p) * view(domain.columns(), k, &q)).as_ref()))
            }
            None => self.measured(q, k),
        }
    }

    /// PᵀQ/s.
    fn of_transposed(&self, q: Vec<f64>) -> Result<Vec<f64>> {
        let (domain, k) = (self.operator.domain(), self.columns);
        match &self.formed {
            Some(p) => Ok(row_major(
                (view(domain.rows(), domain.columns(), p).transpose() * view(domain.rows(), k, &q)).as_ref(),
            )),
            None => self.measured_transposed(q, k),
        }
    }
}

/// An orthonormal basis Q of the right directions of P with the largest singular values, n2×k.
fn leading_directions<E: Field>(images: &Images<'_>, wanted: usize) -> Result<Vec<f64>> {
    let (n1, n2) = (images.operator.domain().rows(), images.operator.domain().columns());
    let k = images.columns;
    let mut v = normals(0, Purpose::Laws, 1.0, n2 * k);
    let mut before = 0.0;
    for _ in 1..STEPS {
        let image = images.of(orthonormal_columns::<E>(n2, k, &v))?;
        // The caller refuses what is not finite.
        if image.iter().all(|value| *value == 0.0) || image.iter().any(|value| !value.is_finite()) {
            break;
        }
        if n1.saturating_add(n2) > LARGEST_FORMED {
            let values = E::unstacked(view(n1, k, &image).to_owned()).singular_values();
            let found = values.map_or(0.0, |values| values[wanted.clamp(1, k) - 1].real());
            if (found - before).abs() <= SETTLED * found {
                break;
            }
            before = found;
        }
        v = images.of_transposed(orthonormal_columns::<E>(n1, k, &image))?;
    }
    Ok(orthonormal_columns::<E>(n2, k, &v))
}
