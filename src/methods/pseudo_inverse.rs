//! D (VᵀV)⁺ on the host: the numerical rank of V is decided in f64.

use std::borrow::Cow;

use crate::error::Result;
use crate::linalg::right_singular;
use crate::problem::complex::{every_second, expanded};
use crate::tape::{BlockSize, Blocks, Register, Tape};

/// Error for preconditioning with models that have none.
pub(super) fn no_gram() -> crate::Error {
    crate::Error::Unsupported {
        what: "preconditioning for a product of more than two factors".into(),
        fix: "use gd, momentum, heavy-ball or sgd, which suit every model".into(),
    }
}

/// D (VᵀV)⁺ without directions of V whose singular values are below `floor` of the largest: these are rounding noise of
/// the factors. Also returns the number of nonzero directions left out. The singular values are those of V, because
/// those of VᵀV lose half of their digits.
fn scaled(d: &[f64], v: &[f64], k: usize, floor: f64) -> Result<(Vec<f64>, usize)> {
    let (values, vectors) = right_singular(v.len() / k, k, v)?;
    let largest = values.first().copied().unwrap_or(0.0);
    let kept: Vec<usize> = (0..values.len()).filter(|&j| values[j] > floor * largest).collect();
    let mut out = vec![0.0; d.len()];
    for &j in &kept {
        let b: Vec<f64> = (0..k).map(|i| vectors[i * values.len() + j]).collect();
        let factor = 1.0 / (values[j] * values[j]);
        for (row, out) in d.chunks(k).zip(out.chunks_mut(k)) {
            let along = factor * row.iter().zip(&b).map(|(d, b)| d * b).sum::<f64>();
            out.iter_mut().zip(&b).for_each(|(out, b)| *out += along * b);
        }
    }
    let lost = values.iter().filter(|v| **v > 0.0).count() - kept.len();
    Ok((out, lost))
}

/// Operands of the product for each block: its range, its partner's range, and its columns.
fn places(sizes: &[BlockSize], partners: &[usize]) -> Vec<(std::ops::Range<usize>, std::ops::Range<usize>, usize)> {
    let range = |index: usize| {
        let start: usize = sizes[..index].iter().map(|block| block.len()).sum();
        start..start + sizes[index].len()
    };
    partners.iter().enumerate().map(|(block, partner)| (range(block), range(*partner), sizes[block].columns)).collect()
}

/// D (VᵀV)⁺ block by block, for the blocks in `which`; zero for the others, and NaN where an entry is not finite. The
/// last number counts the directions left out.
pub(super) fn scaled_blocks(
    (d, factor): (&[f64], &[f64]),
    (sizes, partners): (&[BlockSize], &[usize]),
    which: impl Fn(usize) -> bool,
    floor: f64,
) -> (Vec<f64>, usize) {
    let (mut out, mut lost) = (vec![0.0; d.len()], 0);
    for (_, (own, partner, columns)) in places(sizes, partners).into_iter().enumerate().filter(|(b, _)| which(*b)) {
        match scaled(&d[own.clone()], &factor[partner], columns, floor) {
            Ok((values, left_out)) => {
                out[own].copy_from_slice(&values);
                lost += left_out;
            }
            // The loss reveals a diverged run.
            Err(_) => out[own].fill(f64::NAN),
        }
    }
    (out, lost)
}

/// D (VᵀV)⁺ block by block, with V from the model at the point. With `count`, iterations that lost directions are
/// counted.
///
/// # Errors
/// [`crate::Error::Unsupported`] for models without a Gram matrix.
pub(super) fn pseudo_inverse(t: &mut Tape, d: Blocks, point: Blocks, floor: f64, count: bool) -> Result<Blocks> {
    let partners = t.partners().ok_or_else(no_gram)?;
    let factor = t.whole(point);
    let (sizes, out, raised) = (t.sizes(d).to_vec(), t.blocks("scaled"), t.raised());
    // The real forms of complex factors are real factors of twice as many columns.
    let complex = t.domain().is_complex();
    let wide = |size: &BlockSize| BlockSize::new(size.rows, size.columns * if complex { 2 } else { 1 });
    let (columns, sizes): (usize, Vec<BlockSize>) = (sizes[0].columns, sizes.iter().map(wide).collect());
    let inputs = [Register::from(d), factor.into(), raised.into()];
    t.on_host("pseudo-inverse", inputs, [Register::from(out), raised.into()], move |given, made| {
        let of = |numbers: Cow<'_, [f64]>| if complex { expanded(columns, &numbers) } else { numbers.into_owned() };
        let (d, factor) = (of(given[0].numbers()), of(given[1].numbers()));
        let (values, lost) = scaled_blocks((&d, &factor), (&sizes, &partners), |_| true, floor);
        made[0] = if complex { every_second(2 * columns, &values) } else { values }.into();
        made[1] = vec![given[2].number(0) + f64::from(u8::from(count && lost > 0))].into();
        Ok(())
    });
    Ok(out)
}
