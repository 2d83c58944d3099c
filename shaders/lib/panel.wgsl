// The panel of rows that a kernel works on, as `src/gpu/buffers.rs` writes it, and the trials.

struct Panel {
    first: u32,     // measurement of the panel's first row
    rows: u32,
    overwrite: u32, // 1 in the first panel: `sums` holds nothing yet
    unused: u32,
}

// slots[0] = number of active trials, slots[1 + slot] = trial
@group(0) @binding(0) var<storage, read> slots: array<u32>;

// Group 2, binding 0, the rows, is declared by a file of `storage`.
@group(2) @binding(1) var<uniform> panel: Panel;
