//! The runtime checks that kernels have on an adapter: those asked for, those on record, or those that known faults of
//! its driver need.

use crate::engine::options::Checks;
use crate::error::{Error, Result};
use crate::gpu::known_faults::{Adapter, Remedy, asks_for};
use crate::gpu::tuning::Tuning;

/// Environment variable that sets the checks of every adapter: `all`, `loops` or `off`.
const VARIABLE: &str = "LOWRANK_GPU_CHECKS";

/// The checks that the environment asks for.
///
/// # Errors
/// [`Error::Invalid`] for another word.
pub(super) fn asked() -> Result<Option<Checks>> {
    let Some(word) = std::env::var_os(VARIABLE).filter(|word| !word.is_empty()) else { return Ok(None) };
    parsed(&word.to_string_lossy()).map(Some)
}

fn parsed(word: &str) -> Result<Checks> {
    let allowed = "all, loops or off";
    word.parse().map_err(|_| Error::invalid(VARIABLE, format!("'{word}'"), allowed, "unset it, or pick one of them"))
}

fn key(adapter: &Adapter<'_>) -> String {
    format!("checks | {} | {}", adapter.name, adapter.driver)
}

/// The checks of an adapter's kernels. A word that does not exist asks for all of them.
pub(super) fn of(adapter: &Adapter<'_>) -> Checks {
    match asked() {
        Ok(Some(asked)) => asked,
        Err(_) => Checks::All,
        Ok(None) => unasked(adapter, &Tuning::open()),
    }
}

fn unasked(adapter: &Adapter<'_>, tuning: &Tuning) -> Checks {
    if let Some(kept) = tuning.find(&key(adapter)).and_then(|word| word.parse().ok()) {
        return kept;
    }
    if asks_for(adapter, Remedy::BoundLoops) { Checks::Loops } else { Checks::Off }
}

/// Records the checks of an adapter for later runs. The error is a sentence about the file.
pub(super) fn keep(adapter: &Adapter<'_>, checks: Checks) -> std::result::Result<(), String> {
    let mut tuning = Tuning::open();
    tuning.keep(key(adapter), checks.word().to_owned());
    tuning.notice.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_comes_before_the_known_faults() {
        let folder = tempfile::tempdir().unwrap();
        let mut tuning = Tuning::at(Some(folder.path().join("tuning.json")));
        let mut adapter = Adapter { name: "Force", backend: "vulkan", driver: "NVIDIA 552.44", system: "linux" };
        assert_eq!(unasked(&adapter, &tuning), Checks::Off);
        adapter.system = "windows";
        assert_eq!(unasked(&adapter, &tuning), Checks::Loops);
        tuning.keep(key(&adapter), "all".into());
        assert_eq!(unasked(&adapter, &tuning), Checks::All);
        assert_eq!(unasked(&Adapter { driver: "NVIDIA 560.0", ..adapter }, &tuning), Checks::Loops);
    }

    #[test]
    fn another_word_is_refused_by_name() {
        assert_eq!(parsed("loops").unwrap(), Checks::Loops);
        let said = parsed("none").unwrap_err().to_string();
        assert!(said.contains(VARIABLE) && said.contains("'none'") && said.contains("loops"), "{said}");
    }
}
