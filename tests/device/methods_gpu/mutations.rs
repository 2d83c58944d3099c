//! Broken copies of the kernels behind a gradient: every one must be noticed. Those of a kind of op, whatever the method, are in
//! `tests/gpu_tape`.

use libtest_mimic::{Failed, Trial};
use lowrank::Precision;
use lowrank::gpu::Device;
use lowrank::internals::gpu::{Mutation, Options};
use lowrank::problem::Domain;

use crate::methods_gpu::case::{Case, Model, recipe, registered};
use crate::methods_gpu::laws::{capped, compared, restarting, tall};

const fn broken(file: &'static str, find: &'static str, replace: &'static str) -> Mutation {
    Mutation { file, find, replace }
}

const ELEMENTS: &str = "generated/elementwise";
const MEASURED: &str = "generated/measured";
const FORMULAS: &str = "generated/formulas";
const DAMPING: &str = "generated/damping";
const CHOLESKY: &str = "ops/cholesky.wgsl";
const PRECONDITION: &str = "ops/precondition.wgsl";
const MEAN: &str = "ops/mean.wgsl";
const GROUP: &str = "lib/group.wgsl";

type Broken = (&'static str, Mutation, &'static [(&'static str, &'static str)]);

/// What is broken, and the methods and problems of which one must notice it.
const MUTATIONS: &[Broken] = &[
    ("energy ignores the weights", broken(MEASURED, "fma(v1, rho(v2)", "fma(1.0, rho(v2)"), &[("prec-gd", "two")]),
    (
        "energy is another trial's",
        broken(MEASURED, "let trial = slots[1u + slot];", "let trial = slots[1u];"),
        &[("gd-polyak-1", "two")],
    ),
    (
        "energy forgets the group",
        broken(MEASURED, "let first = group_first() +", "let first = 0u +"),
        &[("everything", "psd")],
    ),
    ("the mean ignores the weights", broken(MEAN, "fma(w, residual", "fma(1.0, residual"), &[("gd", "centred")]),
    ("signed columns are not signed", broken(ELEMENTS, "select(v2, -v2, column >= 2u)", "v2"), &[("gd", "signed")]),
    ("damping ignores the residual", broken(DAMPING, "root(", "0.5 * root("), &[("prec-gd", "two")]),
    ("damping takes E for 2E", broken(DAMPING, "real(2.0)", "real(1.0)"), &[("prec-gd", "psd"), ("cg", "psd")]),
    (
        "cholesky drops the last share",
        broken(CHOLESKY, "share < GRAM_SHARES", "share + 1u < GRAM_SHARES"),
        &[("prec-gd", "tall"), ("prec-gd", "tall with one factor")],
    ),
    (
        "cholesky reduces by another column",
        broken(CHOLESKY, "triangles[base + l * K + j]", "triangles[base + i * K + j]"),
        &[("prec-gd", "two")],
    ),
    (
        "precondition forgets blocks behind",
        broken(PRECONDITION, "behind < column_blocks", "behind + 1u < column_blocks"),
        &[("prec-gd", "wide")],
    ),
    (
        "precondition skips the last row",
        broken(
            PRECONDITION,
            "if (row < height && c < K) {\n            scaled[at + c] = sum;\n        }\n        storageBarrier();\n        workgroupBarrier();\n    }\n    for",
            "if (row + 1u < height && c < K) {\n            scaled[at + c] = sum;\n        }\n        storageBarrier();\n        workgroupBarrier();\n    }\n    for",
        ),
        &[("scaled-gd", "two")],
    ),
    (
        "precondition takes another trial's triangle",
        broken(PRECONDITION, "let base = (slot * SIDES", "let base = (0u * SIDES"),
        &[("scaled-gd", "psd")],
    ),
    (
        "polyak forgets the half of one factor",
        broken(FORMULAS, "(sums[0u] * real(0.5))", "(sums[0u] * real(1.0))"),
        &[("gd-polyak-1", "psd")],
    ),
    (
        "polyak forgets the optimal loss",
        broken(FORMULAS, "- b0[3u + trial])", "- real(0.0))"),
        &[("gd-polyak-1", "psd")],
    ),
    ("polyak forgets the scale", broken(FORMULAS, "* b0[6u + trial])", "* real(1.0))"), &[("gd-polyak-1", "psd")]),
    (
        "polyak does not stop at the optimum",
        broken(
            FORMULAS,
            "max(((sums[0u] * real(0.5)) - b0[3u + trial]), real(0.0))",
            "((sums[0u] * real(0.5)) - b0[3u + trial])",
        ),
        &[("gd-polyak-1", "below")],
    ),
    (
        "polyak is not the base of later steps",
        broken(FORMULAS, "let f1 = f0;", "let f1 = b0[3u + trial];"),
        &[("l1-geometric", "psd"), ("huber-geometric", "psd")],
    ),
    (
        "polyak takes another trial's sums",
        broken(FORMULAS, "b1[(0u + trial) * 64u", "b1[(0u + slots[1u]) * 64u"),
        &[("gd-polyak-1", "psd")],
    ),
    (
        "polyak is not capped",
        broken(FORMULAS, "sums[128u])) * real(0.5)", "sums[128u])) * real(1000000.0)"),
        &[("gd-optimal", "capped")],
    ),
    (
        "polyak is capped by the length of the gradient",
        broken(FORMULAS, "quotient(sums[192u], sums[128u])", "quotient(sums[192u], sums[64u])"),
        &[("scaled-gd-polyak", "capped")],
    ),
    (
        "polyak forgets the centre",
        broken(ELEMENTS, "sum_2 = fma(v2, v2, sum_2)", "sum_2 = fma(v1, v1, sum_2)"),
        &[("gd-optimal", "capped around")],
    ),
    (
        "the centre is forgotten",
        broken(ELEMENTS, "let v4 = (v1 + v2);", "let v4 = v2;"),
        &[("prec-gd", "around"), ("gd", "around")],
    ),
    (
        "the ridge is forgotten",
        broken(ELEMENTS, "(b0[3u + trial] * real(1.0))", "real(0.0)"),
        &[("prec-gd", "two"), ("gd", "two")],
    ),
    (
        "the ridge is another trial's",
        broken(ELEMENTS, "(b0[3u + trial] * real(1.0))", "(b0[3u + slots[1u]] * real(1.0))"),
        &[("scaled-gd", "two")],
    ),
    ("the pace stands still", broken(FORMULAS, " * real(0.9))", ")"), &[("gd-decay", "psd")]),
    (
        "momentum takes another trial's step",
        broken(ELEMENTS, "b0[trial * 1u]", "b0[slots[1u]]"),
        &[("momentum", "two")],
    ),
    ("momentum goes back", broken(ELEMENTS, "let v6 = (v4 - v5);", "let v6 = (v5 - v4);"), &[("momentum", "two")]),
    (
        "momentum never restarts",
        broken(FORMULAS, "less(real(0.0), sums[0u])", "less(real(1e30), sums[0u])"),
        &[("momentum", "restarting")],
    ),
    ("momentum does not count", broken(FORMULAS, "let f2 = (f0 + real(1.0));", "let f2 = f0;"), &[("momentum", "two")]),
    (
        "momentum counts another trial's",
        broken(FORMULAS, "b0[6u + trial] = f2;", "b0[6u + slots[1u]] = f2;"),
        &[("momentum", "two")],
    ),
    (
        "momentum takes another quotient",
        broken(FORMULAS, "(f0 + real(3.0))", "(f0 + real(2.0))"),
        &[("momentum", "two")],
    ),
    ("momentum remembers the extrapolated", broken(ELEMENTS, "let v4 = v1;", "let v4 = v3;"), &[("momentum", "two")]),
    (
        "momentum takes another trial's beta",
        broken(ELEMENTS, "let c0 = b0[12u + trial];", "let c0 = b0[12u + slots[1u]];"),
        &[("momentum", "restarting with a ridge"), ("momentum", "restarting")],
    ),
    (
        "a group begins early where it is asked",
        broken(GROUP, "i >= group.first", "i + 1u >= group.first"),
        &[("sgd", "centred"), ("everything", "entries")],
    ),
    (
        "the mean of a group goes on",
        broken(GROUP, "return group.end;", "return M;"),
        &[("sgd", "centred"), ("everything", "entries")],
    ),
    (
        "exact steps forget the curvature",
        broken(FORMULAS, " + sums[128u]) * real(0.5)", ") * real(0.5)"),
        &[("cg", "psd")],
    ),
    (
        "exact steps mix their sums",
        broken(MEASURED, "fma(v1 * v4, v3, sum_3)", "fma(v1 * v4, v4, sum_3)"),
        &[("gd-exact", "psd")],
    ),
    ("cg forgets the last slope", broken(FORMULAS, "(sums[0u] - sums[64u])", "sums[0u]"), &[("cg", "psd")]),
    ("cg climbs", broken(ELEMENTS, "((c0 * v1) - v2)", "((c0 * v1) + v2)"), &[("cg", "psd")]),
    ("armijo takes what is refused", broken(ELEMENTS, "select(v3, v2, c0 != 0.0)", "v2"), &[("gd-armijo", "too far")]),
    (
        "armijo keeps the residual of before",
        broken(MEASURED, "select(v3, v2, c0 != 0.0)", "v3"),
        &[("gd-armijo", "two")],
    ),
    (
        "armijo does not halve",
        broken(FORMULAS, "(b0[9u + trial] * real(0.5)),", "(b0[9u + trial] * real(1.0)),"),
        &[("gd-armijo", "too far")],
    ),
    (
        "armijo does not double",
        broken(FORMULAS, "(b0[9u + trial] * real(2.0)),", "(b0[9u + trial] * real(1.0)),"),
        &[("gd-armijo", "two")],
    ),
];

fn case(named: &str, place: &str) -> Case {
    let new = |operator: &str, model, sizes| Case::new(operator, model, sizes, named);
    match place {
        "two" => new("dense:two-kernel", Model::Asymmetric, [11, 60, 3, 3]),
        "wide" => new("dense:two-kernel", Model::Asymmetric, [37, 90, 35, 2]),
        "around" => new("dense:two-kernel", Model::Centred, [11, 60, 3, 2]),
        "signed" => new("dense:two-kernel", Model::Signed, [11, 60, 3, 3]),
        "centred" => new("vectors-centred", Model::Psd, [11, 60, 3, 3]),
        "entries" => new("entries", Model::Psd, [11, 60, 3, 3]),
        "tall" => tall(named),
        "tall with one factor" => {
            let operator = registered("entries", Domain::symmetric(2500), 300);
            Case::with(operator, Model::Psd, (2, 2), recipe(named))
        }
        "capped" => capped(named, Model::Psd),
        "capped around" => capped(named, Model::Centred),
        "restarting" => restarting(),
        "restarting with a ridge" => {
            let mut case = new("dense:two-kernel", Model::Asymmetric, [7, 60, 2, 3]);
            case.steps.iter_mut().for_each(|step| *step *= 10.0);
            case
        }
        "below" => {
            let mut case = new("dense:two-kernel", Model::Psd, [11, 60, 3, 3]);
            case.optimal[1] = 1e9;
            case
        }
        "too far" => {
            let mut case = new("dense:two-kernel", Model::Asymmetric, [11, 60, 3, 3]);
            case.steps.iter_mut().for_each(|step| *step *= 1e3);
            case
        }
        _ => new("dense:two-kernel", Model::Psd, [11, 60, 3, 3]),
    }
}

pub fn trials(device: &Device) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, mutation, places) in MUTATIONS {
        let device = device.clone();
        trials.push(Trial::test(format!("mutation: {name} [{}]", device.name()), move || {
            let options = Options { mutations: vec![mutation], precision: Precision::F32, ..Options::default() };
            let device = crate::common::own(&device);
            for (named, place) in places {
                let Err(why) = compared(&case(named, place), &device, &options) else { continue };
                let why = why.message().unwrap_or_default().to_owned();
                // A patch that does not apply or does not compile proves nothing.
                let proves = !why.contains("mutation") && !why.contains("compil");
                return if proves { Ok(()) } else { Err(Failed::from(why)) };
            }
            Err("nothing noticed".into())
        }));
    }
    let device = device.clone();
    trials.push(Trial::test("the kernels as they are agree where mutations are looked for", move || {
        let mut places: Vec<(&str, &str)> =
            MUTATIONS.iter().flat_map(|(_, _, places)| places.iter().copied()).collect();
        places.sort_unstable();
        places.dedup();
        for (named, place) in places {
            compared(&case(named, place), &device, &Options::default())
                .map_err(|e| format!("{place}: {}", e.message().unwrap_or("?")))?;
        }
        Ok(())
    }));
    trials
}
