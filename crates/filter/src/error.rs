//! What is wrong with a query, in the reference server's words where it has some.

use sqlparser::tokenizer::Location;
use std::fmt;

/// Where in a query: both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

/// Why a query is refused; to the client it is INVALID_ARGUMENT. `Display` is the whole sentence, with the position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    message: String,
    attribute: Option<String>,
    position: Option<Position>,
}

/// Characters of a message, and of an attribute's name: both may repeat what a query says, and go in the headers of a
/// response.
const LONGEST: usize = 1_000;

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

impl FilterError {
    pub(crate) fn new(message: impl Into<String>) -> FilterError {
        FilterError { message: cut(message.into()), attribute: None, position: None }
    }

    pub(crate) fn malformed(reason: impl fmt::Display) -> FilterError {
        FilterError::new(format!("malformed SQL query: {reason}"))
    }

    pub(crate) fn unsupported(what: impl fmt::Display) -> FilterError {
        FilterError::new(format!("operation is not supported: {what}"))
    }

    pub(crate) fn invalid(what: impl fmt::Display) -> FilterError {
        FilterError::new(format!("invalid expression: {what}"))
    }

    pub(crate) fn at(mut self, location: Location) -> FilterError {
        let known = location.line > 0;
        let position = known.then_some(Position { line: location.line, column: location.column });
        self.position = self.position.or(position);
        self
    }

    pub(crate) fn of(mut self, attribute: &str) -> FilterError {
        self.attribute.get_or_insert_with(|| cut(attribute.to_owned()));
        self
    }

    /// The sentence without the position, which is the reference server's where it has one.
    pub fn message(&self) -> String {
        format!("invalid query: {}", self.message)
    }

    /// The attribute that it is about, as the query names it.
    pub fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }

    pub fn position(&self) -> Option<Position> {
        self.position
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid query: {}", self.message)?;
        if let Some(attribute) = self.attribute.as_ref().filter(|name| !self.message.contains(name.as_str())) {
            write!(f, ", in what is asked of {attribute}")?;
        }
        match self.position {
            Some(Position { line: 1, column }) => write!(f, " (at column {column})"),
            Some(Position { line, column }) => write!(f, " (at line {line}, column {column})"),
            None => Ok(()),
        }
    }
}
