// A panel of coded diffraction patterns, as `src/gpu/patterns.rs` writes it, and transforms in the order of their positions. Pixels are
// counted row-major over axes whose lengths are powers of two, so that an axis is a range of bits of a pixel's number. A transform
// leaves the pixel whose bits are those of a position, reversed in each axis, at that position. Rows j < H1 of a factor are its real
// part, rows H1 + j its imaginary part.

struct Panel {
    first: u32,      // the panel's first pattern
    rows: u32,       // patterns
    overwrite: u32,  // whether it is the first panel
    unused: u32,
}

// slots[0] = number of active slots, slots[1 + slot] = trial
@group(0) @binding(0) var<storage, read> slots: array<u32>;

@group(2) @binding(0) var<storage, read> masks: array<vec2<real>>; // (rows, H1): d
@group(2) @binding(1) var<storage, read> turns: array<vec2<real>>; // exp(−2πi q/2^(TURN_BITS + 1)), q < 2^TURN_BITS
@group(2) @binding(2) var<uniform> panel: Panel;

// a·b of complex numbers.
fn times(a: vec2<real>, b: vec2<real>) -> vec2<real> {
    return vec2<real>(fma(a.x, b.x, -a.y * b.y), fma(a.x, b.y, a.y * b.x));
}

// The first bit of the axis that a bit belongs to. STARTS has the first bit of every axis, and the one past the last.
fn axis_of(bit: u32) -> u32 {
    return firstLeadingBit(STARTS & ((2u << bit) - 1u));
}

// The pixel at a position.
fn pixel(position: u32) -> u32 {
    var found = 0u;
    var start = 0u;
    for (var axis = 0u; axis < AXES; axis += 1u) {
        let bits = 1u + firstTrailingBit(STARTS >> (start + 1u));
        found |= reverseBits(position >> start << (32u - bits)) << start;
        start += bits;
    }
    return found;
}

// The measurement at a position of pattern l of the panel; M where it is not measured. The first of the SKIPPED pixels of all
// patterns are not, nor the last ones.
fn measurement(l: u32, position: u32) -> u32 {
    return min((panel.first + l) * H1 + pixel(position) - SKIPPED, M);
}
