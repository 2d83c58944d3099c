#![no_main]

// The program has no library of its own: its command line is built in here.
#[path = "../../src/cli/mod.rs"]
#[allow(dead_code)]
mod cli;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = cli::understand::words(bytes);
});
