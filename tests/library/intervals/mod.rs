//! Every index of every kernel lies within its array: an interval analysis of the modules as naga translates them.

mod domain;
mod eval;
mod facts;
mod loops;
mod prove;
mod terms;
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

fn exact(value: usize) -> Interval {
    Interval::one(value as i64)
}

/// Parts of a range of measurements as panels: all of them, and both halves, with whether the sums begin there.
fn panels(range: &std::ops::Range<usize>) -> Vec<std::ops::Range<usize>> {
    let middle = range.start + range.len() / 2;
    let all = [range.clone(), range.start..middle, middle..range.end];
    let panels: BTreeSet<(usize, usize)> =
        all.into_iter().filter(|part| !part.is_empty() || range.is_empty()).map(|part| (part.start, part.end)).collect();
    panels.into_iter().map(|(start, end)| start..end).collect()
}

/// All worlds of a kernel on an adapter with at most `most` workgroups in a dimension.
fn worlds(kernel: &TapeKernel, most: u64) -> Vec<World> {
    let [trials, lanes] = kernel.slots;
    let grids: Vec<[u32; 3]> =
        (1..=trials).map(|active| kernel.extents(active, most).expect("a small grid")).collect();
    let extents = (0..3).map(|at| {
        grids.iter().map(|grid| Interval::one(i64::from(grid[at]))).fold(Interval::NONE, Interval::or)
    });
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

/// All kernels, once for each size of what they bind.
fn kernels() -> Vec<TapeKernel> {
    let mut seen = HashSet::new();
    let single = [(1, 1, 1, 1), (2, 3, 5, 2), (17, 257, 16, 3)];
    let all = kernels_at(Precision::F32, &single);
    let new = |kernel: &TapeKernel| {
        let TapeKernel { module, entry, slots, operands, third, .. } = kernel;
        seen.insert((module.text.clone(), *entry, *slots, operands.clone(), third.clone(), kernel.workgroups))
    };
    all.into_iter().filter(new).collect()
}

#[test]
fn every_index_is_below_the_length() {
    let kernels = kernels();
    let mut by_text: BTreeMap<&str, Vec<&TapeKernel>> = BTreeMap::new();
    kernels.iter().for_each(|kernel| by_text.entry(&kernel.module.text).or_default().push(kernel));
    let groups: Vec<_> = by_text.into_iter().collect();
    let found: Vec<(String, Site)> = groups
        .par_iter()
        .flat_map_iter(|(text, kernels)| {
            let (module, info) = parsed(text);
            let mut all = Vec::new();
            for kernel in kernels {
                for world in [65_535].into_iter().flat_map(|most| worlds(kernel, most)) {
                    if let Ok(only) = std::env::var("IDX_ONLY") { if !format!("{} {}", kernel.module.name, kernel.entry).contains(&only) { continue; } }
                    let began = std::time::Instant::now();
                    let name = format!("{} {}", kernel.module.name, kernel.entry);
                    let sites = sites(&module, &info, text, kernel.entry, world);
                    if began.elapsed().as_millis() > 100 { println!("SLOW {name} {} {:?} {:?} cases {}", kernel.variant, kernel.slots, began.elapsed(), prove::USED.load(std::sync::atomic::Ordering::Relaxed)); }
                    all.extend(sites.into_iter().map(|site| (name.clone(), site)));
                }
            }
            all
        })
        .collect();
    let mut open: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (name, site) in &found {
        if let Some(failed) = &site.failed {
            let entry = open.entry(format!("{name}: {}", site.text)).or_insert((0, failed.clone()));
            entry.0 += 1;
        }
    }
    println!("{} modules, {} kernels, {} accesses, {} open", groups.len(), kernels.len(), found.len(), open.len());
    for (what, (count, failed)) in &open {
        println!("{count} {what}: {failed}");
    }
    assert!(open.is_empty());
}
