// Rows of numbers in single precision, read four at a time; the three quads_*.wgsl define the same names, and the host puts in one.

@group(2) @binding(0) var<storage, read> data: array<vec4<f32>>;        // (rows, ROW_WORDS / 4)

// Numbers 4c … 4c + 3 of the row whose first word is `start`, up to the row's scale; zeros past P.
fn quad(start: u32, c: u32) -> vec4<real> {
    return vec4<real>(data[start / 4u + c]);
}

// value·(scale of the row): 1 here.
fn scaled(start: u32, value: real) -> real {
    return value;
}
