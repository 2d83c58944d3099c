//! A pass over rows of numbers: Z and Σ rᵢAᵢ are formed as vectors of the length of a row.

use std::rc::Rc;

use crate::error::Result;
use crate::gpu::call::{Call, Fill, Grid, Many, Third};
use crate::gpu::compiled::{Read, Write};
use crate::gpu::pass::row_modules::RowModules;
use crate::gpu::pass::{Calls, Maker};
use crate::gpu::sizes::Sizes;
use crate::gpu::variant::{TWO_KERNEL, Variant};
use crate::operators::GpuPlan;
use crate::tape::Pass;

/// Variant of a pass. A pass without adjoint does not use kernels that own rows.
pub(in crate::gpu) fn variant_of(pass: &Pass, variant: Variant) -> Variant {
    let back = pass.lanes.iter().any(|lane| lane.adjoint.is_some());
    if variant.strategy.owns_rows() && !back { TWO_KERNEL } else { variant }
}

impl Maker<'_> {
    /// Calls of a pass over rows.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for operations without a kernel; [`crate::Error::Invalid`] for a mutation that
    /// does not apply.
    pub(in crate::gpu) fn rows(
        &mut self,
        index: usize,
        pass: &Pass,
        plan: &GpuPlan,
        variant: Variant,
    ) -> Result<Calls> {
        let o = self.operands(index, pass)?;
        let (frame, lanes) = (o.frame, o.lanes);
        let sizes = Sizes::new(self.operator, plan, frame, variant_of(pass, variant));
        let Sizes { p, stride, splits, tile, .. } = sizes;
        let modules =
            RowModules::new(self.context.texts, &sizes, plan, o.left == o.right && (frame.symmetric), o.columns)?;
        let [outer, operator, reduce, product] = modules.all().map(Rc::new);
        let [z_numbers, packed_numbers, sum_numbers] = sizes.numbers();
        let z = self.plan.scratch("z", z_numbers);
        let mut fills = vec![Fill { buffer: z, first: 0, numbers: z_numbers }];
        let (n1, n2) = frame.shape();
        let high = n1.div_ceil(16) * n2.div_ceil(16);
        let outer_grid = Grid::new(Many::Padded { lanes, tile }, high);
        let begin =
            vec![Call::step(&outer, "outer_product", &[(o.left, Read), (o.right, Read), (z, Write)], outer_grid)];
        let tiles = Many::Tiles { lanes, tile };
        let (high, wide) = sizes.covered();
        let forward = || {
            let grid = Grid { rows: Some(high), ..Grid::new(tiles, 1) };
            Call::step(&operator, "forward", &[(z, Read), (o.target, Read), (o.residual, Write)], grid)
                .with(Third::Panel)
        };
        if o.adjoints.is_empty() {
            let panel = vec![forward()];
            return Ok(o.around(panel, Vec::new(), (begin, Vec::new()), &fills));
        }
        let sums = self.plan.scratch("partial sums", sum_numbers);
        let packed = self.plan.scratch("packed gradient", packed_numbers);
        fills.push(Fill { buffer: sums, first: 0, numbers: sum_numbers });
        fills.push(Fill { buffer: packed, first: 0, numbers: packed_numbers });
        let panel = if sizes.variant.strategy.owns_rows() {
            let operands = [(z, Read), (o.target, Read), (o.weight, Read), (o.residual, Write), (sums, Write)];
            vec![
                Call::step(&operator, "gradient", &operands, Grid::new(Many::Slots { lanes }, splits))
                    .with(Third::Panel),
            ]
        } else {
            let operands = [(o.residual, Read), (o.weight, Read), (sums, Write)];
            let adjoint =
                Call::step(&operator, "adjoint_apply", &operands, Grid::new(tiles, splits * p.div_ceil(wide)));
            vec![forward(), adjoint.with(Third::Panel).from(3)]
        };
        let numbers = Grid::new(Many::Numbers { lanes, tile, each: stride }, 1);
        let mut end = vec![Call::step(&reduce, "reduce", &[(sums, Read), (packed, Write)], numbers)];
        let blocks = frame.n1.div_ceil(16) + if frame.symmetric { 0 } else { frame.n2.div_ceil(16) };
        for (applied, direction) in &o.adjoints {
            let operands = [(packed, Read), (*applied, Read), (*direction, Write)];
            let grid = Grid::new(Many::Slots { lanes }, blocks * o.columns.1.div_ceil(16));
            end.push(Call::step(&product, "multiply", &operands, grid));
        }
        Ok(o.around(panel, Vec::new(), (begin, end), &fills))
    }
}
