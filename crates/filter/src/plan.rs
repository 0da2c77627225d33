//! How the records that fit a filter are found: which index, which of its keys, what is left to check and to sort.

use crate::{
    Attribute, Condition, Filter, KeyRange, Record,
    evaluate::holds,
    ranges::{self, Ranges},
};
use std::{collections::BTreeMap, fmt::Write};

/// An index that there is. Its rows begin with a key of [`keys`](crate::encode::keys) of the record's value, and go on with
/// the record's [`position`](crate::encode::position).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// Whether records without a value have a row.
    pub has_nulls: bool,
}

/// What there is to find records by.
pub trait Indexes {
    /// The index of an attribute, by its field; none if there is none, or if it is not filled yet.
    fn index(&self, field: &str) -> Option<Index>;

    /// About how many rows an index has in a range.
    fn estimate(&self, field: &str, range: &KeyRange) -> u64;

    /// About how many records there are.
    fn total(&self) -> u64;
}

/// Which rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// All records, by their position.
    Scan,
    /// The rows of an index in these ranges, one range after the other.
    Index {
        field: String,
        ranges: Vec<KeyRange>,
        /// Whether they are read backwards, the last range first.
        reverse: bool,
        /// Whether a record may come several times.
        repeats: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub access: Access,
    /// What is to be checked of the records that come, if anything.
    pub residual: Option<Condition>,
    /// Whether they come in the order that is asked for; else they are sorted by [`Filter::sort_key`].
    pub is_sorted: bool,
    /// About how many rows are read.
    pub rows: u64,
}

impl Plan {
    /// Whether a record that came fits the filter.
    pub fn fits(&self, record: &dyn Record) -> bool {
        self.residual.as_ref().is_none_or(|condition| holds(condition, record) == Some(true))
    }

    /// For people, a line for each step.
    pub fn explain(&self) -> String {
        let mut text = match &self.access {
            Access::Scan => "scan all runs".to_owned(),
            Access::Index { ranges, .. } if ranges.is_empty() => "read nothing: no run can fit".to_owned(),
            Access::Index { field, ranges, reverse, repeats } => {
                let points = ranges.iter().filter(|range| range.is_point).count();
                let backwards = if *reverse { ", backwards" } else { "" };
                let once = if *repeats { ", each run once" } else { "" };
                let others = ranges.len() - points;
                format!("read the index of {field}: {points} values, {others} ranges{backwards}{once}")
            }
        };
        let _ = write!(text, " (about {} rows)", self.rows);
        if let Some(residual) = &self.residual {
            let _ = write!(text, "\nkeep those with {residual}");
        }
        text.push_str(if self.is_sorted { "\nin the order asked for" } else { "\nsort" });
        text
    }
}

/// Rows that could be read, and what is then left to check.
struct Candidate {
    attribute: Attribute,
    ranges: Ranges,
    residual: Vec<Condition>,
}

pub(crate) fn plan(filter: &Filter, indexes: &dyn Indexes) -> Plan {
    let parts = filter.whole_condition().map_or_else(Vec::new, |condition| condition.without_not(false).into_all());
    let scan = Plan {
        access: Access::Scan,
        residual: all_of(parts.clone()),
        is_sorted: filter.order_by().is_empty(),
        rows: indexes.total(),
    };
    let found = candidates(filter, &parts, indexes).into_iter().map(|candidate| candidate.plan(filter, indexes));
    // Sorting costs about as much as reading once more; of equals an index goes first.
    let cost = |plan: &Plan| plan.rows.saturating_mul(if plan.is_sorted { 1 } else { 2 });
    let best = found.min_by_key(cost);
    best.filter(|best| cost(best) <= cost(&scan)).unwrap_or(scan)
}

fn all_of(mut parts: Vec<Condition>) -> Option<Condition> {
    if parts.len() > 1 { Some(Condition::All(parts)) } else { parts.pop() }
}

fn candidates(filter: &Filter, parts: &[Condition], indexes: &dyn Indexes) -> Vec<Candidate> {
    let mut tests = Vec::new();
    parts.iter().for_each(|part| part.tests(&mut tests));
    let named: BTreeMap<&str, &Attribute> =
        tests.iter().map(|test| (test.attribute.field.as_str(), &test.attribute)).collect();
    let mut candidates = Vec::new();
    for attribute in named.into_values() {
        let Some(index) = indexes.index(&attribute.field) else { continue };
        let narrowed = parts
            .iter()
            .enumerate()
            .filter_map(|(at, part)| ranges::of(part, attribute, index.has_nulls).map(|ranges| (at, ranges)));
        let narrowed: Vec<_> = narrowed.collect();
        let groups: Vec<&[(usize, Ranges)]> = match attribute.is_many() {
            true => narrowed.chunks(1).collect(),
            false if narrowed.is_empty() => Vec::new(),
            false => vec![&narrowed],
        };
        candidates.extend(groups.into_iter().filter_map(|group| candidate(attribute, group, parts)));
    }
    if let [(attribute, _)] = filter.order_by()
        && !attribute.is_many()
        && indexes.index(&attribute.field).is_some_and(|index| index.has_nulls)
    {
        let ranges = Ranges { list: vec![KeyRange::all()], exact: false };
        candidates.push(Candidate { attribute: attribute.clone(), ranges, residual: parts.to_vec() });
    }
    candidates
}

/// What some of the parts narrow, each by its number.
fn candidate(attribute: &Attribute, group: &[(usize, Ranges)], parts: &[Condition]) -> Option<Candidate> {
    let ranges = group.iter().map(|(_, ranges)| ranges.clone()).reduce(|a, b| a.intersect(&b))?;
    let is_served = |at: usize| group.iter().any(|(served, ranges)| *served == at && ranges.exact);
    let residual = parts.iter().enumerate().filter(|(at, _)| !is_served(*at)).map(|(_, part)| part.clone());
    Some(Candidate { attribute: attribute.clone(), ranges, residual: residual.collect() })
}

impl Candidate {
    fn plan(self, filter: &Filter, indexes: &dyn Indexes) -> Plan {
        let field = self.attribute.field.clone();
        let rows = self.ranges.list.iter().map(|range| indexes.estimate(&field, range)).fold(0, u64::saturating_add);
        let repeats =
            self.attribute.is_many() && !matches!(&self.ranges.list[..], [] | [KeyRange { is_point: true, .. }]);
        let (is_sorted, reverse) = match filter.order_by() {
            [] => (matches!(&self.ranges.list[..], [] | [KeyRange { is_point: true, .. }]), false),
            [(by, descending)] => (by.field == field && !self.attribute.is_many(), *descending),
            _ => (false, false),
        };
        let access = Access::Index { field, ranges: self.ranges.list, reverse: reverse && is_sorted, repeats };
        Plan { access, residual: all_of(self.residual), is_sorted, rows }
    }
}
