//! Parts of a recovery problem: domains of matrices, batched factors, ground truths.

pub(crate) mod complex;
mod domain;
mod factors;
mod holdout;
mod packed;
mod product;
pub(crate) mod random;
pub mod synthetic;
mod truth;

pub use domain::Domain;
pub use factors::{Block, Factors, MatrixView};
pub(crate) use holdout::share_of;
pub use holdout::{Fold, Holdout};
pub(crate) use packed::pack_symmetric_part;
pub use packed::{packed_index, packed_len};
pub use product::Product;
pub use truth::Truth;
