//! A step of a count: how many runs fit, all of them or for each value of an attribute.

use super::{
    cursor::just_after,
    reading::{NoIndexes, Reading, list_range, part_of},
    walk::Row,
};
use crate::{
    node::list_token::malformed_page_token,
    seam::{
        error::CommandError,
        question::{Budget, GroupValue, Groups, Part, Step},
    },
};
use bytes::Bytes;
use std::{collections::HashSet, ops::ControlFlow};
use tenure_api::error::ApiError;
use tenure_engine::{
    rows::{ListRange, ReadError},
    visibility::{IndexRow, RunRecord},
};
use tenure_filter::{Access, Index, Indexes, KeyRange, Order, Part as PlanPart, Plan, Record, Value, status_name};
use tenure_limits::{INDEXED_VALUE, SORTED_ROWS};

/// The attribute that every run has a value of, and few different ones: its index is the smallest with all runs.
const STATUS: &str = "ExecutionStatus";
const DIVISION: &str = "TemporalNamespaceDivision";

/// Where a count goes on begins with which rows it goes through: those of the records, or those of an index, whose name
/// follows.
const RECORDS: u8 = 0;
const INDEX: u8 = 1;

/// Counts some of the runs that fit, those whose rows come after a place.
pub(crate) fn count(reading: Reading<'_>, after: Option<&[u8]>, budget: Budget) -> Result<Step, CommandError> {
    // Rows are walked in the order of their keys, whatever order is asked for.
    let reading = &Reading { filter: reading.filter.unordered(), ..reading };
    let (plan, after) = match after {
        None => (plan(reading), None),
        Some(after) => resumed(reading, after).ok_or_else(malformed_page_token)?,
    };
    if let Access::Index { field, ranges, repeats: true, .. } = &plan.access {
        return match once_each(reading, &plan, field, ranges)? {
            Some(counted) => Ok(counted.step(None)),
            None => walk(reading, &reading.filter.plan(&NoIndexes), None, budget),
        };
    }
    walk(reading, &plan, after, budget)
}

/// Tells how a count begins here.
pub(crate) fn explain_count(reading: Reading<'_>) -> Step {
    let reading = &Reading { filter: reading.filter.unordered(), ..reading };
    let plan = match of_all(reading) {
        // Nothing was chosen, so nothing was estimated.
        Some(plan) => Plan { rows: reading.indexes.total(), ..plan },
        None => plan(reading),
    };
    Step { part: Part::Plan { text: plan.explain(), rows: plan.rows }, next: None }
}

fn plan(reading: &Reading<'_>) -> Plan {
    of_all(reading).unwrap_or_else(|| reading.filter.plan(&*reading.indexes))
}

/// The plan where all runs are counted.
fn of_all(reading: &Reading<'_>) -> Option<Plan> {
    let filter = &reading.filter;
    let grouped = filter.group_by().map_or(STATUS, |by| &by.field);
    let all = filter.condition().is_none() && !filter.names_division();
    RunRecord::index(grouped).filter(|index| all && index.has_nulls)?;
    let ranges = vec![KeyRange::all()];
    let access = Access::Index { field: grouped.to_owned(), ranges, order: Order::Forwards, repeats: false };
    Some(Plan { access, part: PlanPart::All, covered: None, residual: None, is_sorted: true, rows: 0 })
}

/// The plan of the steps before, whatever would be best by now: its rows are the ones that have an order to go on in.
fn resumed<'p>(reading: &Reading<'_>, after: &'p [u8]) -> Option<(Plan, Option<&'p [u8]>)> {
    let (tag, rest) = after.split_first()?;
    match *tag {
        RECORDS => Some((reading.filter.plan(&NoIndexes), Some(rest))),
        INDEX => {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let (field, place) = (std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]);
            let indexes = OnlyIndex { field, place, of: &*reading.indexes };
            let plan = of_all(reading).unwrap_or_else(|| reading.filter.plan(&indexes));
            let same = matches!(&plan.access, Access::Index { field: of, .. } if of == field);
            same.then_some((plan, Some(place)))
        }
        _ => None,
    }
}

/// One index, of which the rows are best that have a place: of an attribute with several keys a run, there are several
/// choices of rows, but of these only those of one key are walked, and no two have the same.
struct OnlyIndex<'a> {
    field: &'a str,
    place: &'a [u8],
    of: &'a dyn Indexes,
}

impl Indexes for OnlyIndex<'_> {
    fn index(&self, field: &str) -> Option<Index> {
        self.of.index(field).filter(|_| field == self.field)
    }

    fn estimate(&self, _: &str, range: &KeyRange) -> u64 {
        u64::from(!range.contains(self.place))
    }

    fn total(&self) -> u64 {
        u64::MAX
    }

    fn covered(&self) -> &[&str] {
        self.of.covered()
    }
}

/// What was counted.
enum Counted {
    All(u64),
    Groups(Groups),
}

impl Counted {
    fn new(reading: &Reading<'_>) -> Counted {
        match reading.filter.group_by() {
            Some(_) => Counted::Groups(Groups::default()),
            None => Counted::All(0),
        }
    }

    fn step(self, next: Option<Vec<u8>>) -> Step {
        let part = match self {
            Counted::All(count) => Part::Count(count),
            Counted::Groups(groups) => Part::Groups(groups.counts.into_iter().collect()),
        };
        Step { part, next: next.map(Bytes::from) }
    }

    fn add(&mut self, group: Option<GroupValue>) -> Result<(), ApiError> {
        match self {
            Counted::All(count) => *count += 1,
            Counted::Groups(groups) => groups.add(group.unwrap_or(GroupValue::Null), 1)?,
        }
        Ok(())
    }
}

/// Goes through rows in the order of their keys.
fn walk(reading: &Reading<'_>, plan: &Plan, after: Option<&[u8]>, budget: Budget) -> Result<Step, CommandError> {
    let start = after.map(just_after).unwrap_or_default();
    let (tag, field, ranges) = match &plan.access {
        Access::Scan => {
            let (start, end) = plan.part.positions();
            (vec![RECORDS], None, vec![ListRange { start: start.to_vec(), end: end.to_vec(), reverse: false }])
        }
        Access::Index { field, ranges, order, .. } => {
            let tag = [&[INDEX], field.as_bytes(), &[0]].concat();
            let of_range = |range| match order {
                Order::Merged => part_of(range, plan.part.positions()),
                Order::Forwards | Order::Backwards => list_range(range, false),
            };
            (tag, Some(field.as_str()), ranges.iter().map(of_range).collect())
        }
    };
    let mut counted = Counted::new(reading);
    let mut groups = Grouping::new(reading, plan, field);
    let mut read = 0;
    for mut range in ranges {
        range.start = range.start.max(start.clone());
        let mut next = None;
        reading.rows(field, &range, |place, value| {
            read += 1;
            if let Some(group) = groups.of(place, Row::of(field.is_some(), place, value))? {
                counted.add(group)?;
            }
            if read < budget.rows {
                return Ok(ControlFlow::Continue(()));
            }
            next = Some([&tag, place].concat());
            Ok(ControlFlow::Break(()))
        })?;
        if next.is_some() {
            return Ok(counted.step(next));
        }
    }
    Ok(counted.step(None))
}

/// Counts runs of which an index has several rows, each once; `None` if these are too many to remember.
fn once_each(
    reading: &Reading<'_>,
    plan: &Plan,
    field: &str,
    ranges: &[KeyRange],
) -> Result<Option<Counted>, CommandError> {
    let (mut counted, mut seen, mut read) = (Counted::new(reading), HashSet::new(), 0);
    let mut groups = Grouping::new(reading, plan, None);
    for range in ranges {
        reading.rows(Some(field), &list_range(range, false), |place, value| {
            read += 1;
            if read > SORTED_ROWS {
                return Ok(ControlFlow::Break(()));
            }
            let row = Row::of(true, place, value);
            if seen.insert(row.position().to_vec())
                && let Some(group) = groups.of(place, row)?
            {
                counted.add(group)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if read > SORTED_ROWS {
            return Ok(None);
        }
    }
    Ok(Some(counted))
}

/// Tells whether a run fits and which group it belongs to, and reads its record only if that is needed.
struct Grouping<'r, 'a> {
    reading: &'r Reading<'a>,
    plan: &'r Plan,
    /// Whether the rows are those of the index of the groups' attribute.
    by_key: bool,
    /// The last key, without the position, and the group of all rows with it.
    last: Option<(Vec<u8>, GroupValue)>,
}

impl<'r, 'a> Grouping<'r, 'a> {
    fn new(reading: &'r Reading<'a>, plan: &'r Plan, field: Option<&str>) -> Self {
        let by = reading.filter.group_by().map(|by| by.field.as_str());
        Grouping { reading, plan, by_key: by.is_some() && by == field, last: None }
    }

    /// `None` if it does not fit; else its group, if there are groups.
    fn of(&mut self, place: &[u8], row: Row<'_>) -> Result<Option<Option<GroupValue>>, ReadError> {
        let by = self.reading.filter.group_by();
        if !row.may_fit(self.reading, self.plan)? {
            return Ok(None);
        }
        let key = &place[..place.len() - row.position().len()];
        if self.plan.residual.is_none() {
            match (by, row, &self.last) {
                (None, ..) => return Ok(Some(None)),
                (Some(by), Row::Index(row), _) if IndexRow::COVERED.contains(&by.field.as_str()) => {
                    return Ok(Some(Some(group_of(&by.field, row.value(&by.field)))));
                }
                (Some(_), _, Some((last, group))) if self.by_key && last == key => {
                    return Ok(Some(Some(group.clone())));
                }
                _ => {}
            }
        }
        let record = self.reading.record(row.position(), &row.record(self.reading)?)?;
        if !self.plan.fits(&record) {
            return Ok(None);
        }
        let group = by.map(|by| group_of(&by.field, record.value(&by.field)));
        // The key of a long text does not tell all of it.
        let is_whole = !matches!(&group, Some(GroupValue::Text(text)) if text.len() > INDEXED_VALUE);
        self.last = group.clone().filter(|_| self.by_key && is_whole).map(|group| (key.to_vec(), group));
        Ok(Some(group))
    }
}

fn group_of(field: &str, value: Value<'_>) -> GroupValue {
    match value {
        Value::Bool(value) => GroupValue::Bool(value),
        Value::Keyword(text) => GroupValue::Text(text.to_owned()),
        Value::Int(status) if field == STATUS => {
            GroupValue::Text(status_name(status).map_or_else(|| status.to_string(), str::to_owned))
        }
        // The reference server's answer.
        _ if field == DIVISION => GroupValue::Text(String::new()),
        _ => GroupValue::Null,
    }
}
