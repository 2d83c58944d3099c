//! Broken copies of the kernels over vectors, nonzeros, Pauli strings and diffraction patterns.

use lowrank::internals::gpu::Mutation;
use lowrank::operators::{CodedDiffraction, Operator, Pauli, PauliString};
use lowrank::problem::Domain;

use crate::mutations::broken;
use crate::thin::ThinOperator;

pub const VECTORS: &str = "thin/vectors.wgsl";
const INNER: &str = "thin/inner.wgsl";
const COLLECT: &str = "thin/collect.wgsl";
pub const MEAN: &str = "ops/mean.wgsl";
const WEIGH: &str = "ops/weigh.wgsl";
const LISTS: &str = "lib/nonzeros.wgsl";
const FORWARD: &str = "thin/nonzeros_forward.wgsl";
pub const GATHER: &str = "thin/nonzeros_gather.wgsl";
const COMBINE: &str = "thin/combine.wgsl";
const STRINGS: &str = "lib/strings.wgsl";
const STRINGS_FORWARD: &str = "thin/strings_forward.wgsl";
pub const STRINGS_ADJOINT: &str = "thin/strings_adjoint.wgsl";

const PATTERNS: &str = "lib/patterns.wgsl";
const TRANSFORM: &str = "thin/patterns_transform.wgsl";
const PATTERNS_FORWARD: &str = "thin/patterns_forward.wgsl";
pub const PATTERNS_ADJOINT: &str = "thin/patterns_adjoint.wgsl";

pub fn is_thin(file: &str) -> bool {
    file.starts_with("thin/") || [LISTS, STRINGS, PATTERNS, MEAN, WEIGH].contains(&file)
}

/// Two vectors a measurement and two partial sums; centred residuals; nonzeros of which small panels cut a row into pieces, with
/// short rows too, and two measurements with more than a thread takes. Of five qubits most strings once, and some twice. Patterns of a picture
/// whose transform ends a call within an axis where panels are small, the last of them measured in part.
pub fn instances(file: &str) -> Vec<Box<dyn Operator>> {
    if [STRINGS, STRINGS_FORWARD, STRINGS_ADJOINT].contains(&file) {
        let string = |i: u64| PauliString::of_index(5, i * 89 % 1021).expect("an index below 1024");
        return vec![Box::new(Pauli::new((0..1200).map(string).collect()).expect("strings of five qubits"))];
    }
    if [PATTERNS, TRANSFORM, PATTERNS_FORWARD, PATTERNS_ADJOINT].contains(&file) {
        return vec![Box::new(CodedDiffraction::random(&[4, 8], 153, 5).expect("a small picture").centred(false))];
    }
    let make = |integers: bool| -> Box<dyn Operator> {
        Box::new(match file {
            MEAN | WEIGH => ThinOperator::vectors(Domain::symmetric(3), 300, 1, 5, integers).centred(),
            VECTORS | INNER | COLLECT => ThinOperator::vectors(Domain::rectangular(19, 70), 67, 2, 5, integers),
            _ => ThinOperator::nonzeros(Domain::symmetric(60), 400, 300, 5, integers),
        })
    };
    // A mean is not exact.
    if [MEAN, WEIGH].contains(&file) { vec![make(false)] } else { vec![make(false), make(true)] }
}

pub const MUTATIONS: &[(&str, Mutation)] = &[
    ("project drops the tail", broken(VECTORS, "begin < length; begin", "begin + 16u <= length; begin")),
    ("project takes a for b", broken(VECTORS, "in_row + v % VECTORS * length + min(l", "v % VECTORS * length + min(l")),
    ("project takes L for R", broken(VECTORS, "inside / K] * N + in_factor", "inside / K] * N")),
    ("project mixes trials", broken(VECTORS, "slots[1u + inside / K]", "slots[1u]")),
    ("project ignores where its panel begins", broken(VECTORS, "panel.first * VECTORS + v;", "v;")),
    ("project skips a panel's last vector", broken(VECTORS, "if (v >= panel.rows", "if (v + 1u >= panel.rows")),
    ("thin adjoint counts other panels' rows", broken(VECTORS, "i >= panel.first && i < end", "i < M")),
    ("thin adjoint adds to a stale sum", broken(VECTORS, "panel.overwrite == 0u", "panel.overwrite < 2u")),
    ("thin adjoint overwrites earlier panels", broken(VECTORS, "panel.overwrite == 0u", "panel.overwrite == 2u")),
    ("thin adjoint takes the same side's products", broken(VECTORS, "other = SIDES - 1u - side", "other = side")),
    ("thin adjoint ignores the residuals", broken(VECTORS, "pulled[trial * M + i] * thin[t]", "thin[t]")),
    (
        "thin adjoint drops the end of a group",
        broken(VECTORS, "top < (group + 1u) * BLOCK", "top + 16u < (group + 1u) * BLOCK"),
    ),
    ("thin adjoint skips the last line", broken(VECTORS, "if (line >= select", "if (line + 1u >= select")),
    ("thin adjoint mixes splits", broken(VECTORS, "((split * slots[0]", "((0u * slots[0]")),
    ("thin adjoint mixes trials", broken(VECTORS, "slots[1u + c / K]", "slots[1u]")),
    ("inner products forget the target", broken(INNER, " - observed[trial * M + i]", "")),
    ("inner products drop the last column", broken(INNER, "c < size", "c + 1u < size")),
    ("inner products take L for R", broken(INNER, "trial * SIDES + SIDES - 1u", "trial * SIDES")),
    ("collect drops the last split", broken(COLLECT, "split < SPLITS", "split + 1u < SPLITS")),
    ("collect skips the last entry", broken(COLLECT, "entry >= N * K", "entry + 1u >= N * K")),
    ("the mean drops the last residual", broken(MEAN, "stretch, group_end())", "stretch, group_end() - 1u)")),
    ("the mean drops half of the threads", broken(MEAN, "width = 128u", "width = 2u")),
    ("the mean is another trial's", broken(WEIGH, "parts[slots[1u + slot] * 64u + thread]", "parts[thread]")),
    ("the mean drops half of its parts", broken(WEIGH, "width = 32u", "width = 16u")),
    ("the mean is not subtracted", broken(WEIGH, "residual[at] - centre", "residual[at]")),
    ("centred residuals are not weighted", broken(WEIGH, "weight[at] * influence", "influence")),
    ("values are ignored", broken(LISTS, "values[q] * x", "x")),
    ("forward drops a measurement's last nonzero", broken(FORWARD, "q < end; q", "q + 1u < end; q")),
    ("forward takes the row for the column", broken(FORWARD, "places[q].y * K", "places[q].x * K")),
    ("forward forgets the mirrored half", broken(FORWARD, "0.5 * (sum + crossed)", "sum")),
    (
        "short measurements ignore where their panel begins",
        broken(FORWARD, "row;\n    residual[at]", "row - panel.first;\n    residual[at]"),
    ),
    (
        "long measurements drop their last nonzero",
        broken(FORWARD, "q < offsets[row + 1u]", "q + 1u < offsets[row + 1u]"),
    ),
    ("long measurements skip every other nonzero", broken(FORWARD, "q += 256u", "q += 512u")),
    ("long measurements are the first of them", broken(FORWARD, "1u + index % panel.long", "1u")),
    ("long measurements lose half of a sum", broken(FORWARD, "width = 128u", "width = 64u")),
    ("gather drops a row's last nonzero", broken(GATHER, "q < piece.z; q += 1u", "q + 1u < piece.z; q += 1u")),
    (
        "gather drops a long row's last nonzero",
        broken(GATHER, "q < piece.z; q += GROUPS", "q + 1u < piece.z; q += GROUPS"),
    ),
    ("gather counts mirrored nonzeros twice", broken(GATHER, "0.5 * sum", "sum")),
    ("gather drops a group's sum", broken(GATHER, "group < width", "group + 1u < width")),
    ("gather mixes trials' pieces", broken(GATHER, "(slot * PARTIALS + piece.w)", "piece.w")),
    ("gather takes another trial's residuals", broken(GATHER, "pulled[trial * M + place.x]", "pulled[place.x]")),
    ("gather takes another trial's factor", broken(GATHER, "(trial * N + place.y)", "place.y")),
    ("gather skips the last short row", broken(GATHER, "entry >= panel.rows * K", "entry + 1u >= panel.rows * K")),
    ("pieces of a row overwrite it", broken(GATHER, "piece.w == WHOLE", "piece.w != 0u")),
    ("strings drop the last stage of a transform", broken(STRINGS, "bit < QUBITS; bit", "bit + 1u < QUBITS; bit")),
    ("strings add where they subtract", broken(STRINGS, "wave[high] = a - b", "wave[high] = a + b")),
    (
        "strings forget the imaginary rows",
        broken(STRINGS_FORWARD, "fma(left[l + down + c], right[r + down + c], sum)", "sum"),
    ),
    ("strings take the conjugate", broken(STRINGS_FORWARD, "-left[l + down + c]", "left[l + down + c]")),
    ("strings have one part", broken(STRINGS_FORWARD, "part < 2u", "part < 1u")),
    ("strings ignore their flips", broken(STRINGS_FORWARD, "a ^ group.x", "a")),
    ("strings forget the sign of two letters Y", broken(STRINGS_FORWARD, "turns >= 2u", "turns > 3u")),
    ("strings mix trials", broken(STRINGS_FORWARD, "inner(trial * N * K", "inner(0u")),
    ("strings drop the last of a group", broken(STRINGS_FORWARD, "t < group.z; t", "t + 1u < group.z; t")),
    ("strings are the panel's first group", broken(STRINGS_FORWARD, "groups[index % panel.rows]", "groups[0]")),
    ("strings forget the target", broken(STRINGS_FORWARD, " - observed[at]", "")),
    ("string adjoint keeps what was there", broken(STRINGS_ADJOINT, "wave[a] = 0.0", "wave[a] = wave[a]")),
    ("string adjoint counts a repeated string once", broken(STRINGS_ADJOINT, "s < group.z &&", "s < t + 1u &&")),
    ("string adjoint counts a repeated string again", broken(STRINGS_ADJOINT, "part && !again", "part")),
    ("string adjoint takes another trial's residuals", broken(STRINGS_ADJOINT, "pulled[trial * M +", "pulled[")),
    ("string adjoint forgets a sign", broken(STRINGS_ADJOINT, "turns == 1u || turns == 2u", "turns == 2u")),
    ("string adjoint drops the last of a group", broken(STRINGS_ADJOINT, "t < group.z; t", "t + 1u < group.z; t")),
    ("string adjoint adds to a stale sum", broken(STRINGS_ADJOINT, "panel.overwrite != 0u", "panel.overwrite > 1u")),
    (
        "string adjoint overwrites earlier panels",
        broken(STRINGS_ADJOINT, "panel.overwrite != 0u", "panel.overwrite < 2u"),
    ),
    ("string adjoint takes another trial's factor", broken(STRINGS_ADJOINT, "trial * N * K + (a ^", "(a ^")),
    ("string adjoint ignores the flips", broken(STRINGS_ADJOINT, "(a ^ group.x)", "a")),
    ("string adjoint takes the conjugate", broken(STRINGS_ADJOINT, "fma(-phi", "fma(phi")),
    ("string adjoint mixes slots", broken(STRINGS_ADJOINT, "(split * slots[0] + slot)", "split")),
    ("patterns have one axis", broken(PATTERNS, "STARTS & ((2u << bit) - 1u)", "STARTS & 1u")),
    (
        "positions of patterns are not reversed",
        broken(
            PATTERNS,
            "reverseBits(position >> start << (32u - bits))",
            "(position >> start << (32u - bits) >> (32u - bits))",
        ),
    ),
    ("one axis of patterns alone is reversed", broken(PATTERNS, "axis < AXES", "axis < 1u")),
    ("products of complex numbers forget a part", broken(PATTERNS, "fma(a.x, b.x, -a.y * b.y)", "a.x * b.x")),
    ("patterns ignore where their panel begins", broken(PATTERNS, "(panel.first + l) * H1", "l * H1")),
    ("transforms drop the last stage", broken(TRANSFORM, "stage < LINE_BITS", "stage + 1u < LINE_BITS")),
    ("transforms back drop the last stage", broken(TRANSFORM, "bit < LINE_BITS; bit", "bit + 1u < LINE_BITS; bit")),
    ("transforms back turn forward", broken(TRANSFORM, "vec2<real>(w.x, -w.y)", "w")),
    ("transforms do not turn", broken(TRANSFORM, "times(turn(low, block, bit), a - b)", "a - b")),
    (
        "transforms forget the bits below a call",
        broken(TRANSFORM, "place(e, block) & ((1u << top)", "(along(e) << LOW) & ((1u << top)"),
    ),
    (
        "turns are those of the longest axis",
        broken(TRANSFORM, "lower >> start << (TURN_BITS + start - top)", "lower >> start"),
    ),
    ("masks mix columns", broken(TRANSFORM, "at / H1 % K", "0u")),
    ("masks are the panel's first", broken(TRANSFORM, "masks[at / H1 / K * H1 + j]", "masks[j]")),
    ("masks see real rows alone", broken(TRANSFORM, "source[factor + (H1 + j) * K + column]", "0.0")),
    ("masks take another trial's factor", broken(TRANSFORM, "factor = slots[1u + slot] * N * K", "factor = 0u")),
    ("transforms of slots overlap", broken(TRANSFORM, "return slot * panel.rows * K * H1", "return 0u * slot")),
    (
        "transforms lose their last line",
        broken(
            TRANSFORM,
            "            waves[slot_at(slot) + place(e, block)] = wave[e];",
            "            waves[slot_at(slot) + min(place(e, block), lines() * LINE - 2u)] = wave[e];",
        ),
    ),
    ("pulled patterns are another trial's", broken(TRANSFORM, "pulled = slots[1u + slot] * M", "pulled = 0u")),
    ("pixels that are not measured are pulled", broken(TRANSFORM, "if (i < M)", "if (i <= M)")),
    (
        "pulled pixels are in another order",
        broken(TRANSFORM, "measurement(at / H1 / K, at % H1)", "min((panel.first + at / H1 / K) * H1 + at % H1, M)"),
    ),
    ("patterns forget the target", broken(PATTERNS_FORWARD, " - observed[to]", "")),
    ("patterns drop the last column", broken(PATTERNS_FORWARD, "c < K; c", "c + 1u < K; c")),
    ("patterns take L for R", broken(PATTERNS_FORWARD, "right[first + c * H1]", "left[first + c * H1]")),
    ("patterns forget imaginary parts", broken(PATTERNS_FORWARD, "fma(a.y, b.y, sum)", "sum")),
    ("patterns mix slots", broken(PATTERNS_FORWARD, "(slot * panel.rows + l) * K", "l * K")),
    ("patterns skip the last position", broken(PATTERNS_FORWARD, "at >= count", "at + 1u >= count")),
    ("pattern adjoint takes the conjugate", broken(PATTERNS_ADJOINT, "vec2<real>(d.x, -d.y)", "d")),
    (
        "pattern adjoint drops a panel's last pattern",
        broken(PATTERNS_ADJOINT, "l < panel.rows; l", "l + 1u < panel.rows; l"),
    ),
    ("pattern adjoint adds to a stale sum", broken(PATTERNS_ADJOINT, "panel.overwrite == 0u", "panel.overwrite < 2u")),
    (
        "pattern adjoint overwrites earlier panels",
        broken(PATTERNS_ADJOINT, "panel.overwrite == 0u", "panel.overwrite == 2u"),
    ),
    ("pattern adjoint takes the panel's first mask", broken(PATTERNS_ADJOINT, "masks[l * H1 + j]", "masks[j]")),
    ("pattern adjoint mixes slots", broken(PATTERNS_ADJOINT, "(slot * panel.rows + l) * K", "l * K")),
    ("pattern adjoint skips the last entry", broken(PATTERNS_ADJOINT, "at >= K * H1", "at + 1u >= K * H1")),
    ("combine drops a row's last piece", broken(COMBINE, "p < span.z", "p + 1u < span.z")),
    ("combine takes another trial's pieces", broken(COMBINE, "(slot * PARTIALS + p)", "p")),
];
