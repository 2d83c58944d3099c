//! Measurement operators `A(Z)ᵢ = ⟨Aᵢ, Z⟩`: the contract of every ensemble, and the registry of the built-in ones.
//!
//! One module per operator: its data, its definition ([`Operator::sensing_matrix`]), the sequential f64 reference
//! implementation (the three functions of the trait), optionally a fast host kernel and a WGSL shader. The rest of the
//! crate sees the trait only.

mod acceleration;
mod black_box;
pub mod cdp;
pub(crate) mod compressed;
pub mod dense;
pub mod entries;
mod gather;
mod gpu;
mod kernel;
mod loss;
pub(crate) mod open;
pub mod pauli;
pub mod rank_one;
pub(crate) mod registry;
mod rows;
mod seeded;
pub mod sparse;
mod storage;

use std::ops::Range;
use std::sync::Arc;

use crate::memory::Part;
use crate::problem::{Domain, Factors};

pub use crate::simd::InstructionSet;
pub use acceleration::Acceleration;
pub use black_box::BlackBox;
pub use cdp::CodedDiffraction;
pub use dense::{Dense, Layout};
pub use entries::Entries;
pub use gather::{GatherKernel, Lines, Side};
pub use gpu::{GpuForm, GpuNonzeros, GpuPatterns, GpuPlan, GpuSource, GpuStrings, GpuThin, GpuVectors, Made, Reader};
pub(crate) use kernel::ReferenceKernel;
pub use kernel::{HostKernel, Pair, PassSchedule, TrialPass};
pub use loss::Loss;
pub(crate) use open::{Opening, Wanted};
pub use pauli::{Pauli, PauliString};
pub use rank_one::RankOne;
pub(crate) use rows::ThinShard;
pub use seeded::Seeded;
pub(crate) use seeded::hash;
pub use sparse::Sparse;
pub use storage::Storage;

/// Cost of one iteration of gradient descent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Cost {
    /// Bytes of measurement data read; each stored byte counts once.
    pub bytes: f64,
    /// Floating-point operations over the measurement data, for all trials.
    pub flops: f64,
}

impl Cost {
    /// A cost of `bytes` read and `flops` operations.
    pub const fn new(bytes: f64, flops: f64) -> Self {
        Self { bytes, flops }
    }
}

/// A linear measurement operator on n1×n2 matrices. Object safe. Implement it outside the crate to solve with your own
/// ensemble on the Reference and Cpu backends, and run [`crate::laws::check`] on it.
///
/// All functions are sequential: engines split the work by shards, which are disjoint ranges of measurements that cover
/// 0..m in order. The number of shards must depend on the problem only, never on the machine, because results are
/// summed in shard order and must not change with the thread count.
pub trait Operator: Send + Sync {
    /// Name of the operator in one word, for reports.
    fn name(&self) -> &str;

    /// Domain of the measured matrices: size and symmetry.
    fn domain(&self) -> Domain;

    /// Number of measurements m.
    fn measurements(&self) -> usize;

    /// Normalisation s, such that s·A*A ≈ identity on low-rank matrices with all m measurements in use.
    fn normalization(&self) -> f64;

    /// Number of shards, at least 1. The Cpu backend gives each thread shards of its own, so an operator of one shard
    /// keeps one thread busy for each trial; 16 serve most machines.
    fn shards(&self) -> usize {
        1
    }

    /// Range of measurements of one shard. By default the measurements are cut evenly.
    fn shard_range(&self, shard: usize) -> Range<usize> {
        let (m, shards) = (self.measurements() as u128, self.shards() as u128);
        let at = |shard: usize| (shard as u128 * m / shards) as usize;
        at(shard)..at(shard + 1)
    }

    /// The definition: Aᵢ as a dense n1×n2 matrix, row-major; symmetric on symmetric domains.
    fn sensing_matrix(&self, i: usize) -> Vec<f64>;

    /// Measures ⟨Aᵢ, L Rᵀ⟩ for i in the shard; overwrites `out`, (batch, shard length).
    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]);

    /// Adds Σ rᵢ Aᵢ V over the shard to `out` (batch, n1, k), with V = `applied.right` (n2×k) and `residual`
    /// (batch, shard length).
    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]);

    /// Adds Σ rᵢ Aᵢᵀ W over the shard to `out` (batch, n2, k), with W = `applied.left` (n1×k). On a symmetric domain
    /// this is [`Operator::adjoint_apply`] of W, which is the default implementation.
    fn adjoint_apply_transposed(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        assert!(
            self.domain().is_symmetric(),
            "an operator on rectangular matrices implements adjoint_apply_transposed"
        );
        match applied.is_single() {
            true => self.adjoint_apply(shard, residual, applied, out),
            false => self.adjoint_apply(shard, residual, &applied.only_left(), out),
        }
    }

    /// Cost of one gradient over all shards.
    fn cost(&self, batch: usize, search_rank: usize) -> Cost {
        let entries = self.measurements() as f64 * self.domain().dimension() as f64;
        let _ = search_rank;
        Cost { bytes: entries * 8.0, flops: 4.0 * entries * batch as f64 }
    }

    /// Whether the adjoint exists. Without it only methods that evaluate the loss alone solve a problem, and the adjoint functions of
    /// this trait are never called.
    fn has_adjoint(&self) -> bool {
        true
    }

    /// Number type of the measurement data, if they are numbers.
    fn stored_in(&self) -> Option<Storage> {
        None
    }

    /// Memory of the measurement data, by part and place.
    fn memory(&self) -> Vec<Part> {
        Vec::new()
    }

    /// The sampled entries, if these are the measurements.
    fn entries(&self) -> Option<&Entries> {
        None
    }

    /// The operator of a range of measurements, counted from 0, with plain residuals; `None` where an operator cannot
    /// be cut. Ranks cut the measurements with it ([`crate::team`]). Its s has no meaning.
    fn slice(&self, measurements: Range<usize>) -> Option<Arc<dyn Operator>> {
        let _ = measurements;
        None
    }

    /// Whether E‖A(Z)‖²·s = ‖Z‖_F² over the ensemble, so that held-out residuals estimate the relative error.
    fn is_isotropic(&self) -> bool {
        false
    }

    /// Whether the loss has centred residuals: f = (s/4)·Σ wᵢ(eᵢ − ē)² with ē = Σwᵢeᵢ/Σwᵢ over all measurements, so the
    /// gradient is s·Σ wᵢ(eᵢ − ē)AᵢU. Engines do the centring; the functions of this trait do not, and engines return
    /// eᵢ itself as residuals.
    fn is_centred(&self) -> bool {
        false
    }

    /// All that makes the operator fast: kernels for the Cpu backend, and data for the Gpu backend, which refuses
    /// operators without them. By default nothing.
    fn accelerate(&self) -> Acceleration<'_> {
        Acceleration::default()
    }
}

/// A pointer to an operator is an operator: an engine can borrow one, and several problems can share one.
macro_rules! delegate {
    ($pointer:ty) => {
        impl<O: Operator + ?Sized> Operator for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn domain(&self) -> Domain {
                (**self).domain()
            }
            fn measurements(&self) -> usize {
                (**self).measurements()
            }
            fn normalization(&self) -> f64 {
                (**self).normalization()
            }
            fn shards(&self) -> usize {
                (**self).shards()
            }
            fn shard_range(&self, shard: usize) -> Range<usize> {
                (**self).shard_range(shard)
            }
            fn sensing_matrix(&self, i: usize) -> Vec<f64> {
                (**self).sensing_matrix(i)
            }
            fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
                (**self).forward(shard, point, out);
            }
            fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
                (**self).adjoint_apply(shard, residual, applied, out);
            }
            fn adjoint_apply_transposed(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
                (**self).adjoint_apply_transposed(shard, residual, applied, out);
            }
            fn cost(&self, batch: usize, search_rank: usize) -> Cost {
                (**self).cost(batch, search_rank)
            }
            fn has_adjoint(&self) -> bool {
                (**self).has_adjoint()
            }
            fn stored_in(&self) -> Option<Storage> {
                (**self).stored_in()
            }
            fn memory(&self) -> Vec<Part> {
                (**self).memory()
            }
            fn entries(&self) -> Option<&Entries> {
                (**self).entries()
            }
            fn slice(&self, measurements: Range<usize>) -> Option<Arc<dyn Operator>> {
                (**self).slice(measurements)
            }
            fn is_isotropic(&self) -> bool {
                (**self).is_isotropic()
            }
            fn is_centred(&self) -> bool {
                (**self).is_centred()
            }
            fn accelerate(&self) -> Acceleration<'_> {
                (**self).accelerate()
            }
        }
    };
}

delegate!(&O);
delegate!(Arc<O>);
