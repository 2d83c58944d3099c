//! Conversion of L Rᵀ to the multiplier of a row, and of G = Σ rᵢAᵢ to G V and Gᵀ W.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};

use crate::operators::Pair;
use crate::problem::Domain;
use crate::real::Real;

/// Representation of matrices by rows of p numbers a_q. Where rows are packed, entry q = (i, j) off the diagonal
/// represents ω·a_q at (i, j) and at (j, i):
///
/// ```text
/// ⟨A, Z⟩ = Σ a_q·z_q,  z_q = ω·(Z_ij + Z_ji) for i < j, Z_ii on the diagonal;   G_ij = ω·g_q for i ≠ j
/// ```
///
/// A row of a Hermitian A has n² numbers, an n×n square: Re A_ij in the upper triangle, and Im A_ij at (j, i) below it. A row of
/// another complex A has the n1·n2 numbers of Re A and then those of Im A.
#[derive(Clone, Copy, Debug)]
pub(in crate::operators) struct Packing {
    pub(in crate::operators) domain: Domain,
    /// Weight ω: 1 where the numbers are the entries.
    pub(in crate::operators) off_diagonal: f64,
}

impl Packing {
    /// Size of the working memory of both functions: a full matrix, where rows are packed.
    pub(in crate::operators) fn scratch_len(&self) -> usize {
        let n = self.domain.order();
        match (self.domain.is_complex(), self.domain.is_symmetric()) {
            (true, true) => 2 * n * n,
            (false, true) => n * n,
            (_, false) => 0,
        }
    }
}

/// Both conversions in a number type.
pub(in crate::operators) trait Pack: Real {
    /// Writes z, p numbers.
    fn pack(packing: Packing, point: Pair<'_, Self>, scratch: &mut [Self], z: &mut [Self]);

    /// G V, and Gᵀ W if wanted, from the p numbers g; `applied` is (W, V).
    fn apply(
        packing: Packing,
        g: &[Self],
        scratch: &mut [Self],
        applied: Pair<'_, Self>,
        left: &mut [Self],
        right: Option<&mut [Self]>,
    );
}

/// Rows of the upper triangle of n×n matrices: their positions in the full and in the packed matrix.
fn triangle(n: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut q = 0;
    (0..n).map(move |i| {
        let first = q;
        q += n - i;
        (i * n + i..(i + 1) * n, first..q)
    })
}

/// z_q = weight·Z_ij for i < j, and Z_ii, from the upper triangle of Z.
fn fold_upper<T: Real>(full: &[T], n: usize, weight: T, out: &mut [T]) {
    for (row, packed) in triangle(n) {
        let (row, out) = (&full[row], &mut out[packed]);
        out.iter_mut().zip(row).for_each(|(out, z)| *out = weight * *z);
        out[0] = row[0];
    }
}

/// z_q = weight·(Z_ij + Z_ji) for i < j, and Z_ii.
fn fold<T: Real>(full: &[T], n: usize, weight: T, out: &mut [T]) {
    for (i, (row, packed)) in triangle(n).enumerate() {
        let (row, out) = (&full[row], &mut out[packed]);
        for (j, (out, z)) in out.iter_mut().zip(row).enumerate() {
            *out = weight * (*z + full[(i + j) * n + i]);
        }
        out[0] = row[0];
    }
}

/// G_ij = weight·g_q for i ≠ j, and G_ii = g_q.
fn unfold<T: Real>(g: &[T], n: usize, weight: T, full: &mut [T]) {
    for (row, packed) in triangle(n) {
        let (row, g) = (&mut full[row], &g[packed]);
        row.iter_mut().zip(g).for_each(|(row, g)| *row = weight * *g);
        row[0] = g[0];
    }
    for i in 1..n {
        for j in 0..i {
            full[i * n + j] = full[j * n + i];
        }
    }
}

/// The numbers z of P + iQ = L Rᴴ, an n×n square: weight·(P_ij + P_ji) above, P_ii, and weight·(Q_ij − Q_ji) at (j, i).
fn fold_complex<T: Real>((p, q): (&[T], &[T]), n: usize, weight: T, out: &mut [T]) {
    for i in 0..n {
        out[i * n + i] = p[i * n + i];
        for j in i + 1..n {
            out[i * n + j] = weight * (p[i * n + j] + p[j * n + i]);
            out[j * n + i] = weight * (q[i * n + j] - q[j * n + i]);
        }
    }
}

/// The real and the imaginary part of the Hermitian G with weight·g off the diagonal.
fn unfold_complex<T: Real>(g: &[T], n: usize, weight: T, (real, imaginary): (&mut [T], &mut [T])) {
    for i in 0..n {
        (real[i * n + i], imaginary[i * n + i]) = (g[i * n + i], T::ZERO);
        for j in i + 1..n {
            let (a, b) = (weight * g[i * n + j], weight * g[j * n + i]);
            (real[i * n + j], real[j * n + i]) = (a, a);
            (imaginary[i * n + j], imaginary[j * n + i]) = (b, T::ZERO - b);
        }
    }
}

/// The real and the imaginary part of L Rᴴ, n1×n2 each.
fn products<T: Real + ComplexField>(domain: Domain, point: Pair<'_, T>, (real, imaginary): (&mut [T], &mut [T])) {
    let ((n1, n2), k) = (domain.shape(), point.search_rank);
    let (one, minus) = (T::from_f64(1.0), T::ZERO - T::from_f64(1.0));
    let ((x, y), (v, w)) = (point.left.split_at(n1 * k), point.right.split_at(n2 * k));
    let l = |part| MatRef::from_row_major_slice(part, n1, k);
    let r = |part| MatRef::from_row_major_slice(part, n2, k).transpose();
    let mut real = MatMut::from_row_major_slice_mut(real, n1, n2);
    let mut imaginary = MatMut::from_row_major_slice_mut(imaginary, n1, n2);
    matmul(&mut real, Accum::Replace, l(x), r(v), one, Par::Seq);
    matmul(&mut real, Accum::Add, l(y), r(w), one, Par::Seq);
    matmul(&mut imaginary, Accum::Replace, l(y), r(v), one, Par::Seq);
    matmul(&mut imaginary, Accum::Add, l(x), r(w), minus, Par::Seq);
}

/// (A + iσB)(X + iY) in its real form, σ = ±1.
fn complex_product<T: Real + ComplexField>(
    (a, b): (MatRef<'_, T>, MatRef<'_, T>),
    sign: T,
    v: &[T],
    out: &mut [T],
    k: usize,
) {
    let (x, y) = v.split_at(v.len() / 2);
    let (upper, lower) = out.split_at_mut(out.len() / 2);
    let [x, y] = [x, y].map(|part| MatRef::from_row_major_slice(part, a.ncols(), k));
    let [mut upper, mut lower] = [upper, lower].map(|part| MatMut::from_row_major_slice_mut(part, a.nrows(), k));
    matmul(&mut upper, Accum::Replace, a, x, T::from_f64(1.0), Par::Seq);
    matmul(&mut upper, Accum::Add, b, y, T::ZERO - sign, Par::Seq);
    matmul(&mut lower, Accum::Replace, a, y, T::from_f64(1.0), Par::Seq);
    matmul(&mut lower, Accum::Add, b, x, sign, Par::Seq);
}

macro_rules! pack {
    ($t:ty) => {
        impl Pack for $t {
            fn pack(packing: Packing, point: Pair<'_, $t>, scratch: &mut [$t], out: &mut [$t]) {
                let (domain, weight) = (packing.domain, packing.off_diagonal as $t);
                let (n, n2, k) = (domain.rows(), domain.columns(), point.search_rank);
                if domain.is_complex() {
                    if !domain.is_symmetric() {
                        let (real, imaginary) = out.split_at_mut(out.len() / 2);
                        return products(domain, point, (real, imaginary));
                    }
                    let order = domain.order();
                    let (p, q) = scratch.split_at_mut(order * order);
                    products(domain, point, (&mut *p, &mut *q));
                    return fold_complex((p, q), order, weight, out);
                }
                let left = MatRef::from_row_major_slice(point.left, n, k);
                let right = MatRef::from_row_major_slice(point.right, n2, k);
                if !domain.is_symmetric() {
                    let z = MatMut::from_row_major_slice_mut(out, n, n2);
                    return matmul(z, Accum::Replace, left, right.transpose(), 1.0, Par::Seq);
                }
                let z = MatMut::from_row_major_slice_mut(scratch, n, n);
                let single = std::ptr::eq(point.left, point.right);
                if single {
                    let (upper, full) = (BlockStructure::TriangularUpper, BlockStructure::Rectangular);
                    let (add, transposed) = (Accum::Replace, right.transpose());
                    triangular::matmul(z, upper, add, left, full, transposed, full, 1.0, Par::Seq);
                } else {
                    matmul(z, Accum::Replace, left, right.transpose(), 1.0, Par::Seq);
                }
                match single {
                    true => fold_upper(scratch, n, 2.0 * weight, out),
                    false => fold(scratch, n, weight, out),
                }
            }

            fn apply(
                packing: Packing,
                g: &[$t],
                scratch: &mut [$t],
                applied: Pair<'_, $t>,
                left: &mut [$t],
                right: Option<&mut [$t]>,
            ) {
                let (domain, weight) = (packing.domain, packing.off_diagonal as $t);
                let (n, n2, k) = (domain.rows(), domain.columns(), applied.search_rank);
                let product = |g: MatRef<'_, $t>, v: &[$t], out: &mut [$t]| {
                    let v = MatRef::from_row_major_slice(v, g.ncols(), k);
                    let out = MatMut::from_row_major_slice_mut(out, g.nrows(), k);
                    matmul(out, Accum::Replace, g, v, 1.0, Par::Seq);
                };
                if domain.is_complex() {
                    let (n1, n2) = domain.shape();
                    let (real, imaginary) = match domain.is_symmetric() {
                        false => g.split_at(n1 * n2),
                        true => {
                            let (real, imaginary) = scratch.split_at_mut(n1 * n2);
                            unfold_complex(g, n1, weight, (&mut *real, &mut *imaginary));
                            (&*real, &*imaginary)
                        }
                    };
                    let [a, b] = [real, imaginary].map(|part| MatRef::from_row_major_slice(part, n1, n2));
                    complex_product((a, b), 1.0, applied.right, left, k);
                    if let Some(right) = right {
                        // (A + iB)ᴴ = Aᵀ − iBᵀ
                        complex_product((a.transpose(), b.transpose()), -1.0, applied.left, right, k);
                    }
                    return;
                }
                if !domain.is_symmetric() {
                    let g = MatRef::from_row_major_slice(g, n, n2);
                    product(g, applied.right, left);
                    if let Some(right) = right {
                        product(g.transpose(), applied.left, right);
                    }
                    return;
                }
                unfold(g, n, weight, scratch);
                let g = MatRef::from_row_major_slice(scratch, n, n);
                product(g, applied.right, left);
                if let Some(right) = right {
                    product(g, applied.left, right);
                }
            }
        }
    };
}

pack!(f32);
pack!(f64);
