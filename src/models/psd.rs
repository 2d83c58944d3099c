//! The model psd: M = X Xᵀ, the iterate U Uᵀ.

use std::path::Path;

use super::signed;
use super::{Backprojection, FactorModel, Model, ModelCard, given, require_symmetric, start, symmetric_freedom};
use crate::error::{Error, Result};
use crate::io::complex::read_complex_factor;
use crate::io::read_factor;
use crate::problem::{Domain, Factors, MatrixView, Product, Truth, synthetic};
use crate::tape::{BlockSize, Blocks, Measured, Minibatches, RayWriter, Recorded, Tape};

pub(super) const CARD: ModelCard = ModelCard {
    word: "psd",
    formula: "M = X Xᵀ, U Uᵀ",
    summary: "Symmetric positive semidefinite matrices through one factor.",
    degrees_of_freedom: "n r − r(r−1)/2",
    parameters: &[],
    symmetric: true,
    truth: "X of shape (n, r)",
    make: |_| Ok(Model::psd()),
};

pub(super) struct Psd;

impl Model {
    /// The psd model M = X Xᵀ, positive semidefinite; the iterate is U Uᵀ.
    pub fn psd() -> Self {
        Self::new(Psd)
    }
}

impl FactorModel for Psd {
    fn word(&self) -> &'static str {
        CARD.word
    }

    fn check(&self, domain: &Domain) -> Result<()> {
        require_symmetric(CARD.word, domain)
    }

    fn factors(&self) -> usize {
        1
    }

    fn product<'a>(&self, blocks: &[MatrixView<'a>]) -> Result<Product<'a>> {
        Ok(Product::psd(one(blocks)?))
    }

    fn degrees_of_freedom(&self, domain: &Domain, rank: usize) -> usize {
        symmetric_freedom(domain, rank)
    }

    fn has_trace_of_factor(&self) -> bool {
        true
    }

    fn has_phases(&self) -> bool {
        true
    }

    fn spectral_start(&self, p: &dyn Backprojection, search_rank: usize, skip: usize) -> Result<Factors> {
        start::from_eigenvectors(p, search_rank, skip)
    }

    fn truth(&self, domain: &Domain, rank: Option<usize>) -> Result<synthetic::Builder> {
        self.check(domain)?;
        let builder = match domain.is_complex() {
            true => synthetic::hermitian(domain.order()),
            false => synthetic::psd(domain.rows()),
        };
        Ok(builder.rank(given(rank)?))
    }

    fn read_truth(&self, path: &Path, domain: &Domain) -> Result<Vec<Truth>> {
        let (n, array) = match domain.is_complex() {
            true => (domain.rows(), read_complex_factor(path, domain.order(), "truth")?),
            false => (domain.rows(), read_factor(path, domain.rows(), "truth")?),
        };
        let truths = array.values.chunks(n * array.columns);
        truths.map(|x| Truth::from_factor_on(*domain, array.columns, x.to_vec())).collect()
    }
}

/// The only block of a model of one factor.
pub(super) fn one<'a>(blocks: &[MatrixView<'a>]) -> Result<MatrixView<'a>> {
    match blocks {
        [only] => Ok(*only),
        other => {
            let found = format!("{} factors", other.len());
            Err(Error::invalid("factors", found, "one factor", "pass U of the iterate"))
        }
    }
}

impl Recorded for Psd {
    fn blocks(&self, domain: &Domain, search_rank: usize) -> Vec<BlockSize> {
        vec![BlockSize::new(domain.rows(), search_rank)]
    }

    fn share(&self) -> f64 {
        0.5
    }

    fn gradient(
        &self,
        t: &mut Tape,
        u: Blocks,
        applied: Option<Blocks>,
        group: Option<Minibatches>,
    ) -> (Measured, Blocks) {
        signed::gradient(t, u, applied, group, None)
    }

    fn along(&self, t: &mut Tape, u: Blocks, d: Blocks) -> Option<(Measured, Measured)> {
        Some(signed::along(t, u, d, None))
    }

    fn ray(&self) -> Option<RayWriter> {
        Some(Box::new(|t, u, d| signed::ray(t, u, d, None)))
    }

    fn takes_roots(&self) -> bool {
        true
    }

    fn partners(&self) -> Option<Vec<usize>> {
        Some(vec![0])
    }
}
