//! What this crate makes of any bytes that come as a query, for the fuzz target.

use crate::{Access, Attributes, Filter, Index, Indexes, KeyRange, Order, Plan, Type};

/// A query over attributes of all types; if it is one, what it is printed as is read as the same, and a list and a count of it
/// can be planned, whatever indexes there are.
pub fn filter(bytes: &[u8]) {
    let kinds = [
        ("CustomBool", Type::Bool),
        ("CustomDatetime", Type::Datetime),
        ("CustomDouble", Type::Double),
        ("CustomInt", Type::Int),
        ("CustomKeyword", Type::Keyword),
        ("CustomList", Type::KeywordList),
        ("CustomText", Type::Text),
    ];
    let attributes = Attributes::new(kinds.map(|(name, kind)| (name.to_owned(), name.to_owned(), kind)));
    if let Ok(filter) = Filter::parse(&String::from_utf8_lossy(bytes), &attributes) {
        // What is printed may be longer than a query may be.
        if let Ok(read) = Filter::parse(&filter.to_string(), &attributes) {
            assert_eq!(read, filter);
        }
        let unordered = filter.clone().unordered();
        for filter in [&filter, &unordered] {
            check(&filter.plan(&Everything { has_nulls: true }));
            check(&filter.plan(&Everything { has_nulls: false }));
            check(&filter.plan(&Nothing));
        }
    }
}

/// What whoever walks a plan's rows goes by.
fn check(plan: &Plan) {
    assert!(!plan.explain().is_empty());
    if let Access::Index { ranges, order, .. } = &plan.access {
        assert!(ranges.iter().all(|range| range.start < range.end));
        assert!(ranges.is_sorted_by(|before, after| before.end <= after.start));
        assert!(*order != Order::Merged || ranges.iter().all(|range| range.is_point));
    }
}

/// An index of every attribute, each cheaper to read than all records.
struct Everything {
    has_nulls: bool,
}

impl Indexes for Everything {
    fn index(&self, _: &str) -> Option<Index> {
        Some(Index { has_nulls: self.has_nulls })
    }

    fn estimate(&self, field: &str, range: &KeyRange) -> u64 {
        (field.len() + range.start.len()) as u64
    }

    fn total(&self) -> u64 {
        u64::MAX
    }
}

/// No index, and no record.
struct Nothing;

impl Indexes for Nothing {
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

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::{corpus::replay, *};

    #[test]
    fn the_corpus_of_filters_is_replayed() {
        replay("filters", filter);
    }
}
