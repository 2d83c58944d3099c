//! Options of front ends: what one is, and what a user asked for.
//!
//! An [`OptionCard`] describes an option once: its name, type, default and help. Operators, models and methods own the
//! cards of their options; `src/solver/table.rs` adds those of the solver. Command-line flags, keywords of
//! Python, the settings in reports and the reference page are made from the cards.

mod card;
pub(crate) mod list;
pub(crate) mod request;

pub(crate) use card::{
    ALL, FAULTS, MEASUREMENTS, METHOD, STOP, WITH_BACKEND, WITH_MODEL, WITH_PRECISION, WITH_VARIANT,
};
pub use card::{OptionCard, OptionKind, Parameter, Usual};
pub(crate) use list::{Scalar, values};
pub(crate) use request::Request;
pub(crate) use request::flag;
