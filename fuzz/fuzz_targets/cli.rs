#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = lowrank_cli::understand::words(bytes);
});
