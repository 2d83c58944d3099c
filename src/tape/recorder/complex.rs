//! Preconditioning of complex factors, whose Gram matrices are complex.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side, c64};

use crate::field::Field;
use crate::linalg::row_major;
use crate::tape::expression::Expression;
use crate::tape::recorder::Tape;
use crate::tape::registers::{Blocks, Register, Scalar};

/// Records out ← D (VᴴV + λI)⁻¹ on the host, for one factor.
pub(super) fn precondition(
    t: &mut Tape,
    (out, direction, factor): (Blocks, Blocks, Blocks),
    damping: Expression,
    raised: Scalar,
) {
    let k = t.sizes(direction).first().map_or(0, |size| size.columns);
    let damping = t.formula(damping);
    let inputs = [Register::from(direction), factor.into(), damping.into(), raised.into()];
    t.on_host("complex preconditioner", inputs, [Register::from(out), raised.into()], move |given, made| {
        let all: Vec<usize> = (0..k).collect();
        let of = |at: usize| given[at].columns(k, &all);
        let (d, v) = (of(0), c64::unstacked(of(1)));
        let (values, more) = preconditioned(d, &v, given[2].number(0));
        made[0] = row_major(values.as_ref()).into();
        made[1] = vec![given[3].number(0) + f64::from(u8::from(more))].into();
        Ok(())
    });
}

/// D (VᴴV + λI)⁻¹, and whether λ had to be raised to the rounding of VᴴV. Where λ is no valid divisor it is D.
fn preconditioned(d: Mat<f64>, v: &Mat<c64>, damping: f64) -> (Mat<f64>, bool) {
    let k = v.ncols();
    let mut gram = v.adjoint() * v;
    let trace: f64 = (0..k).map(|i| gram[(i, i)].re).sum();
    let least = 4.0 * k as f64 * (f64::EPSILON / 2.0) * trace;
    let lambda = damping.max(least);
    if !(lambda.is_finite() && lambda > 0.0) {
        return (d, false);
    }
    (0..k).for_each(|i| gram[(i, i)] += c64::new(lambda, 0.0));
    let Ok(factor) = gram.llt(Side::Lower) else { return (d, true) };
    let solved = factor.solve(c64::unstacked(d).adjoint().to_owned());
    (c64::stacked(solved.adjoint().to_owned()), damping < least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preconditioner_follows_unitary_rotations() {
        let wave = |rows: usize, columns: usize, seed: f64| {
            Mat::from_fn(rows, columns, |i, j| (seed + (3 * i + 5 * j) as f64 + (i * j) as f64).sin())
        };
        let (d, v) = (wave(10, 3, 0.3), c64::unstacked(wave(10, 3, 1.7)));
        let q = c64::unstacked(wave(6, 3, 4.0)).qr().compute_thin_Q();
        let (plain, _) = preconditioned(d.clone(), &v, 0.01);
        let turned = c64::stacked(c64::unstacked(d) * &q);
        let (found, _) = preconditioned(turned, &(v * &q), 0.01);
        let wanted = c64::stacked(c64::unstacked(plain) * &q);
        assert!((found - wanted).norm_max() < 1e-12);
    }
}
