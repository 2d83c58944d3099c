//! How a suite of tests with a harness of its own runs and ends.

use std::io::Write;

use libtest_mimic::{Arguments, Trial};

/// Runs the tests and ends the process with their outcome.
///
/// The process ends at once, without the exit handlers of libraries: a software driver frees its memory in them while threads
/// that drew on it may still be winding down, and one run in hundreds aborted there after its last test had passed.
pub fn run(arguments: &Arguments, tests: Vec<Trial>) -> ! {
    let failed = libtest_mimic::run(arguments, tests).has_failed();
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
