//! Calls and bindings of the kernels of a pass, for each form of measurement data.
//!
//! A pass of one lane binds the registers themselves where their layout suits its kernels. A pass of several lanes has
//! a slot for each lane of each trial. Copies fill the slots with the operands, so the data are read once for all
//! lanes.

pub(super) mod copies;
pub(super) mod lists;
pub(super) mod nonzeros;
pub(super) mod pattern_modules;
pub(super) mod patterns;
pub(super) mod row_modules;
pub(super) mod rows;
pub(super) mod strings;
pub(super) mod thin_modules;
pub(super) mod vectors;

use std::rc::Rc;

use crate::error::{Error, Result};
use crate::gpu::call::{Call, Fill, Grid, Many, Plan, Third};
use crate::gpu::compiled::{Read, Write};
use crate::gpu::frame::{Frame, count};
use crate::gpu::generate::Context;
use crate::gpu::ops::{blocks, mean};
use crate::gpu::pass::copies::{Copy, copy};
use crate::gpu::pass::thin_modules::weigh_module;
use crate::gpu::registers::{Place, Registers};
use crate::operators::{Loss, Operator};
use crate::tape::{Lane, Matrix, Pass, Program, Values};

/// Calls of a pass.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) begin: Vec<Call>,
    /// Calls for every panel; where the data are not in such panels, each call covers a piece of its own.
    pub(super) panel: Vec<Call>,
    pub(super) pieces: Vec<Call>,
    pub(super) end: Vec<Call>,
    pub(super) fills: Vec<Fill>,
}

/// Bindings of the kernels of a pass, all of size (slots, …).
pub(super) struct Operands {
    pub(super) frame: Frame,
    pub(super) lanes: usize,
    /// Columns of L and R, and of the factors under the adjoint.
    pub(super) columns: (usize, usize),
    /// Buffer of L and R. For rectangular matrices L is the first rows of its buffer and R the last ones.
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) target: usize,
    pub(super) residual: usize,
    pub(super) weight: usize,
    /// Sums for the mean of the residuals.
    means: usize,
    /// Pairs (input of G, output): none, one, or two for G V and Gᵀ W of symmetric matrices.
    pub(super) adjoints: Vec<(usize, usize)>,
    around: Around,
}

/// Copies of operands into the slots and of results back, and the fills of tests.
#[derive(Default)]
struct Around {
    begin: Vec<Call>,
    end: Vec<Call>,
    fills: Vec<Fill>,
}

/// Buffers of y, e and w.
struct Vectors {
    target: usize,
    residual: usize,
    weight: usize,
}

/// Maker of passes.
pub(super) struct Maker<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) plan: &'a mut Plan,
    pub(super) registers: &'a mut Registers,
    pub(super) program: &'a Program,
    pub(super) operator: &'a dyn Operator,
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported { what: format!("{what} on the backend 'gpu'"), fix: "use the backend 'cpu'".into() }
}

fn whole(buffer: usize, numbers: usize) -> Fill {
    Fill { buffer, first: 0, numbers }
}

/// A lane as matrices.
struct Parts {
    values: PartValues,
    /// (V, G V) and (W, Gᵀ W)
    applied: [Option<(Matrix, Matrix)>; 2],
}

/// Source of the numbers of a lane. Given numbers v are 0 − (−v) with L = R = 0: kernels know measurements alone.
#[derive(Clone, Copy)]
enum PartValues {
    Measured { left: Matrix, right: Matrix, minus: Option<Place>, out: Place },
    Given(Place),
}

impl Parts {
    /// L and R.
    fn ends(&self) -> Option<(Matrix, Matrix)> {
        match self.values {
            PartValues::Measured { left, right, .. } => Some((left, right)),
            PartValues::Given(_) => None,
        }
    }

    /// Output of v.
    fn out(&self) -> Option<Place> {
        match self.values {
            PartValues::Measured { out, .. } => Some(out),
            PartValues::Given(_) => None,
        }
    }
}

/// Vector subtracted from the measurement of a lane.
fn subtracted(part: &Parts, lane: usize, m: usize) -> Option<Copy> {
    let (from, negated) = match part.values {
        PartValues::Measured { minus, .. } => (minus?, false),
        PartValues::Given(values) => (values, true),
    };
    Some(Copy { from, lane, row: 0, rows: m, columns: 1, negated })
}

impl Maker<'_> {
    fn parts(&self, lane: &Lane) -> Result<Parts> {
        let measured = |of| self.registers.find(of).ok_or_else(|| unsupported("a vector within a kernel"));
        let applied = match &lane.adjoint {
            Some(adjoint) => [adjoint.left, adjoint.right],
            None => [None, None],
        };
        let values = match &lane.values {
            Values::Measure { left, right, minus, out } => {
                let minus = (*minus).map(measured).transpose()?;
                PartValues::Measured { left: *left, right: *right, minus, out: measured(*out)? }
            }
            Values::Given(values) => PartValues::Given(measured(*values)?),
        };
        Ok(Parts { values, applied })
    }

    fn matrix(&self, matrix: Matrix) -> Result<(Place, crate::tape::BlockSize, usize)> {
        let found = blocks(self.program, matrix.register).get(matrix.block).copied();
        let place = self.registers.find(matrix.register);
        let ((block, at), place) = found.zip(place).ok_or_else(|| unsupported("a block that a register has not"))?;
        Ok((place, block, at))
    }

    /// The buffer with the matrix in the kernels' layout: the whole register of a symmetric problem, or the first or
    /// last rows of a register with two blocks.
    fn direct(&self, matrix: Matrix, frame: &Frame, last: bool) -> Result<Option<usize>> {
        let all = blocks(self.program, matrix.register);
        let (place, block, _) = self.matrix(matrix)?;
        let rows: Vec<usize> = all.iter().map(|(block, _)| block.rows).collect();
        let whole = all.iter().all(|(other, _)| other.columns == block.columns);
        let fits = match frame.symmetric {
            true => rows == [frame.n],
            false => rows == [frame.n1, frame.n2] && matrix.block == usize::from(last),
        };
        Ok((whole && fits).then_some(place.buffer))
    }

    fn lane_copy(&self, from: Matrix, lane: usize, row: usize) -> Result<Copy> {
        let (place, block, at) = self.matrix(from)?;
        let from = Place { offset: place.offset + at, ..place };
        Ok(Copy { from, lane, row, rows: block.rows, columns: block.columns, negated: false })
    }

    /// Buffers, and the copies to and from them.
    pub(super) fn operands(&mut self, index: usize, pass: &Pass) -> Result<Operands> {
        let lanes = pass.lanes.len();
        let parts = pass.lanes.iter().map(|lane| self.parts(lane)).collect::<Result<Vec<Parts>>>()?;
        let frame = self.frame(pass)?;
        let columns = |matrix: Matrix| Ok::<_, Error>(self.matrix(matrix)?.1.columns);
        let (mut forward, mut back) = (1, 0);
        for part in &parts {
            if let Some((left, right)) = part.ends() {
                forward = forward.max(columns(left)?).max(columns(right)?);
            }
            for (applied, _) in part.applied.iter().flatten() {
                back = back.max(columns(*applied)?);
            }
        }
        let mut around = Around::default();
        let (left, right) = self.factors(&frame, &parts, forward, &mut around)?;
        let Vectors { target, residual, weight } = match &parts[..] {
            [one] => self.vectors_of_one(&frame, one, &mut around)?,
            _ => self.vectors_of_lanes(&frame, index, &parts, back > 0, &mut around)?,
        };
        // A group has its own rows only.
        if !frame.grouped {
            around.fills.push(whole(residual, count(&[frame.slots, self.registers.measurements])));
        }
        let adjoints = self.adjoints(&frame, &parts, back, [left, right, residual], &mut around)?;
        let means = match (frame.centred && !adjoints.is_empty(), &pass.lanes[..]) {
            (false, _) => self.plan.zeros(2),
            (true, [Lane { values: Values::Measure { out, .. }, .. }]) => self.registers.means(self.plan, out.index()),
            (true, _) => self.plan.scratch("sums for the means of lanes", count(&[frame.slots, 64, 2])),
        };
        let columns = (forward, back.max(1));
        Ok(Operands { frame, lanes, columns, left, right, target, residual, weight, means, adjoints, around })
    }

    /// Sizes of the pass, and the loss of its lanes.
    fn frame(&self, pass: &Pass) -> Result<Frame> {
        let slots = count(&[self.registers.batch, pass.lanes.len()]);
        let mut frame = Frame::new(self.operator, 1, slots, self.context.precision);
        frame.grouped = pass.group.is_some();
        let influences: Vec<bool> =
            pass.lanes.iter().filter_map(|lane| Some(lane.adjoint.as_ref()?.influence)).collect();
        if influences.iter().any(|influence| *influence != influences[0]) && self.program.loss != Loss::Square {
            return Err(unsupported("a pass some of whose lanes know the loss and some do not"));
        }
        frame.loss = if influences.first() == Some(&true) { self.program.loss } else { Loss::Square };
        Ok(frame)
    }

    /// Buffers of L and R: the registers themselves, or slots with these columns that copies fill.
    fn factors(
        &mut self,
        frame: &Frame,
        parts: &[Parts],
        columns: usize,
        around: &mut Around,
    ) -> Result<(usize, usize)> {
        let (context, lanes) = (self.context, parts.len());
        let ends: Vec<(usize, (Matrix, Matrix))> =
            parts.iter().enumerate().filter_map(|(lane, part)| Some((lane, part.ends()?))).collect();
        let numbers = count(&[frame.slots, frame.n, columns]);
        if let [(_, (left, right))] = ends[..]
            && lanes == 1
            && let Some(pair) = self.direct(left, frame, false)?.zip(self.direct(right, frame, true)?)
        {
            return Ok(pair);
        }
        if ends.is_empty() {
            let zeros = self.plan.zeros(numbers);
            return Ok((zeros, zeros));
        }
        let second = if frame.symmetric { 0 } else { frame.n1 };
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for &(lane, (left, right)) in &ends {
            lefts.push(self.lane_copy(left, lane, 0)?);
            rights.push(self.lane_copy(right, lane, second)?);
        }
        let left = self.plan.scratch("left factors of lanes", numbers);
        let mut right = left;
        if !frame.symmetric {
            // One buffer, L above R.
            around.begin.extend(copy(context, frame, lanes, (left, columns), &[lefts, rights].concat())?);
        } else {
            around.begin.extend(copy(context, frame, lanes, (left, columns), &lefts)?);
            if ends.iter().any(|(_, (left, right))| left != right) {
                right = self.plan.scratch("right factors of lanes", numbers);
                around.begin.extend(copy(context, frame, lanes, (right, columns), &rights)?);
            }
        }
        around.fills.extend([whole(left, numbers), whole(right, numbers)]);
        Ok((left, right))
    }

    /// Buffers of one lane: its registers, in the kernels' layout.
    fn vectors_of_one(&mut self, frame: &Frame, one: &Parts, around: &mut Around) -> Result<Vectors> {
        let (context, m) = (self.context, self.registers.measurements);
        let numbers = count(&[self.registers.batch, m]);
        let own = |place: &Place| place.offset == 0 && place.stride == m;
        let residual = match one.out() {
            Some(out) => out.buffer,
            None => self.plan.scratch("given numbers of lanes", numbers),
        };
        let target = match one.values {
            PartValues::Measured { minus: None, .. } => self.plan.zeros(numbers),
            PartValues::Measured { minus: Some(minus), .. } if own(&minus) && minus.buffer != residual => minus.buffer,
            PartValues::Measured { .. } | PartValues::Given(_) => {
                let target = self.plan.scratch("targets of lanes", numbers);
                let from = subtracted(one, 0, m);
                around.begin.extend(copy(context, &Frame { n: m, ..*frame }, 1, (target, 1), from.as_slice())?);
                target
            }
        };
        let weight = self.registers.at(context.weights).map_or(0, |place| place.buffer);
        Ok(Vectors { target, residual, weight })
    }

    /// Buffers of several lanes, one slot each, and the destinations of their residuals.
    fn vectors_of_lanes(
        &mut self,
        frame: &Frame,
        index: usize,
        parts: &[Parts],
        weighed: bool,
        around: &mut Around,
    ) -> Result<Vectors> {
        let (context, m, lanes) = (self.context, self.registers.measurements, parts.len());
        let vector = Frame { n: m, ..*frame };
        let all = count(&[frame.slots, m]);
        let all_subtracted: Vec<Copy> =
            parts.iter().enumerate().filter_map(|(lane, part)| subtracted(part, lane, m)).collect();
        let target = if all_subtracted.is_empty() {
            self.plan.zeros(all)
        } else {
            let target = self.plan.scratch("targets of lanes", all);
            around.begin.extend(copy(context, &vector, lanes, (target, 1), &all_subtracted)?);
            target
        };
        let residual = self.registers.lanes(index).ok_or_else(|| unsupported("lanes without a buffer"))?;
        let mut weight = self.registers.at(context.weights).map_or(0, |place| place.buffer);
        if weighed {
            let from = self.registers.at(context.weights).ok_or_else(|| unsupported("missing weights"))?;
            weight = self.plan.scratch("weights of lanes", all);
            let to = |lane: usize| Copy { from, lane, row: 0, rows: m, columns: 1, negated: false };
            let each: Vec<Copy> = (0..lanes).map(to).collect();
            around.begin.extend(copy(context, &vector, lanes, (weight, 1), &each)?);
        }
        for (lane, part) in parts.iter().enumerate() {
            let Some(out) = part.out().filter(|out| out.buffer != residual) else { continue };
            let from = Place { buffer: residual, offset: lane * m, stride: lanes * m, len: m };
            around.end.extend(copies::back(context, (out, 0), (from, 1), (m, 1))?);
        }
        Ok(Vectors { target, residual, weight })
    }

    fn adjoints(
        &mut self,
        frame: &Frame,
        parts: &[Parts],
        columns: usize,
        others: [usize; 3],
        around: &mut Around,
    ) -> Result<Vec<(usize, usize)>> {
        let (context, lanes) = (self.context, parts.len());
        let mut all = Vec::new();
        if let [Parts { applied, .. }] = parts {
            let direct = match applied {
                [Some((v, left)), None] if frame.symmetric => {
                    self.direct(*v, frame, false)?.zip(self.direct(*left, frame, false)?)
                }
                [Some((v, left)), Some((w, right))] if !frame.symmetric => {
                    let applied = self.direct(*v, frame, true)?.zip(self.direct(*w, frame, false)?);
                    let out = self.direct(*left, frame, false)?.zip(self.direct(*right, frame, true)?);
                    applied.filter(|(v, w)| v == w).zip(out.filter(|(l, r)| l == r)).map(|((v, _), (l, _))| (v, l))
                }
                _ => None,
            };
            if let Some((applied, out)) = direct.filter(|(applied, out)| applied != out && !others.contains(out)) {
                around.fills.push(whole(out, count(&[frame.slots, frame.n, columns])));
                return Ok(vec![(applied, out)]);
            }
        }
        let numbers = count(&[frame.slots, frame.n, columns]);
        let names = [
            ["applied factors of lanes", "products of lanes"],
            ["applied factors of lanes (right)", "products of lanes (right)"],
        ];
        let rounds: &[&[usize]] = if frame.symmetric { &[&[0], &[1]] } else { &[&[0, 1]] };
        for (round, sides) in rounds.iter().enumerate() {
            let mut copies = Vec::new();
            let mut results = Vec::new();
            for (lane, part) in parts.iter().enumerate() {
                for side in *sides {
                    let Some((applied, out)) = part.applied[*side] else { continue };
                    // V is the last rows of the input, and G V the first rows of the result; W and Gᵀ W the other way
                    // round.
                    let [from_row, to_row] = match (frame.symmetric, side) {
                        (true, _) => [0, 0],
                        (false, 0) => [frame.n1, 0],
                        (false, _) => [0, frame.n1],
                    };
                    copies.push(self.lane_copy(applied, lane, from_row)?);
                    results.push((lane, out, to_row));
                }
            }
            if results.is_empty() {
                continue;
            }
            let [applied, out] = names[round].map(|name| self.plan.scratch(name, numbers));
            around.begin.extend(copy(context, frame, lanes, (applied, columns), &copies)?);
            for (lane, to, row) in results {
                let (place, block, at) = self.matrix(to)?;
                let from = Place {
                    buffer: out,
                    offset: (lane * frame.n + row) * columns,
                    stride: lanes * frame.n * columns,
                    len: block.len(),
                };
                let size = (block.rows, block.columns);
                around.end.extend(copies::back(context, (place, at), (from, columns), size)?);
            }
            around.fills.extend([whole(applied, numbers), whole(out, numbers)]);
            all.push((applied, out));
        }
        Ok(all)
    }

    /// The mean, where residuals are centred, and r = w∘ρ′(e − ē); returns the buffer of r.
    pub(super) fn weighed(&mut self, o: &mut Operands) -> Result<(Vec<Call>, usize)> {
        let (context, m, lanes) = (self.context, self.registers.measurements, o.lanes);
        let pulled = self.plan.scratch("pulled residuals", count(&[o.frame.slots, m]));
        let mut calls = Vec::new();
        if o.frame.centred {
            let values = Place { buffer: o.residual, offset: 0, stride: m, len: m };
            let (call, fill) = mean(context, &o.frame, lanes, &values, o.weight, o.means)?;
            calls.push(call);
            o.around.fills.push(fill);
        }
        let module = Rc::new(weigh_module(context.texts, &o.frame)?);
        let operands = [(o.residual, Read), (o.weight, Read), (o.means, Read), (pulled, Write)];
        let call = Call::step(&module, "weigh", &operands, Grid::new(Many::Slots { lanes }, m.div_ceil(256)));
        calls.push(if o.frame.grouped { call.with(Third::Turn) } else { call });
        o.around.fills.push(Fill { buffer: pulled, first: 0, numbers: count(&[o.frame.slots, m]) });
        Ok((calls, pulled))
    }
}

impl Operands {
    /// Surrounds the given calls with the copies.
    fn around(self, panel: Vec<Call>, pieces: Vec<Call>, own: (Vec<Call>, Vec<Call>), fills: &[Fill]) -> Calls {
        let begin = self.around.begin.into_iter().chain(own.0).collect();
        let end = own.1.into_iter().chain(self.around.end).collect();
        let fills = self.around.fills.into_iter().chain(fills.iter().copied()).collect();
        Calls { begin, panel, pieces, end, fills }
    }

    /// Number of values of `each` per slot.
    fn each(&self, each: &[usize]) -> usize {
        count(&[self.frame.slots, count(each)])
    }
}
