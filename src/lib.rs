//! Recovers a low-rank matrix M from linear measurements y_i = ⟨A_i, M⟩ by factorised gradient descent from a small
//! random start, on the CPU or on any GPU. The README shows how to use it; this page says how it is built.
//!
//! # The problem and its words
//!
//! | symbol | meaning | identifier |
//! |---|---|---|
//! | M = X Xᵀ | the unknown n×n positive semidefinite matrix of rank r* | [`problem::Truth`], `rank` |
//! | A(Z)ᵢ = ⟨Aᵢ, Z⟩ | measurement operator, unnormalised | [`operators::Operator`], `forward` |
//! | A*(r) = Σ rᵢAᵢ | its adjoint, always applied to a thin matrix | `adjoint_apply` |
//! | s | s·A*A ≈ identity on low-rank matrices; 1/m for the Gaussian ensemble | `normalization` |
//! | r = A(UUᵀ) − y | residual | `residual` |
//! | f = (s/4)‖r‖² | training loss | `train_loss` |
//! | U ← U − μ·s·A*(r)·U | gradient descent | `step_size` = μ |
//! | U₀ = α·G, Gᵢⱼ ~ N(0, 1/k) | small random start | `init_scale` = α |
//! | k, κ | columns of U; condition number of X (κ(M) = κ²) | `search_rank`, `condition_number` |
//! | ‖UUᵀ − M‖_F/‖M‖_F | test error | `relative_error` |
//!
//! Symmetric Aᵢ are stored packed: the upper triangle row by row, p = n(n+1)/2 numbers, entries as they are; the factor 2
//! of off-diagonal entries is applied where Z is packed. That halves the bytes an iteration reads, and reading them is
//! what an iteration costs.
//!
//! # The house
//!
//! Imports run one way; `tests/architecture` checks it. From the bottom up:
//!
//! | module | what it holds |
//! |---|---|
//! | [`Error`] | the one error type: what was found, what is allowed, what to do |
//! | [`memory`] | what something will take, by part, and what there is |
//! | `real`, `linalg`, `text`, `named` | f32 or f64; the few decompositions, through faer; numbers for people; parameters by name |
//! | `pages` | memory for many numbers, on large pages |
//! | `simd` | vectors of 64 bytes on AVX-512, AVX2, NEON or plain registers, chosen at run time |
//! | [`problem`] | domains, batched factors, packed indices, truths, random streams |
//! | [`io`] | NumPy arrays in and out; outputs that appear whole or not at all |
//! | [`operators`] | the contract of a measurement ensemble, and one room for each |
//! | [`tape`] | the list of operations that an iteration is, and the registers they read and write |
//! | [`models`] | how factors make a matrix: psd, signed, asymmetric, deep |
//! | [`methods`] | algorithms: their parameters, and the tape that each records |
//! | [`engine`] | the only seam between the loop and the hardware |
//! | `mixed` | an engine of mixed precision made of two others |
//! | `host`, [`gpu`] | the engines: Reference and Cpu; WGSL kernels through wgpu |
//! | [`team`] | ranks: processes or threads that share the measurements of a problem |
//! | `distributed` | an engine around this rank's share of the measurements |
//! | [`Backend`] | a place to compute, as a value |
//! | [`laws`] | what every operator obeys on every engine |
//! | [`diagnostics`] | test error, spectra, rank estimates |
//! | [`solver`] | settings, the loop, stop rules, solutions |
//!
//! Two packages stand above it. `lowrank-studies` (`studies/`) runs whole experiments: sweeps, comparisons, published studies, random
//! checks, timings, and their reports and figures. `lowrank-cli` (`cli/`) is the program `lowrank`: a small library and a main.
//!
//! **An operator is one room**: `src/operators/<name>` holds its data, its definition
//! ([`operators::Operator::sensing_matrix`]), the obvious sequential f64 twin, a fast host kernel
//! ([`operators::HostKernel`]) and how its shader is fed; `shaders/` holds the kernels; one entry in
//! [`operators::REGISTRY`] makes it appear in the conformance tests, `lowrank check` and `lowrank list operators`. The
//! work is split by *shards* (disjoint ranges of measurements, a function of the problem and not of the machine); every
//! shard has its own accumulators, which are summed in shard order, so results do not depend on the thread count.
//!
//! Operators whose rows are the Aᵢ share their kernels, on the host (`operators::rows`) and on a GPU (`shaders/rows`),
//! whether the rows are stored (`dense`) or made from a seed by an integer hash whenever they are needed (`seeded`, `rademacher`).
//! Numbers that are made are multiples of a power of two, the same bits on every device; where they are packed, the weight 1/√2 of
//! entries beside the diagonal goes to Z and to the gradient and rounds none of them.
//!
//! **A model is how factors make a matrix**: `src/models/<name>` says which blocks the factors have, which product they stand for,
//! what share of the loss counts, how long steps and how large starts are, and where a run can start. An operator knows its [`problem::Domain`] (n1, n2, symmetric or not) and
//! nothing of factors, so that the same operator is solved as psd, signed, asymmetric or deep without being made again. Where
//! measurements are symmetric, A sees the symmetric part of L Rᵀ, and the gradients of a pair are G R and G L. Everything outside knows
//! a list of blocks with names and sizes, and the thin product at its ends; what a method needs of a model and does not find there is
//! refused before anything is computed. Parameters of models and of methods are named, and stand behind their word
//! (`signed:signature=2,1`, `lbfgs:memory=5`).
//!
//! **A method is a tape.** A method records its iteration once: passes over the measurements, sums, matrix products, Cholesky
//! factors, updates of registers (`src/tape`). An engine receives the finished list and runs it; it never asks which method or model
//! wrote it, and on a GPU nothing is read back. What a method must decide on the host, in f64, is an operation of the tape as well:
//! it names the registers that it reads and writes. Along a direction D one pass gives A(UDᵀ + DUᵀ) and A(DDᵀ), from which the loss
//! is a quartic whose least value is known. For one factor the residual and the gradient at U + tD are polynomials in t as well: where
//! an operator's declared cost says that reading is what a pass costs, the same pass brings their coefficients, and the next iteration
//! needs none of its own. Decompositions that decide about ranks are those of the factors themselves, not of
//! their Gram matrices, which lose half the digits. All engines keep λ in VᵀV + λI above the rounding errors of VᵀV, and say how
//! often they had to raise it.
//!
//! **A batch is part of every contract.** Trials share the operator and advance together; each has its own
//! observations, truth, start, step, search rank and number of measurements, ends with its own [`Status`] and then
//! keeps its factor. A narrower trial is padded with zero columns, which stay zero. A batch gives bit for bit what single
//! runs give (on a GPU: with the same kernel variant).
//!
//! **Watching costs no pass.** An engine that was asked for residuals has the gradient at that point and starts its next
//! iteration from it.
//!
//! **Backends.** `Reference` is f64, sequential, the twins as written: the oracle. `Cpu` reads each block of rows from
//! memory once and uses it twice from cache. There are several ways to do that: for one trial the dot products of a block and then
//! its accumulation, or both beside each other; for several trials tiled matrix products over more or fewer rows. Sums have one
//! order whatever the way, the instruction set, the blocks and the other trials are, so the engine times the ways in its first
//! iterations, then the fastest of them on AVX-512 and AVX2, and keeps what is faster: the processor decides, and no bit depends on it. Operators whose measurements touch few lines of the factors
//! ([`operators::GatherKernel`]) have all residuals computed first; then each block of lines of the gradient gathers what concerns it,
//! so that nothing of the size of the matrix is formed and no sum is shared. `Gpu` has several kernel variants: two kernels a panel (forward, adjoint); one
//! kernel whose workgroups own rows and use each twice, from cache or from registers; tiled matrix products for batches.
//! Those that fit are timed on the loaded data, the fastest one runs, and `--variant` forces one; with the same variant a
//! run repeats bit for bit. Panels exist because a binding holds 128 MiB on the smallest adapters; those that do not fit the
//! device's memory are streamed through two buffers in every iteration, the host writing one while the device works on the
//! other, and change no sum. Rows in a mapped file are read from there and never copied. One shader source serves
//! both precisions (`alias real = f32|f64`), and one small file a storage type reads the rows. Operators of vectors or of
//! nonzeros bring data and no shader: their *thin* kernels take products with the factors alone and never form a matrix of
//! the unknown's size. Two factors lie in one buffer, one above the other. Nothing is read back inside an iteration, and
//! many iterations go into one submission. `Auto` takes a real GPU if there is one and the Cpu backend otherwise.
//!
//! **Mixed precision.** The iteration moves U = U₀ + V by its increment V in f32 around a centre U₀ in f64:
//!
//! ```text
//! e = A((2U₀ + V)Vᵀ) + c,   c = A(U₀U₀ᵀ) − y in f64,   V ← V − μ·s·A*(e)(U₀ + V)
//! ```
//!
//! Rounding errors are in proportion to V instead of U. Where ‖e − c‖ has become a hundred times ‖e‖ the centre moves to U and V to 0,
//! which costs one pass over the measurement data in f64, on the host. The limit is that of f64, for e that goes to zero; where
//! it does not (noise, fewer columns than the rank), errors are single precision's share of e. A is what is stored: the
//! device may read it rounded to f32, which recentring makes up for, but y has to belong to what the host holds.
//!
//! **Laws before speed.** [`laws::check`] runs on your own operators what the conformance tests run on the built-in
//! ones: the twin is the definition, the adjoint is one, the gradient is a derivative, engines agree with the definition
//! within a running error bound computed from the data, and exactly on integers.
//!
//! The library prints nothing, installs no signal handler, does not fall back silently, and does not panic on input.

#![warn(missing_docs)]

mod backend;
pub mod diagnostics;
mod distributed;
pub mod engine;
mod error;
pub mod gpu;
mod host;
pub mod io;
pub mod laws;
mod linalg;
pub mod memory;
pub mod methods;
mod mixed;
pub mod models;
mod named;
pub mod operators;
mod pages;
pub mod problem;
mod real;
mod simd;
pub mod solver;
pub mod tape;
pub mod team;
mod text;

pub use backend::Backend;
pub use engine::Precision;
pub use error::{Error, Result};
pub use methods::Method;
pub use models::Model;
pub use real::Real;
pub use solver::{
    Init, Problem, Progress, Schedule, Settings, Solution, Solver, Status, Stop, TraceRow, Trial, TrialParameters,
    TrialSolution,
};

/// What the studies and the tests of this workspace need beyond the library; it changes without notice.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::gpu::copy::copy_times;
    pub use crate::host::measure::measure;
    pub use crate::host::read::sum_in_streams;
    pub use crate::io::npz::{LARGEST_ENTRY, NpzWriter};
    pub use crate::io::spool::Spool;
    pub use crate::pages::Pages;
    pub use crate::problem::random::{Purpose, normal, normals, stream};
    pub use crate::solver::identity::factor_digest;
    pub use crate::text::{readable, readable_seconds};
}

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
