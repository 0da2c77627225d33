//! Text that somebody else wrote, made harmless for a terminal.

use std::{borrow::Cow, fmt::Write};

/// Whether a terminal would act on the character, or hide it, or let it turn its neighbours around.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The text on one line, with everything that a terminal would act on spelled out.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hostile(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Several lines of text, each of them clean.
pub(crate) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// JSON that says the same, in characters that a terminal does not act on. They can only stand in its strings.
pub(crate) fn clean_json(json: String) -> String {
    let hostile = |c: char| c != '\n' && is_hostile(c);
    if !json.contains(hostile) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if hostile(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// The beginning of a text that is longer than `most` characters.
pub(crate) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// A number with its thousands set apart, which people can read.
pub(crate) fn count(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_act_on_is_spelled_out() {
        assert_eq!(clean("order-1 für Ann 🍕"), "order-1 für Ann 🍕");
        assert_eq!(clean("a\x1b[2Jb\r\n\u{9b}31mc\u{202e}d\u{7f}"), r"a\u{1b}[2Jb\r\n\u{9b}31mc\u{202e}d\u{7f}");
        assert_eq!(clean_lines("plan\n  \x1b[1mscan\n"), "plan\n  \\u{1b}[1mscan");
    }

    #[test]
    fn clean_json_says_the_same() {
        let value = serde_json::json!({ "id": "a\u{9b}31m\u{202e}\u{7f}\u{1b}" });
        let printed = clean_json(serde_json::to_string_pretty(&value).unwrap());
        assert!(!printed.contains(|c: char| c != '\n' && is_hostile(c)), "{printed:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!((shorten("añb", 3), shorten("añb", 2)), ("añb".into(), "añ…".into()));
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1000, 1_234_567, -4321].map(count);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567", "-4,321"]);
    }
}
