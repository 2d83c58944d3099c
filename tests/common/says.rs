//! Checks of messages by the pieces that matter (names, numbers, words of a list), so that their prose can be edited freely.

/// Whether `text` holds `piece` as words of its own: `0` is not in `10`, `0.5` or `0e3`, `rank` not in `frank`. A piece may stop
/// inside a word (`symmetr` is in `symmetric`), but not inside a number.
pub fn says(text: &str, piece: &str) -> bool {
    let wordy = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    text.match_indices(piece).any(|(at, found)| {
        let (before, after) = (&text[..at], &text[at + found.len()..]);
        let mut left = before.chars().rev();
        let mut right = after.chars();
        let (last, next, one_on) = (left.next(), right.next(), right.next());
        let starts = !wordy(found.chars().next())
            || !(wordy(last) || last == Some('.') && digit(left.next()) && digit(found.chars().next()));
        let ends = !digit(found.chars().last()) || !(wordy(next) || next == Some('.') && digit(one_on));
        starts && ends
    })
}

/// Fails unless `text` says every piece, and shows the whole text.
#[track_caller]
pub fn assert_says(text: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(says(text, piece), "'{piece}' is missing in:\n{text}");
    }
}

#[test]
fn numbers_and_words_are_found_whole() {
    let text = "--rank: found 10; allowed: 1 to 0.5, 2.50, not symmetric. Use 7.";
    for piece in ["--rank", "10", "1", "0.5", "symmetr", "7", "found 10"] {
        assert!(says(text, piece), "{piece}");
    }
    for piece in ["0", "5", "2.5", "50", "2", "ank", "metric", "found 1"] {
        assert!(!says(text, piece), "{piece}");
    }
}
