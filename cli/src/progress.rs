//! Progress bars on terminals; no output elsewhere.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lowrank::Progress;

pub struct Bar<'a> {
    bar: ProgressBar,
    interrupted: &'a AtomicBool,
}

impl<'a> Bar<'a> {
    pub fn new(interrupted: &'a AtomicBool, wanted: bool) -> Self {
        let visible = wanted && std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = "{bar:28.cyan/blue} {pos}/{len} iterations, {elapsed}  {msg}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, interrupted }
    }

    /// Observes a solve.
    pub fn observe(&self, progress: &Progress<'_>) -> ControlFlow<()> {
        self.observe_named("", progress)
    }

    /// Observes one of several solves, with its name before the loss.
    pub fn observe_named(&self, name: &str, progress: &Progress<'_>) -> ControlFlow<()> {
        self.bar.set_length(progress.max_iterations as u64);
        self.bar.set_position(progress.iteration as u64);
        let losses = progress.rows.iter().map(|r| r.train_loss).fold(f64::INFINITY, f64::min);
        let errors = progress.rows.iter().filter_map(|r| r.relative_error).fold(f64::INFINITY, f64::min);
        let mut message = format!("{name}loss {losses:.2e}");
        if errors.is_finite() {
            message.push_str(&format!("  error {errors:.2e}"));
        }
        if let [row] = progress.rows {
            match (row.diagnosis, row.phase_proxy) {
                (Some(diagnosis), _) => message.push_str(&format!("  phase {}", diagnosis.phase.numeral())),
                (None, Some(phase)) => message.push_str(&format!("  phase (proxy) {}", phase.numeral())),
                (None, None) => {}
            }
        }
        if progress.active > 1 {
            message.push_str(&format!("  {} trials running", progress.active));
        }
        self.bar.set_message(message);
        if self.interrupted.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
