//! Phase retrieval with the default method: complex Gaussian vectors and coded diffraction patterns, in the settings of Candès, Li &
//! Soltanolkotabi, "Phase retrieval via Wirtinger flow" (arXiv 1407.1065) and "Phase retrieval from coded diffraction patterns"
//! (arXiv 1310.3240). The unknown signal x is the matrix x xᴴ of rank 1.

mod claims;
mod flow;
mod recovery;
mod scene;
mod signal;

use super::gallery::{Gallery, Shot};
use super::graph::{Graph, GraphPanel};
use super::tasks::{Task, Tick, curve, group};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::report::{PlotAxis, Style};
use crate::reproduce::claims::Claim;
use crate::reproduce::figures::FigureData;
use lowrank::engine::Precision;
use lowrank::{Backend, Result};

use recovery::{COMPARED_RATIO, NOISY_RATIO, Probes, RECOVERED, SIGNALS};
use scene::PATTERNS;

pub(super) struct PhaseRetrieval;

impl Room for PhaseRetrieval {
    fn title(&self) -> &'static str {
        "Phase retrieval from Gaussian vectors and from coded diffraction patterns"
    }

    fn source(&self) -> &'static str {
        "arXiv 1407.1065 and 1310.3240"
    }

    fn claimed(&self) -> &'static str {
        "complex signals from five times as many intensities, and a picture from six and from twelve coded diffraction patterns"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let n = if quick { 32 } else { 64 };
        Rerun {
            study: Relative::PhaseRetrieval2014,
            n,
            rank: 1,
            search_rank: 20,
            measurements: COMPARED_RATIO * n,
            condition_numbers: vec![1.0],
            step_size: 0.2,
            target: claims::TARGET,
            iterations: 2500,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        let side = scene::side(s);
        vec![
            format!(
                "A detector sees the intensities |aᴴx|² of a complex signal x and not the phases of aᴴx. They are linear in x xᴴ, a \
                 Hermitian matrix of rank 1, which the default method looks for with no knowledge of the rank. Two kinds of measurements: \
                 independent complex Gaussian vectors a, and coded diffraction patterns, the Fourier transforms of x behind known \
                 random masks. The first figure shows {SIGNALS} random signals of n = {} numbers for each ratio m/n: below some ratio \
                 the error is near 1, above it the signals are found to many digits. The rate counts errors of at most {RECOVERED:e}.",
                s.n
            ),
            format!(
                "The pictures have {side}×{side} = {} complex pixels: a grey level, drawn by code, and a phase, as of a sample that is \
                 thicker in its middle. The first column is the truth. The second is the first iterate of the default, a column along a \
                 leading eigenvector of the measurements. Then come iterates as the error falls, until noise is no longer seen, and its \
                 result. Errors are min over φ of ‖z e^{{iφ}} − x‖/‖x‖: no intensity sees a phase of the whole signal.",
                side * side
            ),
            format!(
                "Wirtinger flow is gradient descent from a spectral start. It is restated here from the paper: {} power \
                 iterations, then steps of μ/‖z₀‖² with μ = min(1 − exp(−t/330), 0.2). A pass applies the measurements to the \
                 columns of the iterate, forward or back and forth, and a power iteration is one. The second panels count each of the \
                 columns that a pass of the default takes: it keeps room for columns that it may need, and Wirtinger flow has one.",
                flow::POWER_ITERATIONS
            ),
            "The sizes are our own, smaller than those of the papers: they take n = 128, 100 signals, and photographs of many \
             pixels. Masks are those of arXiv 1310.3240: each pixel is b₁b₂ with b₁ one of 1, −1, i, −i, and b₂ = √½ with \
             probability 4/5, else √3. The method of the runs is the default of the program, and so is its start; patterns are \
             transformed on the host."
                .into(),
        ]
    }

    fn tasks<'a>(&self, s: &'a Rerun, backend: &'a Backend) -> Result<Vec<Task<'a>>> {
        let gaussian = move |tick: &mut Tick<'_>| recovery::errors(s, Probes::Gaussian, backend, tick);
        let coded = move |tick: &mut Tick<'_>| recovery::errors(s, Probes::Coded, backend, tick);
        Ok(vec![
            Task::new("Gaussian vectors", 4.0, gaussian),
            Task::new("coded patterns", 3.0, coded),
            Task::new("pictures", 4.0, move |tick: &mut Tick<'_>| scene::pictures(s, backend, tick)),
            Task::new("Wirtinger flow", 1.0, move |tick: &mut Tick<'_>| flow::courses(s, backend, tick)),
            Task::new("noise", 3.0, move |tick: &mut Tick<'_>| recovery::noise(s, backend, tick)),
        ])
    }

    fn graphs<'a>(&self, s: &Rerun, curves: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        let lines = |what: &str, style| group(curves, what).into_iter().map(|c| (c, style)).collect::<Vec<_>>();
        let panel = |title: String, x, y, curves| GraphPanel { title, x, y, curves };
        let distance = || PlotAxis::log("relative error");
        let mut errors = lines("errors", Style::Points);
        errors.extend(lines("medians", Style::Line));
        let ratio = || PlotAxis::linear("intensities for each number of the signal, m/n");
        let course = |probes: Probes, of: &str, x: &str| {
            let plain = curve(curves, &format!("course-{}", probes.name()), "flow");
            let own = curve(curves, &format!("{of}-{}", probes.name()), "default");
            let both = own.into_iter().chain(plain).map(|curve| (curve, Style::Line)).collect();
            panel(format!("{}, against {x}", capital(probes.label())), PlotAxis::linear(x), distance(), both)
        };
        let kinds = Probes::ALL.map(|probes| [course(probes, "course", "passes"), course(probes, "wide", "products")]);
        vec![
            Graph {
                name: "recovery",
                title: "Errors and recovery against the number of intensities",
                caption: format!(
                    "The default method, n = {}, {} random signals for each ratio; a signal is recovered at an error of {RECOVERED:e}.",
                    s.n, SIGNALS
                ),
                panels: vec![
                    panel("Errors".into(), ratio(), distance(), errors),
                    panel(
                        "Share of signals recovered".into(),
                        ratio(),
                        PlotAxis::linear("share"),
                        lines("recovered", Style::Line),
                    ),
                ],
            },
            Graph {
                name: "courses",
                title: "The default and Wirtinger flow",
                caption: format!(
                    "One random signal, n = {}, m = {COMPARED_RATIO}n; power iterations of the start included.",
                    s.n
                ),
                panels: kinds.into_iter().flatten().collect(),
            },
            Graph {
                name: "noise",
                title: "Error against noise",
                caption: format!("Medians of {} random signals, n = {}, m = {NOISY_RATIO}n.", SIGNALS, s.n),
                panels: vec![panel(
                    "Error of the estimate".into(),
                    PlotAxis::log("noise over the root mean square of the intensities"),
                    distance(),
                    lines("noise", Style::Line),
                )],
            },
        ]
    }

    fn galleries(&self, s: &Rerun, curves: &[MeasuredCurve]) -> Vec<FigureData> {
        let names = ["picture-6", "picture-12"];
        let titles = ["A picture from six patterns", "A picture from twelve patterns"];
        let all = PATTERNS.into_iter().zip(names.into_iter().zip(titles));
        all.map(|(patterns, (name, title))| {
            let shots = group(curves, name).into_iter().map(shot).collect();
            let caption = format!(
                "Above: sizes of the pixels, from 0, black, to 1, white. Below: their phases, from 0, black, to {} rad, white. \
                 {patterns} coded diffraction patterns. Seed {}, {}.",
                scene::DEEPEST,
                s.seed,
                s.precision.name()
            );
            Gallery { name, title, caption, side: scene::side(s), rows: &["size", "phase"], shots }.draw()
        })
        .collect()
    }

    fn claims(&self, _: &Rerun, _: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim> {
        let mut all = vec![
            claims::all_recovered(curves, Probes::Gaussian, 5, 1e-6),
            claims::all_recovered(curves, Probes::Coded, 6, RECOVERED),
            claims::all_recovered(curves, Probes::Coded, 12, RECOVERED),
        ];
        all.extend(PATTERNS.map(|patterns| claims::picture(curves, patterns)));
        all.extend([claims::passes(curves), claims::products(curves)]);
        all.extend(Probes::ALL.map(|probes| claims::linear(curves, probes)));
        all.push(claims::noise(curves));
        all
    }
}

/// Returns a text that begins a title.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Sizes and phases of a frame as shades; its label is cut at its first comma.
fn shot(frame: &MeasuredCurve) -> Shot {
    let sizes = frame.points.iter().map(|(re, im)| re.hypot(*im)).collect();
    let phases = frame.points.iter().map(|(re, im)| im.atan2(*re) / scene::DEEPEST).collect();
    Shot { title: frame.label.replacen(", ", "\n", 1), shades: vec![sizes, phases] }
}
