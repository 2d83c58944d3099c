//! Inputs of the kernels of `shaders/rows` for rows generated on the device.

use std::ops::Range;

use crate::operators::seeded::{Ensemble, Seeded};
use crate::operators::{GpuPlan, GpuSource, Made, Reader, Storage};

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../shaders/", $path)))
    };
}

impl GpuSource for Seeded {
    fn plan(&self, _widest: Storage) -> GpuPlan {
        let (numbers, quads, shift) = match self.ensemble {
            Ensemble::Bytes { shift } => (file!("storage/seeded.wgsl"), file!("storage/quads_seeded.wgsl"), shift),
            Ensemble::Signs => (file!("storage/rademacher.wgsl"), file!("storage/quads_rademacher.wgsl"), 0),
        };
        let [first, second] = self.seed;
        let constants = format!(
            "const SEED0: u32 = {first}u;\nconst SEED1: u32 = {second}u;\nconst FIRST: u32 = {}u;\nconst SHIFT: u32 = {shift}u;\n\
             const SCALE: real = {:?};\n",
            self.first, self.scale
        );
        GpuPlan::new(self.domain.dimension(), 0, Reader::Made(Made::new(numbers, quads).constants(constants)))
            .off_diagonal(self.off_diagonal)
    }

    fn write_rows(&self, _plan: &GpuPlan, _rows: Range<usize>, out: &mut [u32]) {
        out.fill(0);
    }
}
