//! Nonzeros as the kernels read them: by measurement for the forward map, and by row of the result for the adjoint, both cut
//! into panels that a binding holds. Every nonzero is listed at two rows of the result: of two factors at one of L and at one
//! of R, of a symmetric matrix at its row and at its column.

use crate::error::{Error, Result};
use crate::gpu::frame::Frame;
use crate::operators::GpuNonzeros;

/// Lists of at most so many nonzeros are one thread's, or one a column; longer ones have a workgroup.
pub(super) const SHORT: usize = 32;
/// Longer rows are cut into pieces of so many.
pub(super) const SEGMENT: usize = 2048;
/// A piece that is a whole row.
const WHOLE: u32 = u32::MAX;

/// Where nonzeros are, and their values (none where all are 1).
#[derive(Default)]
pub(super) struct Listed {
    pub(super) places: Vec<[u32; 2]>,
    pub(super) values: Vec<f64>,
}

/// Measurements and their nonzeros.
pub(super) struct ForwardPanel {
    pub(super) first: usize,
    pub(super) rows: usize,
    /// Those with more than [`SHORT`] nonzeros.
    pub(super) long: usize,
    /// rows + 1 of them, then the longer measurements.
    pub(super) offsets: Vec<u32>,
    pub(super) listed: Listed,
}

/// Pieces of rows and their nonzeros.
#[derive(Default)]
pub(super) struct GatherPanel {
    pub(super) short: Vec<[u32; 4]>,
    pub(super) long: Vec<[u32; 4]>,
    pub(super) listed: Listed,
}

/// Everything, on the host.
pub(super) struct Lists {
    pub(super) forward: Vec<ForwardPanel>,
    pub(super) gather: Vec<GatherPanel>,
    /// (row, first piece, end, 0) of the rows that have several pieces.
    pub(super) spans: Vec<[u32; 4]>,
    /// Those pieces, all together.
    pub(super) partials: usize,
    pub(super) nonzeros: usize,
}

impl Lists {
    /// Panels hold at most `most` nonzeros; a measurement of more than `most` has a panel of its own, of at most `bound`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for nonzeros outside the shape or out of order, and for a measurement with more than `bound`.
    pub(super) fn new(frame: &Frame, data: &dyn GpuNonzeros, most: usize, bound: usize) -> Result<Self> {
        let (mut places, mut values, mut starts) = (Vec::new(), Vec::new(), vec![0_usize]);
        let (ones, right) = (data.all_ones(), if frame.symmetric { 0 } else { frame.n1 });
        let mut wrong = None;
        data.visit(&mut |i, a, b, v| {
            if i >= frame.m || i + 1 < starts.len() || a >= frame.n1 || b >= frame.n2 {
                wrong.get_or_insert((i, a, b));
                return;
            }
            // What has no nonzeros ends where the one before does.
            while starts.len() < i + 1 {
                starts.push(places.len());
            }
            places.push([a as u32, (right + b) as u32]);
            if !ones {
                values.push(v);
            }
        });
        if let Some((i, a, b)) = wrong {
            let allowed =
                format!("measurements in order below {}, rows below {}, columns below {}", frame.m, frame.n1, frame.n2);
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
    // By counting: `order` holds 2q for a nonzero at its row, 2q + 1 at its column.
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
        // Threads that run together then have lists of like lengths.
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
