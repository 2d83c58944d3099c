//! Studies on small problems.

mod compare;
mod soak;
