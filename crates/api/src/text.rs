//! Texts that are cut because somebody else chose their length.

/// The start of a text: at most `bytes` bytes, and whole characters.
pub fn prefix(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    &text[..end]
}

#[cfg(test)]
mod tests {
    #[test]
    fn characters_stay_whole() {
        let cut: Vec<&str> = (0..5).map(|bytes| super::prefix("aé…", bytes)).collect();
        assert_eq!(cut, ["", "a", "a", "aé", "aé"]);
    }
}
