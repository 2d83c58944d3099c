//! Every shader module is parsed and validated without a GPU, under the capabilities of core WebGPU, and for double
//! precision with 64-bit numbers on top of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use lowrank::internals::gpu::{Module, Options, TapeKernel, tape_kernels};
use lowrank::internals::operators::REGISTRY;
use lowrank::internals::tape::Program;
use lowrank::operators::{CodedDiffraction, Loss, Operator, Storage};
use lowrank::problem::Domain;
use lowrank::tape::{
    BlockSize, Bound, Minibatches, Tape, finite, greatest, least, least_of_quartic, less, root, select,
};
use lowrank::{Model, Precision};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use rayon::prelude::*;

use crate::thin::ThinOperator;

/// A tape with every op.
fn everything(domain: Domain, k: usize, loss: Loss, signed: bool) -> Program {
    let model = match signed && domain.is_symmetric() {
        true => Model::signed(k.div_ceil(2), k - k.div_ceil(2)),
        false => Model::natural(&domain),
    };
    let mut t = Tape::new(model.recorded(), domain, k, loss, signed, true);
    t.add_label_noise();
    t.bound_residuals();
    let (u, groups) = (t.iterate(), Minibatches::new(3, 0));
    let (e, g) = t.gradient(u);
    t.observe(e);
    let (of_group, direction) = t.gradient_of(u, Some(groups));
    let (energy, part) = (t.energy(e), t.energy_of(of_group, Some(groups)));
    let damping = root(energy * 2.0) + least(part, 1.0);
    let x = t.precondition(g, u, damping).expect("partners");
    let (b, a) = t.along(u, x).expect("degree two");
    let (bb, ab, aa) = (t.measured_dot(b, b), t.measured_dot(a, b), t.measured_dot(a, a));
    let step = t.formula(select(less(bb, aa), least_of_quartic([bb * 1.0, ab * 1.0, aa * 1.0, aa * 2.0]), finite(ab)));
    let dual = t.keep_measured("dual");
    t.measured_combine(dual, [(0.5.into(), dual), (step * 1.0, b)]);
    t.measured_clip(dual, dual, Some(Bound::Each(a)), Some(Bound::All(1.0.into())));
    let inner = t.dot(direction, x);
    let steep = t.formula(greatest(inner, step) / 3.0);
    let wide = t.blocks_of("wide", vec![BlockSize::new(k, k)]);
    t.product(wide.block(0), (u.block(0), true), (x.block(0), false));
    t.assign_if(step, x, direction);
    t.combine_into(u, [(1.0.into(), u), (-steep, x)]);
    t.finish()
}

/// Kernels of such a tape, as far as the operator can have it.
fn tape_kernels_of(operator: &dyn Operator, k: usize, batch: usize, precision: Precision) -> Vec<TapeKernel> {
    let losses = if operator.is_centred() { vec![Loss::Square] } else { vec![Loss::Huber { delta: 0.5 }, Loss::L1] };
    let options = Options { precision, ..Options::default() };
    let all = losses.into_iter().flat_map(|loss| {
        let program = everything(operator.domain(), k, loss, loss == Loss::L1);
        tape_kernels(operator, &program, batch, &options).expect("a registered shader")
    });
    all.collect()
}

/// Sizes (n, m, k, batch): all lane widths, k past a block, m past one grid dimension.
const SIZES: &[(usize, usize, usize, usize)] =
    &[(1, 1, 1, 1), (2, 3, 5, 2), (17, 257, 16, 3), (61, 40, 33, 8), (3, 70_000, 1, 9)];

/// Every kernel of every operator and variant at these sizes, and those of thin operators.
pub fn kernels_at(precision: Precision, sizes: &[(usize, usize, usize, usize)]) -> Vec<TapeKernel> {
    let mut kernels = Vec::new();
    for registration in REGISTRY.iter().filter(|registration| registration.backends.contains("gpu")) {
        for &(n, m, k, batch) in sizes {
            let variants = registration.variants.iter().filter(|variant| variant.gpu).map(|variant| variant.random);
            for make in variants.chain([registration.random]) {
                let domains = [Domain::symmetric(n), Domain::rectangular(n, n + 4)];
                for domain in domains.into_iter().filter_map(registration.domain) {
                    let operator = make(domain, m, 1).expect("a small operator");
                    kernels.extend(tape_kernels_of(operator.as_ref(), k, batch, precision));
                }
            }
        }
    }
    for domain in [Domain::symmetric(17), Domain::rectangular(3, 70)] {
        for storage in [Storage::F32, Storage::F64] {
            let vectors = ThinOperator::vectors(domain, 40, 2, 1, false).stored(storage);
            let nonzeros = ThinOperator::nonzeros(domain, 40, 3, 1, false);
            let centred = ThinOperator::vectors(domain, 40, 2, 1, false).centred();
            for operator in [vectors, nonzeros, centred] {
                kernels.extend(tape_kernels_of(&operator, 5, 3, precision));
            }
        }
    }
    // A transform of several calls, and one with axes in one call.
    for shape in [&[64, 128][..], &[4, 8]] {
        let patterns = CodedDiffraction::random(shape, 3 * shape[0] * shape[1] - 1, 1).expect("a small picture");
        kernels.extend(tape_kernels_of(&patterns, 3, 2, precision));
    }
    assert!(!kernels.is_empty());
    kernels
}

/// A module, and what naga makes of it.
pub struct Parsed {
    pub module: Module,
    pub naga: naga::Module,
}

/// All modules, once each, parsed and validated.
pub fn all_modules() -> &'static [Parsed] {
    static ALL: LazyLock<Vec<Parsed>> = LazyLock::new(|| {
        let modules_in = |precision| kernels_at(precision, SIZES).into_iter().map(|kernel| kernel.module);
        let modules: Vec<Module> = [Precision::F32, Precision::F64].into_par_iter().flat_map_iter(modules_in).collect();
        let mut texts = BTreeSet::new();
        let once: Vec<Module> = modules.into_iter().filter(|module| texts.insert(module.text.clone())).collect();
        once.into_par_iter().map(|module| Parsed { naga: parse(&module), module }).collect()
    });
    &ALL
}

fn has(module: &Module, file: &str) -> bool {
    module.files.iter().any(|name| name == file)
}

/// What a module may use. unpack2x16float is core WebGPU; naga counts it apart for old versions of OpenGL ES.
fn capabilities(module: &Module) -> Capabilities {
    let mut allowed = Capabilities::empty();
    allowed.set(Capabilities::FLOAT64, module.text.starts_with("alias real = f64;"));
    let halves = ["storage/f16.wgsl", "storage/quads_f16.wgsl"].into_iter().any(|file| has(module, file));
    allowed.set(Capabilities::SHADER_FLOAT16_IN_FLOAT32, halves);
    allowed.set(Capabilities::SUBGROUP, has(module, "rows/sum_subgroup.wgsl"));
    allowed
}

fn parse(module: &Module) -> naga::Module {
    let complain = |message: String| panic!("{}: {message}\n{}", module.name, module.text);
    let parsed = naga::front::wgsl::parse_str(&module.text).unwrap_or_else(|e| complain(e.to_string()));
    let mut validator = Validator::new(ValidationFlags::all(), capabilities(module));
    if let Err(e) = validator.validate(&parsed) {
        complain(e.emit_to_string(&module.text));
    }
    parsed
}

#[test]
fn every_module_is_valid_within_core_webgpu_limits() {
    for Parsed { module, naga: parsed } in all_modules() {
        assert!(!parsed.entry_points.is_empty(), "{} has no entry", module.name);
        for entry in &parsed.entry_points {
            assert_ne!(entry.name, "main", "entries are verbs");
            let threads: u32 = entry.workgroup_size.iter().product();
            // Core WebGPU has 256; variants for wider workgroups are chosen where the adapter has them.
            let most = if has(module, "lib/panel.wgsl") && entry.name == "gradient" { 1024 } else { 256 };
            assert!((1..=most).contains(&threads), "{}: {threads} threads", entry.name);
        }
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(parsed.to_ctx()).expect("valid types have layouts");
        let in_space = |space: naga::AddressSpace| {
            parsed.global_variables.iter().filter(move |(_, variable)| variable.space == space)
        };
        // Over the whole module: an entry uses at most that.
        let bytes: u32 = in_space(naga::AddressSpace::WorkGroup).map(|(_, v)| layouter[v.ty].size).sum();
        assert!(bytes <= 16 << 10, "{}: {bytes} bytes of workgroup memory", module.name);
        let storage = parsed.global_variables.iter();
        let storage = storage.filter(|(_, v)| matches!(v.space, naga::AddressSpace::Storage { .. })).count();
        assert!(storage <= 8, "{}: {storage} storage buffers", module.name);
    }
}

#[test]
fn inputs_are_bound_read_only_and_outputs_are_the_last_operand_of_a_kernel() {
    for Parsed { module, naga: parsed } in all_modules() {
        let writable = |variable: &naga::GlobalVariable| matches!(variable.space, naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE));
        let mut operands: Vec<_> = (parsed.global_variables.iter())
            .filter_map(|(_, v)| Some((v.binding?.group, v.binding?.binding, writable(v))))
            .filter(|(group, ..)| *group == 1)
            .collect();
        operands.sort();
        // forward and adjoint_apply have three operands each; project and the adjoint of vectors share a module.
        let pattern: String = operands.iter().map(|(_, _, writes)| if *writes { 'w' } else { 'r' }).collect();
        let (reads, writes) = pattern.split_at(pattern.find('w').unwrap_or(0));
        let ordered = !writes.is_empty() && reads.chars().all(|c| c == 'r') && writes.chars().all(|c| c == 'w');
        assert!(ordered || ["rrwrrw", "rwrrw"].contains(&pattern.as_str()), "{}: {pattern}", module.name);
        for (_, variable) in parsed.global_variables.iter() {
            let group = variable.binding.map(|binding| binding.group);
            assert!(!writable(variable) || group == Some(1), "{}: outputs are operands (group 1)", module.name);
        }
    }
}

#[test]
fn every_shader_file_is_part_of_a_module() {
    let used: BTreeSet<String> = all_modules().iter().flat_map(|parsed| parsed.module.files.clone()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut found = BTreeSet::new();
    for folder in std::fs::read_dir(&root).expect("shaders/").map(|entry| entry.expect("an entry").path()) {
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = file.strip_prefix(&root).expect("inside").to_string_lossy().replace('\\', "/");
            found.insert(name);
        }
    }
    // It runs before any tape is loaded.
    assert!(found.remove("device/canary.wgsl"));
    let generated = |name: &String| name.starts_with("generated/");
    assert!(used.iter().any(generated));
    assert_eq!(found, used.into_iter().filter(|name| !generated(name)).collect());
}
