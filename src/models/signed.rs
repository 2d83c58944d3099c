//! The model signed: M = X S Xᵀ with S = diag(±1), the iterate U S Uᵀ for a given signature.

use std::path::Path;

use super::{Backprojection, FactorModel, Model, ModelCard, psd, require_symmetric, start, symmetric_freedom};
use crate::error::{Error, Result};
use crate::io::complex::read_complex_factor;
use crate::io::read_signed_factor;
use crate::io::truth::{read_signature, require_archive};
use crate::named::Named;
use crate::options::{MEASUREMENTS, OptionCard, OptionKind, Parameter, WITH_MODEL};
use crate::problem::{Domain, Factors, MatrixView, Product, Truth, synthetic};
use crate::tape::{Adjoint, BlockSize, Blocks, Lane, Measured, Minibatches, Ray, RayWriter, Recorded, Tape, Terms};

const SIGNATURE: OptionCard = OptionCard::new(
    "signature",
    OptionKind::Pair,
    "p,q",
    MEASUREMENTS,
    "Numbers of positive and negative columns of U; k is their sum",
)
.of(WITH_MODEL);

pub(super) const CARD: ModelCard = ModelCard {
    word: "signed",
    formula: "M = X S Xᵀ, U S Uᵀ with S = diag(±1)",
    summary: "Symmetric matrices with eigenvalues of both signs, whose numbers p,q are given.",
    degrees_of_freedom: "n r − r(r−1)/2",
    parameters: &[Parameter::new(&SIGNATURE, "required")],
    symmetric: true,
    truth: "(X, (p, q))",
    make: |of| {
        let Some(text) = of.get::<String>("signature", "two whole numbers p,q")? else {
            let fix = "pass p,q, at least the numbers of positive and negative eigenvalues you expect";
            return Err(Error::invalid("signature", "nothing", "p,q for the model signed", fix));
        };
        let numbers = text.split_once(',').map(|(p, q)| (p.trim().parse(), q.trim().parse()));
        let Some((Ok(positive), Ok(negative))) = numbers else {
            let allowed = "two whole numbers p,q";
            return Err(Error::invalid("signature", format!("'{text}'"), allowed, "for example 3,2"));
        };
        Ok(Model::signed(positive, negative))
    },
};

pub(super) struct Signed {
    pub(super) positive: usize,
    pub(super) negative: usize,
}

impl Model {
    /// The signed model M = X S Xᵀ, symmetric; the iterate is U S Uᵀ with S = diag(1 `positive` times, −1 `negative`
    /// times). Give at least the expected numbers of positive and negative eigenvalues.
    pub fn signed(positive: usize, negative: usize) -> Self {
        Self::new(Signed { positive, negative })
    }
}

impl FactorModel for Signed {
    fn word(&self) -> &'static str {
        CARD.word
    }

    fn set(&self) -> Named {
        Named::default().with("signature", Some(format!("{},{}", self.positive, self.negative)))
    }

    fn signature(&self) -> Option<(usize, usize)> {
        Some((self.positive, self.negative))
    }

    fn check(&self, domain: &Domain) -> Result<()> {
        if self.positive.checked_add(self.negative).is_none_or(|k| k == 0) {
            let found = format!("{},{}", self.positive, self.negative);
            return Err(Error::invalid("signature", found, "p,q with p + q at least 1", "for example 3,2"));
        }
        require_symmetric(CARD.word, domain)
    }

    fn factors(&self) -> usize {
        1
    }

    fn product<'a>(&self, blocks: &[MatrixView<'a>]) -> Result<Product<'a>> {
        Ok(Product::signed(psd::one(blocks)?, self.positive))
    }

    fn degrees_of_freedom(&self, domain: &Domain, rank: usize) -> usize {
        symmetric_freedom(domain, rank)
    }

    /// Start from the p largest and the q smallest eigenvalues; `skip` is not used.
    fn spectral_start(&self, p: &dyn Backprojection, _search_rank: usize, _skip: usize) -> Result<Factors> {
        start::from_both_ends(p, (self.positive, self.negative))
    }

    fn truth(&self, domain: &Domain, rank: Option<usize>) -> Result<synthetic::Builder> {
        self.check(domain)?;
        let (p, q) = (self.positive, self.negative);
        if let Some(rank) = rank.filter(|rank| p.checked_add(q) != Some(*rank)) {
            let fix = "leave the rank out: the signature determines it";
            return Err(Error::invalid("rank", rank, format!("p + q of the signature {p},{q}"), fix));
        }
        Ok(synthetic::signed_on(*domain, (p, q)))
    }

    fn read_truth(&self, path: &Path, domain: &Domain) -> Result<Vec<Truth>> {
        let n = domain.rows();
        let (factor, signature) = match domain.is_complex() {
            true => {
                require_archive(path, "truth")?;
                let factor = read_complex_factor(path, domain.order(), "truth")?;
                let signature = read_signature(path, factor.columns)?;
                (factor, signature)
            }
            false => read_signed_factor(path, n, "truth")?,
        };
        let truths = factor.values.chunks(n * factor.columns);
        truths.map(|x| Truth::from_signed_factor_on(*domain, signature, x.to_vec())).collect()
    }
}

impl Recorded for Signed {
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
        gradient(t, u, applied, group, Some(self.positive))
    }

    fn along(&self, t: &mut Tape, u: Blocks, d: Blocks) -> Option<(Measured, Measured)> {
        Some(along(t, u, d, Some(self.positive)))
    }

    fn ray(&self) -> Option<RayWriter> {
        let positive = Some(self.positive);
        Some(Box::new(move |t, u, d| ray(t, u, d, positive)))
    }

    fn positive(&self) -> Option<usize> {
        Some(self.positive)
    }

    fn partners(&self) -> Option<Vec<usize>> {
        Some(vec![0])
    }
}

/// (Σ cⱼxⱼ)·S, or Σ cⱼxⱼ without signs.
fn with_signs<const N: usize>(t: &mut Tape, terms: Terms<N>, positive: Option<usize>) -> Blocks {
    match positive {
        Some(positive) => t.signed(terms, positive),
        None => t.combine(terms),
    }
}

/// The left factor seen by A with the iterate on the right, and the factor under G: both U S; around a centre, with U =
/// U₀ + V, (2U₀ + V)S and U S. The symmetric part of (2U₀ + V)S Vᵀ is U S Uᵀ − U₀ S U₀ᵀ, so with the target y − A(U₀ S
/// U₀ᵀ) rounding errors are in proportion to V.
fn ends(t: &mut Tape, u: Blocks, positive: Option<usize>) -> (Blocks, Blocks) {
    match (t.centre(), positive) {
        (None, None) => (u, u),
        (None, Some(_)) => {
            let signed = with_signs(t, [(1.0.into(), u)], positive);
            (signed, signed)
        }
        (Some(centre), None) => {
            let left = t.combine([(2.0.into(), centre), (1.0.into(), u)]);
            (left, t.whole(u))
        }
        (Some(centre), Some(_)) => {
            let left = with_signs(t, [(2.0.into(), centre), (1.0.into(), u)], positive);
            (left, with_signs(t, [(1.0.into(), centre), (1.0.into(), u)], positive))
        }
    }
}

/// D·S, or D itself without signs.
fn signed_once(t: &mut Tape, d: Blocks, positive: Option<usize>) -> Blocks {
    if positive.is_some() { with_signs(t, [(1.0.into(), d)], positive) } else { d }
}

/// e and G·U S at U.
pub(super) fn gradient(
    t: &mut Tape,
    u: Blocks,
    applied: Option<Blocks>,
    group: Option<Minibatches>,
    positive: Option<usize>,
) -> (Measured, Blocks) {
    let (left, own) = ends(t, u, positive);
    let applied = applied.map_or(own, |applied| signed_once(t, applied, positive));
    let (e, g, target) = (t.measured("residual"), t.blocks("gradient"), t.target());
    let products = Adjoint::of_loss().left(applied.block(0), g.block(0));
    t.pass(vec![Lane::measure(left.block(0), u.block(0), Some(target), e).adjoint(products)], group);
    (e, g)
}

/// b = A(2D S Uᵀ), a = A(D S Dᵀ): the Aᵢ see symmetric parts only.
pub(super) fn along(t: &mut Tape, u: Blocks, d: Blocks, positive: Option<usize>) -> (Measured, Measured) {
    let u = t.whole(u);
    let (twice, once) = (with_signs(t, [(2.0.into(), d)], positive), signed_once(t, d, positive));
    let (b, a) = (t.measured("linear"), t.measured("quadratic"));
    let lane = |left: Blocks, right: Blocks, out: Measured| Lane::measure(left.block(0), right.block(0), None, out);
    t.pass(vec![lane(twice, u, b), lane(once, d, a)], None);
    (b, a)
}

/// e, b and a as lanes of one pass, each with its adjoint applied to U S and D S. With G(t) = A*(e + t·b + t²·a), the
/// gradient at U + t·D is G(t)(U + t·D)S.
pub(super) fn ray(t: &mut Tape, u: Blocks, d: Blocks, positive: Option<usize>) -> Ray {
    let ((left, own), whole, target) = (ends(t, u, positive), t.whole(u), t.target());
    let (twice, once) = (with_signs(t, [(2.0.into(), d)], positive), signed_once(t, d, positive));
    let residuals = ["constant", "linear", "quadratic"].map(|name| t.measured(name));
    let products =
        [0, 1, 2].map(|_| ["product with the point", "product with the direction"].map(|name| t.blocks(name)));
    let measured = [(left, u, Some(target)), (twice, whole, None), (once, d, None)];
    let lanes = measured.into_iter().zip(residuals).zip(products);
    let lanes = lanes.map(|(((left, right, minus), out), [of_point, of_direction])| {
        let products =
            Adjoint::plain().left(own.block(0), of_point.block(0)).right(once.block(0), of_direction.block(0));
        Lane::measure(left.block(0), right.block(0), minus, out).adjoint(products)
    });
    t.pass(lanes.collect(), None);
    Ray::new(residuals, products)
}
