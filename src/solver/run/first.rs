//! Comparison of a device's first residual with the host's.

use crate::error::{Error, Result};
use crate::operators::Operator;
use crate::problem::{Block, Factors};
use crate::solver::run::Run;

/// Largest deviation of a residual from the host's, as a share of the terms of its difference: storage in half
/// precision takes a thousandth.
const TOLERANCE: f64 = 0.05;

impl Run<'_> {
    /// Refuses a device whose residual at the start differs from A(Z) − y on the host, over some of the measurements of
    /// the first trial: a driver that executes nothing would report a perfect fit.
    ///
    /// # Errors
    /// [`Error::Device`] naming the driver.
    pub(super) fn require_residual(&self, residuals: &[f64], factors: &Factors) -> Result<()> {
        let info = self.loaded.info();
        if info.backend != "gpu" || self.iteration > 0 || self.from.is_some() {
            return Ok(());
        }
        let (operator, plan) = (self.task.problem.operator(), self.task.plan);
        let of_trial = |block: &Block| block.corner(0, (block.rows(), block.columns()));
        let blocks: Vec<Block> = factors.blocks().iter().map(of_trial).collect();
        let views: Vec<_> = blocks.iter().map(|block| block.of(0)).collect();
        let ends = plan.model.ends(&views)?;
        let views = ends.as_ref().map_or(views, |ends| ends.iter().map(|block| block.of(0)).collect());
        let point = plan.model.product(&views)?.as_factors()?;
        let bounds = self.task.problem.upper_bounds();
        let share = share_apart(&**operator, &point, residuals, (&plan.target, bounds));
        if share <= TOLERANCE {
            return Ok(());
        }
        Err(Error::Device {
            adapter: info.adapter.clone(),
            message: format!(
                "the driver '{}' computed an initial residual that differs from the host's by {:.0} %",
                info.driver,
                100.0 * share
            ),
            fix: "update the driver, choose another adapter, or use the backend 'cpu'".into(),
        })
    }
}

/// Deviation of a residual from A(Z) − y, or max(A(Z) − y, 0) where y is an upper bound, over the measurements of the first
/// shard, as a share of ‖A(Z)‖ and ‖y‖.
fn share_apart(
    operator: &dyn Operator,
    point: &Factors,
    residuals: &[f64],
    (target, bounds): (&[f64], Option<&[bool]>),
) -> f64 {
    let range = operator.shard_range(0);
    let mut measured = vec![0.0; range.len()];
    operator.forward(0, point, &mut measured);
    let (mut apart, mut size) = (0.0, 0.0);
    for (i, a) in range.zip(&measured) {
        let y = target[i];
        let e = if bounds.is_some_and(|bounds| bounds[i]) { (a - y).max(0.0) } else { a - y };
        apart += (residuals[i] - e).powi(2);
        size += a * a + y * y;
    }
    if apart == 0.0 { 0.0 } else { (apart / size).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use crate::operators::Dense;
    use crate::problem::Domain;

    #[test]
    fn buffers_of_zeros_are_no_residual() {
        let operator = Dense::gaussian(Domain::symmetric(5), 40, 2).unwrap();
        let point = Factors::single(1, 5, 2, (0..10).map(f64::from).collect()).unwrap();
        let target: Vec<f64> = (0..40).map(|i| f64::from(i) - 7.0).collect();
        let mut residual = host::measure(&operator, &point);
        residual.iter_mut().zip(&target).for_each(|(e, y)| *e -= y);
        assert!(share_apart(&operator, &point, &residual, (&target, None)) < 1e-12);
        residual.iter_mut().for_each(|e| *e *= 1.001);
        assert!(share_apart(&operator, &point, &residual, (&target, None)) < TOLERANCE);
        assert!(share_apart(&operator, &point, &[0.0; 40], (&target, None)) > TOLERANCE);
        // A start near zero, where y dominates.
        let near = Factors::single(1, 5, 2, vec![1e-9; 10]).unwrap();
        assert!(share_apart(&operator, &near, &[0.0; 40], (&target, None)) > 0.9);
        // Zeros are the residuals of upper bounds there, where the bounds are not negative.
        let bounds: Vec<bool> = target.iter().map(|y| *y >= 0.0).collect();
        let some: Vec<f64> = target.iter().map(|y| if *y >= 0.0 { 0.0 } else { -y }).collect();
        assert!(share_apart(&operator, &near, &some, (&target, Some(&bounds))) < 1e-3);
        assert!(share_apart(&operator, &near, &some, (&target, None)) > 0.5);
    }
}
