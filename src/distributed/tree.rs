//! The sums of ranks: a tree over the parts of the measurements, and its nodes.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::real::Real;

/// The m measurements, cut into P parts.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub(super) measurements: usize,
    pub(super) parts: usize,
    pub(super) ranks: usize,
}

impl Cut {
    /// The parts of a rank.
    pub(super) fn of_rank(self, rank: usize) -> Range<usize> {
        rank * self.parts / self.ranks..(rank + 1) * self.parts / self.ranks
    }

    /// The measurements of neighbouring parts.
    pub(super) fn measurements_of(self, parts: Range<usize>) -> Range<usize> {
        let at = |part: usize| (self.measurements as u128 * part as u128 / self.parts as u128) as usize;
        at(parts.start)..at(parts.end)
    }

    /// The largest nodes of the tree that lie in a run of parts, in order.
    pub(super) fn nodes(self, own: &Range<usize>) -> Vec<Range<usize>> {
        fn visit(node: Range<usize>, own: &Range<usize>, out: &mut Vec<Range<usize>>) {
            if own.start <= node.start && node.end <= own.end {
                out.push(node);
            } else if node.start < own.end && own.start < node.end {
                let (left, right) = halves(&node);
                visit(left, own, out);
                visit(right, own, out);
            }
        }
        let mut out = Vec::new();
        visit(0..self.parts, own, &mut out);
        out
    }
}

/// The children of a node of several parts.
fn halves(node: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = node.start + node.len() / 2;
    (node.start..middle, middle..node.end)
}

/// Sums over measurements: numbers in f64, and numbers of the factors' type.
#[derive(Clone, Default)]
pub(super) struct Node<T> {
    pub(super) moments: Vec<f64>,
    pub(super) sums: Vec<T>,
}

impl<T: Real> Node<T> {
    fn add(mut self, other: Self) -> Self {
        self.moments.iter_mut().zip(other.moments).for_each(|(a, b)| *a += b);
        self.sums.iter_mut().zip(other.sums).for_each(|(a, b)| *a += b);
        self
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(bytemuck::cast_slice(&self.moments));
        out.extend_from_slice(bytemuck::cast_slice(&self.sums));
    }

    /// Reads a node that begins with `moments` numbers in f64.
    pub(super) fn read(bytes: &[u8], moments: usize) -> Self {
        let (moments, sums) = bytes.split_at(moments * size_of::<f64>());
        Self { moments: bytemuck::pod_collect_to_vec(moments), sums: bytemuck::pod_collect_to_vec(sums) }
    }
}

/// The sum below a node, from the nodes that cover it.
pub(super) fn sum<T: Real>(node: Range<usize>, known: &mut BTreeMap<(usize, usize), Node<T>>) -> Node<T> {
    if let Some(found) = known.remove(&(node.start, node.end)) {
        return found;
    }
    if node.len() <= 1 {
        return Node::default();
    }
    let (left, right) = halves(&node);
    let left = sum(left, known);
    left.add(sum(right, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_all_ranks_cover_the_parts_in_order_and_sum_alike() {
        let leaf = |part: usize| Node { moments: Vec::new(), sums: vec![(part as f32 + 0.1).sqrt()] };
        let mut first = None;
        for ranks in 1..=7 {
            let cut = Cut { measurements: 100, parts: 12, ranks };
            let mut handed = BTreeMap::new();
            let mut next = 0;
            for own in (0..ranks).map(|rank| cut.of_rank(rank)) {
                let mut known = own.clone().map(|part| ((part, part + 1), leaf(part))).collect();
                for node in cut.nodes(&own) {
                    assert_eq!(node.start, next);
                    next = node.end;
                    handed.insert((node.start, node.end), sum(node, &mut known));
                }
            }
            assert_eq!(next, 12);
            let total = sum(0..12, &mut handed).sums[0];
            assert_eq!(total.to_bits(), *first.get_or_insert(total.to_bits()), "{ranks} ranks");
        }
        let nodes = |ranks| Cut { measurements: 100, parts: 12, ranks }.nodes(&(0..12 / ranks)).len();
        assert_eq!([nodes(1), nodes(2), nodes(3), nodes(4)], [1, 1, 2, 1]);
    }
}
