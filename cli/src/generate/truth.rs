//! The truth of a generated problem: from flags, and as a file.

use std::io::Write;

use lowrank::Result;
use lowrank::internals::options::Request;
use lowrank::io::{NpzArray, in_turn, write_npy_c128, write_npy_f64, write_npz, write_npz_arrays};
use lowrank::problem::{Domain, MatrixView, Truth};

use super::refused;

/// File of X for X Xᵀ.
pub const FACTOR: &str = "X.npy";
/// File of two factors, or of one with a signature.
pub const FACTORS: &str = "X.npz";

/// The truth that the flags describe.
pub fn build(request: &Request, condition_number: f64, seed: u64, complex: bool) -> Result<Truth> {
    let (card, model) = (request.model_card("psd")?, request.model("psd")?);
    let (n1, n2) = match (request.one("n")?, request.sizes("shape")?) {
        (Some(n), _) => (n, n),
        (None, Some(sizes)) => sizes,
        (None, None) => {
            return Err(refused("n", "no size", "--n n, or --shape n1,n2", "give the size of the unknown matrix"));
        }
    };
    let domain = match (complex, card.symmetric) {
        (true, true) => Domain::hermitian(n1),
        (true, false) => Domain::complex_rectangular(n1, n2),
        (false, _) => card.domain(n1, n2)?,
    };
    let builder = model.truth(&domain, request.one("rank")?)?;
    builder.condition_number(condition_number).seed(seed).build()
}

/// The same state of trace 1.
pub fn with_unit_trace(truth: &Truth) -> Result<Truth> {
    let Some(factor) = truth.factor() else { return Ok(truth.clone()) };
    let norm = factor.as_slice().iter().map(|v| v * v).sum::<f64>().sqrt();
    let scaled = factor.as_slice().iter().map(|v| v / norm).collect();
    Truth::from_factor_on(truth.domain(), factor.columns(), scaled)
}

/// The same matrix, scaled so that the mean square of its entries is 1.
pub fn with_unit_entries(truth: &Truth) -> Result<Truth> {
    let Some(product) = truth.product() else { return Ok(truth.clone()) };
    let (left, right, rank) = (product.left(), product.right(), product.left().columns());
    let (n1, n2, positive) = (left.rows(), right.rows(), product.positive());
    // ‖L Rᵀ‖² = tr(LᵀL RᵀR), with the signs of negative columns.
    let gram =
        |view: MatrixView<'_>, i: usize, j: usize| (0..view.rows()).map(|a| view.row(a)[i] * view.row(a)[j]).sum();
    let sign = |i: usize| if i < positive { 1.0 } else { -1.0 };
    let norm: f64 = (0..rank * rank)
        .map(|at| (at / rank, at % rank))
        .map(|(i, j)| -> f64 {
            let (l, r): (f64, f64) = (gram(left, i, j), gram(right, i, j));
            sign(i) * sign(j) * l * r
        })
        .sum();
    let scale = (n1 as f64 * n2 as f64 / norm).sqrt().sqrt();
    let scaled = |view: MatrixView<'_>| view.as_slice().iter().map(|v| scale * v).collect::<Vec<_>>();
    if !product.is_single() {
        return Truth::from_pair(n1, n2, rank, scaled(left), scaled(right));
    }
    if positive < rank {
        return Truth::from_signed_factor(n1, (positive, rank - positive), scaled(left));
    }
    Truth::from_factor(n1, rank, scaled(left))
}

/// Name of a truth's file.
pub fn file_name(truth: &Truth) -> &'static str {
    if truth.factor().is_some() { FACTOR } else { FACTORS }
}

pub fn write(writer: &mut impl Write, truth: Option<&Truth>) -> std::io::Result<()> {
    let Some((truth, product)) = truth.and_then(|truth| Some((truth, truth.product()?))) else { return Ok(()) };
    let (left, right) = (product.left(), product.right());
    let (n1, n2, rank) = (left.rows(), right.rows(), left.columns());
    let signature = [product.positive() as f64, (rank - product.positive()) as f64];
    if truth.domain().is_complex() {
        let (shape, parts) = ([n1 / 2, rank], in_turn(left.as_slice()));
        if truth.factor().is_some() {
            return write_npy_c128(writer, &shape, &parts);
        }
        if !product.is_single() {
            let (right_shape, right) = ([n2 / 2, rank], in_turn(right.as_slice()));
            let (left, right) = (NpzArray::Complex(&shape, &parts), NpzArray::Complex(&right_shape, &right));
            return write_npz_arrays(writer, &[("left", left), ("right", right)]);
        }
        let (left, signature) = (NpzArray::Complex(&shape, &parts), NpzArray::Numbers(&[2], &signature));
        return write_npz_arrays(writer, &[("left", left), ("signature", signature)]);
    }
    if truth.factor().is_some() {
        return write_npy_f64(writer, &[n1, rank], left.as_slice());
    }
    if product.is_single() {
        return write_npz(writer, &[("left", &[n1, rank], left.as_slice()), ("signature", &[2], &signature)]);
    }
    write_npz(writer, &[("left", &[n1, rank], left.as_slice()), ("right", &[n2, rank], right.as_slice())])
}
