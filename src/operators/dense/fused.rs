//! The fast host path of `dense`.
//!
//! Memory movement a pass: m·p stored numbers once, which is the floor, for any number of trials; the point and the
//! accumulator, p numbers each, stay in cache. One trial is bound by reading the rows ([`super::stream`]), many by
//! arithmetic ([`super::tile`]).

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};

use crate::operators::dense::Dense;
use crate::operators::dense::storage::Rows;
use crate::operators::dense::stream::{ShardRows, Stream};
use crate::operators::dense::tile::Tile;
use crate::operators::{HostKernel, Loss, Operator, Pair, TrialPass};
use crate::simd::{InstructionSet, Stored, Unit};

macro_rules! host_kernel {
    ($t:ty) => {
        impl HostKernel<$t> for Dense {
            fn point_len(&self, _search_rank: usize) -> usize {
                self.shape.dimension()
            }

            fn accumulator_len(&self, _search_rank: usize) -> usize {
                self.shape.dimension()
            }

            /// A full matrix, where rows are packed.
            fn scratch_len(&self, _search_rank: usize) -> usize {
                if self.shape.is_symmetric() { self.shape.rows() * self.shape.rows() } else { 0 }
            }

            /// z[q(i,j)] = lᵢ·rⱼ + lⱼ·rᵢ for i < j, lᵢ·rᵢ on the diagonal; L Rᵀ for full rows.
            fn prepare(&self, point: Pair<'_, $t>, scratch: &mut [$t], out: &mut [$t]) {
                let (n, n2, k) = (self.shape.rows(), self.shape.columns(), point.search_rank);
                let left = MatRef::from_row_major_slice(point.left, n, k);
                let right = MatRef::from_row_major_slice(point.right, n2, k);
                if !self.shape.is_symmetric() {
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
                let mut q = 0;
                for i in 0..n {
                    let (row, out) = (&scratch[i * n + i..(i + 1) * n], &mut out[q..q + n - i]);
                    out[0] = row[0];
                    for (j, out) in out.iter_mut().enumerate().skip(1) {
                        *out = if single { 2.0 * row[j] } else { row[j] + scratch[(i + j) * n + i] };
                    }
                    q += n - i;
                }
            }

            fn pass(&self, set: InstructionSet, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, $t>]) {
                let (p, range) = (self.shape.dimension(), self.shard_range(shard));
                let numbers = range.start * p..range.end * p;
                match &self.rows {
                    Rows::F16 { data, scales } => {
                        let rows = ShardRows { p, numbers: &data[numbers], scales: Some(&scales[range]) };
                        pass(set, rows, loss, trials);
                    }
                    Rows::F32(data) => {
                        pass(set, ShardRows { p, numbers: &data.as_slice()[numbers], scales: None }, loss, trials);
                    }
                    Rows::F64(data) => {
                        pass(set, ShardRows { p, numbers: &data.as_slice()[numbers], scales: None }, loss, trials);
                    }
                }
            }

            /// G V and Gᵀ W.
            fn finish(
                &self,
                accumulator: &[$t],
                scratch: &mut [$t],
                applied: Pair<'_, $t>,
                left: &mut [$t],
                right: Option<&mut [$t]>,
            ) {
                let (n, n2, k) = (self.shape.rows(), self.shape.columns(), applied.search_rank);
                let product = |g: MatRef<'_, $t>, v: &[$t], out: &mut [$t]| {
                    let v = MatRef::from_row_major_slice(v, g.ncols(), k);
                    let out = MatMut::from_row_major_slice_mut(out, g.nrows(), k);
                    matmul(out, Accum::Replace, g, v, 1.0, Par::Seq);
                };
                if !self.shape.is_symmetric() {
                    let g = MatRef::from_row_major_slice(accumulator, n, n2);
                    product(g, applied.right, left);
                    if let Some(right) = right {
                        product(g.transpose(), applied.left, right);
                    }
                    return;
                }
                let mut q = 0;
                for i in 0..n {
                    for j in i..n {
                        let g = accumulator[q + j - i];
                        scratch[i * n + j] = g;
                        scratch[j * n + i] = g;
                    }
                    q += n - i;
                }
                let g = MatRef::from_row_major_slice(scratch, n, n);
                product(g, applied.right, left);
                if let Some(right) = right {
                    product(g, applied.left, right);
                }
            }
        }
    };
}

host_kernel!(f32);
host_kernel!(f64);

fn pass<S: Stored<T>, T: Unit>(
    set: InstructionSet,
    rows: ShardRows<'_, S>,
    loss: Loss,
    trials: &mut [TrialPass<'_, T>],
) {
    match trials {
        [] => {}
        [trial] => {
            // Blocks of equal bytes. Fewer rows a block cost more passes over the accumulator, more do not gain.
            if size_of::<S>() == 2 {
                S::run(set, Stream::<S, T, 8> { rows, loss, trial });
            } else {
                S::run(set, Stream::<S, T, 4> { rows, loss, trial });
            }
        }
        trials => S::run(set, Tile { rows, loss, trials }),
    }
}
