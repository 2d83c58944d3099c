//! Completion of a complex matrix: a table of complex numbers with holes, of which two measurements each are made.

use std::sync::Arc;

use serde_json::{Value, json};

use super::open::{Completion, HeldOut};
use crate::error::{Error, Result};
use crate::io::complex::ComplexArray;
use crate::io::shape_text;
use crate::operators::dense::Normalization;
use crate::operators::open::{Opened, object};
use crate::operators::{Operator, Sparse};
use crate::options::flag;
use crate::problem::Domain;
use crate::text::readable;

/// Refuses numbers that are not complex tables.
const TABLE: &str = "shape (n1, n2), with NaN where an entry is missing";

impl Completion {
    /// Measurements of a complex table: of each entry its real part, and then its imaginary part.
    ///
    /// # Errors
    /// [`Error::File`] for another shape, infinite numbers and a table without entries; [`Error::Invalid`] for options that have no
    /// meaning for complex numbers.
    pub(super) fn open_complex(self, array: &ComplexArray) -> Result<Opened> {
        let given = ["columns", "duplicates", "index_base", "table", "header"];
        let given = given.into_iter().filter(|name| self.asked.get(*name).is_some_and(|value| !value.is_null()));
        let switched =
            [("biases", self.biases), ("implicit", self.implicit.is_some()), ("scale_columns", self.scale_columns)];
        let switched = switched.into_iter().filter_map(|(name, on)| on.then_some(name));
        if let Some(name) = given.chain(switched).next() {
            let fix = format!("leave {} out", flag(name));
            return Err(Error::invalid(name, "a table of complex numbers", "a table of real numbers", fix));
        }
        let [n1, n2] = *array.shape else {
            let found = format!("complex numbers of shape {}", shape_text(&array.shape));
            return Err(Error::file(&self.path, found, TABLE, "Pass a matrix with NaN in its holes"));
        };
        if let Some((rows, columns)) = self.shape.filter(|shape| *shape != (n1, n2)) {
            let allowed = format!("{n1},{n2}, the shape of the table");
            return Err(Error::invalid("shape", format!("{rows},{columns}"), allowed, "leave it out"));
        }
        if self.symmetric && n1 != n2 {
            let (found, allowed) = (format!("a matrix of {n1} x {n2}"), "a square one for a Hermitian matrix");
            return Err(Error::file(&self.path, found, allowed, "Say --model asymmetric for a rectangular unknown"));
        }
        let domain = if self.symmetric { Domain::hermitian(n1) } else { Domain::complex_rectangular(n1, n2) };
        let (mut positions, mut y) = (Vec::new(), Vec::new());
        for (at, part) in array.parts.chunks_exact(2).enumerate() {
            if part.iter().any(|v| v.is_nan()) {
                continue;
            }
            if part.iter().any(|v| v.is_infinite()) {
                let found = format!("an infinite number at ({}, {})", at / n2, at % n2);
                return Err(Error::file(&self.path, found, "finite numbers", "Write NaN where an entry is missing"));
            }
            positions.push((at / n2, at % n2));
            y.extend(part);
        }
        if positions.is_empty() {
            return Err(Error::file(&self.path, "a table of NaN alone", TABLE, "Pass a matrix with some entries"));
        }
        let held_out = match &self.held_out {
            HeldOut::Nothing => None,
            // Both parts of an entry are held out together.
            HeldOut::Share(share) => {
                Some(share.measurements(positions.len())?.into_iter().flat_map(|at| [2 * at, 2 * at + 1]).collect())
            }
            HeldOut::File(path) => {
                let found = format!("the file '{}' beside a table of complex numbers", path.display());
                return Err(Error::invalid("holdout", found, "a share such as 0.1", "pass a number"));
            }
        };
        let operator = Sparse::complex_entries(domain, &positions)?;
        let operator = match self.normalization {
            Normalization::InverseCount | Normalization::Auto => operator,
            other => operator.with_normalization(other.resolve(positions.len(), 1.0)?)?,
        };
        let s = operator.normalization();
        let asked = self.asked.get("normalization").and_then(Value::as_str).unwrap_or("auto");
        let described = object(json!({
            "operator": "sparse", "entries": self.path, "shape": [n1, n2], "complex": true, "normalization": asked,
            "normalization_value": s,
        }));
        Ok(Opened {
            operator: Arc::new(operator),
            observations: vec![y],
            weights: None,
            notices: vec![
                format!("{} of {} complex entries of a {n1} x {n2} matrix", positions.len(), n1 * n2),
                format!("normalization {}: s of --normalization {asked}", readable(s)),
            ],
            described,
            held_out,
            predictions: None,
        })
    }
}
