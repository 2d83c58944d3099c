//! Pauli strings for the Gpu backend: their masks.

use crate::operators::GpuStrings;
use crate::operators::pauli::Pauli;

impl GpuStrings for Pauli {
    fn masks(&self, i: usize) -> [u32; 2] {
        [self.strings[i].flips(), self.strings[i].signs()]
    }
}
