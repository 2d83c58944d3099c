//! Copies between registers and the slots of a pass.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::error::Result;
use crate::gpu::call::{Call, Grid, Many};
use crate::gpu::compiled::{Read, Write};
use crate::gpu::frame::Frame;
use crate::gpu::fuse::OPERANDS;
use crate::gpu::generate::Context;
use crate::gpu::registers::Place;
use crate::gpu::text::{GRID, arithmetic, constant};

/// A copy of one matrix of each trial to a lane, as it is or negated, from a row on; `from` is its offset.
#[derive(Clone, Copy)]
pub(in crate::gpu) struct Copy {
    pub(super) from: Place,
    pub(super) lane: usize,
    pub(super) row: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) negated: bool,
}

const HEAD: &str = "@compute @workgroup_size(256)
fn copy_lanes(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(SIZE, 256u);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let entry = index % blocks * 256u + thread;
    if (slot >= slots[0] || entry >= SIZE) {
        return;
    }
";

fn compose(context: &Context<'_>, bound: &[(usize, bool)], size: usize, body: &str, lanes: usize) -> Result<Call> {
    let mut text = String::from("@group(0) @binding(0) var<storage, read> slots: array<u32>;\n");
    for (at, (buffer, writes)) in bound.iter().enumerate() {
        let access = if *writes { "read_write" } else { "read" };
        text.push_str(&format!("@group(1) @binding({at}) var<storage, {access}> b{buffer}: array<real>;\n"));
    }
    text.push_str(&constant("SIZE", size));
    text.push_str(HEAD);
    text.push_str(body);
    text.push_str("}\n");
    let files = [GRID, ("generated/copy", text.as_str())];
    let module = Rc::new(context.texts.compose("copy", arithmetic(context.precision), &files, str::to_owned)?);
    let operands: Vec<_> = bound.iter().map(|(buffer, writes)| (*buffer, if *writes { Write } else { Read })).collect();
    Ok(Call::step(&module, "copy_lanes", &operands, Grid::new(Many::Slots { lanes }, size.div_ceil(256))))
}

/// Fills the slots of a buffer, `frame.n` rows of the given columns each, with these matrices and zero padding.
pub(super) fn copy(
    context: &Context<'_>,
    frame: &Frame,
    lanes: usize,
    (to, columns): (usize, usize),
    all: &[Copy],
) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    let (mut rest, mut begins) = (all, true);
    while begins || !rest.is_empty() {
        let mut sources = BTreeSet::new();
        let mut some = 0;
        while some < rest.len() && (sources.contains(&rest[some].from.buffer) || sources.len() + 1 < OPERANDS) {
            sources.insert(rest[some].from.buffer);
            some += 1;
        }
        let (now, later) = rest.split_at(some);
        let mut body = format!(
            "    let at = slots[1u + slot];
    let trial = at / {lanes}u;
    let lane = at % {lanes}u;
    let row = entry / {columns}u;
    let column = entry % {columns}u;
"
        );
        let before = if begins { "real(0.0)".to_owned() } else { format!("b{to}[at * SIZE + entry]") };
        body.push_str(&format!("    var value = {before};\n"));
        for Copy { from, lane, row, rows, columns, negated } in now {
            let (end, sign) = (row + rows, if *negated { "0.0 - " } else { "" });
            body.push_str(&format!(
                "    if (lane == {lane}u && row >= {row}u && row < {end}u && column < {columns}u) {{
        value = {sign}b{}[{} + (row - {row}u) * {columns}u + column];
    }}
",
                from.buffer,
                from.base()
            ));
        }
        body.push_str(&format!("    b{to}[at * SIZE + entry] = value;\n"));
        let bound: Vec<(usize, bool)> = sources.into_iter().map(|buffer| (buffer, false)).chain([(to, true)]).collect();
        calls.push(compose(context, &bound, frame.n * columns, &body, lanes)?);
        (rest, begins) = (later, false);
    }
    Ok(calls)
}

/// Copies a matrix out of a lane with the given row stride to `at` in a register.
pub(super) fn back(
    context: &Context<'_>,
    (to, at): (Place, usize),
    (from, apart): (Place, usize),
    (rows, columns): (usize, usize),
) -> Result<Vec<Call>> {
    let body = format!(
        "    let trial = slots[1u + slot];
    b{}[{at}u + {} + entry] = b{}[{} + entry / {columns}u * {apart}u + entry % {columns}u];
",
        to.buffer,
        to.base(),
        from.buffer,
        from.base()
    );
    Ok(vec![compose(context, &[(from.buffer, false), (to.buffer, true)], rows * columns, &body, 1)?])
}
