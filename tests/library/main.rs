//! The library on the host: files, operators, models, methods, runs and their endings.

mod completion;
mod defaults;
mod faults;
mod io;
mod laws;
mod methods;
mod models;
mod numerical;
mod options;
mod phases;
mod pursuit;
mod rank_one;
mod resume;
#[path = "../common/running.rs"]
mod running;
mod session;
mod shaders;
mod solver;
mod team;
#[path = "../common/thin.rs"]
mod thin;
mod triplets;
