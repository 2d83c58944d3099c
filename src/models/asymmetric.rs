//! The model asymmetric: M = L Rᵀ, the iterate a pair (L, R).
//!
//! On a symmetric domain ⟨Aᵢ, L Rᵀ⟩ sees the symmetric part of L Rᵀ. G = A*(r) is then symmetric, and the gradients are
//! G R and G L. From a small start the antisymmetric part stays small.

use std::path::Path;

use super::{Backprojection, FactorModel, Model, ModelCard, given, require_real, start};
use crate::error::{Error, Result};
use crate::io::complex::read_complex_pair;
use crate::io::read_pair;
use crate::problem::{Domain, Factors, MatrixView, Product, Truth, synthetic};
use crate::tape::{Adjoint, BlockSize, Blocks, Lane, Measured, Minibatches, Recorded, Tape};

pub(super) const CARD: ModelCard = ModelCard {
    word: "asymmetric",
    formula: "M = L Rᵀ, (L, R)",
    summary: "Any matrices, square or not, through two factors.",
    degrees_of_freedom: "r (n1 + n2 − r)",
    parameters: &[],
    symmetric: false,
    truth: "a pair (L, R)",
    make: |_| Ok(Model::asymmetric()),
};

pub(super) struct Asymmetric;

impl Model {
    /// The asymmetric model M = L Rᵀ, square or not; the iterate is a pair (L, R). Symmetric measurements see only the
    /// symmetric part of L Rᵀ.
    pub fn asymmetric() -> Self {
        Self::new(Asymmetric)
    }
}

impl FactorModel for Asymmetric {
    fn word(&self) -> &'static str {
        CARD.word
    }

    /// Hermitian measurements see the Hermitian part of L Rᴴ alone, which psd and signed factor with half of the numbers.
    fn check(&self, domain: &Domain) -> Result<()> {
        if domain.is_symmetric() { require_real(CARD.word, domain) } else { Ok(()) }
    }

    fn factors(&self) -> usize {
        2
    }

    fn product<'a>(&self, blocks: &[MatrixView<'a>]) -> Result<Product<'a>> {
        match blocks {
            [left, right] => Product::pair(*left, *right),
            other => {
                let found = format!("{} factors", other.len());
                Err(Error::invalid("factors", found, "a pair", "pass L and R of the iterate"))
            }
        }
    }

    fn degrees_of_freedom(&self, domain: &Domain, rank: usize) -> usize {
        let (r, (n1, n2)) = (rank.min(domain.order()), domain.shape());
        let parts = if domain.is_complex() { 2 } else { 1 };
        parts * r * (n1 + n2 - r)
    }

    fn spectral_start(&self, p: &dyn Backprojection, search_rank: usize, skip: usize) -> Result<Factors> {
        start::from_singular_vectors(p, search_rank, skip)
    }

    /// A truth. On a symmetric domain it is positive semidefinite: measurements see only the symmetric part of any
    /// other.
    fn truth(&self, domain: &Domain, rank: Option<usize>) -> Result<synthetic::Builder> {
        let (n1, n2) = domain.shape();
        let builder = match (domain.is_symmetric(), domain.is_complex()) {
            (true, _) => synthetic::psd(n1),
            (false, false) => synthetic::asymmetric(n1, n2),
            (false, true) => synthetic::complex(n1, n2),
        };
        Ok(builder.rank(given(rank)?))
    }

    fn read_truth(&self, path: &Path, domain: &Domain) -> Result<Vec<Truth>> {
        let (n1, n2) = domain.shape();
        let (left, right) = match domain.is_complex() {
            false => read_pair(path, n1, n2, "truth")?,
            true => read_complex_pair(path, (n1, n2), "truth")?,
        };
        let rank = left.columns;
        let pairs = left.values.chunks(domain.rows() * rank).zip(right.values.chunks(domain.columns() * rank));
        pairs.map(|(l, r)| Truth::from_pair_on(*domain, rank, l.to_vec(), r.to_vec())).collect()
    }
}

impl Recorded for Asymmetric {
    fn blocks(&self, domain: &Domain, search_rank: usize) -> Vec<BlockSize> {
        vec![BlockSize::new(domain.rows(), search_rank), BlockSize::new(domain.columns(), search_rank)]
    }

    fn share(&self) -> f64 {
        1.0
    }

    fn gradient(
        &self,
        t: &mut Tape,
        u: Blocks,
        applied: Option<Blocks>,
        group: Option<Minibatches>,
    ) -> (Measured, Blocks) {
        let applied = applied.unwrap_or(u);
        let (e, g, target) = (t.measured("residual"), t.blocks("gradient"), t.target());
        let products = Adjoint::of_loss().left(applied.block(1), g.block(0)).right(applied.block(0), g.block(1));
        t.pass(vec![Lane::measure(u.block(0), u.block(1), Some(target), e).adjoint(products)], group);
        (e, g)
    }

    /// b = A(L Eᵀ) + A(D Rᵀ), a = A(D Eᵀ) for the direction (D, E).
    fn along(&self, t: &mut Tape, u: Blocks, d: Blocks) -> Option<(Measured, Measured)> {
        let (first, second, a) =
            (t.measured("linear"), t.measured("linear in the left factor"), t.measured("quadratic"));
        let lanes = vec![
            Lane::measure(u.block(0), d.block(1), None, first),
            Lane::measure(d.block(0), u.block(1), None, second),
            Lane::measure(d.block(0), d.block(1), None, a),
        ];
        t.pass(lanes, None);
        t.measured_combine(first, [(1.0.into(), first), (1.0.into(), second)]);
        Some((first, a))
    }

    fn takes_roots(&self) -> bool {
        true
    }

    fn partners(&self) -> Option<Vec<usize>> {
        Some(vec![1, 0])
    }
}
