//! Mutation check: for each kernel broken copies, all of which the checks of this file must see.

use lowrank::gpu::{Device, Mutation, Options};

use crate::case::{Case, Outcome, check_gradient, check_step};

/// Each kernel broken in a way that happens, and each must be seen.
const MUTATIONS: &[(&str, &str, &str)] = &[
    ("operators/dense.wgsl", "for (; q < P; q += 256u)", "for (; q + 256u < P; q += 256u)"),
    (
        "operators/dense.wgsl",
        "residual_out[at] = lane_get(sum, thread) - observed[at]",
        "residual_out[at] = lane_get(sum, thread)",
    ),
    ("operators/dense.wgsl", "if (panel.overwrite == 0u)", "if (panel.overwrite == 2u)"),
    ("operators/dense.wgsl", "lane_with(r, l, weight[row] * residual[row])", "lane_with(r, l, residual[row])"),
    ("operators/dense.wgsl", "if (q < P) {", "if (q + 1u < P) {"),
    (
        "operators/dense.wgsl",
        "min(256u, ceil_div(panel.rows - begin, SPLITS))",
        "min(256u, (panel.rows - begin) / SPLITS)",
    ),
    ("lib/workgroup_sum.wgsl", "width > 0u", "width > 1u"),
    ("lib/packed.wgsl", "(b - a)", "(b - a) % 7u"),
    ("step/outer_product.wgsl", "2.0 * direct", "direct"),
    ("step/outer_product.wgsl", "first < K", "first + 16u < K"),
    ("step/outer_product.wgsl", "if (i <= j && j < N)", "if (i < j && j < N)"),
    ("step/reduce.wgsl", "split < SPLITS", "split + 1u < SPLITS"),
    ("step/reduce.wgsl", "if (at >= size)", "if (at + 1u >= size)"),
    ("step/reduce.wgsl", "if (at >= size)", "if (at >= size + 1u)"),
    ("step/gradient_product.wgsl", "first < N", "first + 16u < N"),
    ("step/gradient_product.wgsl", "if (i < N && c < K)", "if (i < N && c < K - 1u)"),
    ("step/update.wgsl", "entry >= N * K", "entry >= N * K - 1u"),
    ("step/update.wgsl", "step_sizes[trial]", "step_sizes[0]"),
    ("step/update.wgsl", "slots[1u + slot]", "slot"),
    ("step/outer_product.wgsl", "slots[1u + min(slot, count - 1u)]", "slot"),
    ("step/gradient_product.wgsl", "let base = slots[1u + slot]", "let base = slot"),
    ("operators/dense.wgsl", "let at = slots[1u + slot] * M", "let at = slot * M"),
    ("operators/dense.wgsl", "let row = slots[1u + slot] * M", "let row = slot * M"),
    ("operators/dense.wgsl", "z[tile * P + q + 512u]", "z[tile * P + q + 256u]"),
    ("operators/dense.wgsl", "sum = lane_fma(a3, scratch[t + 3u], sum);", ""),
    ("operators/dense.wgsl", "panel.first % SPLITS) % SPLITS", "panel.first % SPLITS)"),
];

pub fn all_are_seen(device: &Device) -> Outcome {
    // 19 columns: more than one block; 61 rows: 1891 packed numbers, not a multiple of 256; several splits and panels.
    let case = Case::new(61, 97, 19, 3);
    for &(file, find, replace) in MUTATIONS {
        let mutations = vec![Mutation { file, find, replace }];
        let options = Options { panel_bytes: Some(40 * 1920 * 4), mutations, ..Options::default() };
        let mut engine = case.load(device, options)?;
        let gradient = check_gradient(&case, engine.as_mut(), &case.factors, &case.factors);
        if gradient.and_then(|()| check_step(&case, engine.as_mut(), &[true, false, true])).is_ok() {
            return Err(format!("{file}: '{find}' -> '{replace}' was not seen").into());
        }
    }
    let absent = vec![Mutation { file: "step/update.wgsl", find: "no such text", replace: "" }];
    match case.load(device, Options { mutations: absent, ..Options::default() }) {
        Err(lowrank::Error::Invalid { .. }) => Ok(()),
        _ => Err("a mutation that patches nothing must be an error".into()),
    }
}
