//! Files: NumPy arrays, Matrix Market and text triplets as input, NumPy arrays as output. Output files appear whole or
//! not at all.
//!
//! Every reader checks a file's claims against its bytes before it allocates. Every message names the file, what was
//! found, what is allowed and what to do.

pub(crate) mod complex;
pub(crate) mod digest;
mod element;
#[cfg(feature = "io")]
mod header;
mod holes;
pub(crate) mod labels;
mod lines;
mod matrix_market;
pub(crate) mod npy;
#[cfg(feature = "io")]
pub(crate) mod npz;
pub(crate) mod observations;
pub(crate) mod output;
mod rows;
mod scipy;
mod sealed;
#[cfg(feature = "internals")]
pub(crate) mod spool;
mod table;
#[cfg(feature = "io")]
pub(crate) mod texts;
mod triplets;
pub(crate) mod truth;
#[cfg(not(feature = "io"))]
mod without;
pub(crate) mod write;

pub use complex::in_turn;
pub(crate) use digest::hexadecimal;
pub use element::{DType, ElementKind};
pub use labels::Labels;
pub(crate) use npy::Bytes;
pub use npy::{NpyArray, open_array};
#[cfg(feature = "io")]
pub use npz::{NpzArray, npz_names, read_npz, write_npz, write_npz_arrays};
pub use observations::read_observations;
pub(crate) use output::remove_abandoned;
pub use rows::{SparseRows, read_sparse_rows};
pub(crate) use sealed::{read_sealed, unseal, write_sealed};
pub use triplets::{Duplicates, TripletFile, TripletOptions, Triplets};
pub(crate) use truth::read_blocks;
pub use truth::{FactorArray, read_factor, read_pair, read_rectangular_truth, read_signed_factor, read_truth_matrix};
#[cfg(not(feature = "io"))]
use without::{header, npz};
pub use write::{write_npy_c128, write_npy_f32, write_npy_f64};

/// Describes an array of a file for messages: `A.npy, shape (1000, 20, 20), float32`.
pub(crate) fn array_text(path: &std::path::Path, shape: &[usize], dtype: &str) -> String {
    format!("{}, shape {}, {dtype}", path.display(), shape_text(shape))
}

/// Formats a shape as NumPy prints it: `(3,)`, `(2, 4)`.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}
