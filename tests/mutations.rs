//! For each kernel, broken copies: a dropped tail, a swapped index, a stale buffer, a forgotten term. Every one must
//! make at least one law fail, or the laws are too weak. One source serves both precisions, so one is enough.

use libtest_mimic::{Arguments, Failed, Trial};
use lowrank::Precision;
use lowrank::gpu::{Device, Mutation};
use lowrank::laws::{ENGINE_LAWS, Place};
use lowrank::operators::{Operator, REGISTRY};
use lowrank::problem::Shape;

mod common;

const fn broken(file: &'static str, find: &'static str, replace: &'static str) -> Mutation {
    Mutation { file, find, replace }
}

const DENSE: &str = "operators/dense.wgsl";
const OUTER: &str = "step/outer_product.wgsl";
const HALF: &str = "storage/f16.wgsl";
const REDUCE: &str = "step/reduce.wgsl";
const PRODUCT: &str = "step/gradient_product.wgsl";
const UPDATE: &str = "step/update.wgsl";

const MUTATIONS: &[(&str, Mutation)] = &[
    ("forward drops the last column", broken(DENSE, "q < P; q += 256u", "q + 1u < P; q += 256u")),
    ("forward forgets the target", broken(DENSE, " - observed[at]", "")),
    ("forward gives every trial the first one's sum", broken(DENSE, "lane_get(sum, thread)", "lane_get(sum, 0u)")),
    ("forward skips a panel's last row", broken(DENSE, "row >= panel.rows", "row + 1u >= panel.rows")),
    ("forward ignores where its panel begins", broken(DENSE, "* M + panel.first + row", "* M + row")),
    ("adjoint drops the last staged row", broken(DENSE, "t < staged", "t + 1u < staged")),
    ("adjoint adds to a stale sum", broken(DENSE, "panel.overwrite == 0u", "panel.overwrite < 2u")),
    ("adjoint overwrites earlier panels", broken(DENSE, "panel.overwrite == 0u", "panel.overwrite == 2u")),
    ("adjoint ignores the weights", broken(DENSE, "weight[row] * residual[row]", "residual[row]")),
    ("adjoint reads another panel's residuals", broken(DENSE, "* M + panel.first + mine", "* M + mine")),
    ("adjoint mixes trials", broken(DENSE, "r = lane_with(r, l,", "r = lane_with(r, 0u,")),
    ("the halves of a word are swapped", broken(HALF, "pair.x, pair.y", "pair.y, pair.x")),
    ("a row's scale is forgotten", broken(HALF, "return value * real", "return value + 0.0 * real")),
    ("a row's scale is another row's", broken(HALF, "data[start + ceil_div(P, 2u)]", "data[ceil_div(P, 2u)]")),
    (
        "the odd half at the end of a row is dropped",
        broken(HALF, "data[start + q / 2u]", "data[start + min(q, P - 2u) / 2u]"),
    ),
    ("outer product drops a column block", broken(OUTER, "first < K; first", "first + 16u <= K; first")),
    ("outer product forgets the factor 2", broken(OUTER, "2.0 * direct", "direct")),
    ("outer product takes L for R", broken(OUTER, "direct + crossed", "2.0 * direct")),
    ("outer product weights the diagonal", broken(OUTER, "direct, i == j", "direct, i > j")),
    ("reduce drops the last split", broken(REDUCE, "split < SPLITS", "split + 1u < SPLITS")),
    ("reduce reads one split again", broken(REDUCE, "sums[split * size + at]", "sums[at]")),
    ("gradient product swaps an index", broken(PRODUCT, "v_block[j * 16u + local.x]", "v_block[local.x * 16u + j]")),
    ("gradient product drops the tail", broken(PRODUCT, "first < N; first", "first + 1u < N; first")),
    ("gradient product skips the last row", broken(PRODUCT, "if (i < N && c < K)", "if (i + 1u < N && c < K)")),
    ("update climbs", broken(UPDATE, "-step_sizes[trial]", "step_sizes[trial]")),
    ("update takes another trial's step", broken(UPDATE, "step_sizes[trial]", "step_sizes[slot]")),
    ("update moves frozen trials", broken(UPDATE, "let trial = slots[1u + slot]", "let trial = slot")),
    ("update skips the last entry", broken(UPDATE, "entry >= N * K", "entry + 1u >= N * K")),
    ("packed rows are off by one", broken("lib/packed.wgsl", "2u * N - a + 1u", "2u * N - a")),
    ("half of a workgroup's sum is lost", broken("lib/workgroup_sum.wgsl", "width = 128u", "width = 64u")),
];

/// Seventeen rows: one past a 16×16 block; 131 measurements in several panels.
fn instances(half: bool) -> Vec<Box<dyn Operator>> {
    let dense = REGISTRY.iter().find(|r| r.name == "dense").unwrap();
    let variant = dense.variants.iter().find(|variant| half && variant.name == "f16");
    let (random, integers) = variant.map_or((dense.random, dense.integers), |v| (v.random, v.integers));
    [random, integers].iter().map(|make| make(Shape::psd(17), 131, 5).unwrap()).collect()
}

fn violations(place: &Place) -> Vec<String> {
    let half = place.options.mutations.iter().any(|mutation| mutation.file == HALF);
    instances(half)
        .iter()
        .flat_map(|operator| {
            ENGINE_LAWS.iter().filter_map(|law| Some((law.name, law.check(&**operator, place).err()?)))
        })
        .map(|(law, why)| format!("{law}: {why}"))
        .collect()
}

fn mutated(device: &Device, mutations: Vec<Mutation>) -> Place {
    let mut place = (Place::adapter(device).into_iter())
        .find(|place| place.precision == Precision::F32 && place.options.panel_bytes.is_some())
        .expect("the small-panel place");
    place.options.mutations = mutations;
    place
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    // One adapter is enough: the question is what the laws see, not what the driver does.
    if let Some(device) = common::devices().into_iter().next() {
        let sound = device.clone();
        trials.push(Trial::test("the kernels as they are break no law", move || {
            let found = violations(&mutated(&sound, Vec::new()));
            if found.is_empty() { Ok(()) } else { Err(Failed::from(found.join("\n"))) }
        }));
        for &(name, mutation) in MUTATIONS {
            let device = device.clone();
            trials.push(Trial::test(name, move || {
                let found = violations(&mutated(&device, vec![mutation]));
                // A patch that does not apply or does not compile proves nothing.
                if let Some(why) = found.iter().find(|why| why.contains("mutation") || why.contains("compile")) {
                    return Err(Failed::from(why.as_str()));
                }
                if found.is_empty() { Err("no law noticed".into()) } else { Ok(()) }
            }));
        }
    }
    trials.extend(common::missing_adapter("mutations"));
    libtest_mimic::run(&arguments, trials).exit();
}
