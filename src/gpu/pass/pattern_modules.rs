//! Shader text of the kernels over coded diffraction patterns.

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::gpu::buffers::real_words;
use crate::gpu::frame::Frame;
use crate::gpu::text::{File, GRID, Module, Texts, constant, file};

const PATTERNS: File = file!("lib/patterns.wgsl");
const TRANSFORM: File = file!("thin/patterns_transform.wgsl");
const FORWARD: File = file!("thin/patterns_forward.wgsl");
const ADJOINT: File = file!("thin/patterns_adjoint.wgsl");

/// Memory of a workgroup. Every adapter has as much.
const WORKGROUP_BYTES: usize = 16 << 10;
/// Fewest bits of the count of numbers that a workgroup takes: two a thread.
const LEAST_BITS: usize = 9;
/// Most bits of a pixel's number: a factor of one column then fills the largest binding.
const MOST_BITS: usize = 27;

/// Refuses shapes that the kernels do not transform.
///
/// # Errors
/// [`Error::Unsupported`] for an axis whose length is no power of two, and for more than 2²⁷ pixels.
pub(in crate::gpu) fn require_axes(shape: &[usize]) -> Result<()> {
    let refused = |what: String, allowed: &str| {
        let what = format!("diffraction patterns of {what} on the backend 'gpu' ({allowed})");
        Err(Error::unsupported(what, "use the backend 'cpu'"))
    };
    if let Some(odd) = shape.iter().find(|length| !length.is_power_of_two()) {
        return refused(
            format!("signals with an axis of {odd} pixels"),
            "axes have powers of two: 1, 2, 4, 8 and so on",
        );
    }
    let bits: usize = shape.iter().map(|length| length.ilog2() as usize).sum();
    if bits > MOST_BITS {
        return refused(format!("signals of 2^{bits} pixels"), "at most 2^27");
    }
    Ok(())
}

/// Sizes that specialise the kernels over patterns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::gpu) struct PatternSizes {
    /// Bits of a pixel's number: log₂ n.
    pub(in crate::gpu) bits: usize,
    /// The first bit of every axis of several pixels, and the one past the last, as bits.
    starts: u32,
    /// Axes of several pixels.
    axes: usize,
    /// Bits of the longest axis, less one: the table has 2 to this power of entries.
    pub(in crate::gpu) turn_bits: usize,
    /// Pixels of the first pattern before the first measured one.
    skipped: usize,
    /// Bits of the count of numbers that a workgroup holds.
    most: usize,
    /// Most stages of a call.
    stages: usize,
}

/// A call of a transform: the first bit of the pixels' numbers that it is over, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::gpu) struct Stretch {
    pub(in crate::gpu) low: usize,
    pub(in crate::gpu) bits: usize,
    /// Bits of the number of lines of a workgroup.
    pub(in crate::gpu) lanes: usize,
}

impl PatternSizes {
    /// Sizes for a shape that [`require_axes`] lets pass, with so many unmeasured pixels at the beginning, and with calls of at most
    /// `stages` stages.
    pub(in crate::gpu) fn new(shape: &[usize], skipped: usize, precision: Precision, stages: usize) -> Self {
        let (mut bits, mut starts, mut axes, mut longest) = (0, 0, 0, 1);
        for length in shape.iter().rev().filter(|length| **length > 1) {
            starts |= 1 << bits;
            bits += length.ilog2() as usize;
            axes += 1;
            longest = longest.max(length.ilog2() as usize);
        }
        let most = (WORKGROUP_BYTES / (8 * real_words(precision))).ilog2() as usize;
        let stages = stages.clamp(1, most);
        Self { bits, starts: starts | 1 << bits, axes, turn_bits: longest - 1, skipped, most, stages }
    }

    /// Calls of a forward transform in order. They have about the same number of bits, so that workgroups of all but the last have
    /// room for neighbouring lines.
    pub(in crate::gpu) fn stretches(&self) -> Vec<Stretch> {
        let count = self.bits.div_ceil(self.stages).max(1);
        let mut high = self.bits;
        let of = |call| {
            let bits = high.div_ceil(count - call);
            high -= bits;
            Stretch { low: high, bits, lanes: (bits + 2).clamp(LEAST_BITS, self.most) - bits }
        };
        (0..count).map(of).collect()
    }

    /// exp(−2πi q/2^(t + 1)) for q < 2^t, real and imaginary parts in turn; t = `turn_bits`.
    pub(in crate::gpu) fn turns(&self) -> Vec<f64> {
        let half = 1_usize << self.turn_bits;
        let of = |q: usize| match (q, 2 * q == half) {
            (0, _) => [1.0, 0.0],
            (_, true) => [0.0, -1.0],
            _ => {
                let angle = std::f64::consts::PI * q as f64 / half as f64;
                [angle.cos(), -angle.sin()]
            }
        };
        (0..half).flat_map(of).collect()
    }
}

/// Modules of `cdp`.
pub(in crate::gpu) struct PatternModules<'t> {
    texts: &'t Texts<'t>,
    frame: Frame,
    sizes: PatternSizes,
}

impl<'t> PatternModules<'t> {
    pub(in crate::gpu) fn new(texts: &'t Texts<'t>, frame: Frame, sizes: PatternSizes) -> Self {
        Self { texts, frame, sizes }
    }

    fn compose(&self, name: &'static str, columns: usize, more: &[(&str, usize)], file: File) -> Result<Module> {
        let PatternSizes { starts, axes, turn_bits, skipped, .. } = self.sizes;
        let mut prelude = self.frame.columns(columns).prelude(true);
        let sizes = [("STARTS", starts as usize), ("AXES", axes), ("TURN_BITS", turn_bits), ("SKIPPED", skipped)];
        sizes.iter().chain(more).for_each(|(name, v)| prelude.push_str(&constant(name, *v)));
        self.texts.compose(name, prelude, &[GRID, PATTERNS, file], str::to_owned)
    }

    /// The transforms over a stretch, forward and back.
    pub(in crate::gpu) fn transform(&self, columns: usize, stretch: Stretch) -> Result<Module> {
        let Stretch { low, bits, lanes } = stretch;
        let more = [("LOW", low), ("LINE_BITS", bits), ("LANE_BITS", lanes)];
        self.compose("patterns transform", columns, &more, TRANSFORM)
    }

    pub(in crate::gpu) fn forward(&self, columns: usize) -> Result<Module> {
        self.compose("patterns forward", columns, &[], FORWARD)
    }

    pub(in crate::gpu) fn adjoint(&self, columns: usize) -> Result<Module> {
        self.compose("patterns adjoint", columns, &[], ADJOINT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_every_bit_once_from_the_highest() {
        for (shape, precision, stages, bits) in [
            (&[1][..], Precision::F32, 99, vec![0]),
            (&[2048], Precision::F32, 99, vec![11]),
            (&[2048], Precision::F64, 99, vec![6, 5]),
            (&[4096, 4096], Precision::F32, 99, vec![8, 8, 8]),
            (&[2, 2, 2], Precision::F32, 0, vec![1, 1, 1]),
        ] {
            let sizes = PatternSizes::new(shape, 0, precision, stages);
            let stretches = sizes.stretches();
            assert_eq!(stretches.iter().map(|of| of.bits).collect::<Vec<_>>(), bits);
            let mut high = sizes.bits;
            for of in stretches {
                assert_eq!(of.low + of.bits, high);
                assert!((LEAST_BITS..=sizes.most).contains(&(of.bits + of.lanes)));
                high = of.low;
            }
            assert_eq!(high, 0);
        }
    }

    #[test]
    fn axes_begin_where_the_longer_strides_end() {
        let sizes = PatternSizes::new(&[4, 1, 8], 3, Precision::F32, 99);
        assert_eq!((sizes.bits, sizes.starts, sizes.axes, sizes.turn_bits), (5, 0b10_1001, 2, 2));
        let (turns, half) = (sizes.turns(), 0.5_f64.sqrt());
        assert_eq!((&turns[..2], &turns[4..6]), (&[1.0, 0.0][..], &[0.0, -1.0][..]));
        for (at, expected) in [(2, half), (3, -half), (6, -half), (7, -half)] {
            assert!((turns[at] - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn other_axes_are_refused_by_their_length() {
        assert!(require_axes(&[4096, 4096]).is_ok() && require_axes(&[1]).is_ok());
        for (shape, says) in [(&[4, 12][..], "12 pixels"), (&[1 << 14, 1 << 14], "2^28 pixels")] {
            let found = require_axes(shape).unwrap_err().to_string();
            assert!(found.contains(says) && found.contains("'cpu'"), "{found}");
        }
    }
}
