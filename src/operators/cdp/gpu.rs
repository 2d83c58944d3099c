//! Coded diffraction patterns for the Gpu backend: their masks.

use std::ops::Range;

use crate::operators::GpuPatterns;
use crate::operators::cdp::CodedDiffraction;

impl GpuPatterns for CodedDiffraction {
    fn shape(&self) -> &[usize] {
        self.fourier.shape()
    }

    fn measured(&self) -> Range<usize> {
        self.measured.clone()
    }

    fn write_mask(&self, l: usize, out: &mut [f64]) {
        let n = self.size();
        for (out, d) in out.chunks_exact_mut(2).zip(&self.masks[l * n..(l + 1) * n]) {
            out.copy_from_slice(&[d.re, d.im]);
        }
    }
}
