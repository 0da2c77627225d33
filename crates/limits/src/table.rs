//! The table of all limits, made where they are declared.

use std::{fmt, time::Duration};

/// A limit as the documentation has it.
#[derive(Debug)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    pub value: Value,
    /// A sentence or more: of what it is, and what becomes of the rest.
    pub meaning: &'static str,
}

/// How much a limit allows.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    Number(u64),
    Time(Duration),
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::Number(value as u64)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Number(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Number(value.into())
    }
}

impl From<Duration> for Value {
    fn from(value: Duration) -> Self {
        Value::Time(value)
    }
}

impl fmt::Display for Limit {
    /// A row of a Markdown table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match (self.value, self.meaning.starts_with(" Bytes")) {
            (Value::Time(time), _) => format!("{} s", time.as_secs()),
            (Value::Number(number), false) => number.to_string(),
            (Value::Number(bytes), true) if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
            (Value::Number(bytes), true) => format!("{} KiB", bytes >> 10),
        };
        write!(f, "| {} | {value} |{} |", self.name, self.meaning)
    }
}

/// Declares limits, and a function that lists them.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ pub const $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: $type = $value;)+

        /// All limits, in the order of their declaration.
        pub fn all() -> Vec<$crate::Limit> {
            vec![$($crate::Limit { name: stringify!($name), value: $name.into(), meaning: concat!($($doc),+) }),+]
        }
    };
}
pub(crate) use limits;
