//! JSON text, written by hand where a message becomes it: strings with their escapes, and indentation.

/// What is not written as it is, besides control characters: a page that shows JSON without care must not find tags in it.
const HTML: [u8; 3] = *b"<>&";

/// Writes a string with its quotes.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => br#"\""#,
            b'\\' => br"\\",
            b'\n' => br"\n",
            b'\r' => br"\r",
            b'\t' => br"\t",
            0..0x20 | 0x7f | b'<' | b'>' | b'&' => {
                out.extend_from_slice(&text.as_bytes()[plain..at]);
                escape(byte, out);
                plain = at + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        out.extend_from_slice(short);
        plain = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

/// Writes what is JSON already. What is escaped of it can only stand in its strings.
pub(super) fn raw(json: &str, out: &mut Vec<u8>) {
    let mut plain = 0;
    for (at, byte) in json.bytes().enumerate().filter(|(_, byte)| HTML.contains(byte)) {
        out.extend_from_slice(&json.as_bytes()[plain..at]);
        escape(byte, out);
        plain = at + 1;
    }
    out.extend_from_slice(&json.as_bytes()[plain..]);
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(br"\u00");
    out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// Indents JSON that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Indent {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// An object or an array has begun, and nothing of it has come yet.
    begun: bool,
}

/// The depth from which lines are indented no further: a payload of brackets alone would become its square.
const MAX_INDENT: usize = 32;

impl Indent {
    /// The next piece, indented.
    pub(super) fn piece(&mut self, json: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(json.len() * 3 / 2);
        json.iter().for_each(|byte| self.byte(*byte, &mut out));
        out
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return out.push(byte);
        }
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            return;
        }
        let empty = std::mem::take(&mut self.begun);
        match byte {
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if !empty {
                    self.line(out);
                }
            }
            _ if empty => self.line(out),
            _ => {}
        }
        out.push(byte);
        match byte {
            b'{' | b'[' => {
                self.depth += 1;
                self.begun = true;
            }
            b',' => self.line(out),
            b':' => out.push(b' '),
            b'"' => self.in_string = true,
            _ => {}
        }
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + 2 * self.depth.min(MAX_INDENT), b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_come_back_and_hold_no_tags() {
        let every: String =
            (0..0x300).filter_map(char::from_u32).chain(['\u{2028}', '\u{10ffff}', '"', '\\']).collect();
        for text in [every.as_str(), "", "<script>alert('&')</script>", "\\\"", "tail\\"] {
            let mut out = Vec::new();
            string(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            assert!(!out.iter().any(|byte| HTML.contains(byte) || *byte < 0x20), "{text}");
        }
    }

    #[test]
    fn json_stays_what_it_is_without_tags() {
        let text = r#"{ "<a>": ["&", 1.50, 123456789012345678901234567890] }"#;
        let mut out = Vec::new();
        raw(text, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{ "\u003ca\u003e": ["\u0026", 1.50, 123456789012345678901234567890] }"#
        );
    }

    #[test]
    fn indented_json_is_the_same_json() {
        let value = json!({"a": [1, {"b": []}, "x, {y}: \"[z]\\"], "c": {}, "d": null});
        let text = value.to_string();
        for length in 1..text.len() {
            let mut indent = Indent::default();
            let pieces: Vec<u8> = text.as_bytes().chunks(length).flat_map(|piece| indent.piece(piece)).collect();
            assert_eq!(String::from_utf8(pieces).unwrap(), serde_json::to_string_pretty(&value).unwrap(), "{length}");
        }
    }

    #[test]
    fn depth_does_not_square_what_is_indented() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let indented = Indent::default().piece(deep.as_bytes());
        assert!(indented.len() < 200_000 * (2 * MAX_INDENT + 2), "{}", indented.len());
    }
}
