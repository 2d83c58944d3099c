//! The program `lowrank`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Mesa's device-selection layer prints an error where there is no session directory, as in containers and on
    // servers; without the layer the adapters are the same.
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    lowrank_cli::main()
}
