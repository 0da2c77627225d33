//! Standard output, which may be closed at its other end: `tenure cluster status | head -1`. All printing goes through
//! here; `println!` would panic.

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
