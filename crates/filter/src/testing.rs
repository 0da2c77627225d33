//! Filters and records that are made by the grammar, for tests of this crate and of those above it.

use crate::{
    Attribute, Attributes, Comparison, Condition, Literal, Predicate, Record, Test, Type, Value, Words,
    encode::position,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A value of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    Bool(bool),
    Int(i64),
    Double(f64),
    Datetime(i64),
    Keyword(String),
    List(Vec<String>),
    Text(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    pub id: String,
    pub values: BTreeMap<String, Owned>,
}

impl Record for Run {
    fn value(&self, field: &str) -> Value<'_> {
        match self.values.get(field) {
            None => Value::Null,
            Some(Owned::Bool(value)) => Value::Bool(*value),
            Some(Owned::Int(number)) => Value::Int(*number),
            Some(Owned::Double(number)) => Value::Double(*number),
            Some(Owned::Datetime(time)) => Value::Datetime(*time),
            Some(Owned::Keyword(text)) => Value::Keyword(text),
            Some(Owned::List(list)) => Value::KeywordList(list),
            Some(Owned::Text(text)) => Value::Text(text),
        }
    }

    fn position(&self) -> Vec<u8> {
        let time = |field| match self.values.get(field) {
            Some(Owned::Datetime(time)) => Some(*time),
            _ => None,
        };
        let mut id = [0; 16];
        id.iter_mut().zip(self.id.bytes()).for_each(|(to, byte)| *to = byte);
        position(time("CloseTime"), time("StartTime").unwrap_or(0), id)
    }
}

/// A custom attribute of each type, whose fields are columns.
pub const CUSTOM: [(&str, &str, Type); 7] = [
    ("CustomBool", "Bool01", Type::Bool),
    ("CustomDatetime", "Datetime01", Type::Datetime),
    ("CustomDouble", "Double01", Type::Double),
    ("CustomInt", "Int01", Type::Int),
    ("CustomKeyword", "Keyword01", Type::Keyword),
    ("CustomList", "KeywordList01", Type::KeywordList),
    ("CustomText", "Text01", Type::Text),
];

pub fn attributes() -> Attributes {
    Attributes::new(CUSTOM.map(|(alias, field, kind)| (alias.to_owned(), field.to_owned(), kind)))
}

const WORDS: [&str; 9] = ["", "a", "ab", "A", "b c", "it's", "q\"\\", "été", "a\u{0}b"];

fn long(text: &str) -> String {
    format!("{}{text}", "l".repeat(tenure_limits::INDEXED_VALUE))
}

pub fn keyword() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS.to_vec());
    (word, 0..8).prop_map(|(word, n)| if n == 0 { long(word) } else { word.to_owned() })
}

pub fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["quick", "Fox", "lazy-dog", "dog", "lazy", "!"]), 1..4)
        .prop_map(|words| words.join(" "))
}

fn int() -> impl Strategy<Value = i64> {
    prop_oneof![-2_i64..3, Just(i64::MAX), Just(i64::MIN), Just((1 << 53) + 1)]
}

fn double() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![-1.5, -0.0, 0.0, 0.5, 1.0, 2.0, 9.007_199_254_740_992e15, 1e300, -1e300])
}

fn literal(kind: Type) -> BoxedStrategy<Literal> {
    match kind {
        Type::Bool => any::<bool>().prop_map(Literal::Bool).boxed(),
        Type::Int | Type::Double => {
            prop_oneof![int().prop_map(Literal::Int), double().prop_map(Literal::Double)].boxed()
        }
        Type::Datetime => int().prop_map(Literal::Datetime).boxed(),
        Type::Keyword | Type::KeywordList => keyword().prop_map(Literal::Text).boxed(),
        Type::Text => text().prop_map(|text| Literal::Words(Words::new(text))).boxed(),
    }
}

fn predicate(kind: Type) -> BoxedStrategy<Predicate> {
    let equality = prop::sample::select(vec![Comparison::Equal, Comparison::NotEqual]);
    let any_comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let is_null = any::<bool>().prop_map(|negated| Predicate::IsNull { negated }).boxed();
    let one_of = (prop::collection::vec(literal(kind), 1..4), any::<bool>());
    let one_of = one_of.prop_map(|(values, negated)| Predicate::In { values, negated });
    let between = (literal(kind), literal(kind), any::<bool>());
    let between = between.prop_map(|(low, high, negated)| Predicate::Between { low, high, negated });
    let starts = (keyword(), any::<bool>()).prop_map(|(prefix, negated)| Predicate::StartsWith { prefix, negated });
    let equal = (equality, literal(kind)).prop_map(|(comparison, value)| Predicate::Compare(comparison, value));
    let compare = (any_comparison, literal(kind)).prop_map(|(comparison, value)| Predicate::Compare(comparison, value));
    match kind {
        Type::Text => prop_oneof![equal, is_null].boxed(),
        Type::KeywordList => prop_oneof![equal, one_of, is_null].boxed(),
        Type::Bool => prop_oneof![compare, one_of, is_null].boxed(),
        Type::Keyword => prop_oneof![compare, one_of, between, starts, is_null].boxed(),
        Type::Int | Type::Double | Type::Datetime => prop_oneof![compare, one_of, between, is_null].boxed(),
    }
}

pub fn attribute() -> impl Strategy<Value = Attribute> {
    prop::sample::select(CUSTOM.to_vec()).prop_map(|(alias, field, kind)| Attribute {
        alias: alias.to_owned(),
        field: field.to_owned(),
        kind,
    })
}

pub fn condition() -> impl Strategy<Value = Condition> {
    let test = attribute().prop_flat_map(|attribute| {
        predicate(attribute.kind)
            .prop_map(move |predicate| Condition::Test(Test { attribute: attribute.clone(), predicate }))
    });
    // What tells open runs from closed ones.
    let test = prop_oneof![4 => test, 1 => of_time(), 1 => of_status()];
    test.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
            inner.prop_map(|inner| !inner),
        ]
    })
}

fn of_time() -> impl Strategy<Value = Condition> {
    let attribute = Attribute { alias: "CloseTime".into(), field: "CloseTime".into(), kind: Type::Datetime };
    predicate(Type::Datetime)
        .prop_map(move |predicate| Condition::Test(Test { attribute: attribute.clone(), predicate }))
}

fn of_status() -> impl Strategy<Value = Condition> {
    let attribute = Attribute { alias: "ExecutionStatus".into(), field: "ExecutionStatus".into(), kind: Type::Keyword };
    let status = || (1..=8_i64).prop_map(Literal::Int);
    let comparison = prop::sample::select(vec![Comparison::Equal, Comparison::NotEqual, Comparison::Less]);
    let predicate = prop_oneof![
        (comparison, status()).prop_map(|(comparison, status)| Predicate::Compare(comparison, status)),
        (prop::collection::vec(status(), 1..4), any::<bool>())
            .prop_map(|(values, negated)| Predicate::In { values, negated }),
    ];
    predicate.prop_map(move |predicate| Condition::Test(Test { attribute: attribute.clone(), predicate }))
}

pub fn run() -> impl Strategy<Value = Run> {
    let values = (
        prop::option::of(any::<bool>().prop_map(Owned::Bool)),
        prop::option::of(int().prop_map(Owned::Datetime)),
        prop::option::of(double().prop_map(Owned::Double)),
        prop::option::of(int().prop_map(Owned::Int)),
        prop::option::of(keyword().prop_map(Owned::Keyword)),
        prop::option::of(prop::collection::vec(keyword(), 0..3).prop_map(Owned::List)),
        prop::option::of(text().prop_map(Owned::Text)),
        prop::option::of(int().prop_map(Owned::Datetime)),
        int(),
        prop::option::weighted(0.2, keyword()),
    );
    values.prop_map(|(a, b, c, d, e, f, g, closed, started, division)| {
        let fields = CUSTOM.iter().map(|(_, field, _)| (*field).to_owned());
        let mut values: BTreeMap<String, Owned> =
            fields.zip([a, b, c, d, e, f, g]).filter_map(|(field, value)| Some((field, value?))).collect();
        let status = match (&closed, started.rem_euclid(6)) {
            (None, n) => [1, 8][n as usize % 2],
            (Some(_), n) => 2 + n,
        };
        values.insert("ExecutionStatus".to_owned(), Owned::Int(status));
        values.extend(closed.map(|time| ("CloseTime".to_owned(), time)));
        values.extend(division.map(|division| (DIVISION.to_owned(), Owned::Keyword(division))));
        values.insert("StartTime".to_owned(), Owned::Datetime(started));
        Run { id: String::new(), values }
    })
}

pub const DIVISION: &str = "TemporalNamespaceDivision";

pub fn order() -> impl Strategy<Value = Vec<(Attribute, bool)>> {
    let sortable = attribute().prop_filter("texts are not sorted", |attribute| attribute.kind != Type::Text);
    prop::collection::vec((sortable, any::<bool>()), 0..3)
}

pub fn with_order(condition: &Condition, order: &[(Attribute, bool)]) -> String {
    let keys: Vec<_> =
        order.iter().map(|(by, down)| format!("{} {}", by.alias, if *down { "desc" } else { "ASC" })).collect();
    let clause = if keys.is_empty() { String::new() } else { format!(" order by {}", keys.join(", ")) };
    format!("{condition}{clause}")
}
