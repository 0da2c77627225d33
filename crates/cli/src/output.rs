//! Standard output, which may be closed at its other end: `tenure cluster status | head -1`. All printing goes through
//! here; `println!` would panic.

use crate::show::text::clean_json;
use serde_json::Value;
use std::{
    fmt,
    io::{self, Write},
};

/// Whoever read our output has heard enough. The command ends without a word.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(crate) struct Closed;

/// Prints a line.
pub(crate) fn line(text: impl fmt::Display) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        outcome => Ok(outcome?),
    }
}

/// Prints JSON that stands by itself, for people and programs.
pub(crate) fn document(json: &Value) -> anyhow::Result<()> {
    line(clean_json(serde_json::to_string_pretty(json)?))
}

/// Prints JSON that is one of many, on a line of its own.
pub(crate) fn json_line(json: &Value) -> anyhow::Result<()> {
    line(clean_json(json.to_string()))
}

/// Says something beside the output, where it disturbs no program that reads that.
pub(crate) fn note(text: impl fmt::Display) {
    // Standard error may be closed; then there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}
