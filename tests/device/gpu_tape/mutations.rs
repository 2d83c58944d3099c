//! Broken copies of the kernels of ops: every one must be noticed.

use libtest_mimic::{Failed, Trial};
use lowrank::gpu::Device;
use lowrank::internals::gpu::{Mutation, Options};

use crate::gpu_tape::programs::{Model, recipe};
use crate::gpu_tape::{Case, agrees};

const fn broken(file: &'static str, find: &'static str, replace: &'static str) -> Mutation {
    Mutation { file, find, replace }
}

const ELEMENTS: &str = "generated/elementwise";
const MEASURED: &str = "generated/measured";
const FORMULAS: &str = "generated/formulas";
const COPY: &str = "generated/copy";
const PRODUCT: &str = "ops/product.wgsl";
const GRAM: &str = "ops/gram.wgsl";
const CHOLESKY: &str = "ops/cholesky.wgsl";
const PRECONDITION: &str = "ops/precondition.wgsl";
const MEAN: &str = "ops/mean.wgsl";
const WEIGH: &str = "ops/weigh.wgsl";
const SCALAR: &str = "lib/scalar.wgsl";
const GROUP: &str = "lib/group.wgsl";
const CLIP: &str = "lib/clip.wgsl";
const LABEL_NOISE: &str = "lib/label_noise.wgsl";

/// What is broken, and the recipes and operators of which one must notice it.
type Broken = (&'static str, Mutation, &'static [(&'static str, &'static str)]);

const MUTATIONS: &[Broken] = &[
    ("noise is the same in every turn", broken(LABEL_NOISE, "row_key(turn)", "row_key(0u)"), &[("perturbed", "dense")]),
    (
        "noise is the same in every trial",
        broken(LABEL_NOISE, "row_key(stream | 0x80000000u)", "row_key(stream & 0u)"),
        &[("perturbed", "dense")],
    ),
    ("noise has a mean", broken(LABEL_NOISE, "- 1020", "- 1000"), &[("perturbed", "dense")]),
    ("nothing is raised to a bound", broken(CLIP, "x < bound", "x < x"), &[("bounded", "dense")]),
    (
        "nothing is lowered to a bound",
        broken(CLIP, "x > bound", "x > x"),
        &[("bounded", "dense"), ("bounded", "entries")],
    ),
    ("elements drop the last one", broken(ELEMENTS, "entry >= SIZE", "entry + 1u >= SIZE"), &[("gd", "dense")]),
    (
        "elements are another trial's",
        broken(ELEMENTS, "let trial = slots[1u + slot];", "let trial = slots[1u];"),
        &[("gd", "dense")],
    ),
    (
        "dots drop the last entry",
        broken(ELEMENTS, "0u + (SIZE))", "0u + (SIZE) - 1u)"),
        &[("momentum", "dense"), ("polyak", "dense")],
    ),
    ("dots lose threads", broken(ELEMENTS, "width = 128u", "width = 2u"), &[("polyak", "wide")]),
    (
        "dots are of another part",
        broken(ELEMENTS, "* 64u + index % 64u", "* 64u"),
        &[("momentum", "dense"), ("sums", "dense")],
    ),
    (
        "measured sums lose the last one",
        broken(
            MEASURED,
            "group_first() + (group_end() - group_first()))",
            "group_first() + (group_end() - group_first()) - 1u)",
        ),
        &[("polyak", "dense")],
    ),
    ("measured sums lose threads", broken(MEASURED, "width = 128u", "width = 2u"), &[("polyak", "long")]),
    (
        "measured sums are not about the mean",
        broken(MEASURED, "halves[0].x / halves[0].y", "0.0"),
        &[("polyak", "centred"), ("polyak", "centred")],
    ),
    ("formulas lose half of the parts", broken(FORMULAS, "width = 32u", "width = 16u"), &[("polyak", "dense")]),
    (
        "formulas are another trial's",
        broken(FORMULAS, "let trial = slots[1u + slot];", "let trial = slots[1u];"),
        &[("decaying", "dense")],
    ),
    ("copies go to another lane", broken(COPY, "let lane = at %", "let lane = 1u - at %"), &[("lanes", "dense")]),
    ("copies are another trial's", broken(COPY, "let trial = at / 2u;", "let trial = 0u * at;"), &[("lanes", "dense")]),
    (
        "given numbers are of another sign",
        broken(COPY, "0.0 - b", "b"),
        &[("given", "dense"), ("given beside", "dense")],
    ),
    ("products drop the last term", broken(PRODUCT, "t_of_a < INNER", "t_of_a + 1u < INNER"), &[("products", "dense")]),
    (
        "products drop the last row",
        broken(PRODUCT, "i < RESULT_ROWS && c < RESULT_COLUMNS", "i + 1u < RESULT_ROWS && c < RESULT_COLUMNS"),
        &[("products", "dense")],
    ),
    (
        "products forget other blocks of terms",
        broken(PRODUCT, "first < INNER; first", "first < 16u; first"),
        &[("products", "wide")],
    ),
    (
        "gram drops the last rows",
        broken(GRAM, "first < end; first", "first + 16u <= end; first"),
        &[("preconditioned", "dense")],
    ),
    (
        "gram takes another trial's factor",
        broken(GRAM, "slots[1u + slot] * V_SIZE", "slots[1u] * V_SIZE"),
        &[("preconditioned", "dense")],
    ),
    (
        "gram takes the other block",
        broken(GRAM, "+ v_at(side)", "+ v_at(SIDES - 1u - side)"),
        &[("preconditioned", "two")],
    ),
    (
        "gram mixes blocks",
        broken(GRAM, "block_j * 16u + local.x;\n    let begin", "block_i * 16u + local.x;\n    let begin"),
        &[("preconditioned", "wide")],
    ),
    ("cholesky forgets the damping", broken(CHOLESKY, "+= lambda", "+= 0.0 * lambda"), &[("preconditioned", "dense")]),
    (
        "cholesky takes another trial's damping",
        broken(CHOLESKY, "let damping = damping_of(trial)", "let damping = damping_of(slots[1u])"),
        &[("preconditioned", "dense")],
    ),
    (
        "cholesky adds another trial's sums",
        broken(CHOLESKY, "add_sums(trial, thread)", "add_sums(slots[1u], thread)"),
        &[("preconditioned", "dense")],
    ),
    ("cholesky has no least damping", broken(CHOLESKY, "max(damping, least)", "damping"), &[("undamped", "dense")]),
    (
        "cholesky does not reduce the last column",
        broken(CHOLESKY, "top < K; top", "top + 1u < K; top"),
        &[("undamped", "dense"), ("preconditioned", "dense")],
    ),
    ("cholesky does not take roots", broken(CHOLESKY, "sqrt(max(", "(max("), &[("preconditioned", "dense")]),
    (
        "precondition forgets finished blocks",
        broken(PRECONDITION, "before < b; before", "before + 1u < b; before"),
        &[("preconditioned", "wide")],
    ),
    (
        "precondition goes forward only",
        broken(PRECONDITION, "reverse < column_blocks", "reverse < 0u"),
        &[("preconditioned", "dense")],
    ),
    (
        "precondition swaps the sides",
        broken(PRECONDITION, "(slot * SIDES + side) * K * K", "(slot * SIDES + SIDES - 1u - side) * K * K"),
        &[("preconditioned", "two")],
    ),
    (
        "precondition counts every block",
        broken(PRECONDITION, "if (first && thread == 0u)", "if (thread == 0u)"),
        &[("undamped", "tall")],
    ),
    (
        "precondition does not count",
        broken(PRECONDITION, "scalars[RAISED + trial] += 1.0", "scalars[RAISED + trial] += 0.0"),
        &[("undamped", "tall")],
    ),
    ("the mean ignores the weights", broken(MEAN, "sum.y += w", "sum.y += 1.0"), &[("gd", "centred")]),
    (
        "the mean drops the last measurement",
        broken(MEAN, "min(first + stretch, group_end())", "min(first + stretch, group_end() - 1u)"),
        &[("gd", "centred")],
    ),
    (
        "the mean is another trial's",
        broken(MEAN, "let base = trial * M", "let base = slots[1u] * M"),
        &[("gd", "centred")],
    ),
    ("weigh ignores the mean", broken(WEIGH, "residual[at] - centre", "residual[at]"), &[("gd", "centred")]),
    ("a group ends late", broken(GROUP, "i < group.end", "i <= group.end"), &[("minibatches", "centred")]),
    ("a group begins early", broken(GROUP, "return group.first;", "return 0u;"), &[("minibatches", "dense")]),
    ("quotients", broken(SCALAR, "return a / b;", "return b / a;"), &[("polyak", "dense")]),
    (
        "roots",
        broken(SCALAR, "return sqrt(max(a, 0.0));", "return max(a, 0.0);"),
        &[("polyak", "dense"), ("preconditioned", "dense")],
    ),
    ("less", broken(SCALAR, "real(1.0), a < b)", "real(1.0), b < a)"), &[("vectors", "dense"), ("momentum", "dense")]),
    (
        "finite",
        broken(SCALAR, "real(1.0), abs(a) <= LARGEST)", "real(0.0), abs(a) <= LARGEST)"),
        &[("conditions", "dense"), ("conditions", "centred")],
    ),
    ("the quartic's derivative", broken(SCALAR, "4.0 * q.w", "3.0 * q.w"), &[("exact step", "dense")]),
    (
        "the quartic's bisection",
        broken(SCALAR, "(cubic_at(c, middle) > 0.0) == falling", "(cubic_at(c, middle) > 0.0) != falling"),
        &[("exact step", "dense")],
    ),
];

fn case(name: &str, operator: &str) -> Case {
    let recipe = recipe(name);
    match operator {
        "two" => Case::new("dense", Model::Asymmetric, recipe, [11, 60, 3, 3]),
        "wide" => Case::new("dense", Model::Psd, recipe, [37, 90, 35, 2]),
        "tall" => Case::new("dense", Model::Psd, recipe, [23, 40, 30, 2]),
        "long" => Case::new("rank-one", Model::Psd, recipe, [7, 900, 2, 2]),
        other => Case::new(other, Model::Psd, recipe, [11, 60, 3, 3]),
    }
}

pub fn trials(device: &Device) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, mutation, places) in MUTATIONS {
        let of = device.clone();
        trials.push(Trial::test(format!("mutation: {name} [{}]", device.name()), move || {
            let own = crate::common::own(&of);
            for (recipe, operator) in places {
                let options = Options { mutations: vec![mutation], readable: true, ..Options::default() };
                let Err(why) = agrees(&case(recipe, operator), &own, &options) else { continue };
                let why = why.message().unwrap_or_default().to_owned();
                // A patch that does not apply or does not compile proves nothing.
                let proves = !why.contains("mutation") && !why.contains("compil");
                return if proves { Ok(()) } else { Err(Failed::from(why)) };
            }
            Err("nothing noticed".into())
        }));
    }
    let own = device.clone();
    trials.push(Trial::test(format!("kernels agree where mutations are looked for [{}]", device.name()), move || {
        let mut places: Vec<(&str, &str)> =
            MUTATIONS.iter().flat_map(|(_, _, places)| places.iter().copied()).collect();
        places.sort_unstable();
        places.dedup();
        for (recipe, operator) in places {
            agrees(&case(recipe, operator), &own, &Options::default())?;
        }
        Ok(())
    }));
    trials
}
