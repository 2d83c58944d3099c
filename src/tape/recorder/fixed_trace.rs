//! Factors of a fixed trace: U ← U·√(t/‖U‖_F²) after every move.

use crate::tape::expression::{less, root, select};
use crate::tape::registers::Blocks;

use super::Tape;

impl Tape {
    /// Gives every trial a trace t, to which [`Tape::move_to`] scales the iterate.
    #[doc(hidden)]
    pub fn fix_trace(&mut self) {
        self.fixed_trace = Some(self.parameter("fixed_trace"));
    }

    /// Records u ← u·√(t/‖u‖_F²) where the run fixes the trace, the nearest point with ‖u‖_F² = t. Zero stays zero. Methods that
    /// move by [`Tape::move_to`] need not call it.
    pub fn keep_trace(&mut self, u: Blocks) {
        let Some(trace) = self.fixed_trace else { return };
        let size = self.dot(u, u);
        let factor = self.formula(select(less(0.0, size), root(trace / size), 1.0));
        self.combine_into(u, [(factor.into(), u)]);
    }
}
