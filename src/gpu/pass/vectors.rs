//! A pass over vectors, Aᵢ = Σ_j a_ij b_ijᵀ: the matrix of vectors is multiplied with the factors, and its transpose
//! with the coefficients.

use std::ops::Range;
use std::rc::Rc;

use rayon::prelude::*;

use crate::error::Result;
use crate::gpu::call::{Call, Fill, Grid, Many, Third};
use crate::gpu::compiled::{Read, Write};
use crate::gpu::frame::Frame;
use crate::gpu::pass::thin_modules::{VectorModules, VectorSizes};
use crate::gpu::pass::{Calls, Maker};
use crate::operators::{GpuPlan, GpuSource, GpuVectors, Reader, Storage};
use crate::tape::Pass;

/// Vectors as rows of words.
pub(in crate::gpu) struct VectorRows<'a> {
    pub(in crate::gpu) data: &'a dyn GpuVectors,
    pub(in crate::gpu) sizes: VectorSizes,
}

impl GpuSource for VectorRows<'_> {
    fn plan(&self, _widest: Storage) -> GpuPlan {
        let bytes = self.sizes.numbers() * self.sizes.storage.bytes();
        GpuPlan::new(self.sizes.row_words, bytes, Reader::Stored(self.sizes.storage)).forward_rows(1)
    }

    fn write_rows(&self, plan: &GpuPlan, rows: Range<usize>, out: &mut [u32]) {
        let numbers = self.sizes.numbers();
        let double = self.sizes.storage == Storage::F64;
        out.par_chunks_mut(plan.row_words()).zip(rows).for_each_init(
            || vec![0.0; numbers],
            |row, (out, i)| {
                self.data.write(i, row);
                out.fill(0);
                if double {
                    for (out, v) in out.chunks_exact_mut(2).zip(row.iter()) {
                        let bits = v.to_bits();
                        out.copy_from_slice(&[bits as u32, (bits >> 32) as u32]);
                    }
                } else {
                    out.iter_mut().zip(row.iter()).for_each(|(out, &v)| *out = (v as f32).to_bits());
                }
            },
        );
    }
}

impl Maker<'_> {
    /// Calls of a pass over vectors in panels of the given rows, with group 2 of the first ones in order.
    ///
    /// # Errors
    /// Those of [`Maker::rows`].
    pub(in crate::gpu) fn vectors(
        &mut self,
        index: usize,
        pass: &Pass,
        sizes: VectorSizes,
        panels: &[usize],
    ) -> Result<Calls> {
        let mut o = self.operands(index, pass)?;
        let (lanes, (forward, back)) = (o.lanes, o.columns);
        let sizes = VectorSizes { frame: o.frame, ..sizes };
        let modules = VectorModules::new(self.context.texts, sizes);
        let Frame { n, m, .. } = o.frame;
        let (mut pieces, mut fills) = (Vec::new(), Vec::new());
        // Each factor is multiplied with the vectors only once.
        let mut products: Vec<(usize, usize, usize)> = Vec::new();
        let names = ["products (left)", "products (right)", "products (applied)", "products (applied, right)"];
        let wanted =
            [(o.left, forward), (o.right, forward)].into_iter().chain(o.adjoints.iter().map(|(of, _)| (*of, back)));
        for (of, columns) in wanted {
            if products.iter().any(|(other, width, _)| (*other, *width) == (of, columns)) {
                continue;
            }
            let numbers = o.each(&[sizes.sides, m, sizes.vectors, columns]);
            let product = self.plan.scratch(names[products.len()], numbers);
            fills.push(Fill { buffer: product, first: 0, numbers });
            let module = Rc::new(modules.vectors(columns)?);
            for (panel, rows) in panels.iter().enumerate() {
                let fixed = (rows * sizes.vectors).div_ceil(64) * sizes.sides;
                let grid = Grid::new(Many::Columns { lanes, k: columns }, fixed);
                pieces.push(
                    Call::step(&module, "project", &[(of, Read), (product, Write)], grid).with(Third::Fixed(panel)),
                );
            }
            products.push((of, columns, product));
        }
        let product = |of: usize, columns: usize| {
            products.iter().find(|(other, width, _)| (*other, *width) == (of, columns)).map_or(0, |found| found.2)
        };
        let inner = Rc::new(modules.inner(forward)?);
        let operands = [
            (product(o.left, forward), Read),
            (product(o.right, forward), Read),
            (o.target, Read),
            (o.residual, Write),
        ];
        pieces.push(Call::step(&inner, "forward", &operands, Grid::new(Many::Slots { lanes }, m.div_ceil(256))));
        if !o.adjoints.is_empty() {
            let (calls, pulled) = self.weighed(&mut o)?;
            pieces.extend(calls);
            let numbers = count_sums(&o.frame, sizes.splits, back);
            let sums = self.plan.scratch("partial sums", numbers);
            fills.push(Fill { buffer: sums, first: 0, numbers });
            let (adjoint, collect) = (Rc::new(modules.vectors(back)?), Rc::new(modules.collect(back)?));
            for (applied, direction) in &o.adjoints {
                for panel in 0..panels.len() {
                    let grid = Grid::new(Many::Columns { lanes, k: back }, sizes.splits * sizes.blocks());
                    let operands = [(pulled, Read), (product(*applied, back), Read), (sums, Write)];
                    pieces
                        .push(Call::step(&adjoint, "adjoint_apply", &operands, grid).from(2).with(Third::Fixed(panel)));
                }
                let grid = Grid::new(Many::Slots { lanes }, (n * back).div_ceil(256));
                pieces.push(Call::step(&collect, "collect", &[(sums, Read), (*direction, Write)], grid));
            }
        }
        Ok(o.around(Vec::new(), pieces, (Vec::new(), Vec::new()), &fills))
    }
}

fn count_sums(frame: &Frame, splits: usize, columns: usize) -> usize {
    crate::gpu::frame::count(&[splits, frame.slots, frame.n, columns])
}
