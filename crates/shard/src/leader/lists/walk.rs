//! The rows of a plan, walked in the order of the list.

use super::{
    cursor::{Cursor, just_after},
    reading::{Reading, list_range, part_of},
};
use bytes::Bytes;
use std::borrow::Cow;
use tenure_engine::{
    rows::{ListRange, ReadError},
    visibility::{Divided, IndexRow, position_of},
};
use tenure_filter::{Access, KeyRange, Order, Plan};

/// A row on the way through a plan's rows.
pub(super) struct Found {
    /// Its place in the order of the walk.
    pub(super) place: Vec<u8>,
    is_index: bool,
    /// The last part of its key.
    key: Vec<u8>,
    value: Bytes,
}

impl Found {
    pub(super) fn row(&self) -> Row<'_> {
        Row::of(self.is_index, &self.key, &self.value)
    }
}

/// What a table has of a run.
#[derive(Clone, Copy)]
pub(super) enum Row<'a> {
    Record { position: &'a [u8], value: &'a [u8] },
    Index(IndexRow<'a>),
}

impl<'a> Row<'a> {
    /// A row of an index, or of records, by the last part of its key and its value.
    pub(super) fn of(is_index: bool, key: &'a [u8], value: &'a [u8]) -> Row<'a> {
        if is_index { Row::Index(IndexRow::new(key, value)) } else { Row::Record { position: key, value } }
    }

    /// The position of the run's record.
    pub(super) fn position(&self) -> &'a [u8] {
        match self {
            Row::Record { position, .. } => position,
            Row::Index(row) => row.position,
        }
    }

    /// Whether the run can fit, by what the row tells.
    pub(super) fn may_fit(&self, reading: &Reading<'_>, plan: &Plan) -> Result<bool, ReadError> {
        match self {
            _ if plan.covered.is_none() => Ok(true),
            Row::Record { position, value } => {
                let corrupt = |error| ReadError::corrupt(reading.record_key(position), error);
                Ok(plan.may_fit(&Divided::read(value).map_err(corrupt)?))
            }
            Row::Index(row) => Ok(plan.may_fit(row)),
        }
    }

    /// The value of the run's record.
    pub(super) fn record(&self, reading: &Reading<'_>) -> Result<Cow<'a, [u8]>, ReadError> {
        match self {
            Row::Record { value, .. } => Ok(Cow::Borrowed(value)),
            Row::Index(row) => Ok(Cow::Owned(reading.record_row(row.position)?.into())),
        }
    }
}

/// The rows of a plan whose order is that of the list.
pub(super) enum Walk<'a> {
    Records(Cursor<'a>),
    /// The rows of single keys, merged by their positions.
    Merged(Vec<Cursor<'a>>),
    /// One after the other; the first is the next.
    InRow {
        cursors: Vec<Cursor<'a>>,
        reverse: bool,
    },
}

impl<'a> Walk<'a> {
    /// Begins strictly after a place; of the rows, probably so many are `wanted`.
    pub(super) fn new(reading: &Reading<'a>, plan: &'a Plan, after: Option<&[u8]>, wanted: u64) -> Walk<'a> {
        let (first, end) = plan.part.positions();
        let first = after.map(just_after).unwrap_or_default().max(first.to_vec());
        let Access::Index { field, ranges, order, .. } = &plan.access else {
            let range = ListRange { start: first, end: end.to_vec(), reverse: false };
            return Walk::Records(Cursor::new(reading.rows, reading.table(None), range, wanted));
        };
        let each = if *order == Order::Merged { wanted / ranges.len().max(1) as u64 } else { wanted };
        let cursor = |range| Cursor::new(reading.rows, reading.table(Some(field)), range, each);
        match order {
            Order::Merged => {
                let of_key = |range: &KeyRange| cursor(part_of(range, (&first, end)));
                Walk::Merged(ranges.iter().map(of_key).collect())
            }
            Order::Forwards => {
                let start = after.map(just_after).unwrap_or_default();
                let left = ranges.iter().filter(|range| range.end > start);
                let of_range = left.map(|range| {
                    cursor(ListRange { start: range.start.clone().max(start.clone()), ..list_range(range, false) })
                });
                Walk::InRow { cursors: of_range.collect(), reverse: false }
            }
            Order::Backwards => {
                let end = after.map(flipped);
                let of_range = ranges.iter().rev().filter_map(|range| match &end {
                    Some(end) if *end <= range.start => None,
                    Some(end) => Some(ListRange { end: range.end.clone().min(end.clone()), ..list_range(range, true) }),
                    None => Some(list_range(range, true)),
                });
                Walk::InRow { cursors: of_range.map(cursor).collect(), reverse: true }
            }
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Found>, ReadError> {
        match self {
            Walk::Records(cursor) => {
                let found = |(key, value): (Vec<u8>, _)| Found { place: key.clone(), is_index: false, key, value };
                Ok(cursor.next()?.map(found))
            }
            Walk::Merged(cursors) => {
                let mut least: Option<(usize, Vec<u8>)> = None;
                for (n, cursor) in cursors.iter_mut().enumerate() {
                    if let Some((key, value)) = cursor.head()? {
                        let position = position_of(key, value);
                        if least.as_ref().is_none_or(|(_, least)| position < &least[..]) {
                            least = Some((n, position.to_vec()));
                        }
                    }
                }
                let Some((first, place)) = least else { return Ok(None) };
                let Some((key, value)) = cursors[first].next()? else { return Ok(None) };
                // A run that has several of the keys comes once.
                for cursor in cursors {
                    if cursor.head()?.is_some_and(|(key, value)| position_of(key, value) == place) {
                        cursor.next()?;
                    }
                }
                Ok(Some(Found { place, is_index: true, key, value }))
            }
            Walk::InRow { cursors, reverse } => {
                while let Some(cursor) = cursors.first_mut() {
                    let Some((key, value)) = cursor.next()? else {
                        cursors.remove(0);
                        continue;
                    };
                    let place = if *reverse { flipped(&key) } else { key.clone() };
                    return Ok(Some(Found { place, is_index: true, key, value }));
                }
                Ok(None)
            }
        }
    }
}

/// Bytes that compare the other way round as long as none begins another.
fn flipped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}
