//! Observations: y as a vector, a column, or one vector per row.

use std::path::Path;

use super::npy::{NpyArray, open_array};
use super::shape_text;
use crate::error::{Error, Result};

/// Reads observation vectors for an operator of `measurements` measurements. Shape (m,) or (m, 1) is one vector, (b, m)
/// is b vectors. An `.npz` archive provides the array `observations` or `y`, or its only one. `operator` describes the
/// operator in messages (`A.npy, shape (1000, 20, 20), float32`).
///
/// # Errors
/// [`Error::Io`] and [`Error::File`]: a length other than the operator's, NaN or infinite entries (with their index),
/// no entries, complex numbers.
pub fn read_observations(path: impl AsRef<Path>, measurements: usize, operator: &str) -> Result<Vec<Vec<f64>>> {
    observations_of(open_array(path, &["observations", "y"])?, measurements, operator)
}

/// Reads observation vectors from an array, like [`read_observations`].
///
/// # Errors
/// Those of [`read_observations`].
pub fn observations_of(array: NpyArray, measurements: usize, operator: &str) -> Result<Vec<Vec<f64>>> {
    let m = measurements;
    if array.is_empty() {
        return Err(Error::file(
            array.path(),
            format!("no observations (shape {})", shape_text(array.shape())),
            format!("{m} observations, one for each measurement of {operator}"),
            "Save y with numpy.save(path, y)",
        ));
    }
    match *array.shape() {
        [found] if found == m => {}
        [found, 1] if found == m => {}
        [_, found] if found == m => {}
        _ => {
            let transposed = matches!(*array.shape(), [found, _] if found == m);
            return Err(Error::file(
                array.path(),
                format!("observations of shape {}", shape_text(array.shape())),
                format!("shape ({m},), ({m}, 1) or (b, {m}), because the operator has {m} measurements ({operator})"),
                if transposed {
                    "Transpose the array: numpy.save(path, y.T) stores one observation vector per row"
                } else {
                    "Pass the observations of these matrices"
                },
            ));
        }
    }
    let values = array.to_vec()?;
    array.require_finite(&values)?;
    Ok(values.chunks(m.max(1)).map(<[f64]>::to_vec).collect())
}
