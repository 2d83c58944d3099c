//! Every index of every kernel lies within its array: an interval analysis of the modules as naga translates them.

mod domain;
mod eval;
mod facts;
mod loops;
mod mutants;
mod prove;
mod terms;
mod texts;
mod values;
mod walk;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use lowrank::Precision;
use lowrank::internals::gpu::{TapeKernel, ThirdGroup};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use rayon::prelude::*;

use crate::shaders::kernels_at;
use domain::Interval;
use walk::{Site, Walk};
use world::World;

type Sizes = (usize, usize, usize, usize);

/// Sizes (n, m, k, batch) of the kernels whose indices are followed.
const GRID: &[(Precision, &[Sizes])] = &[
    // Rows of several pieces, and enough splits for the loop that is written out.
    (Precision::F32, &[(2, 5000, 5, 2)]),
    // Columns past a block, rows past a workgroup, and fewer measurements than groups.
    (Precision::F32, &[(16, 131, 17, 3), (1, 1, 1, 1)]),
    (Precision::F64, &[(2, 40, 3, 2)]),
];

/// Most workgroups in a dimension of WebGPU.
const DIMENSION: u64 = 65_535;

/// Limits of a dimension under which a kernel is followed: that of WebGPU, and one so low that grids have several dimensions.
fn limits(kernel: &TapeKernel) -> Vec<u64> {
    let several = (2..).find(|most| (1..=kernel.slots[0]).all(|active| kernel.extents(active, *most).is_some()));
    match several {
        Some(several) if kernel.workgroups < 8 => vec![DIMENSION, several],
        _ => vec![DIMENSION],
    }
}

fn exact(value: usize) -> Interval {
    Interval::one(value as i64)
}

/// Parts of a range of measurements as panels: all of them, and the second half.
fn panels(range: &std::ops::Range<usize>) -> Vec<std::ops::Range<usize>> {
    let middle = range.start + range.len() / 2;
    let all = [range.clone(), middle..range.end];
    let panels: BTreeSet<(usize, usize)> = all
        .into_iter()
        .filter(|part| !part.is_empty() || range.is_empty())
        .map(|part| (part.start, part.end))
        .collect();
    panels.into_iter().map(|(start, end)| start..end).collect()
}

/// All worlds of a kernel on an adapter with at most `most` workgroups in a dimension.
fn worlds(kernel: &TapeKernel, most: u64) -> Vec<World> {
    let [trials, lanes] = kernel.slots;
    let grids: Vec<[u32; 3]> = (1..=trials).map(|active| kernel.extents(active, most).expect("a small grid")).collect();
    let extents =
        (0..3).map(|at| grids.iter().map(|grid| Interval::one(i64::from(grid[at]))).fold(Interval::NONE, Interval::or));
    let mut words = HashMap::from([((0, 0), (1 + trials * lanes) as i64)]);
    for (at, operand) in (0..).zip(&kernel.operands) {
        words.insert((1, kernel.first + at), *operand as i64);
    }
    let base = World {
        module: kernel.module.name.to_owned(),
        extents: extents.collect(),
        slots: (trials * lanes) as i64,
        words,
        ..World::default()
    };
    match &kernel.third {
        ThirdGroup::None => vec![base],
        ThirdGroup::Rows { row_words, ranges } => {
            let all: BTreeSet<_> = ranges.iter().flat_map(panels).map(|range| (range.start, range.end)).collect();
            let of = |(start, end): (usize, usize)| {
                let mut world = base.clone();
                world.uniform = vec![exact(start), exact(end - start), Interval::new(0, 1)];
                // A panel without rows binds one.
                let rows = (end - start).max(1);
                world.words.extend(row_words.map(|words| ((2, 0), (rows * words) as i64)));
                world
            };
            all.into_iter().map(of).collect()
        }
        ThirdGroup::Groups(ranges) => {
            let of = |range: &std::ops::Range<usize>| {
                let uniform = vec![exact(range.start), exact(range.end)];
                World { uniform, ..base.clone() }
            };
            ranges.iter().map(of).collect()
        }
        ThirdGroup::Lists { words, panel } => {
            let mut world = World { uniform: panel.map(exact).to_vec(), ..base };
            world.words.extend((0..).zip(words).map(|(at, words)| ((2, at), *words as i64)));
            vec![world]
        }
    }
}

/// Adds what a module says of itself: constants, and elements of its bindings.
fn completed(mut world: World, module: &naga::Module) -> World {
    for (_, constant) in module.constants.iter() {
        if let (Some(name), naga::Expression::Literal(naga::Literal::U32(value))) =
            (&constant.name, &module.global_expressions[constant.init])
        {
            world.constants.insert(name.clone(), i64::from(*value));
        }
    }
    for (_, variable) in module.global_variables.iter() {
        let (Some(name), Some(binding)) = (&variable.name, &variable.binding) else { continue };
        let naga::TypeInner::Array { stride, .. } = module.types[variable.ty].inner else { continue };
        if let Some(words) = world.words.get(&(binding.group, binding.binding)) {
            world.elements.insert(name.clone(), 4 * words / i64::from(stride));
        }
    }
    world
}

/// A text as naga has it.
fn parsed(text: &str) -> (naga::Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(text)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).expect("a valid module");
    (module, info)
}

fn sites(module: &naga::Module, info: &ModuleInfo, text: &str, entry: &str, world: World) -> Vec<Site> {
    let mut walk = Walk::new(module, info, text, completed(world, module));
    walk.entry(entry);
    walk.sites.into_values().collect()
}

/// A text without the functions of the loss, which have no indices.
fn without_loss(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("const DELTA"));
    let mut inside = false;
    let outside = lines.filter(|line| {
        inside |= line.starts_with("fn influence(") || line.starts_with("fn rho(");
        let kept = !inside;
        inside &= *line != "}";
        kept
    });
    outside.flat_map(|line| [line, "\n"]).collect()
}

/// All kernels at these sizes, once for each size of what they bind.
fn kernels(precision: Precision, sizes: &[Sizes]) -> Vec<TapeKernel> {
    let mut seen = HashSet::new();
    let new = |kernel: &TapeKernel| {
        let TapeKernel { module, entry, slots, operands, third, .. } = kernel;
        seen.insert((without_loss(&module.text), *entry, *slots, operands.clone(), third.clone(), kernel.workgroups))
    };
    kernels_at(precision, sizes).into_iter().filter(new).collect()
}

/// Accesses of a kernel in one world: the text of each, and what is wrong with it.
struct Found {
    kernel: String,
    site: Site,
}

/// Accesses of all kernels on paths in all their worlds, and all that are written in their texts.
fn found(kernels: &[TapeKernel]) -> (Vec<Found>, BTreeSet<(String, String)>) {
    let mut by_text: BTreeMap<&str, Vec<&TapeKernel>> = BTreeMap::new();
    kernels.iter().for_each(|kernel| by_text.entry(&kernel.module.text).or_default().push(kernel));
    let of_text = |(text, kernels): (&str, Vec<&TapeKernel>)| {
        let (module, info) = parsed(text);
        let (mut all, mut written) = (Vec::new(), Vec::new());
        for kernel in kernels {
            let name = format!("{} {}", kernel.module.name, kernel.entry);
            written.extend(accesses(&module, text, kernel.entry).into_iter().map(|access| (name.clone(), access)));
            for world in limits(kernel).into_iter().flat_map(|most| worlds(kernel, most)) {
                let sites = sites(&module, &info, text, kernel.entry, world);
                all.extend(sites.into_iter().map(|site| Found { kernel: name.clone(), site }));
            }
        }
        (all, written)
    };
    let all: Vec<_> = by_text.into_par_iter().map(of_text).collect();
    let (mut found, mut texts) = (Vec::new(), BTreeSet::new());
    for (more, written) in all {
        found.extend(more);
        texts.extend(written);
    }
    (found, texts)
}

/// Texts of the accesses by an index in the functions that an entry calls.
fn accesses(module: &naga::Module, text: &str, entry: &str) -> BTreeSet<String> {
    let entry = module.entry_points.iter().find(|of| of.name == entry).expect("an entry");
    let (mut todo, mut seen, mut all) = (vec![&entry.function], BTreeSet::new(), BTreeSet::new());
    while let Some(function) = todo.pop() {
        for (handle, expression) in function.expressions.iter() {
            match expression {
                naga::Expression::Access { .. } => {
                    let span = function.expressions.get_span(handle);
                    all.extend(span.to_range().map(|range| text[range].to_owned()));
                }
                naga::Expression::CallResult(called) if seen.insert(*called) => todo.push(&module.functions[*called]),
                _ => {}
            }
        }
    }
    all
}

/// Accesses that the analysis does not show to be in range: the kernel, the text, and why they are. There are none.
const OPEN: &[(&str, &str, &str)] = &[];

#[test]
fn every_index_is_below_the_length() {
    let (mut count, mut kernels_seen, mut open) = (0, 0, BTreeMap::new());
    let (mut reached, mut written) = (BTreeSet::new(), BTreeSet::new());
    let mut texts = HashSet::new();
    for (precision, sizes) in GRID {
        let kernels = kernels(*precision, sizes);
        kernels_seen += kernels.len();
        texts.extend(kernels.iter().map(|kernel| kernel.module.text.clone()));
        let (found, all) = found(&kernels);
        count += found.len();
        written.extend(all);
        for Found { kernel, site } in found {
            reached.insert((kernel.clone(), site.text.clone()));
            if let Some(failed) = site.failed {
                open.entry((kernel, site.text)).or_insert(failed);
            }
        }
    }
    println!("{} modules, {kernels_seen} kernels, {count} accesses, {} texts", texts.len(), reached.len());
    for (kernel, text, _) in OPEN {
        let listed = open.remove(&((*kernel).to_owned(), (*text).to_owned()));
        assert!(listed.is_some(), "{kernel}: {text} is in range now, or gone: it need not be listed");
    }
    assert!(open.is_empty(), "not shown to be in range: {open:#?}");
    // An access that no path comes to is not shown to be anything.
    let missed: Vec<_> = written.difference(&reached).collect();
    assert!(missed.is_empty(), "the grid does not come to {missed:#?}");
    assert!(count > 100_000 && reached.len() > 100, "{count} accesses, {} texts", reached.len());
}

/// What the analysis takes from the host is tested where the host makes it.
#[test]
fn tests_of_promises_exist() {
    for contract in world::CONTRACTS {
        let (path, test) = contract.host.split_once(": ").expect("a file and a test");
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(file).expect("a source");
        assert!(text.contains(&format!("fn {test}(")), "no test {test} in {path}");
    }
}
