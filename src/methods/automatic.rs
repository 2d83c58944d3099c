//! The method of a run that names none.

use crate::methods::Method;
#[cfg(doc)]
use crate::methods::{GaussNewton, Momentum, Pursuit};
use crate::models::Model;
use crate::operators::Loss;

impl Method {
    /// The method of a run that names none, with the reason for the choice.
    ///
    /// [`GaussNewton`] for the square loss where `few_rows` says that an engine reads single rows and keeps thin ones: it
    /// takes a tenth of the passes, and recovers as much unless columns have signs. Else [`Pursuit`]: it has no step size and no scale of the start, so units and condition numbers
    /// do not matter. It has no surplus columns, so its bias towards low rank does not depend on k. Robust losses use
    /// subgradient descent. Gradient descent also serves where a step or a small random start is requested, and for
    /// models that pursuit does not support: it is slow, and keeps the bias towards low rank for every k. [`Momentum`]
    /// serves for non-negative factors, where the projection makes gradient descent some ten times slower still.
    pub(crate) fn automatic(
        loss: Loss,
        model: &Model,
        descent: bool,
        (nonnegative, few_rows): (bool, bool),
    ) -> (Self, String) {
        match (loss, descent) {
            (Loss::Square, false) if nonnegative => return (Self::momentum().into(), "non-negative factors".into()),
            (Loss::Square, false) => {}
            (Loss::Square, true) => return (Self::gd().into(), "the given step or start".into()),
            (robust, _) => return (Self::gd().into(), format!("the loss {}", robust.word())),
        }
        let of = format!("the model {}", model.word());
        let newton = Self::from(Self::gauss_newton());
        if few_rows && model.recorded().positive().is_none() && newton.suits(loss, model).is_ok() {
            return (newton, format!("{of}, few passes over the matrices"));
        }
        let pursuit = Self::from(Self::pursuit());
        if pursuit.suits(loss, model).is_ok() { (pursuit, of) } else { (Self::gd().into(), of) }
    }
}
