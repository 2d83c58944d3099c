// Rows of numbers in single precision; all files of this folder define the same names, and the host puts in one of them.

@group(2) @binding(0) var<storage, read> data: array<f32>;              // (rows, ROW_WORDS)

// The q-th number of the row whose first word is `start`, up to the row's scale.
fn stored(start: u32, q: u32) -> real {
    return real(data[start + q]);
}

// value·(scale of the row): 1 here.
fn scaled(start: u32, value: real) -> real {
    return value;
}
