//! Fields of a table: values, and what stands for a missing one.

/// A field that should hold a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Value(f64),
    Missing,
    /// Neither a finite number nor a sign of a missing one.
    Other,
}

/// Words for a missing value, in small letters.
const MISSING: [&str; 11] = ["", "nan", "na", "n/a", "#n/a", "<na>", "null", "none", "?", ".", "-"];

/// Whether a field stands for a missing value.
pub(super) fn is_missing(field: &[u8]) -> bool {
    field.len() <= 4 && MISSING.iter().any(|word| field.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a field of ids names nothing. NA may be an id.
pub(super) fn names_nothing(field: &[u8]) -> bool {
    field.is_empty() || field.eq_ignore_ascii_case(b"nan") || field.eq_ignore_ascii_case(b"<na>")
}

/// Reads a value; `comma` says that a comma stands for the decimal point.
#[inline]
pub(super) fn cell(field: &[u8], comma: bool) -> Cell {
    let text = match std::str::from_utf8(field) {
        Ok(text) => text,
        Err(_) => return Cell::Other,
    };
    let parsed = match comma {
        true if field.contains(&b',') && !field.contains(&b'.') => text.replace(',', ".").parse::<f64>(),
        _ => text.parse::<f64>(),
    };
    match parsed {
        Ok(value) if value.is_finite() => Cell::Value(value),
        Ok(value) if value.is_nan() => Cell::Missing,
        Ok(_) => Cell::Other,
        Err(_) if is_missing(field) => Cell::Missing,
        Err(_) => Cell::Other,
    }
}

/// Whether a field has a comma where a decimal point would stand.
pub(super) fn has_decimal_comma(field: &[u8]) -> bool {
    let mut parts = field.split(|byte| *byte == b',');
    let (whole, digits) = (parts.next().unwrap_or_default(), parts.next());
    let digit = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let whole = whole.strip_prefix(b"-").unwrap_or(whole);
    parts.next().is_none() && digit(whole) && digits.is_some_and(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_signs_of_missing_ones_are_told_apart() {
        for (field, wanted) in [("1.5", 1.5), ("-2e3", -2000.0), (".5", 0.5), ("+4", 4.0)] {
            assert_eq!(cell(field.as_bytes(), false), Cell::Value(wanted), "{field}");
        }
        for field in ["", "NaN", "NA", "n/a", "null", "None", "?"] {
            assert_eq!(cell(field.as_bytes(), false), Cell::Missing, "{field}");
        }
        for field in ["inf", "abc", "1,5", "--"] {
            assert_eq!(cell(field.as_bytes(), false), Cell::Other, "{field}");
        }
        assert_eq!((cell(b"1,5", true), cell(b"1.5", true)), (Cell::Value(1.5), Cell::Value(1.5)));
        assert!(has_decimal_comma(b"-3,5") && !has_decimal_comma(b"3,5,1") && !has_decimal_comma(b",5"));
    }
}
