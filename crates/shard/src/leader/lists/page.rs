//! A step of a list: the next items in order.

use super::{
    cursor::Cursor,
    reading::{NoIndexes, Reading, list_range},
    walk::{Row, Walk},
};
use crate::seam::{
    error::CommandError,
    question::{Budget, Item, Part, Step},
};
use bytes::Bytes;
use prost::Message;
use std::collections::{BTreeMap, HashSet};
use tenure_api::error::ApiError;
use tenure_engine::{
    RowKey, codec,
    info::ExecutionInfo,
    rows::{ListRange, ReadError},
    visibility::{RunRecord, Shown, position_of},
};
use tenure_filter::{Access, KeyRange, Plan};
use tenure_limits::SORTED_ROWS;

/// The next items of the list, strictly after a place.
pub(crate) fn page(reading: &Reading<'_>, after: Option<&[u8]>, budget: Budget) -> Result<Step, CommandError> {
    let plan = reading.filter.plan(&*reading.indexes);
    if plan.is_sorted {
        return Ok(in_order(reading, &plan, after, budget)?);
    }
    if !reading.filter.order_by().is_empty() {
        return sorted(reading, &plan, after, budget);
    }
    if let Some(step) = by_position(reading, &plan, after, budget)? {
        return Ok(step);
    }
    Ok(in_order(reading, &reading.filter.plan(&NoIndexes), after, budget)?)
}

/// What a step has put together.
struct Filling {
    items: Vec<Item>,
    bytes: u64,
    read: u64,
    budget: Budget,
}

impl Filling {
    fn new(budget: Budget) -> Filling {
        Filling { items: Vec::new(), bytes: 0, read: 0, budget }
    }

    /// Adds the run if it fits.
    fn take(&mut self, reading: &Reading<'_>, plan: &Plan, place: Vec<u8>, row: Row<'_>) -> Result<(), ReadError> {
        if !row.may_fit(reading, plan)? {
            return Ok(());
        }
        let value = row.record(reading)?;
        if plan.residual.is_some() && !plan.fits(&reading.record(row.position(), &value)?) {
            return Ok(());
        }
        self.show(place, shown(reading, row.position(), &value)?);
        Ok(())
    }

    fn show(&mut self, place: Vec<u8>, value: Bytes) {
        let item = Item { place: place.into(), value };
        self.bytes += item.size() as u64;
        self.items.push(item);
    }

    fn is_full(&self) -> bool {
        let Budget { items, bytes, rows } = self.budget;
        self.items.len() as u64 >= items || self.bytes >= bytes || self.read >= rows
    }

    fn step(self, next: Option<Vec<u8>>) -> Step {
        Step { part: Part::Items(self.items), next: next.map(Bytes::from) }
    }
}

/// The rows come in the order of the list.
fn in_order(reading: &Reading<'_>, plan: &Plan, after: Option<&[u8]>, budget: Budget) -> Result<Step, ReadError> {
    let mut walk = Walk::new(reading, plan, after, budget.items);
    let mut filling = Filling::new(budget);
    while let Some(found) = walk.next()? {
        filling.read += 1;
        filling.take(reading, plan, found.place.clone(), found.row())?;
        if filling.is_full() {
            return Ok(filling.step(Some(found.place)));
        }
    }
    Ok(filling.step(None))
}

/// The rows of wider ranges of an index, for a list in the order of positions: these are sorted, and of the records only
/// those are read that come first. `None` if there are so many that walking through all records is better.
fn by_position(
    reading: &Reading<'_>,
    plan: &Plan,
    after: Option<&[u8]>,
    budget: Budget,
) -> Result<Option<Step>, ReadError> {
    let Access::Index { field, ranges, .. } = &plan.access else { return Ok(None) };
    let total = reading.indexes.total();
    // A walk through all records meets one that fits after `total / rows` others.
    if plan.rows.saturating_mul(plan.rows) / 8 > budget.items.saturating_mul(total) {
        return Ok(None);
    }
    let (mut rows, mut read) = (Vec::new(), 0);
    for range in ranges {
        let mut cursor = Cursor::new(reading.rows, reading.table(Some(field)), list_range(range, false), plan.rows);
        while let Some((place, value)) = cursor.next()? {
            read += 1;
            if read > SORTED_ROWS {
                return Ok(None);
            }
            let position = position_of(&place, &value);
            if after.is_none_or(|after| position > after) && Row::of(true, &place, &value).may_fit(reading, plan)? {
                rows.push((position.to_vec(), value));
            }
        }
    }
    rows.sort_unstable();
    rows.dedup();
    let mut filling = Filling::new(budget);
    for (position, value) in rows {
        filling.read += 1;
        filling.take(reading, plan, position.clone(), Row::of(true, &position, &value))?;
        if filling.is_full() {
            return Ok(Some(filling.step(Some(position))));
        }
    }
    Ok(Some(filling.step(None)))
}

/// The records of the rows are read and sorted, each time, as no index has them in this order.
fn sorted(reading: &Reading<'_>, plan: &Plan, after: Option<&[u8]>, budget: Budget) -> Result<Step, CommandError> {
    let (table, ranges) = match &plan.access {
        Access::Scan => (reading.table(None), vec![ListRange::default()]),
        Access::Index { field, ranges, .. } => {
            let ranges = ranges.iter().map(|range: &KeyRange| list_range(range, false));
            (reading.table(Some(field)), ranges.collect())
        }
    };
    let (mut read, mut seen, mut first) = (0, HashSet::new(), BTreeMap::new());
    for range in ranges {
        let mut cursor = Cursor::new(reading.rows, table, range, plan.rows);
        while let Some((place, value)) = cursor.next()? {
            read += 1;
            if read > SORTED_ROWS {
                return Err(too_many(reading).into());
            }
            let row = Row::of(table.field.is_some(), &place, &value);
            if !row.may_fit(reading, plan)? || !seen.insert(row.position().to_vec()) {
                continue;
            }
            let record = reading.record(row.position(), &row.record(reading)?)?;
            let key = reading.filter.sort_key(&record);
            if plan.fits(&record) && after.is_none_or(|after| &key[..] > after) {
                first.insert(key, row.position().to_vec());
                if first.len() as u64 > budget.items.max(1) {
                    first.pop_last();
                }
            }
        }
    }
    let full = first.len() as u64 >= budget.items.max(1);
    let mut filling = Filling::new(budget);
    let mut last = None;
    for (place, position) in first {
        last = Some(place.clone());
        let row = reading.record_row(&position)?;
        filling.show(place, shown(reading, &position, &row)?);
        if filling.bytes >= budget.bytes {
            return Ok(filling.step(last));
        }
    }
    Ok(filling.step(last.filter(|_| full)))
}

fn too_many(reading: &Reading<'_>) -> ApiError {
    let order = reading.filter.order_by();
    let names: Vec<_> = order.iter().map(|(by, _)| by.alias.as_str()).collect();
    let cause = match order {
        [(by, _)] if RunRecord::index(&by.field).is_none_or(|index| !index.has_nulls) => {
            format!("no index has all runs by {}", by.alias)
        }
        _ => "no index has the runs of this query in that order".to_owned(),
    };
    ApiError::invalid_argument(format!(
        "unable to sort by {}: {cause}, and a shard has more than {SORTED_ROWS} of them to sort; ask for fewer, or leave \
         out ORDER BY",
        names.join(", ")
    ))
}

/// The encoded [`WorkflowExecutionInfo`](tenure_api::workflow::v1::WorkflowExecutionInfo) that a list shows of a run.
fn shown(reading: &Reading<'_>, position: &[u8], row: &[u8]) -> Result<Bytes, ReadError> {
    let corrupt = |error| ReadError::corrupt(reading.record_key(position), error);
    match RunRecord::shown(row).map_err(corrupt)? {
        Shown::Whole(info) => Ok(info),
        Shown::WithoutMemo(record) => {
            let mut info = record.info().clone();
            let run = record.run(reading.query.namespace);
            let key = RowKey::Info(run);
            let missing = || ReadError::corrupt(key.clone(), "a record refers to it, and it is not there");
            let row = reading.rows.get(&key)?.ok_or_else(missing)?;
            let fixed: ExecutionInfo = codec::decode(&row).map_err(|error| ReadError::corrupt(key.clone(), error))?;
            info.memo = fixed.memo.as_ref().map(|memo| memo.decode());
            Ok(info.encode_to_vec().into())
        }
    }
}
