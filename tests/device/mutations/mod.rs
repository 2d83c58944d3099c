//! For each kernel, broken copies: a dropped tail, a swapped index, a stale buffer, a forgotten term. Every one must
//! make at least one law fail, or the laws are too weak. One source serves both precisions, so one is enough.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use lowrank::Precision;
use lowrank::gpu::Device;
use lowrank::internals::gpu::Mutation;
use lowrank::internals::laws::{ENGINE_LAWS, Place};
use lowrank::internals::operators::REGISTRY;
use lowrank::operators::Operator;
use lowrank::problem::Domain;

mod thin;

const fn broken(file: &'static str, find: &'static str, replace: &'static str) -> Mutation {
    Mutation { file, find, replace }
}

const TWO: &str = "rows/two_kernel.wgsl";
const OUTER: &str = "step/outer_product.wgsl";
const HALF: &str = "storage/f16.wgsl";
const REDUCE: &str = "step/reduce.wgsl";
const PRODUCT: &str = "ops/product.wgsl";
const ENTRY: &str = "step/entry_symmetric.wgsl";
const ENTRY2: &str = "step/entry_full.wgsl";
const COMPLEX_OUTER: &str = "step/complex_outer_product.wgsl";
const ENTRY_HERMITIAN: &str = "step/entry_hermitian.wgsl";
const ENTRY_COMPLEX: &str = "step/entry_complex.wgsl";
const OUTER2: &str = "step/rectangular_outer_product.wgsl";
const PRODUCT2: &str = "step/rectangular_gradient_product.wgsl";
/// The kernel of an iteration's own ops, which is written when a tape is loaded.
const ELEMENTS: &str = "generated/elementwise";
const ONE: &str = "rows/one_pass.wgsl";
const RESIDENT: &str = "rows/row_resident.wgsl";
const PORTABLE: &str = "rows/sum_portable.wgsl";
const SUBGROUP: &str = "rows/sum_subgroup.wgsl";
const TILED: &str = "rows/tiled.wgsl";
const QUADS: &str = "storage/quads_f32.wgsl";
const QUADS_HALF: &str = "storage/quads_f16.wgsl";
const HASH: &str = "lib/hash.wgsl";
const KEYS: &str = "storage/keys.wgsl";
const STAGED: &str = "storage/staged_keys.wgsl";
const SEEDED: &str = "storage/seeded.wgsl";
const QUADS_SEEDED: &str = "storage/quads_seeded.wgsl";
const SIGNS: &str = "storage/rademacher.wgsl";
const QUADS_SIGNS: &str = "storage/quads_rademacher.wgsl";

/// The kernel variant that a file is part of; the plainest for what all share.
fn variant(file: &str) -> Option<&'static str> {
    match file {
        file if thin::is_thin(file) => None,
        ONE | PORTABLE | QUADS | QUADS_HALF | QUADS_SEEDED | QUADS_SIGNS | REDUCE => Some("one-pass"),
        OUTER | OUTER2 | COMPLEX_OUTER => Some("one-pass"),
        RESIDENT => Some("row-resident"),
        SUBGROUP => Some("one-pass+subgroup"),
        TILED => Some("tiled"),
        _ => Some("two-kernel"),
    }
}

/// The operator whose kernels a mutation is part of. The weight beside the diagonal is 1 for all that store their rows.
fn operator(mutation: &Mutation) -> &'static str {
    match mutation.file {
        HASH | KEYS | STAGED | SEEDED | QUADS_SEEDED => "seeded",
        SIGNS | QUADS_SIGNS => "rademacher",
        _ if mutation.find.contains("OFF_DIAGONAL") => "seeded",
        _ => "dense",
    }
}

const MUTATIONS: &[(&str, Mutation)] = &[
    ("forward drops the last column", broken(TWO, "q < P; q += 256u", "q + 1u < P; q += 256u")),
    ("forward forgets the target", broken(TWO, " - observed[at]", "")),
    ("forward gives every trial the first one's sum", broken(TWO, "lane_get(sum, thread)", "lane_get(sum, 0u)")),
    ("forward skips a panel's last row", broken(TWO, "row < panel.rows &&", "row + 1u < panel.rows &&")),
    ("forward ignores where its panel begins", broken(TWO, "* M + panel.first + row", "* M + row")),
    ("forward takes one row for all of a workgroup", broken(TWO, "min(first + $ru,", "min(first,")),
    ("adjoint drops the last staged row", broken(TWO, "t < staged", "t + 1u < staged")),
    ("adjoint adds to a stale sum", broken(TWO, "panel.overwrite == 0u", "panel.overwrite < 2u")),
    ("adjoint overwrites earlier panels", broken(TWO, "panel.overwrite == 0u", "panel.overwrite == 2u")),
    ("adjoint ignores the weights", broken(TWO, "weight[row] * influence", "influence")),
    ("adjoint reads another panel's residuals", broken(TWO, "* M + panel.first + mine", "* M + mine")),
    ("adjoint mixes trials", broken(TWO, "r = lane_with(r, l,", "r = lane_with(r, 0u,")),
    ("the halves of a word are swapped", broken(HALF, "pair.x, pair.y", "pair.y, pair.x")),
    ("a row's scale is forgotten", broken(HALF, "return value * real", "return value + 0.0 * real")),
    ("a row's scale is another row's", broken(HALF, "data[start + ceil_div(P, 2u)]", "data[ceil_div(P, 2u)]")),
    (
        "the odd half at the end of a row is dropped",
        broken(HALF, "data[start + q / 2u]", "data[start + min(q, P - 2u) / 2u]"),
    ),
    ("the hash counts columns differently", broken(HASH, "q * 0x9e3779b9u", "q * 0x9e3779b1u")),
    ("the hash swaps row and column", broken(HASH, "q * 0x9e3779b9u + key.x", "key.x * 0x9e3779b9u + q")),
    ("the hash forgets half of a row's key", broken(HASH, "x ^= key.y;", "")),
    (
        "the hash takes another multiplier",
        broken(HASH, "x *= 0x21f0aaadu;\n    x ^= key.y", "x *= 0x21f0aaafu;\n    x ^= key.y"),
    ),
    ("a row's key lacks a round", broken(HASH, "a ^= mix_bits(b + SEED1 + 0x9e3779b9u);", "")),
    ("a row's key takes one word of the seed twice", broken(HASH, "mix_bits(b + SEED1)", "mix_bits(b + SEED0)")),
    ("a row's key ignores where its panel begins", broken(KEYS, "panel.first + row", "row")),
    ("rows that go together share a key", broken(STAGED, "return staged_keys[place]", "return staged_keys[0]")),
    ("the key of another row is staged", broken(STAGED, "= row_at(row)", "= row_at(row + 1u)")),
    ("one of four bytes is dropped", broken(SEEDED, "(h >> 8u) & 0x00ff00ffu", "(h >> 8u) & 0x000000ffu")),
    ("the sum of bytes is not centred", broken(SEEDED, "- 510", "- 511")),
    ("the sum of bytes is not scaled", broken(SEEDED, "value * SCALE", "value")),
    ("a number of a quad is its neighbour's", broken(QUADS_SEEDED, "stored(key, q + 3u)", "stored(key, q + 2u)")),
    ("signs are read from another word", broken(SIGNS, "q / 32u", "q / 16u")),
    ("a word of signs is not used up", broken(SIGNS, "(q % 32u)", "(q % 31u)")),
    ("signs are the other way", broken(SIGNS, "1.0 - 2.0 *", "2.0 *")),
    ("quads of signs overlap", broken(QUADS_SIGNS, "(c % 8u)", "(c % 4u)")),
    ("signs of a quad are reversed", broken(QUADS_SIGNS, "(0u, 1u, 2u, 3u)", "(3u, 2u, 1u, 0u)")),
    ("outer product forgets the weight beside the diagonal", broken(OUTER, "OFF_DIAGONAL * select", "select")),
    ("gradient product weights the diagonal", broken(ENTRY, "select(OFF_DIAGONAL, 1.0, i == j)", "OFF_DIAGONAL")),
    ("gradient product forgets the weight", broken(ENTRY, "select(OFF_DIAGONAL, 1.0, i == j)", "1.0")),
    ("outer product drops a column block", broken(OUTER, "first < K; first", "first + 16u <= K; first")),
    ("outer product forgets the factor 2", broken(OUTER, "2.0 * direct", "direct")),
    ("outer product takes L for R", broken(OUTER, "direct + crossed", "2.0 * direct")),
    ("outer product weights the diagonal", broken(OUTER, "direct, i == j", "direct, i > j")),
    ("reduce drops the last split", broken(REDUCE, "split < SPLITS; split += 8u", "split + 8u < SPLITS; split += 8u")),
    ("reduce reads one split again", broken(REDUCE, "sums[(split + 16u) * size + at]", "sums[split * size + at]")),
    ("reduce drops the last of its eight sums", broken(REDUCE, "h < 8u", "h < 7u")),
    ("outer product leaves its padding stale", broken(OUTER, "q < STRIDE", "q + 1u < STRIDE")),
    ("gradient product swaps an index", broken(PRODUCT, "b_block[t * 16u + local.x]", "b_block[local.x * 16u + t]")),
    ("gradient product drops the tail", broken(PRODUCT, "first < INNER; first", "first + 1u < INNER; first")),
    (
        "gradient product skips the last row",
        broken(
            PRODUCT,
            "if (i < RESULT_ROWS && c < RESULT_COLUMNS)",
            "if (i + 1u < RESULT_ROWS && c < RESULT_COLUMNS)",
        ),
    ),
    ("rectangular outer product drops a column block", broken(OUTER2, "first < K; first", "first + 16u <= K; first")),
    ("rectangular outer product takes L for R", broken(OUTER2, "base + (N1 + min(load_j", "base + (0u + min(load_j")),
    ("rectangular outer product swaps i and j", broken(OUTER2, "i * N2 + j", "j * N1 + i")),
    ("rectangular outer product skips the last column", broken(OUTER2, "i < N1 && j < N2", "i < N1 && j + 1u < N2")),
    ("rectangular gradient product drops the tail", broken(PRODUCT2, "first < length", "first + 1u < length")),
    ("rectangular gradient product takes W for V", broken(PRODUCT2, "other = select(N1, 0u", "other = select(0u, 0u")),
    ("rectangular gradient product takes V for W", broken(PRODUCT2, "other = select(N1, 0u", "other = select(N1, N1")),
    ("rectangular gradient product forgets to transpose", broken(PRODUCT2, "select(row, term, transposed)", "row")),
    ("rectangular gradient product writes R over L", broken(PRODUCT2, "own = select(0u, N1", "own = select(0u, 0u")),
    ("rectangular gradient product skips the last row", broken(PRODUCT2, "if (i < height", "if (i + 1u < height")),
    ("update forgets the ridge", broken(ELEMENTS, "let c0 = (b0[3u + trial] * real(1.0));", "let c0 = real(0.0);")),
    (
        "update takes another trial's ridge",
        broken(ELEMENTS, "(b0[3u + trial] * real(1.0))", "(b0[3u + slot] * real(1.0))"),
    ),
    ("update climbs", broken(ELEMENTS, "(real(-1.0) * b0[trial * 1u])", "(real(1.0) * b0[trial * 1u])")),
    ("update takes another trial's step", broken(ELEMENTS, "b0[trial * 1u]", "b0[slot]")),
    ("update moves frozen trials", broken(ELEMENTS, "let trial = slots[1u + slot]", "let trial = slot")),
    ("update skips the last entry", broken(ELEMENTS, "entry >= SIZE", "entry + 1u >= SIZE")),
    ("around a centre the factor 2 is forgotten", broken(ELEMENTS, "let c0 = real(2.0);", "let c0 = real(1.0);")),
    ("around a centre V is forgotten in the left factor", broken(ELEMENTS, "((c0 * v1) + v2)", "(c0 * v1)")),
    ("around a centre the adjoint is applied to V", broken(ELEMENTS, "let v4 = (v1 + v2);", "let v4 = v2;")),
    ("of signed columns the adjoint is applied to U", broken(ELEMENTS, "select(v5, -v5, column >= 2u)", "v5")),
    ("signed columns are not signed in the left factor", broken(ELEMENTS, "select(v3, -v3, column >= 2u)", "v3")),
    ("one column too many is signed", broken(ELEMENTS, "let column = (entry", "let column = 1u + (entry")),
    ("around a centre what the adjoint is applied to is stale", broken(ELEMENTS, "entry] = v4;", "entry] = 0.0;")),
    ("packed rows are off by one", broken("lib/packed.wgsl", "2u * N - a + 1u", "2u * N - a")),
    ("one-pass drops the rest of a row", broken(ONE, "rest + thread < QUADS", "rest + thread + 1u < QUADS")),
    ("one-pass multiplies with another quad", broken(ONE, "let x_$j = z[z_at + $ju * THREADS]", "let x_$j = z[z_at]")),
    ("one-pass adds to a stale sum", broken(ONE, "panel.overwrite == 0u", "panel.overwrite < 2u")),
    ("one-pass overwrites earlier panels", broken(ONE, "panel.overwrite == 0u", "panel.overwrite == 2u")),
    ("one-pass takes one row for all in flight", broken(ONE, "min(begin + $ru * SPLITS", "min(begin")),
    ("one-pass reads another row again", broken(ONE, "starts[$ru]", "starts[0]")),
    ("one-pass takes another row's factor", broken(ONE, "factors[$ru]", "factors[0]")),
    ("one-pass skips a panel's last row", broken(ONE, "mine < panel.rows", "mine + 1u < panel.rows")),
    ("one-pass adds the row past the end", broken(ONE, "var factor: real = 0.0;", "var factor: real = 1.0;")),
    ("one-pass ignores where its panel begins", broken(ONE, "* M + panel.first", "* M")),
    ("one-pass ignores the weights", broken(ONE, "w * influence", "influence")),
    ("one-pass mixes trials", broken(ONE, "let z_at = slot *", "let z_at = 0u *")),
    ("row-resident drops the rest of a row", broken(RESIDENT, "rest + thread < QUADS", "rest + thread + 1u < QUADS")),
    ("row-resident adds another quad", broken(RESIDENT, "fma(factor_$r, a_$r_$j,", "fma(factor_$r, a_$r_0,")),
    ("row-resident adds to a stale sum", broken(RESIDENT, "panel.overwrite == 0u", "panel.overwrite < 2u")),
    ("row-resident overwrites earlier panels", broken(RESIDENT, "panel.overwrite == 0u", "panel.overwrite == 2u")),
    ("row-resident forgets the target", broken(RESIDENT, " - y;", ";")),
    ("row-resident skips every other row", broken(RESIDENT, "begin += ROWS * SPLITS", "begin += 2u * ROWS * SPLITS")),
    ("row-resident mixes splits", broken(RESIDENT, "let sums_at = (split * count", "let sums_at = (0u * count")),
    ("the last sixteen shares of a sum are dropped", broken(PORTABLE, "t < THREADS", "t + 16u < THREADS")),
    ("one of sixteen sums is dropped", broken(PORTABLE, "g < 16u", "g < 15u")),
    ("rows in flight share their sum", broken(PORTABLE, "parts[r * THREADS + thread]", "parts[thread]")),
    ("the last subgroup's sum is dropped", broken(SUBGROUP, "s < subgroups", "s + 1u < subgroups")),
    ("subgroups overwrite each other", broken(SUBGROUP, "(THREADS / 4u) + subgroup]", "(THREADS / 4u)]")),
    ("a row is read from another quad", broken(QUADS, "start / 4u + c", "start / 4u")),
    (
        "the halves of a quad are swapped",
        broken(QUADS_HALF, "(words.x), unpack2x16float(second)", "(second), unpack2x16float(words.x)"),
    ),
    (
        "a quad row's scale is its neighbour's",
        broken(QUADS_HALF, "words.x, words.y, word % 2u == 1u", "words.y, words.x, word % 2u == 1u"),
    ),
    ("tiled forward drops the last columns", broken(TILED, "begin < P", "begin + DEPTH <= P")),
    ("tiled forward drops a group's sum", broken(TILED, "group == other", "group == 1u")),
    (
        "tiled forward swaps rows and columns",
        broken(TILED, "slab[column_$j * PITCH + row_$j]", "slab[row_$j * PITCH + column_$j]"),
    ),
    ("entries of a full gradient are transposed", broken(ENTRY2, "i * N2 + j", "j * N1 + i")),
    (
        "complex outer product drops a column block",
        broken(COMPLEX_OUTER, "first < K; first", "first + 16u <= K; first"),
    ),
    ("complex outer product forgets the conjugate", broken(COMPLEX_OUTER, "fma(-x, w,", "fma(x, w,")),
    (
        "complex outer product forgets imaginary parts",
        broken(COMPLEX_OUTER, "fma(x, v, fma(y, w, sum.real_part))", "fma(x, v, sum.real_part)"),
    ),
    ("complex outer product reads real parts twice", broken(COMPLEX_OUTER, "left[at_l + H1 * K]", "left[at_l]")),
    ("complex outer product takes L for R", broken(COMPLEX_OUTER, "RIGHT + min(load_r", "min(load_r")),
    (
        "complex outer product takes direct for crossed parts",
        broken(COMPLEX_OUTER, "first_j, first_i, local.xy, true", "first_i, first_j, local.xy, false"),
    ),
    ("complex outer product swaps the crossed thread", broken(COMPLEX_OUTER, "local.xy, true", "local.xy, false")),
    (
        "complex outer product adds antisymmetric parts",
        broken(COMPLEX_OUTER, "imaginary_part - crossed", "imaginary_part + crossed"),
    ),
    (
        "complex outer product forgets a weight beside the diagonal",
        broken(COMPLEX_OUTER, "OFF_DIAGONAL * (direct.imaginary_part", "(direct.imaginary_part"),
    ),
    (
        "complex outer product puts both halves above",
        broken(COMPLEX_OUTER, "put(slot, j * H1 + i", "put(slot, i * H1 + j"),
    ),
    (
        "complex outer product forgets the diagonal",
        broken(COMPLEX_OUTER, "if (i == j && j < H1)", "if (i == j && j + 1u < H1)"),
    ),
    (
        "complex outer product writes imaginary over real parts",
        broken(COMPLEX_OUTER, "H1 * H2 + i * H2 + j", "i * H2 + j + P - P"),
    ),
    ("complex outer product leaves its padding stale", broken(COMPLEX_OUTER, "q < STRIDE", "q + 1u < STRIDE")),
    (
        "Hermitian entries are symmetric in their imaginary parts",
        broken(ENTRY_HERMITIAN, "select(real(-1.0), real(1.0), lower == (a < b))", "real(1.0)"),
    ),
    ("the diagonal of a Hermitian matrix is not real", broken(ENTRY_HERMITIAN, ", 0.0, a == b)", ", 0.0, a > b + N)")),
    ("Hermitian entries forget the weight", broken(ENTRY_HERMITIAN, "select(OFF_DIAGONAL, 1.0, a == b)", "1.0")),
    (
        "Hermitian entries weight the diagonal",
        broken(ENTRY_HERMITIAN, "select(OFF_DIAGONAL, 1.0, a == b)", "OFF_DIAGONAL"),
    ),
    ("real forms of entries have no sign", broken(ENTRY_COMPLEX, "beside && !lower", "beside && lower && false")),
    ("real forms of entries are real", broken(ENTRY_COMPLEX, "H1 * H2, lower != beside", "0u, lower != beside")),
    ("tiled forward skips a panel's last row", broken(TILED, "row >= panel.rows", "row + 1u >= panel.rows")),
    ("tiled forward reads the first columns again", broken(TILED, "next + column_$j", "column_$j")),
    ("tiled adjoint reads a slab again", broken(TILED, "top = (block + (step + 1u)", "top = (block + step")),
    ("tiled forward mixes trials", broken(TILED, "sum[c]", "sum[0]")),
    ("tiled adjoint drops the last rows", broken(TILED, "* SPLITS) * BLOCK < end", "* SPLITS + 1u) * BLOCK <= end")),
    ("tiled adjoint counts other panels' rows", broken(TILED, " && top + height_$j < end", "")),
    ("tiled adjoint adds to a stale sum", broken(TILED, "panel.overwrite == 0u", "panel.overwrite < 2u")),
    ("tiled adjoint overwrites earlier panels", broken(TILED, "panel.overwrite == 0u", "panel.overwrite == 2u")),
    ("tiled adjoint ignores the weights", broken(TILED, "w_$j * influence", "influence")),
    (
        "tiled adjoint mixes trials",
        broken(TILED, "height_$j * TILE + (thread + $ju * THREADS) / HEIGHT]", "height_$j * TILE]"),
    ),
    ("half of a workgroup's sum is lost", broken("lib/workgroup_sum.wgsl", "width = 128u", "width = 64u")),
];

/// Random and integer matrices. Seventeen rows: one past a 16×16 block; 131 measurements in several panels. For variants
/// whose threads own quads of a row, 33 rows: two quads for every thread of 64 and some left; 251 measurements: 31 partial
/// sums, for every branch of the reduction.
fn instances(operator: &str, file: &str, forced: bool) -> Vec<Box<dyn Operator>> {
    if thin::is_thin(file) {
        return thin::instances(file);
    }
    let registered = REGISTRY.iter().find(|r| r.name == operator).unwrap();
    let wanted = match file {
        HALF | QUADS_HALF => "f16",
        COMPLEX_OUTER | ENTRY_HERMITIAN | ENTRY_COMPLEX => "complex",
        _ => "",
    };
    let variant = registered.variants.iter().find(|v| v.name == wanted);
    let (random, integers) = variant.map_or((registered.random, registered.integers), |v| (v.random, v.integers));
    let (n, m) = if forced { (33, 251) } else { (17, 131) };
    let (symmetric, rectangular) = (Domain::symmetric(n), Domain::rectangular(n, n + 4));
    let domains = match file {
        COMPLEX_OUTER => vec![symmetric, rectangular],
        OUTER2 | PRODUCT2 | ENTRY2 | ENTRY_COMPLEX => vec![rectangular],
        _ => vec![symmetric],
    };
    let both = domains.into_iter().flat_map(|domain| [(random, domain), (integers, domain)]);
    both.map(|(make, domain)| make(domain, m, 5).unwrap()).collect()
}

/// The laws that break, one after the other, in small panels and in one.
fn violations(
    device: &Device,
    variant: Option<&str>,
    mutations: &[Mutation],
    file: &str,
) -> impl Iterator<Item = String> + use<> {
    let operator = mutations.first().map_or("dense", operator);
    let operators: Arc<[_]> = instances(operator, file, variant.is_some()).into();
    let small = (Place::adapter(device).into_iter())
        .find(|place| place.precision == Precision::F32 && place.options.panel_bytes.is_some())
        .expect("the small-panel place");
    let mut places = [small.clone(), small];
    for place in &mut places {
        place.variant = variant.map(str::to_owned);
        place.options.mutations = mutations.to_vec();
    }
    places[1].options.panel_bytes = None;
    places.into_iter().flat_map(move |place| {
        let operators = operators.clone();
        (0..operators.len()).flat_map(move |at| {
            let (operators, place) = (operators.clone(), place.clone());
            let domain = operators[at].domain();
            ENGINE_LAWS.iter().filter(move |law| law.concerns(domain)).filter_map(move |law| {
                law.check(&*operators[at], &place).err().map(|why| format!("{}: {why}", law.name))
            })
        })
    })
}

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut trials = Vec::new();
    // One adapter is enough: the question is what the laws see, not what the driver does.
    if let Some(device) = crate::common::devices().into_iter().next() {
        let subgroups = device.has_subgroups();
        let sound = device.clone();
        trials.push(Trial::test("the kernels as they are break no law", move || {
            let portable = [Some("two-kernel"), Some("one-pass"), Some("row-resident"), Some("tiled")];
            let variants = portable.into_iter().chain(subgroups.then_some(Some("one-pass+subgroup")));
            let rows = variants.flat_map(|variant| violations(&sound, variant, &[], ""));
            let files = [thin::VECTORS, thin::MEAN, thin::GATHER, thin::PATTERNS_ADJOINT];
            let found: Vec<String> =
                rows.chain(files.iter().flat_map(|file| violations(&sound, None, &[], file))).collect();
            if found.is_empty() { Ok(()) } else { Err(Failed::from(found.join("\n"))) }
        }));
        for &(name, mutation) in MUTATIONS.iter().chain(thin::MUTATIONS) {
            let device = device.clone();
            let trial = Trial::test(name, move || {
                // What is generated is not part of what every law loads.
                let mut violations = violations(&device, variant(mutation.file), &[mutation], mutation.file);
                match violations.find(|why| !why.contains("no module contains this file")) {
                    // A patch that does not apply or does not compile proves nothing.
                    Some(why) if why.contains("mutation") || why.contains("compil") => Err(Failed::from(why)),
                    Some(_) => Ok(()),
                    None => Err("no law noticed".into()),
                }
            });
            trials.push(trial.with_ignored_flag(mutation.file == SUBGROUP && !subgroups));
        }
    }
    trials.extend(crate::common::missing_adapter("mutations"));
    trials
}
