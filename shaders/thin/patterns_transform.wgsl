// waves[b, l, c] = F(d_l ∘ X[b, ·, c]), in the order of positions, and back: Fᴴ(r_l ∘ waves[b, l, c]).
//
// A transform of 2^q pixels has q stages, one for each bit of their numbers. Where a workgroup does not hold all pixels, a call
// takes LINE_BITS of the bits, from LOW on: forward calls the highest ones first, inverse calls the lowest ones first. A workgroup
// holds LANES lines, each of the 2^LINE_BITS numbers that differ in these bits alone. Stages with bit β of an axis take numbers a, b
// without and with that bit, and ω = exp(−2πi u/2^(β + 1)) for the lower bits u of the axis:
//
//   forward   a + b, ω·(a − b)        inverse   a + ω̄·b, a − ω̄·b
//
// Grid: one workgroup per (slot, LANES lines of the panel). Lines are independent, so a number depends on neither the batch nor
// the panels.
//
// Memory: waves once each way a call; the masks once a slot in mask_and_transform. Flops: 10·LINE_BITS for two numbers.

@group(1) @binding(0) var<storage, read> source: array<real>;              // X (BATCH, N, K), or r (BATCH, M)
@group(1) @binding(1) var<storage, read_write> waves: array<vec2<real>>;   // (slots, rows, K, H1)

const LINE: u32 = 1u << LINE_BITS;
const LANES: u32 = 1u << LANE_BITS;
const NUMBERS: u32 = LINE * LANES;

var<workgroup> wave: array<vec2<real>, NUMBERS>;

// Number e of a workgroup is number `along(e)` of the line `line_of(e, block)`. Neighbours in the buffer are neighbours here: numbers
// of a line where LOW is 0, those of neighbouring lines elsewhere.
fn along(e: u32) -> u32 {
    return select(e >> LANE_BITS, e % LINE, LOW == 0u);
}

fn line_of(e: u32, block: u32) -> u32 {
    return block * LANES + select(e % LANES, e >> LINE_BITS, LOW == 0u);
}

// Lines of a slot.
fn lines() -> u32 {
    return panel.rows * K * (H1 >> LINE_BITS);
}

// The place (l, c, position) of number e in its slot.
fn place(e: u32, block: u32) -> u32 {
    let line = line_of(e, block);
    return ((line >> LOW << LINE_BITS) + along(e) << LOW) + (line & ((1u << LOW) - 1u));
}

// Number q of those without a bit of the line.
fn without(q: u32, bit: u32) -> u32 {
    return q + (q >> bit << bit);
}

// The bit of e that is a bit of the line.
fn inside(bit: u32) -> u32 {
    return select(bit + LANE_BITS, bit, LOW == 0u);
}

// ω of number e at a stage.
fn turn(e: u32, block: u32, bit: u32) -> vec2<real> {
    let top = LOW + bit;
    let start = axis_of(top);
    let lower = place(e, block) & ((1u << top) - 1u);
    let q = lower >> start << (TURN_BITS + start - top);
    // No bit is lost: lower has `top` of them. So it is seen that q is in range.
    return turns[q & ((1u << TURN_BITS) - 1u)];
}

fn stages(thread: u32, block: u32) {
    for (var stage = 0u; stage < LINE_BITS; stage += 1u) {
        let bit = LINE_BITS - (stage + 1u);
        workgroupBarrier();
        for (var q = thread; q < NUMBERS / 2u; q += 256u) {
            let low = without(q, inside(bit));
            let high = low + (1u << inside(bit));
            let a = wave[low];
            let b = wave[high];
            wave[low] = a + b;
            wave[high] = times(turn(low, block, bit), a - b);
        }
    }
    workgroupBarrier();
}

fn stages_back(thread: u32, block: u32) {
    for (var bit = 0u; bit < LINE_BITS; bit += 1u) {
        workgroupBarrier();
        for (var q = thread; q < NUMBERS / 2u; q += 256u) {
            let low = without(q, inside(bit));
            let high = low + (1u << inside(bit));
            let a = wave[low];
            let w = turn(low, block, bit);
            let b = times(vec2<real>(w.x, -w.y), wave[high]);
            wave[low] = a + b;
            wave[high] = a - b;
        }
    }
    workgroupBarrier();
}

// Where the waves of a slot begin.
fn slot_at(slot: u32) -> u32 {
    return slot * panel.rows * K * H1;
}

fn load(slot: u32, block: u32, thread: u32) {
    for (var e = thread; e < NUMBERS; e += 256u) {
        var value = vec2<real>();
        if (line_of(e, block) < lines()) {
            value = waves[slot_at(slot) + place(e, block)];
        }
        wave[e] = value;
    }
}

fn keep(slot: u32, block: u32, thread: u32) {
    for (var e = thread; e < NUMBERS; e += 256u) {
        if (line_of(e, block) < lines()) {
            waves[slot_at(slot) + place(e, block)] = wave[e];
        }
    }
}

// The first call forward.
@compute @workgroup_size(256)
fn mask_and_transform(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(lines(), LANES);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let block = index % blocks;
    if (slot >= slots[0]) {
        return;
    }
    let factor = slots[1u + slot] * N * K;
    for (var e = thread; e < NUMBERS; e += 256u) {
        var value = vec2<real>();
        if (line_of(e, block) < lines()) {
            let at = place(e, block);
            let column = at / H1 % K;
            let j = at % H1;
            let x = vec2<real>(source[factor + j * K + column], source[factor + (H1 + j) * K + column]);
            value = times(masks[at / H1 / K * H1 + j], x);
        }
        wave[e] = value;
    }
    stages(thread, block);
    keep(slot, block, thread);
}

// Later calls forward.
@compute @workgroup_size(256)
fn transform(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(lines(), LANES);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let block = index % blocks;
    if (slot >= slots[0]) {
        return;
    }
    load(slot, block, thread);
    stages(thread, block);
    keep(slot, block, thread);
}

// The first call back. Pixels that are not measured count with the factor 0.
@compute @workgroup_size(256)
fn pull_and_invert(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(lines(), LANES);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let block = index % blocks;
    if (slot >= slots[0]) {
        return;
    }
    let pulled = slots[1u + slot] * M;
    for (var e = thread; e < NUMBERS; e += 256u) {
        var value = vec2<real>();
        if (line_of(e, block) < lines()) {
            let at = place(e, block);
            let i = measurement(at / H1 / K, at % H1);
            if (i < M) {
                value = source[pulled + i] * waves[slot_at(slot) + at];
            }
        }
        wave[e] = value;
    }
    stages_back(thread, block);
    keep(slot, block, thread);
}

// Later calls back.
@compute @workgroup_size(256)
fn invert(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) extent: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let blocks = ceil_div(lines(), LANES);
    let index = linear_index(workgroup, extent);
    let slot = index / blocks;
    let block = index % blocks;
    if (slot >= slots[0]) {
        return;
    }
    load(slot, block, thread);
    stages_back(thread, block);
    keep(slot, block, thread);
}
