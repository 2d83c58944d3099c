//! `sparse`: own sensing matrices with few nonzeros each, in compressed rows: Pauli matrices, distances, graph
//! constraints.
//!
//! A row is Aᵢ flattened. Full rows hold any of the n1·n2 entries; for a symmetric unknown Aᵢ is the symmetric part of
//! its row. Packed rows hold entries of the upper triangle unchanged, as in `dense`: v at (a, b) means A_ab = A_ba = v.

mod load;
pub(crate) mod open;

use std::collections::HashSet;
use std::ops::Range;

use rand::RngExt;

use crate::error::{Error, Result};
use crate::memory::Part;
use crate::operators::compressed::{self, Compressed, Values, compressed_operator};
use crate::operators::dense::Normalization;
use crate::operators::{Acceleration, Cost, GpuForm, GpuThin, Layout, Operator, Storage};
use crate::problem::random::{Purpose, stream};
use crate::problem::{Domain, Factors};

pub use load::SparseFile;

/// Sparse sensing matrices.
pub struct Sparse {
    pub(crate) lists: Compressed,
    normalization: f64,
    isotropic: bool,
}

impl Sparse {
    /// An operator from compressed rows in the format of scipy.sparse.csr_matrix: the nonzeros of Aᵢ are
    /// `values[indptr[i]..indptr[i + 1]]`, at the flattened positions `indices`, a·n2 + b of full rows or those of
    /// [`crate::problem::packed_index`]. Repeated positions of a row add up. s is [`Normalization::Auto`]; see
    /// [`Sparse::with_normalization`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for row pointers that do not ascend from 0 to the number of values, positions outside a row,
    /// values that are not finite (with the first one), no rows, or packed rows of a rectangular domain.
    pub fn from_csr(
        domain: Domain,
        layout: Layout,
        indptr: &[usize],
        indices: &[usize],
        values: &[f64],
    ) -> Result<Self> {
        domain.validate()?;
        if layout == Layout::Packed && !domain.is_symmetric() {
            let fix = "packed rows hold the upper triangle of symmetric matrices";
            return Err(Error::invalid("layout", "packed", "full for an asymmetric shape", fix));
        }
        let measurements = indptr.len().saturating_sub(1);
        if measurements == 0 {
            return Err(Error::invalid("measurements", 0, "at least 1", "pass at least one measurement"));
        }
        if indices.len() != values.len() {
            let found = format!("{} positions and {} values", indices.len(), values.len());
            return Err(Error::invalid("sparse", found, "as many of each", "check how the matrix was made"));
        }
        let rising = indptr.windows(2).all(|pair| pair[0] <= pair[1]);
        if indptr[0] != 0 || !rising || indptr[measurements] != values.len() {
            return Err(Error::invalid(
                "sparse",
                format!("row pointers from {} to {}", indptr[0], indptr[measurements]),
                format!("pointers that rise from 0 to {}, the number of values", values.len()),
                "check how the matrix was made",
            ));
        }
        let width = match layout {
            Layout::Packed => domain.dimension(),
            Layout::Full => domain.rows() * domain.columns(),
        };
        if let Some(q) = (0..values.len()).find(|&q| indices[q] >= width || !values[q].is_finite()) {
            let row = indptr.partition_point(|&start| start <= q) - 1;
            return Err(Error::invalid(
                "sparse",
                format!("{} at position {} of row {row}", values[q], indices[q]),
                format!("finite values at positions 0 to {} ({layout:?} rows of a {domain} matrix)", width - 1),
                "check the shape and the layout, or correct that measurement",
            ));
        }
        Compressed::require_room(domain, measurements, values.len(), 8, false)?;
        let mut lists = Merged::with_capacity(measurements, values.len());
        for pair in indptr.windows(2) {
            lists.add((pair[0]..pair[1]).map(|q| {
                let (at, v) = (indices[q], values[q]);
                let (a, b) = match layout {
                    Layout::Full => (at / domain.columns(), at % domain.columns()),
                    Layout::Packed => packed_position(domain.rows(), at),
                };
                let (a, b) = if domain.is_symmetric() { (a.min(b), a.max(b)) } else { (a, b) };
                // Half of it goes to (a, b) and half to (b, a).
                (a as u32, b as u32, if layout == Layout::Packed && a != b { 2.0 * v } else { v })
            }));
        }
        let Merged { starts, rows, columns, values, .. } = lists;
        let lists = Compressed::new(domain, Some(starts), rows, columns, Values::new(values), None);
        let normalization = Normalization::Auto.resolve(measurements, lists.implied_normalization())?;
        Ok(Self { lists, normalization, isotropic: false })
    }

    /// The entries of a complex matrix at these positions: of each its real part, and then its imaginary part, so that there are
    /// twice as many measurements. With Z the real form of M, Re M_ij is the sum of two entries of a product of real factors,
    /// and Im M_ij their difference. s = n1·n2 over the number of entries.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a real domain, for no positions, and for one outside the matrix.
    pub fn complex_entries(domain: Domain, positions: &[(usize, usize)]) -> Result<Self> {
        domain.validate()?;
        let (n1, n2) = domain.shape();
        if !domain.is_complex() {
            return Err(Error::invalid("domain", format!("the {domain} matrices"), "complex matrices", "use Entries"));
        }
        if let Some((i, j)) = positions.iter().find(|(i, j)| *i >= n1 || *j >= n2) {
            let found = format!("position ({i}, {j})");
            return Err(Error::invalid("entries", found, format!("a position of a {domain} matrix"), "correct it"));
        }
        let width = 2 * n2;
        let indices: Vec<usize> = (positions.iter())
            .flat_map(|&(i, j)| [i * width + j, (n1 + i) * width + n2 + j, (n1 + i) * width + j, i * width + n2 + j])
            .collect();
        let values = [1.0, 1.0, 1.0, -1.0].repeat(positions.len());
        let indptr: Vec<usize> = (0..=2 * positions.len()).map(|i| 2 * i).collect();
        let s = n1 as f64 * n2 as f64 / positions.len().max(1) as f64;
        Self::from_csr(domain, Layout::Full, &indptr, &indices, &values)?.with_normalization(s)
    }

    /// A random ensemble: `nonzeros` distinct positions per measurement (all of them where the matrix has no more),
    /// drawn uniformly, each with ±√(n1·n2/nonzeros), so that E⟨Aᵢ, Z⟩² = ‖Z‖_F² and s = 1/m. Row i comes from its own
    /// stream of `seed`.
    ///
    /// # Errors
    /// Those of [`Sparse::from_csr`]; [`Error::Invalid`] for no nonzeros.
    pub fn random(domain: Domain, measurements: usize, nonzeros: usize, seed: u64) -> Result<Self> {
        domain.validate()?;
        let size = domain.rows() * domain.columns();
        let value = (size as f64 / nonzeros.min(size) as f64).sqrt();
        Ok(Self { isotropic: true, ..Self::drawn(domain, measurements, nonzeros, &[value, -value], seed)? })
    }

    /// The same with values in {±1, ±2}, whose sums of products stay exact, for the laws.
    pub(crate) fn small_integers(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        Self::drawn(domain, measurements, 3, &[1.0, -1.0, 2.0, -2.0], seed)
    }

    fn drawn(domain: Domain, measurements: usize, nonzeros: usize, values: &[f64], seed: u64) -> Result<Self> {
        domain.validate()?;
        if nonzeros == 0 {
            return Err(Error::invalid("nonzeros", 0, "at least 1", "pass the nonzeros of a measurement"));
        }
        let size = domain.rows() * domain.columns();
        let each = nonzeros.min(size);
        Compressed::require_room(domain, measurements, measurements.saturating_mul(each), 8, false)?;
        let (mut indices, mut drawn) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for i in 0..measurements {
            let mut rng = stream(seed, Purpose::Operator, i as u64);
            seen.clear();
            while seen.len() < each {
                let position = rng.random_range(0..size);
                if seen.insert(position) {
                    indices.push(position);
                    drawn.push(values[rng.random_range(0..values.len())]);
                }
            }
        }
        let indptr: Vec<usize> = (0..=measurements).map(|i| i * each).collect();
        Self::from_csr(domain, Layout::Full, &indptr, &indices, &drawn)
    }

    /// Replaces the normalisation s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(mut self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "pass s, or 'auto'"));
        }
        self.normalization = s;
        Ok(self)
    }

    /// The s implied by the data if they are isotropic, dim/Σ‖Aᵢ‖_F² (dim = n(n+1)/2 or n1·n2).
    pub fn implied_normalization(&self) -> f64 {
        self.lists.implied_normalization()
    }

    /// Nonzeros of measurement i as (a, b, v). For a symmetric unknown a ≤ b, and v is at (a, b) and at (b, a).
    ///
    /// # Panics
    /// For i ≥ m, as slices do.
    pub fn row(&self, i: usize) -> Vec<(usize, usize, f64)> {
        let (lists, symmetric) = (&self.lists, self.lists.domain.is_symmetric());
        let nonzero = |q: usize| {
            let (a, b, v) = (lists.rows[q] as usize, lists.columns[q] as usize, lists.values.at(q));
            (a, b, if symmetric && a != b { 0.5 * v } else { v })
        };
        lists.range(i).map(nonzero).collect()
    }

    /// Number of nonzeros of all measurements.
    pub fn nonzeros(&self) -> usize {
        self.lists.nonzeros()
    }

    /// Number of measurements without a nonzero, which carry no information.
    pub fn empty_measurements(&self) -> usize {
        (0..self.lists.measurements).filter(|&i| self.lists.range(i).is_empty()).count()
    }
}

/// Rows with distinct positions: repeated positions are added up, and zeros are dropped.
struct Merged {
    starts: Vec<u32>,
    rows: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f64>,
    row: Vec<(u32, u32, f64)>,
}

impl Merged {
    fn with_capacity(measurements: usize, nonzeros: usize) -> Self {
        let mut starts = Vec::with_capacity(measurements + 1);
        starts.push(0);
        let (rows, columns) = (Vec::with_capacity(nonzeros), Vec::with_capacity(nonzeros));
        Self { starts, rows, columns, values: Vec::with_capacity(nonzeros), row: Vec::new() }
    }

    fn add(&mut self, nonzeros: impl Iterator<Item = (u32, u32, f64)>) {
        self.row.clear();
        self.row.extend(nonzeros);
        // A stable sort, so that sums keep the order of the file.
        self.row.sort_by_key(|(a, b, _)| (*a, *b));
        for same in self.row.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1)) {
            let v: f64 = same.iter().map(|(_, _, v)| v).sum();
            if v != 0.0 {
                self.rows.push(same[0].0);
                self.columns.push(same[0].1);
                self.values.push(v);
            }
        }
        self.starts.push(self.rows.len() as u32);
    }
}

/// (a, b) of a packed position, a ≤ b: row a begins at a·n − a(a−1)/2.
fn packed_position(n: usize, at: usize) -> (usize, usize) {
    let start = |a: usize| a * (2 * n - a + 1) / 2;
    // Bisection for the row: the largest a with start(a) ≤ at.
    let (mut low, mut high) = (0, n);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if start(middle) <= at {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low, low + at - start(low))
}

compressed_operator!(Sparse, "sparse");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Dense;
    use crate::problem::{packed_index, packed_len};

    #[test]
    fn packed_positions_are_the_inverse_of_packed_indices() {
        for n in [1, 2, 3, 17] {
            for a in 0..n {
                for b in a..n {
                    assert_eq!(packed_position(n, packed_index(n, a, b)), (a, b));
                }
            }
        }
    }

    #[test]
    fn rows_mean_what_they_mean_in_dense() {
        let n = 4;
        for layout in [Layout::Full, Layout::Packed] {
            let width = if layout == Layout::Full { n * n } else { packed_len(n) };
            let indices = [1, width - 1, 3, 0, 7];
            let values = [3.0, -1.0, 0.5, 2.0, 5.0];
            let sparse = Sparse::from_csr(Domain::symmetric(n), layout, &[0, 2, 2, 5], &indices, &values).unwrap();
            let mut rows = vec![0.0; 3 * width];
            for (q, i) in [0, 0, 2, 2, 2].into_iter().enumerate() {
                rows[i * width + indices[q]] = values[q];
            }
            let dense = Dense::from_rows(Domain::symmetric(n), layout, &rows).unwrap();
            for i in 0..3 {
                assert_eq!(sparse.sensing_matrix(i), dense.sensing_matrix(i), "{layout:?} {i}");
            }
            approx::assert_relative_eq!(
                sparse.implied_normalization(),
                dense.implied_normalization(),
                max_relative = 1e-14
            );
            assert_eq!(sparse.empty_measurements(), 1);
        }
        // Mirrored and repeated positions add up; zeros are dropped.
        let same = Sparse::from_csr(
            Domain::symmetric(2),
            Layout::Full,
            &[0, 5],
            &[1, 2, 3, 1, 3],
            &[1.0, 2.0, 4.0, 5.0, -4.0],
        );
        let same = same.unwrap();
        assert_eq!((same.nonzeros(), same.sensing_matrix(0)), (1, vec![0.0, 4.0, 4.0, 0.0]));
    }

    #[test]
    fn bad_rows_are_refused_by_name() {
        let domain = Domain::rectangular(2, 3);
        let refused = |indptr: &[usize], indices: &[usize], values: &[f64]| {
            Sparse::from_csr(domain, Layout::Full, indptr, indices, values).err().unwrap().to_string()
        };
        assert!(["6", "row 0"].iter().all(|piece| refused(&[0, 1], &[6], &[1.0]).contains(piece)));
        assert!(refused(&[0, 0, 1], &[5], &[f64::INFINITY]).contains("row 1"));
        assert!(["pointers", "0", "2"].iter().all(|piece| refused(&[0, 2], &[5], &[1.0]).contains(piece)));
        assert!(refused(&[0, 2, 1], &[5], &[1.0]).contains("rise"));
        assert!(["measurements", "1"].iter().all(|piece| refused(&[0], &[], &[]).contains(piece)));
        assert!(Sparse::from_csr(domain, Layout::Packed, &[0, 0], &[], &[]).is_err());
    }
}
