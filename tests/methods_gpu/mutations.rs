//! Broken copies of the kernels behind a gradient: every one must be noticed.

use libtest_mimic::{Failed, Trial};
use lowrank::gpu::{Device, Mutation, Options};

use crate::case::{Case, Model};
use crate::laws::compared;

const fn broken(file: &'static str, find: &'static str, replace: &'static str) -> Mutation {
    Mutation { file, find, replace }
}

const ENERGY: &str = "step/energy.wgsl";
const GRAM: &str = "step/gram.wgsl";
const CHOLESKY: &str = "step/cholesky.wgsl";
const PRECONDITION: &str = "step/precondition.wgsl";
const SLOPE: &str = "step/slope.wgsl";
const POLYAK: &str = "step/polyak.wgsl";
const PACE: &str = "step/pace.wgsl";
const ACCELERATE: &str = "step/accelerate.wgsl";
const RESTART: &str = "step/restart.wgsl";
const EXTRAPOLATE: &str = "step/extrapolate.wgsl";
const GROUP: &str = "lib/group.wgsl";

const MUTATIONS: &[(&str, Mutation)] = &[
    ("energy ignores the weights", broken(ENERGY, "fma(w, rho", "fma(1.0, rho")),
    (
        "energy drops the last measurement",
        broken(ENERGY, "min(first + stretch, group_end())", "min(first + stretch, group_end() - 1u)"),
    ),
    ("energy is another trial's", broken(ENERGY, "slots[1u + slot] * M", "slots[1u] * M")),
    ("energy is not about the mean", broken(ENERGY, "residual[base + i] - centre", "residual[base + i]")),
    ("energy forgets the group", broken(ENERGY, "let first = group_first() +", "let first = 0u +")),
    ("energy loses half of its threads", broken(ENERGY, "width = 128u", "width = 2u")),
    ("gram drops the last rows", broken(GRAM, "first < end; first", "first + 16u <= end; first")),
    ("gram takes L for R", broken(GRAM, "!SYMMETRIC && side == 0u", "!SYMMETRIC && side == 1u")),
    ("gram forgets the centre", broken(GRAM, "centre[at_j] + factor[at_j]", "factor[at_j]")),
    ("gram takes another trial's factor", broken(GRAM, "slots[1u + slot] * N", "slots[1u] * N")),
    (
        "gram mixes blocks",
        broken(GRAM, "block_j * 16u + local.x;\n    let begin", "block_i * 16u + local.x;\n    let begin"),
    ),
    ("cholesky forgets the damping", broken(CHOLESKY, "+= lambda", "+= 0.0 * lambda")),
    ("cholesky ignores the residual", broken(CHOLESKY, "fma(numbers.y, sqrt(2.0 * sums[0]), damping)", "damping")),
    ("cholesky takes E for 2E", broken(CHOLESKY, "sqrt(2.0 * sums[0])", "sqrt(sums[0])")),
    ("cholesky takes another trial's damping", broken(CHOLESKY, "tuning[trial]", "tuning[slots[1u]]")),
    ("cholesky drops the last share", broken(CHOLESKY, "share < GRAM_SHARES", "share + 1u < GRAM_SHARES")),
    ("cholesky has no least damping", broken(CHOLESKY, "max(damping, least)", "damping")),
    ("cholesky does not reduce the last column", broken(CHOLESKY, "top < K; top", "top + 1u < K; top")),
    (
        "cholesky reduces by another column",
        broken(CHOLESKY, "triangles[base + l * K + j]", "triangles[base + i * K + j]"),
    ),
    ("cholesky does not take roots", broken(CHOLESKY, "sqrt(max(", "(max(")),
    ("precondition forgets finished blocks", broken(PRECONDITION, "before < b; before", "before + 1u < b; before")),
    (
        "precondition forgets blocks behind",
        broken(PRECONDITION, "behind < column_blocks", "behind + 1u < column_blocks"),
    ),
    ("precondition goes forward only", broken(PRECONDITION, "reverse < column_blocks", "reverse < 0u")),
    (
        "precondition swaps the sides",
        broken(PRECONDITION, "(slot * SIDES + side) * K * K", "(slot * SIDES + SIDES - 1u - side) * K * K"),
    ),
    (
        "precondition skips the last row",
        broken(
            PRECONDITION,
            "if (row < height && c < K) {\n            scaled[at + c] = sum;\n        }\n        storageBarrier();\n        workgroupBarrier();\n    }\n    for",
            "if (row + 1u < height && c < K) {\n            scaled[at + c] = sum;\n        }\n        storageBarrier();\n        workgroupBarrier();\n    }\n    for",
        ),
    ),
    ("precondition counts once a block", broken(PRECONDITION, "block == 0u && thread == 0u", "thread == 0u")),
    (
        "precondition takes another trial's triangle",
        broken(PRECONDITION, "let base = (slot * SIDES", "let base = (0u * SIDES"),
    ),
    ("slope takes the direction twice", broken(SLOPE, "(gradient[base + entry], d", "(d, d")),
    ("slope drops the last entry", broken(SLOPE, "min(first + stretch, N * K)", "min(first + stretch, N * K - 1u)")),
    ("polyak forgets the half of one factor", broken(POLYAK, "share = 0.5", "share = 1.0")),
    ("polyak forgets the optimal loss", broken(POLYAK, "-numbers.z", "0.0")),
    ("polyak forgets the scale", broken(POLYAK, "numbers.w * above", "above")),
    (
        "polyak does not stop at the optimum",
        broken(POLYAK, "max(fma(share, sums[0].x, -numbers.z), 0.0)", "fma(share, sums[0].x, -numbers.z)"),
    ),
    ("polyak is not the base of later steps", broken(POLYAK, "base_steps[trial] = GRADIENT_SCALE * step;", "")),
    ("polyak's base is not scaled", broken(POLYAK, "GRADIENT_SCALE * step", "step")),
    ("polyak takes another trial's sums", broken(POLYAK, "slopes[part]", "slopes[thread]")),
    ("polyak is not capped", broken(POLYAK, "0.5 * sqrt", "1e6 * sqrt")),
    (
        "polyak takes the length of the gradient",
        broken(SLOPE, "gradient[base + entry], d, u", "gradient[base + entry], gradient[base + entry], u"),
    ),
    ("polyak forgets the centre", broken(SLOPE, "centre[base + entry] + factor", "factor")),
    ("the ridge is forgotten", broken(CHOLESKY, "GRADIENT_SCALE * shrink[trial]", "0.0 * shrink[trial]")),
    (
        "the ridge is another trial's",
        broken(CHOLESKY, "GRADIENT_SCALE * shrink[trial]", "GRADIENT_SCALE * shrink[slots[1u]]"),
    ),
    ("pace stands still", broken(PACE, "turn[0] = row + 1u", "turn[0] = row")),
    ("pace takes another trial's power", broken(PACE, "powers[row * BATCH + trial]", "powers[row * BATCH]")),
    ("accelerate forgets the ridge", broken(ACCELERATE, "fma(-shrink[trial], factor[at], factor[at])", "factor[at]")),
    ("accelerate takes another trial's step", broken(ACCELERATE, "-step_sizes[trial]", "-step_sizes[slots[1u]]")),
    ("accelerate never climbs", broken(ACCELERATE, "fma(d, u - previous[at], sum)", "sum - 1.0")),
    (
        "accelerate drops the last entry",
        broken(ACCELERATE, "min(first + stretch, N * K)", "min(first + stretch, N * K - 1u)"),
    ),
    ("accelerate takes the sign the other way", broken(ACCELERATE, "u - previous[at]", "previous[at] - u")),
    ("restart does not count", broken(RESTART, "j + 1u", "j")),
    ("restart counts another trial's", broken(RESTART, "since[trial] = j", "since[slots[1u]] = j")),
    ("restart takes another quotient", broken(RESTART, "(real(j) + 3.0)", "(real(j) + 2.0)")),
    ("extrapolate remembers the extrapolated", broken(EXTRAPOLATE, "previous[at] = u;", "previous[at] = factor[at];")),
    ("extrapolate forgets", broken(EXTRAPOLATE, "previous[at] = u;", "")),
    ("extrapolate takes another trial's beta", broken(EXTRAPOLATE, "betas[trial]", "betas[slots[1u]]")),
    ("a group ends late", broken(GROUP, "i < group.end", "i <= group.end")),
    ("a group begins early", broken(GROUP, "i >= group.first", "i + 1u >= group.first")),
    ("the mean of a group goes on", broken(GROUP, "return group.end;", "return M;")),
];

/// Where a mutation has to show itself: on something that its file is part of.
fn cases(file: &str) -> Vec<Case> {
    let psd = |named: &str, operator: &str| Case::new(operator, Model::Psd, [11, 60, 3, 3], named);
    let two = |named: &str| Case::new("dense", Model::Asymmetric, [11, 60, 3, 3], named);
    let wide = |named: &str| Case::new("dense", Model::Asymmetric, [37, 90, 35, 2], named);
    let around = |named: &str| Case::new("dense", Model::Centred, [11, 60, 3, 2], named);
    let long = Case::new("dense", Model::Psd, [7, 300, 2, 2], "gd-polyak-1");
    match file {
        ENERGY => vec![two("gd-polyak-1"), psd("prec-gd", "vectors-centred"), psd("everything", "dense"), long],
        GRAM | CHOLESKY | PRECONDITION => {
            let mut singular = Case::new("dense", Model::Psd, [5, 40, 11, 3], "prec-gd");
            singular.tuning.iter_mut().for_each(|t| (t.damping, t.damping_factor) = (0.0, 0.0));
            let tall = crate::laws::tall("prec-gd");
            vec![two("prec-gd"), wide("prec-gd"), around("prec-gd"), tall, singular]
        }
        SLOPE => {
            let capped = [Model::Centred, Model::Psd].map(|model| crate::laws::capped("scaled-gd-polyak", model));
            [psd("scaled-gd-polyak", "dense"), psd("gd-polyak-1", "dense")].into_iter().chain(capped).collect()
        }
        POLYAK => {
            let mut below = psd("gd-polyak-1", "dense");
            below.tuning[1].optimal = 1e9;
            vec![
                psd("gd-polyak-1", "dense"),
                psd("sgd-first", "dense"),
                psd("l1-geometric", "dense"),
                below,
                crate::laws::capped("gd-polyak-3", Model::Psd),
            ]
        }
        PACE => vec![psd("gd-decay", "dense")],
        GROUP => vec![psd("sgd", "vectors-centred"), psd("everything", "entries")],
        _ => {
            vec![two("momentum"), crate::laws::restarting()]
        }
    }
}

pub fn trials(device: &Device) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, mutation) in MUTATIONS {
        let device = device.clone();
        trials.push(Trial::test(format!("mutation: {name} [{}]", device.name()), move || {
            let options = Options { mutations: vec![mutation], ..Options::default() };
            for case in cases(mutation.file) {
                let Err(why) = compared(&case, &device, &options) else { continue };
                let why = why.message().unwrap_or_default().to_owned();
                // A patch that does not apply or does not compile proves nothing.
                let proves = !why.contains("mutation") && !why.contains("compil");
                return if proves { Ok(()) } else { Err(Failed::from(why)) };
            }
            Err("nothing noticed".into())
        }));
    }
    let files = MUTATIONS.iter().map(|(_, mutation)| mutation.file);
    let mut files: Vec<&str> = files.collect();
    files.dedup();
    let device = device.clone();
    trials.push(Trial::test("the kernels as they are agree where mutations are looked for", move || {
        for case in files.iter().flat_map(|file| cases(file)).filter(|case| case.tuning[0].damping > 0.0) {
            compared(&case, &device, &Options::default())?;
        }
        Ok(())
    }));
    trials
}
