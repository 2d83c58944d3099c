//! Numbers as text for people.

/// A number with four significant digits: plain where short (`0.2686`, `12.5`), else scientific (`9.648e-7`).
pub fn readable(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    // Below 10 000 four digits never hide an integer digit.
    if (1e-3..9999.5).contains(&size) {
        let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
        let text = format!("{value:.digits$}");
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    let text = format!("{value:.3e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits}e{exponent}")
}

/// An estimate with two significant digits.
pub fn readable_estimate(value: f64) -> String {
    readable(format!("{value:.1e}").parse().unwrap_or(value))
}

/// A duration in the most readable unit.
#[cfg(feature = "internals")]
pub fn readable_seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 || s == 0.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    format!("{} {unit}", readable((value * 100.0).round() / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_have_two_digits() {
        let found: Vec<String> = [36.412, 3.05, 0.0249, 128.0].map(readable_estimate).into();
        assert_eq!(found, ["36", "3", "0.025", "130"]);
    }

    #[test]
    fn numbers_are_short_and_keep_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.268_58, "0.2686"),
            (12.5, "12.5"),
            (0.005, "0.005"),
            (9999.0, "9999"),
            (12_345.0, "1.234e4"),
            (9.647_8e-7, "9.648e-7"),
            (1e-6, "1e-6"),
            (-2.5, "-2.5"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(readable(value), text);
        }
    }

    #[cfg(feature = "internals")]
    #[test]
    fn durations_have_a_fitting_unit() {
        for (seconds, text) in [(0.0, "0 s"), (2.5, "2.5 s"), (0.0041, "4.1 ms"), (7.87e-6, "7.87 µs")] {
            assert_eq!(readable_seconds(seconds), text);
        }
    }
}
