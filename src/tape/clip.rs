//! Clipped vectors over the measurements.

use crate::tape::expression::Expression;
use crate::tape::registers::Measured;

/// Bound of a clipped vector.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// One number for all entries of a trial.
    All(Expression),
    /// A number for each measurement.
    Each(Measured),
}

impl Bound {
    /// The register of the bounds, where each measurement has its own.
    pub(crate) fn register(&self) -> Option<Measured> {
        match self {
            Self::All(_) => None,
            Self::Each(register) => Some(*register),
        }
    }
}

/// Clipped vector out ← min(max(x, lower), upper), entry by entry; an entry that is not a number stays so.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredClip {
    /// Output, which may be x.
    pub out: Measured,
    /// Vector x.
    pub x: Measured,
    /// Least value, if there is one.
    pub lower: Option<Bound>,
    /// Greatest value, if there is one; it wins over the least one.
    pub upper: Option<Bound>,
}

impl MeasuredClip {
    /// Both bounds, where they exist.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = &Bound> {
        self.lower.iter().chain(&self.upper)
    }
}
