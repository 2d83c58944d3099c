//! Interpretation of the array of a file: size and layout.

use std::path::Path;

use super::{Layout, OpenOptions};
use crate::error::{Error, Result};
use crate::io::NpyArray;
use crate::problem::Domain;

/// Refuses flags that contradict each other.
fn check(options: &OpenOptions) -> Result<()> {
    let symmetric = options.symmetric;
    if let Some((n1, n2)) = options.shape
        && symmetric
        && n1 != n2
    {
        return Err(Error::invalid(
            "shape",
            format!("{n1},{n2}"),
            "n,n for symmetric matrices",
            "Pass --model asymmetric for a rectangular unknown",
        ));
    }
    if !symmetric && options.layout == Some(Layout::Packed) {
        return Err(Error::invalid(
            "layout",
            "packed",
            "full for the model asymmetric",
            "Packed rows hold the upper triangle of symmetric matrices: pass --layout full, or --model psd",
        ));
    }
    Ok(())
}

/// The shape of the unknown matrix and the layout of rows of `width` numbers.
///
/// # Errors
/// [`Error::Invalid`] and [`Error::File`] where the width has no reading or two.
pub(crate) fn shape_of_width(path: &Path, options: &OpenOptions, width: usize) -> Result<(Domain, Layout)> {
    check(options)?;
    let (n1, n2, layout) = flat(path, options, width)?;
    let domain = options.domain(n1, n2);
    domain.validate()?;
    Ok((domain, layout))
}

/// The shape of the unknown matrix and the layout of a row.
pub(super) fn interpret(array: &NpyArray, options: &OpenOptions) -> Result<(Domain, Layout)> {
    let path = array.path();
    check(options)?;
    let (n1, n2, layout) = match *array.shape() {
        [_, n1, n2] => stacked(array, options, n1, n2)?,
        [_, width] => flat(path, options, width)?,
        _ => {
            return Err(Error::file(
                path,
                format!("an array of shape {}", crate::io::shape_text(array.shape())),
                "shape (m, n, n), (m, n*n) or packed (m, n(n+1)/2), one row per measurement",
                "Reshape it: A.reshape(m, n, n); for a single matrix A[None]",
            ));
        }
    };
    if array.rows() == 0 || n1 == 0 || n2 == 0 {
        return Err(Error::file(
            path,
            format!("no measurements (shape {})", crate::io::shape_text(array.shape())),
            "at least one matrix with at least one entry",
            "Check how the file was written",
        ));
    }
    let domain = options.domain(n1, n2);
    domain.validate()?;
    Ok((domain, layout))
}

/// (m, n1, n2).
fn stacked(array: &NpyArray, options: &OpenOptions, n1: usize, n2: usize) -> Result<(usize, usize, Layout)> {
    let found = || format!("matrices of {n1} x {n2} (shape {})", crate::io::shape_text(array.shape()));
    if options.layout == Some(Layout::Packed) {
        return Err(Error::file(
            array.path(),
            found(),
            "a two-dimensional array for --layout packed",
            "Leave --layout out, or pass --layout full",
        ));
    }
    if n1 != n2 && options.symmetric {
        return Err(Error::file(
            array.path(),
            found(),
            "square matrices",
            "Pass --model asymmetric for a rectangular unknown",
        ));
    }
    match options.shape {
        Some(shape) if shape != (n1, n2) => Err(Error::file(
            array.path(),
            found(),
            format!("matrices of {} x {}, as given by --shape", shape.0, shape.1),
            "Leave --shape out, or pass another file",
        )),
        _ => Ok((n1, n2, Layout::Full)),
    }
}

/// (m, width), where the width must give the size.
fn flat(path: &Path, options: &OpenOptions, width: usize) -> Result<(usize, usize, Layout)> {
    if width == 0 {
        // `interpret` reports this case.
        return Ok((0, 0, Layout::Full));
    }
    if let Some((n1, n2)) = options.shape {
        let full = n1.checked_mul(n2) == Some(width) && options.layout != Some(Layout::Packed);
        let packed =
            n1 == n2 && options.symmetric && triangle(n1) == Some(width) && options.layout != Some(Layout::Full);
        return match (full, packed) {
            (true, _) => Ok((n1, n2, Layout::Full)),
            (_, true) => Ok((n1, n2, Layout::Packed)),
            _ => Err(Error::file(
                path,
                format!("rows of {width} numbers"),
                wanted_widths(n1, n2, options),
                "Leave --shape out, or pass the shape of the unknown matrix as --shape n1,n2",
            )),
        };
    }
    if !options.symmetric {
        return Err(Error::invalid(
            "shape",
            format!("no value, and rows of {width} numbers in {}", path.display()),
            "n1,n2 for rows of n1*n2 numbers",
            "Pass --shape n1,n2, or store the array as (m, n1, n2)",
        ));
    }
    let square = Some(width.isqrt()).filter(|n| n * n == width && options.layout != Some(Layout::Packed));
    let root = triangle_root(width);
    let packed = Some(root).filter(|&n| triangle(n) == Some(width) && options.layout != Some(Layout::Full));
    match (square, packed) {
        // One number is a 1x1 matrix either way.
        (Some(n), None) | (Some(n), Some(1)) => Ok((n, n, Layout::Full)),
        (None, Some(n)) => Ok((n, n, Layout::Packed)),
        (Some(full), Some(packed)) => Err(Error::file(
            path,
            format!(
                "rows of {width} numbers: either full {full} x {full} matrices or packed {packed} x {packed} \
                 matrices (upper triangle)"
            ),
            "an unambiguous width, or a flag that decides",
            format!(
                "Pass --layout full (--shape {full},{full}) or --layout packed (--shape {packed},{packed}); an \
                 array of shape (m, {full}, {full}) is never ambiguous"
            ),
        )),
        (None, None) => Err(Error::file(
            path,
            format!("rows of {width} numbers"),
            nearest(width, root, options.layout),
            "Store the array as (m, n, n); for rectangular matrices pass --shape n1,n2 with --model asymmetric",
        )),
    }
}

fn wanted_widths(n1: usize, n2: usize, options: &OpenOptions) -> String {
    let full = format!("{} (full)", n1 as u128 * n2 as u128);
    let packed = format!("{} (packed)", n1 as u128 * (n1 as u128 + 1) / 2);
    let widths = match (options.layout, options.symmetric) {
        (Some(Layout::Full), _) | (_, false) => full,
        (Some(Layout::Packed), _) => packed,
        _ => format!("{full} or {packed}"),
    };
    format!("rows of {widths} numbers for --shape {n1},{n2}")
}

fn nearest(width: usize, root: usize, layout: Option<Layout>) -> String {
    // The nearest valid sizes below and above, in 128 bits because the larger may overflow.
    let side = width.isqrt();
    let around = |n: usize, of: fn(u128) -> u128| {
        let n = n.max(1) as u128;
        format!("{} (n = {n}) or {} (n = {})", of(n), of(n + 1), n + 1)
    };
    let full = format!("n*n numbers in full, the nearest being {}", around(side, |n| n * n));
    let packed = format!("n(n+1)/2 packed, the nearest being {}", around(root, |n| n * (n + 1) / 2));
    match layout {
        Some(Layout::Full) => full,
        Some(Layout::Packed) => packed,
        None => format!("{full}; or {packed}"),
    }
}

fn triangle(n: usize) -> Option<usize> {
    Some(n.checked_mul(n.checked_add(1)?)? / 2)
}

/// The largest n with n(n+1)/2 ≤ width.
fn triangle_root(width: usize) -> usize {
    (((8 * width as u128 + 1).isqrt() - 1) / 2) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangle_roots_are_exact_at_and_around_every_triangle() {
        for n in [1_usize, 2, 3, 8, 49, 288, 65_535, 3_000_000_000] {
            let width = triangle(n).unwrap();
            assert_eq!((triangle_root(width - 1), triangle_root(width), triangle_root(width + 1)), (n - 1, n, n));
        }
        assert_eq!(triangle(usize::MAX), None);
        assert!(triangle(triangle_root(usize::MAX)).is_none_or(|width| width < usize::MAX));
    }

    #[test]
    fn suggested_widths_lie_on_both_sides() {
        let text = nearest(usize::MAX, triangle_root(usize::MAX), None);
        assert!(text.contains("(n = 4294967296)"), "{text}");
        assert!(nearest(5, 2, Some(Layout::Packed)).ends_with("3 (n = 2) or 6 (n = 3)"));
    }
}
