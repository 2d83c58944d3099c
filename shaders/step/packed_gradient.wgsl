// What `ops/product.wgsl` multiplies in D = G V, for a symmetric G whose entries `g_of` reads from numbers g.

@group(0) @binding(0) var<storage, read> slots: array<u32>;
@group(1) @binding(0) var<storage, read> packed: array<real>;            // (slots, P)
@group(1) @binding(1) var<storage, read> applied: array<real>;           // (BATCH, N, K)
@group(1) @binding(2) var<storage, read_write> direction: array<real>;   // (BATCH, N, K)

const RESULT_ROWS: u32 = N;
const INNER: u32 = N;
const RESULT_COLUMNS: u32 = K;

// A slot, and what it stands for.
struct Place {
    slot: u32,
    trial: u32,
}

fn a_of(place: Place, i: u32, j: u32) -> real {
    return g_of(place.slot, i, j);
}

fn b_of(place: Place, j: u32, c: u32) -> real {
    return applied[place.trial * N * K + j * K + c];
}

fn put_result(place: Place, i: u32, c: u32, value: real) {
    direction[place.trial * N * K + i * K + c] = value;
}
