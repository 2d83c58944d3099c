//! Values of flags of one number, and lists.

use std::fmt::Display;
use std::str::FromStr;

pub use lowrank::options::{Scalar, values as parse};

/// The value of a flag that a whole run shares: a list is answered with more than that it is no number.
///
/// # Errors
/// A sentence for the user.
pub fn single<T: FromStr<Err: Display>>(text: &str) -> std::result::Result<T, String> {
    text.parse::<T>().map_err(|error| match text.contains([',', ':']) {
        true => "one value is allowed, no list or range, since everything in a run shares it; run once for each value"
            .into(),
        false => error.to_string(),
    })
}
