//! Waiting for a device. A program blocks its thread. In a browser a promise is kept only while no code runs, so the
//! waiting code hands over turns instead.

use std::sync::mpsc::Receiver;
use std::time::Duration;

#[cfg(target_family = "wasm")]
use turns as way;
#[cfg(target_family = "wasm")]
pub use turns::set_turn;

#[cfg(not(target_family = "wasm"))]
use blocking as way;

/// Whether this program can wait at all.
pub(super) fn is_possible() -> bool {
    way::is_possible()
}

/// The value of a future.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    way::block_on(future)
}

/// The answer of a callback; `None` where none comes within `patience`.
pub(super) fn answer<T>(receiver: &Receiver<T>, patience: Duration) -> Option<T> {
    way::answer(receiver, patience)
}

/// Waits for one submission, or for all.
///
/// # Errors
/// [`wgpu::PollError::Timeout`] after `patience`.
pub(super) fn submitted(
    (device, queue): (&wgpu::Device, &wgpu::Queue),
    submission_index: Option<wgpu::SubmissionIndex>,
    patience: Duration,
) -> Result<(), wgpu::PollError> {
    way::submitted((device, queue), submission_index, patience)
}

#[cfg(not(target_family = "wasm"))]
mod blocking {
    use super::{Duration, Receiver};

    pub(super) use pollster::block_on;

    pub(super) fn is_possible() -> bool {
        true
    }

    pub(super) fn answer<T>(receiver: &Receiver<T>, patience: Duration) -> Option<T> {
        receiver.recv_timeout(patience).ok()
    }

    pub(super) fn submitted(
        (device, _): (&wgpu::Device, &wgpu::Queue),
        submission_index: Option<wgpu::SubmissionIndex>,
        patience: Duration,
    ) -> Result<(), wgpu::PollError> {
        device.poll(wgpu::PollType::Wait { submission_index, timeout: Some(patience) }).map(drop)
    }
}

#[cfg(target_family = "wasm")]
mod turns {
    use std::pin::pin;
    use std::sync::OnceLock;
    use std::task::{Context, Poll, Waker};

    use web_time::Instant;

    use super::{Duration, Receiver};

    static TURN: OnceLock<fn(u32)> = OnceLock::new();

    /// Sets the function that lets the browser keep its promises and then returns, for instance by
    /// `WebAssembly.Suspending`. Its argument is the number of turns that the present wait has taken, so that long waits can
    /// take longer turns. Without such a function there are no adapters. The first one stays.
    pub fn set_turn(turn: fn(u32)) {
        TURN.get_or_init(|| turn);
    }

    pub(super) fn is_possible() -> bool {
        TURN.get().is_some()
    }

    fn turn(taken: &mut u32) {
        if let Some(turn) = TURN.get() {
            turn(*taken);
        }
        *taken = taken.saturating_add(1);
    }

    pub(super) fn block_on<F: Future>(future: F) -> F::Output {
        let (mut future, mut taken) = (pin!(future), 0);
        loop {
            // Whoever waits asks again after every turn, so nobody needs to wake it.
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(value) => return value,
                Poll::Pending => turn(&mut taken),
            }
        }
    }

    pub(super) fn answer<T>(receiver: &Receiver<T>, patience: Duration) -> Option<T> {
        let (begin, mut taken) = (Instant::now(), 0);
        loop {
            match receiver.try_recv() {
                Ok(value) => return Some(value),
                Err(_) if begin.elapsed() < patience => turn(&mut taken),
                Err(_) => return None,
            }
        }
    }

    /// WebGPU tells only when all submissions are done.
    pub(super) fn submitted(
        (_, queue): (&wgpu::Device, &wgpu::Queue),
        _: Option<wgpu::SubmissionIndex>,
        patience: Duration,
    ) -> Result<(), wgpu::PollError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        queue.on_submitted_work_done(move || {
            // The receiver is gone where patience ended.
            let _ = sender.send(());
        });
        answer(&receiver, patience).ok_or(wgpu::PollError::Timeout)
    }
}
