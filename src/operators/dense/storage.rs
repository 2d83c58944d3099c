//! Storage of the packed rows: half, single or double precision.
//!
//! Half precision has 11 significant bits and a range of 2⁻²⁴ … 65 504. Every row therefore has one scale, a power of
//! two: the row's largest entry is stored in [2¹⁴, 2¹⁵] and a_q = scale·stored_q. Multiplying by a power of two is
//! exact, so every stored number is an f32, and all implementations (reference, host kernels, shaders, which multiply
//! whole sums by the scale) read the same matrix. Numbers below 2⁻¹⁴ after scaling, that is below 2⁻²⁹ of the row's
//! largest entry, are stored as zero: half precision would hold them as subnormal numbers, which devices may flush when
//! they unpack them.

use std::ops::Range;

use half::f16;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::memory::{Location, Memory, Part, product, readable_bytes};
use crate::operators::Storage;
use crate::operators::dense::Dense;
use crate::operators::dense::data::Data;
use crate::operators::rows::reference::Rows as _;
use crate::pages::Pages;

/// All packed rows.
pub(super) enum Rows {
    F16 {
        data: Data<f16>,
        /// One scale per measurement.
        scales: Vec<f32>,
    },
    F32(Data<f32>),
    F64(Data<f64>),
}

impl Rows {
    /// The rows of these measurements, p numbers each; the numbers are shared, not copied.
    pub(super) fn slice(&self, measurements: &Range<usize>, p: usize) -> Self {
        let numbers = measurements.start * p..measurements.end * p;
        match self {
            Self::F16 { data, scales } => {
                Self::F16 { data: data.slice(&numbers), scales: scales[measurements.clone()].to_vec() }
            }
            Self::F32(data) => Self::F32(data.slice(&numbers)),
            Self::F64(data) => Self::F64(data.slice(&numbers)),
        }
    }
}

/// Refuses rows that exceed the memory, before an allocation fails and ends the program. `fix` names remedies other
/// than a narrower type.
///
/// # Errors
/// [`Error::Memory`] under `name`.
pub(super) fn require_room(m: usize, p: usize, storage: Storage, name: &str, fix: &str) -> Result<()> {
    let bytes =
        |storage: Storage| product(&[m, p, storage.bytes()]).saturating_add(product(&[m, storage.row_overhead()]));
    let memory = Memory {
        parts: vec![Part::new(format!("{m} matrices of {p} numbers in {storage}"), Location::Host, bytes(storage))],
    };
    let narrower: String = ([Storage::F32, Storage::F16].iter())
        .filter(|other| **other < storage)
        .map(|other| format!("use --storage {other} ({}), ", readable_bytes(bytes(*other))))
        .collect();
    let fix = format!("{narrower}{}{fix}", if narrower.is_empty() { "" } else { "or " });
    let mut letters = fix.chars();
    let fix = letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default();
    memory.require(name, fix.clone())?;
    // Where the system does not report free memory, an impossible allocation is still refused.
    let mut room: Vec<u8> = Vec::new();
    let wanted = usize::try_from(bytes(storage)).ok();
    if wanted.and_then(|bytes| room.try_reserve_exact(bytes).ok()).is_some() {
        return Ok(());
    }
    Err(Error::invalid(name, format!("{m} matrices of {p} numbers in {storage}"), "matrices that fit in memory", fix))
}

/// Scales of the rows; 1 where they have none.
#[derive(Clone, Copy)]
pub(super) struct Scales<'a>(pub(super) Option<&'a [f32]>);

impl Scales<'_> {
    pub(super) fn of(self, row: usize) -> f64 {
        self.0.map_or(1.0, |scales| f64::from(scales[row]))
    }
}

/// Runs `$body` with `$rows: &[S]`, where S is the storage type, and `$scales: Scales`: entry q of row i is
/// `scales.of(i)·rows[i·p + q].widen()`.
macro_rules! with_rows {
    ($dense:expr, $rows:ident, $scales:ident => $body:expr) => {
        match &$dense.rows {
            $crate::operators::dense::storage::Rows::F16 { data, scales } => {
                let ($rows, $scales) = (data.as_slice(), $crate::operators::dense::storage::Scales(Some(scales)));
                $body
            }
            $crate::operators::dense::storage::Rows::F32(data) => {
                let ($rows, $scales) = (data.as_slice(), $crate::operators::dense::storage::Scales(None));
                $body
            }
            $crate::operators::dense::storage::Rows::F64(data) => {
                let ($rows, $scales) = (data.as_slice(), $crate::operators::dense::storage::Scales(None));
                $body
            }
        }
    };
}
pub(super) use with_rows;

/// Position of the first number without a property, in parallel.
pub(super) fn first_other<T: Copy + Sync>(values: &[T], has: impl Fn(T) -> bool + Sync) -> Option<usize> {
    const BLOCK: usize = 4096;
    // A block is looked through to its end, so that vector instructions do it.
    let all = |block: &[T]| block.iter().fold(true, |all, v| all & has(*v));
    let first = BLOCK * values.par_chunks(BLOCK).position_first(|block| !all(block))?;
    values[first..].iter().position(|v| !has(*v)).map(|at| first + at)
}

/// A storage type of rows. It differs from [`Real`], the arithmetic types: half precision is stored and never computed
/// in.
pub(super) trait Stored: bytemuck::Pod + Send + Sync {
    const STORAGE: Storage;

    /// Converts exactly, without the row's scale.
    fn widen(self) -> f64;

    /// Whether the number is finite and every device reads it as it is.
    fn is_plain(self) -> bool {
        self.widen().is_finite()
    }

    /// Rounds a row of finite numbers to nearest, ties to even, and returns its scale.
    ///
    /// # Errors
    /// Position of the first number that overflows.
    fn round_row(values: &[f64], out: &mut [Self]) -> std::result::Result<f32, usize>;

    /// Rounded rows and their scales as an operator holds them.
    fn rows(values: Pages<Self>, scales: Vec<f32>) -> Rows;
}

impl Stored for f16 {
    const STORAGE: Storage = Storage::F16;

    fn widen(self) -> f64 {
        self.to_f64()
    }

    fn is_plain(self) -> bool {
        self.is_normal() || self == Self::ZERO
    }

    fn round_row(values: &[f64], out: &mut [Self]) -> std::result::Result<f32, usize> {
        let largest = values.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        let exponent = (binary_exponent(largest) - TOP_EXPONENT).clamp(SMALLEST_SCALE, LARGEST_SCALE);
        let (scale, inverse) = (power_of_two(exponent), power_of_two(-exponent));
        for (at, (&value, out)) in values.iter().zip(out).enumerate() {
            let rounded = round_to_half(value * inverse);
            // Engines that compute in f32 could not multiply out a number beyond f32.
            if !((rounded * scale) as f32).is_finite() {
                return Err(at);
            }
            *out = f16::from_f64(rounded);
        }
        Ok(scale as f32)
    }

    fn rows(values: Pages<Self>, scales: Vec<f32>) -> Rows {
        Rows::F16 { data: Data::new(values), scales }
    }
}

impl Stored for f32 {
    const STORAGE: Storage = Storage::F32;

    fn widen(self) -> f64 {
        f64::from(self)
    }

    fn round_row(values: &[f64], out: &mut [Self]) -> std::result::Result<f32, usize> {
        values.iter().zip(out.iter_mut()).for_each(|(&value, out)| *out = value as f32);
        out.iter().position(|v| !v.is_finite()).map_or(Ok(1.0), Err)
    }

    fn rows(values: Pages<Self>, _scales: Vec<f32>) -> Rows {
        Rows::F32(Data::new(values))
    }
}

impl Stored for f64 {
    const STORAGE: Storage = Storage::F64;

    fn widen(self) -> f64 {
        self
    }

    fn round_row(values: &[f64], out: &mut [Self]) -> std::result::Result<f32, usize> {
        out.copy_from_slice(values);
        Ok(1.0)
    }

    fn rows(values: Pages<Self>, _scales: Vec<f32>) -> Rows {
        Rows::F64(Data::new(values))
    }
}

/// Exponent of the largest entry of a row: it is stored in [2¹⁴, 2¹⁵], a factor 2 below the largest half-precision
/// number.
const TOP_EXPONENT: i32 = 14;
/// Smallest exponent of a scale: down to 2⁻¹⁴·2⁻¹¹² = 2⁻¹²⁶ a stored number is a normal f32, which no device flushes.
const SMALLEST_SCALE: i32 = -112;
/// Largest exponent of a scale: 2¹⁵·2¹¹³ = 2¹²⁸ is beyond the largest f32.
const LARGEST_SCALE: i32 = 113;

/// e with 2^e ≤ x < 2^(e+1) for normal x; −1023 for smaller ones.
fn binary_exponent(x: f64) -> i32 {
    ((x.abs().to_bits() >> 52) as i32) - 1023
}

/// 2^e for −1022 ≤ e ≤ 1023.
fn power_of_two(e: i32) -> f64 {
    f64::from_bits(((e + 1023) as u64) << 52)
}

/// The nearest number of 11 significant bits, ties to even; 0 below 2⁻¹⁴. Hardware conversions through f32 would round
/// twice.
fn round_to_half(x: f64) -> f64 {
    let exponent = binary_exponent(x);
    if !(-30..=20).contains(&exponent) {
        return if exponent < 0 { 0.0 } else { x };
    }
    let unit = power_of_two(exponent - 10);
    let rounded = (x / unit).round_ties_even() * unit;
    if rounded.abs() < power_of_two(-14) { 0.0 } else { rounded }
}

/// Rounds `m` rows of `p` numbers, each computed in f64 by `fill` and rounded once.
///
/// # Errors
/// (row, position) of the first number that overflows, and that number.
pub(super) fn round_rows<S: Stored>(
    m: usize,
    p: usize,
    fill: impl Fn(usize, &mut [f64]) + Sync,
) -> std::result::Result<Rows, (usize, usize, f64)> {
    let mut values = Pages::zeroed(m * p);
    let mut scales = vec![1.0_f32; m];
    let failures: Vec<_> = (values.as_mut_slice().par_chunks_mut(p).zip(scales.par_iter_mut()).enumerate())
        .map_init(
            || vec![0.0; p],
            |row, (i, (out, scale))| {
                fill(i, row);
                match S::round_row(row, out) {
                    Ok(found) => *scale = found,
                    Err(at) => return Some((i, at, row[at])),
                }
                None
            },
        )
        .filter_map(|failure| failure)
        .collect();
    match failures.first() {
        Some(&first) => Err(first),
        None => Ok(S::rows(values, scales)),
    }
}

/// Rounds rows like [`round_rows`] in a type chosen at run time.
pub(super) fn round_rows_to(
    storage: Storage,
    m: usize,
    p: usize,
    fill: impl Fn(usize, &mut [f64]) + Sync,
) -> std::result::Result<Rows, (usize, usize, f64)> {
    match storage {
        Storage::F16 => round_rows::<f16>(m, p, fill),
        Storage::F32 => round_rows::<f32>(m, p, fill),
        Storage::F64 => round_rows::<f64>(m, p, fill),
    }
}

impl Dense {
    /// Number type of the stored matrices.
    pub fn storage(&self) -> Storage {
        match self.rows {
            Rows::F16 { .. } => Storage::F16,
            Rows::F32(_) => Storage::F32,
            Rows::F64(_) => Storage::F64,
        }
    }

    /// Whether the rows are read from their file, not from a copy in memory.
    pub fn is_mapped(&self) -> bool {
        self.is_in_place() && self.place() == Location::File
    }

    /// Whether the rows are read in place, in a file or an array, without a copy.
    pub(crate) fn is_in_place(&self) -> bool {
        matches!(
            &self.rows,
            Rows::F16 { data: Data::Kept { .. }, .. } | Rows::F32(Data::Kept { .. }) | Rows::F64(Data::Kept { .. })
        )
    }

    /// Location of the rows.
    pub(super) fn place(&self) -> Location {
        match &self.rows {
            Rows::F16 { data: Data::Kept { bytes, .. }, .. }
            | Rows::F32(Data::Kept { bytes, .. })
            | Rows::F64(Data::Kept { bytes, .. }) => bytes.place(),
            _ => Location::Host,
        }
    }

    /// The same matrices in another storage type, rounded once to nearest. Observations measured before the rounding no
    /// longer fit exactly: with [`Storage::F16`] to about 2⁻¹² of them. [`crate::Problem::measure`] with the result
    /// gives observations of the stored matrices.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an entry beyond the type, with its row and position.
    pub fn with_storage(mut self, storage: Storage) -> Result<Self> {
        if storage == self.storage() {
            return Ok(self);
        }
        let p = self.domain.dimension();
        require_room(self.measurements, p, storage, "storage", "keep the matrices as they are")?;
        let fill = |i: usize, row: &mut [f64]| row.copy_from_slice(&self.packed_row(i));
        self.rows = round_rows_to(storage, self.measurements, p, fill).map_err(|(row, at, value)| {
            Error::invalid(
                "storage",
                format!("{value:e} at row {row}, position {at}"),
                format!("numbers that {storage} holds"),
                "keep the matrices in f64, or scale matrices and observations down together",
            )
        })?;
        self.aligned = Default::default();
        Ok(self)
    }

    /// Packed row `i` in f64.
    ///
    /// # Panics
    /// For `i ≥ m`, as slices do.
    pub fn packed_row(&self, i: usize) -> Vec<f64> {
        let p = self.domain.dimension();
        let mut row = vec![0.0; p];
        self.row(i, &mut row);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(values: &[f64]) -> (f32, Vec<f64>) {
        let mut out = vec![f16::ZERO; values.len()];
        let scale = f16::round_row(values, &mut out).unwrap();
        (scale, out.iter().map(|v| f64::from(scale) * v.widen()).collect())
    }

    #[test]
    fn the_first_other_number_is_found() {
        for length in [0, 1, 4096, 10_000] {
            let mut values = vec![1.0_f32; length];
            let found = |values: &[f32]| first_other(values, Stored::is_plain);
            assert_eq!(found(&values), None);
            for at in [9_000, 4_096, 4_095, 0].into_iter().filter(|at| *at < length) {
                values[at] = f32::NAN;
                assert_eq!(found(&values), Some(at));
            }
        }
        assert_eq!(first_other(&[f16::ONE, f16::ZERO, f16::from_bits(1)], Stored::is_plain), Some(2));
    }

    #[test]
    fn halves_round_to_nearest_ties_to_even_and_once() {
        let unit = 2f64.powi(-10);
        for (value, wanted) in [
            (1.0 + 0.5 * unit, 1.0),
            (1.0 + 1.5 * unit, 1.0 + 2.0 * unit),
            // A conversion through f32 would round this down to the tie, and the tie to even.
            (1.0 + 0.5 * unit + 2f64.powi(-40), 1.0 + unit),
            (-1.0 - 2.5 * unit, -1.0 - 2.0 * unit),
            (2.0 - 0.1 * unit, 2.0),
        ] {
            assert_eq!(stored(&[value]).1, [wanted], "{value:e}");
        }
    }

    #[test]
    fn a_row_keeps_eleven_bits_of_its_entries_at_any_size() {
        for size in [1e-30, 3e-5, 1.0, 7e4, 1e38] {
            let row: Vec<f64> = (1..200).map(|i| size * (f64::from(i) * 0.7).sin()).collect();
            let (scale, found) = stored(&row);
            assert_eq!(f64::from(scale).log2().fract(), 0.0);
            for (v, f) in row.iter().zip(found) {
                assert!((v - f).abs() <= 2f64.powi(-11) * v.abs(), "{v:e} {f:e}");
            }
        }
        // Numbers below 2⁻²⁹ of the largest become zero.
        assert_eq!(stored(&[1.0, 2f64.powi(-28), 2f64.powi(-30)]).1, [1.0, 2f64.powi(-28), 0.0]);
        assert_eq!(stored(&[0.0, 0.0]).1, [0.0, 0.0]);
    }

    #[test]
    fn every_integer_up_to_2048_is_exact_and_so_is_what_was_stored_before() {
        let row: Vec<f64> = (-2048..=2048).map(f64::from).collect();
        assert_eq!(stored(&row).1, row);
        let (_, once) = stored(&[0.1, -0.7, 1e-3]);
        assert_eq!(stored(&once).1, once);
    }

    #[test]
    fn what_f32_does_not_hold_is_refused() {
        let mut out = [f16::ZERO; 2];
        assert_eq!(f16::round_row(&[1.0, 4e38], &mut out), Err(1));
        assert_eq!(f16::round_row(&[-f64::from(f32::MAX), 0.0], &mut out), Err(0));
        assert_eq!(f16::round_row(&[1e300, 1e301], &mut out), Err(0));
        assert_eq!(f32::round_row(&[1.0, 4e38], &mut [0.0_f32; 2]), Err(1));
        // Numbers so small that all become zero.
        assert_eq!(stored(&[1e-300]).1, [0.0]);
    }
}
