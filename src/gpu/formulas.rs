//! WGSL of units of formulas, and of sums added from their parts.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::error::Result;
use crate::gpu::call::{Call, Fill, Grid, Many};
use crate::gpu::fuse::{Task, Thing, Unit};
use crate::gpu::generate::{Bindings, Context, scalar_text};
use crate::gpu::registers::{Place, Registers};
use crate::gpu::text::{GRID, SCALAR, arithmetic, limits};
use crate::tape::{Expression, Op};

/// WGSL that loads sums from their parts into `sums` with all threads of a workgroup of at least 64, and adds them by a
/// tree.
pub(super) fn adding(registers: &Registers, sums: &[usize]) -> String {
    if sums.is_empty() {
        return String::new();
    }
    let mut text = String::from("    if (thread < 64u) {\n");
    for (at, sum) in sums.iter().enumerate() {
        let before = registers.part(*sum) * registers.batch;
        text.push_str(&format!(
            "        sums[{}u + thread] = b{}[({before}u + trial) * 64u + thread];\n",
            64 * at,
            registers.parts
        ));
    }
    text.push_str("    }\n    workgroupBarrier();\n    for (var width = 32u; width > 0u; width = width / 2u) {\n");
    text.push_str("        if (thread < width) {\n");
    for at in 0..sums.len() {
        text.push_str(&format!("            sums[{0}u + thread] += sums[{0}u + thread + width];\n", 64 * at));
    }
    text + "        }\n        workgroupBarrier();\n    }\n"
}

/// Text of a formula whose sums are the added ones.
pub(super) fn with_sums(registers: &Registers, formula: &Expression, sums: &[usize]) -> String {
    formula.wgsl(&|scalar| match sums.iter().position(|sum| *sum == scalar.index()) {
        Some(at) => format!("sums[{}u]", 64 * at),
        None => scalar_text(registers, scalar),
    })
}

/// Call of a unit of formulas.
///
/// # Errors
/// [`crate::Error::Invalid`] for a mutation that does not apply.
pub(super) fn formulas(context: &Context<'_>, registers: &Registers, unit: &Unit<'_>) -> Result<(Call, Vec<Fill>)> {
    let mut sums: Vec<usize> = Vec::new();
    unit.jobs.iter().flat_map(|job| &job.sums).for_each(|sum| {
        if !sums.contains(sum) {
            sums.push(*sum);
        }
    });
    let mut bindings = Bindings::default();
    bindings.add(registers.scalars, true);
    if !sums.is_empty() {
        bindings.add(registers.parts, false);
    }
    let mut names: HashMap<usize, String> = HashMap::new();
    let (mut lines, mut written) = (String::new(), BTreeSet::new());
    let mut store = |lines: &mut String, register: usize, value: &str| {
        if let Some(place) = registers.at(register) {
            lines.push_str(&format!("        b{}[{}] = {value};\n", place.buffer, place.base()));
            written.insert(register);
        }
    };
    for (at, sum) in sums.iter().enumerate() {
        names.insert(*sum, format!("sums[{}u]", 64 * at));
        store(&mut lines, *sum, &format!("sums[{}u]", 64 * at));
    }
    for (at, job) in unit.jobs.iter().enumerate() {
        let Task::Op(Op::Formula { out, value }) = job.task else { continue };
        let text =
            value.wgsl(&|scalar| names.get(&scalar.index()).cloned().unwrap_or_else(|| scalar_text(registers, scalar)));
        lines.push_str(&format!("        let f{at} = {text};\n"));
        store(&mut lines, out.index(), &format!("f{at}"));
        names.insert(out.index(), format!("f{at}"));
    }
    let mut text = bindings.text(&BTreeSet::new());
    if !sums.is_empty() {
        text.push_str(&format!("var<workgroup> sums: array<real, {}>;\n", 64 * sums.len()));
    }
    text.push_str(
        "@compute @workgroup_size(64)
fn formulas(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let slot = linear_index(workgroup, extent);
    if (slot >= slots[0]) {
        return;
    }
    let trial = slots[1u + slot];
",
    );
    text.push_str(&adding(registers, &sums));
    text.push_str(&format!("    if (thread == 0u) {{\n{lines}    }}\n}}\n"));
    let prelude = arithmetic(context.precision) + &limits(context.precision);
    let files = [GRID, SCALAR, ("generated/formulas", text.as_str())];
    let module = Rc::new(context.texts.compose("formulas", prelude, &files, str::to_owned)?);
    let read: BTreeSet<usize> =
        unit.reads().filter_map(|t| if let Thing::Register(of) = t { Some(of) } else { None }).collect();
    let fills =
        written.into_iter().filter(|register| !read.contains(register)).filter_map(|register| registers.at(register));
    let fills = fills.map(|place: Place| Fill { buffer: place.buffer, first: place.offset, numbers: registers.batch });
    let fills = fills.collect();
    Ok((Call::step(&module, "formulas", &bindings.ordered(), Grid::new(Many::Slots { lanes: 1 }, 1)), fills))
}
