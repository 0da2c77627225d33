//! Records and attributes for the tests of this crate.

mod encodings;
mod limits;
mod properties;
mod reference;

use crate::{Attributes, Record, Type, Value, encode::position, system};
use std::collections::BTreeMap;

/// A value of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Owned {
    Bool(bool),
    Int(i64),
    Double(f64),
    Datetime(i64),
    Keyword(String),
    List(Vec<String>),
    Text(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) values: BTreeMap<String, Owned>,
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
pub(crate) const CUSTOM: [(&str, &str, Type); 7] = [
    ("CustomBool", "Bool01", Type::Bool),
    ("CustomDatetime", "Datetime01", Type::Datetime),
    ("CustomDouble", "Double01", Type::Double),
    ("CustomInt", "Int01", Type::Int),
    ("CustomKeyword", "Keyword01", Type::Keyword),
    ("CustomList", "KeywordList01", Type::KeywordList),
    ("CustomText", "Text01", Type::Text),
];

pub(crate) fn attributes() -> Attributes {
    Attributes::new(CUSTOM.map(|(alias, field, kind)| (alias.to_owned(), field.to_owned(), kind)))
}

#[test]
fn names_of_the_system_are_known_with_and_without_their_prefix() {
    let attributes = attributes();
    for (name, kind) in system() {
        let found = attributes.resolve(name).unwrap();
        assert_eq!((found.field.as_str(), found.kind), (name, kind));
        let other = name.strip_prefix("Temporal").map_or_else(|| format!("Temporal{name}"), str::to_owned);
        assert_eq!(attributes.resolve(&other).unwrap().field, name, "{other}");
    }
    assert_eq!(attributes.resolve("ScheduleId").unwrap().field, "WorkflowId");
    assert_eq!(attributes.resolve("CustomInt").unwrap().field, "Int01");
    let own = Attributes::new([("ScheduleId".to_owned(), "Int01".to_owned(), Type::Int)]);
    assert_eq!(own.resolve("ScheduleId").unwrap().field, "Int01");
    for name in ["", "Temporal", "NamespaceId", "workflowid", "TemporalTemporalBuildIds"] {
        assert_eq!(attributes.resolve(name), None, "{name}");
    }
}
