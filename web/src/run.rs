//! A run that reports every observation.

use std::ops::ControlFlow;

use lowrank::io::{in_turn, write_npy_c128, write_npy_f64};
use lowrank::operators::Operator;
use lowrank::problem::{Domain, Factors, MatrixView, Product, Truth};
use lowrank::{Backend, Error, Progress, Result, Solution, Solver, TraceRow};
use serde::Serialize;

use crate::files::File;
use crate::picture::{Picture, picture};
use crate::wish::Wish;

/// What a run says, in this order: one start, any number of observations, one end.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The problem is loaded.
    Start {
        backend: String,
        adapter: String,
        software: bool,
        precision: &'static str,
        method: &'static str,
        operator: String,
        rows: usize,
        columns: usize,
        /// Whether the matrix is complex; its picture is the real part.
        complex: bool,
        measurements: usize,
        search_rank: usize,
        step_size: f64,
        has_truth: bool,
        /// Singular values of the truth's factor.
        truth: Vec<f64>,
        notices: Vec<String>,
    },
    /// An observation.
    Seen {
        /// Number of the fit, counted from 0: some choices need several.
        fit: usize,
        max_iterations: usize,
        row: TraceRow,
        /// Singular values of U.
        spectrum: Vec<f64>,
    },
    /// The result.
    End {
        status: String,
        sentence: &'static str,
        iterations: usize,
        relative_error: Option<f64>,
        relative_residual: f64,
        estimated_rank: usize,
        t_star: Option<usize>,
        t_1: Option<usize>,
        seconds: f64,
        remarks: Vec<String>,
        /// Names of the factors.
        factors: Vec<String>,
        spectrum: Vec<f64>,
    },
}

/// A finished run.
pub struct Finished {
    solution: Solution,
}

impl Finished {
    /// Factor number `index` as a `.npy` file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a factor that does not exist.
    pub fn npy(&self, index: usize) -> Result<Vec<u8>> {
        let best = self.solution.best();
        let factor = best.blocks().nth(index).ok_or_else(|| {
            Error::invalid("factor", index, format!("0 to {}", best.names().len() - 1), "choose one of them")
        })?;
        let mut bytes = Vec::new();
        let k = factor.columns();
        let written = match best.product().is_complex() {
            true => write_npy_c128(&mut bytes, &[factor.rows() / 2, k], &in_turn(factor.as_slice())),
            false => write_npy_f64(&mut bytes, &[factor.rows(), k], factor.as_slice()),
        };
        written.map_err(|e| Error::io("factor.npy".as_ref(), e, "solve a smaller problem"))?;
        Ok(bytes)
    }
}

/// Solves what is wished for, and reports. The start comes with a picture of the truth, the rest with one of the iterate.
///
/// # Errors
/// Those of the wish, the files, the backend and the run.
pub fn run(wish: &Wish, files: Vec<File>, mut report: impl FnMut(&Event, &Picture)) -> Result<Finished> {
    let settings = wish.settings()?;
    let problem = wish.problem(files)?;
    let operator = problem.operator().clone();
    let complex = operator.domain().is_complex();
    let backend = match wish.backend.as_str() {
        "auto" => Backend::auto_with(&*operator, wish.precision)?,
        word => Backend::from_word(word)?,
    };
    let truth = problem.truth(0).cloned();
    let mut solver = Solver::new(problem, settings, backend)?;
    let of_truth = truth.as_ref().and_then(Truth::factor).map_or_else(Picture::default, |x| picture(x, x, complex));
    report(&start(&solver, &*operator, truth.as_ref())?, &of_truth);
    let (mut fit, mut last, mut failed) = (0, None, None);
    let solution = solver.solve_with(|progress| {
        fit += usize::from(last.is_some_and(|last| progress.iteration <= last));
        last = Some(progress.iteration);
        match seen(progress, fit, &operator.domain()) {
            Ok((event, picture)) => {
                report(&event, &picture);
                ControlFlow::Continue(())
            }
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(e) = failed {
        return Err(e);
    }
    let best = solution.best();
    report(&end(&solution), &picture(best.left(), best.right(), complex));
    Ok(Finished { solution })
}

fn start(solver: &Solver, operator: &dyn Operator, truth: Option<&Truth>) -> Result<Event> {
    let (engine, trial, domain) = (solver.engine(), &solver.trials()[0], operator.domain());
    Ok(Event::Start {
        backend: engine.backend.clone(),
        adapter: engine.adapter.clone(),
        software: engine.software_adapter,
        precision: engine.precision.word(),
        method: solver.method().word(),
        operator: operator.name().to_owned(),
        rows: domain.shape().0,
        columns: domain.shape().1,
        complex: domain.is_complex(),
        measurements: operator.measurements(),
        search_rank: trial.search_rank,
        step_size: trial.step_size,
        has_truth: truth.is_some(),
        truth: truth.map(Truth::singular_values).transpose()?.unwrap_or_default(),
        notices: solver.notices().to_vec(),
    })
}

fn seen(progress: &Progress<'_>, fit: usize, domain: &Domain) -> Result<(Event, Picture)> {
    let (left, right) = ends(progress.factors);
    let product =
        if progress.factors.is_single() { Product::psd(left) } else { Product::pair(left, right)? }.on(domain);
    let row = progress.rows.first().copied().ok_or_else(|| {
        Error::invalid("trials", "an observation of no trial", "one trial", "report a bug of lowrank")
    })?;
    let spectrum = if row.train_loss.is_finite() { product.singular_values()? } else { Vec::new() };
    let picture = picture(left, right, domain.is_complex());
    Ok((Event::Seen { fit, max_iterations: progress.max_iterations, row, spectrum }, picture))
}

fn ends(factors: &Factors) -> (MatrixView<'_>, MatrixView<'_>) {
    (factors.left(0), factors.right(0))
}

fn end(solution: &Solution) -> Event {
    let best = solution.best();
    let phases = best.phases.as_ref().map(|phases| (phases.t_star, phases.t_1));
    let proxy = best.phases_proxy.as_ref().map(|proxy| (proxy.t_star, proxy.t_1));
    let (t_star, t_1) = phases.or(proxy).unwrap_or_default();
    Event::End {
        status: best.status.to_string(),
        sentence: best.status.sentence(),
        iterations: best.iterations,
        relative_error: best.relative_error,
        relative_residual: best.relative_residual,
        estimated_rank: best.estimated_rank,
        t_star,
        t_1,
        seconds: solution.timing.solve,
        remarks: best.remark.iter().chain(&best.doubt).chain(&solution.notices).cloned().collect(),
        factors: best.names(),
        spectrum: best.singular_values.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::operators::Registration;

    /// What the page sends.
    const WISH: &str = r#"{"backend": "cpu", "precision": "f64", "method": "gd", "search_rank": 6, "init_scale": 1e-6,
        "init_seed": 2, "step_size": null, "max_iterations": 300, "problem": {"operator": "dense", "complex": false, "n": 20, "rank": 2,
        "measurements": 1200, "condition_number": 1.0, "noise_std": 0.0, "seed": 1}}"#;

    fn wish(change: impl FnOnce(&mut Wish)) -> Wish {
        let mut wish = serde_json::from_str(WISH).unwrap();
        change(&mut wish);
        wish
    }

    fn events(wish: &Wish) -> (Vec<Event>, Result<Finished>) {
        let mut events = Vec::new();
        let outcome = run(wish, Vec::new(), |event, picture| {
            assert_eq!(picture.pixels.len(), wish.problem.n.pow(2));
            events.push(event.clone());
        });
        (events, outcome)
    }

    #[test]
    fn a_run_starts_observes_and_ends() {
        let (events, finished) = events(&wish(|_| {}));
        let Some((Event::Start { has_truth, truth, .. }, rest)) = events.split_first() else { panic!("{events:?}") };
        assert!(*has_truth && truth.len() == 2);
        let Some((Event::End { relative_error, t_star, t_1, factors, .. }, seen)) = rest.split_last() else {
            panic!("{rest:?}")
        };
        assert!(
            relative_error.unwrap() < 1e-4 && t_star.unwrap() < t_1.unwrap(),
            "{relative_error:?} {t_star:?} {t_1:?}"
        );
        assert_eq!(factors, &["left"]);
        let iterations: Vec<usize> = seen
            .iter()
            .map(|event| match event {
                Event::Seen { row, spectrum, .. } if spectrum.len() == 6 && row.diagnosis.is_some() => row.iteration,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(iterations.len() > 100 && iterations.is_sorted() && iterations[0] == 0, "{iterations:?}");
        let finished = finished.unwrap();
        let bytes = lowrank::io::NpyArray::from_bytes("left.npy", finished.npy(0).unwrap()).unwrap();
        assert_eq!(bytes.to_vec().unwrap(), finished.solution.best().left().as_slice());
        assert!(finished.npy(1).err().unwrap().to_string().contains("0 to 0"));
    }

    #[test]
    fn every_operator_of_the_page_is_solved_as_its_own_truth() {
        let unknowns = |of: &crate::lists::Measured| [(of.real, false), (of.complex, true)];
        let operators = crate::lists().operators;
        let all = operators.iter().flat_map(|of| unknowns(of).map(|(measured, complex)| (of.word, measured, complex)));
        for (word, _, complex) in all.filter(|(_, measured, _)| *measured) {
            let wish = wish(|wish| {
                let registration = Registration::find(word).unwrap();
                (wish.problem.operator, wish.problem.complex) = (word.to_owned(), complex);
                // Strings of four qubits, and patterns of whole transforms.
                let (domain, m) = if complex { (Domain::hermitian(16), 480) } else { (Domain::symmetric(20), 1200) };
                (wish.problem.n, wish.problem.rank) = (domain.shape().0, if complex { 1 } else { 2 });
                wish.problem.measurements = (registration.limit)(domain).unwrap_or(m).min(m);
                (wish.method, wish.init_scale, wish.search_rank) = (None, None, None);
            });
            let (events, finished) = events(&wish);
            let Some(Event::End { relative_error, .. }) = events.last() else { panic!("{word}: {events:?}") };
            assert!(relative_error.unwrap() < 1e-3, "{word}, complex: {complex}: {relative_error:?}");
            let (file, n) = (finished.unwrap().npy(0).unwrap(), wish.problem.n);
            let header = String::from_utf8_lossy(&file[..128]).into_owned();
            let number = if complex { "<c16" } else { "<f8" };
            assert!(header.contains(number) && header.contains(&format!("({n}, ")), "{word}: {header}");
        }
    }

    #[test]
    fn what_does_not_exist_is_refused_by_name() {
        let said = |change: fn(&mut Wish)| events(&wish(change)).1.err().unwrap().to_string();
        assert!(said(|wish| wish.method = Some("magic".into())).starts_with("method: found 'magic'; allowed: gd"));
        assert!(said(|wish| wish.problem.operator = "magic".into()).starts_with("operator: found 'magic'"));
        assert!(said(|wish| wish.backend = "magic".into()).starts_with("backend: found 'magic'"));
        assert!(said(|wish| wish.problem.rank = 21).starts_with("rank: found 21"));
        assert!(said(|wish| wish.problem.measurements = usize::MAX).starts_with("measurements: found"));
        assert!(said(|wish| wish.init_scale = Some(-1.0)).starts_with("init_scale"));
    }
}
