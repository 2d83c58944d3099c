//! Map of success rates from a sweep's cells.

use super::heatmap::{Heatmap, Panel, tidy};
use crate::sweep::{Axis, CellSummary, Grid};
use lowrank::models;

/// Maximum number of panels.
const MOST_PANELS: usize = 6;

/// Returns success rates over the two axes with the most values, with a panel for each combination of the other
/// varying axes (the first six).
///
/// If both vary, the axes are rank and measurements. If the axes are measurements and the rank or a size, a line
/// shows the degrees of freedom, below which no method can succeed.
pub fn success_map(grid: &Grid, cells: &[CellSummary]) -> Heatmap {
    let axes = grid.axes();
    let length = |axis: Axis| axes.iter().find(|(a, _)| *a == axis).map_or(0, |(_, values)| values.len());
    let (x, y) = choose(&axes);
    let values = |axis: Axis| axes.iter().find(|(a, _)| *a == axis).map(|(_, v)| v.clone()).unwrap_or_default();
    let (xs, ys) = (values(x), values(y));
    let others: Vec<Axis> = axes.iter().map(|(a, _)| *a).filter(|&a| a != x && a != y && length(a) > 1).collect();
    // Combinations of the other axes, in the order of the cells.
    let coordinates = |c: &CellSummary| others.iter().map(|a| a.of(&c.cell).to_bits()).collect::<Vec<_>>();
    let mut keys: Vec<Vec<u64>> = Vec::new();
    for cell in cells {
        let key = coordinates(cell);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let omitted = keys.len().saturating_sub(MOST_PANELS);
    let panels = keys.iter().take(MOST_PANELS).map(|key| {
        let own: Vec<&CellSummary> = cells.iter().filter(|c| coordinates(c) == *key).collect();
        let at = |vx: f64, vy: f64| own.iter().find(|c| x.of(&c.cell) == vx && y.of(&c.cell) == vy);
        let counts = ys.iter().flat_map(|&vy| xs.iter().map(move |&vx| (vx, vy)));
        let counts = counts.map(|(vx, vy)| at(vx, vy).map_or((0, 0), |c| (c.successes, c.count))).collect();
        let title = others.iter().zip(key).map(|(a, &bits)| format!("{} = {}", a.label(), tidy(f64::from_bits(bits))));
        let ((n, n2), rank) = own.first().map_or(((1, 1), 1), |c| (c.cell.size(), c.cell.rank));
        let bound = |value: f64| {
            let value = value as usize;
            let (size, rank) = match y {
                Axis::Rank => ((n, n2), value),
                Axis::N if grid.n2.is_empty() => ((value, value), rank),
                Axis::N => ((value, n2), rank),
                Axis::N2 => ((n, value), rank),
                _ => return None,
            };
            Some(grid.degrees_of_freedom(size, rank) as f64)
        };
        let line = if x == Axis::Measurements { ys.iter().map(|&v| bound(v)).collect() } else { None };
        Panel { title: title.collect::<Vec<_>>().join(", "), counts, line }
    });
    let panels: Vec<Panel> = panels.collect();
    let mut notes = vec![format!("success: relative error ≤ {:e}; {} solves per cell", grid.success, grid.repetitions)];
    if omitted > 0 {
        notes.push(format!("{omitted} more panels do not fit; cells.csv has all of them"));
    }
    let fixed: Vec<String> = axes
        .iter()
        .filter(|(a, v)| v.len() == 1 && *a != x && *a != y)
        .map(|(a, v)| format!("{} = {}", a.name().replace('_', " "), tidy(v[0])))
        .collect();
    let ran = format!("operator {}, model {}", grid.operator.name, grid.model);
    let formula = models::card(grid.model.word()).map(|card| format!(" m = {}", card.degrees_of_freedom));
    Heatmap {
        title: format!("Success rate of {}", grid.method_in_use()),
        subtitle: std::iter::once(ran).chain(fixed).collect::<Vec<_>>().join(", "),
        x_label: x.label().into(),
        y_label: y.label().into(),
        x: xs,
        y: ys,
        line_label: format!(
            "degrees of freedom{}; with fewer measurements none can succeed",
            formula.unwrap_or_default()
        ),
        notes,
        panels,
    }
}

/// Chooses the axes (x, y): measurements and rank if they vary or nothing else does, else the two longest axes, with
/// measurements horizontal.
fn choose(axes: &[(Axis, Vec<f64>)]) -> (Axis, Axis) {
    let length = |axis: Axis| axes.iter().find(|(a, _)| *a == axis).map_or(0, |(_, values)| values.len());
    let mut order = [
        Axis::Measurements,
        Axis::Rank,
        Axis::ConditionNumber,
        Axis::N,
        Axis::N2,
        Axis::NoiseStd,
        Axis::SearchRank,
        Axis::InitScale,
        Axis::StepSize,
        Axis::Ridge,
    ];
    if length(Axis::Measurements) > 1 && length(Axis::Rank) > 1 {
        return (Axis::Measurements, Axis::Rank);
    }
    // Stable: ties keep the order above.
    order.sort_by_key(|&axis| std::cmp::Reverse(length(axis)));
    match (order[0], order[1]) {
        (y, Axis::Measurements) => (Axis::Measurements, y),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::summarise;

    fn map(grid: &Grid) -> Heatmap {
        let cells = grid.cells();
        success_map(
            grid,
            &summarise(&cells, grid.repetitions, grid.success, &vec![None; cells.len() * grid.repetitions]),
        )
    }

    #[test]
    fn rank_against_measurements_with_the_line_and_a_panel_per_noise() {
        let grid = Grid {
            n: vec![12],
            rank: vec![3, 1],
            measurements: vec![30, 10, 20],
            noise_std: (0..8).map(f64::from).collect(),
            ..Grid::default()
        };
        let map = map(&grid);
        assert_eq!((map.x.as_slice(), map.y.as_slice()), ([10.0, 20.0, 30.0].as_slice(), [1.0, 3.0].as_slice()));
        assert_eq!(map.panels.len(), 6);
        assert_eq!(map.panels[1].title, "noise std = 1");
        assert_eq!(map.panels[0].line, Some(vec![12.0, 33.0]));
        assert!(map.notes[1].contains("2 more"), "{:?}", map.notes);
        assert!(map.subtitle.contains("n = 12"), "{}", map.subtitle);
    }

    #[test]
    fn other_axes_where_those_do_not_vary() {
        let grid = Grid { n: vec![12, 20], rank: vec![2], measurements: vec![30, 60], ..Grid::default() };
        let found = map(&grid);
        assert_eq!((found.x_label.as_str(), found.y_label.as_str()), ("measurements m", "size n"));
        assert_eq!(found.panels[0].line, Some(vec![23.0, 39.0]));
        let grid = Grid {
            measurements: vec![30],
            condition_number: vec![1.0, 2.0, 4.0],
            init_scale: vec![1e-3, 1e-2],
            n: vec![12],
            ..grid
        };
        let found = map(&grid);
        assert_eq!(
            (found.x_label.as_str(), found.y_label.as_str()),
            (Axis::ConditionNumber.label(), Axis::InitScale.label())
        );
        assert_eq!(found.panels[0].line, None);
    }
}
