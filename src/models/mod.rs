//! Models: how the factors that an iteration moves make the matrix that is recovered.
//!
//! An operator knows a [`Domain`] and nothing of factors, so that one operator is solved with any model that its domain allows.
//! A model says which blocks the factors have, which product they stand for, how much of the loss counts, and where a run can
//! start. No other room asks which model it is: what a room needs is a function of [`FactorModel`].

mod asymmetric;
mod psd;
mod signed;
mod start;

use std::fmt::{Debug, Formatter};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::io::{read_factor, read_pair};
use crate::problem::random::{Purpose, normals};
use crate::problem::{Domain, Factors, MatrixView, Product, Truth, synthetic};
use crate::tape::Recorded;

pub use start::{Backprojection, Eigenpairs, Triplets};

/// Most columns of factors whose number nobody gave.
pub const DEFAULT_SEARCH_RANK: usize = 20;

/// A random start of one trial: entries N(0, std²), those of blocks after the first one times `ratio`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomStart {
    pub search_rank: usize,
    pub std: f64,
    pub ratio: f64,
    pub seed: u64,
}

/// How factors make a matrix. Implement it for a model of your own and hand it over as [`Model::new`].
pub trait FactorModel: Recorded {
    /// The word of flags and reports.
    fn word(&self) -> &'static str;

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

    /// The matrix that these blocks of one trial stand for.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they do not fit each other.
    fn product<'a>(&self, blocks: &[MatrixView<'a>]) -> Result<Product<'a>>;

    /// Degrees of freedom of a matrix of that rank.
    fn degrees_of_freedom(&self, domain: &Domain, rank: usize) -> usize;

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
        if self.factors() == 1 {
            let array = read_factor(path, domain.rows(), setting)?;
            return Factors::single(array.batch, domain.rows(), array.columns, array.values);
        }
        let (left, right) = read_pair(path, domain.rows(), domain.columns(), setting)?;
        Factors::pair(left.batch, *domain, left.columns, left.values, right.values)
    }
}

/// A model as a value: cheap to clone, equal to others of the same word and parameters.
#[derive(Clone)]
pub struct Model(Arc<dyn FactorModel>);

impl Model {
    /// M = X Xᵀ, positive semidefinite; the iterate is U Uᵀ.
    pub fn psd() -> Self {
        Self::new(psd::Psd)
    }

    /// M = X S Xᵀ, symmetric; the iterate is U S Uᵀ with S = diag(1 `positive` times, −1 `negative` times): at least the
    /// numbers of positive and negative eigenvalues expected.
    pub fn signed(positive: usize, negative: usize) -> Self {
        Self::new(signed::Signed { positive, negative })
    }

    /// M = L Rᵀ, square or not; the iterate is a pair (L, R). Of symmetric measurements only the symmetric part of L Rᵀ is seen.
    pub fn asymmetric() -> Self {
        Self::new(asymmetric::Asymmetric)
    }

    /// A model of your own.
    pub fn new(model: impl FactorModel + 'static) -> Self {
        Self(Arc::new(model))
    }

    /// The model where nobody chose one: psd for symmetric matrices, asymmetric for all others.
    pub fn natural(domain: &Domain) -> Self {
        if domain.is_symmetric() { Self::psd() } else { Self::asymmetric() }
    }

    /// The model of a word, with the signature that front ends were given.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another word, and for a signature where there must be none or none where there must be one.
    pub fn from_word(word: &str, signature: Option<(usize, usize)>) -> Result<Self> {
        card(word)?.make(signature)
    }

    /// Rows of all blocks together.
    pub(crate) fn rows(&self, domain: &Domain) -> usize {
        self.blocks(domain, 1).iter().map(|block| block.rows).sum()
    }

    /// Rows of the second block, 0 where there is one.
    pub(crate) fn right_rows(&self, domain: &Domain) -> usize {
        self.blocks(domain, 1).get(1).map_or(0, |block| block.rows)
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
        (self.word(), self.signature()) == (other.word(), other.signature())
    }
}

impl Eq for Model {}

impl Debug for Model {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.signature() {
            None => write!(f, "{}", self.word()),
            Some((p, q)) => write!(f, "{}({p}, {q})", self.word()),
        }
    }
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What front ends know of a model.
pub struct ModelCard {
    /// The word of flags and reports.
    pub word: &'static str,
    pub formula: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Whether front ends open and make its measurements on a symmetric domain.
    pub symmetric: bool,
    /// The factors of a truth, for messages.
    pub truth: &'static str,
    make: fn(Option<(usize, usize)>) -> Result<Model>,
}

impl ModelCard {
    /// The model, from the signature p,q that was given.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is one and must be none, or the other way round.
    pub fn make(&self, signature: Option<(usize, usize)>) -> Result<Model> {
        (self.make)(signature)
    }

    /// The domain that its measurements are opened on.
    ///
    /// # Errors
    /// [`Error::Invalid`] for two sizes of symmetric matrices.
    pub fn domain(&self, n1: usize, n2: usize) -> Result<Domain> {
        match self.symmetric {
            false => Ok(Domain::rectangular(n1, n2)),
            true if n1 == n2 => Ok(Domain::symmetric(n1)),
            true => {
                let allowed = format!("n,n for the model {}", self.word);
                Err(Error::invalid("shape", format!("{n1},{n2}"), allowed, "say --model asymmetric"))
            }
        }
    }
}

/// All models.
pub const MODELS: &[ModelCard] = &[psd::CARD, signed::CARD, asymmetric::CARD];

/// The card of a word.
///
/// # Errors
/// [`Error::Invalid`] where there is none.
pub fn card(word: &str) -> Result<&'static ModelCard> {
    MODELS.iter().find(|card| card.word == word).ok_or_else(|| {
        let allowed = MODELS.iter().map(|card| card.word).collect::<Vec<_>>().join(", ");
        Error::invalid("model", format!("'{word}'"), allowed, "pick one of them")
    })
}

/// Refuses a signature for a model without one.
fn unsigned(word: &str, signature: Option<(usize, usize)>, model: Model) -> Result<Model> {
    match signature {
        None => Ok(model),
        Some((p, q)) => {
            let allowed = format!("none for the model {word}");
            Err(Error::invalid("signature", format!("{p},{q}"), allowed, "say model signed, or leave it out"))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::BlockSize;

    #[test]
    fn models_are_equal_by_word_and_parameters() {
        assert_eq!(Model::signed(2, 1), Model::from_word("signed", Some((2, 1))).unwrap());
        assert_ne!(Model::signed(2, 1), Model::signed(1, 2));
        assert_ne!(Model::psd(), Model::asymmetric());
        assert_eq!(format!("{:?} {:?}", Model::psd(), Model::signed(2, 1)), "psd signed(2, 1)");
        assert_eq!(Model::natural(&Domain::rectangular(3, 3)), Model::asymmetric());
        assert_eq!(serde_json::to_string(&Model::signed(2, 1)).unwrap(), "\"signed\"");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (word, signature) in
            [("psd", Some((1, 1))), ("asymmetric", Some((1, 0))), ("signed", None), ("other", None)]
        {
            assert!(Model::from_word(word, signature).is_err(), "{word}");
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
