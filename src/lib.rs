//! Recovers a low-rank matrix M from linear measurements y_i = ⟨A_i, M⟩ by factorised gradient descent from a small
//! random start, on the CPU or on any GPU. The README shows its use; this page describes its structure.
//!
//! # Notation
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
//! Symmetric Aᵢ are stored packed: the upper triangle row by row, p = n(n+1)/2 numbers, entries unchanged. The factor 2
//! of off-diagonal entries is applied where Z is packed. Packing halves the bytes that an iteration reads, and these
//! reads are its cost.
//!
//! # Modules
//!
//! Imports point downwards only; `tests/architecture` checks this. From the bottom up:
//!
//! | module | content |
//! |---|---|
//! | [`Error`] | the one error type: what was found, what is allowed, what to do |
//! | [`memory`] | memory needed, by part, and memory available |
//! | `real`, `linalg`, `text`, `named`, `words` | f32 or f64; the few decompositions, through faer; numbers as text; parameters by name; the words of settings |
//! | [`options`] | what an option is: its card, and a request of a user |
//! | `pages` | memory for large arrays, on large pages |
//! | `simd` | vectors of 64 bytes on AVX-512, AVX2, NEON or plain registers, chosen at run time |
//! | [`problem`] | domains, batched factors, packed indices, truths, random streams |
//! | [`io`] | NumPy arrays in and out; outputs that appear whole or not at all |
//! | [`operators`] | the contract of a measurement ensemble, and one module per ensemble |
//! | `predict` | predictions from saved factors, and new rows against them |
//! | [`tape`] | the operations of an iteration, and the registers they read and write |
//! | [`models`] | products of factors: psd, signed, asymmetric, deep |
//! | [`methods`] | algorithms: their parameters, and the tape of each |
//! | [`engine`] | the only interface between the loop and the hardware |
//! | `mixed` | an engine of mixed precision made of two others |
//! | `host`, [`gpu`] | the engines: Reference and Cpu; WGSL kernels through wgpu |
//! | [`team`] | ranks: processes or threads that share the measurements of a problem |
//! | `distributed` | an engine around this rank's share of the measurements |
//! | [`Backend`] | a place to compute |
//! | [`Session`] | residuals, losses and gradients at given factors, for your own loops |
//! | [`laws`] | rules that every operator obeys on every engine |
//! | [`diagnostics`] | test error, spectra, rank estimates |
//! | [`solver`] | settings, the loop, stop rules, solutions |
//! | `requests` | the table of all options, and what a request means: settings, trials, backend, files |
//!
//! Two packages build on it. `lowrank-studies` (`studies/`) runs whole experiments: sweeps, comparisons, published
//! studies, random checks, timings, and their reports and figures. `lowrank-cli` (`cli/`) is the program `lowrank`: a
//! small library and a main.
//!
//! **One module per operator.** `src/operators/<name>` holds an operator's data, its definition
//! ([`operators::Operator::sensing_matrix`]), a sequential f64 reference implementation, a fast host kernel
//! ([`operators::HostKernel`]) and the inputs of its shader; `shaders/` holds the kernels. One entry in
//! `src/operators/registry.rs` adds it to the conformance tests, `lowrank check` and `lowrank list operators`. The work is
//! split into *shards*: disjoint ranges of measurements that depend on the problem and not on the machine. Every shard
//! has its own accumulators, which are summed in shard order, so results do not depend on the thread count.
//!
//! Operators whose rows are the Aᵢ share their kernels, on the host (`operators::rows`) and on a GPU (`shaders/rows`).
//! The rows are either stored (`dense`) or generated from a seed by an integer hash on each use (`seeded`,
//! `rademacher`). Generated numbers are multiples of a power of two, with the same bits on every device. Where they are
//! packed, Z and the gradient carry the weight 1/√2 of off-diagonal entries, so no generated number is rounded.
//!
//! **A model is a product of factors.** `src/models/<name>` defines the blocks of the factors, their product, the share
//! of the loss, the lengths of steps, the sizes of starts, and the possible starts. An operator knows its
//! [`problem::Domain`] (n1, n2, symmetric or not) and nothing about factors, so the same operator serves psd, signed,
//! asymmetric and deep. Where measurements are symmetric, A sees the symmetric part of L Rᵀ, and the gradients of a
//! pair are G R and G L. Other modules see a list of blocks with names and sizes, and the thin product at its ends. A
//! method that needs a property which the model lacks is refused before any computation. Parameters of models and
//! methods are named and follow the model or method word (`signed:signature=2,1`, `lbfgs:memory=5`).
//!
//! **A method is a tape.** A method records its iteration once: passes over the measurements, sums, matrix products,
//! Cholesky factors, updates of registers (`src/tape`). An engine receives the finished list and runs it without
//! knowing the method or model; a GPU reads nothing back. A decision on the host, in f64, is also an operation of the
//! tape and names the registers that it reads and writes. Along a direction D one pass gives A(UDᵀ + DUᵀ) and A(DDᵀ).
//! The loss is then a quartic with a known minimum. For one factor the residual and the gradient at U + tD are
//! polynomials in t too. Where an operator's declared cost says that a pass is bound by reading, the same pass gives
//! their coefficients, and the next iteration needs no pass of its own. Rank decisions use decompositions of the
//! factors, not of their Gram matrices, which lose half the digits. All engines keep λ in VᵀV + λI above the rounding
//! errors of VᵀV and report how often they raised it.
//!
//! **A batch is part of every contract.** Trials share the operator and advance together. Each has its own
//! observations, truth, start, step, search rank and number of measurements, ends with its own [`Status`] and then
//! keeps its factor. A narrower trial is padded with zero columns, which stay zero. A batch equals single runs bit for
//! bit (on a GPU: with the same kernel variant).
//!
//! **A choice is a batch of folds.** Cross-validation ([`selection`]) gives each trial its own fold of the measurements
//! ([`Trial::fold`]) and its own search rank and ridge, so all candidates and all folds share every reading of the
//! measurements. A fold judges a trial and chooses no iterate. Standard errors of the entries ([`confidence`]) come from
//! the tangent space at a solution, after the run.
//!
//! **Observing costs no pass.** An engine that returned residuals has the gradient at that point and starts its next
//! iteration from it.
//!
//! **Backends.** `Reference` is sequential f64: the reference implementations as written. `Cpu` reads each block of
//! rows from memory once and uses it twice from cache. It has several traversals: for one trial the dot products of a
//! block and then its accumulation, or both together; for several trials tiled matrix products over more or fewer rows.
//! Sums have the same order for every traversal, instruction set, block size and batch. The engine times the traversals
//! in its first iterations, then the fastest on AVX-512 and AVX2, and keeps the faster one; no bit depends on this
//! choice. Operators whose measurements touch few lines of the factors ([`operators::GatherKernel`]) compute all
//! residuals first. Each block of lines of the gradient then gathers its terms, so nothing of the size of the matrix is
//! formed and no sum is shared. `Gpu` has several kernel variants: two kernels per panel (forward, adjoint); one kernel
//! whose workgroups own rows and use each twice, from cache or from registers; tiled matrix products for batches. The
//! variants that fit are timed on the loaded data and the fastest runs; `--variant` forces one. With the same variant a
//! run repeats bit for bit. Panels exist because a binding holds 128 MiB on the smallest adapters. Panels beyond the
//! device's memory are streamed through two buffers in every iteration: the host writes one while the device works on
//! the other. Streaming changes no sum. Rows in a mapped file are read in place and never copied. One shader source
//! serves both precisions (`alias real = f32|f64`), and one small file per storage type reads the rows. Operators of
//! vectors or of nonzeros provide data and no shader: their *thin* kernels take products with the factors alone and
//! never form a matrix of the unknown's size. Two factors lie in one buffer, one above the other. Nothing is read back
//! inside an iteration, and one submission holds many iterations. `Auto` takes a real GPU if there is one and the Cpu
//! backend otherwise.
//!
//! **Mixed precision.** The iteration moves U = U₀ + V by its increment V in f32 around a centre U₀ in f64:
//!
//! ```text
//! e = A((2U₀ + V)Vᵀ) + c,   c = A(U₀U₀ᵀ) − y in f64,   V ← V − μ·s·A*(e)(U₀ + V)
//! ```
//!
//! Rounding errors are in proportion to V instead of U. When ‖e − c‖ reaches a hundred times ‖e‖, the centre moves to U
//! and V to 0, which costs one pass over the measurement data in f64, on the host. The accuracy is that of f64 where e
//! goes to zero. Otherwise (noise, fewer columns than the rank) errors are single precision's share of e. A is the
//! stored operator. The device may read it rounded to f32, which recentring corrects, but y must belong to the operator
//! on the host.
//!
//! **An option is one card.** An [`options::OptionCard`] has the name, type, default and help text of an option. An
//! operator owns the cards of its measurements and the function that opens them, a method and a model those of their
//! parameters; `src/solver/table.rs` has those of the solver, each with its place in the settings. Flags and their
//! help, the keywords of Python with docstring and stub, the settings in reports, and `docs/options.md` are made from
//! the cards, so Rust, the program and Python have the same defaults.
//!
//! **Laws.** [`laws::check`] runs on your own operators the checks of the conformance tests: the reference
//! implementation agrees with the definition, the adjoint is an adjoint, the gradient is a derivative, and engines
//! agree with the definition within a running error bound computed from the data, and exactly on integers.
//!
//! The library prints nothing, installs no signal handler, does not fall back silently, and does not panic on input.

#![warn(missing_docs)]
// What only the workspace uses has no use in the public build. The build of the workspace finds what is really unused.
#![cfg_attr(not(feature = "internals"), allow(dead_code))]

#[macro_use]
mod words;

mod backend;
pub mod confidence;
pub mod diagnostics;
mod distributed;
pub mod engine;
mod error;
#[cfg(feature = "gpu")]
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
pub mod options;
mod pages;
#[cfg(feature = "io")]
pub mod predict;
pub mod problem;
mod real;
mod requests;
pub mod selection;
mod session;
mod simd;
pub mod solver;
mod tall;
pub mod tape;
pub mod team;
mod text;

pub use backend::Backend;
pub use engine::Precision;
pub use error::{Error, Result};
pub use methods::Method;
pub use models::Model;
pub use real::Real;
pub use session::{Session, ValueAndGradient};
pub use solver::{
    Init, Problem, Progress, Schedule, Settings, Solution, Solver, Status, Stop, TraceRow, Trial, TrialParameters,
    TrialSolution,
};

/// Items for the other members of this workspace and for its tests. They change without notice.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

/// The README's examples run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
