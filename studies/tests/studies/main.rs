//! Studies on small problems.

mod compare;
#[path = "../../../tests/common/says.rs"]
mod says;
mod soak;
