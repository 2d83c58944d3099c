//! The first residual of a device, held against the host's.

use crate::error::{Error, Result};
use crate::problem::{Block, Factors};
use crate::solver::run::Run;

/// A residual may differ from the host's by this share of what it is the difference of: storage in half precision takes a thousandth.
const TOLERANCE: f64 = 0.05;

impl Run<'_> {
    /// Refuses a device whose residual at the start is not A(Z) − y as the host finds it, over some of the measurements of the first
    /// trial: a driver that carries out nothing would report a perfect fit.
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
        let range = operator.shard_range(0);
        let mut measured = vec![0.0; range.len()];
        operator.forward(0, &point, &mut measured);
        let (mut apart, mut size) = (0.0, 0.0);
        for ((found, y), a) in residuals[range.clone()].iter().zip(&plan.target[range]).zip(&measured) {
            apart += (found - (a - y)).powi(2);
            size += a * a + y * y;
        }
        if apart <= TOLERANCE * TOLERANCE * size {
            return Ok(());
        }
        Err(Error::Device {
            adapter: info.adapter.clone(),
            message: format!(
                "the driver '{}' gave a residual at the start that differs by {:.0} % from the host's",
                info.driver,
                100.0 * (apart / size).sqrt()
            ),
            fix: "update the driver, choose another adapter, or use the backend 'cpu'".into(),
        })
    }
}
