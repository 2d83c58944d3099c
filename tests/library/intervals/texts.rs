//! Small kernels whose indices are known to be in range or not.

use std::collections::HashMap;

use super::domain::Interval;
use super::world::World;
use super::{parsed, sites};

/// Accesses of a kernel of 64 threads, 4 workgroups and 3 active slots at most that are not shown to be in range.
/// `data` has 100 numbers, `narrow` 64.
fn open(body: &str) -> Vec<String> {
    let text = format!(
        "@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> data: array<f32>;
@group(1) @binding(1) var<storage, read_write> out: array<f32>;
@group(1) @binding(2) var<storage, read> numbers: array<u32>;
const LEFT: u32 = 7u;
var<workgroup> narrow: array<f32, 64>;
var<workgroup> starts: array<u32, 4>;
var<private> own: u32;
fn half(x: u32) -> u32 {{
    if (x > 50u) {{
        return x / 2u;
    }}
    return x;
}}
fn of_side(side: u32) -> u32 {{
    switch (side) {{
        case 0u: {{ return 60u; }}
        case 1u: {{ return 40u; }}
        default: {{ return 0u; }}
    }}
}}
@compute @workgroup_size(64)
fn kernel(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {{
    let x = group.x * 64u + thread;
    {body}
}}
"
    );
    let (module, info) = parsed(&text);
    let world = World {
        extents: vec![Interval::one(4), Interval::one(1), Interval::one(1)],
        slots: 3,
        words: HashMap::from([((0, 0), 4), ((1, 0), 100), ((1, 1), 100), ((1, 2), 100)]),
        ..World::default()
    };
    let all = sites(&module, &info, &text, "kernel", world);
    assert!(!all.is_empty(), "no access in {body}");
    all.into_iter().filter_map(|site| site.failed.map(|failed| format!("{}: {failed}", site.text))).collect()
}

const IN_RANGE: &[&str] = &[
    // Guards.
    "if (x < 100u) { out[x] = 1.0; }",
    "if (x >= 100u) { return; } out[x] = data[99u - x];",
    "if (x >= 100u || thread == 3u) { return; } out[x] = 1.0;",
    "if (x < 100u && x > 5u) { out[x - 6u] = 1.0; }",
    "let inside = x < 90u && thread < 60u; if (inside) { out[x + 10u] = narrow[thread + 4u]; }",
    "if (!(x > 99u)) { out[x] = 1.0; }",
    "var at = x; if (at > 99u) { at = 99u; } out[at] = 1.0;",
    // Arithmetic.
    "out[min(x, 99u)] = narrow[x % 64u];",
    "out[select(0u, x, x < 100u)] = 1.0;",
    "out[clamp(x, 10u, 99u) - 10u] = 1.0;",
    "out[x / 64u * 16u + x % 16u] = 1.0;",
    "out[(x & 31u) ^ 63u] = narrow[thread ^ 21u];",
    "out[thread >> 1u << 1u] = narrow[63u - thread];",
    "if (x - 10u < 90u && x >= 10u) { out[x - 10u] = 1.0; }",
    "if (x > thread) { out[min(99u, x - thread)] = 1.0; }",
    // Numbers that are bound to each other.
    "let side = thread % 2u; let length = select(60u, 40u, side == 1u); out[side * 60u + min(x, length - 1u)] = 1.0;",
    "let side = thread % 2u; out[side * 60u + min(x, of_side(side) - 1u)] = 1.0;",
    "let i = thread % 13u; let j = x % 13u; let a = min(i, j); out[a * (27u - a) / 2u + (max(i, j) - a)] = 1.0;",
    "for (var bit = 0u; bit < 6u; bit += 1u) { for (var at = thread; at < 32u; at += 64u) {
        narrow[at + (at >> bit << bit) + (1u << bit)] = 0.0; } }",
    // Loops.
    "for (var at = thread; at < 100u; at += 64u) { out[at] = 1.0; }",
    "for (var t = 0u; t + 4u <= 100u; t += 4u) { out[t + 3u] = 1.0; }",
    "for (var t = 16u; t < 100u; t += 16u) { out[t + 3u] = 1.0; }",
    "for (var width = 32u; width > 0u; width = width / 2u) { if (thread < width) { narrow[thread] += narrow[thread + width]; } }",
    "for (var rest = 64u; rest > 0u; rest -= 1u) { narrow[rest - 1u] = 0.0; }",
    "var at = x; loop { if (at < 100u) { break; } at = at / 2u; } out[at] = 1.0;",
    "for (var t = 0u; t < 200u; t += 1u) { if (t >= 100u) { continue; } out[t] = 1.0; }",
    // Functions, and what stands in variables.
    "if (x < 199u) { out[half(min(x, 198u))] = 1.0; }",
    "own = min(x, 99u); for (var t = 0u; t < 3u; t += 1u) { out[own] = 1.0; own = own / 2u; }",
    "if (thread < 4u) { starts[thread] = thread * 25u; } workgroupBarrier(); out[starts[x % 4u] + thread % 25u] = 1.0;",
    "var v = vec4<f32>(); v[x % 4u] = 1.0; out[0] = v[thread / 16u];",
    // Contracts.
    "if (group.x < slots[0]) { out[slots[1u + group.x] * 33u + thread % 34u] = 1.0; }",
];

const OUT_OF_RANGE: &[&str] = &[
    "if (x <= 100u) { out[x] = 1.0; }",
    "out[x] = 1.0;",
    "if (x > 100u) { return; } out[x] = 1.0;",
    "if (x < 100u || thread == 3u) { out[x] = 1.0; }",
    "out[min(x, 100u)] = 1.0;",
    "out[select(0u, x, x <= 100u)] = 1.0;",
    // Both sides of a choice are computed.
    "out[0] = select(0.0, data[x], x < 100u);",
    "if (x > 5u) { out[x - 7u] = narrow[thread]; }",
    "out[99u - thread * 2u] = 1.0;",
    "out[thread + (x << 31u)] = 1.0;",
    "out[thread * 67108865u % 128u] = 1.0;",
    "let side = thread % 2u; let length = select(60u, 41u, side == 1u); out[side * 60u + min(x, length - 1u)] = 1.0;",
    "let i = thread % 14u; let j = x % 14u; let a = min(i, j); out[a * (29u - a) / 2u + (max(i, j) - a)] = 1.0;",
    "for (var bit = 0u; bit < 7u; bit += 1u) { for (var at = thread; at < 32u; at += 64u) {
        narrow[at + (at >> bit << bit) + (1u << bit)] = 0.0; } }",
    "for (var at = thread; at <= 100u; at += 64u) { out[at] = 1.0; }",
    "for (var t = 0u; t + 4u <= 101u; t += 1u) { out[t + 3u] = 1.0; }",
    "for (var t = 16u; t < 100u; t += 16u) { out[t + 4u] = 1.0; }",
    "for (var width = 64u; width > 0u; width = width / 2u) { if (thread < width) { narrow[thread] += narrow[thread + width]; } }",
    "for (var rest = 65u; rest > 0u; rest -= 1u) { narrow[rest - 1u] = 0.0; }",
    "for (var t = 0u; t != 7u; t += 2u) { out[t] = 1.0; }",
    "for (var t = 0u; t < 200u; t += 1u) { if (t > 100u) { continue; } out[t] = 1.0; }",
    "var t = 0u; loop { if (thread + t > 200u) { break; } out[t] = 1.0; t += 1u; }",
    "if (x < 202u) { out[half(min(x, 201u))] = 1.0; }",
    "own = min(x, 99u); for (var t = 0u; t < 3u; t += 1u) { out[own] = 1.0; own += 1u; }",
    "if (thread < 4u) { starts[thread] = thread * 25u; } workgroupBarrier(); out[starts[x % 4u] + thread % 26u] = 1.0;",
    "var v = vec4<f32>(); v[x % 5u] = 1.0; out[0] = v[0];",
    "if (group.x <= slots[0]) { out[slots[1u + group.x]] = 1.0; }",
    "if (group.x < slots[0]) { out[slots[1u + group.x] * 33u + thread % 35u] = 1.0; }",
    // Lists without a promise hold anything.
    "out[numbers[thread]] = 1.0;",
    "out[u32(data[0])] = 1.0;",
];

#[test]
fn verdicts_on_small_kernels_are_right() {
    for body in IN_RANGE {
        assert_eq!(open(body), Vec::<String>::new(), "{body}");
    }
    for body in OUT_OF_RANGE {
        assert_eq!(open(body).len(), 1, "{body}: {:?}", open(body));
    }
}
