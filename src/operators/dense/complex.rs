//! Complex matrices from a file, Hermitian or not.

use super::{Dense, DenseFile, Layout, OpenOptions};
use crate::error::{Error, Result};
use crate::io::{NpyArray, shape_text};
use crate::operators::{Operator, Storage};
use crate::problem::Domain;

/// Largest deviation from a Hermitian matrix, relative to its largest entry, that counts as rounding.
const ROUNDING: f64 = 1e-6;

impl OpenOptions {
    /// Reads complex matrices of shape (m, n1, n2), whose unknown is complex: Hermitian ones for a model of symmetric matrices.
    ///
    /// # Errors
    /// [`Error::File`] for another shape, NaN or infinity, and a matrix that is not Hermitian (with the entries that differ most);
    /// [`Error::Invalid`] for a layout or a shape, and for half precision.
    pub(super) fn complex(&self, array: &NpyArray) -> Result<DenseFile> {
        let shape = array.own_shape().to_vec();
        let path = array.path().to_owned();
        let [m, n, columns] = *shape else { return Err(other_shape(array)) };
        if self.symmetric && n != columns || m == 0 || n == 0 || columns == 0 {
            return Err(other_shape(array));
        }
        if self.layout.is_some() || self.shape.is_some() {
            let fix = "leave the layout and the shape out";
            return Err(Error::invalid("matrices", "complex numbers", "shape (m, n1, n2), which tells all", fix));
        }
        let domain = if self.symmetric { Domain::hermitian(n) } else { Domain::complex_rectangular(n, columns) };
        let width = domain.dimension();
        // A and i·A, or A alone.
        let each = if self.both_parts && !self.symmetric { 2 } else { 1 };
        let mut rows = vec![0.0; m * each * width];
        let mut parts = vec![0.0; 2 * n * columns];
        for (i, own) in rows.chunks_mut(each * width).enumerate() {
            array.block(i..i + 1, &mut parts)?;
            if let Some(at) = parts.iter().position(|v| !v.is_finite()) {
                let found = format!("{} at {}", parts[at], array.index_text(i * parts.len() + at));
                return Err(Error::file(&path, found, "finite numbers", "Correct or remove that measurement"));
            }
            if !self.symmetric {
                let (own, turned) = own.split_at_mut(width);
                let half = n * columns;
                for (at, part) in parts.chunks_exact(2).enumerate() {
                    (own[at], own[half + at]) = (part[0], part[1]);
                    if each == 2 {
                        (turned[at], turned[half + at]) = (-part[1], part[0]);
                    }
                }
                continue;
            }
            if let Some((a, b, gap)) = fold(&parts, n, own) {
                let found = format!(
                    "entries ({a},{b}) and ({b},{a}) of matrix {i} that differ from each other's conjugates by {gap:e}"
                );
                let fix = "Save the Hermitian parts, (A + A.conj().swapaxes(1, 2)) / 2: an expectation value is real. Or say --model \
                           asymmetric for a matrix that is not Hermitian";
                return Err(Error::file(&path, found, "Hermitian matrices", fix));
            }
        }
        let wide = array.dtype().bytes() == size_of::<f64>();
        let storage = self.storage.unwrap_or(if wide { Storage::F64 } else { Storage::F32 });
        let layout = if self.symmetric { Layout::Packed } else { Layout::Full };
        let (mut operator, mut notices) = (
            match storage {
                Storage::F16 => {
                    return Err(Error::invalid("storage", "f16", "f32 or f64 for complex matrices", "use f32"));
                }
                Storage::F64 => Dense::from_rows(domain, layout, &rows)?,
                Storage::F32 => {
                    let narrow: Vec<f32> = rows.iter().map(|v| *v as f32).collect();
                    Dense::from_rows(domain, layout, &narrow)?
                }
            },
            Vec::new(),
        );
        if storage == Storage::F32 && wide {
            notices.push("storage: the matrices were rounded to float32 (--precision f64 avoids it)".to_owned());
        }
        let implied = operator.implied_normalization();
        operator.normalization = self.normalization.resolve(operator.measurements(), implied)?;
        let (dtype, layout) = (array.type_name(), Layout::Full);
        Ok(DenseFile { operator, path, shape, dtype, layout, implied_normalization: implied, notices })
    }
}

fn other_shape(array: &NpyArray) -> Error {
    let found = format!("complex matrices of shape {}", shape_text(array.own_shape()));
    Error::file(
        array.path(),
        found,
        "shape (m, n, n), or (m, n1, n2) with --model asymmetric",
        "Stack the matrices along the first axis",
    )
}

/// Writes the square of a matrix; returns the entries that differ most from each other's conjugates, if they differ.
fn fold(parts: &[f64], n: usize, square: &mut [f64]) -> Option<(usize, usize, f64)> {
    let at = |i: usize, j: usize| (parts[2 * (i * n + j)], parts[2 * (i * n + j) + 1]);
    let scale = parts.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    let mut worst = (0, 0, 0.0);
    for i in 0..n {
        for j in i..n {
            let ((a, b), (c, d)) = (at(i, j), at(j, i));
            let gap = (a - c).hypot(b + d);
            if gap > worst.2 {
                worst = (i, j, gap);
            }
            square[i * n + j] = 0.5 * (a + c);
            if i < j {
                square[j * n + i] = 0.5 * (b - d);
            }
        }
    }
    (worst.2 > ROUNDING * scale).then_some(worst)
}
