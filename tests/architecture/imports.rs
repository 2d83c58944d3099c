//! Which file imports which: paths of `use crate::…` followed to the file where the name lives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module path without `crate`.
type Module = Vec<String>;

/// The module of a source file.
fn module_of(root: &Path, path: &Path) -> Module {
    let relative = path.strip_prefix(root).unwrap().with_extension("");
    let mut parts: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// The parts of a list between commas that are not in braces of their own.
fn listed(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

/// All paths of a `use` tree.
fn expand(prefix: &[String], tree: &str, out: &mut Vec<Module>) {
    let tree = tree.trim();
    let (path, list) = match tree.find('{') {
        Some(at) => (&tree[..at], Some(tree[at + 1..].trim_end().trim_end_matches('}'))),
        None => (tree.split(" as ").next().unwrap(), None),
    };
    let parts = path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
    let whole: Module = prefix.iter().cloned().chain(parts).collect();
    match list {
        Some(list) => {
            listed(list).into_iter().filter(|part| !part.trim().is_empty()).for_each(|part| expand(&whole, part, out))
        }
        None if !whole.is_empty() => out.push(whole),
        None => {}
    }
}

/// The trees of statements that begin with `start`.
fn statements<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(start).filter_map(move |(at, _)| {
        let rest = &text[at + start.len()..];
        rest.find(';').map(|end| &rest[..end])
    })
}

/// For each file those that it imports from. `sources` are paths and texts without comments and tests.
pub fn edges(root: &Path, sources: &[(PathBuf, String)]) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
    let files: BTreeMap<Module, &PathBuf> = sources.iter().map(|(path, _)| (module_of(root, path), path)).collect();
    // Names that a module hands on from one of its own files.
    let mut handed: BTreeMap<(Module, String), Module> = BTreeMap::new();
    for (path, text) in sources {
        let module = module_of(root, path);
        for start in [
            "pub use ",
            "pub(crate) use ",
            "pub(super) use ",
            "pub(in crate::gpu) use ",
            "pub(in crate::operators) use ",
        ] {
            let mut names = Vec::new();
            statements(text, start).for_each(|tree| expand(&[], tree, &mut names));
            for name in names.into_iter().filter(|name| name.len() == 2) {
                let of: Module = module.iter().cloned().chain([name[0].clone()]).collect();
                if files.contains_key(&of) {
                    handed.insert((module.clone(), name[1].clone()), of);
                }
            }
        }
    }
    let home = |path: &Module| -> Module {
        let mut module: Module = Vec::new();
        for part in &path[1..] {
            let inner: Module = module.iter().cloned().chain([part.clone()]).collect();
            if files.contains_key(&inner) {
                module = inner;
                continue;
            }
            while let Some(of) = handed.get(&(module.clone(), part.clone())) {
                module = of.clone();
            }
            break;
        }
        module
    };
    let of = |(path, text): &(PathBuf, String)| {
        let mut paths = Vec::new();
        statements(text, "use crate::").for_each(|tree| expand(&["crate".to_owned()], tree, &mut paths));
        let imported = paths.iter().filter_map(|name| files.get(&home(name))).filter(|other| ***other != *path);
        (path.clone(), imported.map(|other| (*other).clone()).collect())
    };
    sources.iter().map(of).collect()
}

/// Files that import each other in a circle, if there are any.
pub fn circle(edges: &BTreeMap<PathBuf, BTreeSet<PathBuf>>) -> Option<Vec<PathBuf>> {
    // Files without imports are taken away until none is left, or only circles and what leads to them.
    let mut left = edges.clone();
    loop {
        let done: Vec<PathBuf> = left.iter().filter(|(_, to)| to.is_empty()).map(|(file, _)| file.clone()).collect();
        if done.is_empty() {
            break;
        }
        done.iter().for_each(|file| drop(left.remove(file)));
        left.values_mut().for_each(|to| to.retain(|file| !done.contains(file)));
    }
    let mut path = vec![left.keys().next()?.clone()];
    loop {
        let next = left[path.last()?].first()?.clone();
        if let Some(at) = path.iter().position(|file| *file == next) {
            return Some(path.split_off(at));
        }
        path.push(next);
    }
}
