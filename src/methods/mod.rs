//! Methods: updates of the factors. Each file has a method's formula, source, parameters and iteration, written on a
//! tape.

mod alt_scaled_gd;
mod automatic;
pub(crate) mod card;
mod cg;
mod descent_ascent;
mod extragradient;
mod game;
mod gauss_newton;
mod gd;
mod gd_polyak;
mod growing;
mod heavy_ball;
mod lbfgs;
mod line;
mod momentum;
mod parameters;
mod prec_gd;
mod pseudo_inverse;
mod pursuit;
mod riemannian;
mod scaled_gd;
mod schedule;
mod sgd;
mod zeroth_order;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::Domain;
use crate::tape::Tape;

pub use crate::named::Named;
pub(crate) use card::{AUTOMATIC, PASSES};
pub use card::{Context, MethodCard, StartKind, StepSize, TrialNumbers};
pub use game::GameMetric;
pub use line::StepRule;
pub(crate) use scaled_gd::DAMPING;

/// Generates for each entry its type, its card in [`METHODS`], and a constructor of [`Method`] with defaults.
macro_rules! registry {
    ($($(#[$doc:meta])* $room:ident: $algorithm:ident,)*) => {
        $(pub use $room::$algorithm;)*

        /// Cards of all methods, in the order of the help text.
        pub const METHODS: &[&MethodCard] = &[$(&$room::CARD),*];

        /// Constructors of every method with default parameters.
        impl Method {
            $($(#[$doc])*
            pub fn $room() -> $algorithm {
                $algorithm::default()
            })*
        }
    };
}

registry! {
    /// Gradient descent `U ← U − μ·s·A*(A(UUᵀ) − y)·U`, the iteration of Stöger & Soltanolkotabi (arXiv 2106.15013).
    gd: GradientDescent,
    /// Gradient descent from extrapolated points, with restarts.
    momentum: Momentum,
    /// Gradient descent with a share of the last step, with restarts.
    heavy_ball: HeavyBall,
    /// Gradient descent with periodic Polyak steps.
    gd_polyak: GdPolyak,
    /// Gradient descent over groups of the measurements in turn.
    sgd: Sgd,
    /// Gradient descent with the gradient times (VᵀV + λI)⁻¹, λ fixed.
    scaled_gd: ScaledGd,
    /// Gradient descent with the gradient times (VᵀV + λI)⁻¹, λ in proportion to the residual.
    prec_gd: PrecGd,
    /// Alternating updates of L and R with pseudo-inverses.
    alt_scaled_gd: AltScaledGd,
    /// Nonlinear conjugate gradients.
    cg: Cg,
    /// Limited-memory quasi-Newton.
    lbfgs: Lbfgs,
    /// Descent on the manifold of matrices of rank k.
    riemannian: Riemannian,
    /// Descent of the factors against ascent of dual variables of the residuals.
    descent_ascent: DescentAscent,
    /// Extragradient steps in the same game.
    extragradient: Extragradient,
    /// Descent by values of the loss alone.
    zeroth_order: ZerothOrder,
    /// Growth of the rank until further columns are noise.
    pursuit: Pursuit,
    /// Gauss–Newton steps on few rows with a growing rank: few passes over large matrices.
    gauss_newton: GaussNewton,
}

/// A method's implementation: its card, its parameters, and its iteration.
pub trait Algorithm: fmt::Debug + Send + Sync {
    /// Card with the description.
    fn card(&self) -> &'static MethodCard;

    /// Parameters that were set, by name, as front ends write them.
    fn set(&self) -> Named;

    /// Refuses parameters out of range, and unsuitable losses and shapes.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter; [`Error::Unsupported`].
    fn check(&self, loss: Loss) -> Result<()>;

    /// Refuses unsuitable models.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    fn check_model(&self, _model: &Model) -> Result<()> {
        Ok(())
    }

    /// Whether its iteration is right for complex factors in their real form: one of steps, gradients and inner products is.
    fn takes_complex(&self) -> bool {
        true
    }

    /// Default step size μ.
    fn step_size(&self) -> StepSize;

    /// Rule for the length of steps.
    fn step_rule(&self) -> StepRule {
        StepRule::Constant
    }

    /// Number of groups of measurements, for methods that use one group per iteration in turn.
    fn minibatches(&self) -> Option<usize> {
        None
    }

    /// Columns of the registers. Columns beyond k hold vectors that the method tracks beside the iterate.
    fn columns(&self, search_rank: usize) -> usize {
        search_rank
    }

    /// Whether it begins with the measurements and takes no start.
    fn starts_alone(&self) -> bool {
        false
    }

    /// Default start.
    fn start(&self, _damping: Option<f64>) -> StartKind {
        StartKind::SmallRandom
    }

    /// Damping λ of methods that have one: that of the trial or method, or `None` inside for an automatic choice.
    fn damping(&self) -> Option<Option<f64>> {
        None
    }

    /// Whether the method is gradient descent with a constant step, for which the power iteration and the phase times
    /// are defined.
    fn is_plain(&self, _loss: Loss) -> bool {
        false
    }

    /// Whether U ← max(U − μ·D, 0) is a descent for the method's direction D, so that factors can be kept non-negative:
    /// for the gradient itself, see [`crate::Settings::nonnegative`]. The method then moves by
    /// [`Tape::move_to`](crate::tape::Tape::move_to). Preconditioned and conjugate directions can point uphill after the
    /// projection.
    fn projects(&self) -> bool {
        false
    }

    /// Whether every step ends at U·√(t/‖U‖_F²) where the run fixes the trace t, see [`crate::Settings::fixed_trace`]. Its fixed
    /// points are then those with ∇f(U) along U. Where it does not, the result is scaled and descends further by one that does.
    fn keeps_trace(&self) -> bool {
        self.projects()
    }

    /// Whether the method decides by thresholds on data, so that a rounding error can change its path.
    fn decides(&self) -> bool {
        false
    }

    /// Whether every iteration takes a new gradient and no other look at the loss, so that labels may change from one to the
    /// next and gradients may belong to a displaced point: see [`crate::Settings::label_noise`]. A line search compares
    /// losses, which then belong to different labels.
    fn perturbs(&self) -> bool {
        false
    }

    /// A method whose fit is compared with a doubtful one of this method, where both were left to the program.
    fn second_opinion(&self) -> Option<Method> {
        None
    }

    /// Whether its steps account for a weight of unobserved entries, see [`crate::Settings::unobserved_weight`].
    fn weighs_unobserved(&self) -> bool {
        false
    }

    /// Whether it applies the adjoint A*, which a [`BlackBox`](crate::operators::BlackBox) lacks.
    fn needs_adjoint(&self) -> bool {
        true
    }

    /// Whether it reads single measurements, which engines on graphics adapters do not offer.
    fn reads_rows(&self) -> bool {
        false
    }

    /// Values of the parameters declared by its tape, for one trial.
    fn numbers(&self, _trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Records one iteration.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for unsuitable models.
    fn record(&self, t: &mut Tape, context: &Context) -> Result<()>;
}

/// The algorithm that moves the factors, with its parameters. [`METHODS`] lists formulas, parameters and sources.
#[derive(Clone)]
pub struct Method(Arc<dyn Algorithm>);

impl Method {
    /// A method from an algorithm of this crate or of your own.
    pub fn new(algorithm: impl Algorithm + 'static) -> Self {
        Self(Arc::new(algorithm))
    }

    /// The method of a word with named parameters. Parameters may follow the word, as in `lbfgs:memory=5`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown word, for a parameter that is unknown, out of range or given twice.
    pub fn named(word: &str, parameters: &Named) -> Result<Self> {
        let (text, (word, own)) = (word, Named::spelled("method", word)?);
        let method = Self::of_card(Self::find(word)?, &parameters.clone().joined(&own)?);
        // Parameters after the word are no flags: an error names the text.
        let checked =
            method.and_then(|method| if own.is_empty() { Ok(()) } else { method.check(Loss::Square) }.map(|()| method));
        checked.map_err(|error| own.refused("method", text, error))
    }

    /// The method of a word, or `None` for `auto`, which takes no parameters of methods.
    ///
    /// # Errors
    /// Those of [`Method::named`].
    pub fn asked(word: &str, parameters: &Named) -> Result<Option<Self>> {
        if word != AUTOMATIC {
            return Self::named(word, parameters).map(Some);
        }
        let Some((name, value)) = parameters.pairs().next() else { return Ok(None) };
        let allowed = format!("no value with the method {AUTOMATIC}; a value with {}", Self::having(name));
        Err(Error::invalid(name, value, allowed, "leave it out, or choose a method"))
    }

    /// The methods that can keep factors non-negative, as text.
    pub(crate) fn projecting() -> String {
        let able = METHODS.iter().filter(|card| card.method().projects());
        able.map(|card| card.word).collect::<Vec<_>>().join(", ")
    }

    /// The methods that keep a fixed trace in every step, as text.
    pub(crate) fn keeping_trace() -> String {
        let able = METHODS.iter().filter(|card| card.method().keeps_trace());
        able.map(|card| card.word).collect::<Vec<_>>().join(", ")
    }

    /// The methods that have a parameter, as text.
    pub(crate) fn having(parameter: &str) -> String {
        let has: Vec<&str> = METHODS.iter().filter(|card| card.has(parameter)).map(|card| card.word).collect();
        if has.is_empty() { "no method".into() } else { has.join(", ") }
    }

    /// The methods that bear label noise and sharpness-aware gradients, as text.
    pub(crate) fn perturbing() -> String {
        let able = METHODS.iter().filter(|card| card.method().perturbs());
        able.map(|card| card.word).collect::<Vec<_>>().join(", ")
    }

    /// The methods whose steps account for a weight of unobserved entries, as text.
    pub(crate) fn weighing_unobserved() -> String {
        let able = METHODS.iter().filter(|card| card.method().weighs_unobserved());
        able.map(|card| card.word).collect::<Vec<_>>().join(", ")
    }

    fn of_card(card: &MethodCard, parameters: &Named) -> Result<Self> {
        if let Some((name, value)) = parameters.pairs().find(|(name, _)| !card.has(name)) {
            let allowed = format!("no value with the method {}; a value with {}", card.word, Self::having(name));
            return Err(Error::invalid(name, value, allowed, "leave it out, or choose another method"));
        }
        (card.make)(parameters)
    }

    /// The card of a method's word.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown word.
    pub fn find(word: &str) -> Result<&'static MethodCard> {
        METHODS.iter().find(|card| card.word == word).copied().ok_or_else(|| {
            let words: Vec<&str> = METHODS.iter().map(|card| card.word).collect();
            Error::invalid(
                "method",
                format!("'{word}'"),
                format!("{AUTOMATIC}, {}", words.join(", ")),
                "`lowrank list methods` describes them",
            )
        })
    }

    /// The method of a word with default parameters.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::named(word, &Named::default()).ok()
    }

    /// Word of the method for `--method` and reports.
    pub fn word(&self) -> &'static str {
        self.card().word
    }

    /// Card of the method, as in `lowrank list methods`.
    pub fn card(&self) -> &'static MethodCard {
        self.0.card()
    }

    /// Refuses unsuitable losses and models, and parameters out of range. Other needs of an iteration, such as a
    /// property of the model, are checked when it is recorded, for matrices of any size.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter; [`Error::Unsupported`].
    pub fn suits(&self, loss: Loss, model: &Model) -> Result<()> {
        self.check(loss)?;
        self.check_model(model)?;
        let search_rank = model.search_rank().unwrap_or(1);
        let mut tape = Tape::new(model.recorded(), Domain::symmetric(2), search_rank, loss, false, false);
        self.record(&mut tape, &Context::default())
    }
}

impl Method {
    /// The methods that suit a loss and a model, with default parameters, in the order of [`METHODS`].
    pub fn fitting(loss: Loss, model: &Model) -> Vec<Self> {
        METHODS.iter().map(|card| card.method()).filter(|method| method.suits(loss, model).is_ok()).collect()
    }
}

/// Writes the word with its parameters as [`Method::named`] reads them, such as `lbfgs:memory=5`.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.set().spell(self.word(), f)
    }
}

impl std::ops::Deref for Method {
    type Target = dyn Algorithm;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl<A: Algorithm + 'static> From<A> for Method {
    fn from(algorithm: A) -> Self {
        Self::new(algorithm)
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.word() == other.word() && self.set() == other.set()
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.word())?;
        self.set().pairs().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::from_word(&word).ok_or_else(|| serde::de::Error::custom(format!("no method is called '{word}'")))
    }
}

#[cfg(test)]
mod tests;
