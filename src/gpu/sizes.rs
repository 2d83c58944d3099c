//! Sizes that specialise the kernels over rows.

use std::ops::Deref;

use crate::engine::Precision;
use crate::gpu::buffers::real_words;
use crate::gpu::frame::{Frame, count};
use crate::gpu::text::constant;
use crate::gpu::variant::{Strategy, Variant};
use crate::operators::{GpuPlan, Operator};

/// Trials per tile of the two-kernel strategy.
const LANES: [usize; 4] = [1, 2, 4, 8];
/// Trials per tile of the tiled strategy.
const TILES: [usize; 3] = [8, 16, 32];

/// All sizes that specialise the kernels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    pub variant: Variant,
    pub frame: Frame,
    /// Numbers per row: n(n+1)/2, or n1·n2.
    pub p: usize,
    /// Row stride in words.
    pub row_words: usize,
    /// Stride between tiles of z or of a partial sum, over TILE: p, or more where four numbers are read at once.
    pub stride: usize,
    /// Partial sums of the adjoint. They depend on n and m only, so a trial's bits do not depend on the batch.
    pub splits: usize,
    /// Slots served by one read of the measurement data.
    pub tile: usize,
    /// Rows per workgroup of `forward`.
    pub forward_rows: usize,
    /// Whether rows are generated instead of stored: panels then bind no data.
    pub made: bool,
}

impl Deref for Sizes {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.frame
    }
}

impl Sizes {
    pub(super) fn new(operator: &dyn Operator, plan: &GpuPlan, frame: Frame, variant: Variant) -> Self {
        let (p, m, slots) = (operator.domain().dimension(), frame.m, frame.slots);
        let fitting = |tiles: &[usize]| *tiles.iter().find(|&&tile| tile >= slots).unwrap_or(&tiles[tiles.len() - 1]);
        let made = plan.made().is_some();
        // Eight lanes in f64 take all workgroup memory, and the keys of generated rows need some.
        let lanes = if made && frame.precision == Precision::F64 { &LANES[..3] } else { &LANES };
        // 64 rows of 32 slots in f64 take all of it too.
        let tiles =
            if made && frame.precision == Precision::F64 && variant.rows == 8 { &TILES[..2] } else { &TILES[..] };
        let (tile, stride, splits) = match variant.strategy {
            // About a thousand workgroups fill any GPU. At least 32 rows per split keep the traffic of the partial sums
            // (written, then read) below a sixteenth of that of the rows.
            Strategy::TwoKernel => (fitting(lanes), p, 1024_usize.div_ceil(p.div_ceil(256)).min(m / 32).clamp(1, 64)),
            // Twice the 132 multiprocessors of the largest GPUs, so one or two workgroups on each come out even. At
            // least eight rows each, so the sums cost at most a quarter of the rows.
            Strategy::OnePass | Strategy::RowResident => (1, p.next_multiple_of(4), (m / 8).clamp(1, 264)),
            // About five hundred workgroups per tile, of at least 64 rows each.
            Strategy::Tiled => (fitting(tiles), p, 512_usize.div_ceil(p.div_ceil(128)).min(m / 64).clamp(1, 64)),
        };
        let splits = variant.splits.unwrap_or(splits);
        let (row_words, forward_rows) = (plan.row_words(), plan.rows_per_workgroup());
        Self { variant, frame, p, row_words, stride, splits, tile, forward_rows, made }
    }

    /// Number of tiles that hold `count` slots.
    pub(super) fn tiles(&self, count: usize) -> usize {
        count.div_ceil(self.tile)
    }

    /// The variant's full name.
    pub(super) fn name(&self) -> String {
        Variant { splits: Some(self.splits), ..self.variant }.to_string()
    }

    /// Columns of a slab of the tiled forward kernel and rows of a slab of its adjoint: 128 and 64 per number in a
    /// thread's row.
    fn slabs(&self) -> (usize, usize) {
        let words = self.variant.rows.max(4) * real_words(self.precision);
        ((128 / words).max(8), (64 / words).max(1))
    }

    /// Rows and columns covered by a workgroup of forward and of adjoint_apply.
    pub(super) fn covered(&self) -> (usize, usize) {
        match self.variant.strategy {
            Strategy::Tiled => (8 * self.variant.rows, 32 * self.variant.rows),
            _ => (self.forward_rows, 256),
        }
    }

    /// Repetitions of a line with `$r`.
    pub(super) fn rows(&self) -> usize {
        if self.variant.strategy == Strategy::TwoKernel { self.forward_rows } else { self.variant.rows }
    }

    /// Repetitions of the blocks `//@ repeat NAME` of a shader.
    pub(super) fn repetitions(&self, name: &str) -> usize {
        let (depth, height) = self.slabs();
        match name.trim() {
            "SLICES" => self.stride / 4 / self.variant.threads,
            "STEPS" => depth / 4,
            "HEIGHT" => height,
            // Numbers of a slab of rows, and of z, that a thread brings to workgroup memory.
            "ROW_LOADS" => depth * self.variant.rows / self.tile,
            "Z_LOADS" => depth / 8,
            "COLUMN_LOADS" => 4 * height * self.variant.rows / self.tile,
            "FACTOR_LOADS" => height.div_ceil(8),
            // The shader then lacks this number and does not compile.
            _ => 0,
        }
    }

    /// Constants at the head of every module.
    pub(super) fn prelude(&self, single: bool) -> String {
        let Self { variant, p, row_words, stride, splits, tile, .. } = *self;
        let mut text = self.frame.prelude(single);
        let mut size = |name: &str, value: usize| text.push_str(&constant(name, value));
        [("P", p), ("ROW_WORDS", row_words), ("STRIDE", stride), ("SPLITS", splits), ("TILE", tile)]
            .into_iter()
            .for_each(|(name, value)| size(name, value));
        match variant.strategy {
            Strategy::TwoKernel => size("ROWS", self.rows()),
            Strategy::OnePass | Strategy::RowResident => {
                size("THREADS", variant.threads);
                size("ROWS", variant.rows);
                size("QUADS", stride / 4);
                size("SLICES", self.repetitions("SLICES"));
            }
            Strategy::Tiled => {
                let (depth, height) = self.slabs();
                size("WIDE", variant.rows);
                size("DEPTH", depth);
                size("HEIGHT", height);
            }
        }
        text
    }

    /// Numbers of z and of the packed gradient, padded to whole tiles, and of the partial sums.
    pub(super) fn numbers(&self) -> [usize; 3] {
        let Self { p, stride, splits, tile, .. } = *self;
        let padded = self.tiles(self.slots) * tile;
        [count(&[padded, stride]), count(&[padded, p]), count(&[splits, padded, stride])]
    }
}
