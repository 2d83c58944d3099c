//! Clipped vectors, residuals of observations that are upper bounds, and dual variables in the place of residuals.

use crate::tape::clip::{Bound, MeasuredClip};
use crate::tape::op::{Adjoint, Lane, Op, Pass, Values};
use crate::tape::registers::{Blocks, Measured};
use crate::tape::turns::Minibatches;

use super::Tape;

impl Tape {
    /// Records out ← min(max(x, lower), upper), entry by entry; out may be x.
    pub fn measured_clip(&mut self, out: Measured, x: Measured, lower: Option<Bound>, upper: Option<Bound>) {
        self.push(Op::MeasuredClip(MeasuredClip { out, x, lower, upper }));
    }

    /// Raises the residuals of gradients to a least value of each measurement: 0 where the observation is an upper bound, so
    /// that only an excess counts, and a number below all others elsewhere. Call it before the method records.
    #[doc(hidden)]
    pub fn bound_residuals(&mut self) {
        self.least_residual = Some(self.given_measured("least_residual"));
    }

    /// Residual e = A(Z(u)) − y, and the gradient at u with dual variables v in the place of ρ′(e), in one pass: for M = UUᵀ this is
    /// A*(w∘v)U.
    pub fn dual_gradient(&mut self, u: Blocks, v: Measured) -> (Measured, Blocks) {
        let before = self.dual.replace(v);
        let found = self.whole_gradient(u, None);
        self.dual = before;
        found
    }

    /// Residuals A(Z(u)) − y at several points, in one pass without adjoints. For products of two factors at most.
    pub fn residuals(&mut self, points: &[Blocks]) -> Vec<Measured> {
        let model = self.model.clone();
        self.gathered = Some(Vec::new());
        let all = points.iter().map(|u| model.gradient(self, *u, None, None).0).collect();
        let lanes = self.gathered.take().unwrap_or_default();
        self.pass(lanes, None);
        all
    }

    /// Moves the adjoint of residuals to the dual variables, if they are in the place of these.
    fn with_dual(&self, mut lanes: Vec<Lane>) -> Vec<Lane> {
        let Some(v) = self.dual else { return lanes };
        let products: Vec<Adjoint> = (lanes.iter_mut())
            .filter(|lane| matches!(lane.values, Values::Measure { .. }))
            .filter_map(|lane| lane.adjoint.take())
            .collect();
        lanes.extend(products.into_iter().map(|of| Lane::given(v).adjoint(Adjoint { influence: false, ..of })));
        lanes
    }

    /// Records a pass. Where residuals have a least value, a first pass measures, and a second one takes the adjoint of what
    /// is left of them.
    pub(super) fn push_pass(&mut self, lanes: Vec<Lane>, group: Option<Minibatches>) {
        if let Some(gathered) = &mut self.gathered {
            // Lanes that waited for a pass keep their adjoints.
            let measured = |lane: &Lane| matches!(lane.values, Values::Measure { .. });
            gathered.extend(
                lanes.into_iter().map(|lane| if measured(&lane) { Lane { adjoint: None, ..lane } } else { lane }),
            );
            return;
        }
        let mut lanes = self.with_dual(lanes);
        let Some(least) = self.least_residual else { return self.push(Op::Pass(Pass { lanes, group })) };
        let (target, mut clipped, mut second) = (self.target(), Vec::new(), Vec::new());
        for lane in &mut lanes {
            let Values::Measure { minus: Some(minus), out, .. } = &mut lane.values else { continue };
            if *minus != target {
                continue;
            }
            let e = std::mem::replace(out, self.measured("residual of both signs"));
            clipped.push((e, *out));
            second.extend(lane.adjoint.take().map(|products| Lane::given(e).adjoint(products)));
        }
        self.push(Op::Pass(Pass { lanes, group }));
        for (e, measured) in clipped {
            self.measured_clip(e, measured, Some(Bound::Each(least)), None);
        }
        if !second.is_empty() {
            self.push(Op::Pass(Pass { lanes: second, group }));
        }
    }
}
