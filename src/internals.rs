//! Items for the other members of this workspace and for its tests, by the module that they belong to. Nothing is
//! promised about them.

#[cfg(feature = "gpu")]
pub use crate::gpu::copy::copy_times;
pub use crate::host::measure::measure;
pub use crate::host::read::sum_in_streams;
pub use crate::io::npz::{LARGEST_ENTRY, NpzWriter};
pub use crate::io::spool::Spool;
pub use crate::pages::Pages;
pub use crate::problem::random::{Purpose, normal, normals, stream};
pub use crate::text::{readable, readable_seconds};

/// Starts and spectra of studies, and the thresholds of phases.
pub mod diagnostics {
    pub use crate::diagnostics::phases::{ALIGNED, POWER_LEFT};
    pub use crate::diagnostics::spectrum::Spectrum;
    pub use crate::diagnostics::start::spectral_start;
    pub use crate::diagnostics::subspace::{leading_left, sine_of_largest_angle};
}

/// The interface between the loop and the hardware, with deliberate faults.
pub mod engine {
    pub use crate::engine::faults::{FaultKind, Faults};
    pub use crate::engine::interface::{Engine, Increments, Load, State};
    pub use crate::engine::options::{Checks, Mutation, Options};
}

/// What tests load on a device without a solver.
#[cfg(feature = "gpu")]
pub mod gpu {
    pub use crate::engine::options::{Checks, Mutation, Options};
    pub use crate::gpu::choice::variants;
    pub use crate::gpu::kernels::{TapeKernel, ThirdGroup, tape_dispatches, tape_kernels};
    pub use crate::gpu::known_faults::{Adapter, KNOWN_FAULTS, KnownFault, Remedy, Standing};
    pub use crate::gpu::load::load;
    pub use crate::gpu::text::Module;
}

/// Output files, digests, and arrays that are not in a file.
pub mod io {
    pub use crate::io::digest::InputInfo;
    pub use crate::io::npy::Lent;
    pub use crate::io::observations::observations_of;
    pub use crate::io::output::{OutputFile, ensure_not_input, same_file};
    pub use crate::io::truth::{factor_of, pair_of, rectangular_truth_of, truth_matrix_of};
    pub use crate::io::write::{NpyNumber, NpyWriter};
}

/// Single laws and the places where they are checked.
pub mod laws {
    pub use crate::laws::place::{Held, LawOutcome, Place};
    pub use crate::laws::verdicts::{ENGINE_LAWS, EngineLaw, LawVerdict, OPERATOR_LAWS, OperatorLaw, verdicts};
}

/// Memory as the system reports it, and sizes as text.
pub mod memory {
    pub use crate::memory::system::{
        available, parse_size, peak, readable_bytes, reset_peak, resident, with_available,
    };
}

/// The word for no method in particular.
pub mod methods {
    pub use crate::methods::card::AUTOMATIC;
}

/// The built-in operators by name, and the sizes at which they are tested.
pub mod operators {
    pub use crate::operators::entries::biases::{Baseline, Predictions};
    pub use crate::operators::entries::draw::draw_positions;
    pub use crate::operators::open::{Opened, Opening, Wanted};
    pub use crate::operators::registry::{
        ASYMMETRIC_CASES, CASES, Generate, Make, REGISTRY, Registration, VARIANT_CASES, Variant,
    };
}

/// Settings as front ends write them, and the identity of a run.
pub mod solver {
    pub use crate::solver::axes::Axes;
    pub use crate::solver::identity::{Difference, Identity};
    pub use crate::solver::init::InitWord;
}

/// The finished tape as engines read it.
pub mod tape {
    pub use crate::tape::clip::MeasuredClip;
    pub use crate::tape::evaluation::{Evaluation, Sides};
    pub use crate::tape::op::{Combine, HostOp, MatrixProduct, MeasuredCombine, Op, Pass, Precondition, Step};
    pub use crate::tape::program::Program;
    pub use crate::tape::registers::{Declaration, Kind, Role};
    pub use crate::tape::turns::Turns;
}

/// Failures that all ranks learn of.
pub mod team {
    pub use crate::team::outcomes::outcomes;
}

/// What a user asked for, by the names of options.
pub mod options {
    pub use crate::options::list::{Scalar, values};
    pub use crate::options::request::Request;
}

/// The table of all options, and what a request means.
pub mod requests {
    pub use crate::requests::files::{Measured, Planned};
    pub use crate::requests::listing::{default_text, help, options, options_of};
}
