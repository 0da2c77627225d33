//! How the records that fit a filter are found: which index, which of its keys, what is left to check and to sort.

use crate::{
    Attribute, Comparison, Condition, Filter, KeyRange, Literal, Predicate, Record, Test, Type,
    encode::{CLOSED, OPEN},
    evaluate::holds,
    names::{CLOSE_TIME, NAMESPACE_DIVISION, OPEN_STATUSES, STATUS},
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

/// What there is to find records by. Only the index of `TemporalNamespaceDivision` has rows of runs of a division: the others
/// have what queries look for that do not name it.
pub trait Indexes {
    /// The index of an attribute, by its field; none if there is none, or if it is not filled yet.
    fn index(&self, field: &str) -> Option<Index>;

    /// About how many rows an index has in a range.
    fn estimate(&self, field: &str, range: &KeyRange) -> u64;

    /// About how many records there are.
    fn total(&self) -> u64;

    /// The attributes whose values each row of an index tells, whatever attribute it is of.
    fn covered(&self) -> &[&str] {
        &[]
    }
}

/// Which rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// All records, by their position.
    Scan,
    /// The rows of an index in these ranges.
    Index {
        field: String,
        ranges: Vec<KeyRange>,
        order: Order,
        /// Whether a record may come several times.
        repeats: bool,
    },
}

/// How the rows of several ranges follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One range after the other.
    Forwards,
    /// The last range first, and the last row of each.
    Backwards,
    /// By their positions: each range has the rows of one key, which are in this order, and they are merged.
    Merged,
}

/// What is read of the records, or of the rows of each key that is merged, by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    All,
    /// Runs that are open.
    Open,
    Closed,
}

impl Part {
    /// The bytes of positions, from the first up to the second without it.
    pub fn positions(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Part::All => (&[], &[CLOSED + 1]),
            Part::Open => (&[OPEN], &[CLOSED]),
            Part::Closed => (&[CLOSED], &[CLOSED + 1]),
        }
    }

    /// A part that all runs are in for which this holds.
    fn of(part: &Condition) -> Part {
        let Condition::Test(Test { attribute, predicate }) = part else { return Part::All };
        let of_statuses = |values: &[Literal]| {
            let is_open = |value: &Literal| matches!(value, Literal::Int(status) if OPEN_STATUSES.contains(status));
            match values.iter().filter(|value| is_open(value)).count() {
                0 => Part::Closed,
                open if open == values.len() => Part::Open,
                _ => Part::All,
            }
        };
        match (attribute.field.as_str(), predicate) {
            (CLOSE_TIME, Predicate::IsNull { negated: false }) => Part::Open,
            (CLOSE_TIME, _) => Part::Closed,
            (STATUS, Predicate::Compare(Comparison::Equal, value)) => of_statuses(std::slice::from_ref(value)),
            (STATUS, Predicate::In { values, negated: false }) => of_statuses(values),
            _ => Part::All,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub access: Access,
    /// What is read of it, unless ranges are read one after the other. (What is left to check still has to be.)
    pub part: Part,
    /// What is to be checked, if anything, before records are read: of an index, what its rows tell ([`Indexes::covered`]);
    /// of a scan, that a record is in no namespace division.
    pub covered: Option<Condition>,
    /// What is to be checked of the records that come then, if anything.
    pub residual: Option<Condition>,
    /// Whether they come in the order that is asked for; else they are sorted by [`Filter::sort_key`].
    pub is_sorted: bool,
    /// About how many rows are read.
    pub rows: u64,
}

impl Plan {
    /// Whether a record that came fits the filter.
    pub fn fits(&self, record: &dyn Record) -> bool {
        self.may_fit(record) && self.residual.as_ref().is_none_or(|condition| holds(condition, record) == Some(true))
    }

    /// Whether the record of a row can fit, by what the row tells.
    pub fn may_fit(&self, row: &dyn Record) -> bool {
        self.covered.as_ref().is_none_or(|condition| holds(condition, row) == Some(true))
    }

    /// For people, a line for each step that finds what fits.
    pub fn explain(&self) -> String {
        let part = match self.part {
            Part::All => "",
            Part::Open => ", those of open runs",
            Part::Closed => ", those of closed runs",
        };
        let mut text = match &self.access {
            Access::Scan => format!("scan all runs{part}"),
            Access::Index { ranges, .. } if ranges.is_empty() => "read nothing: no run can fit".to_owned(),
            Access::Index { field, ranges, order, repeats } => {
                let points = ranges.iter().filter(|range| range.is_point).count();
                let backwards = match order {
                    Order::Backwards => ", backwards".to_owned(),
                    Order::Merged if points > 1 => format!(", merged{part}"),
                    Order::Merged => part.to_owned(),
                    Order::Forwards => String::new(),
                };
                let once = if *repeats { ", each run once" } else { "" };
                let others = ranges.len() - points;
                format!("read the index of {field}: {points} values, {others} ranges{backwards}{once}")
            }
        };
        if let Some(covered) = &self.covered {
            let _ = write!(text, "\nof these, read those with {covered}");
        }
        if let Some(residual) = &self.residual {
            let _ = write!(text, "\nkeep those with {residual}");
        }
        text
    }
}

/// How many ranges of an index are estimated; others are taken to have as many rows on average.
const ESTIMATED_RANGES: usize = 32;

/// The most ranges that are merged.
const MERGED_RANGES: usize = 64;

/// Rows that could be read.
struct Candidate {
    attribute: Attribute,
    ranges: Vec<KeyRange>,
    /// Numbers of the parts of the condition that need no check then.
    served: Vec<usize>,
    rows: u64,
    is_sorted: bool,
}

pub(crate) fn plan(filter: &Filter, indexes: &dyn Indexes) -> Plan {
    let parts = filter.condition().map_or_else(Vec::new, |condition| condition.clone().without_not(false).into_all());
    let is_sorted = filter.order_by().is_empty();
    let rows = indexes.total();
    let part = parts.iter().map(Part::of).find(|part| *part != Part::All).unwrap_or(Part::All);
    let best = candidates(filter, &parts, part, indexes).into_iter().min_by_key(|c| cost(c.rows, c.is_sorted));
    match best.filter(|best| cost(best.rows, best.is_sorted) < cost(rows, is_sorted)) {
        Some(best) => best.plan(filter, parts, part, indexes.covered()),
        None => {
            let covered = (!filter.names_division()).then(undivided);
            Plan { access: Access::Scan, part, covered, residual: all_of(parts), is_sorted, rows }
        }
    }
}

/// To be in no namespace division.
fn undivided() -> Condition {
    let field = NAMESPACE_DIVISION.to_owned();
    let attribute = Attribute { alias: field.clone(), field, kind: Type::Keyword };
    Condition::Test(Test { attribute, predicate: Predicate::IsNull { negated: false } })
}

/// Sorting costs about as much as reading once more.
fn cost(rows: u64, is_sorted: bool) -> u64 {
    rows.saturating_mul(if is_sorted { 1 } else { 2 })
}

fn all_of(mut parts: Vec<Condition>) -> Option<Condition> {
    if parts.len() > 1 { Some(Condition::All(parts)) } else { parts.pop() }
}

fn candidates(filter: &Filter, parts: &[Condition], part: Part, indexes: &dyn Indexes) -> Vec<Candidate> {
    let mut tests = Vec::new();
    parts.iter().for_each(|part| part.tests(&mut tests));
    let named: BTreeMap<&str, &Attribute> =
        tests.iter().map(|test| (test.attribute.field.as_str(), &test.attribute)).collect();
    let mut candidates = Vec::new();
    let usable = |attribute: &Attribute| (attribute.field == NAMESPACE_DIVISION) == filter.names_division();
    for attribute in named.into_values().filter(|attribute| usable(attribute)) {
        let Some(index) = indexes.index(&attribute.field) else { continue };
        let narrow = |(at, part)| ranges::of(part, attribute, index.has_nulls).map(|ranges| (at, ranges));
        let narrowed = parts.iter().enumerate().filter_map(narrow);
        if attribute.is_many() {
            // A record has several keys, and the parts may be about different ones.
            candidates.extend(narrowed.map(|(at, ranges)| candidate(filter, part, indexes, attribute, ranges, &[at])));
            continue;
        }
        let narrowed: Vec<_> = narrowed.collect();
        let served: Vec<_> = narrowed.iter().filter(|(_, ranges)| ranges.exact).map(|(at, _)| *at).collect();
        if let Some(ranges) = narrowed.into_iter().map(|(_, ranges)| ranges).reduce(|a, b| a.intersect(&b)) {
            let ranges = Ranges { exact: true, ..ranges };
            candidates.push(candidate(filter, part, indexes, attribute, ranges, &served));
        }
    }
    if let [(attribute, _)] = filter.order_by()
        && !attribute.is_many()
        && usable(attribute)
        && indexes.index(&attribute.field).is_some_and(|index| index.has_nulls)
    {
        let all = Ranges { list: vec![KeyRange::all()], exact: true };
        candidates.push(candidate(filter, part, indexes, attribute, all, &[]));
    }
    candidates
}

/// The rows of some ranges, which serve these parts if they are exact.
fn candidate(
    filter: &Filter,
    part: Part,
    indexes: &dyn Indexes,
    attribute: &Attribute,
    ranges: Ranges,
    served: &[usize],
) -> Candidate {
    let merged = filter.order_by().is_empty() && can_be_merged(&ranges.list);
    let rows = estimate(&ranges.list, |range| match (merged, part.positions()) {
        (true, (start, end)) => {
            let (start, end) = ([&range.start, start].concat(), [&range.start, end].concat());
            indexes.estimate(&attribute.field, &KeyRange { start, end, is_point: true })
        }
        (false, _) => indexes.estimate(&attribute.field, range),
    });
    let is_sorted = match filter.order_by() {
        [] => merged,
        [(by, _)] => by.field == attribute.field && !attribute.is_many(),
        _ => false,
    };
    let served = if ranges.exact { served.to_vec() } else { Vec::new() };
    Candidate { attribute: attribute.clone(), ranges: ranges.list, served, rows, is_sorted }
}

/// Whether each range has one key, whose rows are in the order of their positions, and they are not too many.
fn can_be_merged(ranges: &[KeyRange]) -> bool {
    ranges.len() <= MERGED_RANGES && ranges.iter().all(|range| range.is_point)
}

fn estimate(ranges: &[KeyRange], rows: impl Fn(&KeyRange) -> u64) -> u64 {
    let step = ranges.len().div_ceil(ESTIMATED_RANGES).max(1);
    let known = ranges.iter().step_by(step).map(rows).fold(0, u64::saturating_add);
    known.saturating_mul(step as u64)
}

/// Whether it is about these attributes alone.
fn is_covered(part: &Condition, covered: &[&str]) -> bool {
    let mut tests = Vec::new();
    part.tests(&mut tests);
    tests.iter().all(|test| covered.contains(&test.attribute.field.as_str()))
}

impl Candidate {
    fn plan(self, filter: &Filter, parts: Vec<Condition>, part: Part, covered: &[&str]) -> Plan {
        let Candidate { attribute, ranges, served, rows, is_sorted } = self;
        let order = match filter.order_by() {
            [] if is_sorted => Order::Merged,
            [(_, true)] if is_sorted => Order::Backwards,
            _ => Order::Forwards,
        };
        let repeats = attribute.is_many() && !matches!(&ranges[..], [] | [KeyRange { is_point: true, .. }]);
        let access = Access::Index { field: attribute.field, ranges, order, repeats };
        let left = parts.into_iter().enumerate().filter(|(at, _)| !served.contains(at)).map(|(_, part)| part);
        let (covered, residual) = left.partition(|part| is_covered(part, covered));
        Plan { access, part, covered: all_of(covered), residual: all_of(residual), is_sorted, rows }
    }
}
