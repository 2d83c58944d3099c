//! The house rules that the compiler does not check: which module may import which, where wgpu may be named, who may
//! print, how long a file may be.

use std::path::{Path, PathBuf};

mod imports;
mod names;
mod published;

/// The packages of the house from the bottom up: the library, the studies, the program.
const PACKAGES: [&str; 3] = ["src", "studies/src", "cli/src"];

/// Modules of the library and of the studies from the bottom up. A module imports from those before it only.
const ORDER: &[&str] = &[
    "error",
    "words",
    "memory",
    "real",
    "pages",
    "simd",
    "field",
    "linalg",
    "tall",
    "text",
    "named",
    "options",
    "problem",
    "io",
    "operators",
    "predict",
    "tape",
    "models",
    "methods",
    "team",
    "engine",
    "mixed",
    "host",
    "gpu",
    "distributed",
    "backend",
    "session",
    "laws",
    "diagnostics",
    "solver",
    "confidence",
    "selection",
    "requests",
    "internals",
    "bench",
    "soak",
    "sweep",
    "compare",
    "report",
    "reproduce",
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    for package in PACKAGES {
        let before = found.len();
        walk(&root(package), &mut found);
        assert!(found.len() > before + 20, "the sources of {package} were not found");
    }
    found
}

fn root(package: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(package)
}

/// The package a file belongs to.
fn package(path: &Path) -> &'static str {
    PACKAGES.into_iter().find(|package| path.starts_with(root(package))).unwrap()
}

/// The top-level module a file belongs to.
fn module(path: &Path) -> String {
    let relative = path.strip_prefix(root(package(path))).unwrap();
    relative.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Lines of code: no comments, and nothing from the unit tests on.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn imports_run_one_way() {
    let rank = |name: &str| ORDER.iter().position(|m| *m == name);
    let mut edges = 0;
    for (path, text) in sources() {
        let from = module(&path);
        if from == "lib" || package(&path) == "cli/src" {
            continue;
        }
        let own = rank(&from).unwrap_or_else(|| panic!("{from} has no place in ORDER"));
        let whole: String = code(&text).collect::<Vec<_>>().join("\n");
        for at in whole.match_indices("crate::").map(|(at, _)| at + "crate::".len()) {
            // `use crate::{gpu, host};` names several.
            let rest = &whole[at..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => {
                    list[..list.find('}').unwrap()].split(',').map(|n| n.split("::").next().unwrap().trim()).collect()
                }
                None => vec![rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()],
            };
            for to in names {
                let Some(other) = rank(to) else { continue };
                edges += usize::from(own != other);
                assert!(other <= own, "{} imports {to}, which is above {from}", path.display());
            }
        }
    }
    assert!(edges > 40, "only {edges} imports were seen: the test reads them wrongly");
}

/// What a name stands for does not depend on the module it is read in.
#[test]
fn public_types_have_names_of_their_own() {
    let mut sources = sources();
    for (_, text) in &mut sources {
        // A re-export on the first line as well.
        *text = std::iter::once("").chain(code(text)).collect::<Vec<_>>().join("\n");
    }
    let mut types = names::types(&root("src/lib.rs"), &sources);
    for (name, files) in names::types(&root("studies/src/lib.rs"), &sources) {
        types.entry(name).or_default().extend(files);
    }
    assert!(types.len() > 200, "only {} types were seen: the test reads them wrongly", types.len());
    let shared: Vec<_> = types.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(shared.is_empty(), "each of these names stands for several types: {shared:#?}");
}

/// The same rule for files: no file imports, directly or through others, from one that imports from it.
#[test]
fn files_import_one_way() {
    let mut count = 0;
    for package in PACKAGES {
        let root = root(package);
        let mut sources = sources();
        // The commands share what `cli/src/lib.rs` says to people.
        sources.retain(|(path, _)| path.starts_with(&root) && *path != root.join("lib.rs"));
        for (_, text) in &mut sources {
            *text = code(text).collect::<Vec<_>>().join("\n");
        }
        let edges = imports::edges(&root, &sources);
        count += edges.values().map(|to| to.len()).sum::<usize>();
        if let Some(circle) = imports::circle(&edges) {
            panic!("these files import each other in a circle: {circle:#?}");
        }
    }
    assert!(count > 500, "only {count} imports were seen: the test reads them wrongly");
}

/// Files, and the words that they alone may compare with: those of methods, models and operators belong to their registries.
#[test]
fn no_room_asks_which_method_or_model_it_is() {
    let words = [
        "\"psd\"",
        "\"signed\"",
        "\"asymmetric\"",
        "\"deep\"",
        "\"gd\"",
        "\"heavy-ball\"",
        "\"scaled-gd\"",
        "\"prec-gd\"",
        "\"cg\"",
        "\"lbfgs\"",
        "\"riemannian\"",
        "\"alt-scaled-gd\"",
    ];
    // Each with its reason: presets of published experiments name their methods; a soak knows which results roundings decide; the
    // front end has a default for the model; a file of factors says whether it has two; registers of a tape have names.
    let known = [
        "src/methods",
        "src/models",
        "src/io",
        "src/tape",
        "studies/src/reproduce",
        "studies/src/soak",
        "studies/src/compare",
        "studies/src/report",
        "cli/src",
    ];
    for (path, text) in sources() {
        if known.iter().any(|room| path.starts_with(Path::new(env!("CARGO_MANIFEST_DIR")).join(room))) {
            continue;
        }
        for line in code(&text) {
            let found = words.iter().find(|word| line.contains(**word));
            assert!(found.is_none(), "{} asks for {}: {line}", path.display(), found.unwrap());
        }
    }
}

/// The seam between the loop and the hardware stays small, and nothing in it has a default to fall back to.
#[test]
fn the_engine_has_nine_calls_without_defaults() {
    let all = sources();
    let (_, text) = all.iter().find(|(path, _)| path.ends_with("src/engine/interface.rs")).expect("the seam");
    let begin = text.find("pub trait Engine").expect("the trait");
    let body = &text[begin..begin + text[begin..].find("\n}\n").expect("its end")];
    let calls: Vec<&str> = body.lines().filter(|line| line.trim_start().starts_with("fn ")).collect();
    assert!(calls.len() <= 9 && calls.len() >= 6, "{calls:#?}");
    assert!(calls.iter().all(|line| line.ends_with(';')), "a default: {calls:#?}");
}

#[test]
fn wgpu_is_named_in_one_place() {
    for (path, text) in sources().into_iter().filter(|(path, _)| module(path) != "gpu") {
        assert!(code(&text).all(|line| !line.contains("wgpu")), "{} names wgpu", path.display());
    }
}

#[test]
fn the_library_prints_nothing_and_installs_no_handler() {
    for (path, text) in sources().into_iter().filter(|(path, _)| package(path) != "cli/src") {
        for word in ["println!", "eprintln!", "print!(", "eprint!(", "dbg!", "ctrlc::", "process::exit"] {
            assert!(code(&text).all(|line| !line.contains(word)), "{} has {word}", path.display());
        }
    }
}

#[test]
fn unsafe_is_counted() {
    let uses: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| {
            code(text)
                .filter(|line| line.contains("unsafe "))
                .map(|line| format!("{}: {line}", path.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    // Mapping a file (sound while nobody changes it, which no program can promise), and an environment variable set before
    // there are threads; an instruction behind a token that says it is there; three loads of registers; prefetching;
    // kernels without runtime checks.
    assert_eq!(uses.len(), 8, "{uses:#?}");
}

#[test]
fn every_unsafe_says_why_it_is_sound() {
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for at in
            (0..lines.len()).filter(|&at| lines[at].contains("unsafe {") && !lines[at].trim_start().starts_with("//"))
        {
            let above = lines[at.saturating_sub(4)..at].iter().any(|line| line.contains("SAFETY:"));
            assert!(above, "{}:{} has no SAFETY comment above it", path.display(), at + 1);
        }
    }
}

#[test]
fn files_fit_in_a_head() {
    for (path, text) in sources() {
        assert!(text.lines().count() <= 450, "{} has {} lines", path.display(), text.lines().count());
    }
}

/// Names and lengths of the functions of a file, its tests left out. A function ends at the brace below its `fn`.
fn functions(text: &str) -> Vec<(String, usize)> {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    let lines: Vec<&str> = text[..end].lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let name = words.strip_prefix("fn ").or_else(|| {
            let public = words.starts_with("pub") || words.starts_with("const fn ");
            words.split_once(" fn ").map(|(_, name)| name).or(words.strip_prefix("const fn ")).filter(|_| public)
        });
        let Some(name) = name.filter(|_| !line.ends_with('}') && !line.ends_with(';')) else { continue };
        let close = format!("{}}}", &line[..line.len() - words.len()]);
        let length = lines[at..].iter().position(|line| *line == close).unwrap_or_else(|| panic!("{line} has no end"));
        let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
        found.push((name.to_owned(), length + 1));
    }
    found
}

#[test]
fn the_loop_fits_on_a_screen() {
    let mut sources = sources();
    sources.retain(|(path, _)| module(path) == "solver");
    let all: Vec<(PathBuf, String, usize)> = (sources.into_iter())
        .flat_map(|(path, text)| functions(&text).into_iter().map(move |(name, length)| (path.clone(), name, length)))
        .collect();
    assert!(all.len() > 100, "only {} functions were found: the test reads them wrongly", all.len());
    for (path, name, length) in &all {
        assert!(*length <= 80, "{name} of {} has {length} lines", path.display());
    }
    for (file, name, most) in [("run/mod.rs", "run", 40), ("run/mod.rs", "round", 40), ("plan.rs", "plan", 60)] {
        let here = |path: &Path| path.ends_with(Path::new("src/solver").join(file));
        let found: Vec<usize> = (all.iter()).filter(|(path, n, _)| here(path) && n == name).map(|of| of.2).collect();
        assert!(matches!(found[..], [length] if length <= most), "{name} of {file} has {found:?} lines of {most}");
    }
}

/// Every call on an engine has one home, so that the seam can change without the loop.
#[test]
fn the_solver_calls_the_engine_in_one_place() {
    for (path, text) in sources().into_iter().filter(|(path, _)| module(path) == "solver") {
        let home = path.ends_with("src/solver/loaded.rs");
        assert!(home || code(&text).all(|line| !line.contains("dyn Engine")), "{} holds an engine", path.display());
    }
}

/// A kernel that is generic in the precision is compiled wherever its vtable is made: `accelerate` of an operator, which must
/// stay in this crate.
#[test]
fn kernels_are_not_compiled_in_other_crates() {
    let mut sources = sources();
    sources.retain(|(path, _)| module(path) == "operators");
    let mut found = 0;
    for (_, text) in &sources {
        let lines = text.lines().filter(|line| line.starts_with("impl<T") && line.contains("HostKernel<T> for "));
        for operator in lines.filter_map(|line| line.rsplit(' ').find(|word| !word.is_empty() && *word != "{")) {
            let implements = format!("impl Operator for {operator} {{");
            let Some((path, text)) = sources.iter().find(|(_, text)| text.contains(&implements)) else { continue };
            found += 1;
            let guarded = text.contains("#[inline(never)]\n    fn accelerate(");
            assert!(guarded, "{}: accelerate without #[inline(never)]", path.display());
        }
    }
    assert!(found >= 2, "the kernels were not found");
}
