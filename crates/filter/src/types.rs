//! Types of search attributes, and the values that records have of them.

use std::fmt;

/// The type of a search attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    Text,
    Keyword,
    Int,
    Double,
    Bool,
    Datetime,
    KeywordList,
}

impl Type {
    /// All types.
    pub const ALL: [Type; 7] =
        [Type::Text, Type::Keyword, Type::Int, Type::Double, Type::Bool, Type::Datetime, Type::KeywordList];
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Text => "Text",
            Type::Keyword => "Keyword",
            Type::Int => "Int",
            Type::Double => "Double",
            Type::Bool => "Bool",
            Type::Datetime => "Datetime",
            Type::KeywordList => "KeywordList",
        })
    }
}

/// What a record has of an attribute: a value of the attribute's type, or none. A double that is no number counts as none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// Also the number of an `ExecutionStatus`, and the nanoseconds of an `ExecutionDuration`.
    Int(i64),
    Double(f64),
    /// Nanoseconds since 1970, UTC.
    Datetime(i64),
    Keyword(&'a str),
    /// An empty list counts as none.
    KeywordList(&'a [String]),
    Text(&'a str),
}

/// A run as a filter sees it.
pub trait Record {
    /// The value of an attribute by its field, as [`Attribute::field`](crate::Attribute) tells it.
    fn value(&self, field: &str) -> Value<'_>;

    /// The run's [`position`](crate::encode::position).
    fn position(&self) -> Vec<u8>;
}
