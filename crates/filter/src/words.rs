//! Words of a text, as the reference server's search finds them: letters and digits, without case and accents.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The words of a text, in their order. An index of a text has a key for each.
pub fn words(text: &str) -> Vec<String> {
    let bare = text.nfd().filter(|c| !is_combining_mark(*c));
    let lower: String = bare.flat_map(char::to_lowercase).nfc().collect();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The phrases of a query's value, none of which is empty.
pub(crate) fn phrases(query: &str) -> Vec<Vec<String>> {
    query.split(' ').map(words).filter(|phrase| !phrase.is_empty()).collect()
}

pub(crate) fn contains(words: &[String], phrase: &[String]) -> bool {
    words.windows(phrase.len()).any(|window| window == phrase)
}
