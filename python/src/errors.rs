//! Exceptions with the library's sentences.

use pyo3::PyErr;
use pyo3::exceptions::{PyRuntimeError, PyValueError};

pyo3::create_exception!(lowrank, InvalidInput, PyValueError, "What was found, what is allowed, and what to do.");
pyo3::create_exception!(lowrank, LowrankError, PyRuntimeError, "A file, the memory or a device refused.");

/// `--search-rank` as `search_rank`: the library's advice names flags, which are keywords here.
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

/// A refusal of this side, in the library's form.
pub fn invalid(name: &str, found: impl Into<String>, allowed: &str, fix: &str) -> PyErr {
    raised(lowrank::Error::Invalid { name: name.into(), found: found.into(), allowed: allowed.into(), fix: fix.into() })
}
