// Rows of numbers in half precision, two to a word; all files of this folder define the same names, and the host puts in one of them.

@group(2) @binding(0) var<storage, read> data: array<u32>;              // (rows, ROW_WORDS)

// The q-th number of the row whose first word is `start`, up to the row's scale. Neighbouring threads share a word, so
// a workgroup reads half the bytes. No stored half is subnormal: a device may flush those.
fn stored(start: u32, q: u32) -> real {
    let pair = unpack2x16float(data[start + q / 2u]);
    return real(select(pair.x, pair.y, (q & 1u) == 1u));
}

// value·(scale of the row): a power of two, so exact. Its word follows those of the P numbers.
fn scaled(start: u32, value: real) -> real {
    return value * real(bitcast<f32>(data[start + ceil_div(P, 2u)]));
}
