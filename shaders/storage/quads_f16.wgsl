// Rows of numbers in half precision, two to a word, read four at a time; see quads_f32.wgsl.

@group(2) @binding(0) var<storage, read> data: array<vec2<u32>>;        // (rows, ROW_WORDS / 2)

// Numbers 4c … 4c + 3 of the row whose first word is `start`, up to the row's scale; zeros past P.
fn quad(start: u32, c: u32) -> vec4<real> {
    let words = data[start / 2u + c];
    // The word behind the last number is the row's scale and no number.
    let second = select(0u, words.y, 2u * c + 1u < ceil_div(P, 2u));
    return vec4<real>(vec4<f32>(unpack2x16float(words.x), unpack2x16float(second)));
}

// value·(scale of the row): a power of two, so exact. Its word follows those of the P numbers.
fn scaled(start: u32, value: real) -> real {
    let word = start + ceil_div(P, 2u);
    let words = data[word / 2u];
    return value * real(bitcast<f32>(select(words.x, words.y, word % 2u == 1u)));
}
