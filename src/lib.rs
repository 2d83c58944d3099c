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
//! Three packages build on it. `lowrank-mpi` (`mpi/`) is the team of ranks under mpirun. `lowrank-studies` (`studies/`)
//! runs whole experiments: sweeps, comparisons, published studies, random checks, timings, and their reports and figures.
//! `lowrank-cli` (`cli/`) is the program `lowrank`: a small library and a main.
//!
//! # Rules
//!
//! - An **operator** knows its [`problem::Domain`] and nothing about factors. Its data, its definition
//!   ([`operators::Operator::sensing_matrix`]), a sequential f64 reference and a fast host kernel
//!   ([`operators::HostKernel`]) are one folder; one entry in `src/operators/registry.rs` adds it to all tests and lists.
//!   Operators whose measurements touch few lines of the factors gather instead ([`operators::GatherKernel`]).
//! - A **model** is a product of factors. No other module asks which model it is.
//! - A **method** records its iteration once, on a [`tape`]. Engines run the tape and know neither method nor model.
//! - The work is split into **shards**, disjoint ranges of measurements that depend on the problem and not on the machine.
//!   Their sums are added in shard order, so results do not depend on the number of threads.
//! - A **batch** is part of every contract: trials share the operator, advance together and end with a [`Status`] each. A
//!   batch equals single runs bit for bit (on a GPU: with the same kernel variant). Cross-validation ([`selection`]) gives
//!   each trial its own fold ([`Trial::fold`]); standard errors ([`confidence`]) are computed after a run.
//! - An **option** is one card ([`options::OptionCard`]): flags, keywords of Python, settings in reports and
//!   `docs/options.md` are made from it.
//! - The **laws** ([`laws::check`]) hold for every operator, also for yours: the reference agrees with the definition, the
//!   adjoint is an adjoint, the gradient is a derivative, and engines agree within a bound computed from the data.
//!
//! `docs/architecture.md`, a page of the book, explains these rules and the backends, mixed precision and streaming.
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
mod field;
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

/// The examples of the README and of the book run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/quick-start.md")]
#[doc = include_str!("../docs/write.md")]
struct Pages;
