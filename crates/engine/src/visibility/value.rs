//! Values of search attributes, from the payloads that runs are given.

use crate::search_attributes::{TYPE, list_field};
use serde_json::Value as Json;
use tenure_api::common::v1::Payload;
use tenure_filter::{Type, Value};

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Owned {
    Bool(bool),
    Int(i64),
    Double(f64),
    /// Nanoseconds since 1970, UTC.
    Datetime(i64),
    Keyword(String),
    KeywordList(Vec<String>),
    Text(String),
}

impl Owned {
    pub(crate) fn as_value(&self) -> Value<'_> {
        match self {
            Owned::Bool(value) => Value::Bool(*value),
            Owned::Int(number) => Value::Int(*number),
            Owned::Double(number) => Value::Double(*number),
            Owned::Datetime(nanos) => Value::Datetime(*nanos),
            Owned::Keyword(text) => Value::Keyword(text),
            Owned::KeywordList(list) => Value::KeywordList(list),
            Owned::Text(text) => Value::Text(text),
        }
    }
}

/// The name in lists and the value of an attribute that a run was given; `None` if it has no value, or one that is not of
/// the type that it says.
pub(crate) fn value_of(name: &str, payload: &Payload) -> Option<(String, Owned)> {
    let (kind, value) = typed(payload)?;
    Some((list_field(name, kind), value))
}

fn typed(payload: &Payload) -> Option<(Type, Owned)> {
    let named = std::str::from_utf8(payload.metadata.get(TYPE)?).ok()?;
    let kind = Type::ALL.into_iter().find(|kind| kind.to_string() == named)?;
    Some((kind, owned(kind, serde_json::from_slice(&payload.data).ok()?)?))
}

/// Writes a value as lists show it, however it was given.
pub(super) fn show_plainly(payload: &mut Payload) {
    let Some((_, value)) = typed(payload) else { return };
    let json = match value {
        Owned::Bool(value) => value.into(),
        Owned::Int(number) => number.into(),
        // A whole number has no point.
        Owned::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => (number as i64).into(),
        Owned::Double(number) => number.into(),
        Owned::Datetime(nanos) => match jiff::Timestamp::from_nanosecond(nanos.into()) {
            Ok(time) => time.to_string().into(),
            Err(_) => return,
        },
        Owned::Keyword(text) | Owned::Text(text) => text.into(),
        Owned::KeywordList(list) => list.into(),
    };
    let json: Json = json;
    payload.data = json.to_string().into();
}

/// A list of one value stands for that value, except as a list of keywords.
fn owned(kind: Type, json: Json) -> Option<Owned> {
    match (kind, json) {
        (Type::KeywordList, Json::Array(values)) => {
            let texts = values.into_iter().filter_map(|value| match value {
                Json::String(text) => Some(text),
                _ => None,
            });
            let list: Vec<_> = texts.collect();
            (!list.is_empty()).then_some(Owned::KeywordList(list))
        }
        (Type::KeywordList, _) => None,
        (_, Json::Array(mut values)) => {
            if values.len() == 1 {
                one(kind, values.pop()?)
            } else {
                None
            }
        }
        (_, value) => one(kind, value),
    }
}

fn one(kind: Type, value: Json) -> Option<Owned> {
    match (kind, value) {
        (Type::Bool, Json::Bool(value)) => Some(Owned::Bool(value)),
        (Type::Int, Json::Number(number)) => number.as_i64().map(Owned::Int),
        (Type::Double, Json::Number(number)) => number.as_f64().map(Owned::Double),
        (Type::Datetime, Json::String(text)) => {
            let time: jiff::Timestamp = text.parse().ok()?;
            i64::try_from(time.as_nanosecond()).ok().map(Owned::Datetime)
        }
        (Type::Keyword, Json::String(text)) => Some(Owned::Keyword(text)),
        (Type::Text, Json::String(text)) => Some(Owned::Text(text)),
        _ => None,
    }
}
