//! Nonzeros in the kernels' layout: by measurement for the forward map, and by row of the result for the adjoint. Both
//! are cut into panels that fit a binding. Every nonzero is listed at two rows of the result: of two factors, at one of
//! L and one of R; of a symmetric matrix, at its row and its column.

use crate::error::{Error, Result};
use crate::gpu::frame::Frame;
use crate::operators::GpuNonzeros;

/// Longest list for one thread, or one per column. Longer lists have a workgroup.
pub(in crate::gpu) const SHORT: usize = 32;
/// Nonzeros per piece of a longer row.
pub(in crate::gpu) const SEGMENT: usize = 2048;
/// Marker of a piece that is a whole row.
const WHOLE: u32 = u32::MAX;

/// Positions and values of nonzeros (no values where all are 1).
#[derive(Default)]
pub(in crate::gpu) struct Listed {
    pub(in crate::gpu) places: Vec<[u32; 2]>,
    pub(in crate::gpu) values: Vec<f64>,
}

/// A panel of measurements with their nonzeros.
pub(in crate::gpu) struct ForwardPanel {
    pub(in crate::gpu) first: usize,
    pub(in crate::gpu) rows: usize,
    /// Number of measurements with more than [`SHORT`] nonzeros.
    pub(in crate::gpu) long: usize,
    /// Offsets, rows + 1 of them, then the longer measurements.
    pub(in crate::gpu) offsets: Vec<u32>,
    pub(in crate::gpu) listed: Listed,
}

/// A panel of pieces of rows with their nonzeros.
#[derive(Default)]
pub(in crate::gpu) struct GatherPanel {
    pub(in crate::gpu) short: Vec<[u32; 4]>,
    pub(in crate::gpu) long: Vec<[u32; 4]>,
    pub(in crate::gpu) listed: Listed,
}

/// All lists, on the host.
pub(in crate::gpu) struct Lists {
    pub(in crate::gpu) forward: Vec<ForwardPanel>,
    pub(in crate::gpu) gather: Vec<GatherPanel>,
    /// (row, first piece, end, 0) of the rows with several pieces.
    pub(in crate::gpu) spans: Vec<[u32; 4]>,
    /// Number of those pieces.
    pub(in crate::gpu) partials: usize,
    pub(in crate::gpu) nonzeros: usize,
}

impl Lists {
    /// Lists in panels of at most `most` nonzeros. A measurement with more than `most` has a panel of its own, of at
    /// most `bound`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for nonzeros outside the shape or out of order, and for a measurement with more than `bound`.
    pub(in crate::gpu) fn new(frame: &Frame, data: &dyn GpuNonzeros, most: usize, bound: usize) -> Result<Self> {
        let (mut places, mut values, mut starts) = (Vec::new(), Vec::new(), vec![0_usize]);
        let (ones, right) = (data.all_ones(), if frame.symmetric { 0 } else { frame.n1 });
        let mut wrong = None;
        data.visit(&mut |i, a, b, v| {
            if i >= frame.m || i + 1 < starts.len() || a >= frame.n1 || b >= frame.n2 {
                wrong.get_or_insert((i, a, b));
                return;
            }
            // A measurement without nonzeros ends where the one before ends.
            while starts.len() < i + 1 {
                starts.push(places.len());
            }
            places.push([a as u32, (right + b) as u32]);
            if !ones {
                values.push(v);
            }
        });
        if let Some((i, a, b)) = wrong {
            let allowed = format!(
                "measurements in ascending order below {}, rows below {}, columns below {}",
                frame.m, frame.n1, frame.n2
            );
            let found = format!("measurement {i} at ({a}, {b})");
            return Err(Error::invalid("nonzeros", found, allowed, "check the operator's lists"));
        }
        while starts.len() < frame.m + 1 {
            starts.push(places.len());
        }
        let nonzeros = places.len();
        if 2 * nonzeros > u32::MAX as usize {
            return Err(Error::invalid(
                "nonzeros",
                nonzeros,
                "at most 2³¹ − 1 on the backend 'gpu'",
                "use the backend 'cpu'",
            ));
        }
        let (gather, spans, partials) = gather(frame, &places, &values, &starts, most);
        let forward = forward(&places, &values, &starts, most, bound)?;
        Ok(Self { forward, gather, spans, partials, nonzeros })
    }

    /// Bytes of both kinds of lists, with `each` bytes per nonzero.
    pub(in crate::gpu) fn bytes(&self, each: usize) -> (usize, usize) {
        let forward = self.forward.iter().map(|p| p.offsets.len() * 4 + p.listed.places.len() * each).sum();
        let gather = |p: &GatherPanel| (p.short.len() + p.long.len()) * 16 + p.listed.places.len() * each;
        (forward, self.gather.iter().map(gather).sum::<usize>() + self.spans.len() * 16)
    }
}

fn forward(
    places: &[[u32; 2]],
    values: &[f64],
    starts: &[usize],
    most: usize,
    bound: usize,
) -> Result<Vec<ForwardPanel>> {
    let m = starts.len() - 1;
    let (mut panels, mut first) = (Vec::new(), 0);
    while first < m {
        let mut end = first + 1;
        // Offsets, and the longer measurements behind them, are half as long as positions.
        while end < m && starts[end + 1] - starts[first] <= most && end + 1 - first < most {
            end += 1;
        }
        let range = starts[first]..starts[end];
        if range.len() > bound {
            return Err(Error::invalid(
                "nonzeros",
                format!("{} in measurement {first}", range.len()),
                format!("at most {bound} in one measurement on this adapter"),
                "use the backend 'cpu'",
            ));
        }
        let mut offsets: Vec<u32> = starts[first..=end].iter().map(|start| (start - range.start) as u32).collect();
        let long: Vec<u32> = (0..end - first)
            .filter(|row| (offsets[row + 1] - offsets[*row]) as usize > SHORT)
            .map(|row| row as u32)
            .collect();
        offsets.extend(&long);
        let values = if values.is_empty() { Vec::new() } else { values[range.clone()].to_vec() };
        let listed = Listed { places: places[range].to_vec(), values };
        panels.push(ForwardPanel { first, rows: end - first, long: long.len(), offsets, listed });
        first = end;
    }
    Ok(panels)
}

type Gather = (Vec<GatherPanel>, Vec<[u32; 4]>, usize);

fn gather(frame: &Frame, places: &[[u32; 2]], values: &[f64], starts: &[usize], most: usize) -> Gather {
    // Counting sort: `order` holds 2q for a nonzero at its row, 2q + 1 at its column.
    let mut ends = vec![0_usize; frame.n + 1];
    places.iter().flatten().for_each(|&row| ends[row as usize + 1] += 1);
    for row in 0..frame.n {
        ends[row + 1] += ends[row];
    }
    let begins = ends.clone();
    let mut order = vec![0_u32; 2 * places.len()];
    let mut next = ends;
    for (q, place) in places.iter().enumerate() {
        for (side, &row) in place.iter().enumerate() {
            order[next[row as usize]] = (2 * q + side) as u32;
            next[row as usize] += 1;
        }
    }
    let mut owner = vec![0_u32; places.len()];
    for (i, pair) in starts.windows(2).enumerate() {
        owner[pair[0]..pair[1]].fill(i as u32);
    }
    let (mut panels, mut panel) = (Vec::new(), GatherPanel::default());
    let (mut spans, mut partials) = (Vec::new(), 0);
    let mut flush = |panel: &mut GatherPanel| {
        let mut full = std::mem::take(panel);
        // Threads that run together then have lists of similar length.
        full.short.sort_by_key(|piece| std::cmp::Reverse((piece[2] - piece[1]).next_power_of_two()));
        panels.push(full);
    };
    let segment = SEGMENT.min(most).max(1);
    for row in 0..frame.n {
        let range = begins[row]..begins[row + 1];
        let several = range.len() > SHORT && range.len() > segment;
        let step = if range.len() > SHORT { segment } else { SHORT };
        let first_partial = partials;
        for begin in range.clone().step_by(step).chain(range.is_empty().then_some(range.start)) {
            let end = range.end.min(begin + step);
            let pieces = panel.short.len() + panel.long.len();
            // A piece is twice as long as a position.
            if pieces > 0 && (panel.listed.places.len() + end - begin > most || 2 * (pieces + 1) > most) {
                flush(&mut panel);
            }
            let at = panel.listed.places.len() as u32;
            for &listing in &order[begin..end] {
                let (q, side) = (listing as usize / 2, listing as usize % 2);
                panel.listed.places.push([owner[q], places[q][1 - side]]);
                if !values.is_empty() {
                    panel.listed.values.push(values[q]);
                }
            }
            let own = if several { partials as u32 } else { WHOLE };
            partials += usize::from(several);
            let piece = [row as u32, at, at + (end - begin) as u32, own];
            if range.len() > SHORT { panel.long.push(piece) } else { panel.short.push(piece) }
        }
        if several {
            spans.push([row as u32, first_partial as u32, partials as u32, 0]);
        }
    }
    flush(&mut panel);
    (panels, spans, partials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Precision;

    struct List(Vec<(usize, usize, usize, f64)>);

    impl GpuNonzeros for List {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn all_ones(&self) -> bool {
            false
        }

        fn visit(&self, each: &mut dyn FnMut(usize, usize, usize, f64)) {
            self.0.iter().for_each(|&(i, a, b, v)| each(i, a, b, v));
        }
    }

    fn frame(n1: usize, n2: usize, m: usize) -> Frame {
        let (precision, loss) = (Precision::F32, crate::operators::Loss::Square);
        let (symmetric, complex, grouped, centred) = (false, false, false, false);
        Frame { precision, n: n1 + n2, n1, n2, symmetric, complex, k: 2, m, slots: 1, loss, grouped, centred }
    }

    /// Row 0 has most nonzeros, row 2 none; measurement 1 has none, measurement 2 has a hundred.
    fn list() -> List {
        let mut list: Vec<_> = (0..100).map(|q| (2, usize::from(q % 9 == 0), q % 50, q as f64)).collect();
        list.insert(0, (0, 1, 3, -1.0));
        list.extend((3..5000).map(|i| (i, 0, i % 50, i as f64)));
        List(list)
    }

    #[test]
    fn every_nonzero_is_listed_once_forward_and_twice_back_whatever_the_panels_are() {
        let (list, frame) = (list(), frame(3, 50, 5000));
        for most in [1, 40, 3000, usize::MAX] {
            let lists = Lists::new(&frame, &list, most, usize::MAX).unwrap();
            let mut forward = Vec::new();
            for panel in &lists.forward {
                for row in 0..panel.rows {
                    for q in panel.offsets[row] as usize..panel.offsets[row + 1] as usize {
                        let [a, b] = panel.listed.places[q].map(|place| place as usize);
                        forward.push((panel.first + row, a, b - 3, panel.listed.values[q]));
                    }
                }
                let rows = panel.listed.places.len();
                assert!(rows <= most.max(100) && panel.offsets.len() == panel.rows + 1 + panel.long);
            }
            assert_eq!(forward, list.0);
            let (mut back, mut rows) = (Vec::new(), vec![0; frame.n]);
            for panel in &lists.gather {
                for piece in panel.short.iter().chain(&panel.long) {
                    let [row, begin, end, own] = *piece;
                    rows[row as usize] += 1;
                    let span = lists.spans.iter().find(|span| span[0] == row);
                    assert_eq!(own != WHOLE, span.is_some_and(|span| (span[1]..span[2]).contains(&own)));
                    for q in begin as usize..end as usize {
                        back.push((row, panel.listed.places[q], panel.listed.values[q] as i64));
                    }
                }
                assert!(panel.short.iter().all(|piece| (piece[2] - piece[1]) as usize <= SHORT));
            }
            let mut wanted: Vec<_> = (list.0.iter())
                .flat_map(|&(i, a, b, v)| {
                    let (i, a, b, v) = (i as u32, a as u32, 3 + b as u32, v as i64);
                    [(a, [i, b], v), (b, [i, a], v)]
                })
                .collect();
            back.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(back, wanted);
            // This includes rows without nonzeros and rows of several pieces, which are all counted.
            let several: usize = lists.spans.iter().map(|span| (span[2] - span[1]) as usize).sum();
            assert!(rows.iter().all(|&pieces| pieces >= 1) && several == lists.partials && rows[2] == 1);
            assert!(!lists.spans.is_empty());
        }
    }

    /// Kernels take these numbers for indices, without checks.
    #[test]
    fn numbers_of_lists_stay_within_what_they_point_at() {
        let (list, frame) = (list(), frame(3, 50, 5000));
        for most in [1, 40, 3000, usize::MAX] {
            let lists = Lists::new(&frame, &list, most, usize::MAX).unwrap();
            let below = |number: u32, bound: usize| (number as usize) < bound;
            for panel in &lists.forward {
                let places = &panel.listed.places;
                let (offsets, long) = panel.offsets.split_at(panel.rows + 1);
                assert!(offsets.iter().all(|offset| *offset as usize <= places.len()) && long.len() == panel.long);
                assert!(long.iter().all(|row| below(*row, panel.rows)));
                assert!(places.iter().flatten().all(|row| below(*row, frame.n)));
            }
            for panel in &lists.gather {
                let places = &panel.listed.places;
                assert!(places.iter().all(|[i, row]| below(*i, frame.m) && below(*row, frame.n)));
                for [row, begin, end, own] in panel.short.iter().chain(&panel.long) {
                    assert!(below(*row, frame.n) && begin <= end && *end as usize <= places.len());
                    assert!(*own == WHOLE || below(*own, lists.partials));
                }
            }
            for [row, first, end, _] in &lists.spans {
                assert!(below(*row, frame.n) && first <= end && *end as usize <= lists.partials);
            }
        }
    }

    #[test]
    fn lists_that_cannot_be_are_refused() {
        let refused = |list: Vec<_>, bound| {
            Lists::new(&frame(3, 50, 4), &List(list), 10, bound).err().expect("refused").to_string()
        };
        let first = refused(vec![(0, 3, 0, 1.0)], 10);
        assert!(first.contains("measurement 0") && first.contains("(3, 0)"), "{first}");
        assert!(refused(vec![(1, 0, 0, 1.0), (0, 0, 0, 1.0)], 10).contains("order"));
        assert!(refused(vec![(4, 0, 0, 1.0)], 10).contains('4'));
        let many = refused(vec![(0, 0, 0, 1.0); 11], 10);
        assert!(many.contains("11") && many.contains("measurement 0"), "{many}");
    }
}
