//! Predictions of complex matrices: their real and imaginary parts are real matrices of twice the rank.
//!
//! For M = L Rᴴ the parts are Re M = [Re L, Im L][Re R, Im R]ᵀ and Im M = [Im L, −Re L][Re R, Im R]ᵀ.

use std::path::Path;

use super::{Predictor, SAVE, labels_of, signs};
use crate::error::{Error, Result};
use crate::io::complex::{ComplexArray, complex_array};
use crate::io::npz_names;

/// A complex matrix: its shape, and real and imaginary parts in turn, row-major.
struct Block {
    rows: usize,
    k: usize,
    parts: Vec<f64>,
}

impl Block {
    fn of(path: &Path, array: ComplexArray, trial: usize) -> Result<Self> {
        let (batch, rows, k) = match array.shape[..] {
            [rows, k] => (1, rows, k),
            [batch, rows, k] => (batch, rows, k),
            _ => {
                let found = format!("a factor of {} axes", array.shape.len());
                return Err(Error::file(path, found, "shape (n, k) or (batch, n, k)", SAVE));
            }
        };
        if trial >= batch {
            let allowed = format!("0 to {}", batch.saturating_sub(1));
            return Err(Error::invalid("trial", trial, allowed, "pick a trial of the file"));
        }
        let size = 2 * rows * k;
        Ok(Self { rows, k, parts: array.parts[trial * size..(trial + 1) * size].to_vec() })
    }

    /// [Re, Im] for the sign 1 and [Im, −Re] for −1, line by line: the second is the first of the matrix times −i.
    fn beside(&self, turned: bool) -> Vec<f64> {
        let line = |line: &[f64]| {
            let of = |at: usize| line.iter().skip(at).step_by(2).copied().collect::<Vec<f64>>();
            match turned {
                false => [of(0), of(1)].concat(),
                true => [of(1), of(0).iter().map(|v| -v).collect()].concat(),
            }
        };
        self.parts.chunks(2 * self.k.max(1)).flat_map(line).collect()
    }
}

impl Predictor {
    /// Reads complex factors of one trial as predictors of the real and of the imaginary part of M = L Rᴴ; `None` for real factors.
    ///
    /// # Errors
    /// Those of [`Predictor::open`].
    pub fn open_complex(path: impl AsRef<Path>, trial: usize) -> Result<Option<[Self; 2]>> {
        let path = path.as_ref();
        let names = npz_names(path)?;
        let has = |name: &str| names.iter().any(|other| other == name);
        let Some(left) = complex_array(path, "left")? else { return Ok(None) };
        let left = Block::of(path, left, trial)?;
        let right = match has("right") {
            true => {
                let right = complex_array(path, "right")?
                    .ok_or_else(|| Error::file(path, "real numbers in right", "complex ones, as in left", SAVE))?;
                let right = Block::of(path, right, trial)?;
                if right.k != left.k {
                    return Err(Error::file(path, "right of another k", "that of left", SAVE));
                }
                right
            }
            false => {
                let signs = signs(path, left.k, has("signature"))?;
                let signed = |(at, v): (usize, &f64)| signs[at / 2 % left.k] * v;
                Block { parts: left.parts.iter().enumerate().map(signed).collect(), ..left }
            }
        };
        let (rows, columns) = (labels_of(path, "rows", left.rows)?, labels_of(path, "columns", right.rows)?);
        let part = |turned: bool| Self {
            k: 2 * left.k,
            left: left.beside(turned),
            right: right.beside(false),
            biases: None,
            scales: None,
            rows: rows.clone(),
            columns: columns.clone(),
            symmetric: !has("right"),
        };
        Ok(Some([part(false), part(true)]))
    }
}
