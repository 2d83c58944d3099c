//! The fast host kernel of `rank_one`.
//!
//! A group of vectors is brought into cache once for all trials. There it is multiplied with the factors, which gives
//! the residuals, and then with the factors times the residuals. Both are the tiled products of `dense` for batches,
//! with the columns of a factor in place of trials. Factors and accumulators are transposed, (k, n).
//!
//! An accumulator is Σ rᵢAᵢV, (k, n1), then for two factors Σ rᵢAᵢᵀW, (k, n2). For centred residuals the same follows
//! with wᵢ in place of rᵢ, then Σwe and Σw.

use crate::operators::rank_one::{RankOne, Vectors};
use crate::operators::rows::{Adjoint, Forward, total};
use crate::operators::{HostKernel, Loss, Operator, Pair, PassSchedule, TrialPass};
use crate::simd::{Bank, InstructionSet, Stored, Unit};

/// Bytes of a group of vectors that are reused from cache, and their largest and least number.
const GROUP_BYTES: usize = 1 << 19;
const GROUP: std::ops::RangeInclusive<usize> = 4..=48;

/// (k, n) of an (n, k) matrix.
fn transposed<T: Copy>(matrix: &[T], k: usize) -> Vec<T> {
    let n = matrix.len() / k;
    (0..k * n).map(|at| matrix[at % n * k + at / n]).collect()
}

impl RankOne {
    /// Numbers of an accumulator.
    fn sums_len(&self, search_rank: usize, factors: usize) -> usize {
        let second = if factors == 1 { 0 } else { self.domain.columns() };
        let sums = (self.domain.rows() + second) * search_rank;
        if self.centred { 2 * sums + 2 } else { sums }
    }
}

macro_rules! host_kernel {
    ($t:ty) => {
        impl HostKernel<$t> for RankOne {
            fn point_len(&self, search_rank: usize) -> usize {
                (self.domain.rows() + self.domain.columns()) * search_rank
            }

            fn prepare(&self, point: Pair<'_, $t>, _scratch: &mut [$t], out: &mut [$t]) {
                let (left, right) = out.split_at_mut(point.left.len());
                left.copy_from_slice(&transposed(point.left, point.search_rank));
                right.copy_from_slice(&transposed(point.right, point.search_rank));
            }

            fn accumulator_len(&self, search_rank: usize, factors: usize) -> usize {
                self.sums_len(search_rank, factors)
            }

            fn read_bytes(&self) -> Option<u64> {
                let of = |vectors: &Vectors| match vectors {
                    Vectors::F32(values) => size_of_val(&values[..]) as u64,
                    Vectors::F64(values) => size_of_val(&values[..]) as u64,
                };
                Some(of(&self.left) + self.right.as_ref().map_or(0, of))
            }

            fn pass(
                &self,
                PassSchedule { set, .. }: PassSchedule,
                shard: usize,
                loss: Loss,
                trials: &mut [TrialPass<'_, $t>],
            ) {
                let range = self.shard_range(shard);
                let numbers = |n: usize| range.start * self.products * n..range.end * self.products * n;
                let (n1, n2) = (self.domain.rows(), self.domain.columns());
                match (&self.left, &self.right) {
                    (Vectors::F32(left), None) => {
                        Pass { operator: self, left: &left[numbers(n1)], right: None, loss }.run(set, trials);
                    }
                    (Vectors::F64(left), None) => {
                        Pass { operator: self, left: &left[numbers(n1)], right: None, loss }.run(set, trials);
                    }
                    (Vectors::F32(left), Some(Vectors::F32(right))) => {
                        let right = Some(&right[numbers(n2)]);
                        Pass { operator: self, left: &left[numbers(n1)], right, loss }.run(set, trials);
                    }
                    (Vectors::F64(left), Some(Vectors::F64(right))) => {
                        let right = Some(&right[numbers(n2)]);
                        Pass { operator: self, left: &left[numbers(n1)], right, loss }.run(set, trials);
                    }
                    // Every constructor makes both sides of one type; `load::one_type` converts files of two types to
                    // one.
                    _ => unreachable!("both sides are held in one type"),
                }
            }

            fn finish(
                &self,
                accumulator: &[$t],
                _scratch: &mut [$t],
                applied: Pair<'_, $t>,
                left: &mut [$t],
                right: Option<&mut [$t]>,
            ) {
                let (n1, n2, k) = (self.domain.rows(), self.domain.columns(), applied.search_rank);
                let second = if accumulator.len() == self.sums_len(k, 2) { n2 } else { 0 };
                let (sums, rest) = accumulator.split_at((n1 + second) * k);
                // Σ wᵢ(eᵢ − ē)Aᵢ = Σ wᵢeᵢAᵢ − ē·Σ wᵢAᵢ
                let mean = match rest {
                    [.., sum, count] if self.centred => sum / count,
                    _ => 0.0,
                };
                let sum = |from: usize| if self.centred { sums[from] - mean * rest[from] } else { sums[from] };
                for (at, left) in left.iter_mut().enumerate() {
                    *left = sum(at % k * n1 + at / k);
                }
                for (at, right) in right.into_iter().flatten().enumerate() {
                    *right = sum(n1 * k + at % k * n2 + at / k);
                }
            }
        }
    };
}

host_kernel!(f32);
host_kernel!(f64);

struct Pass<'a, S> {
    operator: &'a RankOne,
    left: &'a [S],
    right: Option<&'a [S]>,
    loss: Loss,
}

impl<S> Pass<'_, S> {
    fn run<T: Unit>(self, set: InstructionSet, trials: &mut [TrialPass<'_, T>])
    where
        S: Stored<T>,
    {
        let Self { operator, left, right, loss } = self;
        let (n1, n2) = (operator.domain.rows(), operator.domain.columns());
        let (products, centred) = (operator.products, operator.centred);
        let rows = (GROUP_BYTES / (n1 * size_of::<S>())).clamp(*GROUP.start(), *GROUP.end());
        let group = (rows / products).max(1);
        let measurements = left.len() / (n1 * products);
        let applied: Vec<(Vec<T>, Vec<T>)> = (trials.iter())
            .map(|t| {
                let k = t.applied.search_rank;
                (transposed(t.applied.left, k), transposed(t.applied.right, k))
            })
            .collect();
        for first in (0..measurements).step_by(group) {
            let count = group.min(measurements - first);
            let of = |n: usize| first * products * n..(first + count) * products * n;
            let a = &left[of(n1)];
            let b = right.map_or(a, |right| &right[of(n2)]);
            for (trial, (w, v)) in trials.iter_mut().zip(&applied) {
                let k = trial.applied.search_rank;
                let (l, r) = trial.point.split_at(k * n1);
                // Thin products, (rows, k); equal ones are computed once.
                let al = thin(set, n1, a, l);
                let br = if right.is_none() && l == r { al.clone() } else { thin(set, n2, b, r) };
                let bv = match () {
                    () if v == r => br.clone(),
                    () if right.is_none() && v == l => al.clone(),
                    () => thin(set, n2, b, v),
                };
                let mut ones = Vec::with_capacity(if centred { bv.len() } else { 0 });
                let (mut weighted, mut factors) = (Vec::with_capacity(count), Vec::with_capacity(bv.len()));
                for i in 0..count {
                    let at = i * products * k..(i + 1) * products * k;
                    let dot: T = al[at.clone()].iter().zip(&br[at.clone()]).map(|(&x, &y)| x * y).sum();
                    let e = dot - trial.target[first + i];
                    trial.residual[first + i] = e;
                    let weight = trial.weights[first + i];
                    let factor = weight * loss.derivative(e);
                    weighted.push(factor);
                    factors.extend(bv[at.clone()].iter().map(|&t| factor * t));
                    if centred {
                        ones.extend(bv[at].iter().map(|&t| weight * t));
                        let means = trial.accumulator.len() - 2;
                        trial.accumulator[means] += factor;
                        trial.accumulator[means + 1] += weight;
                    }
                }
                let both = trial.accumulator.len() == operator.sums_len(k, 2);
                let second = if both { k * n2 } else { 0 };
                let (sums, rest) = trial.accumulator.split_at_mut(k * n1);
                add(set, n1, a, &factors, sums);
                let (sums, of_ones) = rest.split_at_mut(second);
                if centred {
                    add(set, n1, a, &ones, &mut of_ones[..k * n1]);
                }
                if both {
                    let aw = if w == l { al } else { thin(set, n1, a, w) };
                    let times = |of: &[T]| -> Vec<T> {
                        let scaled = aw.chunks(products * k).zip(of);
                        scaled.flat_map(|(t, &f)| t.iter().map(move |&t| f * t)).collect()
                    };
                    add(set, n2, b, &times(&weighted), sums);
                    if centred {
                        let weights = &trial.weights[first..first + count];
                        add(set, n2, b, &times(weights), &mut of_ones[k * n1..k * (n1 + n2)]);
                    }
                }
            }
        }
    }
}

/// (rows, k): every vector times every column of x, which is (k, n).
fn thin<S: Stored<T>, T: Unit>(set: InstructionSet, n: usize, vectors: &[S], x: &[T]) -> Vec<T> {
    let points: Vec<&[T]> = x.chunks_exact(n).collect();
    let mut sums = Bank::<T>::units(vectors.len() / n * points.len());
    let sums = sums.units_mut();
    S::run(set, Forward { p: n, numbers: vectors, points: &points, sums, from_memory: true });
    let mut out = Vec::with_capacity(sums.len());
    for (vector, sums) in vectors.chunks_exact(n).zip(sums.chunks_exact(points.len())) {
        let tail = S::chunks(vector).1;
        out.extend(points.iter().zip(sums).map(|(point, sum)| total::<S, T>(*sum, tail, T::chunks(point).1)));
    }
    out
}

/// sums[c] += Σ over rows of factors[row, c]·vector, sums being (k, n).
fn add<S: Stored<T>, T: Unit>(set: InstructionSet, n: usize, vectors: &[S], factors: &[T], sums: &mut [T]) {
    let mut sums: Vec<&mut [T]> = sums.chunks_exact_mut(n).collect();
    S::run(set, Adjoint { p: n, numbers: vectors, next: &[], factors, sums: &mut sums });
}
