//! Sums over the rows of complex factors for Pauli strings with the same flips, eight rows at a time.
//!
//! Flips x take row a to row a⊕x. The higher bits of x take a block of eight rows to another block, the three lowest
//! permute the rows of a block. The permuted copies of a factor are made once for all strings, so every sum over rows is one
//! over whole blocks, which are units of [`crate::simd`].

use crate::problem::MatrixView;
use crate::simd::{Arithmetic, InstructionSet, Stored, Task, Unit, Widen};

/// One number of each row of a block.
pub(super) type Block = <f64 as Unit>::Chunk;

/// Rows of a block.
pub(super) const LANES: usize = <f64 as Unit>::ZEROS.len();

/// Real and imaginary parts of the rows of a factor, (blocks, k, 2, LANES). Fewer than eight rows are followed by zeros.
pub(super) struct Rows {
    columns: usize,
    numbers: Vec<Block>,
}

/// The eight copies of a factor with permuted rows: copy j has row a⊕j in the place of row a.
pub(super) struct Permuted(Vec<Rows>);

/// The columns that are not zero.
pub(super) fn columns_in_use(of: MatrixView<'_>) -> Vec<usize> {
    let mut used = vec![false; of.columns()];
    for row in 0..of.rows() {
        used.iter_mut().zip(of.row(row)).for_each(|(used, v)| *used |= *v != 0.0);
    }
    (0..used.len()).filter(|column| used[*column]).collect()
}

impl Rows {
    /// Partial sums, 0 at first.
    pub(super) fn zeros(n: usize, columns: usize) -> Self {
        let blocks = n.div_ceil(LANES);
        Self { columns, numbers: vec![f64::ZEROS; 2 * blocks * columns] }
    }

    /// The n complex rows of a real form, of these columns only.
    pub(super) fn new(n: usize, of: MatrixView<'_>, columns: &[usize]) -> Self {
        let mut rows = Self::zeros(n, columns.len());
        for a in 0..n {
            let block = &mut rows.numbers[2 * (a / LANES) * columns.len()..];
            for (part, row) in [of.row(a), of.row(n + a)].into_iter().enumerate() {
                for (to, from) in columns.iter().enumerate() {
                    block[2 * to + part][a % LANES] = row[*from];
                }
            }
        }
        rows
    }

    /// The same rows with row a⊕flips in the place of row a; flips < min(n, 8).
    fn permuted(&self, flips: usize) -> Self {
        let permuted = |block: &Block| std::array::from_fn(|lane| block[lane ^ flips]);
        Self { columns: self.columns, numbers: self.numbers.iter().map(permuted).collect() }
    }

    /// The 2k numbers of each row of a block, real and imaginary part of each column in turn.
    fn block(&self, block: usize) -> &[Block] {
        &self.numbers[2 * block * self.columns..][..2 * self.columns]
    }

    /// Adds the rows to these columns of a real form of n complex rows, which has `width` columns.
    pub(super) fn add_to(&self, out: &mut [f64], columns: &[usize], width: usize) {
        let n = out.len() / (2 * width.max(1));
        let (upper, lower) = out.split_at_mut(n * width);
        for a in 0..n {
            let block = self.block(a / LANES);
            for (from, to) in columns.iter().enumerate() {
                let [real, imaginary] = [0, 1].map(|part| block[2 * from + part][a % LANES]);
                upper[a * width + to] += real;
                lower[a * width + to] += imaginary;
            }
        }
    }
}

impl Permuted {
    pub(super) fn new(n: usize, of: MatrixView<'_>, columns: &[usize]) -> Self {
        let first = Rows::new(n, of, columns);
        let others: Vec<Rows> = (1..LANES.min(n)).map(|flips| first.permuted(flips)).collect();
        Self(std::iter::once(first).chain(others).collect())
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
        self.real.fill(f64::ZEROS);
        self.imaginary.fill(f64::ZEROS);
    }

    /// h(a) ← Σ_k conj(L_ak) R_(a⊕x)k
    #[inline(always)]
    pub(super) fn products<A: Arithmetic<f64>>(&mut self, simd: A, x: u32, l: &Rows, r: &Permuted) {
        let r = r.of(x);
        let minus = simd.splat(-1.0);
        for (at, (real, imaginary)) in self.real.iter_mut().zip(&mut self.imaginary).enumerate() {
            let mut sums = [simd.splat(0.0); 3];
            let other = at ^ (x as usize / LANES);
            for (l, r) in l.block(at).chunks_exact(2).zip(r.block(other).chunks_exact(2)) {
                let (l, r) = ([simd.load(&l[0]), simd.load(&l[1])], [simd.load(&r[0]), simd.load(&r[1])]);
                sums[0] = simd.fma(l[0], r[0], simd.fma(l[1], r[1], sums[0]));
                sums[1] = simd.fma(l[0], r[1], sums[1]);
                sums[2] = simd.fma(l[1], r[0], sums[2]);
            }
            *real = simd.store(sums[0]);
            *imaginary = simd.store(simd.fma(minus, sums[2], sums[1]));
        }
    }

    /// D_a += φ(a) V_(a⊕x), for φ in this pair.
    #[inline(always)]
    pub(super) fn add<A: Arithmetic<f64>>(&self, simd: A, x: u32, v: &Permuted, sums: &mut Rows) {
        let v = v.of(x);
        let each = 2 * sums.columns;
        let minus = simd.splat(-1.0);
        for (at, sums) in sums.numbers.chunks_exact_mut(each.max(1)).enumerate() {
            let (real, imaginary) = (simd.load(&self.real[at]), simd.load(&self.imaginary[at]));
            let opposite = simd.fma(minus, imaginary, simd.splat(0.0));
            let other = v.block(at ^ (x as usize / LANES));
            for (sum, v) in sums.chunks_exact_mut(2).zip(other.chunks_exact(2)) {
                let v = [simd.load(&v[0]), simd.load(&v[1])];
                sum[0] = simd.store(simd.fma(real, v[0], simd.fma(opposite, v[1], simd.load(&sum[0]))));
                sum[1] = simd.store(simd.fma(real, v[1], simd.fma(imaginary, v[0], simd.load(&sum[1]))));
            }
        }
    }

    /// The [`transform`] of both parts.
    #[inline(always)]
    pub(super) fn transform<A: Arithmetic<f64>>(&mut self, simd: A) {
        transform(simd, self.n, &mut self.real);
        transform(simd, self.n, &mut self.imaginary);
    }
}

/// The Walsh–Hadamard transform w(z) = Σ_a (−1)^(z·a) v(a) of n = 2^q numbers, in place.
#[inline(always)]
pub(super) fn transform<A: Arithmetic<f64>>(simd: A, n: usize, numbers: &mut [Block]) {
    let signs = [simd.load(&signs(1)), simd.load(&signs(2)), simd.load(&signs(4))];
    for block in numbers.iter_mut() {
        let mut v = simd.load(block);
        if n > 1 {
            v = simd.fma(v, signs[0], exchanged::<A, 1>(simd, v));
        }
        if n > 2 {
            v = simd.fma(v, signs[1], exchanged::<A, 2>(simd, v));
        }
        if n > 4 {
            v = simd.fma(v, signs[2], exchanged::<A, 4>(simd, v));
        }
        *block = simd.store(v);
    }
    let (one, minus) = (simd.splat(1.0), simd.splat(-1.0));
    let mut half = 1;
    while half < numbers.len() {
        for blocks in numbers.chunks_exact_mut(2 * half) {
            let (low, high) = blocks.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                let (a, b) = (simd.load(low), simd.load(high));
                (*low, *high) = (simd.store(simd.fma(one, a, b)), simd.store(simd.fma(minus, b, a)));
            }
        }
        half *= 2;
    }
}

/// −1 for the rows of a block with a bit, 1 for the others.
#[inline(always)]
fn signs(bit: usize) -> Block {
    let mut signs = f64::ZEROS;
    for (i, sign) in signs.iter_mut().enumerate() {
        *sign = if i & bit == 0 { 1.0 } else { -1.0 };
    }
    signs
}

/// The numbers of the rows that differ in one bit.
#[inline(always)]
fn exchanged<A: Arithmetic<f64>, const BIT: usize>(simd: A, v: A::V) -> A::V {
    let (from, mut to) = (simd.store(v), f64::ZEROS);
    for i in 0..LANES {
        to[i] = from[i ^ BIT];
    }
    simd.load(&to)
}

/// n zeros.
pub(super) fn zeros(n: usize) -> Vec<Block> {
    vec![f64::ZEROS; n.div_ceil(LANES)]
}

/// [`transform`] on this processor.
pub(super) fn transformed(n: usize, numbers: &mut [Block]) {
    struct Whole<'a>(usize, &'a mut [Block]);
    impl Task<f64, f64> for Whole<'_> {
        type Output = ();

        #[inline(always)]
        fn run<A: Widen<f64, f64>>(self, simd: A) {
            transform(simd, self.0, self.1);
        }
    }
    f64::run(InstructionSet::best(), Whole(n, numbers));
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
            transformed(n, &mut numbers);
            for z in 0..n {
                let sign = |a: usize| if (a & z).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                let wanted: f64 = (0..n).map(|a| sign(a) * value(a)).sum();
                assert!((numbers.as_flattened()[z] - wanted).abs() < 1e-12, "n = {n}, z = {z}");
            }
        }
    }
}
