//! Complex arrays in the real form of factors and matrices, see [`crate::problem::Domain`].

use std::path::Path;

use super::npy::NpyArray;
use super::truth::FactorArray;
use super::{npz, shape_text};
use crate::error::{Error, Result};

/// Largest deviation from a Hermitian matrix, relative to its largest entry, that counts as rounding.
const ROUNDING: f64 = 1e-6;

/// An array of complex numbers.
pub(crate) struct ComplexArray {
    /// Lengths of the axes.
    pub(crate) shape: Vec<usize>,
    /// Real and imaginary parts in turn.
    pub(crate) parts: Vec<f64>,
}

fn open(path: &Path, names: &[&str]) -> Result<NpyArray> {
    if !npz::is_archive(path)? {
        return NpyArray::open_any(path, true);
    }
    let present = npz::npz_names(path)?;
    let found = names.iter().copied().find(|name| present.iter().any(|of| of == name));
    npz::read_any(path, found.or(present.first().map(String::as_str)).unwrap_or("array"))
}

/// Reads complex numbers; real ones are refused. `what` names them in messages.
///
/// # Errors
/// Those of [`super::open_array`]; [`Error::File`] for real numbers, and for NaN or infinity.
pub(crate) fn read_complex(path: &Path, names: &[&str], what: &str) -> Result<ComplexArray> {
    let array = open(path, names)?;
    if !array.is_complex() {
        let found = format!("real numbers ({}) for {what}", array.dtype());
        let fix = "Save complex numbers: numpy.save(path, array.astype(complex))";
        return Err(Error::file(path, found, "complex64 or complex128, because the measurements are complex", fix));
    }
    let parts = array.to_vec()?;
    array.require_finite(&parts)?;
    let shape = array.own_shape().to_vec();
    Ok(ComplexArray { shape, parts })
}

/// The numbers of a `.npy` file or archive of complex numbers, NaN and all; `None` for every other file.
///
/// # Errors
/// Those of a damaged file.
pub(crate) fn complex_table(path: &Path) -> Result<Option<ComplexArray>> {
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy") || ending.eq_ignore_ascii_case("npz"))
    {
        return Ok(None);
    }
    let array = open(path, &["entries", "table"])?;
    if !array.is_complex() {
        return Ok(None);
    }
    Ok(Some(ComplexArray { shape: array.own_shape().to_vec(), parts: array.to_vec()? }))
}

/// An array of an `.npz` archive; `None` for real numbers.
///
/// # Errors
/// Those of [`super::read_npz`]; [`Error::File`] for NaN or infinity.
pub(crate) fn complex_array(path: &Path, name: &str) -> Result<Option<ComplexArray>> {
    let array = npz::read_any(path, name)?;
    if !array.is_complex() {
        return Ok(None);
    }
    let parts = array.to_vec()?;
    array.require_finite(&parts)?;
    Ok(Some(ComplexArray { shape: array.own_shape().to_vec(), parts }))
}

/// Whether a file is an array of complex numbers. A file that cannot be read is none: who reads it says why.
pub(crate) fn is_complex(path: &Path) -> bool {
    open(path, &["observations", "y"]).is_ok_and(|array| array.is_complex())
}

/// Reads complex observations of m matrices, (m,), (m, 1) or (b, m), as vectors of 2m real and imaginary parts in turn. `operator`
/// describes the matrices for messages.
///
/// # Errors
/// Those of [`read_complex`]; [`Error::File`] for another shape.
pub(crate) fn read_both_parts(path: &Path, m: usize, operator: &str) -> Result<Vec<Vec<f64>>> {
    let ComplexArray { shape, parts } = read_complex(path, &["observations", "y"], "the observations")?;
    match *shape {
        [found] | [found, 1] | [_, found] if found == m && !parts.is_empty() => {}
        _ => {
            let found = format!("complex observations of shape {}", shape_text(&shape));
            let allowed = format!("shape ({m},), ({m}, 1) or (b, {m}), because there are {m} matrices ({operator})");
            return Err(Error::file(path, found, allowed, "Pass the observations of these matrices"));
        }
    }
    Ok(parts.chunks(2 * m).map(<[f64]>::to_vec).collect())
}

/// Reads real or complex numbers as complex ones.
///
/// # Errors
/// Those of [`super::open_array`]; [`Error::File`] for NaN or infinity.
pub(crate) fn read_numbers(path: &Path, names: &[&str]) -> Result<ComplexArray> {
    let array = open(path, names)?;
    if array.is_complex() {
        return read_complex(path, names, "numbers");
    }
    let values = array.to_vec()?;
    array.require_finite(&values)?;
    Ok(ComplexArray { shape: array.shape().to_vec(), parts: values.into_iter().flat_map(|v| [v, 0.0]).collect() })
}

/// Reads a complex factor with n rows, (n, k) or (batch, n, k), in its real form of 2n rows. An `.npz` archive provides
/// the array `left`, or its first one.
///
/// # Errors
/// Those of [`read_complex`]; [`Error::File`] for another shape.
pub(crate) fn read_complex_factor(path: &Path, n: usize, setting: &str) -> Result<FactorArray> {
    factor(path, "left", n, setting)
}

/// Reads the complex factors `left` with n1 and `right` with n2 rows from an `.npz` archive, in their real form.
///
/// # Errors
/// Those of [`read_complex_factor`]; [`Error::File`] for an archive without them, and for factors of different widths or batches.
pub(crate) fn read_complex_pair(
    path: &Path,
    (n1, n2): (usize, usize),
    setting: &str,
) -> Result<(FactorArray, FactorArray)> {
    let (allowed, fix) =
        ("an .npz archive with left (n1, k) and right (n2, k)", "Save both: numpy.savez(path, left=L, right=R)");
    if !npz::is_archive(path)? {
        return Err(Error::file(path, format!("a single array for {setting}"), allowed, fix));
    }
    let present = npz::npz_names(path)?;
    if let Some(missing) = ["left", "right"].into_iter().find(|name| !present.iter().any(|of| of == name)) {
        return Err(Error::file(path, format!("no array '{missing}' for {setting}"), allowed, fix));
    }
    let (left, right) = (factor(path, "left", n1, setting)?, factor(path, "right", n2, setting)?);
    if (left.batch, left.columns) != (right.batch, right.columns) {
        let found = format!("factors of {} and {} columns for {setting}", left.columns, right.columns);
        return Err(Error::file(path, found, "as many columns and as large a batch in both", fix));
    }
    Ok((left, right))
}

fn factor(path: &Path, name: &str, n: usize, setting: &str) -> Result<FactorArray> {
    let ComplexArray { shape, parts } = read_complex(path, &[name], setting)?;
    let (batch, rows, columns) = match *shape {
        [rows, columns] => (1, rows, columns),
        [batch, rows, columns] => (batch, rows, columns),
        _ => (0, 0, 0),
    };
    if rows != n || parts.is_empty() {
        let found = format!("a factor of shape {} for {setting}", shape_text(&shape));
        let allowed =
            format!("shape ({n}, k) or (batch, {n}, k) with k at least 1: that side of the unknown matrix has {n}");
        return Err(Error::file(
            path,
            found,
            allowed,
            "Pass a factor with one row per row or column of the unknown matrix",
        ));
    }
    let values = parts.chunks(2 * rows * columns).flat_map(stacked).collect();
    Ok(FactorArray { batch, rows: 2 * rows, columns, values })
}

/// Reads a complex n1×n2 matrix in its real form [[A, −B], [B, A]], row-major.
///
/// # Errors
/// Those of [`read_complex`]; [`Error::File`] for another shape.
pub(crate) fn read_complex_matrix(path: &Path, (n1, n2): (usize, usize)) -> Result<Vec<f64>> {
    let ComplexArray { shape, parts } = read_complex(path, &["truth", "M", "rho"], "the truth")?;
    if *shape != [n1, n2] {
        let found = format!("an array of shape {}", shape_text(&shape));
        return Err(Error::file(path, found, format!("shape ({n1}, {n2})"), "Pass the whole matrix"));
    }
    Ok(real_form(&parts, (n1, n2)))
}

/// Reads a Hermitian n×n matrix in its real form [[A, −B], [B, A]], row-major.
///
/// # Errors
/// Those of [`read_complex`]; [`Error::File`] for another shape, and for a matrix that is not Hermitian.
pub(crate) fn read_hermitian(path: &Path, n: usize) -> Result<Vec<f64>> {
    let ComplexArray { shape, parts } = read_complex(path, &["truth", "M", "rho"], "the truth")?;
    if *shape != [n, n] {
        let found = format!("an array of shape {}", shape_text(&shape));
        return Err(Error::file(path, found, format!("shape ({n}, {n})"), "Pass the whole matrix"));
    }
    let at = |i: usize, j: usize| (parts[2 * (i * n + j)], parts[2 * (i * n + j) + 1]);
    let scale = parts.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    let gap = |i: usize, j: usize| {
        let ((a, b), (c, d)) = (at(i, j), at(j, i));
        (a - c).hypot(b + d)
    };
    let pairs = (0..n).flat_map(|i| (0..=i).map(move |j| (i, j)));
    if let Some((i, j)) =
        pairs.max_by(|&a, &b| gap(a.0, a.1).total_cmp(&gap(b.0, b.1))).filter(|&(i, j)| gap(i, j) > ROUNDING * scale)
    {
        let found =
            format!("entries ({i},{j}) and ({j},{i}) that differ from each other's conjugates by {:e}", gap(i, j));
        return Err(Error::file(path, found, "a Hermitian matrix", "Save (M + M.conj().T) / 2, or check the file"));
    }
    Ok(real_form(&parts, (n, n)))
}

/// [[A, −B], [B, A]] of A + iB, whose parts come in turn.
fn real_form(parts: &[f64], (n1, n2): (usize, usize)) -> Vec<f64> {
    let mut out = vec![0.0; 4 * n1 * n2];
    for (at, part) in parts.chunks_exact(2).enumerate() {
        let (i, j) = (at / n2, at % n2);
        let (real, imaginary) = (part[0], part[1]);
        out[i * 2 * n2 + j] = real;
        out[(n1 + i) * 2 * n2 + n2 + j] = real;
        out[(n1 + i) * 2 * n2 + j] = imaginary;
        out[i * 2 * n2 + n2 + j] = -imaginary;
    }
    out
}

/// Real parts, then imaginary parts, of numbers given in turn.
fn stacked(parts: &[f64]) -> Vec<f64> {
    parts.iter().step_by(2).chain(parts.iter().skip(1).step_by(2)).copied().collect()
}

/// Real and imaginary parts in turn, of a real form with the former above the latter.
pub fn in_turn(stacked: &[f64]) -> Vec<f64> {
    let (real, imaginary) = stacked.split_at(stacked.len() / 2);
    real.iter().zip(imaginary).flat_map(|(a, b)| [*a, *b]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::write_npy_c128;

    fn written(shape: &[usize], parts: &[f64]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write_npy_c128(file.as_file_mut(), shape, parts).unwrap();
        file
    }

    #[test]
    fn factors_return_in_their_real_form() {
        let stack = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let file = written(&[2, 2], &in_turn(&stack));
        let factor = read_complex_factor(file.path(), 2, "truth").unwrap();
        assert_eq!((factor.batch, factor.rows, factor.columns), (1, 4, 2));
        assert_eq!(factor.values, stack);
        assert!(read_complex_factor(file.path(), 3, "truth").is_err());
        assert!(NpyArray::open(file.path()).unwrap_err().to_string().contains("complex128"));
    }

    #[test]
    fn matrices_that_are_not_hermitian_name_their_entries() {
        let good = written(&[2, 2], &[1.0, 0.0, 2.0, -3.0, 2.0, 3.0, 4.0, 0.0]);
        let real = read_hermitian(good.path(), 2).unwrap();
        assert_eq!(real[..8], [1.0, 2.0, 0.0, 3.0, 2.0, 4.0, -3.0, 0.0]);
        let bad = written(&[2, 2], &[1.0, 0.0, 2.0, 3.0, 2.0, 3.0, 4.0, 0.0]);
        let message = read_hermitian(bad.path(), 2).unwrap_err().to_string();
        assert!(message.contains("(1,0) and (0,1)") && message.contains("6e0"), "{message}");
    }

    #[test]
    fn real_numbers_are_refused_where_complex_ones_are_needed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        crate::io::write_npy_f64(file.as_file_mut(), &[2, 1], &[1.0, 2.0]).unwrap();
        let message = read_complex_factor(file.path(), 2, "init").unwrap_err().to_string();
        assert!(message.contains("real numbers (float64) for init"), "{message}");
    }
}
