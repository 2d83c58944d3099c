//! Models: products of the factors that an iteration moves, which give the recovered matrix.
//!
//! An operator knows a [`Domain`] and nothing about factors, so one operator serves any model that its domain allows. A
//! model defines the blocks of the factors, their product, the share of the loss, and the possible starts. No other
//! module asks which model it is: each need is a function of [`FactorModel`].

mod asymmetric;
mod card;
mod deep;
mod psd;
mod signed;
pub(crate) mod significance;
mod start;

use std::fmt::{Debug, Display, Formatter};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::io::complex::{read_complex_factor, read_complex_pair};
use crate::io::{FactorArray, read_blocks};
use crate::memory::product;
use crate::problem::random::{Purpose, normals};
use crate::problem::{Block, Domain, Factors, MatrixView, Product, Truth, synthetic};
use crate::tape::Recorded;

use crate::named::Named;
pub use card::ModelCard;
pub use start::{Backprojection, Eigenpairs, SingularTriplets};

/// Most columns of factors by default.
pub(crate) const DEFAULT_SEARCH_RANK: usize = 20;

/// Default α over √‖s·A*(y)‖ for models of one or two factors.
const AUTOMATIC_SCALE: f64 = 1e-6;

/// A random start of one trial: entries N(0, std²), those of later blocks times `ratio`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RandomStart {
    /// Number k of columns.
    pub search_rank: usize,
    /// Standard deviation of the entries.
    pub std: f64,
    /// Size of the later blocks relative to the first.
    pub ratio: f64,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// A setting chosen from ν = ‖s·A*(y)‖, which is about ‖M‖.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Automatic {
    /// Chosen number.
    pub value: f64,
    /// Formula of the choice, for notices.
    pub formula: String,
}

impl Automatic {
    /// A number with the formula that gave it.
    pub fn new(value: f64, formula: impl Into<String>) -> Self {
        Self { value, formula: formula.into() }
    }
}

/// A model of a matrix as a product of factors. Implement it for your own model and pass it to [`Model::new`].
pub trait FactorModel: Recorded {
    /// Word of the model in flags and reports.
    fn word(&self) -> &'static str;

    /// Parameters of the model, by name, as front ends write them.
    fn set(&self) -> Named {
        Named::default()
    }

    /// Signature (p, q): the iterate has p columns of positive and q of negative sign. `None` where no column has a
    /// sign.
    fn signature(&self) -> Option<(usize, usize)> {
        None
    }

    /// Refuses a domain without matrices of the model, and meaningless parameters.
    ///
    /// # Errors
    /// [`Error::Invalid`] in these cases.
    fn check(&self, domain: &Domain) -> Result<()>;

    /// Number of blocks of the factors.
    fn factors(&self) -> usize;

    /// Names of the blocks in files: `left`, `middle_1`, `middle_2`, …, `right`.
    fn names(&self) -> Vec<String> {
        let last = self.factors().saturating_sub(1);
        let name = |at: usize| match at {
            0 => "left".to_owned(),
            at if at == last => "right".to_owned(),
            at => format!("middle_{at}"),
        };
        (0..=last).map(name).collect()
    }

    /// Size (rows, columns) of each block for k columns.
    fn sizes(&self, domain: &Domain, search_rank: usize) -> Vec<(usize, usize)> {
        self.blocks(domain, search_rank).iter().map(|block| (block.rows, block.columns)).collect()
    }

    /// Number of positive columns among k; the columns after them are negative.
    fn positive_columns(&self, search_rank: usize) -> usize {
        self.signature().map_or(search_rank, |(positive, _)| positive.min(search_rank))
    }

    /// Number of columns prescribed by the model.
    fn search_rank(&self) -> Option<usize> {
        self.signature().map(|(positive, negative)| positive.saturating_add(negative))
    }

    /// Default search rank k.
    fn default_search_rank(&self, domain: &Domain) -> usize {
        self.search_rank().unwrap_or_else(|| DEFAULT_SEARCH_RANK.min(domain.order()))
    }

    /// The thin matrices L and R of one trial with Z = L Rᵀ, as [`FactorModel::product`] takes them; `None` where the
    /// blocks themselves serve.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the sizes of the blocks do not match.
    fn ends(&self, _blocks: &[MatrixView<'_>]) -> Result<Option<Vec<Block>>> {
        Ok(None)
    }

    /// The matrix of one trial from its blocks, or from its [`FactorModel::ends`] where it has them.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the sizes do not match.
    fn product<'a>(&self, blocks: &[MatrixView<'a>]) -> Result<Product<'a>>;

    /// Degrees of freedom of a matrix of the given rank.
    fn degrees_of_freedom(&self, domain: &Domain, rank: usize) -> usize;

    /// Step size μ below which gradient descent is stable near a solution of norm ν. The default step is a quarter of
    /// it.
    ///
    /// For isometric measurements the Hessian of f is at most 2‖M‖ at U Uᵀ = M, and at L Rᵀ = M with balanced factors.
    /// Descent is stable below 2 over it.
    fn stable_step(&self, norm: f64) -> Automatic {
        Automatic::new(1.0 / norm, "1/‖s·A*(y)‖")
    }

    /// Default scale α of a random start.
    fn automatic_scale(&self, norm: f64) -> Automatic {
        Automatic::new(AUTOMATIC_SCALE * norm.sqrt(), format!("{AUTOMATIC_SCALE:e} √‖s·A*(y)‖"))
    }

    /// Whether the start of the second factor can have a size of its own.
    fn has_init_scale_ratio(&self) -> bool {
        self.factors() > 1
    }

    /// Whether the trace of the matrix is ‖U‖_F², so that scaling the factor fixes it.
    fn has_trace_of_factor(&self) -> bool {
        false
    }

    /// Whether its iteration from a small start has the phases of arXiv 2106.15013.
    fn has_phases(&self) -> bool {
        false
    }

    /// Random numbers of each block; blocks follow each other in the stream of a seed.
    fn random_start(&self, domain: &Domain, start: &RandomStart) -> Vec<Vec<f64>> {
        let sizes = self.blocks(domain, start.search_rank);
        let count = sizes.iter().map(|block| block.len()).sum();
        // A complex entry has the variance std², half of it in each part.
        let std = start.std * if domain.is_complex() { 0.5_f64.sqrt() } else { 1.0 };
        let drawn = normals(start.seed, Purpose::Init, std, count);
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

    /// Spectral start of one trial: the leading vectors of P after the first `skip`, scaled by the square roots of
    /// their values.
    ///
    /// # Errors
    /// [`Error::Invalid`] where P has too few such vectors, is not finite, or is zero on them.
    fn spectral_start(&self, p: &dyn Backprojection, search_rank: usize, skip: usize) -> Result<Factors>;

    /// Builder of a synthetic truth of that rank.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the model prescribes another rank or has no matrices on the domain.
    fn truth(&self, domain: &Domain, rank: Option<usize>) -> Result<synthetic::Builder>;

    /// Truths from a file of their factors, one per batch element.
    ///
    /// # Errors
    /// Errors of the file, and [`Error::Invalid`] for factors that give no truth.
    fn read_truth(&self, path: &Path, domain: &Domain) -> Result<Vec<Truth>>;

    /// Factors from a file. `setting` names their use in messages.
    ///
    /// # Errors
    /// Errors of the file.
    fn read_factors(&self, path: &Path, domain: &Domain, setting: &str) -> Result<Factors> {
        if domain.is_complex() {
            let (batch, blocks) = match self.factors() {
                1 => of_arrays([read_complex_factor(path, domain.order(), setting)?]),
                _ => of_arrays(<[FactorArray; 2]>::from(read_complex_pair(path, domain.shape(), setting)?)),
            };
            return Factors::of_blocks(batch, blocks);
        }
        let (names, sizes) = (self.names(), self.sizes(domain, 1));
        // Blocks whose rows do not depend on k have the rows of the domain; the others have k rows.
        let fixed = sizes.iter().zip(self.sizes(domain, 2)).map(|(one, two)| (one.0 == two.0).then_some(one.0));
        let wanted: Vec<(&str, Option<usize>)> = names.iter().map(String::as_str).zip(fixed).collect();
        let (batch, blocks) = read_blocks(path, &wanted, self.word(), setting)?;
        Factors::of_blocks(batch, blocks)
    }
}

/// A model as a value: cheap to clone, and equal to models of the same word and parameters.
#[derive(Clone)]
pub struct Model(Arc<dyn FactorModel>);

impl Model {
    /// A model from your own implementation.
    pub fn new(model: impl FactorModel + 'static) -> Self {
        Self(Arc::new(model))
    }

    /// Default model: psd for symmetric matrices, asymmetric for all others.
    pub fn natural(domain: &Domain) -> Self {
        if domain.is_symmetric() { Self::psd() } else { Self::asymmetric() }
    }

    /// The model of a word with named parameters. Parameters may follow the word, as in `signed:signature=2,1`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown word, for a missing or unknown parameter, and for one that is meaningless or
    /// given twice.
    pub fn named(word: &str, parameters: &Named) -> Result<Self> {
        let (text, (_, own)) = (word, Named::spelled("model", word)?);
        let made = Self::of_card(card(text)?, &parameters.clone().joined(&own)?);
        made.map_err(|error| own.refused("model", text, error))
    }

    fn of_card(card: &ModelCard, parameters: &Named) -> Result<Self> {
        if let Some((name, value)) = parameters.pairs().find(|(name, _)| !card.has(name)) {
            let has: Vec<&str> = MODELS.iter().filter(|card| card.has(name)).map(|card| card.word).collect();
            let of = if has.is_empty() {
                "no model has this parameter".into()
            } else {
                format!("a value with {}", has.join(", "))
            };
            let allowed = format!("no value with the model {}; {of}", card.word);
            return Err(Error::invalid(name, value, allowed, "leave it out, or choose another model"));
        }
        (card.make)(parameters)
    }

    /// Total size of all blocks of one trial.
    pub(crate) fn numbers(&self, domain: &Domain, search_rank: usize) -> u64 {
        let sizes = self.sizes(domain, search_rank);
        sizes.iter().fold(0, |all, (rows, columns)| product(&[*rows, *columns]).saturating_add(all))
    }

    /// The part of the model that records tapes.
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

/// Writes the word with its parameters as [`Model::named`] reads them, such as `signed:signature=2,1`.
impl Display for Model {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.set().spell(self.word(), f)
    }
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// Cards of all models.
pub const MODELS: &[&ModelCard] = &[&psd::CARD, &signed::CARD, &asymmetric::CARD, &deep::CARD];

/// Card of a model's word, which parameters may follow.
///
/// # Errors
/// [`Error::Invalid`] for an unknown word.
pub fn card(text: &str) -> Result<&'static ModelCard> {
    let (word, _) = Named::spelled("model", text)?;
    MODELS.iter().find(|card| card.word == word).copied().ok_or_else(|| {
        let allowed = MODELS.iter().map(|card| card.word).collect::<Vec<_>>().join(", ");
        Error::invalid("model", format!("'{word}'"), allowed, "pick one of them")
    })
}

/// Refuses an asymmetric domain for a model of one factor.
fn require_symmetric(word: &str, domain: &Domain) -> Result<()> {
    if domain.is_symmetric() {
        return Ok(());
    }
    let fix = "use the model asymmetric, or an operator on symmetric matrices";
    Err(Error::invalid("model", word, format!("asymmetric, because the measurements are of {domain} matrices"), fix))
}

/// Refuses a complex domain for a model of several factors.
fn require_real(word: &str, domain: &Domain) -> Result<()> {
    if !domain.is_complex() {
        return Ok(());
    }
    let allowed = format!("psd or signed, because the measurements are of {domain} matrices");
    Err(Error::invalid("model", word, allowed, "use psd, or signed for eigenvalues of both signs"))
}

/// The batch and the blocks of factors from files.
fn of_arrays<const N: usize>(arrays: [FactorArray; N]) -> (usize, Vec<Block>) {
    let batch = arrays.first().map_or(0, |array| array.batch);
    (batch, arrays.into_iter().map(|array| Block::new(array.rows, array.columns, array.values)).collect())
}

/// The rank of a truth, which must be given.
fn given(rank: Option<usize>) -> Result<usize> {
    rank.ok_or_else(|| {
        Error::invalid("rank", "nothing", "a whole number of at least 1", "pass the rank of the unknown matrix")
    })
}

/// Dimension n·r − r(r−1)/2 of the symmetric n×n matrices of rank r, or 2nr − r² of the Hermitian ones.
fn symmetric_freedom(domain: &Domain, rank: usize) -> usize {
    let r = rank.min(domain.order());
    if domain.is_complex() {
        return domain.rows() * r - r * r;
    }
    domain.rows() * r - r * r.saturating_sub(1) / 2
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
        assert_eq!(Model::signed(2, 1).to_string(), "signed:signature=2,1");
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
