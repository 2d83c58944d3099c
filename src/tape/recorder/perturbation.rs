//! Perturbed descent: noise on the labels, and gradients at displaced points.

use crate::tape::noise::LabelNoise;
use crate::tape::op::Op;
use crate::tape::registers::{Blocks, Initial, Measured, Scalar};
use crate::tape::turns::Minibatches;
use crate::tape::{less, root, select};

use super::Tape;

/// Registers of label noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noisy {
    /// Labels y + σξ of this iteration.
    labels: Measured,
    turn: Scalar,
}

impl Tape {
    /// Adds fresh noise N(0, σ²) to the observations in the first iterations, with their number, σ and the stream of each trial.
    /// Observers see residuals without it. Call it before the method records.
    #[doc(hidden)]
    pub fn add_label_noise(&mut self) {
        let [deviation, until, stream] =
            ["label_noise", "label_noise_until", "noise_stream"].map(|name| self.parameter(name));
        let turn = self.keep_scalar("turn of the noise", Initial::Number(0.0));
        let deviation = self.formula(select(less(turn, until), deviation, 0.0));
        let labels = self.measured("noisy observations");
        let base = self.observations();
        self.push(Op::LabelNoise(LabelNoise { out: labels, base, deviation, stream, turn }));
        self.noisy = Some(Noisy { labels, turn });
    }

    /// Takes gradients at U + ρ·∇f/‖∇f‖ in place of U, with ρ of each trial. (Foret et al. 2021, arXiv 2010.01412)
    #[doc(hidden)]
    pub fn sharpen(&mut self) {
        self.sharpness = Some(self.parameter("sharpness"));
    }

    /// Observations of this iteration, with noise where there is any.
    pub fn target(&self) -> Measured {
        self.noisy.map_or(self.observations(), |noisy| noisy.labels)
    }

    /// The residual without the noise of this iteration.
    pub(super) fn without_noise(&mut self, residual: Measured) -> Measured {
        let Some(Noisy { labels, .. }) = self.noisy else { return residual };
        let (clean, base) = (self.measured("residual without noise"), self.observations());
        self.measured_combine(clean, [(1.0.into(), residual), (1.0.into(), labels), ((-1.0).into(), base)]);
        clean
    }

    /// Ends the iteration's noise: later operations see observations without it.
    pub(super) fn end_noise(&mut self) {
        if let Some(Noisy { turn, .. }) = self.noisy.take() {
            self.set(turn, turn + 1.0);
        }
    }

    /// Residual at u and gradient there, or at the displaced point where gradients are sharpness-aware.
    pub(super) fn descent_gradient(&mut self, u: Blocks, group: Option<Minibatches>) -> (Measured, Blocks) {
        let (e, g) = self.whole_gradient(u, group);
        let Some(sharpness) = self.sharpness else { return (e, g) };
        let square = self.dot(g, g);
        let length = self.formula(select(less(0.0, square), sharpness / root(square), 0.0));
        let displaced = self.combine([(1.0.into(), u), (length.into(), g)]);
        let (_, g) = self.whole_gradient(displaced, group);
        (e, g)
    }
}
