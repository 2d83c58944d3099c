//! The edge of the noise, and which eigenvalues are signal.

use super::decide::{STRONG, Turn};
use super::eigen::ritz;
use crate::field::Field;
use crate::models::significance::{is_testable, significant_loss};
use crate::tape::Held;

/// Factor above the edge of the noise from which eigenvalues of −G are signal, for matrices of at least `LARGE` rows. The largest
/// eigenvalue of noise and its estimate vary more in small ones; columns below the factor are still tried, by the loss.
const SIGNAL: f64 = 1.15;
const LARGE: f64 = 150.0;
/// Measurements as a multiple of the degrees of freedom from which the factor grows in small matrices: where they are fewer, a column
/// that is missing leaves as little outside the noise.
const PLENTY: f64 = 2.5;
/// Error of an eigenvalue, as a share of it, below which it is known. This is the share at the start: errors in the
/// first columns become a surplus that fades slowly.
const KNOWN: f64 = 0.03;
const KNOWN_FIRST: f64 = 3e-3;
/// Most probes for the edge of the noise: a cache line of a row in f32 has room for them.
const NOISE_PROBES: usize = 15;

/// Relative difference below which eigenvalues are equal.
const TIED: f64 = 5e-3;

/// Number of leading eigenvalues that become columns together: at the start, those before the first two equal ones.
/// Measurements that are blind to some rotation show a direction twice, and one of the two columns then is a surplus
/// that fades slowly.
pub(super) fn untied(values: &[f64], first: bool) -> usize {
    let tie = values.windows(2).position(|pair| pair[0] - pair[1] <= TIED * pair[0]);
    tie.filter(|_| first).map_or(values.len(), |at| at + 1)
}

impl<E: Field> Turn<'_, '_, E> {
    /// Factor above the edge of the noise from which eigenvalues are signal.
    pub(super) fn signal(&self) -> f64 {
        let scarce = self.known.measurements < PLENTY * self.freedom(self.rank());
        if scarce {
            return SIGNAL;
        }
        let rows = self.rules.space.blocks.iter().map(|rows| rows.len()).min().unwrap_or(1) as f64;
        1.0 + (SIGNAL - 1.0) * (LARGE / rows).sqrt().max(1.0)
    }

    /// Leaves out the last column on trial where it is near the edge of the noise, as columns of the start may be: the loss may rise by
    /// as much as noise explains.
    pub(super) fn tries_without_weak(&mut self, edge: f64) -> bool {
        let q = self.rank();
        if q < 2 || self.ledger.proven == q as f64 {
            return false;
        }
        let Some((values, balanced, signs)) = self.decomposed() else { return false };
        let fewer = self.freedom(q - 1);
        let (more, left) = (self.freedom(q) - fewer, self.known.measurements - fewer);
        if values[q - 1] > STRONG * self.known.normalization * edge || !is_testable(more, left) {
            return false;
        }
        self.ledger.proven = q as f64;
        let energy = self.known.energy * self.known.energy / significant_loss(self.known.energy, more, left);
        self.cut((&balanced, &signs), q - 1, energy);
        true
    }

    /// Whether the leading eigenvalues are known well enough to judge.
    pub(super) fn is_known(&self) -> bool {
        let Some(ritz) = &self.ritz else { return true };
        let largest = ritz.values[0].abs();
        if self.rank() > 0 {
            return ritz.errors[0] <= KNOWN * largest;
        }
        // At the start all possible columns are considered, so that equal eigenvalues show.
        let edge = self.signal() * self.ledger.edge * self.residual_norm();
        let mut signals = ritz.values.iter().zip(&ritz.errors).take_while(|(value, error)| *value + *error > edge);
        ritz.errors[0] <= KNOWN_FIRST * largest && signals.all(|(_, error)| *error <= KNOWN * largest)
    }

    /// Refines the edge of the noise: the largest eigenvalue for random signs of the residual.
    pub(super) fn follow_noise(&mut self) {
        let (basis, products) = self.known.noise;
        let space = &self.rules.space;
        let columns = 0..self.ledger.noise_probes as usize;
        let read = |held: Held<'_>| E::unstacked(held.columns(space.columns, &space.all()[columns.clone()]));
        let pair = (read(basis), read(products));
        let strength = |theta: f64| if space.is_signed() { theta.abs() } else { theta };
        if let Some(found) = ritz(space, &self.tangent, pair, false, (space.columns.min(NOISE_PROBES), strength)) {
            let norm = self.ledger.noise_norm;
            if norm > 0.0 && found.values[0] > 0.0 {
                self.ledger.edge = found.values[0] / norm;
                self.ledger.edge_error = found.errors[0] / found.values[0];
            }
            self.ledger.noise_probes = found.basis.ncols() as f64;
            self.next.noise = Some(found.basis);
        }
        self.ledger.noise_norm = self.residual_norm();
    }
}
