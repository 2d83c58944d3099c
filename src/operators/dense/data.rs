//! Owner and place of the numbers of the rows.

use std::ops::Range;
use std::sync::Arc;

use crate::io::Bytes;
use crate::pages::Pages;

/// Numbers in memory or in a mapped file.
pub(super) enum Data<T> {
    Owned(Arc<Pages<T>>, Range<usize>),
    /// Row-major little-endian packed rows, in place in a file or in borrowed memory.
    Kept {
        bytes: Bytes,
        offset: usize,
        count: usize,
    },
}

impl<T: bytemuck::Pod> Data<T> {
    pub(super) fn new(values: Pages<T>) -> Self {
        let all = 0..values.as_slice().len();
        Self::Owned(Arc::new(values), all)
    }

    /// A range of the numbers; nothing is copied.
    pub(super) fn slice(&self, numbers: &Range<usize>) -> Self {
        match self {
            Self::Owned(values, range) => {
                Self::Owned(values.clone(), range.start + numbers.start..range.start + numbers.end)
            }
            Self::Kept { bytes, offset, .. } => Self::Kept {
                bytes: bytes.clone(),
                offset: offset + numbers.start * size_of::<T>(),
                count: numbers.len(),
            },
        }
    }

    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::Owned(values, range) => &values.as_slice()[range.clone()],
            // `load` keeps only data that are aligned, little-endian and long enough.
            Self::Kept { bytes, offset, count } => {
                bytemuck::cast_slice(&bytes.as_slice()[*offset..*offset + *count * size_of::<T>()])
            }
        }
    }
}
