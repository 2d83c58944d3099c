//! Leading eigenvalues of −P G P from products G·B with a basis B that follows the iteration.
//!
//! A pair of factors is one tall matrix here, L above R (complex factors are complex here), and G is the symmetric [[0, G], [Gᵀ, 0]]: its positive
//! eigenvalues are the singular values of G. P projects out the range of every block of U. Each iteration computes G·B
//! for the basis B of the last one. The next basis consists of Ritz vectors X, their residuals, and the last change of
//! X, as in LOBPCG (Knyazev 2001).

use std::ops::Range;

use faer::{Mat, Side};

use crate::field::Field;
use crate::tall;

/// Relative norm below which a column is dropped after orthogonalisation. Gram matrices show no less than √ε of a column.
const DEPENDENT: f64 = 1e-6;
/// Share of the largest singular value below which singular values of U span nothing.
const THIN: f64 = 1e-12;
/// Most Ritz vectors that are followed.
const FOLLOWED: usize = 10;

/// Blocks of the factors as rows of one tall matrix.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// Rows of each block.
    pub(super) blocks: Vec<Range<usize>>,
    /// For each block, the block whose Gram matrix belongs to its gradient.
    pub(super) partners: Vec<usize>,
    /// Columns of the registers.
    pub(super) columns: usize,
    /// Number of leading columns with positive sign; all columns in models without signs.
    pub(super) positive: usize,
}

/// Columns for probes beside the `used` ones, of which each followed vector takes three: at least 18, and as many as
/// fill the cache lines of a row in f32, which a gather reads whole.
pub(super) fn room_for_probes(used: usize) -> usize {
    (used + 18).next_multiple_of(16) - used
}

impl Space {
    pub(super) fn rows(&self) -> usize {
        self.blocks.iter().map(|rows| rows.end).max().unwrap_or(0)
    }

    /// Whether columns have signs.
    pub(super) fn is_signed(&self) -> bool {
        self.positive < self.columns
    }

    /// Whether there are columns for these signs.
    pub(super) fn has_room(&self, signs: &[f64]) -> bool {
        let negative = signs.iter().filter(|sign| **sign < 0.0).count();
        signs.len() - negative <= self.positive && negative <= self.columns - self.positive
    }

    /// Register position of each column, columns in use first: the model tells signs by position.
    pub(super) fn places(&self, signs: &[f64]) -> Vec<usize> {
        let (mut next, mut taken) = ([0, self.positive], vec![false; self.columns]);
        let mut places = Vec::with_capacity(self.columns);
        for sign in signs {
            let place = &mut next[usize::from(*sign < 0.0)];
            taken[*place] = true;
            places.push(*place);
            *place += 1;
        }
        places.extend((0..self.columns).filter(|place| !taken[*place]));
        places
    }

    /// The register position of every column.
    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.columns).collect()
    }

    /// Multiplies columns at these places by the signs of the model.
    pub(super) fn sign<E: Field>(&self, columns: &mut Mat<E>, places: &[usize]) {
        for (j, _) in places.iter().enumerate().filter(|(_, place)| **place >= self.positive) {
            columns.col_mut(j).iter_mut().for_each(|v| *v = -*v);
        }
    }

    /// An orthonormal basis of each block of U, and the matrix that maps U to it.
    fn range_of<E: Field>(&self, u: &Mat<E>) -> Vec<(Mat<E>, Mat<E>)> {
        let of = |rows: &Range<usize>| {
            let block = u.as_ref().subrows(rows.start, rows.len());
            if let Some(basis) = tall::range_by_gram(block) {
                return basis;
            }
            let Ok(svd) = block.thin_svd() else { return (Mat::zeros(rows.len(), 0), Mat::zeros(u.ncols(), 0)) };
            let count = rows.len().min(u.ncols());
            let values: Vec<f64> = (0..count).map(|j| svd.S()[j].real()).collect();
            let largest = values.first().copied().unwrap_or(0.0);
            let kept = values.iter().filter(|value| **value > THIN * largest && **value > 0.0).count();
            let q = svd.U().subcols(0, kept).to_owned();
            let whiten = Mat::from_fn(u.ncols(), kept, |i, j| svd.V()[(i, j)] / values[j]);
            (q, whiten)
        };
        self.blocks.iter().map(of).collect()
    }
}

/// G along the range of U.
pub(super) struct Tangent<E: Field> {
    ranges: Vec<(Mat<E>, Mat<E>)>,
    /// Products G·Q of the partner of each block.
    products: Vec<Mat<E>>,
}

impl<E: Field> Tangent<E> {
    /// Computes G along the range of U from U and G·U, columns in use only.
    pub(super) fn new(space: &Space, u: &Mat<E>, gu: &Mat<E>) -> Self {
        let ranges = space.range_of(u);
        let of = |(block, rows): (usize, &Range<usize>)| {
            tall::times(gu.as_ref().subrows(rows.start, rows.len()), ranges[space.partners[block]].1.as_ref())
        };
        let products = space.blocks.iter().enumerate().map(of).collect();
        Self { ranges, products }
    }

    /// Frobenius norm ‖G Q‖.
    pub(super) fn norm(&self) -> f64 {
        let squares: f64 = self.products.iter().map(|product| product.squared_norm_l2()).sum();
        (squares / self.products.len().max(1) as f64).sqrt()
    }

    /// Projects the range of U out of every column.
    pub(super) fn project(&self, space: &Space, columns: &mut Mat<E>) -> Vec<Mat<E>> {
        let mut shares = Vec::new();
        for (rows, (q, _)) in space.blocks.iter().zip(&self.ranges) {
            let mut part = columns.as_mut().subrows_mut(rows.start, rows.len());
            let share = tall::adjoint_times(q.as_ref(), part.as_ref());
            tall::subtract_product(part.as_mut(), q.as_ref(), share.as_ref());
            shares.push(share);
        }
        shares
    }
}

/// Ritz values and vectors, strongest first, and the next basis.
pub(super) struct Ritz<E: Field> {
    pub(super) values: Vec<f64>,
    /// Sign ±1 of θ, where columns have signs; `values` are then |θ|.
    pub(super) signs: Vec<f64>,
    /// Norms of G·x + θx.
    pub(super) errors: Vec<f64>,
    pub(super) vectors: Mat<E>,
    pub(super) basis: Mat<E>,
}

/// One step from B and G·B, with the range of U projected out of both and `free` columns for the next basis. `own`
/// means that G·B has the same G as the tangent.
pub(super) fn ritz<E: Field>(
    space: &Space,
    tangent: &Tangent<E>,
    (mut b, mut gb): (Mat<E>, Mat<E>),
    own: bool,
    (free, strength): (usize, impl Fn(f64) -> f64),
) -> Option<Ritz<E>> {
    let shares = tangent.project(space, &mut b);
    if own {
        // G P B = G B − (G Q) QᵀB
        for (block, rows) in space.blocks.iter().enumerate() {
            let (along, share) = (&tangent.products[block], &shares[space.partners[block]]);
            tall::subtract_product(gb.as_mut().subrows_mut(rows.start, rows.len()), along.as_ref(), share.as_ref());
        }
    }
    tangent.project(space, &mut gb);
    let (b, gb) = orthonormal(&b, Some(&gb), b.ncols());
    if b.ncols() == 0 {
        return None;
    }
    let hb = tall::from_fn(gb.nrows(), gb.ncols(), |i, j| -gb[(i, j)]);
    let small = tall::adjoint_times(b.as_ref(), hb.as_ref());
    let small = Mat::from_fn(small.nrows(), small.ncols(), |i, j| (small[(i, j)] + small[(j, i)].conjugate()) * 0.5);
    let eigen = small.self_adjoint_eigen(Side::Lower).ok()?;
    let (count, values) = (b.ncols(), eigen.S());
    let followed = (free / 3).clamp(1, FOLLOWED).min(count);
    let mut order: Vec<usize> = (0..count).rev().collect();
    order.sort_by(|&i, &j| strength(values[j].real()).total_cmp(&strength(values[i].real())));
    let y = Mat::from_fn(count, followed, |i, j| eigen.U()[(i, order[j])]);
    let thetas: Vec<f64> = (0..followed).map(|j| values[order[j]].real()).collect();
    let (x, hx) = (tall::times(b.as_ref(), y.as_ref()), tall::times(hb.as_ref(), y.as_ref()));
    let residual = tall::from_fn(x.nrows(), followed, |i, j| hx[(i, j)] - x[(i, j)] * thetas[j]);
    let errors = tall::columns(residual.as_ref(), |j| residual.col(j).norm_l2());
    // The change of X: the part outside the first columns, which were the old X.
    let change = Mat::from_fn(count, followed, |i, j| if i < followed { E::of(0.0, 0.0) } else { y[(i, j)] });
    let change = tall::times(b.as_ref(), change.as_ref());
    let all = tall::from_fn(x.nrows(), 3 * followed, |i, j| match j / followed {
        0 => x[(i, j)],
        1 => residual[(i, j - followed)],
        _ => change[(i, j - 2 * followed)],
    });
    let values = thetas.iter().map(|theta| strength(*theta)).collect();
    let signs = thetas.iter().map(|theta| if *theta < 0.0 { -1.0 } else { 1.0 }).collect();
    Some(Ritz { values, signs, errors, basis: orthonormal(&all, None, free).0, vectors: x })
}

/// Orthonormalises columns in the given order and drops dependent ones, at most `most`; applies the same combinations
/// to the columns of an image.
///
/// The combinations come from Gram matrices, so that tall factors are read a few times and not once for each pair of
/// columns. The second round makes up for the rounding of the first (Fukaya et al. 2014, CholeskyQR2).
pub(super) fn orthonormal<E: Field>(columns: &Mat<E>, image: Option<&Mat<E>>, most: usize) -> (Mat<E>, Mat<E>) {
    let norms = tall::columns(columns.as_ref(), |j| columns.col(j).norm_l2());
    let used: Vec<usize> = (0..norms.len()).filter(|j| norms[*j] > 0.0).collect();
    let scaled = |of: &Mat<E>| tall::from_fn(of.nrows(), used.len(), |i, j| of[(i, used[j])] / norms[used[j]]);
    let (mut basis, mut of_basis) = (scaled(columns), image.map_or_else(|| Mat::zeros(0, used.len()), scaled));
    for _ in 0..2 {
        let combinations = combinations(&tall::adjoint_times(basis.as_ref(), basis.as_ref()), most);
        basis = tall::times(basis.as_ref(), combinations.as_ref());
        of_basis = tall::times(of_basis.as_ref(), combinations.as_ref());
    }
    (basis, of_basis)
}

/// Combinations T that make columns V with the Gram matrix G = VᴴV orthonormal: VT, in their order and at most `most`. A
/// column is left out where little of it is outside the others.
fn combinations<E: Field>(gram: &Mat<E>, most: usize) -> Mat<E> {
    let count = gram.ncols();
    let (zero, one) = (E::of(0.0, 0.0), E::of(1.0, 0.0));
    // Coefficients up to the own column: those of later ones are zero.
    let mut kept: Vec<Vec<E>> = Vec::new();
    for j in 0..count {
        if kept.len() == most {
            break;
        }
        let mut v = vec![zero; j + 1];
        v[j] = one;
        let mut left = gram[(j, j)].real();
        for q in &kept {
            let share = q.iter().zip(gram.col(j).iter()).fold(zero, |sum, (q, g)| sum + q.conjugate() * *g);
            v.iter_mut().zip(q).for_each(|(v, q)| *v -= share * *q);
            left -= share.square();
        }
        if left > DEPENDENT * DEPENDENT * gram[(j, j)].real() {
            let norm = left.sqrt();
            kept.push(v.into_iter().map(|v| v / norm).collect());
        }
    }
    Mat::from_fn(count, kept.len(), |i, j| kept[j].get(i).copied().unwrap_or(zero))
}
