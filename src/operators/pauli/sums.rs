//! Sums over the rows of complex factors for Pauli strings with the same flips, eight rows at a time.
//!
//! Flips x take row a to row a⊕x. The higher bits of x take a block of eight rows to another block, the three lowest
//! permute the rows of a block. The permuted copies of a factor are made once for all strings, so every sum over rows is one
//! over whole blocks, which the compiler turns into instructions on vectors.

use crate::problem::MatrixView;

/// Rows of a block.
pub(super) const LANES: usize = 8;

/// One number of each row of a block.
pub(super) type Block = [f64; LANES];

/// Real and imaginary parts of the rows of a factor, (blocks, k, 2, LANES). Fewer than eight rows are followed by zeros.
pub(super) struct Rows {
    blocks: usize,
    columns: usize,
    numbers: Vec<Block>,
}

/// The eight copies of a factor with permuted rows: copy j has row a⊕j in the place of row a.
pub(super) struct Permuted(Vec<Rows>);

impl Rows {
    /// Partial sums, 0 at first.
    pub(super) fn zeros(n: usize, columns: usize) -> Self {
        let blocks = n.div_ceil(LANES);
        Self { blocks, columns, numbers: vec![[0.0; LANES]; 2 * blocks * columns] }
    }

    /// The n complex rows of a real form with row a⊕flips in the place of row a; flips < min(n, 8).
    fn new(n: usize, of: MatrixView<'_>, flips: usize) -> Self {
        let mut rows = Self::zeros(n, of.columns());
        for a in 0..n {
            let from = a ^ flips;
            for (part, row) in [of.row(from), of.row(n + from)].into_iter().enumerate() {
                for (c, v) in row.iter().enumerate() {
                    rows.numbers[2 * ((a / LANES) * rows.columns + c) + part][a % LANES] = *v;
                }
            }
        }
        rows
    }

    /// The 2k numbers of each row of a block, real and imaginary part of each column in turn.
    fn block(&self, block: usize) -> &[Block] {
        &self.numbers[2 * block * self.columns..][..2 * self.columns]
    }

    /// Adds the rows to a real form of n complex rows.
    pub(super) fn add_to(&self, out: &mut [f64]) {
        let n = out.len() / (2 * self.columns.max(1));
        let (upper, lower) = out.split_at_mut(n * self.columns);
        for a in 0..n {
            for c in 0..self.columns {
                let [real, imaginary] = [0, 1].map(|part| self.block(a / LANES)[2 * c + part][a % LANES]);
                upper[a * self.columns + c] += real;
                lower[a * self.columns + c] += imaginary;
            }
        }
    }
}

impl Permuted {
    pub(super) fn new(n: usize, of: MatrixView<'_>) -> Self {
        Self((0..LANES.min(n)).map(|flips| Rows::new(n, of, flips)).collect())
    }

    /// The copy for flips x.
    fn of(&self, x: u32) -> &Rows {
        &self.0[x as usize % LANES]
    }
}

/// Real and imaginary parts of n numbers.
pub(super) struct Pair {
    n: usize,
    pub(super) real: Vec<Block>,
    pub(super) imaginary: Vec<Block>,
}

impl Pair {
    pub(super) fn new(n: usize) -> Self {
        Self { n, real: zeros(n), imaginary: zeros(n) }
    }

    pub(super) fn clear(&mut self) {
        self.real.fill([0.0; LANES]);
        self.imaginary.fill([0.0; LANES]);
    }

    /// h(a) ← Σ_k conj(L_ak) R_(a⊕x)k
    #[inline(always)]
    pub(super) fn products(&mut self, x: u32, l: &Permuted, r: &Permuted) {
        let (l, r) = (l.of(0), r.of(x));
        for (at, (real, imaginary)) in self.real.iter_mut().zip(&mut self.imaginary).enumerate() {
            let mut sums = [[0.0; LANES]; 2];
            let other = at ^ (x as usize / LANES);
            for (l, r) in l.block(at).chunks_exact(2).zip(r.block(other).chunks_exact(2)) {
                for i in 0..LANES {
                    sums[0][i] += l[0][i] * r[0][i] + l[1][i] * r[1][i];
                    sums[1][i] += l[0][i] * r[1][i] - l[1][i] * r[0][i];
                }
            }
            [*real, *imaginary] = sums;
        }
    }

    /// D_a += φ(a) V_(a⊕x), for φ in this pair.
    #[inline(always)]
    pub(super) fn add(&self, x: u32, v: &Permuted, sums: &mut Rows) {
        let v = v.of(x);
        let each = 2 * sums.columns;
        for at in 0..sums.blocks {
            let (real, imaginary) = (&self.real[at], &self.imaginary[at]);
            let other = v.block(at ^ (x as usize / LANES));
            for (sum, v) in sums.numbers[at * each..][..each].chunks_exact_mut(2).zip(other.chunks_exact(2)) {
                for i in 0..LANES {
                    sum[0][i] += real[i] * v[0][i] - imaginary[i] * v[1][i];
                    sum[1][i] += real[i] * v[1][i] + imaginary[i] * v[0][i];
                }
            }
        }
    }

    /// The [`transform`] of both parts.
    #[inline(always)]
    pub(super) fn transform(&mut self) {
        transform(self.n, &mut self.real);
        transform(self.n, &mut self.imaginary);
    }
}

/// The Walsh–Hadamard transform w(z) = Σ_a (−1)^(z·a) v(a) of n = 2^q numbers, in place.
#[inline(always)]
pub(super) fn transform(n: usize, numbers: &mut [Block]) {
    for block in numbers.iter_mut() {
        if n > 1 {
            stage::<1>(block);
        }
        if n > 2 {
            stage::<2>(block);
        }
        if n > 4 {
            stage::<4>(block);
        }
    }
    let mut half = 1;
    while half < numbers.len() {
        for blocks in numbers.chunks_exact_mut(2 * half) {
            let (low, high) = blocks.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                for i in 0..LANES {
                    (a[i], b[i]) = (a[i] + b[i], a[i] - b[i]);
                }
            }
        }
        half *= 2;
    }
}

/// n zeros.
pub(super) fn zeros(n: usize) -> Vec<Block> {
    vec![[0.0; LANES]; n.div_ceil(LANES)]
}

/// Sums and differences of the rows of a block whose numbers differ in one bit.
#[inline(always)]
fn stage<const HALF: usize>(block: &mut Block) {
    let mut next = [0.0; LANES];
    for i in 0..LANES {
        let sign = if i & HALF == 0 { 1.0 } else { -1.0 };
        next[i] = block[i ^ HALF] + sign * block[i];
    }
    *block = next;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_are_sums_with_signs() {
        for n in [2, 4, 8, 16, 64] {
            let value = |a: usize| (a as f64 * 1.7).sin();
            let mut numbers = zeros(n);
            numbers.as_flattened_mut()[..n].iter_mut().enumerate().for_each(|(a, v)| *v = value(a));
            transform(n, &mut numbers);
            for z in 0..n {
                let sign = |a: usize| if (a & z).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                let wanted: f64 = (0..n).map(|a| sign(a) * value(a)).sum();
                assert!((numbers.as_flattened()[z] - wanted).abs() < 1e-12, "n = {n}, z = {z}");
            }
        }
    }
}
