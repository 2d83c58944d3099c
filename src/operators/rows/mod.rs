//! Fast host work over rows that are the Aᵢ themselves, whether they are stored or made: packed upper triangles for symmetric
//! domains, n1·n2 numbers row by row for asymmetric ones.
//!
//! One trial over stored rows is bound by reading them ([`stream`]), several by arithmetic ([`tile`]), and there is more than one
//! [`Way`] to do either; what surrounds a pass, from the point to z and from G to the gradient, is [`packing`].

mod over;
mod packing;
mod stream;
mod tile;
pub(super) mod twin;
mod way;

pub(super) use over::pass_over;
pub(super) use packing::{Pack, Packing};
pub(super) use stream::{ShardRows, measure_over, settle, total};
pub(super) use tile::{Adjoint, Forward};
pub(super) use way::Way;
