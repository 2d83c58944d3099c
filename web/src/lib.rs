//! What the page of `web/page` asks of the library: a problem that is made or read, a run that reports every observation,
//! and the factors as a file. `browser` is the way to JavaScript; the rest runs anywhere and is tested anywhere.

#[cfg(target_family = "wasm")]
mod browser;
mod files;
mod lists;
mod picture;
mod run;
mod wish;

pub use files::File;
pub use lists::{Lists, lists};
pub use run::{Event, Finished, run};
pub use wish::Wish;
