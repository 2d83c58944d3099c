//! What functions on the host read and leave.

use std::borrow::Cow;

use faer::Mat;
use rayon::prelude::*;

use crate::real::Real;
use crate::tall;

/// Rows per part of a register that is written on several cores.
const ROWS: usize = 1024;

/// Numbers of one trial in a register, in the type that the engine computes in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Held<'a> {
    /// In single precision.
    F32(&'a [f32]),
    /// In double precision.
    F64(&'a [f64]),
}

impl<'a> Held<'a> {
    /// Numbers of an engine.
    pub(crate) fn of<T: Real>(values: &'a [T]) -> Self {
        match size_of::<T>() == size_of::<f32>() {
            true => Self::F32(bytemuck::cast_slice(values)),
            false => Self::F64(bytemuck::cast_slice(values)),
        }
    }

    /// Count of numbers.
    pub fn len(self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The number at a position; 0 behind the end.
    pub fn number(self, at: usize) -> f64 {
        match self {
            Self::F32(values) => values.get(at).map_or(0.0, |v| f64::from(*v)),
            Self::F64(values) => values.get(at).copied().unwrap_or(0.0),
        }
    }

    /// All numbers, without a copy where they are in double precision already.
    pub fn numbers(self) -> Cow<'a, [f64]> {
        match self {
            Self::F32(values) => values.iter().map(|v| f64::from(*v)).collect(),
            Self::F64(values) => values.into(),
        }
    }

    /// The columns `places` of a row-major matrix with `width` columns.
    pub(crate) fn columns(self, width: usize, places: &[usize]) -> Mat<f64> {
        fn of<T: Real>(values: &[T], width: usize, places: &[usize]) -> Mat<f64> {
            let mut out = Mat::zeros(values.len() / width, places.len());
            tall::by_rows(out.as_mut(), &|from, mut part| {
                for (i, row) in values[from * width..].chunks(width).take(part.nrows()).enumerate() {
                    for (j, place) in places.iter().enumerate() {
                        part[(i, j)] = row[*place].to_f64();
                    }
                }
            });
            out
        }
        match self {
            Self::F32(values) => of(values, width, places),
            Self::F64(values) => of(values, width, places),
        }
    }
}

/// What a function on the host leaves in a register of a trial. By default the register keeps its numbers.
#[derive(Clone, Debug, Default)]
pub struct Left(Content);

#[derive(Clone, Debug, Default)]
enum Content {
    #[default]
    Same,
    Numbers(Vec<f64>),
    /// Columns at given places of a row-major matrix; all others are zero.
    Columns {
        width: usize,
        columns: Vec<(usize, Mat<f64>)>,
        places: Vec<usize>,
    },
}

impl From<Vec<f64>> for Left {
    fn from(numbers: Vec<f64>) -> Self {
        Self(Content::Numbers(numbers))
    }
}

impl Left {
    /// Columns of matrices, each from its first number j on at places\[j\], places\[j + 1\], …; all others are zero.
    pub(crate) fn columns(width: usize, columns: Vec<(usize, Mat<f64>)>, places: &[usize]) -> Self {
        Self(Content::Columns { width, columns, places: places.to_vec() })
    }

    /// Count of numbers that are left; `None` where the register keeps its own.
    pub(crate) fn len(&self) -> Option<usize> {
        match &self.0 {
            Content::Same => None,
            Content::Numbers(numbers) => Some(numbers.len()),
            Content::Columns { width, columns, .. } => columns.first().map(|(_, matrix)| matrix.nrows() * width),
        }
    }

    /// The numbers that are left; none where the register keeps its own.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let mut numbers = vec![0.0; self.len()?];
        self.write(&mut numbers);
        Some(numbers)
    }

    /// Writes the numbers into a register of the same length.
    pub(crate) fn write<T: Real>(&self, register: &mut [T]) {
        match &self.0 {
            Content::Same => {}
            Content::Numbers(numbers) => {
                register.iter_mut().zip(numbers).for_each(|(own, v)| *own = T::from_f64(*v));
            }
            Content::Columns { width, columns, places } => {
                let part = |(at, part): (usize, &mut [T])| {
                    part.fill(T::ZERO);
                    for (first, matrix) in columns {
                        for j in 0..matrix.ncols() {
                            let column = matrix.col(j).subrows(at * ROWS, part.len() / width);
                            let place = places[first + j];
                            part.iter_mut()
                                .skip(place)
                                .step_by(*width)
                                .zip(column.iter())
                                .for_each(|(own, v)| *own = T::from_f64(*v));
                        }
                    }
                };
                register.par_chunks_mut(ROWS * width).enumerate().for_each(part);
            }
        }
    }
}
