//! Exceptions with the messages of the library.

use pyo3::PyErr;
use pyo3::exceptions::{PyRuntimeError, PyValueError};

pyo3::create_exception!(lowrank, InvalidInput, PyValueError, "Value found, values allowed, and what to do.");
pyo3::create_exception!(lowrank, LowrankError, PyRuntimeError, "Failure of a file, the memory or a device.");

/// Replaces flags such as `--search-rank` in messages by keywords such as `search_rank`.
pub fn keywords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("--") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let end = after.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(after.len());
        out.push_str(before);
        if end == 0 {
            out.push_str("--");
        }
        out.push_str(&after[..end].replace('-', "_"));
        rest = &after[end..];
    }
    out + rest
}

pub fn raised(error: lowrank::Error) -> PyErr {
    let text = keywords(&error.to_string());
    match error {
        lowrank::Error::Invalid { .. } | lowrank::Error::File { .. } | lowrank::Error::Unsupported { .. } => {
            InvalidInput::new_err(text)
        }
        _ => LowrankError::new_err(text),
    }
}

/// Returns an error in the form of the library's.
pub fn invalid(name: &str, found: impl Into<String>, allowed: &str, fix: &str) -> PyErr {
    raised(lowrank::Error::Invalid { name: name.into(), found: found.into(), allowed: allowed.into(), fix: fix.into() })
}
