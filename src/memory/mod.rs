//! Memory: predicted needs by part, and available memory.

pub(crate) mod system;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub(crate) use system::{available, readable_bytes};

/// Place of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Location {
    /// Memory of this program.
    Host,
    /// Mapped file, kept in memory by the operating system as far as there is room.
    File,
    /// Memory of a graphics adapter; for an integrated or software adapter, memory of the machine.
    Device,
}

/// One part of the memory needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Part {
    /// Name of the part.
    pub name: String,
    /// Place of the part.
    pub place: Location,
    /// Size in bytes.
    pub bytes: u64,
}

impl Part {
    /// A part of `bytes` bytes.
    pub fn new(name: impl Into<String>, place: Location, bytes: u64) -> Self {
        Self { name: name.into(), place, bytes }
    }
}

/// Predicted memory, by part, held at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Memory {
    /// Parts that are held at the same time.
    pub parts: Vec<Part>,
}

impl Memory {
    /// Memory of this program, by names and bytes of its parts.
    pub(crate) fn of_host<'n>(parts: impl IntoIterator<Item = (&'n str, u64)>) -> Self {
        Self { parts: parts.into_iter().map(|(name, bytes)| Part::new(name, Location::Host, bytes)).collect() }
    }

    /// Bytes in one place, over all parts.
    pub fn bytes(&self, place: Location) -> u64 {
        self.parts.iter().filter(|part| part.place == place).fold(0, |all, part| all.saturating_add(part.bytes))
    }

    /// Refuses a need beyond this machine's memory. `name` is the setting that `fix` mentions.
    ///
    /// # Errors
    /// [`Error::Memory`]. Where the system does not report free memory, nothing is refused.
    pub(crate) fn require(&self, name: &str, fix: impl Into<String>) -> Result<()> {
        self.require_of(available(), name, fix)
    }

    fn require_of(&self, available: Option<u64>, name: &str, fix: impl Into<String>) -> Result<()> {
        let needed = self.bytes(Location::Host);
        let Some(available) = available.filter(|available| needed > *available) else { return Ok(()) };
        let mut parts: Vec<&Part> = self.parts.iter().filter(|part| part.place == Location::Host).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        let most: Vec<String> =
            parts.iter().take(2).map(|part| format!("{} for {}", readable_bytes(part.bytes), part.name)).collect();
        Err(Error::Memory {
            name: name.to_owned(),
            needed: readable_bytes(needed),
            parts: most.join(", "),
            available: readable_bytes(available),
            fix: fix.into(),
        })
    }
}

/// The product of `factors` as bytes, or the largest number on overflow.
pub(crate) fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1, |all: u64, &factor| all.saturating_mul(factor as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_its_parts() {
        let part = |name: &str, place, bytes| Part::new(name, place, bytes);
        let memory = Memory {
            parts: vec![
                part("factors", Location::Host, 1_000_000_000),
                part("matrices", Location::File, 1 << 50),
                part("accumulators", Location::Host, 49_100_000_000),
            ],
        };
        assert!(memory.require_of(None, "batch", "").is_ok());
        assert!(memory.require_of(Some(50_100_000_000), "batch", "").is_ok());
        let error = memory.require_of(Some(24_000_000_000), "batch", "Run fewer trials").unwrap_err().to_string();
        assert_eq!(
            error,
            "batch: needs 50.1 GB of memory (49.1 GB for accumulators, 1.0 GB for factors) and 24.0 GB are free here. Run fewer \
             trials"
        );
    }
}
