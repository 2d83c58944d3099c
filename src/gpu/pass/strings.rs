//! A pass over Pauli strings: those with the same flips share one transform. Nothing of size n² is formed.

use std::rc::Rc;

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::gpu::buffers::real_words;
use crate::gpu::call::{Call, Fill, Grid, Many, Third};
use crate::gpu::compiled::{Read, Write};
use crate::gpu::frame::{Frame, count};
use crate::gpu::pass::thin_modules::{StringModules, StringSizes};
use crate::gpu::pass::{Calls, Maker};
use crate::operators::GpuStrings;
use crate::tape::Pass;

/// Memory of a workgroup, which holds one number of each of the 2^q states. Every adapter has as much.
const WORKGROUP_BYTES: usize = 16 << 10;

/// Groups of strings with the same flips, whose strings fit a binding.
#[derive(Default)]
pub(in crate::gpu) struct StringPanel {
    /// The panel's first group.
    pub(in crate::gpu) first: usize,
    /// (x, first string of the panel, end, 0)
    pub(in crate::gpu) groups: Vec<[u32; 4]>,
    /// (z + 2³⁰·(c mod 4), measurement), ascending in z and then in the measurement.
    pub(in crate::gpu) strings: Vec<[u32; 2]>,
}

/// Refuses more states than a workgroup holds.
///
/// # Errors
/// [`Error::Unsupported`].
pub(in crate::gpu) fn require_states(states: usize, precision: Precision) -> Result<()> {
    let largest = WORKGROUP_BYTES / real_words(precision) / 4;
    if states <= largest {
        return Ok(());
    }
    let (asked, most) = (states.ilog2(), largest.ilog2());
    Err(Error::Unsupported {
        what: format!("{asked} qubits on the backend 'gpu' (at most {most} in this precision)"),
        fix: "use the backend 'cpu'".into(),
    })
}

/// All panels, on the host.
pub(in crate::gpu) struct Strings {
    pub(in crate::gpu) panels: Vec<StringPanel>,
    pub(in crate::gpu) sizes: StringSizes,
}

impl Strings {
    /// Panels of whole groups with at most `most` strings each; larger groups have a panel of their own, up to `bound`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for more states than a workgroup holds; [`Error::Invalid`] for a larger group, for masks of
    /// more qubits and for a number of rows that is no 2·2^q.
    pub(in crate::gpu) fn new(frame: &Frame, data: &dyn GpuStrings, most: usize, bound: usize) -> Result<Self> {
        let states = frame.n / 2;
        if !frame.n.is_multiple_of(2) || !states.is_power_of_two() {
            let allowed = "complex matrices of 2^q rows";
            return Err(Error::invalid("strings", format!("{} real rows", frame.n), allowed, "check the domain"));
        }
        require_states(states, frame.precision)?;
        let mut all: Vec<([u32; 2], u32)> = (0..frame.m).map(|i| (data.masks(i), i as u32)).collect();
        if let Some(([x, z], i)) = all.iter().find(|([x, z], _)| (*x | *z) as usize >= states) {
            let allowed = format!("masks below {states}");
            return Err(Error::invalid(
                "strings",
                format!("({x}, {z}) of string {i}"),
                allowed,
                "check the operator's masks",
            ));
        }
        all.sort_unstable();
        let (mut panels, mut panel, mut first) = (Vec::new(), StringPanel::default(), 0);
        for group in all.chunk_by(|a, b| a.0[0] == b.0[0]) {
            if group.len() > bound {
                return Err(Error::invalid(
                    "strings",
                    format!("{} with the same flips", group.len()),
                    format!("at most {bound} on this adapter"),
                    "use the backend 'cpu'",
                ));
            }
            // A group is twice as long as a string.
            let full = panel.strings.len() + group.len() > most || 2 * (panel.groups.len() + 1) > most;
            if full && !panel.groups.is_empty() {
                first += panel.groups.len();
                panels.push(std::mem::replace(&mut panel, StringPanel { first, ..StringPanel::default() }));
            }
            let begin = panel.strings.len() as u32;
            panel.groups.push([group[0].0[0], begin, begin + group.len() as u32, 0]);
            panel.strings.extend(group.iter().map(|([x, z], i)| [z | ((x & z).count_ones() % 4) << 30, *i]));
        }
        let groups = first + panel.groups.len();
        panels.push(panel);
        Ok(Self { panels, sizes: StringSizes { states, splits: groups.min(64) } })
    }

    /// Bytes of the lists.
    pub(in crate::gpu) fn bytes(&self) -> u64 {
        self.panels.iter().map(|panel| (panel.groups.len() * 16 + panel.strings.len() * 8) as u64).sum()
    }

    /// Number of groups of each panel.
    pub(in crate::gpu) fn groups(&self) -> Vec<usize> {
        self.panels.iter().map(|panel| panel.groups.len()).collect()
    }
}

impl Maker<'_> {
    /// Calls of a pass over strings in panels of so many groups, with group 2 of the first ones in order.
    ///
    /// # Errors
    /// Those of [`Maker::rows`].
    pub(in crate::gpu) fn strings(
        &mut self,
        index: usize,
        pass: &Pass,
        sizes: StringSizes,
        panels: &[usize],
    ) -> Result<Calls> {
        let mut o = self.operands(index, pass)?;
        let (lanes, (forward, back)) = (o.lanes, o.columns);
        let modules = StringModules::new(self.context.texts, o.frame, sizes);
        let (mut pieces, mut fills) = (Vec::new(), Vec::new());
        let slots = Many::Slots { lanes };
        let module = Rc::new(modules.forward(forward)?);
        let operands = [(o.left, Read), (o.right, Read), (o.target, Read), (o.residual, Write)];
        for (panel, groups) in panels.iter().enumerate() {
            let call = Call::step(&module, "forward", &operands, Grid::new(slots, *groups));
            pieces.push(call.with(Third::Fixed(panel)));
        }
        if !o.adjoints.is_empty() {
            let (calls, pulled) = self.weighed(&mut o)?;
            pieces.extend(calls);
            let numbers = count(&[sizes.splits, o.frame.slots, o.frame.n, back]);
            let sums = self.plan.scratch("partial sums", numbers);
            fills.push(Fill { buffer: sums, first: 0, numbers });
            let (adjoint, collect) = (Rc::new(modules.adjoint(back)?), Rc::new(modules.collect(back)?));
            for (applied, direction) in &o.adjoints {
                for panel in 0..panels.len() {
                    let operands = [(pulled, Read), (*applied, Read), (sums, Write)];
                    let call = Call::step(&adjoint, "adjoint_apply", &operands, Grid::new(slots, sizes.splits));
                    pieces.push(call.with(Third::Fixed(panel)));
                }
                let grid = Grid::new(slots, (o.frame.n * back).div_ceil(256));
                pieces.push(Call::step(&collect, "collect", &[(sums, Read), (*direction, Write)], grid));
            }
        }
        Ok(o.around(Vec::new(), pieces, (Vec::new(), Vec::new()), &fills))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Loss;

    struct Masks(Vec<[u32; 2]>);

    impl GpuStrings for Masks {
        fn masks(&self, i: usize) -> [u32; 2] {
            self.0[i]
        }
    }

    /// Kernels take these numbers for indices, without checks.
    #[test]
    fn numbers_of_strings_stay_within_what_they_point_at() {
        let masks: Vec<[u32; 2]> = (0..40).map(|i| [i * 5 % 8, i * 3 % 8]).collect();
        let (m, n, loss) = (masks.len(), 16, Loss::Square);
        let (symmetric, complex, grouped, centred) = (true, true, false, false);
        let precision = Precision::F32;
        let frame = Frame { precision, n, n1: n, n2: n, symmetric, complex, k: 2, m, slots: 1, loss, grouped, centred };
        let below = |number: u32, bound: usize| (number as usize) < bound;
        for most in [1, 7, usize::MAX] {
            let strings = Strings::new(&frame, &Masks(masks.clone()), most, usize::MAX).unwrap();
            for panel in &strings.panels {
                for [x, begin, end, _] in &panel.groups {
                    assert!(below(*x, 8) && begin <= end && *end as usize <= panel.strings.len());
                }
                assert!(panel.strings.iter().all(|[z, i]| below(z & ((1 << 30) - 1), 8) && below(*i, m)));
            }
        }
    }
}
