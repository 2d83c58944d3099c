//! How a suite of tests with a harness of its own runs and ends.

use std::io::Write;

use libtest_mimic::{Arguments, Trial};

/// The same tests, those of the first and of the second half in turn: neighbours share kernels, which threads with devices
/// of their own would compile at the same time instead of finding them in the driver's cache.
fn apart(mut tests: Vec<Trial>) -> Vec<Trial> {
    let mut second = tests.split_off(tests.len().div_ceil(2)).into_iter();
    tests.into_iter().flat_map(|first| [Some(first), second.next()]).flatten().collect()
}

/// Runs the tests and ends the process with their outcome.
///
/// The process ends at once, without the exit handlers of libraries: a software driver frees its memory in them while threads
/// that drew on it may still be winding down, and one run in hundreds aborted there after its last test had passed.
pub fn run(arguments: &Arguments, tests: Vec<Trial>) -> ! {
    let failed = libtest_mimic::run(arguments, apart(tests)).has_failed();
    // What cannot be written has no reader.
    let _ = std::io::stdout().flush();
    #[cfg(unix)]
    // SAFETY: the function takes a number and does not return.
    unsafe {
        libc::_exit(if failed { 101 } else { 0 })
    }
    #[cfg(not(unix))]
    std::process::exit(if failed { 101 } else { 0 })
}
