//! The fast host path of `dense`.
//!
//! Memory movement a pass: m·p stored numbers once (the floor), and per block of rows and trial the packed point and
//! the accumulator, p numbers each, from cache. A block of four rows is read from memory by the dot products and again
//! from cache by the accumulation; four rows at a time also quarter the traffic of the accumulator itself.

use crate::operators::dense::Dense;
use crate::operators::dense::storage::{Rows, widen_rows};
use crate::operators::{HostKernel, Loss, Operator, Pair, TrialPass};
use crate::real::Real;

/// Rows of a block.
const BLOCK: usize = 4;
/// Independent partial sums of a dot product: enough for two vectors of the widest common registers in f32.
const LANES: usize = 16;

impl<T: Real> HostKernel<T> for Dense {
    fn point_len(&self, _search_rank: usize) -> usize {
        self.shape.dimension()
    }

    /// z[q(i,j)] = lᵢ·rⱼ + lⱼ·rᵢ for i < j, lᵢ·rᵢ on the diagonal.
    fn prepare(&self, point: Pair<'_, T>, out: &mut [T]) {
        let (n, k) = (self.shape.rows(), point.search_rank);
        let single = std::ptr::eq(point.left, point.right);
        let mut q = 0;
        for i in 0..n {
            let (li, ri) = (&point.left[i * k..(i + 1) * k], &point.right[i * k..(i + 1) * k]);
            out[q] = dot(li, ri);
            q += 1;
            for j in i + 1..n {
                let (lj, rj) = (&point.left[j * k..(j + 1) * k], &point.right[j * k..(j + 1) * k]);
                let one_way = dot(li, rj);
                out[q] = one_way + if single { one_way } else { dot(lj, ri) };
                q += 1;
            }
        }
    }

    fn accumulator_len(&self, _search_rank: usize) -> usize {
        self.shape.dimension()
    }

    fn pass(&self, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]) {
        let (p, range) = (self.shape.dimension(), self.shard_range(shard));
        let numbers = range.start * p..range.end * p;
        match &self.rows {
            Rows::F16 { data, scales } => {
                // A block is widened once for all trials, into cache: half the bytes come from memory.
                let mut wide = vec![T::ZERO; BLOCK * p];
                let (data, scales) = (&data[numbers], &scales[range]);
                for (block, (rows, scales)) in data.chunks(BLOCK * p).zip(scales.chunks(BLOCK)).enumerate() {
                    let wide = &mut wide[..rows.len()];
                    widen_rows(rows, scales, p, wide);
                    for trial in trials.iter_mut() {
                        pass_block::<T, T>(block * BLOCK, p, wide, loss, trial);
                    }
                }
            }
            Rows::F32(data) => pass_rows(p, &data.as_slice()[numbers], loss, trials),
            Rows::F64(data) => pass_rows(p, &data.as_slice()[numbers], loss, trials),
        }
    }

    /// out_i = Σ_j G_ij V_j, each stored entry used for both of its places.
    fn finish(&self, accumulator: &[T], applied: Pair<'_, T>, left: &mut [T], right: Option<&mut [T]>) {
        symmetric_product(self.shape.rows(), applied.search_rank, accumulator, applied.right, left);
        if let Some(right) = right {
            symmetric_product(self.shape.rows(), applied.search_rank, accumulator, applied.left, right);
        }
    }
}

fn pass_rows<S: Real, T: Real>(p: usize, rows: &[S], loss: Loss, trials: &mut [TrialPass<'_, T>]) {
    for (block, rows) in rows.chunks(BLOCK * p).enumerate() {
        for trial in trials.iter_mut() {
            pass_block(block * BLOCK, p, rows, loss, trial);
        }
    }
}

fn pass_block<S: Real, T: Real>(first: usize, p: usize, rows: &[S], loss: Loss, trial: &mut TrialPass<'_, T>) {
    let count = rows.len() / p;
    let mut r = [T::ZERO; BLOCK];
    for (i, row) in rows.chunks_exact(p).enumerate() {
        let e = mixed_dot(row, trial.point) - trial.target[first + i];
        trial.residual[first + i] = e;
        r[i] = trial.weights[first + i] * loss.derivative(e);
    }
    let accumulator = &mut trial.accumulator[..p];
    if count == BLOCK {
        let (a, rest) = rows.split_at(p);
        let (b, rest) = rest.split_at(p);
        let (c, d) = rest.split_at(p);
        for ((((g, &a), &b), &c), &d) in accumulator.iter_mut().zip(a).zip(b).zip(c).zip(&d[..p]) {
            *g += (r[0] * cast::<S, T>(a) + r[1] * cast::<S, T>(b)) + (r[2] * cast::<S, T>(c) + r[3] * cast::<S, T>(d));
        }
    } else {
        for (&r, row) in r.iter().zip(rows.chunks_exact(p)) {
            for (g, &a) in accumulator.iter_mut().zip(row) {
                *g += r * cast::<S, T>(a);
            }
        }
    }
}

#[inline(always)]
fn cast<S: Real, T: Real>(value: S) -> T {
    T::from_f64(value.to_f64())
}

/// Σ aᵢ zᵢ with `LANES` partial sums, added pairwise.
#[inline(always)]
fn mixed_dot<S: Real, T: Real>(a: &[S], z: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (z_chunks, z_tail) = z.as_chunks::<LANES>();
    for (a, z) in a_chunks.iter().zip(z_chunks) {
        for lane in 0..LANES {
            lanes[lane] += cast::<S, T>(a[lane]) * z[lane];
        }
    }
    for (lane, (&a, &z)) in a_tail.iter().zip(z_tail).enumerate() {
        lanes[lane] += cast::<S, T>(a) * z;
    }
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = lanes.split_at_mut(width);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        width /= 2;
    }
    lanes[0]
}

fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    mixed_dot(a, b)
}

fn symmetric_product<T: Real>(n: usize, k: usize, packed: &[T], v: &[T], out: &mut [T]) {
    out.fill(T::ZERO);
    let mut q = 0;
    for i in 0..n {
        let (before, after) = out.split_at_mut((i + 1) * k);
        let out_i = &mut before[i * k..];
        let v_i = &v[i * k..(i + 1) * k];
        axpy(packed[q], v_i, out_i);
        q += 1;
        for j in i + 1..n {
            let g = packed[q];
            q += 1;
            axpy(g, &v[j * k..(j + 1) * k], out_i);
            axpy(g, v_i, &mut after[(j - i - 1) * k..(j - i) * k]);
        }
    }
}

#[inline(always)]
fn axpy<T: Real>(g: T, v: &[T], out: &mut [T]) {
    for (out, &v) in out.iter_mut().zip(v) {
        *out += g * v;
    }
}
