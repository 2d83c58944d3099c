//! Timings of this machine: the fastest kernel variant by adapter, sizes and kernels, in a small file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Environment variable with another folder for the file, or `off`.
const VARIABLE: &str = "LOWRANK_CACHE";
/// Most choices kept.
const KEPT: usize = 4096;

/// The tuning file and its content.
pub(super) struct Tuning {
    path: Option<PathBuf>,
    known: BTreeMap<String, String>,
    /// Problem with the file, if any.
    pub(super) notice: Option<String>,
}

/// The user's cache folder.
fn folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(own) = variable(VARIABLE) {
        return (own != "off").then(|| PathBuf::from(own));
    }
    let cache =
        variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")));
    cache.map(|cache| cache.join("lowrank"))
}

/// A hash of texts.
pub(super) fn hash<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut hash = Sha256::new();
    texts.for_each(|text| {
        hash.update(text.as_bytes());
        hash.update([0]);
    });
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Tuning {
    /// Reads the file, if there is one.
    pub(super) fn open() -> Self {
        Self::at(folder().map(|folder| folder.join("tuning.json")))
    }

    /// Reads a file at another place, or none.
    pub(super) fn at(path: Option<PathBuf>) -> Self {
        let (mut known, mut notice) = (BTreeMap::new(), None);
        if let Some(text) = path.as_ref().and_then(|path| std::fs::read(path).ok()) {
            match serde_json::from_slice(&text) {
                Ok(found) => known = found,
                Err(_) => {
                    let path = path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
                    notice = Some(format!("autotuning: the cache {path} is damaged and was ignored"));
                }
            }
        }
        Self { path, known, notice }
    }

    /// The fastest variant on record.
    pub(super) fn find(&self, key: &str) -> Option<&str> {
        self.known.get(key).map(String::as_str)
    }

    /// Records a choice.
    pub(super) fn keep(&mut self, key: String, variant: String) {
        let Some(path) = &self.path else { return };
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(key, variant);
        let write = || -> std::io::Result<()> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            // Another process may read the file at the same time.
            let new = path.with_extension(format!("{}.new", std::process::id()));
            std::fs::write(&new, serde_json::to_vec_pretty(&self.known)?)?;
            std::fs::rename(&new, path)
        };
        if let Err(error) = write() {
            let why =
                format!("autotuning: the timings could not be saved for the next run: {}: {error}", path.display());
            self.notice.get_or_insert(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_found_again_and_a_damaged_file_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/tuning.json");
        let mut tuning = Tuning::at(Some(path.clone()));
        assert!(tuning.find("a").is_none() && tuning.notice.is_none());
        tuning.keep("a".into(), "tiled/8".into());
        assert_eq!(Tuning::at(Some(path.clone())).find("a"), Some("tiled/8"));
        std::fs::write(&path, "{\"a\": ").unwrap();
        let damaged = Tuning::at(Some(path));
        assert!(damaged.find("a").is_none() && damaged.notice.unwrap().contains("damaged"));
        // A folder cannot be made where a file lies.
        let mut unwritable = Tuning::at(Some(folder.path().join("deep/tuning.json/more/tuning.json")));
        unwritable.keep("a".into(), "tiled/8".into());
        assert!(unwritable.notice.unwrap().contains("tuning.json"));
    }

    #[test]
    fn texts_have_numbers() {
        assert_ne!(hash(["ab", "c"].into_iter()), hash(["a", "bc"].into_iter()));
    }
}
