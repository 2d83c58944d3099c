//! Fast host kernels over rows that are the Aᵢ themselves, stored or generated: packed upper triangles for symmetric
//! domains, n1·n2 numbers row by row for asymmetric ones.
//!
//! One trial over stored rows is bound by reading them ([`stream`]), several trials by arithmetic ([`tile`]). Each has
//! more than one traversal [`Traversal`]. [`packing`] converts the point to z and G to the gradient.

mod over;
mod packing;
pub(super) mod reference;
mod stream;
mod thin;
mod tile;
mod traversal;

pub(super) use over::pass_over;
pub(super) use packing::{Pack, Packing};
pub(super) use stream::{ShardRows, measure_over, settle, total};
pub(crate) use thin::ThinShard;
pub(super) use thin::{pass_and_thin, thin_rows};
pub(super) use tile::{Adjoint, Forward};
pub(super) use traversal::Traversal;
