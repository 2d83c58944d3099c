//! A fixed trace after a method that does not keep it: its result, scaled, descends with steps that keep it.

use std::ops::ControlFlow;
use web_time::Instant;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::methods::Method;
use crate::models::RandomStart;
use crate::operators::Loss;
use crate::problem::Factors;
use crate::solver::init::Init;
use crate::solver::plan::Plan;
use crate::solver::settings::{Settings, Stop};
use crate::solver::solution::{Solution, Status, TrialSolution};
use crate::solver::starts::padded;
use crate::solver::trial::Trial;
use crate::solver::{Observer, Solver};

impl Plan {
    /// Refuses a fixed trace on several ranks with a method that does not keep it: the descent after it runs on one.
    pub(super) fn require_trace_of(&self, settings: &Settings, backend: &Backend) -> Result<()> {
        let kept = settings.fixed_trace.is_none() || self.method.keeps_trace();
        if kept || !matches!(backend, Backend::Team(..)) {
            return Ok(());
        }
        let what = format!("fixed_trace on several ranks with the method {}", self.method.word());
        let fix = format!("use one of {}, which keep the trace in every step, or one rank", Method::keeping_trace());
        Err(Error::Unsupported { what, fix })
    }
}

impl Solver {
    /// The fit with the trace that the settings fix: itself where every step kept it, else its descent from the scaled factors.
    pub(super) fn on_trace(&self, fit: Solution, observer: &mut Observer<'_>) -> Result<Solution> {
        let kept = self.plan.method.keeps_trace();
        let Some(trace) = self.settings.fixed_trace.filter(|_| !kept) else { return Ok(fit) };
        let Some(backend) = self.loaded.backend_alone() else { return Ok(fit) };
        let started = Instant::now();
        let start = self.start_of(&fit.trials)?;
        let ended = |trial: &TrialSolution| matches!(trial.status, Status::Interrupted | Status::TimeLimit);
        let solver = |more: bool| {
            let settings = self.settings_on_trace(&start, &fit, more);
            Solver::new(self.problem.clone(), settings, backend.clone())
        };
        let descent = match fit.trials.iter().any(ended) {
            true => None,
            false => solver(true)?.run_beside(observer)?,
        };
        let interrupted = descent.is_none();
        let found = match descent {
            Some(found) => found,
            // Scaled, and no further.
            None => solver(false)?.run(None, &mut |_| ControlFlow::Continue(()))?,
        };
        let method = if interrupted { None } else { Some(self.descent_on_trace().word()) };
        Ok(after(fit, found, (trace, method), started.elapsed().as_secs_f64()))
    }

    /// The method of the descent.
    fn descent_on_trace(&self) -> Method {
        match self.settings.loss {
            Loss::Square => Method::momentum().into(),
            _ => Method::gd().into(),
        }
    }

    /// Settings of the descent: those of the run, but for its method, start, numbers of the method, and files.
    fn settings_on_trace(&self, start: &Factors, fit: &Solution, more: bool) -> Settings {
        let own = self.settings.clone();
        let plain = |trial: Trial| Trial { step_size: None, damping: None, search_rank: None, seed: None, ..trial };
        let time = own.stop.time.map(|limit| (limit - fit.timing.solve).max(f64::MIN_POSITIVE));
        let max_iterations = if more { own.stop.max_iterations } else { 0 };
        Settings {
            method: Some(self.descent_on_trace()),
            init: Init::Given(start.clone()),
            search_rank: None,
            step_size: None,
            checkpoint: None,
            diagnose: false,
            // A variant of the first method's kernels need not be one of these.
            variant: None,
            stop: Stop { max_iterations, time, ..own.stop },
            trials: own.trials.iter().copied().map(plain).collect(),
            ..own
        }
    }

    /// The factors of a fit. A trial that found nothing, or nothing finite, starts at random.
    fn start_of(&self, trials: &[TrialSolution]) -> Result<Factors> {
        let domain = self.problem.operator().domain();
        let widest = trials.iter().map(|trial| trial.parameters.search_rank).max().unwrap_or(1);
        let sizes = self.plan.model.sizes(&domain, widest);
        let mut all = vec![Vec::new(); sizes.len()];
        for trial in trials {
            let p = &trial.parameters;
            let mut own: Vec<Vec<f64>> = trial.blocks().map(|block| block.as_slice().to_vec()).collect();
            let size: f64 = own.iter().flatten().map(|v| v * v).sum();
            if !(size > 0.0 && size.is_finite()) {
                let drawn = RandomStart { search_rank: p.search_rank, std: 1.0, ratio: 1.0, seed: p.seed.unwrap_or(0) };
                own = self.plan.model.random_start(&domain, &drawn);
            }
            for ((out, size), block) in all.iter_mut().zip(&sizes).zip(own) {
                padded(&block, p.search_rank, *size, out);
            }
        }
        Factors::of_sizes(trials.len(), &sizes, all)
    }
}

/// The descent `found` after the fit: iterations and times add up; parameters, and sentences on the fit, are those of the fit.
fn after(fit: Solution, mut found: Solution, (trace, method): (f64, Option<&str>), seconds: f64) -> Solution {
    let before = fit.trials.iter().map(|trial| trial.iterations).max().unwrap_or(0);
    for row in &mut found.trace {
        row.iteration += before;
        row.seconds += fit.timing.solve;
    }
    found.trace.splice(0..0, fit.trace);
    for (trial, first) in found.trials.iter_mut().zip(fit.trials) {
        trial.kept_iteration += before;
        trial.iterations += before;
        trial.parameters = first.parameters;
        if method.is_none() {
            trial.status = if first.status == Status::TimeLimit { first.status } else { Status::Interrupted };
        }
        let earlier = |said: String| format!("before its trace was fixed, {said}");
        trial.remark = trial.remark.take().or(first.remark.map(earlier));
        trial.doubt = trial.doubt.take().or(first.doubt.map(earlier));
    }
    found.timing.setup = fit.timing.setup;
    found.timing.solve = fit.timing.solve + seconds;
    found.timing.passes += fit.timing.passes;
    found.resumed_at = fit.resumed_at;
    let fitted = "the fit was scaled to that trace";
    let how = method.map_or(format!("{fitted}; the run ended there"), |word| format!("{fitted} and refined by {word}"));
    found.notices = fit.notices;
    found.with_notice(format!("fixed_trace {trace}: {how}"))
}
