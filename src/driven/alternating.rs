//! L, then R at the new L, each by its gradient times the pseudo-inverse of the other's Gram matrix.

use crate::driven::Host;
use crate::driven::point::Point;
use crate::driven::scale::scaled;
use crate::error::Result;

impl Host<'_> {
    /// L ← L − step·A*(e)R(RᵀR)⁺, then R ← R − step·A*(e)ᵀL(LᵀL)⁺ with e at the new L.
    pub(super) fn alternate(&mut self) -> Result<()> {
        for left in [true, false] {
            self.refresh()?;
            let (k, floor) = (self.search_rank, self.floor());
            let mut directions = Vec::with_capacity(self.trials.len());
            for trial in &mut self.trials {
                let Some(fresh) = trial.fresh.as_ref().filter(|_| trial.active) else {
                    directions.push(None);
                    continue;
                };
                if !(trial.at.is_finite() && fresh.gradient.is_finite()) {
                    directions.push(None);
                    continue;
                }
                let (g, v) = match left {
                    true => (&fresh.gradient.left, &trial.at.right),
                    false => (&fresh.gradient.right, &trial.at.left),
                };
                let (z, lost) = scaled(g, v, k, 0.0, floor)?;
                let down: Vec<f64> = z.iter().map(|v| -v).collect();
                let still = |like: &Vec<f64>| vec![0.0; like.len()];
                directions.push(Some(match left {
                    true => Point { left: down, right: still(&trial.at.right) },
                    false => Point { left: still(&trial.at.left), right: down },
                }));
                trial.raised += usize::from(lost > 0);
            }
            self.move_along(&directions)?;
        }
        Ok(())
    }
}
