//! Which keys of an index the records have that fit a condition.

use crate::{
    Attribute, Comparison, Condition, Literal, Predicate, Test, Type, Value,
    encode::{self, KeyRange},
};

/// Sorted ranges without overlap, and whether whatever has a key in them fits. Whatever fits has a key in them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ranges {
    pub(crate) list: Vec<KeyRange>,
    pub(crate) exact: bool,
}

/// The ranges of an attribute's keys for a condition without `Not`; none if it does not narrow them.
pub(crate) fn of(condition: &Condition, attribute: &Attribute, has_nulls: bool) -> Option<Ranges> {
    match condition {
        Condition::Test(test) if test.attribute.field == attribute.field => of_test(test, has_nulls),
        Condition::Test(_) | Condition::Not(_) => None,
        Condition::Any(parts) => {
            let all = parts.iter().map(|part| of(part, attribute, has_nulls)).collect::<Option<Vec<_>>>()?;
            let exact = all.iter().all(|ranges| ranges.exact);
            Some(union(all.into_iter().flat_map(|ranges| ranges.list).collect(), exact))
        }
        Condition::All(parts) => {
            let found: Vec<_> = parts.iter().map(|part| of(part, attribute, has_nulls)).collect();
            let whole = found.iter().all(Option::is_some);
            let narrowed = found.into_iter().flatten();
            let joined = if attribute.is_many() {
                // A record has several keys, and the parts may be about different ones.
                narrowed.take(1).next().map(|ranges| Ranges { exact: false, ..ranges })
            } else {
                narrowed.reduce(|a, b| a.intersect(&b))
            };
            joined.map(|ranges| Ranges { exact: ranges.exact && whole, ..ranges })
        }
    }
}

impl Ranges {
    pub(crate) fn intersect(&self, other: &Ranges) -> Ranges {
        let (mut ours, mut theirs) = (self.list.iter().peekable(), other.list.iter().peekable());
        let mut list = Vec::new();
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            let (start, end) = (a.start.clone().max(b.start.clone()), a.end.clone().min(b.end.clone()));
            let common = KeyRange { start, end, is_point: a.is_point || b.is_point };
            // What ends first has nothing in common with what follows in the other list.
            let next = if a.end <= b.end { ours.next() } else { theirs.next() };
            debug_assert!(next.is_some());
            if !common.is_empty() {
                list.push(common);
            }
        }
        Ranges { list, exact: self.exact && other.exact }
    }
}

fn union(mut list: Vec<KeyRange>, exact: bool) -> Ranges {
    list.retain(|range| !range.is_empty());
    list.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| b.end.cmp(&a.end)));
    let mut merged: Vec<KeyRange> = Vec::with_capacity(list.len());
    for range in list {
        match merged.last_mut() {
            Some(last) if range.end <= last.end => {}
            Some(last) if range.start <= last.end && !(last.is_point && range.is_point) => {
                last.end = range.end;
                last.is_point = false;
            }
            _ => merged.push(range),
        }
    }
    Ranges { list: merged, exact }
}

fn of_test(test: &Test, has_nulls: bool) -> Option<Ranges> {
    let some = |list, exact| Some(union(list, exact));
    let many = test.attribute.is_many();
    match &test.predicate {
        Predicate::IsNull { negated: false } => has_nulls.then(|| union(vec![KeyRange::null()], true)),
        // A text may have no words, and so no keys.
        Predicate::IsNull { negated: true } if test.attribute.kind == Type::Text => None,
        Predicate::IsNull { negated: true } => some(vec![KeyRange::values()], true),
        Predicate::Compare(Comparison::Equal, literal) => Some(equal(&test.attribute, literal)),
        Predicate::In { values, negated: false } => {
            let each: Vec<_> = values.iter().map(|literal| equal(&test.attribute, literal)).collect();
            let exact = each.iter().all(|ranges| ranges.exact);
            some(each.into_iter().flat_map(|ranges| ranges.list).collect(), exact)
        }
        Predicate::Compare(..) | Predicate::In { .. } if many => None,
        Predicate::Compare(Comparison::NotEqual, literal) => {
            let point = equal(&test.attribute, literal);
            if point.exact { some(outside(&point.list), true) } else { some(vec![KeyRange::values()], false) }
        }
        Predicate::Compare(comparison, literal) => Some(beside(&test.attribute, *comparison, literal)),
        Predicate::In { values, .. } => {
            let each: Vec<_> = values.iter().map(|literal| equal(&test.attribute, literal)).collect();
            let whole = each.iter().all(|ranges| ranges.exact);
            let points = union(each.into_iter().flat_map(|ranges| ranges.list).collect(), true);
            if whole { some(outside(&points.list), true) } else { some(vec![KeyRange::values()], false) }
        }
        Predicate::Between { low, high, negated: false } => {
            let from = beside(&test.attribute, Comparison::GreaterOrEqual, low);
            Some(from.intersect(&beside(&test.attribute, Comparison::LessOrEqual, high)))
        }
        Predicate::Between { low, high, negated: true } => {
            let below = beside(&test.attribute, Comparison::Less, low);
            let above = beside(&test.attribute, Comparison::Greater, high);
            let exact = below.exact && above.exact;
            some(below.list.into_iter().chain(above.list).collect(), exact)
        }
        Predicate::StartsWith { prefix, negated } => {
            let (range, exact) = KeyRange::prefix(prefix);
            match (negated, exact) {
                (false, exact) => some(vec![range], exact),
                (true, true) => some(outside(&[range]), true),
                (true, false) => some(vec![KeyRange::values()], false),
            }
        }
    }
}

/// All values but those in the ranges.
fn outside(ranges: &[KeyRange]) -> Vec<KeyRange> {
    let all = KeyRange::values();
    let mut start = all.start;
    let mut left = Vec::with_capacity(ranges.len() + 1);
    for range in ranges {
        left.push(KeyRange::between(start, range.start.clone()));
        start = range.end.clone();
    }
    left.push(KeyRange::between(start, all.end));
    left
}

fn equal(attribute: &Attribute, literal: &Literal) -> Ranges {
    if let Literal::Words(words) = literal {
        // A record that has a phrase has its first word.
        let phrases = words.phrases();
        let exact = phrases.iter().all(|phrase| phrase.len() == 1 && encode::is_whole(&phrase[0]));
        let points = phrases.iter().map(|phrase| KeyRange::point(encode::key(Value::Keyword(&phrase[0]))));
        return union(points.collect(), exact);
    }
    let (key, exact) = place(attribute, literal);
    Ranges { list: vec![KeyRange::point(key)], exact }
}

/// Below or above a value. Where its key is also that of others, these are taken in.
fn beside(attribute: &Attribute, comparison: Comparison, literal: &Literal) -> Ranges {
    let (key, exact) = place(attribute, literal);
    let next = encode::after(&key);
    let all = KeyRange::values();
    let range = match comparison {
        Comparison::Less if exact => KeyRange::between(all.start, key),
        Comparison::Less | Comparison::LessOrEqual => KeyRange::between(all.start, next),
        Comparison::Greater if exact => KeyRange::between(next, all.end),
        Comparison::Greater | Comparison::GreaterOrEqual => KeyRange::between(key, all.end),
        Comparison::Equal | Comparison::NotEqual => all,
    };
    union(vec![range], exact)
}

/// The key of the attribute's value that is equal to a literal, or the one next to it. The flag tells whether it is equal
/// and no other value has that key.
fn place(attribute: &Attribute, literal: &Literal) -> (Vec<u8>, bool) {
    match (attribute.kind, literal) {
        (Type::Double, Literal::Int(number)) => {
            #[expect(clippy::cast_precision_loss, reason = "what is lost is compared in the record")]
            let double = *number as f64;
            #[expect(clippy::cast_possible_truncation, reason = "it came from a whole number")]
            let exact = double as i128 == i128::from(*number);
            (encode::key(Value::Double(double)), exact)
        }
        (Type::Int, Literal::Double(number)) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is beyond the least and the greatest is next to them"
            )]
            let below = number.floor() as i64;
            (encode::key(Value::Int(below)), false)
        }
        (_, Literal::Bool(value)) => (encode::key(Value::Bool(*value)), true),
        (_, Literal::Int(number)) => (encode::key(Value::Int(*number)), true),
        (_, Literal::Double(number)) => (encode::key(Value::Double(*number)), true),
        (_, Literal::Datetime(time)) => (encode::key(Value::Datetime(*time)), true),
        // No parsed filter compares a text so.
        (_, Literal::Words(_)) => (encode::key(Value::Null), false),
        (_, Literal::Text(text)) => (encode::key(Value::Keyword(text)), encode::is_whole(text)),
    }
}
