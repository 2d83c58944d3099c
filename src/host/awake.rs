//! Parallel regions of an iteration whose threads stay awake. An iteration over a small problem takes some tens of
//! microseconds, and waking a thread takes as long.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use web_time::Instant;

/// Time after which an idle thread stops polling. Waking it later costs little beside such a wait.
const PATIENCE: Duration = Duration::from_micros(200);

/// Steps after which the polling threads are called again: a thread delayed beyond its patience, for instance by
/// another program, has stopped polling.
const STEPS: usize = 16;

/// Takes `times` steps on a thread of the pool, while the other threads poll for parts of them.
pub(super) fn awake(times: usize, mut step: impl FnMut() + Send) {
    // All steps run on one thread of the pool.
    rayon::scope(|_| {
        for first in (0..times).step_by(STEPS) {
            attended(|| (first..times.min(first + STEPS)).for_each(|_| step()));
        }
    });
}

/// Runs `work` while the other threads of the pool poll for parts of it.
fn attended(work: impl FnOnce()) {
    let done = &AtomicBool::new(false);
    rayon::in_place_scope(|scope| {
        let own = rayon::current_thread_index();
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(move |_| {
                let mut idle = Instant::now();
                // The thread of `work` skips this: it takes this task up only while it waits for a part on another
                // thread.
                while rayon::current_thread_index() != own && !done.load(Ordering::Acquire) {
                    if rayon::yield_now() == Some(rayon::Yield::Executed) {
                        idle = Instant::now();
                    } else if idle.elapsed() > PATIENCE {
                        return;
                    }
                    std::hint::spin_loop();
                }
            });
        }
        work();
        done.store(true, Ordering::Release);
    });
}

/// Counts down when an item is done, even by a panic.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Calls `f` on every item. Each thread begins with the same run of items every time, so their data may still be in its
/// cache. A thread that is done takes items of the others.
pub(super) fn share<I: Send>(items: Vec<I>, f: impl Fn(I) + Send + Sync) {
    let threads = rayon::current_num_threads().min(items.len()).max(1);
    let (count, run) = (items.len(), items.len().div_ceil(threads));
    let items: Vec<Mutex<Option<I>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let left = AtomicUsize::new(count);
    let work = |first: usize| {
        for at in (first..count).chain(0..first) {
            // A lock is held only while the item is taken, so it is never poisoned.
            if let Some(item) = items[at].lock().ok().and_then(|mut item| item.take()) {
                let _done = Done(&left);
                f(item);
            }
        }
    };
    let work = &work;
    rayon::scope(|scope| {
        for part in 1..threads {
            scope.spawn(move |_| work((part * run).min(count)));
        }
        work(0);
        let waiting = Instant::now();
        while left.load(Ordering::Acquire) > 0 && waiting.elapsed() < PATIENCE {
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                std::hint::spin_loop();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_once_on_pools_of_any_size_and_in_each_other() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for count in [0, 1, 3, 8] {
                let mut sums = vec![[0_u64; 7]; count];
                pool.install(|| {
                    share(sums.iter_mut().collect(), |sums: &mut [u64; 7]| {
                        awake(20, || share(sums.iter_mut().collect(), |sum: &mut u64| *sum += 1));
                    });
                });
                assert_eq!(sums, vec![[20; 7]; count]);
            }
        }
    }

    #[test]
    fn a_panic_gets_out() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let run = || pool.install(|| awake(2, || share(vec![1, 2, 3], |i| assert!(i != 3))));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    }
}
