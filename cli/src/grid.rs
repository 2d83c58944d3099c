//! Values of flags of one number, and lists.

use std::fmt::Display;
use std::str::FromStr;

pub use lowrank::internals::options::values as parse;

/// Parses the value of a flag that a whole run shares; the error for a list explains the reason.
///
/// # Errors
/// A sentence for the user.
pub fn single<T: FromStr<Err: Display>>(text: &str) -> std::result::Result<T, String> {
    text.parse::<T>().map_err(|error| match text.contains([',', ':']) {
        true => "only one value is allowed, no list or range, because all trials of a run share it; run once per \
                 value"
            .into(),
        false => error.to_string(),
    })
}
