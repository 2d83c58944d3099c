//! Pauli measurements from files and options.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::{Error, Result};
use crate::operators::dense::Normalization;
use crate::operators::open::{Common, Opened, Opening, Wanted, object};
use crate::operators::pauli::counts::Counts;
use crate::operators::pauli::{Pauli, PauliString};
use crate::options::OptionKind::File;
use crate::options::{MEASUREMENTS, OptionCard};

pub(crate) const OPTIONS: &[OptionCard] = &[
    OptionCard::new(
        "pauli",
        File,
        "strings.txt",
        MEASUREMENTS,
        "Pauli strings, one in a line, such as XYZI; a number after it is its expectation value, in place of --observations",
    )
    .program_only(),
    OptionCard::new(
        "counts",
        File,
        "counts.json",
        MEASUREMENTS,
        "Counts of outcomes by measurement basis, {\"XYZ\": {\"010\": 12, …}, …}: lowrank forms the expectation values of \
         all strings that the bases determine",
    )
    .program_only()
    .excludes(&["pauli", "observations"]),
];

struct Strings {
    path: PathBuf,
    /// Whether the file holds counts.
    counts: bool,
    observations: Option<PathBuf>,
    normalization: Normalization,
    common: Common,
}

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    wanted.refuse(&["layout", "shape", "storage"], "nothing with Pauli strings, which have the size of the unknown")?;
    if !wanted.symmetric {
        let allowed = "psd or signed, because Pauli strings measure Hermitian matrices";
        return Err(Error::invalid("model", wanted.model, allowed, "leave the model out"));
    }
    let counts = wanted.request.has("counts");
    let path = match counts {
        true => wanted.file("counts", "a .json file of counts")?,
        false => wanted.file("pauli", "a text file of Pauli strings")?,
    };
    let observations = wanted.request.file("observations").map(PathBuf::from);
    Ok(Box::new(Strings {
        path,
        counts,
        observations,
        normalization: wanted.normalization()?,
        common: wanted.common(),
    }))
}

impl Opening for Strings {
    fn inputs(&self) -> Vec<PathBuf> {
        std::iter::once(&self.path).chain(&self.observations).cloned().collect()
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        let Self { path, counts, observations, normalization, common } = *self;
        let (strings, values, weights, notice) = match counts {
            true => {
                let found = Counts::read(&path)?.expectations()?;
                let (m, shots) = (found.strings.len(), found.shots);
                let notice = format!("{shots} counts in {} bases determine {m} expectation values", found.bases);
                (found.strings, Some(found.values), Some(found.weights), Some(notice))
            }
            false => {
                let (strings, values) = read_strings(&path)?;
                (strings, values, None, None)
            }
        };
        let operator = Pauli::new(strings)?;
        let operator = match normalization {
            Normalization::InverseCount | Normalization::Auto => operator,
            Normalization::One => operator.with_normalization(1.0)?,
            Normalization::Value(s) => operator.with_normalization(s)?,
        };
        let text = format!("{} Pauli strings of {}", operator.strings().len(), path.display());
        let name = if counts { "counts" } else { "pauli" };
        let described = json!({ "operator": "pauli", name: path, "qubits": operator.qubits() });
        match (values, &observations) {
            (Some(_), Some(file)) => {
                let found = format!("{} beside values in {}", file.display(), path.display());
                Err(Error::invalid("observations", found, "one source of values", "leave it out, or the values"))
            }
            (None, None) => {
                let fix = "name the file with --observations, or write each value after its string";
                Err(Error::invalid("observations", "nothing", "a .npy file of y, one number a string", fix))
            }
            (None, Some(file)) => common.opened(operator, &text, Vec::new(), file, described),
            (Some(values), None) => {
                let mut opened =
                    common.with_values(operator, vec![values], Vec::from_iter(notice), object(described))?;
                if opened.weights.is_none() {
                    opened.weights = weights;
                }
                Ok(opened)
            }
        }
    }
}

/// Strings of a text file, one in a line, with the expectation values after them, if there are any. Empty lines and what
/// follows `#` do not count.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] naming the line: another letter or length, a number that is none or outside −1 to 1, values
/// for some of the strings only.
fn read_strings(path: &Path) -> Result<(Vec<PauliString>, Option<Vec<f64>>)> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e, "Check the file"))?;
    let (mut strings, mut values): (Vec<PauliString>, Vec<f64>) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty());
        let Some(word) = words.next() else { continue };
        let wrong = |found: String, allowed: &str, fix: &str| {
            Err(Error::file(path, format!("line {}: {found}", at + 1), allowed, fix))
        };
        let string = match PauliString::from_word(word) {
            Ok(string) => string,
            Err(error) => {
                let Error::Invalid { found, .. } = error else { return Err(error) };
                return wrong(found, "a word of I, X, Y, Z", "Write one letter for each qubit");
            }
        };
        if let Some(first) = strings.first().filter(|first| first.qubits() != string.qubits()) {
            let allowed = format!("{} letters, like the first string {first}", first.qubits());
            return wrong(
                format!("'{word}' of {} letters", string.qubits()),
                &allowed,
                "Write as many letters in each",
            );
        }
        let value = words.next();
        if let Some(more) = words.next() {
            return wrong(format!("'{more}' after the value"), "a string and a value", "Remove what follows");
        }
        if let Some(value) = value {
            match value.parse::<f64>() {
                Ok(v) if v.abs() <= 1.0 + EXCESS => values.push(v),
                _ => {
                    return wrong(
                        format!("the value '{value}'"),
                        "a number from -1 to 1",
                        "Expectation values of strings have no unit",
                    );
                }
            }
        }
        strings.push(string);
        if !values.is_empty() && values.len() != strings.len() {
            let found = format!("'{word}' {} a value", if value.is_some() { "with" } else { "without" });
            return wrong(found, "a value for every string, or for none", "Complete the file, or pass --observations");
        }
    }
    if strings.is_empty() {
        return Err(Error::file(path, "no strings", "at least one Pauli string", "Write one in a line, such as XYZI"));
    }
    Ok((strings, Some(values).filter(|values| !values.is_empty())))
}

/// By how much an expectation value may leave −1 to 1: estimates that correct for readout errors do.
const EXCESS: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Vec<PauliString>, Option<Vec<f64>>)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_strings(file.path())
    }

    #[test]
    fn strings_come_with_values_or_without() {
        let (strings, values) = read("# GHZ\nXX 1\n\nyy, -1.0 # two\nZZ\t1\n").unwrap();
        assert_eq!(strings.iter().map(ToString::to_string).collect::<Vec<_>>(), ["XX", "YY", "ZZ"]);
        assert_eq!(values, Some(vec![1.0, -1.0, 1.0]));
        assert_eq!(read("XYZI\nIIII\n").unwrap().1, None);
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, line) in [
            ("XX\nXQ\n", "line 2: the letter 'Q'"),
            ("XX\nXXX\n", "line 2: 'XXX' of 3 letters"),
            ("XX 3\n", "line 1: the value '3'"),
            ("XX 1\nYY\n", "line 2: 'YY' without a value"),
            ("XX\nYY 1\n", "line 2: 'YY' with a value"),
            ("XX 1 2\n", "line 1: '2' after the value"),
            ("# nothing\n", "no strings"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(line), "{message}");
        }
    }
}
