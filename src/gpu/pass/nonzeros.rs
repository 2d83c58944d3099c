//! A pass over nonzeros: the forward map by measurement, the adjoint by row of the result. Sums share nothing.

use std::rc::Rc;

use crate::error::Result;
use crate::gpu::call::{Call, Fill, Grid, Many, Third};
use crate::gpu::compiled::{Read, Write};
use crate::gpu::pass::lists::Lists;
use crate::gpu::pass::thin_modules::{NonzeroModules, NonzeroSizes};
use crate::gpu::pass::{Calls, Maker};
use crate::tape::Pass;

/// Counts of lists of each kind, panel by panel, with the number of their group 2.
#[derive(Clone)]
pub(in crate::gpu) struct Domain {
    /// (measurements, longer ones, group)
    pub(in crate::gpu) forward: Vec<(usize, usize, usize)>,
    /// (short pieces, group, long ones, group)
    pub(in crate::gpu) gather: Vec<(usize, usize, usize, usize)>,
    /// Buffer of the rows with several pieces.
    pub(in crate::gpu) spans: Option<usize>,
    pub(in crate::gpu) sizes: NonzeroSizes,
}

impl Domain {
    /// Groups are numbered in order: forward panels, then short and long pieces of each panel of the adjoint.
    pub(in crate::gpu) fn new(lists: &Lists, ones: bool, spans: Option<usize>) -> Self {
        let mut group = 0;
        let mut next = || {
            group += 1;
            group - 1
        };
        let forward = lists.forward.iter().map(|panel| (panel.rows, panel.long, next())).collect();
        let gather = lists.gather.iter().map(|panel| (panel.short.len(), next(), panel.long.len(), next())).collect();
        let sizes = NonzeroSizes { ones, partials: lists.partials, spans: lists.spans.len() };
        Self { forward, gather, spans, sizes }
    }
}

impl Maker<'_> {
    /// Calls of a pass over nonzeros. Calls without work are left out.
    ///
    /// # Errors
    /// Those of [`Maker::rows`].
    pub(in crate::gpu) fn nonzeros(&mut self, index: usize, pass: &Pass, shape: &Domain) -> Result<Calls> {
        let mut o = self.operands(index, pass)?;
        let (lanes, (forward, back)) = (o.lanes, o.columns);
        let modules = NonzeroModules::new(self.context.texts, o.frame, shape.sizes);
        let (mut pieces, mut fills) = (Vec::new(), Vec::new());
        let slots = Many::Slots { lanes };
        let module = Rc::new(modules.forward(o.left == o.right && o.frame.symmetric, forward)?);
        let operands = [(o.left, Read), (o.right, Read), (o.target, Read), (o.residual, Write)];
        for (rows, long, group) in &shape.forward {
            for (entry, workgroups) in [("forward", rows.div_ceil(256)), ("forward_long", *long)] {
                if workgroups > 0 {
                    let call = Call::step(&module, entry, &operands, Grid::new(slots, workgroups));
                    pieces.push(call.with(Third::Fixed(*group)));
                }
            }
        }
        if !o.adjoints.is_empty() {
            let (calls, pulled) = self.weighed(&mut o)?;
            pieces.extend(calls);
            let numbers = o.each(&[shape.sizes.partials.max(1), back]);
            let partial = self.plan.scratch("partial sums", numbers);
            let (gather, combine) = (Rc::new(modules.gather(back)?), Rc::new(modules.combine(back)?));
            for (applied, direction) in &o.adjoints {
                let operands = [(pulled, Read), (*applied, Read), (partial, Write), (*direction, Write)];
                for (short, short_group, long, long_group) in &shape.gather {
                    let entries = [
                        ("adjoint_apply", (short * back).div_ceil(256), short_group),
                        ("adjoint_long", *long, long_group),
                    ];
                    for (entry, workgroups, group) in entries {
                        if workgroups > 0 {
                            let call = Call::step(&gather, entry, &operands, Grid::new(slots, workgroups));
                            pieces.push(call.with(Third::Fixed(*group)));
                        }
                    }
                }
                if let Some(spans) = shape.spans {
                    let grid = Grid::new(slots, (shape.sizes.spans * back).div_ceil(256));
                    let operands = [(partial, Read), (spans, Read), (*direction, Write)];
                    pieces.push(Call::step(&combine, "combine", &operands, grid));
                }
            }
            if shape.spans.is_some() {
                fills.push(Fill { buffer: partial, first: 0, numbers });
            }
        }
        Ok(o.around(Vec::new(), pieces, (Vec::new(), Vec::new()), &fills))
    }
}
