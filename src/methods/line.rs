//! Step lengths along a direction: constant, by Armijo's rule, or exact.

use crate::error::{Error, Result};
use crate::methods::card::Context;
use crate::operators::Loss;
use crate::tape::{
    Blocks, Expression, Initial, Measured, Ray, RayWriter, Scalar, Tape, When, finite, least_of_quartic, less, select,
};

/// Armijo's rule: the required share of the decrease promised by the slope.
const SUFFICIENT: f64 = 1e-4;
/// The cost of an exact step in cards.
pub(super) const EXACT_COST: &str =
    "1 pass where reading A is what it costs and the model has one factor, else 2; nothing read back";
/// Registers of quantities at the iterate that pass to the next iteration.
const RESIDUAL: &str = "residual at the factors";
const GRADIENT: &str = "gradient at the factors";

/// Rule for the length of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepRule {
    /// The constant `step_size`.
    Constant,
    /// Armijo's rule. A step with sufficient descent is accepted and the next one doubled; otherwise the step is halved
    /// and the point stays. An iteration tries one step.
    Armijo,
    /// Minimum of the loss along the direction, a quartic.
    Exact,
}

words!(StepRule as "step_rule", serde { Constant => "constant", Armijo => "armijo", Exact => "exact" });

/// Error for methods that need a loss polynomial along lines, with models that have none.
pub(super) fn no_lines() -> Error {
    Error::Unsupported {
        what: "an exact line search for a product of more than two factors".into(),
        fix: "use gd, momentum or heavy-ball with constant steps, which suit every model, or --step-rule armijo".into(),
    }
}

/// Refuses exact steps under losses other than the square, which are no quartics.
pub(super) fn require_square(rule: Option<StepRule>, loss: Loss) -> Result<()> {
    if rule == Some(StepRule::Exact) && loss != Loss::Square {
        let fix = "use the method gd, whose defaults tolerate gross outliers";
        return Err(Error::invalid("loss", loss.word(), "square for exact steps", fix));
    }
    Ok(())
}

/// Step t ≥ 0 with the least f(U + t·D), where e is the residual at U. Along D the loss is the quartic c·Σ w(e + t·b +
/// t²·a)²/2 with A(Z(U + tD)) = A(Z(U)) + t·b + t²·a.
///
/// # Errors
/// [`Error::Unsupported`] for models of higher degree.
pub(super) fn exact(t: &mut Tape, u: Blocks, e: Measured, d: Blocks) -> Result<Scalar> {
    let (b, a) = t.along(u, d).ok_or_else(no_lines)?;
    Ok(least(t, (u, d), [e, b, a]))
}

/// Exact step from e, b and a.
fn least(t: &mut Tape, (u, d): (Blocks, Blocks), [e, b, a]: [Measured; 3]) -> Scalar {
    let (eb, bb, ea, ab, aa) =
        (t.measured_dot(e, b), t.measured_dot(b, b), t.measured_dot(e, a), t.measured_dot(a, b), t.measured_dot(a, a));
    let c = t.share();
    let mut linear = eb * c;
    let mut square = (bb * 0.5 + ea) * c;
    if let Some(ridge) = t.ridge() {
        let whole = t.whole(u);
        let (ud, dd) = (t.dot(whole, d), t.dot(d, d));
        linear = linear + ridge * ud;
        square = square + ridge * dd * 0.5;
    }
    let mut all = [linear, square, ab * c, aa * (0.5 * c)];
    if let Some(weight) = t.unobserved_weight() {
        let of_norm = t.square_norm_along(u, d).map(|c| weight * c);
        all = std::array::from_fn(|j| all[j].clone() + of_norm[j].clone());
    }
    t.formula(least_of_quartic(all))
}

/// Quantities at the iterate from which a direction is made.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) residual: Measured,
    pub(super) gradient: Blocks,
    energy: Option<Scalar>,
}

impl Known {
    /// A gradient pass at u. Observers see its residual.
    pub(super) fn at(t: &mut Tape, u: Blocks) -> Self {
        let (residual, gradient) = t.gradient(u);
        t.observe(residual);
        Self { residual, gradient, energy: None }
    }

    /// Energy E of the residual.
    pub(super) fn energy(self, t: &mut Tape) -> Scalar {
        self.energy.unwrap_or_else(|| t.energy(self.residual))
    }
}

/// An iteration with an exact step along a direction made by `direction` from the quantities at U: in one pass where
/// passes are bound by reading the data and the model allows it, else in two.
///
/// # Errors
/// [`Error::Unsupported`] for models of higher degree.
pub(super) fn exact_iteration(
    t: &mut Tape,
    context: &Context,
    direction: impl FnOnce(&mut Tape, Known) -> Result<Blocks>,
) -> Result<()> {
    match t.ray().filter(|_| context.is_bound_by_reading()) {
        Some(ray) => in_one_pass(t, ray, direction),
        None => in_two_passes(t, direction),
    }
}

/// An iteration with one pass at U and one along D.
///
/// # Errors
/// [`Error::Unsupported`] for models of higher degree.
pub(super) fn in_two_passes(t: &mut Tape, direction: impl FnOnce(&mut Tape, Known) -> Result<Blocks>) -> Result<()> {
    let u = t.iterate();
    let known = Known::at(t, u);
    let d = direction(t, known)?;
    let step = exact(t, u, known.residual, d)?;
    t.combine_into(u, [(1.0.into(), u), (step.into(), d)]);
    Ok(())
}

/// An iteration with one pass. At U + t·D the residual and the gradient are polynomials in t, with coefficients from
/// the pass that gives the step. All coefficients are renewed in every iteration, so that rounding errors do not add
/// up.
fn in_one_pass(t: &mut Tape, ray: RayWriter, direction: impl FnOnce(&mut Tape, Known) -> Result<Blocks>) -> Result<()> {
    let u = t.iterate();
    let (residual, gradient) = (t.keep_measured(RESIDUAL), t.keep(GRADIENT, Initial::Number(0.0)));
    t.when(When::First, |t| {
        let (e, g) = t.gradient(u);
        t.measured_combine(residual, [(1.0.into(), e)]);
        t.assign(gradient, g);
    });
    t.observe(residual);
    let d = direction(t, Known { residual, gradient, energy: None })?;
    let Ray { residuals, products } = ray(t, u, d);
    let step = least(t, (u, d), residuals);
    t.combine_into(u, [(1.0.into(), u), (step.into(), d)]);
    let ([one, linear, square], cubic) = (powers(step), step * step * step);
    let [e, b, a] = residuals;
    t.measured_combine(residual, [(one.clone(), e), (linear.clone(), b), (square.clone(), a)]);
    let [[gu, gd], [bu, bd], [au, ad]] = products;
    // A kernel has no room for all of them.
    let lower = t.combine([(one.clone(), gu), (linear.clone(), gd), (linear, bu), (square.clone(), bd)]);
    t.combine_into(gradient, [(one.clone(), lower), (square, au), (cubic, ad)]);
    if let Some(ridge) = t.ridge() {
        let whole = t.whole(u);
        t.combine_into(gradient, [(one, gradient), (ridge.into(), whole)]);
    }
    Ok(())
}

/// Powers 1, t and t².
fn powers(t: Scalar) -> [Expression; 3] {
    [1.0.into(), t.into(), t * t]
}

/// An iteration of Armijo's rule: one pass, at U + t·D. Where the loss there is at most f(U) + σ·t·⟨∇f, D⟩, the point
/// is accepted and t doubled. Otherwise U, its gradient and its residual stay and t is halved. (Armijo 1966)
///
/// Where both losses are equal within rounding, as near a small start in f32, the slopes decide: ⟨∇f(U + tD), D⟩ must
/// be at most (2σ − 1)·⟨∇f(U), D⟩, which for a quadratic is the same condition. (Hager & Zhang, SIAM J. Optim. 2005,
/// "approximate Wolfe")
///
/// `direction` makes D from the quantities kept at U; `taken` is told whether the point was accepted.
pub(super) fn armijo(
    t: &mut Tape,
    context: &Context,
    direction: impl FnOnce(&mut Tape, Known) -> Result<Blocks>,
    taken: impl FnOnce(&mut Tape, Scalar),
) -> Result<()> {
    let u = t.iterate();
    let (residual, gradient) = (t.keep_measured(RESIDUAL), t.keep(GRADIENT, Initial::Number(0.0)));
    let energy_here = t.keep_scalar("energy at the factors", Initial::Number(0.0));
    let kept = Known { residual, gradient, energy: Some(energy_here) };
    let initial = Initial::Parameter(t.step());
    let step = t.keep_scalar("step to try", initial);
    t.when(When::First, |t| {
        let (e, g) = t.gradient(u);
        let energy = t.energy(e);
        t.measured_combine(kept.residual, [(1.0.into(), e)]);
        t.assign(kept.gradient, g);
        t.set(energy_here, energy);
    });
    t.observe(kept.residual);
    let d = direction(t, kept)?;
    let slope = t.dot(kept.gradient, d);
    let trial = t.combine([(1.0.into(), u), (step.into(), d)]);
    let (e, g) = t.gradient(trial);
    let energy = t.energy(e);
    // f/s at both points.
    let mut before = energy_here * t.share();
    let mut after = energy * t.share();
    if let Some(ridge) = t.ridge() {
        let (here, there) = (t.whole(u), t.whole(trial));
        let (here, there) = (t.dot(here, here), t.dot(there, there));
        before = before + ridge * here * 0.5;
        after = after + ridge * there * 0.5;
    }
    if let Some(weight) = t.unobserved_weight() {
        let (here, there) = (t.square_norm(u), t.square_norm(trial));
        before = before + weight * here * 0.5;
        after = after + weight * there * 0.5;
    }
    let enough: Expression = before.clone() + step * slope * SUFFICIENT;
    // The comparison is not the negation of a < b: NaN must fail it.
    let turned = t.dot(g, d);
    let equal = less(after.clone(), before.clone() + before.clone() * context.floor);
    let falls = less(turned, slope * (2.0 * SUFFICIENT - 1.0));
    let descends = select(less(enough, after.clone()), select(equal, falls, 0.0), 1.0);
    let good = t.formula(select(finite(after), descends, 0.0));
    t.assign_if(good, u, trial);
    t.assign_if(good, kept.gradient, g);
    t.measured_assign_if(good, kept.residual, e);
    t.set(energy_here, select(good, energy, energy_here));
    t.set(step, select(good, step * 2.0, step * 0.5));
    taken(t, good);
    Ok(())
}
