//! The model deep: M = W_L ⋯ W_2 W_1; the iterate is all of the W.
//!
//! The last factor is stored transposed, R₁ = W₁ᵀ (n2×k), so the measurements see only thin matrices. With R_j =
//! R_{j−1}W_jᵀ the product is W_L R_{L−1}ᵀ. All gradients follow from G R_{L−1} and S_{L−1} = GᵀW_L:
//!
//! ```text
//! ∂f/∂W_L = G R_{L−1},   S_{j−1} = S_j W_j,   ∂f/∂W_j = S_jᵀ R_{j−1} (1 < j < L),   ∂f/∂R₁ = S₁
//! ```
//!
//! Descent from small factors follows Gunasekar et al. 2017 (arXiv 1705.09280) and Arora et al. 2019 (arXiv
//! 1905.13655): a deeper product prefers low rank more strongly.

use std::path::Path;

use super::asymmetric::Asymmetric;
use super::{Automatic, Backprojection, FactorModel, Model, ModelCard, RandomStart, require_real};
use crate::error::{Error, Result};
use crate::linalg::view;
use crate::named::Named;
use crate::options::{MEASUREMENTS, OptionCard, OptionKind, Parameter, WITH_MODEL};
use crate::problem::random::{Purpose, normals};
use crate::problem::{Block, Domain, Factors, MatrixView, Product, Truth, synthetic};
use crate::tape::{Adjoint, BlockSize, Blocks, Lane, Matrix, Measured, Minibatches, Recorded, Tape};

/// Default depth L.
const DEPTH: usize = 3;
/// Most factors: the tape has an operation or two per factor.
const DEEPEST: usize = 64;
/// Approximate norm of the initial product over that of M.
const START: f64 = 1e-3;

const DEPTH_OPTION: OptionCard =
    OptionCard::new("depth", OptionKind::Count, "L", MEASUREMENTS, "Number of factors in the product W_L ⋯ W_1")
        .of(WITH_MODEL);

pub(super) const CARD: ModelCard = ModelCard {
    word: "deep",
    formula: "M = W_L ⋯ W_1, all W",
    summary: "Any matrices, square or not, through a product of several factors, all of width k; for gradient descent.",
    degrees_of_freedom: "r (n1 + n2 − r)",
    parameters: &[Parameter::new(&DEPTH_OPTION, "3")],
    symmetric: false,
    truth: "a pair (L, R)",
    make: |of| Ok(Model::deep(of.get("depth", "a whole number from 2 to 64")?.unwrap_or(DEPTH))),
};

#[derive(Clone, Copy)]
pub(super) struct Deep {
    /// Depth L.
    depth: usize,
}

impl Model {
    /// The deep model M = W_L ⋯ W_1, square or not. The iterate is a list of `depth` factors: W_L (n1×k), then W_{L−1},
    /// …, W_2 (k×k), then W_1ᵀ (n2×k). It serves gradient descent and methods without further needs.
    pub fn deep(depth: usize) -> Self {
        Self::new(Deep { depth })
    }
}

impl FactorModel for Deep {
    fn word(&self) -> &'static str {
        CARD.word
    }

    fn set(&self) -> Named {
        Named::default().with("depth", Some(self.depth))
    }

    fn check(&self, domain: &Domain) -> Result<()> {
        require_real(CARD.word, domain)?;
        match self.depth {
            2..=DEEPEST => Ok(()),
            other => Err(Error::invalid("depth", other, format!("2 to {DEEPEST}"), "for example --model deep:depth=3")),
        }
    }

    fn factors(&self) -> usize {
        self.depth
    }

    /// The thin ends W_L and R_{L−1}.
    fn ends(&self, blocks: &[MatrixView<'_>]) -> Result<Option<Vec<Block>>> {
        let [left, middle @ .., right] = blocks else { return Ok(None) };
        if middle.is_empty() {
            return Ok(None);
        }
        let mut end = view(right.rows(), right.columns(), right.as_slice()).to_owned();
        for factor in middle.iter().rev() {
            if end.ncols() != factor.columns() {
                let (found, allowed) = (format!("{} columns", factor.columns()), format!("{} columns", end.ncols()));
                return Err(Error::invalid("factors", found, allowed, "pass the factors of one product"));
            }
            end = end * view(factor.rows(), factor.columns(), factor.as_slice()).transpose();
        }
        let (rows, columns) = (end.nrows(), end.ncols());
        let end = (0..rows * columns).map(|at| end[(at / columns, at % columns)]).collect();
        let left = Block::new(left.rows(), left.columns(), left.as_slice().to_vec());
        Ok(Some(vec![left, Block::new(rows, columns, end)]))
    }

    fn product<'a>(&self, blocks: &[MatrixView<'a>]) -> Result<Product<'a>> {
        Asymmetric.product(blocks)
    }

    fn degrees_of_freedom(&self, domain: &Domain, rank: usize) -> usize {
        Asymmetric.degrees_of_freedom(domain, rank)
    }

    /// At balanced factors of M the Hessian of f is at most L‖M‖^(2−2/L) for isometric measurements.
    fn stable_step(&self, norm: f64) -> Automatic {
        let (depth, power) = (self.depth, 2 * self.depth.max(1) - 2);
        let size = norm.powf(power as f64 / depth as f64);
        Automatic::new(2.0 / (depth as f64 * size), format!("2/({depth} ‖s·A*(y)‖^({power}/{depth}))"))
    }

    /// α = (ν/1000)^(1/L): the initial product is about a thousandth of M. Growth from there is slower than
    /// exponential, so a much smaller start would take too long.
    fn automatic_scale(&self, norm: f64) -> Automatic {
        let value = (START * norm).powf(1.0 / self.depth as f64);
        Automatic::new(value, format!("({START:e} ‖s·A*(y)‖)^(1/{})", self.depth))
    }

    fn has_init_scale_ratio(&self) -> bool {
        false
    }

    /// Entries N(0, α²/max(rows, columns)), so that the norm of a factor hardly exceeds 2α.
    fn random_start(&self, domain: &Domain, start: &RandomStart) -> Vec<Vec<f64>> {
        let sizes = self.blocks(domain, start.search_rank);
        let drawn = normals(start.seed, Purpose::Init, start.std, sizes.iter().map(|block| block.len()).sum());
        let mut rest = &drawn[..];
        let own = |block: BlockSize| {
            let scale = (start.search_rank as f64 / block.rows.max(block.columns) as f64).sqrt();
            let own = rest.split_off(..block.len()).unwrap_or_default();
            own.iter().map(|v| scale * v).collect()
        };
        sizes.into_iter().map(own).collect()
    }

    fn spectral_start(&self, _p: &dyn Backprojection, _search_rank: usize, _skip: usize) -> Result<Factors> {
        Err(Error::Unsupported {
            what: "a spectral start for the model deep".into(),
            fix: "use a random start, or the model asymmetric".into(),
        })
    }

    fn truth(&self, domain: &Domain, rank: Option<usize>) -> Result<synthetic::Builder> {
        self.check(domain)?;
        Asymmetric.truth(domain, rank)
    }

    fn read_truth(&self, path: &Path, domain: &Domain) -> Result<Vec<Truth>> {
        Asymmetric.read_truth(path, domain)
    }
}

impl Deep {
    /// R₁, …, R_{L−1} of these factors, in this order.
    fn right_products(self, t: &mut Tape, u: Blocks) -> Vec<Matrix> {
        let last = t.sizes(u).len() - 1;
        let mut right = vec![u.block(last)];
        let size = t.sizes(u)[last];
        for factor in (1..last).rev() {
            let out = t.blocks_of("right product", vec![size]).block(0);
            t.product(out, (right[right.len() - 1], false), (u.block(factor), true));
            right.push(out);
        }
        right
    }
}

impl Recorded for Deep {
    fn blocks(&self, domain: &Domain, search_rank: usize) -> Vec<BlockSize> {
        let (n1, n2) = (BlockSize::new(domain.rows(), search_rank), BlockSize::new(domain.columns(), search_rank));
        let middle = BlockSize::new(search_rank, search_rank);
        // `check` refuses depths outside this range.
        let count = self.depth.clamp(2, DEEPEST) - 2;
        std::iter::once(n1).chain(std::iter::repeat_n(middle, count)).chain([n2]).collect()
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
        let (last, size) = (t.sizes(u).len() - 1, t.sizes(u)[t.sizes(u).len() - 1]);
        let right = self.right_products(t, u);
        let (point, back) = match applied {
            None => (u, right.clone()),
            Some(applied) => (applied, self.right_products(t, applied)),
        };
        let (e, g, target) = (t.measured("residual"), t.blocks("gradient"), t.target());
        let pulled = |t: &mut Tape, is_last: bool| match is_last {
            true => g.block(last),
            false => t.blocks_of("pulled back", vec![size]).block(0),
        };
        // S_{L−1}, which already is ∂f/∂R₁ for two factors.
        let mut s = pulled(t, last == 1);
        let products = Adjoint::of_loss().left(back[last - 1], g.block(0)).right(point.block(0), s);
        t.pass(vec![Lane::measure(u.block(0), right[last - 1], Some(target), e).adjoint(products)], group);
        // W_j is block L − j: from W_{L−1} to W_2.
        for factor in 1..last {
            t.product(g.block(factor), (s, true), (back[last - 1 - factor], false));
            let out = pulled(t, factor + 1 == last);
            t.product(out, (s, false), (point.block(factor), false));
            s = out;
        }
        (e, g)
    }
}
