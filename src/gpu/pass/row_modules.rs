//! Shader text of the kernels over rows.

use crate::error::Result;
use crate::gpu::ops::PRODUCT;
use crate::gpu::sizes::Sizes;
use crate::gpu::text::{File, GRID, Module, Texts, file};
use crate::gpu::variant::Strategy;
use crate::operators::{GpuPlan, Storage};

const PACKED: File = file!("lib/packed.wgsl");
pub(in crate::gpu) const PANEL: File = file!("lib/panel.wgsl");
const WORKGROUP_SUM: File = file!("lib/workgroup_sum.wgsl");
const LANES: [(usize, File); 4] = [
    (1, file!("lib/lane1.wgsl")),
    (2, file!("lib/lane2.wgsl")),
    (4, file!("lib/lane4.wgsl")),
    (8, file!("lib/lane8.wgsl")),
];
const ADDRESSES: File = file!("storage/addresses.wgsl");
const STAGED_ADDRESSES: File = file!("storage/staged_addresses.wgsl");
const HASH: File = file!("lib/hash.wgsl");
const KEYS: File = file!("storage/keys.wgsl");
const STAGED_KEYS: File = file!("storage/staged_keys.wgsl");
const STORAGE_F16: File = file!("storage/f16.wgsl");
pub(in crate::gpu) const STORAGE_F32: File = file!("storage/f32.wgsl");
pub(in crate::gpu) const STORAGE_F64: File = file!("storage/f64.wgsl");
const QUADS_F16: File = file!("storage/quads_f16.wgsl");
const QUADS_F32: File = file!("storage/quads_f32.wgsl");
const QUADS_F64: File = file!("storage/quads_f64.wgsl");
const SUM_PORTABLE: File = file!("rows/sum_portable.wgsl");
const SUM_SUBGROUP: File = file!("rows/sum_subgroup.wgsl");
const ONE_PASS: File = file!("rows/one_pass.wgsl");
const ROW_RESIDENT: File = file!("rows/row_resident.wgsl");
const TILED: File = file!("rows/tiled.wgsl");
const OUTER_PRODUCT: File = file!("step/outer_product.wgsl");
const RECTANGULAR_OUTER: File = file!("step/rectangular_outer_product.wgsl");
const COMPLEX_OUTER: File = file!("step/complex_outer_product.wgsl");
const ENTRY_SYMMETRIC: File = file!("step/entry_symmetric.wgsl");
const ENTRY_FULL: File = file!("step/entry_full.wgsl");
const ENTRY_HERMITIAN: File = file!("step/entry_hermitian.wgsl");
const ENTRY_COMPLEX: File = file!("step/entry_complex.wgsl");
const REDUCE: File = file!("step/reduce.wgsl");
const PACKED_GRADIENT: File = file!("step/packed_gradient.wgsl");
const RECTANGULAR_GRADIENT: File = file!("step/rectangular_gradient_product.wgsl");
const TWO_KERNEL_ROWS: File = file!("rows/two_kernel.wgsl");

/// Modules of a pass over rows.
pub(in crate::gpu) struct RowModules {
    /// Module that computes z from L and R.
    pub(in crate::gpu) outer: Module,
    /// Module that reads the measurement data: forward and adjoint_apply, or gradient.
    pub(in crate::gpu) operator: Module,
    pub(in crate::gpu) reduce: Module,
    pub(in crate::gpu) product: Module,
}

impl RowModules {
    /// Modules for factors of `columns.0` columns forward, in one buffer or two, and of `columns.1` under the adjoint.
    pub(in crate::gpu) fn new(
        texts: &Texts<'_>,
        sizes: &Sizes,
        plan: &GpuPlan,
        single: bool,
        columns: (usize, usize),
    ) -> Result<Self> {
        let made = plan.made().map_or("", |made| &made.constants);
        let constants = format!("const OFF_DIAGONAL: real = {:?};\n{made}", plan.off_diagonal_weight());
        let compose = |name, single, columns, files: &[(&str, &str)]| {
            let sizes = Sizes { frame: sizes.frame.columns(columns), ..*sizes };
            texts.compose(name, sizes.prelude(single) + &constants, files, |text| repeat(text, &sizes))
        };
        let product: &[File] = if sizes.symmetric { &[PACKED_GRADIENT, PRODUCT] } else { &[RECTANGULAR_GRADIENT] };
        let (outer, entry) = match (sizes.complex, sizes.symmetric) {
            (false, true) => (OUTER_PRODUCT, ENTRY_SYMMETRIC),
            (false, false) => (RECTANGULAR_OUTER, ENTRY_FULL),
            (true, true) => (COMPLEX_OUTER, ENTRY_HERMITIAN),
            (true, false) => (COMPLEX_OUTER, ENTRY_COMPLEX),
        };
        Ok(Self {
            outer: compose("outer_product", single, columns.0, &[GRID, PACKED, outer])?,
            operator: compose("operator", true, 1, &operator_files(sizes, plan))?,
            reduce: compose("reduce", true, 1, &[GRID, PACKED, REDUCE])?,
            product: compose("gradient_product", true, columns.1, &[&[GRID, PACKED, entry], product].concat())?,
        })
    }

    pub(in crate::gpu) fn all(self) -> [Module; 4] {
        [self.outer, self.operator, self.reduce, self.product]
    }
}

/// Files of the kernels that read the measurement data.
fn operator_files<'a>(sizes: &Sizes, plan: &'a GpuPlan) -> Vec<(&'a str, &'a str)> {
    let lane = LANES.iter().find(|&&(tile, _)| tile == sizes.tile).map_or(LANES[0].1, |&(_, file)| file);
    let sum = if sizes.variant.subgroup { SUM_SUBGROUP } else { SUM_PORTABLE };
    let by_quads = sizes.variant.strategy.owns_rows();
    let mut files = vec![GRID, PANEL];
    let staged = match plan.made() {
        None => {
            files.push(ADDRESSES);
            files.push(match (plan.storage().unwrap_or_default(), by_quads) {
                (Storage::F16, false) => STORAGE_F16,
                (Storage::F32, false) => STORAGE_F32,
                (Storage::F64, false) => STORAGE_F64,
                (Storage::F16, true) => QUADS_F16,
                (Storage::F32, true) => QUADS_F32,
                (Storage::F64, true) => QUADS_F64,
            });
            STAGED_ADDRESSES
        }
        Some(made) => {
            files.extend([HASH, KEYS, made.numbers]);
            files.extend(by_quads.then_some(made.quads));
            STAGED_KEYS
        }
    };
    // Files of strategies that stage rows.
    files.extend((!by_quads).then_some(staged));
    match sizes.variant.strategy {
        Strategy::TwoKernel => files.extend([PACKED, lane, WORKGROUP_SUM, TWO_KERNEL_ROWS]),
        Strategy::OnePass => files.extend([sum, ONE_PASS]),
        Strategy::RowResident => files.extend([sum, ROW_RESIDENT]),
        Strategy::Tiled => files.push(TILED),
    }
    files
}

/// Unrolls a text. Lines between `//@ repeat NAME` and `//@ end` are repeated for `$j` = 0, 1, … up to the size NAME. A
/// line with `$r` is repeated for `$r` = 0, 1, … below the size ROWS. Compilers may leave a loop rolled, and then its
/// indexed variables lie in memory instead of registers.
fn repeat(text: &str, sizes: &Sizes) -> String {
    let mut out = String::with_capacity(2 * text.len());
    let mut push = |line: &str, j: usize| {
        let line = line.replace("$j", &j.to_string());
        let rows = if line.contains("$r") { sizes.rows() } else { 1 };
        for r in 0..rows {
            out.push_str(&line.replace("$r", &r.to_string()));
            out.push('\n');
        }
    };
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match line.trim_start().strip_prefix("//@ repeat ") {
            Some(name) => {
                let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "//@ end").collect();
                for j in 0..sizes.repetitions(name) {
                    block.iter().for_each(|line| push(line, j));
                }
            }
            None if line.trim_start().starts_with("//") => {}
            None => push(line, 0),
        }
    }
    out
}
