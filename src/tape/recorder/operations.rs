//! Operations besides the passes: on factors, on vectors over the measurements, on scalars, and on the host.

use std::sync::Arc;

use crate::error::Result;
use crate::tape::expression::Expression;
use crate::tape::host::{Held, Left};
use crate::tape::op::{Combine, HostOp, HostWork, MatrixProduct, MeasuredCombine, Op, Precondition, When};
use crate::tape::registers::{Blocks, Initial, Matrix, Measured, Register, Scalar};
use crate::tape::rows::Rows;
use crate::tape::turns::Minibatches;

use super::{Tape, Terms, complex};

impl Tape {
    // Factors.

    /// Whole point U₀ + V of the iterate or another point V around a centre; V itself without a centre.
    pub fn whole(&mut self, point: Blocks) -> Blocks {
        let Some(centre) = self.centre else { return point };
        let known =
            self.wholes.iter().find(|(of, _, when)| *of == point && (*when == When::Always || *when == self.when));
        if let Some((_, whole, _)) = known {
            return *whole;
        }
        let sizes = self.sizes(point).to_vec();
        let whole = self.blocks_of("whole", sizes);
        self.combine_into(whole, [(1.0.into(), centre), (1.0.into(), point)]);
        self.wholes.push((point, whole, self.when));
        whole
    }

    fn push_combine(&mut self, op: Combine) {
        self.wholes.retain(|(of, ..)| *of != op.out);
        self.push(Op::Combine(op));
    }

    /// Linear combination Σ cⱼxⱼ in a new register.
    pub fn combine<const N: usize>(&mut self, terms: Terms<N>) -> Blocks {
        const { assert!(N > 0, "a combination has at least one term") };
        let sizes = self.sizes(terms[0].1).to_vec();
        let out = self.blocks_of("combination", sizes);
        self.combine_into(out, terms);
        out
    }

    /// Records out ← Σ cⱼxⱼ, where `out` may be one of the terms.
    pub fn combine_into<const N: usize>(&mut self, out: Blocks, terms: Terms<N>) {
        self.push_combine(Combine { out, terms: terms.into(), positive: None, nonnegative: false, only: None });
    }

    /// Moves the iterate to Σ cⱼxⱼ, projected to U ≥ 0 where the run asks for non-negative factors, and scaled to the trace
    /// that the run fixes.
    pub fn move_to<const N: usize>(&mut self, terms: Terms<N>) {
        self.project_into(self.iterate, terms);
    }

    /// Linear combination Σ cⱼxⱼ in a new register, projected like [`Tape::move_to`].
    pub fn projected<const N: usize>(&mut self, terms: Terms<N>) -> Blocks {
        const { assert!(N > 0, "a combination has at least one term") };
        let sizes = self.sizes(terms[0].1).to_vec();
        let out = self.blocks_of("combination", sizes);
        self.project_into(out, terms);
        out
    }

    fn project_into<const N: usize>(&mut self, out: Blocks, terms: Terms<N>) {
        const { assert!(N > 0, "a combination has at least one term") };
        let nonnegative = self.nonnegative;
        self.push_combine(Combine { out, terms: terms.into(), positive: None, nonnegative, only: None });
        self.keep_trace(out);
    }

    /// Records out ← from.
    pub fn assign(&mut self, out: Blocks, from: Blocks) {
        self.combine_into(out, [(1.0.into(), from)]);
    }

    /// Records out ← from, where the condition is not 0.
    pub fn assign_if(&mut self, condition: Scalar, out: Blocks, from: Blocks) {
        let terms = vec![(1.0.into(), from)];
        self.push_combine(Combine { out, terms, positive: None, nonnegative: false, only: Some(condition) });
    }

    /// Signed combination (Σ cⱼxⱼ)·S with S = diag(1 `positive` times, then −1).
    pub fn signed<const N: usize>(&mut self, terms: Terms<N>, positive: usize) -> Blocks {
        const { assert!(N > 0, "a combination has at least one term") };
        let sizes = self.sizes(terms[0].1).to_vec();
        let out = self.blocks_of("signed", sizes);
        let positive = Some(positive);
        self.push_combine(Combine { out, terms: terms.into(), positive, nonnegative: false, only: None });
        out
    }

    /// Inner product ⟨a, b⟩.
    pub fn dot(&mut self, a: Blocks, b: Blocks) -> Scalar {
        let out = self.scalar("dot");
        self.push(Op::Dot { out, a, b });
        out
    }

    /// Preconditioned direction D (VᵀV + λI)⁻¹ block by block, with V from the model at the point; `None` for models
    /// without a Gram matrix.
    pub fn precondition(&mut self, direction: Blocks, point: Blocks, damping: impl Into<Expression>) -> Option<Blocks> {
        let partners = self.model.partners()?;
        let factor = self.whole(point);
        let raised = self.raised();
        let out = self.blocks("preconditioned");
        let damping = damping.into();
        if self.domain.is_complex() {
            complex::precondition(self, (out, direction, factor), damping, raised);
            return Some(out);
        }
        self.push(Op::Precondition(Precondition { out, direction, factor, partners, damping, raised }));
        Some(out)
    }

    /// Counter of the iterations in which a preconditioner was raised or lost directions.
    pub fn raised(&mut self) -> Scalar {
        match self.raised {
            Some(raised) => raised,
            None => {
                let raised = self.keep_scalar("raised", Initial::Number(0.0));
                *self.raised.insert(raised)
            }
        }
    }

    /// Number of leading columns of positive sign, see [`crate::tape::Recorded::positive`].
    pub fn positive(&self) -> Option<usize> {
        self.model.positive()
    }

    /// Preconditioning block of each block, see [`crate::tape::Recorded::partners`].
    pub fn partners(&self) -> Option<Vec<usize>> {
        self.model.partners()
    }

    /// Records out ← op(A)·op(B).
    pub fn product(&mut self, out: Matrix, (a, transpose_a): (Matrix, bool), (b, transpose_b): (Matrix, bool)) {
        self.push(Op::Product(MatrixProduct { out, a, transpose_a, b, transpose_b }));
    }

    // Vectors over the measurements.

    /// Records out ← Σ cⱼxⱼ, where `out` may be one of the terms.
    pub fn measured_combine<const N: usize>(&mut self, out: Measured, terms: [(Expression, Measured); N]) {
        self.push(Op::MeasuredCombine(MeasuredCombine { out, terms: terms.into(), times: None, only: None }));
    }

    /// Records out ← a∘b, entry by entry.
    pub fn measured_product(&mut self, out: Measured, a: Measured, b: Measured) {
        let terms = vec![(1.0.into(), a)];
        self.push(Op::MeasuredCombine(MeasuredCombine { out, terms, times: Some(b), only: None }));
    }

    /// Records out ← from, where the condition is not 0.
    pub fn measured_assign_if(&mut self, condition: Scalar, out: Measured, from: Measured) {
        let terms = vec![(1.0.into(), from)];
        self.push(Op::MeasuredCombine(MeasuredCombine { out, terms, times: None, only: Some(condition) }));
    }

    /// Inner product Σ wᵢ(aᵢ − ā)(bᵢ − b̄); the means are 0 unless the operator's residuals are centred.
    pub fn measured_dot(&mut self, a: Measured, b: Measured) -> Scalar {
        let out = self.scalar("measured dot");
        self.push(Op::MeasuredDot { out, a, b });
        out
    }

    /// Energy E = Σ wᵢρ(eᵢ − ē).
    pub fn energy(&mut self, residual: Measured) -> Scalar {
        self.energy_of(residual, None)
    }

    /// Energy over the group of measurements that e comes from.
    pub fn energy_of(&mut self, residual: Measured, group: Option<Minibatches>) -> Scalar {
        let out = self.scalar("energy");
        self.push(Op::Energy { out, residual, group });
        out
    }

    // Scalars.

    /// Value of a formula in a new register.
    pub fn formula(&mut self, value: impl Into<Expression>) -> Scalar {
        let out = self.scalar("formula");
        self.set(out, value);
        out
    }

    /// Records out ← formula, which may read `out`.
    pub fn set(&mut self, out: Scalar, value: impl Into<Expression>) {
        self.push(Op::Formula { out, value: value.into() });
    }

    // The host.

    /// Records a function on the host in f64, for each trial: it gets the inputs and leaves numbers in the outputs,
    /// see [`HostFunction`](crate::tape::HostFunction).
    pub fn on_host(
        &mut self,
        name: &'static str,
        inputs: impl IntoIterator<Item = Register>,
        outputs: impl IntoIterator<Item = Register>,
        function: impl Fn(&[Held<'_>], &mut [Left]) -> Result<()> + Send + Sync + 'static,
    ) {
        self.push_host(name, inputs, outputs, HostWork::Alone(Arc::new(function)));
    }

    /// Records a function on the host like [`Tape::on_host`] that also reads measurement data, as many rows as it needs.
    /// Only host engines run it.
    pub(crate) fn on_rows(
        &mut self,
        name: &'static str,
        inputs: impl IntoIterator<Item = Register>,
        outputs: impl IntoIterator<Item = Register>,
        function: impl Fn(&dyn Rows, &[Held<'_>], &mut [Left]) -> Result<()> + Send + Sync + 'static,
    ) {
        self.push_host(name, inputs, outputs, HostWork::WithRows(Arc::new(function)));
    }

    fn push_host(
        &mut self,
        name: &'static str,
        inputs: impl IntoIterator<Item = Register>,
        outputs: impl IntoIterator<Item = Register>,
        work: HostWork,
    ) {
        let (inputs, outputs) = (inputs.into_iter().collect(), outputs.into_iter().collect());
        let op = HostOp { name, inputs, outputs, work };
        self.wholes.retain(|(of, ..)| !op.outputs.contains(&Register::from(*of)));
        self.push(Op::Host(op));
    }
}
