//! Kernels with one bound or guard altered are condemned.

use lowrank::Precision;
use lowrank::internals::gpu::TapeKernel;

use super::{found, kernels};

/// Start of the module's name, a text of it, what replaces that, and start of the access that leaves its array.
const MUTANTS: &[(&str, &str, &str, &str)] = &[
    ("elementwise", "entry >= SIZE", "entry > SIZE", "b"),
    ("measured", "group_end() - group_first())", "group_end() + 1u - group_first())", "b"),
    ("formulas", "slot >= slots[0]", "slot > slots[0]", "slots["),
    ("copy", "slot >= slots[0] || entry >= SIZE", "slot >= slots[0]", "b"),
    ("mean", "min(first + stretch, group_end())", "first + stretch", "weight["),
    ("weigh", "if (i < M)", "if (i <= M)", "pulled["),
    ("gram", "min(row, height - 1u)", "min(row, height)", "factor["),
    ("cholesky", "i < K && l <= i", "i <= K && l <= i", "triangles["),
    ("precondition", "min(row, height - 1u)", "row", "direction["),
    ("precondition", "side + 1u < SIDES", "side < SIDES", "dampings["),
    ("product", "min(i, RESULT_ROWS - 1u)", "i", "b"),
    ("outer_product", "i <= j && j < N", "i <= j && j <= N", "z["),
    ("outer_product", "min(load_j, N2 - 1u)", "load_j", "right["),
    ("reduce", "if (at < size)", "if (at <= size)", "sums["),
    ("gradient_product", "min(v_row, length - 1u)", "min(v_row, length)", "applied["),
    ("operator", "t + 4u <= staged", "t + 1u <= staged", "data["),
    ("operator", "ceil_div(panel.rows - begin, SPLITS)", "ceil_div(panel.rows - begin, SPLITS) + 1u", "data["),
    ("operator", "max(panel.rows, 1u)", "panel.rows", "weight["),
    ("operator", "slot + c < slots[0]", "slot + c <= slots[0]", "slots["),
    ("operator", "let has_rest = rest + thread < QUADS", "let has_rest = rest + thread <= QUADS", "sums["),
    ("operator", "min(begin + 1u * SPLITS, panel.rows - 1u)", "begin + 1u * SPLITS", "data["),
    ("operator", "for (; q < P; q += 256u)", "for (; q <= P; q += 256u)", "z["),
    ("vectors", "min(l, length - 1u)", "l", "factor["),
    ("vectors", "i >= panel.first && i < end", "i >= panel.first", "pulled["),
    ("inner", "i >= M", "i > M", "observed["),
    ("collect", "entry >= N * K", "entry > N * K", "direction["),
    ("nonzeros forward", "row >= panel.rows", "row > panel.rows", "offsets["),
    ("nonzeros gather", "entry >= panel.rows * K", "entry > panel.rows * K", "pieces["),
    ("nonzeros gather", "q < piece.z", "q <= piece.z", "places["),
    ("strings forward", "a ^ group.x", "a + group.x", "right["),
    ("strings adjoint", "at < STATES / 2u", "at <= STATES / 2u", "wave["),
    ("strings adjoint", "strings[t].x & SIGNS", "strings[t].x", "wave["),
    ("patterns transform", "line_of(e, block) < lines()", "line_of(e, block) <= lines()", "waves["),
    ("patterns transform", "q < NUMBERS / 2u", "q <= NUMBERS / 2u", "wave["),
    ("patterns transform", "if (i < M)", "if (i <= M)", "source["),
    ("patterns forward", "at >= count", "at > count", "left["),
];

#[test]
fn altered_kernels_are_condemned() {
    let all = kernels(Precision::F32, &[(1, 1, 1, 1), (2, 3, 5, 2), (16, 257, 17, 2)]);
    let mut unseen = Vec::new();
    for (module, find, replace, access) in MUTANTS {
        let of = |kernel: &&TapeKernel| kernel.module.name.starts_with(module) && kernel.module.text.contains(find);
        let mut altered: Vec<TapeKernel> = all.iter().filter(of).take(120).cloned().collect();
        assert!(!altered.is_empty(), "no module {module} has: {find}");
        altered.iter_mut().for_each(|kernel| kernel.module.text = kernel.module.text.replace(find, replace));
        // The first ones mostly suffice.
        let condemned = altered.chunks(8).any(|some| {
            let (found, _) = found(some);
            found.iter().any(|found| found.site.failed.is_some() && found.site.text.starts_with(access))
        });
        unseen.extend((!condemned).then(|| format!("{module}: {replace} instead of {find}")));
    }
    assert!(unseen.is_empty(), "nothing is wrong with {unseen:#?}");
}
