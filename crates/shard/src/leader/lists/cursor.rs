//! One row after the other of a table, read in chunks.

use crate::seam::replica::ListRows;
use bytes::Bytes;
use std::{collections::VecDeque, ops::ControlFlow};
use tenure_engine::rows::{ListRange, ListTable, ReadError};

/// Rows of the smallest chunk and of the largest. The first has about what is wanted: between rows, there may be many times as
/// many tombstones. Those that follow are larger and larger.
const CHUNK: (usize, usize) = (8, 1024);

/// A walk through a part of a table.
pub(super) struct Cursor<'a> {
    rows: &'a dyn ListRows,
    table: ListTable<'a>,
    /// What is not read yet.
    range: ListRange,
    ahead: VecDeque<(Vec<u8>, Bytes)>,
    chunk: usize,
    is_done: bool,
}

impl<'a> Cursor<'a> {
    /// `wanted` is how many rows are probably read.
    pub(super) fn new(rows: &'a dyn ListRows, table: ListTable<'a>, range: ListRange, wanted: u64) -> Cursor<'a> {
        let is_empty = !range.end.is_empty() && range.start >= range.end;
        let chunk = usize::try_from(wanted).map_or(CHUNK.1, |wanted| wanted.clamp(CHUNK.0, CHUNK.1));
        Cursor { rows, table, range, ahead: VecDeque::new(), chunk, is_done: is_empty }
    }

    /// The next row, which stays: the last part of its key, and its value.
    pub(super) fn head(&mut self) -> Result<Option<&(Vec<u8>, Bytes)>, ReadError> {
        if self.ahead.is_empty() && !self.is_done {
            self.read()?;
        }
        Ok(self.ahead.front())
    }

    pub(super) fn next(&mut self) -> Result<Option<(Vec<u8>, Bytes)>, ReadError> {
        self.head()?;
        Ok(self.ahead.pop_front())
    }

    fn read(&mut self) -> Result<(), ReadError> {
        let (ahead, chunk) = (&mut self.ahead, self.chunk);
        self.rows.rows(&self.table, &self.range, &mut |key, value| {
            ahead.push_back((key.to_vec(), Bytes::copy_from_slice(value)));
            if ahead.len() < chunk { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        self.is_done = self.ahead.len() < self.chunk;
        self.chunk = (self.chunk * 2).min(CHUNK.1);
        if let Some((last, _)) = self.ahead.back() {
            match self.range.reverse {
                true => self.range.end.clone_from(last),
                false => self.range.start = just_after(last),
            }
        }
        Ok(())
    }
}

/// The least bytes after these.
pub(super) fn just_after(place: &[u8]) -> Vec<u8> {
    [place, &[0]].concat()
}
