//! Whether a record fits a condition. What is missing leaves a comparison undecided, as in SQL: neither it nor its
//! opposite holds. Only of keyword lists and texts, what is missing contains nothing.

use crate::{Comparison, Condition, Literal, Predicate, Record, Test, Value, words};
use std::{cmp::Ordering, collections::BTreeSet};

/// `None` is undecided.
pub(crate) fn holds(condition: &Condition, record: &dyn Record) -> Option<bool> {
    match condition {
        Condition::All(parts) => decide(parts, record, false),
        Condition::Any(parts) => decide(parts, record, true),
        Condition::Not(inner) => holds(inner, record).map(|held| !held),
        Condition::Test(test) => test_holds(test, record.value(&test.attribute.field)),
    }
}

/// The first part with the decisive answer decides; else one that is undecided leaves all undecided.
fn decide(parts: &[Condition], record: &dyn Record, decisive: bool) -> Option<bool> {
    let mut answer = Some(!decisive);
    for part in parts {
        match holds(part, record) {
            Some(held) if held == decisive => return Some(decisive),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

fn test_holds(test: &Test, value: Value<'_>) -> Option<bool> {
    match &test.predicate {
        Predicate::IsNull { negated } => Some(is_null(value) != *negated),
        Predicate::Compare(comparison, literal) if test.attribute.is_many() => {
            Some(has(value, literal) == (*comparison == Comparison::Equal))
        }
        Predicate::In { values, negated } if test.attribute.is_many() => {
            Some(values.iter().any(|literal| has(value, literal)) != *negated)
        }
        Predicate::Compare(comparison, literal) => compare(value, literal).map(|order| comparison.fits(order)),
        Predicate::In { values, negated } => {
            if is_null(value) {
                return None;
            }
            let found = values.iter().any(|literal| compare(value, literal) == Some(Ordering::Equal));
            Some(found != *negated)
        }
        Predicate::Between { low, high, negated } => {
            let within = compare(value, low)? != Ordering::Less && compare(value, high)? != Ordering::Greater;
            Some(within != *negated)
        }
        Predicate::StartsWith { prefix, negated } => match value {
            Value::Keyword(text) => Some(text.starts_with(prefix.as_str()) != *negated),
            _ => None,
        },
    }
}

pub(crate) fn is_null(value: Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::KeywordList(list) => list.is_empty(),
        Value::Double(number) => number.is_nan(),
        _ => false,
    }
}

fn has(value: Value<'_>, literal: &Literal) -> bool {
    match (value, literal) {
        (Value::KeywordList(list), Literal::Text(wanted)) => list.contains(wanted),
        (Value::Text(text), Literal::Words(wanted)) => {
            let text = words::words(text);
            let known: BTreeSet<&String> = text.iter().collect();
            let mut phrases = wanted.phrases().iter();
            phrases.any(|phrase| known.contains(&phrase[0]) && words::contains(&text, phrase))
        }
        _ => false,
    }
}

fn compare(value: Value<'_>, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Value::Bool(value), Literal::Bool(literal)) => Some(value.cmp(literal)),
        (Value::Int(value), Literal::Int(literal)) => Some(value.cmp(literal)),
        (Value::Int(value), Literal::Double(literal)) => int_and_double(value, *literal),
        (Value::Double(value), Literal::Int(literal)) => int_and_double(*literal, value).map(Ordering::reverse),
        (Value::Double(value), Literal::Double(literal)) => value.partial_cmp(literal),
        (Value::Datetime(value), Literal::Datetime(literal)) => Some(value.cmp(literal)),
        (Value::Keyword(value), Literal::Text(literal)) => Some(value.cmp(literal)),
        _ => None,
    }
}

/// Without rounding the one to the other.
fn int_and_double(int: i64, double: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double < -BEYOND {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is within the range of whole numbers")]
    let whole = double.trunc() as i64;
    Some(int.cmp(&whole).then_with(|| 0.0.partial_cmp(&double.fract()).unwrap_or(Ordering::Equal)))
}

impl Comparison {
    pub(crate) fn fits(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}
