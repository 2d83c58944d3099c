// A panel of groups of Pauli strings on q qubits, as `src/gpu/pass/strings.rs` writes it, and the trials. The strings of a group
// share their flips x; string (x, z) has the entry (−i)^c (−1)^(z·a) at (a, a⊕x), with c letters Y. Rows a < STATES = 2^q of a
// factor are its real part, rows STATES + a its imaginary part.

struct Panel {
    first: u32,      // the panel's first group
    rows: u32,       // groups
    overwrite: u32,  // whether it is the first panel
    unused: u32,
}

// slots[0] = number of active trials, slots[1 + slot] = trial
@group(0) @binding(0) var<storage, read> slots: array<u32>;

@group(2) @binding(0) var<storage, read> groups: array<vec4<u32>>; // (x, first string of the panel, end, unused)
@group(2) @binding(1) var<storage, read> strings: array<vec2<u32>>; // (z + 2³⁰·(c mod 4), measurement)
@group(2) @binding(2) var<uniform> panel: Panel;

const SIGNS: u32 = 0x3fffffffu;

var<workgroup> wave: array<real, STATES>;

// The Walsh–Hadamard transform: wave[z] ← Σ_a (−1)^(z·a) wave[a].
fn transform(thread: u32) {
    for (var bit = 0u; bit < QUBITS; bit += 1u) {
        workgroupBarrier();
        for (var at = thread; at < STATES / 2u; at += 256u) {
            // The numbers of states without this bit, in order, and those with it.
            let low = at + (at >> bit << bit);
            let high = low + (1u << bit);
            let a = wave[low];
            let b = wave[high];
            wave[low] = a + b;
            wave[high] = a - b;
        }
    }
    workgroupBarrier();
}
