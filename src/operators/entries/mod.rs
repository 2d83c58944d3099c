//! `entries`: sampled entries of the unknown matrix, yᵢ = M_ab.
//!
//! Aᵢ = E_ab, or its symmetric part for a symmetric unknown: ⟨Aᵢ, Z⟩ = (Z_ab + Z_ba)/2. Rows and columns without an
//! entry are allowed; nothing is learned about them. A position may be measured several times.
//!
//! s = n1·n2/m. For positions drawn uniformly, independently and with replacement from all n1·n2 of them,
//! E‖A(Z)‖²·s = ‖Z‖_F² for every Z of the domain. This includes symmetric domains, where (a, b) and (b, a) are the same
//! measurement, with twice the probability of one on the diagonal. If instead each of the n(n+1)/2 pairs has the same
//! probability, s·A*A is n/(n+1) off the diagonal and 2n/(n+1) on it.

pub(crate) mod biases;
mod complex;
pub(crate) mod draw;
mod implicit;
pub(crate) mod open;
pub(crate) mod options;
mod training;
mod triplets;

use std::ops::Range;

use rand::RngExt;

use crate::error::{Error, Result};
use crate::memory::Part;
use crate::operators::compressed::{self, Compressed, Values, compressed_operator};
use crate::operators::{Acceleration, Cost, GpuForm, GpuThin, Operator, Storage};
use crate::problem::random::{Purpose, stream};
use crate::problem::{Domain, Factors};

pub use biases::Biases;
pub(crate) use biases::{Baseline, Predictions};
pub use implicit::{Confidences, Implicit};
pub(crate) use open::HeldOut;
pub use triplets::Sampled;

/// Sampled entries. Their positions take 8 bytes per entry in each of three lists (for a symmetric unknown 8 and 16);
/// nothing of size n1·n2 is formed.
pub struct Entries {
    pub(crate) lists: Compressed,
    normalization: f64,
    isotropic: bool,
}

impl Entries {
    /// An operator whose measurement i is the entry (`rows[i]`, `columns[i]`), counted from 0. Where the order does not
    /// matter, [`Entries::from_triplets`] has a faster one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for positions outside the domain (with the first one), lists of different lengths, or empty
    /// lists.
    pub fn new(domain: Domain, rows: &[usize], columns: &[usize]) -> Result<Self> {
        domain.validate()?;
        if rows.len() != columns.len() || rows.is_empty() {
            return Err(Error::invalid(
                "entries",
                format!("{} rows and {} columns", rows.len(), columns.len()),
                "two lists of the same length, at least 1",
                "pass the row and the column of every entry",
            ));
        }
        for (name, places, size) in [("rows", rows, domain.rows()), ("columns", columns, domain.columns())] {
            if let Some(i) = places.iter().position(|&place| place >= size) {
                return Err(Error::invalid(
                    name,
                    format!("{} at entry {i}", places[i]),
                    format!("0 to {}", size - 1),
                    "positions count from 0 and lie inside the matrix",
                ));
            }
        }
        Compressed::require_room(domain, rows.len(), rows.len(), 0, true)?;
        let short = |places: &[usize]| places.iter().map(|&place| place as u32).collect();
        Ok(Self::of(domain, short(rows), short(columns), None))
    }

    /// Positions drawn uniformly and independently from the whole matrix, m of them, so that s·A*A is the identity on
    /// average. Position i comes from its own stream of `seed`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for m = 0 or an empty domain.
    pub fn uniform(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        domain.validate()?;
        if measurements == 0 {
            return Err(Error::invalid("measurements", 0, "at least 1", "pass at least one measurement"));
        }
        Compressed::require_room(domain, measurements, measurements, 0, true)?;
        let mut rng = stream(seed, Purpose::Operator, 0);
        let mut draw = |size: usize| rng.random_range(0..size as u32);
        let places = (0..measurements).map(|_| (draw(domain.rows()), draw(domain.columns())));
        let (rows, columns) = places.unzip();
        Ok(Self { isotropic: true, ..Self::of(domain, rows, columns, None) })
    }

    /// Distinct positions drawn uniformly, those of the upper triangle on a symmetric domain. The first m of them are
    /// those that m measurements have under the same seed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for m = 0, an empty domain, or more positions than there are.
    pub fn distinct(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        draw::require_some(domain, measurements)?;
        Compressed::require_room(domain, measurements, measurements, 0, true)?;
        let (rows, columns) = draw::in_random_order(domain, measurements, seed);
        Ok(Self::of(domain, rows, columns, None))
    }

    /// An operator from checked positions.
    fn of(domain: Domain, rows: Vec<u32>, columns: Vec<u32>, boundaries: Option<&[usize]>) -> Self {
        let normalization = domain.rows() as f64 * domain.columns() as f64 / rows.len() as f64;
        let lists = Compressed::new(domain, None, rows, columns, Values::Ones, boundaries);
        Self { lists, normalization, isotropic: false }
    }

    /// Replaces the normalisation s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(mut self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "pass s, or leave it out"));
        }
        self.normalization = s;
        Ok(self)
    }

    /// Position of measurement i, counted from 0.
    ///
    /// # Panics
    /// For i ≥ m, as slices do.
    pub fn position(&self, i: usize) -> (usize, usize) {
        (self.lists.rows[i] as usize, self.lists.columns[i] as usize)
    }

    /// Whether every entry of the matrix is measured.
    pub fn is_complete(&self) -> bool {
        let domain = self.domain();
        if self.measurements() < domain.dimension() {
            return false;
        }
        let (n1, n2) = (domain.rows(), domain.columns());
        let mut seen = vec![false; n1 * n2];
        let pairs = self.lists.rows.iter().zip(&self.lists.columns);
        pairs.for_each(|(&row, &column)| seen[row as usize * n2 + column as usize] = true);
        let mirrored = |at: usize| domain.is_symmetric() && seen[at % n2 * n2 + at / n2];
        (0..n1 * n2).all(|at| seen[at] || mirrored(at))
    }

    /// Number of entries in each matrix row.
    pub fn row_counts(&self) -> Vec<usize> {
        counts(&self.lists.rows, self.lists.domain.rows())
    }

    /// Number of entries in each matrix column.
    pub fn column_counts(&self) -> Vec<usize> {
        counts(&self.lists.columns, self.lists.domain.columns())
    }
}

fn counts(places: &[u32], size: usize) -> Vec<usize> {
    let mut counts = vec![0; size];
    places.iter().for_each(|&place| counts[place as usize] += 1);
    counts
}

compressed_operator!(Entries, "entries");
