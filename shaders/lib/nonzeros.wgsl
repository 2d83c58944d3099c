// A panel of nonzeros, as `src/gpu/thin/nonzeros.rs` writes it, and the trials. Group 2, binding 0, says where the nonzeros of
// a measurement or of a row begin; the file that uses it declares it.

struct Panel {
    first: u32,  // measurement of the panel's first list
    rows: u32,   // lists
    long: u32,   // how many of them have a workgroup of their own
    unused: u32,
}

// slots[0] = number of active trials, slots[1 + slot] = trial
@group(0) @binding(0) var<storage, read> slots: array<u32>;

@group(2) @binding(1) var<storage, read> places: array<vec2<u32>>; // where each nonzero is
@group(2) @binding(2) var<storage, read> values: array<real>;      // its value; unused where all are 1
@group(2) @binding(3) var<uniform> panel: Panel;

// value of nonzero q, times x
fn times(q: u32, x: real) -> real {
    if (ONES) {
        return x;
    }
    return values[q] * x;
}
