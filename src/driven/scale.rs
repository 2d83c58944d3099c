//! D (VᵀV + λI)⁺ on the host, from the singular values of V and not of VᵀV, which would lose half of their digits.

use crate::driven::point::Point;
use crate::error::Result;
use crate::linalg::{right_singular, view};

/// D (VᵀV + λI)⁺ with directions of V left out whose singular values are below `floor` of the largest: those are noise of the
/// factors' own arithmetic. Returns the product and how many directions were left out of those that are not zero.
pub(super) fn scaled(d: &[f64], v: &[f64], k: usize, damping: f64, floor: f64) -> Result<(Vec<f64>, usize)> {
    if d.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let (values, vectors) = right_singular(v.len() / k, k, v)?;
    let largest = values.first().copied().unwrap_or(0.0);
    let kept: Vec<usize> = (0..values.len()).filter(|&j| values[j] > floor * largest).collect();
    // Damped, every direction counts: those that V does not have are scaled by 1/λ.
    if damping > 0.0 {
        let least = damping.max(floor * floor * largest * largest);
        let mut out = d.iter().map(|d| d / least).collect::<Vec<f64>>();
        for &j in &kept {
            let factor = 1.0 / (values[j] * values[j] + damping) - 1.0 / least;
            project(d, &vectors, values.len(), j, k, factor, &mut out);
        }
        return Ok((out, usize::from(least > damping)));
    }
    let mut out = vec![0.0; d.len()];
    for &j in &kept {
        project(d, &vectors, values.len(), j, k, 1.0 / (values[j] * values[j]), &mut out);
    }
    let lost = values.iter().filter(|v| **v > 0.0).count() - kept.len();
    Ok((out, lost))
}

/// out += factor·(d·b) bᵀ, b the j-th right singular vector.
fn project(d: &[f64], vectors: &[f64], count: usize, j: usize, k: usize, factor: f64, out: &mut [f64]) {
    let b: Vec<f64> = (0..k).map(|i| vectors[i * count + j]).collect();
    for (row, out) in d.chunks(k).zip(out.chunks_mut(k)) {
        let along = factor * row.iter().zip(&b).map(|(d, b)| d * b).sum::<f64>();
        out.iter_mut().zip(&b).for_each(|(out, b)| *out += along * b);
    }
}

/// The whole gradient scaled: the part of L by R, that of R by L, and that of U by U.
pub(super) fn scaled_gradient(g: &Point, at: &Point, k: usize, damping: f64, floor: f64) -> Result<(Point, usize)> {
    let (v, w) = if at.right.is_empty() { (&at.left, &at.left) } else { (&at.right, &at.left) };
    let (left, lost) = scaled(&g.left, v, k, damping, floor)?;
    let (right, also) = scaled(&g.right, w, k, damping, floor)?;
    Ok((Point { left, right }, lost + also))
}

/// A·B for row-major A (n×a) and B (a×b).
pub(super) fn times(a: &[f64], inner: usize, b: &[f64], columns: usize) -> Vec<f64> {
    let product = view(a.len() / inner, inner, a) * view(inner, columns, b);
    (0..product.nrows() * columns).map(|at| product[(at / columns, at % columns)]).collect()
}

/// Aᵀ·B for row-major A (n×a) and B (n×b).
pub(super) fn transposed_times(a: &[f64], left: usize, b: &[f64], right: usize) -> Vec<f64> {
    let n = a.len() / left;
    let product = view(n, left, a).transpose() * view(n, right, b);
    (0..left * right).map(|at| product[(at / right, at % right)]).collect()
}
