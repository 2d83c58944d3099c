//! Types that can be named from outside, by the files that declare them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The sources with what they declare, and the module tree between them.
struct House<'a> {
    texts: BTreeMap<&'a Path, &'a str>,
}

/// The items of `pub use`: where from, and the name.
fn re_exports(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for item in text.split("\npub use ").skip(1) {
        let item: String = item.split(';').next().unwrap_or_default().split_whitespace().collect();
        let Some((path, names)) = item.split_once("::{").or_else(|| item.rsplit_once("::")) else { continue };
        all.extend(names.trim_end_matches('}').split(',').map(|name| (path.to_owned(), name.to_owned())));
    }
    all
}

/// Types that a file declares as public at its top level.
fn declared(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let rest = ["struct ", "enum ", "trait ", "type "]
            .iter()
            .find_map(|kind| line.strip_prefix("pub ")?.strip_prefix(kind))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    })
}

impl House<'_> {
    /// The file of a module that `of` declares.
    fn child(&self, of: &Path, name: &str) -> Option<PathBuf> {
        let own = of.file_stem()?.to_str()?;
        let folder = if ["lib", "mod"].contains(&own) { of.parent()?.to_owned() } else { of.with_extension("") };
        let places = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
        places.into_iter().find(|path| self.texts.contains_key(path.as_path()))
    }

    /// The file that declares what `of` names by a path.
    fn origin(&self, root: &Path, of: &Path, path: &str, name: &str) -> Option<PathBuf> {
        let mut at = of.to_owned();
        for module in path.split("::") {
            at = if module == "crate" { root.to_owned() } else { self.child(&at, module)? };
        }
        let text = self.texts[at.as_path()];
        if declared(text).any(|other| other == name) {
            return Some(at);
        }
        let (path, _) = re_exports(text).into_iter().find(|(_, other)| other == name)?;
        self.origin(root, &at, &path, name)
    }

    fn visit(&self, root: &Path, at: &Path, found: &mut BTreeMap<String, BTreeSet<PathBuf>>) {
        let text = self.texts[at];
        for name in declared(text) {
            found.entry(name.to_owned()).or_default().insert(at.to_owned());
        }
        for (path, name) in re_exports(text) {
            if let Some(file) = self.origin(root, at, &path, &name) {
                found.entry(name).or_default().insert(file);
            }
        }
        for line in text.lines() {
            let module = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'));
            if let Some(file) = module.and_then(|name| self.child(at, name)) {
                self.visit(root, &file, found);
            }
        }
    }
}

/// By name, the files that declare a type of it that can be named from outside.
pub fn types(root: &Path, sources: &[(PathBuf, String)]) -> BTreeMap<String, BTreeSet<PathBuf>> {
    let house = House { texts: sources.iter().map(|(path, text)| (path.as_path(), text.as_str())).collect() };
    let mut found = BTreeMap::new();
    house.visit(root, root, &mut found);
    found
}
