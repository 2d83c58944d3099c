//! Quantum state tomography from a fifth of the Pauli strings, in the setting of Kim, Kollias, Kalev, Wei & Kyrillidis, "Fast quantum
//! state reconstruction via accelerated non-convex programming" (arXiv 2104.07006): a factored descent with a momentum.

mod claims;
mod measure;

use super::figure::{Of, Picture, View};
use super::graph::{Graph, GraphPanel};
use super::race::{Heat, RaceEntry};
use super::tasks::{Task, Tick, group};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::report::{PlotAxis, Style};
use crate::reproduce::claims::Claim;
use lowrank::engine::Precision;
use lowrank::{Backend, Method, Result, Settings, Stop};

use measure::{SHOTS, State, conditions, qubits};

pub(super) struct Tomography;

impl Room for Tomography {
    fn title(&self) -> &'static str {
        "Quantum states from a fifth of their Pauli expectation values"
    }

    fn source(&self) -> &'static str {
        "arXiv 2104.07006"
    }

    fn claimed(&self) -> &'static str {
        "pure states of 6 qubits from a fifth of the Pauli strings to a fidelity of 0.98 within a second; infidelity like 1/shots"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let n = if quick { 64 } else { 256 };
        Rerun {
            study: Relative::Tomography2021,
            n,
            rank: 2,
            search_rank: 8,
            measurements: n * n / 5,
            condition_numbers: vec![1.0],
            step_size: 0.25,
            target: 1e-6,
            iterations: if quick { 2000 } else { 4000 },
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "A state of q qubits is a Hermitian matrix ρ of size 2^q with trace 1, and a Pauli string gives one number tr(Pρ). \
                 A fifth of the 4^q strings, drawn at random, is measured with {SHOTS} shots each. The unknown is UUᴴ with complex U of \
                 {k} columns; the default method finds the rank. The states: GHZ, (|0…0⟩ + |1…1⟩)/√2; the Hadamard state, the equal \
                 superposition of all bits; random states of rank 1 to 4 with equal eigenvalues.",
                k = s.search_rank
            ),
            "The infidelity 1 − F of a random pure state falls like 1/shots: the error of an expectation value falls like 1/√shots, \
             and F is quadratic in the error of the state. The number of iterations of the default method does not grow with the \
             condition number of the state, that of gradient descent does. From a small random start gradient descent passes through \
             the three phases of the main paper, for complex matrices too."
                .into(),
            format!(
                "The paper runs a momentum method (MiFGD) with step and momentum chosen by hand, to 98 % fidelity in less than 5 s at \
                 six qubits on four cores; times of that run are not repeated here. `benches/versus/tomography.py` restates the method in NumPy \
                 and runs both on one machine. Sizes here: {} qubits, m = 4^q/5.",
                qubits(s).iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        let problem = measure::exact(State::Random(s.rank), s.n, s.measurements, s.seed, 1.0)?;
        let settings = Settings::new(Method::gd())
            .search_rank(s.search_rank)
            .diagnose(true)
            .precision(s.precision)
            .stop(Stop::default().relative_error(1e-4).max_iterations(s.iterations));
        Ok(vec![Heat {
            name: "a small random start".into(),
            problem,
            settings,
            entries: vec![RaceEntry::new("gd", 1.0, "gd from a small random start")],
            work: 1.0,
        }])
    }

    fn tasks<'a>(&self, s: &'a Rerun, backend: &'a Backend) -> Result<Vec<Task<'a>>> {
        let work = qubits(s).into_iter().map(|q| (1 << (2 * q)) as f64 / 4096.0).sum();
        let states = Task::new("states", work, move |tick: &mut Tick<'_>| measure::states(s, backend, tick));
        let shots = Task::new("shots", 2.0, move |tick: &mut Tick<'_>| measure::shots(s, backend, tick));
        let conditions = Task::new("condition numbers", 2.0, move |tick: &mut Tick<'_>| {
            measure::condition_numbers(s, backend, tick)
        });
        Ok(vec![states, shots, conditions])
    }

    fn pictures<'a>(&self, s: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        vec![Picture {
            title: "The descent from a small random start",
            of: Of::Error,
            powers: false,
            views: vec![View { title: format!("{} qubits", s.n.ilog2()), courses: courses.iter().collect() }],
            caption: format!("Relative error of a state of rank {} from exact expectation values.", s.rank),
        }]
    }

    fn graphs<'a>(&self, s: &Rerun, curves: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        let lines = |what: &str, style| group(curves, what).into_iter().map(|c| (c, style)).collect::<Vec<_>>();
        let mut infidelity = lines("shots", Style::Points);
        infidelity.extend(lines("shots-fit", Style::Dashed));
        vec![
            Graph {
                name: "shots",
                title: "Infidelity against the number of shots",
                caption: "A random pure state of six qubits, a fifth of the Pauli strings; dashed: 1/shots through the medians.".into(),
                panels: vec![GraphPanel {
                    title: "Infidelity 1 − F".into(),
                    x: PlotAxis::log("shots for each string"),
                    y: PlotAxis::log("1 − F"),
                    curves: infidelity,
                }],
            },
            Graph {
                name: "states",
                title: "Infidelity and seconds of six kinds of states",
                caption: format!("{SHOTS} shots for each of a fifth of the strings; the time of the whole solve."),
                panels: vec![
                    GraphPanel {
                        title: "Infidelity 1 − F".into(),
                        x: PlotAxis::linear("qubits"),
                        y: PlotAxis::log("1 − F"),
                        curves: lines("infidelity", Style::Points),
                    },
                    GraphPanel {
                        title: "Seconds".into(),
                        x: PlotAxis::linear("qubits"),
                        y: PlotAxis::log("seconds"),
                        curves: lines("seconds", Style::Points),
                    },
                ],
            },
            Graph {
                name: "conditions",
                title: "Iterations against the condition number",
                caption: format!(
                    "States of rank 3 on {} qubits from exact values of a fifth of the strings, to a relative error of {:e}.",
                    5, s.target
                ),
                panels: vec![GraphPanel {
                    title: "Iterations".into(),
                    x: PlotAxis::log("condition number of the factor"),
                    y: PlotAxis::log("iterations"),
                    curves: lines("iterations", Style::Line),
                }],
            },
        ]
    }

    fn claims(&self, s: &Rerun, courses: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim> {
        let mut all = claims::within_a_second(curves).to_vec();
        all.extend([claims::slope(curves), claims::independent(curves, conditions(s))]);
        all.extend(claims::fidelities(curves));
        all.extend(claims::phases(courses));
        all
    }
}
