//! Models: how the factors that an iteration moves make the matrix that is recovered.
//!
//! An operator knows a [`Domain`] and nothing of factors, so that one operator is solved with any model that its domain allows.
//! A model says which blocks the factors have, which product they stand for, how much of the loss counts, and where a run can
//! start. No other room asks which model it is: what a room needs is a function of [`FactorModel`].

mod asymmetric;
mod card;
mod deep;
mod psd;
mod signed;
mod start;

use std::fmt::{Debug, Formatter};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::io::read_blocks;
use crate::memory::product;
use crate::problem::random::{Purpose, normals};
use crate::problem::{Block, Domain, Factors, MatrixView, Product, Truth, synthetic};
use crate::tape::Recorded;

pub use crate::named::Named;
pub use card::ModelCard;
pub use start::{Backprojection, Eigenpairs, SingularTriplets};

/// Most columns of factors whose number nobody gave.
pub const DEFAULT_SEARCH_RANK: usize = 20;

/// α over √‖s·A*(y)‖ of models of one factor or two.
const AUTOMATIC_SCALE: f64 = 1e-6;

/// A random start of one trial: entries N(0, std²), those of blocks after the first one times `ratio`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomStart {
    pub search_rank: usize,
    pub std: f64,
    pub ratio: f64,
    pub seed: u64,
}

/// A setting that was chosen from ν = ‖s·A*(y)‖, which is about ‖M‖.
#[derive(Clone, Debug, PartialEq)]
pub struct Automatic {
    /// The number.
    pub value: f64,
    /// The formula that it comes from, for notices.
    pub formula: String,
}

impl Automatic {
    fn new(value: f64, formula: impl Into<String>) -> Self {
        Self { value, formula: formula.into() }
    }
}

/// How factors make a matrix. Implement it for a model of your own and hand it over as [`Model::new`].
pub trait FactorModel: Recorded {
    /// The word of flags and reports.
    fn word(&self) -> &'static str;

    /// The parameters that it has, by name, as front ends write them.
    fn set(&self) -> Named {
        Named::default()
    }

    /// (p, q): the iterate has p columns that count positive and q that count negative. `None` where no column is signed.
    fn signature(&self) -> Option<(usize, usize)> {
        None
    }

    /// Refuses a domain that the model has no matrices of, and parameters that mean nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] in these cases.
    fn check(&self, domain: &Domain) -> Result<()>;

    /// Number of blocks of the factors.
    fn factors(&self) -> usize;

    /// Names of the blocks in files: `left`, the last one `right`, and `middle_1`, `middle_2`, … between them.
    fn names(&self) -> Vec<String> {
        let last = self.factors().saturating_sub(1);
        let name = |at: usize| match at {
            0 => "left".to_owned(),
            at if at == last => "right".to_owned(),
            at => format!("middle_{at}"),
        };
        (0..=last).map(name).collect()
    }

    /// (rows, columns) of each block for k columns.
    fn sizes(&self, domain: &Domain, search_rank: usize) -> Vec<(usize, usize)> {
        self.blocks(domain, search_rank).iter().map(|block| (block.rows, block.columns)).collect()
    }

    /// How many of k columns count positive; those after them count negative.
    fn positive_columns(&self, search_rank: usize) -> usize {
        self.signature().map_or(search_rank, |(positive, _)| positive.min(search_rank))
    }

    /// Number of columns that the model itself prescribes.
    fn search_rank(&self) -> Option<usize> {
        self.signature().map(|(positive, negative)| positive.saturating_add(negative))
    }

    /// k where nobody gave one.
    fn default_search_rank(&self, domain: &Domain) -> usize {
        self.search_rank().unwrap_or_else(|| DEFAULT_SEARCH_RANK.min(domain.rows()).min(domain.columns()))
    }

    /// The thin matrices of one trial that [`FactorModel::product`] takes, where these are not the blocks themselves: L and R with
    /// Z = L Rᵀ.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the blocks do not fit each other.
    fn ends(&self, _blocks: &[MatrixView<'_>]) -> Result<Option<Vec<Block>>> {
        Ok(None)
    }

    /// The matrix that these blocks of one trial stand for, or their [`FactorModel::ends`] where it has such.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they do not fit each other.
    fn product<'a>(&self, blocks: &[MatrixView<'a>]) -> Result<Product<'a>>;

    /// Degrees of freedom of a matrix of that rank.
    fn degrees_of_freedom(&self, domain: &Domain, rank: usize) -> usize;

    /// μ below which gradient descent is stable near a solution of norm ν. A quarter of it is taken where nobody chose a step.
    ///
    /// At U Uᵀ = M the Hessian of f is at most 2‖M‖ where the measurements are isometric, at L Rᵀ = M as well for balanced factors;
    /// descent is stable below 2 over it.
    fn stable_step(&self, norm: f64) -> Automatic {
        Automatic::new(1.0 / norm, "1/‖s·A*(y)‖")
    }

    /// α of a random start where nobody chose one.
    fn automatic_scale(&self, norm: f64) -> Automatic {
        Automatic::new(AUTOMATIC_SCALE * norm.sqrt(), format!("{AUTOMATIC_SCALE:e} √‖s·A*(y)‖"))
    }

    /// Whether the second factor can start at another size than the first one.
    fn has_init_scale_ratio(&self) -> bool {
        self.factors() > 1
    }

    /// Whether the phases of arXiv 2106.15013 are those of its iteration from a small start.
    fn has_phases(&self) -> bool {
        false
    }

    /// The numbers of each block at random; blocks follow each other in the stream of a seed.
    fn random_start(&self, domain: &Domain, start: &RandomStart) -> Vec<Vec<f64>> {
        let sizes = self.blocks(domain, start.search_rank);
        let count = sizes.iter().map(|block| block.len()).sum();
        let drawn = normals(start.seed, Purpose::Init, start.std, count);
        let mut rest = &drawn[..];
        let mut blocks = Vec::new();
        for (at, block) in sizes.into_iter().enumerate() {
            let (own, others) = rest.split_at(block.len());
            let scale = if at == 0 { 1.0 } else { start.ratio };
            blocks.push(own.iter().map(|v| scale * v).collect());
            rest = others;
        }
        blocks
    }

    /// Factors of one trial from the leading vectors of P after the first `skip`, scaled by the roots of their values.
    ///
    /// # Errors
    /// [`Error::Invalid`] where P has too few of them, is not finite, or is zero there.
    fn spectral_start(&self, p: &dyn Backprojection, search_rank: usize, skip: usize) -> Result<Factors>;

    /// A synthetic truth of that rank, to be built.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the model prescribes another rank, or has no matrices on the domain.
    fn truth(&self, domain: &Domain, rank: Option<usize>) -> Result<synthetic::Builder>;

    /// Truths from a file of their factors, one for each of the batch in it.
    ///
    /// # Errors
    /// Those of the file, and [`Error::Invalid`] for factors that are no truth.
    fn read_truth(&self, path: &Path, domain: &Domain) -> Result<Vec<Truth>>;

    /// Factors from a file; `setting` is what they are for, in messages.
    ///
    /// # Errors
    /// Those of the file.
    fn read_factors(&self, path: &Path, domain: &Domain, setting: &str) -> Result<Factors> {
        let (names, sizes) = (self.names(), self.sizes(domain, 1));
        // Blocks with as many rows for one column as for two have the rows of the domain, others k of them.
        let fixed = sizes.iter().zip(self.sizes(domain, 2)).map(|(one, two)| (one.0 == two.0).then_some(one.0));
        let wanted: Vec<(&str, Option<usize>)> = names.iter().map(String::as_str).zip(fixed).collect();
        let (batch, blocks) = read_blocks(path, &wanted, self.word(), setting)?;
        Factors::of_blocks(batch, blocks)
    }
}

/// A model as a value: cheap to clone, equal to others of the same word and parameters.
#[derive(Clone)]
pub struct Model(Arc<dyn FactorModel>);

impl Model {
    /// A model of your own.
    pub fn new(model: impl FactorModel + 'static) -> Self {
        Self(Arc::new(model))
    }

    /// The model where nobody chose one: psd for symmetric matrices, asymmetric for all others.
    pub fn natural(domain: &Domain) -> Self {
        if domain.is_symmetric() { Self::psd() } else { Self::asymmetric() }
    }

    /// The model of a word with parameters by name. Parameters may stand behind the word, as in `signed:signature=2,1`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a word that is none, for a parameter that the model does not have, that it needs or that means
    /// nothing, and for one that is given twice.
    pub fn named(word: &str, parameters: &Named) -> Result<Self> {
        let (text, (_, own)) = (word, Named::spelled("model", word)?);
        let made = Self::of_card(card(text)?, &parameters.clone().joined(&own)?);
        made.map_err(|error| own.refused("model", text, error))
    }

    fn of_card(card: &ModelCard, parameters: &Named) -> Result<Self> {
        if let Some((name, value)) = parameters.pairs().find(|(name, _)| !card.has(name)) {
            let has: Vec<&str> = MODELS.iter().filter(|card| card.has(name)).map(|card| card.word).collect();
            let of = if has.is_empty() { "no model has it".into() } else { format!("{} for it", has.join(", ")) };
            let allowed = format!("nothing for the model {}; {of}", card.word);
            return Err(Error::invalid(name, value, allowed, "leave it out, or choose another model"));
        }
        (card.make)(parameters)
    }

    /// Numbers of all blocks of one trial together.
    pub(crate) fn numbers(&self, domain: &Domain, search_rank: usize) -> u64 {
        let sizes = self.sizes(domain, search_rank);
        sizes.iter().fold(0, |all, (rows, columns)| product(&[*rows, *columns]).saturating_add(all))
    }

    /// What tapes are written with.
    pub fn recorded(&self) -> Arc<dyn Recorded> {
        self.0.clone()
    }
}

impl Deref for Model {
    type Target = dyn FactorModel;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.word() == other.word() && self.set() == other.set()
    }
}

impl Eq for Model {}

impl Debug for Model {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.word())?;
        self.set().pairs().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// All models.
pub const MODELS: &[&ModelCard] = &[&psd::CARD, &signed::CARD, &asymmetric::CARD, &deep::CARD];

/// The card of a word, behind which parameters may stand.
///
/// # Errors
/// [`Error::Invalid`] where there is none.
pub fn card(text: &str) -> Result<&'static ModelCard> {
    let (word, _) = Named::spelled("model", text)?;
    MODELS.iter().find(|card| card.word == word).copied().ok_or_else(|| {
        let allowed = MODELS.iter().map(|card| card.word).collect::<Vec<_>>().join(", ");
        Error::invalid("model", format!("'{word}'"), allowed, "pick one of them")
    })
}

/// Refuses matrices without symmetry for a model of one factor.
fn require_symmetric(word: &str, domain: &Domain) -> Result<()> {
    if domain.is_symmetric() {
        return Ok(());
    }
    let fix = "use the model asymmetric, or an operator on symmetric matrices";
    Err(Error::invalid("model", word, format!("asymmetric for measurements of {domain} matrices"), fix))
}

/// The rank of a truth, which somebody has to give.
fn given(rank: Option<usize>) -> Result<usize> {
    rank.ok_or_else(|| {
        Error::invalid("rank", "nothing", "a whole number of at least 1", "give the rank of the unknown matrix")
    })
}

/// n·r − r(r−1)/2, the dimension of symmetric n×n matrices of rank r.
fn symmetric_freedom(domain: &Domain, rank: usize) -> usize {
    let r = rank.min(domain.rows());
    domain.rows() * r - r * r.saturating_sub(1) / 2
}

/// More degrees of freedom explain more than noise where the loss falls by so many times their share.
pub(crate) const SIGNIFICANT: f64 = 3.0;

/// The loss below which `more` degrees of freedom explain more than noise does, `left` being those that the measurements have left:
/// with E₁ the quotient of (E₀ − E₁)/d and E₁/(m − d₀ − d) is [`SIGNIFICANT`], as in an F test.
pub(crate) fn significant_loss(loss: f64, more: f64, left: f64) -> f64 {
    loss / (1.0 + SIGNIFICANT * more / (left - more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::BlockSize;

    #[test]
    fn models_are_equal_by_word_and_parameters() {
        assert_eq!(Model::signed(2, 1), Model::named("signed:signature=2,1", &Named::default()).unwrap());
        assert_ne!(Model::signed(2, 1), Model::signed(1, 2));
        assert_ne!(Model::psd(), Model::asymmetric());
        assert_eq!(format!("{:?} {:?}", Model::psd(), Model::signed(2, 1)), "psd signed signature=2,1");
        assert_eq!(Model::natural(&Domain::rectangular(3, 3)), Model::asymmetric());
        assert_eq!(serde_json::to_string(&Model::signed(2, 1)).unwrap(), "\"signed\"");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in
            ["psd:signature=1,1", "asymmetric:signature=1,0", "signed", "signed:signature=1", "signed:depth=2", "other"]
        {
            assert!(Model::named(text, &Named::default()).is_err(), "{text}");
        }
        let (square, wide) = (Domain::symmetric(4), Domain::rectangular(4, 5));
        for model in [Model::psd(), Model::signed(2, 1)] {
            assert!(model.check(&square).is_ok() && model.check(&wide).is_err());
        }
        assert!(Model::asymmetric().check(&square).is_ok() && Model::asymmetric().check(&wide).is_ok());
        assert!(Model::signed(0, 0).check(&square).is_err());
        assert_eq!(Model::asymmetric().blocks(&square, 3), [BlockSize::new(4, 3), BlockSize::new(4, 3)]);
        assert_eq!((Model::signed(2, 1).search_rank(), Model::psd().default_search_rank(&wide)), (Some(3), 4));
    }

    #[test]
    fn the_second_block_follows_the_first_in_the_stream() {
        let start = RandomStart { search_rank: 2, std: 0.5, ratio: 0.25, seed: 3 };
        let one = Model::psd().random_start(&Domain::symmetric(3), &start);
        let two = Model::asymmetric().random_start(&Domain::rectangular(3, 2), &start);
        assert_eq!(one[0], two[0]);
        assert_eq!(two[1], normals(3, Purpose::Init, 0.5, 10)[6..].iter().map(|v| 0.25 * v).collect::<Vec<_>>());
    }
}
