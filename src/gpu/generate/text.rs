//! The frame of a kernel around the lines of an elementwise unit.

use std::collections::BTreeSet;

use crate::gpu::registers::Registers;
use crate::gpu::text::constant;

use super::Entries;

/// Indents lines of text by `by`.
fn indent(lines: &[String], by: &str) -> String {
    lines.iter().map(|line| format!("{by}{line}\n")).collect()
}

/// Text of a unit: its bindings, and a kernel with a thread per entry, or with sums over stretches of entries.
pub(super) fn elementwise_text(
    entries: &Entries<'_>,
    name: &str,
    size: usize,
    pairs: &BTreeSet<usize>,
    registers: &Registers,
) -> String {
    let mut text = entries.bindings.text(pairs);
    let sums = entries.sums.len();
    text.push_str(&constant("SIZE", size));
    if sums > 0 {
        text.push_str(&format!("var<workgroup> scratch: array<real, {}>;\n", 256 * sums));
    }
    if !pairs.is_empty() {
        text.push_str("var<workgroup> halves: array<vec2<real>, 64>;\n");
    }
    text.push_str(&format!(
        "@compute @workgroup_size(256)
fn {name}(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {{
    let index = linear_index(workgroup, extent);
"
    ));
    if sums == 0 {
        text.push_str(
            "    let blocks = ceil_div(SIZE, 256u);
    let slot = index / blocks;
    let entry = index % blocks * 256u + thread;
    if (slot >= slots[0] || entry >= SIZE) {
        return;
    }
    let trial = slots[1u + slot];
",
        );
        return text + &indent(&entries.before, "    ") + &indent(&entries.body, "    ") + "}\n";
    }
    text + &sums_text(entries, name, registers)
}

/// Body of a unit with sums: a stretch of entries for each of 64 workgroups per trial, then the sum over their threads.
fn sums_text(entries: &Entries<'_>, name: &str, registers: &Registers) -> String {
    let sums = entries.sums.len();
    let mut text = String::new();
    text.push_str(
        "    let slot = index / 64u;
    if (slot >= slots[0]) {
        return;
    }
    let trial = slots[1u + slot];
",
    );
    text.push_str(&indent(&entries.before, "    "));
    let (first, count) =
        if name == "measured" { ("group_first()", "group_end() - group_first()") } else { ("0u", "SIZE") };
    text.push_str(&format!(
        "    let stretch = ceil_div({count}, 64u);
    let first = {first} + index % 64u * stretch;
    let end = min(first + stretch, {first} + ({count}));
"
    ));
    for (sum, _) in &entries.sums {
        text.push_str(&format!("    var {sum}: real = 0.0;\n"));
    }
    text.push_str("    for (var entry = first + thread; entry < end; entry += 256u) {\n");
    text.push_str(&indent(&entries.body, "        "));
    text.push_str("    }\n");
    for (at, (sum, _)) in entries.sums.iter().enumerate() {
        text.push_str(&format!("    scratch[{}u + thread] = {sum};\n", 256 * at));
    }
    text.push_str(
        "    workgroupBarrier();
    for (var width = 128u; width > 0u; width = width / 2u) {
        if (thread < width) {
",
    );
    for at in 0..sums {
        let here = 256 * at;
        text.push_str(&format!("            scratch[{here}u + thread] += scratch[{here}u + thread + width];\n"));
    }
    text.push_str("        }\n        workgroupBarrier();\n    }\n    if (thread == 0u) {\n");
    for (at, (_, sum)) in entries.sums.iter().enumerate() {
        let before = registers.part(*sum) * registers.batch;
        let here = 256 * at;
        text.push_str(&format!(
            "        b{}[({before}u + trial) * 64u + index % 64u] = scratch[{here}u];\n",
            registers.parts
        ));
    }
    text + "    }\n}\n"
}
