//! Rows of indexes: what their values hold, and what they tell of a run without its record.

use bytes::Bytes;
use tenure_filter::{Record, Value, encode};

/// The value of a row in an index: the slot, the number of bytes of the position at the end of its place, and the run's
/// status.
pub(super) fn index_value(slot: u16, position: &[u8], status: i32) -> Bytes {
    let length = u8::try_from(position.len()).expect("a position is short");
    let status = u8::try_from(status).expect("statuses are small numbers");
    [&slot.to_be_bytes()[..], &[length, status]].concat().into()
}

/// The position of the record that a row of an index leads to, by the row's place and value.
pub fn position_of<'a>(place: &'a [u8], value: &[u8]) -> &'a [u8] {
    let length = value.get(2).copied().map_or(0, usize::from);
    &place[place.len().saturating_sub(length)..]
}

/// A row of an index, as far as it tells what its run's record would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRow<'a> {
    /// The position of the run's record.
    pub position: &'a [u8],
    status: u8,
}

impl<'a> IndexRow<'a> {
    /// The attributes whose values such a row tells.
    pub const COVERED: [&'static str; 3] = ["CloseTime", "ExecutionStatus", "StartTime"];

    /// Reads a row, by its place and value.
    pub fn new(place: &'a [u8], value: &[u8]) -> IndexRow<'a> {
        IndexRow { position: position_of(place, value), status: value.get(3).copied().unwrap_or_default() }
    }
}

impl Record for IndexRow<'_> {
    fn value(&self, field: &str) -> Value<'_> {
        let times = || encode::times_of(self.position);
        match field {
            "CloseTime" => times().and_then(|(closed, _)| closed).map_or(Value::Null, Value::Datetime),
            "ExecutionStatus" => Value::Int(self.status.into()),
            "StartTime" => times().map_or(Value::Null, |(_, started)| Value::Datetime(started)),
            _ => Value::Null,
        }
    }

    fn position(&self) -> Vec<u8> {
        self.position.to_vec()
    }
}
