//! The one error type of the crate. Every variant says what was found, what is allowed, and what to do.

use std::path::{Path, PathBuf};

/// Result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate. Reaching a limit, diverging or being interrupted are not errors: see [`crate::Status`].
///
/// The kind of an error is its variant, so no text has to be read. Operators, models and methods of your own return the
/// same type, made by [`Error::invalid`], [`Error::unsupported`], [`Error::file`] and [`Error::io`].
///
/// ```
/// use lowrank::{Backend, Error};
///
/// let asked = Backend::from_word("abacus");
/// let fallback = match asked {
///     Ok(backend) => backend,
///     Err(Error::Invalid { name, .. }) if name == "backend" => Backend::Cpu,
///     Err(error) if error.is_device_fault() => Backend::Cpu,
///     Err(error) => panic!("{error}"),
/// };
/// assert_eq!(fallback.word(), "cpu");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting or argument outside its allowed values. `name` is the setting's identifier (`search_rank`); on the
    /// command line it is the flag of the same name (`--search-rank`).
    #[error("{name}: found {found}; allowed: {allowed}. {fix}")]
    Invalid {
        /// Identifier of the setting or argument.
        name: String,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
        /// What to do.
        fix: String,
    },

    /// A file without the required content.
    #[error("{}: found {found}; allowed: {allowed}. {fix}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
        /// What to do.
        fix: String,
    },

    /// A file operation refused by the operating system.
    #[error("{}: {source}. {fix}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
        /// What to do.
        fix: String,
    },

    /// A combination that this version or this machine cannot run.
    #[error("{what} is not supported. {fix}")]
    Unsupported {
        /// The combination.
        what: String,
        /// What to do.
        fix: String,
    },

    /// No graphics adapter that matches the request.
    #[error(
        "backend: no GPU adapter matches '{wanted}'; found: {available}. Install a Vulkan, Metal or DX12 driver \
         (on Debian, mesa-vulkan-drivers is a software one), pick a listed name, or use the backend 'cpu'"
    )]
    NoAdapter {
        /// Requested name.
        wanted: String,
        /// Names of the available adapters.
        available: String,
    },

    /// An operator that breaks the laws of operators, so its results cannot be trusted.
    #[error("operator {operator} breaks {violations}. Compare its functions with sensing_matrix, its definition")]
    Law {
        /// Name of the operator.
        operator: String,
        /// The violations as text.
        violations: String,
    },

    /// A request for more memory than there is, refused before allocation. `name` is a setting, as in
    /// [`Error::Invalid`].
    #[error("{name}: needs {needed} of memory ({parts}) and {available} are free here. {fix}")]
    Memory {
        /// Identifier of the setting.
        name: String,
        /// Memory needed, as text.
        needed: String,
        /// The largest parts of it.
        parts: String,
        /// Memory available, as text.
        available: String,
        /// What to do.
        fix: String,
    },

    /// Lost contact between the ranks that share a problem.
    #[error("rank {rank}: {message}")]
    Team {
        /// Rank that the message concerns.
        rank: usize,
        /// What happened.
        message: String,
    },

    /// A lost device: the driver reset it, it was removed, or it did not answer.
    #[error("{adapter}: {message}. {fix}")]
    DeviceLost {
        /// Name of the adapter.
        adapter: String,
        /// Message of the driver.
        message: String,
        /// What to do.
        fix: String,
    },

    /// A device without free memory.
    #[error("{adapter}: {message}. {fix}")]
    OutOfMemory {
        /// Name of the adapter.
        adapter: String,
        /// Message of the driver.
        message: String,
        /// What to do.
        fix: String,
    },

    /// Another failure of the device: a pipeline that did not compile, no answer.
    #[error("{adapter}: {message}. {fix}")]
    Device {
        /// Name of the adapter.
        adapter: String,
        /// Message of the driver.
        message: String,
        /// What to do.
        fix: String,
    },
}

impl Error {
    /// Whether a device failed. Another try or another device may succeed.
    pub fn is_device_fault(&self) -> bool {
        matches!(self, Self::DeviceLost { .. } | Self::OutOfMemory { .. } | Self::Device { .. })
    }

    /// An [`Error::Invalid`]: identifier, found value, allowed values, and remedy.
    pub fn invalid(
        name: impl Into<String>,
        found: impl ToString,
        allowed: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Invalid { name: name.into(), found: found.to_string(), allowed: allowed.into(), fix: fix.into() }
    }

    /// An [`Error::Unsupported`]: the combination, and the remedy.
    pub fn unsupported(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), fix: fix.into() }
    }

    /// An [`Error::File`] about the content of a file.
    pub fn file(path: &Path, found: impl Into<String>, allowed: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), found: found.into(), allowed: allowed.into(), fix: fix.into() }
    }

    /// An [`Error::Io`] about a file operation that the operating system refused.
    pub fn io(path: &Path, source: std::io::Error, fix: impl Into<String>) -> Self {
        Self::Io { path: path.to_owned(), source, fix: fix.into() }
    }
}
