//! What is to be recovered: shapes, batched factors, ground truths.

mod factors;
mod packed;
mod product;
pub(crate) mod random;
mod shape;
pub mod synthetic;
mod truth;

pub use factors::{Factors, MatrixView};
pub(crate) use packed::pack_symmetric_part;
pub use packed::{packed_index, packed_len};
pub use product::Product;
pub use shape::{Model, Shape};
pub use truth::Truth;
