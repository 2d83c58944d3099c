// Rows of numbers in double precision, read four at a time; for modules whose real is f64; see quads_f32.wgsl.

@group(2) @binding(0) var<storage, read> data: array<vec4<f64>>;        // (rows, ROW_WORDS / 8)

// Numbers 4c … 4c + 3 of the row whose first word is `start`, up to the row's scale; zeros past P.
fn quad(start: u32, c: u32) -> vec4<real> {
    return data[start / 8u + c];
}

// value·(scale of the row): 1 here.
fn scaled(start: u32, value: real) -> real {
    return value;
}
