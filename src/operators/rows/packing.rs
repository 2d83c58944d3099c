//! Conversion of L Rᵀ to the multiplier of a row, and of G = Σ rᵢAᵢ to G V and Gᵀ W.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
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
#[derive(Clone, Copy, Debug)]
pub(in crate::operators) struct Packing {
    pub(in crate::operators) domain: Domain,
    /// Weight ω: 1 where the numbers are the entries.
    pub(in crate::operators) off_diagonal: f64,
}

impl Packing {
    /// Size of the working memory of both functions: a full matrix, where rows are packed.
    pub(in crate::operators) fn scratch_len(&self) -> usize {
        if self.domain.is_symmetric() { self.domain.rows() * self.domain.rows() } else { 0 }
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

macro_rules! pack {
    ($t:ty) => {
        impl Pack for $t {
            fn pack(packing: Packing, point: Pair<'_, $t>, scratch: &mut [$t], out: &mut [$t]) {
                let (domain, weight) = (packing.domain, packing.off_diagonal as $t);
                let (n, n2, k) = (domain.rows(), domain.columns(), point.search_rank);
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
