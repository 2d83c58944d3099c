//! Files of a study: report.html, claims.json, and an SVG, a CSV and a script per figure.

use std::io::Write;
use std::path::Path;

use crate::reproduce::{Study, page};
use lowrank::internals::io::OutputFile;
use lowrank::{Error, Result};

/// Scripts by the name of the figure, which draw it from its CSV with pandas and matplotlib.
pub const SCRIPTS: &[(&str, &str)] = &[
    ("phases", include_str!("scripts/phases.py")),
    ("spectral", include_str!("scripts/spectral.py")),
    ("times", include_str!("scripts/times.py")),
    ("scale", include_str!("scripts/scale.py")),
    ("slopes", include_str!("scripts/slopes.py")),
    ("width", include_str!("scripts/width.py")),
    ("errors", include_str!("scripts/errors.py")),
    ("imbalance", include_str!("scripts/imbalance.py")),
    ("flatness", include_str!("scripts/flatness.py")),
    ("nuclear", include_str!("scripts/nuclear.py")),
];

/// Writes all files into a directory, which it creates if necessary. `command` reproduces the study.
///
/// # Errors
/// [`Error::Io`] naming the file.
pub fn write(study: &Study, directory: &Path, command: &str) -> Result<()> {
    std::fs::create_dir_all(directory)
        .map_err(|source| Error::io(directory, source, "Name a directory that lowrank can create with --out"))?;
    let put = |name: String, text: &str| -> Result<()> {
        let mut file = OutputFile::create(directory.join(name))?;
        let written = file.write_all(text.as_bytes());
        file.check(written)?;
        file.finish()
    };
    for figure in &study.figures {
        put(format!("{}.svg", figure.name), &figure.svg)?;
        put(format!("{}.csv", figure.name), &figure.csv)?;
        let shared = || SCRIPTS.iter().find(|s| s.0 == figure.name).map(|s| s.1);
        if let Some(script) = figure.script.as_deref().or_else(shared) {
            put(format!("{}.py", figure.name), script)?;
        }
    }
    let claims = serde_json::to_string_pretty(&study.claims).map_err(|e| {
        let fix = "Check the free space of the disk";
        Error::io(&directory.join("claims.json"), std::io::Error::from(e), fix)
    })?;
    put("claims.json".into(), &format!("{claims}\n"))?;
    put("report.html".into(), &page::page(study, command))
}
