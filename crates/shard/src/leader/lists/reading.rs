//! What every step stands on: rows of one moment, and what is asked of them.

use crate::seam::{error::CommandError, question::ListQuery, replica::ListRows};
use bytes::Bytes;
use std::ops::ControlFlow;
use tenure_engine::{
    NamespaceId, RowKey, SubjectKind,
    rows::{ListRange, ListTable, ReadError},
    visibility::{IndexRow, RunRecord},
};
use tenure_filter::{Filter, Index, Indexes, KeyRange};

/// What a list or a count reads: rows of one moment, and what is asked of them.
pub(crate) struct Reading<'a> {
    pub(super) rows: &'a dyn ListRows,
    pub(super) query: &'a ListQuery,
    pub(super) filter: Filter,
    /// The indexes that plans choose from.
    pub(super) indexes: Box<dyn Indexes + 'a>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(rows: &'a dyn ListRows, query: &'a ListQuery) -> Result<Self, CommandError> {
        let indexes = ShardIndexes { rows, kind: query.kind, namespace: query.namespace };
        Reading::by(Box::new(indexes), rows, query)
    }

    /// With the indexes that these say there are.
    pub(crate) fn by(
        indexes: Box<dyn Indexes + 'a>,
        rows: &'a dyn ListRows,
        query: &'a ListQuery,
    ) -> Result<Self, CommandError> {
        Ok(Reading { rows, query, filter: query.filter()?, indexes })
    }

    pub(super) fn table<'f>(&self, field: Option<&'f str>) -> ListTable<'f> {
        ListTable { kind: self.query.kind, namespace: self.query.namespace, field }
    }

    pub(super) fn record_key(&self, position: &[u8]) -> RowKey {
        let position = Bytes::copy_from_slice(position);
        RowKey::Record { kind: self.query.kind, namespace: self.query.namespace, position }
    }

    /// Visits rows of an index, or of records, in the order of their keys, for as long as `visit` says so.
    pub(super) fn rows(
        &self,
        field: Option<&str>,
        range: &ListRange,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, CommandError>,
    ) -> Result<(), CommandError> {
        let mut failed = None;
        if range.end.is_empty() || range.start < range.end {
            self.rows.rows(&self.table(field), range, &mut |key, value| {
                visit(key, value).unwrap_or_else(|error| {
                    failed = Some(error);
                    ControlFlow::Break(())
                })
            })?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// The value of the record that a row of an index leads to.
    pub(super) fn record_row(&self, position: &[u8]) -> Result<Bytes, ReadError> {
        let key = self.record_key(position);
        self.rows.get(&key)?.ok_or_else(|| ReadError::corrupt(key, "an index has a row of it, and it is not there"))
    }

    pub(super) fn record(&self, position: &[u8], row: &[u8]) -> Result<RunRecord, ReadError> {
        RunRecord::decode(row).map_err(|error| ReadError::corrupt(self.record_key(position), error))
    }
}

/// The attribute whose index tells how many runs there are.
const ALL: &str = "StartTime";

/// Rows that are counted one by one before the size of their files is asked.
const COUNTED: u64 = 64;

/// The least bytes of a row of an index on disk.
const INDEX_ROW: u64 = 24;

/// The indexes of a shard's rows.
struct ShardIndexes<'a> {
    rows: &'a dyn ListRows,
    kind: SubjectKind,
    namespace: NamespaceId,
}

impl ShardIndexes<'_> {
    /// Only a guess: what is on its way to disk is counted up to [`COUNTED`], and a failed read is none.
    fn guess(&self, field: &str, range: &ListRange) -> u64 {
        let table = ListTable { kind: self.kind, namespace: self.namespace, field: Some(field) };
        let mut counted = 0;
        let visited = self.rows.rows(&table, range, &mut |_, _| {
            counted += 1;
            if counted < COUNTED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if visited.is_err() || counted < COUNTED {
            return counted;
        }
        counted.max(self.rows.bytes(&table, range) / INDEX_ROW)
    }
}

impl Indexes for ShardIndexes<'_> {
    fn index(&self, field: &str) -> Option<Index> {
        RunRecord::index(field)
    }

    fn estimate(&self, field: &str, range: &KeyRange) -> u64 {
        self.guess(field, &list_range(range, false))
    }

    /// Rows of an index are smaller than records; runs of a namespace division are few.
    fn total(&self) -> u64 {
        self.guess(ALL, &ListRange::default())
    }

    fn covered(&self) -> &[&str] {
        &IndexRow::COVERED
    }
}

/// No index at all: all records are walked.
pub(super) struct NoIndexes;

impl Indexes for NoIndexes {
    fn index(&self, _: &str) -> Option<Index> {
        None
    }

    fn estimate(&self, _: &str, _: &KeyRange) -> u64 {
        u64::MAX
    }

    fn total(&self) -> u64 {
        0
    }
}

/// The rows of one key, those at the positions from the first up to the second without it.
pub(super) fn part_of(key: &KeyRange, (first, end): (&[u8], &[u8])) -> ListRange {
    let place = |position: &[u8]| [&key.start, position].concat();
    ListRange { start: place(first), end: place(end), reverse: false }
}

pub(super) fn list_range(range: &KeyRange, reverse: bool) -> ListRange {
    ListRange { start: range.start.clone(), end: range.end.clone(), reverse }
}
