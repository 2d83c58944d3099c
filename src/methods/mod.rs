//! Methods: how an iteration moves the factors. One page each, with its formula, its source, its parameters and the iteration
//! itself, written on a tape.

mod alt_scaled_gd;
mod card;
mod cg;
mod gd;
mod gd_polyak;
mod heavy_ball;
mod lbfgs;
mod line;
mod momentum;
mod prec_gd;
mod pseudo_inverse;
mod pursuit;
mod riemannian;
mod scaled_gd;
mod schedule;
mod sgd;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::Domain;
use crate::tape::Tape;

pub use crate::named::Named;
pub use card::{Context, MethodCard, StartKind, StepSize, TrialNumbers};
pub use line::StepRule;
pub(crate) use scaled_gd::DAMPING;

/// Makes of each entry its type here, its card in [`METHODS`], and a function of [`Method`] that makes it with its defaults.
macro_rules! registry {
    ($($(#[$doc:meta])* $room:ident: $algorithm:ident,)*) => {
        $(pub use $room::$algorithm;)*

        /// Every method, in the order of the help text.
        pub const METHODS: &[&MethodCard] = &[$(&$room::CARD),*];

        /// Every method with default parameters.
        impl Method {
            $($(#[$doc])*
            pub fn $room() -> $algorithm {
                $algorithm::default()
            })*
        }
    };
}

registry! {
    /// `U ← U − μ·s·A*(A(UUᵀ) − y)·U`, the iteration of Stöger & Soltanolkotabi (arXiv 2106.15013).
    gd: GradientDescent,
    /// Gradient descent from extrapolated points, with restarts.
    momentum: Momentum,
    /// Gradient descent that keeps a share of the last step, with restarts.
    heavy_ball: HeavyBall,
    /// Gradient descent with a step of Polyak now and then.
    gd_polyak: GdPolyak,
    /// Gradients of a part of the measurements.
    sgd: Sgd,
    /// The gradient times (VᵀV + λI)⁻¹, λ fixed.
    scaled_gd: ScaledGd,
    /// The same with λ in proportion to the residual.
    prec_gd: PrecGd,
    /// L and R in turn, with pseudo-inverses.
    alt_scaled_gd: AltScaledGd,
    /// Nonlinear conjugate gradients.
    cg: Cg,
    /// Limited-memory quasi-Newton.
    lbfgs: Lbfgs,
    /// Descent on the manifold of matrices of rank k.
    riemannian: Riemannian,
    /// Growth of the rank as far as it is more than noise.
    pursuit: Pursuit,
}

/// What a method is made of: its card, its parameters, and its iteration.
pub trait Algorithm: fmt::Debug + Send + Sync {
    /// What there is to say of it.
    fn card(&self) -> &'static MethodCard;

    /// The parameters that were set, by name, as front ends write them.
    fn set(&self) -> Named;

    /// Refuses parameters that are out of range, losses and shapes that it is not for.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the parameter; [`Error::Unsupported`].
    fn check(&self, loss: Loss) -> Result<()>;

    /// Refuses models that it is not for.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    fn check_model(&self, _model: &Model) -> Result<()> {
        Ok(())
    }

    /// Default of the step size μ.
    fn step_size(&self) -> StepSize;

    /// How long its steps are.
    fn step_rule(&self) -> StepRule {
        StepRule::Constant
    }

    /// Groups of measurements that take turns, where it goes over one of them in an iteration.
    fn minibatches(&self) -> Option<usize> {
        None
    }

    /// Columns of the registers: those beyond k are room for what the method follows beside the iterate.
    fn columns(&self, search_rank: usize) -> usize {
        search_rank
    }

    /// Where it starts unless it is told otherwise.
    fn start(&self, _damping: Option<f64>) -> StartKind {
        StartKind::SmallRandom
    }

    /// λ of a trial, of a method that has one: the trial's own or the method's, or what they are chosen from.
    fn damping(&self) -> Option<Option<f64>> {
        None
    }

    /// Whether it is gradient descent with a constant step, which power iterations and their times belong to.
    fn is_plain(&self, _loss: Loss) -> bool {
        false
    }

    /// Whether it decides by thresholds on data, so that a rounding can turn its path.
    fn decides(&self) -> bool {
        false
    }

    /// Values of the parameters that its tape declares, for one trial.
    fn numbers(&self, _trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Writes one iteration.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for models that it is not for.
    fn record(&self, t: &mut Tape, context: &Context) -> Result<()>;
}

/// The algorithm that moves the factors, with its parameters. [`METHODS`] has formulas, parameters and sources.
#[derive(Clone)]
pub struct Method(Arc<dyn Algorithm>);

impl Method {
    /// Of an algorithm of this crate or of your own.
    pub fn new(algorithm: impl Algorithm + 'static) -> Self {
        Self(Arc::new(algorithm))
    }

    /// The method of a word with parameters by name. Parameters may stand behind the word, as in `lbfgs:memory=5`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a word that is none, for a parameter that the method does not have or that is out of range, and for
    /// one that is given twice.
    pub fn named(word: &str, parameters: &Named) -> Result<Self> {
        let (text, (word, own)) = (word, Named::spelled("method", word)?);
        let method = Self::of_card(Self::find(word)?, &parameters.clone().joined(&own)?);
        // What stands behind the word is no flag: a refusal names the text.
        let checked =
            method.and_then(|method| if own.is_empty() { Ok(()) } else { method.check(Loss::Square) }.map(|()| method));
        checked.map_err(|error| own.refused("method", text, error))
    }

    /// The method of a word, none of them for [`AUTOMATIC`], for which parameters of methods are refused.
    ///
    /// # Errors
    /// As [`Method::named`].
    pub fn asked(word: &str, parameters: &Named) -> Result<Option<Self>> {
        if word != AUTOMATIC {
            return Self::named(word, parameters).map(Some);
        }
        let Some((name, value)) = parameters.pairs().next() else { return Ok(None) };
        let allowed = format!("nothing for the method {AUTOMATIC}; {} for it", Self::having(name));
        Err(Error::invalid(name, value, allowed, "leave it out, or name a method"))
    }

    /// The methods that have a parameter, in words.
    pub(crate) fn having(parameter: &str) -> String {
        let has: Vec<&str> = METHODS.iter().filter(|card| card.has(parameter)).map(|card| card.word).collect();
        if has.is_empty() { "no method".into() } else { has.join(", ") }
    }

    fn of_card(card: &MethodCard, parameters: &Named) -> Result<Self> {
        if let Some((name, value)) = parameters.pairs().find(|(name, _)| !card.has(name)) {
            let allowed = format!("nothing for the method {}; {} for it", card.word, Self::having(name));
            return Err(Error::invalid(name, value, allowed, "leave it out, or choose another method"));
        }
        (card.make)(parameters)
    }

    /// What there is to say of the method of a word.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a word that is none.
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

    /// The word of `--method` and of reports.
    pub fn word(&self) -> &'static str {
        self.card().word
    }

    /// What `lowrank list methods` shows of it.
    pub fn card(&self) -> &'static MethodCard {
        self.0.card()
    }

    /// Refuses losses and models that it is not for, and parameters that are out of range. What an iteration needs of a model and does
    /// not find there shows where it is recorded, for matrices of any size.
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

/// The word for what suits loss and model, see [`crate::Settings::method_of`].
pub const AUTOMATIC: &str = "auto";

impl Method {
    /// The method of a run that names none, and what it is chosen for.
    ///
    /// [`Pursuit`] for the square loss: it has neither a step nor a scale of the start, so that units and condition numbers do not
    /// count, and no surplus columns, so that its bias towards low rank does not depend on k. Subgradients of gradient descent for
    /// robust losses; gradient descent as well where a step or a small random start is asked for, which are its own, and for models
    /// that pursuit is not for: it is slow, and keeps the bias towards low rank whatever k is.
    pub(crate) fn automatic(loss: Loss, model: &Model, descent: bool) -> (Self, String) {
        match (loss, descent) {
            (Loss::Square, false) => {}
            (Loss::Square, true) => return (Self::gd().into(), "the step or the start that was given".into()),
            (robust, _) => return (Self::gd().into(), format!("the loss {}", robust.word())),
        }
        let pursuit = Self::from(Self::pursuit());
        let of = format!("the model {}", model.word());
        if pursuit.suits(loss, model).is_ok() { (pursuit, of) } else { (Self::gd().into(), of) }
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
