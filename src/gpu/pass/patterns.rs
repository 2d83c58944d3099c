//! A pass over coded diffraction patterns: the transforms of all columns behind the masks of a panel are kept, compared, and taken
//! back. Nothing of size n² is formed.

use std::ops::Range;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::gpu::call::{Call, Fill, Grid, Many, Plan, Third};
use crate::gpu::compiled::{Access, Read, Write};
use crate::gpu::frame::{Frame, count};
use crate::gpu::pass::pattern_modules::{PatternModules, PatternSizes, Stretch, require_axes};
use crate::gpu::pass::{Calls, Maker, Operands};
use crate::gpu::text::Module;
use crate::operators::GpuPatterns;
use crate::tape::Pass;

/// Panels of patterns, on the host.
pub(in crate::gpu) struct Patterns {
    pub(in crate::gpu) sizes: PatternSizes,
    /// Patterns of each panel, counted from the operator's first.
    pub(in crate::gpu) panels: Vec<Range<usize>>,
}

impl Patterns {
    /// Panels of at most `most` patterns, and of at least one; calls of at most `stages` stages of a transform.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for axes that have no kernels; [`Error::Invalid`] for a domain of another size and another number of
    /// measured pixels.
    pub(in crate::gpu) fn new(frame: &Frame, data: &dyn GpuPatterns, most: usize, stages: usize) -> Result<Self> {
        require_axes(data.shape())?;
        let (n, measured) = (data.shape().iter().product::<usize>(), data.measured());
        if frame.n != 2 * n || measured.len() != frame.m {
            let found = format!("{n} pixels, {} of all patterns measured", measured.len());
            let allowed = format!("{} pixels and {} measurements", frame.n / 2, frame.m);
            return Err(Error::invalid("patterns", found, allowed, "check the operator's domain and measurements"));
        }
        let all = measured.start / n..measured.end.div_ceil(n);
        let each = most.clamp(1, all.len().max(1));
        let panels = all.clone().step_by(each).map(|first| first..all.end.min(first + each)).collect();
        Ok(Self { sizes: PatternSizes::new(data.shape(), measured.start % n, frame.precision, stages), panels })
    }

    /// Number of patterns of each panel.
    pub(in crate::gpu) fn counts(&self) -> Vec<usize> {
        self.panels.iter().map(Range::len).collect()
    }
}

/// Calls over panels of so many patterns.
struct Maps<'a> {
    modules: PatternModules<'a>,
    sizes: PatternSizes,
    lanes: usize,
    panels: &'a [usize],
}

/// Modules of a transform of so many columns, in the order forward.
type Transform = (usize, Vec<(Stretch, Rc<Module>)>);

impl Maps<'_> {
    fn transform(&self, columns: usize) -> Result<Transform> {
        let of = |stretch| Ok((stretch, Rc::new(self.modules.transform(columns, stretch)?)));
        Ok((columns, self.sizes.stretches().into_iter().map(of).collect::<Result<_>>()?))
    }

    /// Calls of a transform in one direction, `first` being the entry of the first one and `next` that of the others.
    fn along(
        &self,
        (columns, modules): &Transform,
        [first, next]: [&'static str; 2],
        (source, waves): (usize, usize),
        panel: usize,
    ) -> Vec<Call> {
        let back = first == "pull_and_invert";
        let mut order: Vec<_> = modules.iter().collect();
        if back {
            order.reverse();
        }
        let call = |(at, (stretch, module)): (usize, &(Stretch, Rc<Module>))| {
            let lines = count(&[self.panels[panel], *columns, 1 << (self.sizes.bits - stretch.bits)]);
            let grid = Grid::new(Many::Slots { lanes: self.lanes }, lines.div_ceil(1 << stretch.lanes));
            let call = match at {
                0 => Call::step(module, first, &[(source, Read), (waves, Write)], grid),
                _ => Call::step(module, next, &[(waves, Write)], grid).from(1),
            };
            call.with(Third::Fixed(panel))
        };
        order.into_iter().enumerate().map(call).collect()
    }

    /// waves ← F(d_l ∘ X)
    fn forward(&self, transform: &Transform, factor: usize, waves: usize, panel: usize) -> Vec<Call> {
        self.along(transform, ["mask_and_transform", "transform"], (factor, waves), panel)
    }

    /// waves ← Fᴴ(r_l ∘ waves)
    fn back(&self, transform: &Transform, pulled: usize, waves: usize, panel: usize) -> Vec<Call> {
        self.along(transform, ["pull_and_invert", "invert"], (pulled, waves), panel)
    }

    /// A call with a thread for each of so many numbers of a slot.
    fn each(&self, module: &Rc<Module>, entry: &'static str, operands: &[Operand], each: usize, panel: usize) -> Call {
        let grid = Grid::new(Many::Slots { lanes: self.lanes }, each.div_ceil(256));
        Call::step(module, entry, operands, grid).with(Third::Fixed(panel))
    }

    /// Transforms of L and of R, and e.
    fn residuals(&self, o: &Operands, [left, right]: [usize; 2]) -> Result<Vec<Call>> {
        let (columns, mut calls) = (o.columns.0, Vec::new());
        let (transform, compare) = (self.transform(columns)?, Rc::new(self.modules.forward(columns)?));
        for (panel, patterns) in self.panels.iter().enumerate() {
            calls.extend(self.forward(&transform, o.left, left, panel));
            if right != left {
                calls.extend(self.forward(&transform, o.right, right, panel));
            }
            let operands = [(left, Read), (right, Read), (o.target, Read), (o.residual, Write)];
            calls.push(self.each(&compare, "forward", &operands, patterns << self.sizes.bits, panel));
        }
        Ok(calls)
    }

    /// The products of the adjoint. Those of the first factor are in `waves` already where they are `kept`.
    fn products(&self, o: &Operands, pulled: usize, waves: usize, kept: bool) -> Result<Vec<Call>> {
        let (columns, mut calls) = (o.columns.1, Vec::new());
        let (transform, gather) = (self.transform(columns)?, Rc::new(self.modules.adjoint(columns)?));
        for (at, (applied, direction)) in o.adjoints.iter().enumerate() {
            for panel in 0..self.panels.len() {
                if at > 0 || !kept {
                    calls.extend(self.forward(&transform, *applied, waves, panel));
                }
                calls.extend(self.back(&transform, pulled, waves, panel));
                let operands = [(waves, Read), (*direction, Write)];
                calls.push(self.each(&gather, "adjoint_apply", &operands, columns << self.sizes.bits, panel));
            }
        }
        Ok(calls)
    }
}

type Operand = (usize, Access);

impl Maker<'_> {
    /// Calls of a pass over patterns in panels of so many, with group 2 of the first ones in order.
    ///
    /// # Errors
    /// Those of [`Maker::rows`].
    pub(in crate::gpu) fn patterns(
        &mut self,
        index: usize,
        pass: &Pass,
        sizes: PatternSizes,
        panels: &[usize],
    ) -> Result<Calls> {
        let mut o = self.operands(index, pass)?;
        let (forward, back) = o.columns;
        let each = count(&[o.frame.slots, panels.iter().copied().max().unwrap_or(0), 2 << sizes.bits]);
        let maps =
            Maps { modules: PatternModules::new(self.context.texts, o.frame, sizes), sizes, lanes: o.lanes, panels };
        let mut fills = Vec::new();
        let mut room = |plan: &mut Plan, label: &'static str, columns: usize| {
            let numbers = count(&[each, columns]);
            let buffer = plan.scratch(label, numbers);
            fills.push(Fill { buffer, first: 0, numbers });
            buffer
        };
        let left = room(self.plan, "transforms of patterns", forward);
        let right = if o.left == o.right { left } else { room(self.plan, "transforms of patterns (right)", forward) };
        let mut pieces = maps.residuals(&o, [left, right])?;
        if !o.adjoints.is_empty() {
            let (calls, pulled) = self.weighed(&mut o)?;
            pieces.extend(calls);
            // Of one panel the transforms of L are still there.
            let kept = panels.len() == 1 && forward == back && o.adjoints[0].0 == o.left;
            if !kept || o.adjoints.len() > 1 {
                room(self.plan, "transforms of patterns", back);
            }
            pieces.extend(maps.products(&o, pulled, left, kept)?);
        }
        Ok(o.around(Vec::new(), pieces, (Vec::new(), Vec::new()), &fills))
    }
}
