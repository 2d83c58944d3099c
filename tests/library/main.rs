//! The library on the host: files, operators, models, methods, runs and their endings.

mod adapter;
mod completion;
mod complex;
mod confidence;
mod defaults;
mod faults;
mod implicit;
mod intervals;
mod io;
mod laws;
mod memory;
mod methods;
mod models;
mod numerical;
mod open;
mod options;
mod phases;
mod pursuit;
mod rank_one;
mod resume;
#[path = "../common/running.rs"]
mod running;
#[path = "../common/says.rs"]
mod says;
mod selection;
mod session;
mod shaders;
mod solver;
mod tables;
mod team;
#[path = "../common/thin.rs"]
mod thin;
mod triplets;
mod trusted;

use lowrank::{Error, Solution};

/// Fails unless an [`Error::Invalid`] is about `name` and says these pieces of what it found and of what is allowed.
#[track_caller]
fn assert_invalid(error: &Error, name: &str, found: &[&str], allowed: &[&str]) {
    let Error::Invalid { name: of, found: was, allowed: may, .. } = error else {
        panic!("not about a setting: {error}")
    };
    assert_eq!(of, name, "{error}");
    says::assert_says(was, found);
    says::assert_says(may, allowed);
}

/// Whether one of the notices says every piece.
fn notes(solution: &Solution, pieces: &[&str]) -> bool {
    solution.notices.iter().any(|notice| pieces.iter().all(|piece| says::says(notice, piece)))
}
