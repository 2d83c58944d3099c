//! Nonzeros by matrix row or by matrix column.

use std::ops::Range;

use crate::memory::product;
use crate::operators::Storage;

/// Numbers beside the nonzeros, in f32 where f32 holds all of them exactly.
pub(crate) enum Values {
    /// All values are 1.
    Ones,
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Values {
    pub(crate) fn new(values: Vec<f64>) -> Self {
        if values.iter().all(|&v| v == 1.0) {
            Self::Ones
        } else if values.iter().all(|&v| f64::from(v as f32) == v) {
            Self::F32(values.iter().map(|&v| v as f32).collect())
        } else {
            Self::F64(values)
        }
    }

    pub(crate) fn at(&self, q: usize) -> f64 {
        match self {
            Self::Ones => 1.0,
            Self::F32(values) => f64::from(values[q]),
            Self::F64(values) => values[q],
        }
    }

    pub(crate) fn storage(&self) -> Option<Storage> {
        match self {
            Self::Ones => None,
            Self::F32(_) => Some(Storage::F32),
            Self::F64(_) => Some(Storage::F64),
        }
    }

    /// Bytes per value.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Ones => 0,
            Self::F32(_) => 4,
            Self::F64(_) => 8,
        }
    }

    /// Bytes of all values.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Ones => 0,
            Self::F32(values) => size_of_val(&values[..]),
            Self::F64(values) => size_of_val(&values[..]),
        }
    }

    pub(crate) fn slice(&self, nonzeros: Range<usize>) -> Self {
        match self {
            Self::Ones => Self::Ones,
            Self::F32(values) => Self::F32(values[nonzeros].to_vec()),
            Self::F64(values) => Self::F64(values[nonzeros].to_vec()),
        }
    }

    /// The values in the order `order`.
    fn permuted(&self, order: &[u32]) -> Self {
        match self {
            Self::Ones => Self::Ones,
            Self::F32(values) => Self::F32(order.iter().map(|&q| values[q as usize]).collect()),
            Self::F64(values) => Self::F64(order.iter().map(|&q| values[q as usize]).collect()),
        }
    }
}

/// Nonzeros by matrix row or by matrix column. Those of line j are at `starts[j]..starts[j + 1]`, in the order of their
/// measurements.
pub(crate) struct Index {
    pub(crate) starts: Vec<u32>,
    /// Column of each nonzero, or its row.
    pub(crate) other: Vec<u32>,
    pub(crate) measurement: Vec<u32>,
    pub(crate) values: Values,
    /// Lines of each task: blocks of about [`BLOCK`] nonzeros; a longer line is a block of its own.
    pub(super) blocks: Vec<Range<usize>>,
}

/// Nonzeros per task. Their index stays in a core's cache while several trials use it.
const BLOCK: usize = 1 << 15;
impl Index {
    /// Counting sort: `line` and `other` are those of each listing, `source` is its nonzero.
    pub(super) fn new(
        lines: usize,
        listings: &[Listing<'_>],
        measurement: impl Fn(usize) -> u32,
        values: &Values,
    ) -> Self {
        let mut starts = vec![0_u32; lines + 1];
        for listing in listings {
            listing.line.iter().for_each(|&line| starts[line as usize + 1] += 1);
        }
        for line in 0..lines {
            starts[line + 1] += starts[line];
        }
        let count = starts[lines] as usize;
        let mut next = starts.clone();
        // Nonzero at each place, from which everything else follows.
        let (mut source, mut other) = (vec![0_u32; count], vec![0_u32; count]);
        for q in 0..listings[0].line.len() {
            for listing in listings {
                let next = &mut next[listing.line[q] as usize];
                source[*next as usize] = q as u32;
                other[*next as usize] = listing.other[q];
                *next += 1;
            }
        }
        let values = values.permuted(&source);
        source.iter_mut().for_each(|q| *q = measurement(*q as usize));
        let blocks = blocks(&starts);
        Self { starts, other, measurement: source, values, blocks }
    }

    pub(crate) fn range(&self, line: usize) -> Range<usize> {
        self.starts[line] as usize..self.starts[line + 1] as usize
    }

    pub(super) fn bytes(&self) -> u64 {
        product(&[self.starts.len(), 4]) + product(&[self.other.len(), 8 + self.values.bytes()])
    }
}

/// A listing of the nonzeros: at line `line[q]`, beside `other[q]`.
pub(super) struct Listing<'a> {
    pub(super) line: &'a [u32],
    pub(super) other: &'a [u32],
}

/// Cuts the lines into blocks of about equal numbers of nonzeros.
fn blocks(starts: &[u32]) -> Vec<Range<usize>> {
    let lines = starts.len() - 1;
    let (mut blocks, mut first) = (Vec::new(), 0);
    for line in 0..lines {
        // Empty lines count too, because they are written.
        let size = (starts[line + 1] - starts[first]) as usize + (line + 1 - first);
        if size >= BLOCK || line + 1 == lines {
            blocks.push(first..line + 1);
            first = line + 1;
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_line_and_none_is_empty() {
        // Long lines, empty lines.
        let lengths = [0, 3 * BLOCK as u32, 0, 5, BLOCK as u32, 0];
        let starts: Vec<u32> = std::iter::once(0)
            .chain(lengths.iter().scan(0, |sum, l| {
                *sum += l;
                Some(*sum)
            }))
            .collect();
        let found = blocks(&starts);
        assert_eq!(found, [0..2, 2..5, 5..6]);
    }
}
