//! The names and types of search attributes: those of every namespace, and the columns that a namespace can name.

use tenure_api::enums::v1::IndexedValueType as Type;
use tenure_filter::Type as ListType;

/// The prefix of names that belong to the server.
const RESERVED_PREFIX: &str = "Temporal";

/// The number of columns of each type that are shown, whether a namespace uses them or not: as many as the reference server
/// has at all. Here there are more.
const COLUMNS: [(Type, u16); 7] = [
    (Type::Bool, 3),
    (Type::Datetime, 3),
    (Type::Double, 3),
    (Type::Int, 3),
    (Type::Keyword, 10),
    (Type::KeywordList, 3),
    (Type::Text, 3),
];

/// The search attributes of every namespace.
pub fn system() -> impl Iterator<Item = (&'static str, Type)> {
    tenure_filter::system().map(|(name, kind)| (name, api_type(kind)))
}

/// The columns that are shown of every namespace, by the names that aliases are given to: `Keyword01`.
pub fn columns() -> impl Iterator<Item = (String, Type)> {
    COLUMNS.into_iter().flat_map(|(kind, count)| (1..=count).map(move |n| (column(kind, n), kind)))
}

/// Whether a namespace's own attribute may not have this name.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED_PREFIX) || system_type(name).is_some()
}

pub(super) fn system_type(name: &str) -> Option<Type> {
    system().find(|(system, _)| *system == name).map(|(_, kind)| kind)
}

/// The type of a column: its name is that of its type, and a number.
pub(crate) fn column_type(name: &str) -> Option<Type> {
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &name[kind.len()..];
    let canonical = |n: u16| n > 0 && number == format!("{n:02}");
    let kind = COLUMNS.into_iter().map(|(of, _)| of).find(|of| type_name(*of) == kind)?;
    number.parse().is_ok_and(canonical).then_some(kind)
}

/// The first column of a type that is not taken; `None` for a type that has none.
pub(crate) fn free_column(kind: Type, is_taken: impl Fn(&str) -> bool) -> Option<String> {
    COLUMNS.iter().find(|(of, _)| *of == kind)?;
    (1..=u16::MAX).map(|n| column(kind, n)).find(|name| !is_taken(name))
}

fn column(kind: Type, n: u16) -> String {
    format!("{}{n:02}", type_name(kind))
}

/// The type in the language of lists; `None` for a type that is none.
pub fn list_type(kind: Type) -> Option<ListType> {
    Some(match kind {
        Type::Unspecified => return None,
        Type::Text => ListType::Text,
        Type::Keyword => ListType::Keyword,
        Type::Int => ListType::Int,
        Type::Double => ListType::Double,
        Type::Bool => ListType::Bool,
        Type::Datetime => ListType::Datetime,
        Type::KeywordList => ListType::KeywordList,
    })
}

fn api_type(kind: ListType) -> Type {
    match kind {
        ListType::Text => Type::Text,
        ListType::Keyword => Type::Keyword,
        ListType::Int => Type::Int,
        ListType::Double => Type::Double,
        ListType::Bool => Type::Bool,
        ListType::Datetime => Type::Datetime,
        ListType::KeywordList => Type::KeywordList,
    }
}

/// The name of a type in values and columns: `KeywordList`.
pub(crate) fn type_name(kind: Type) -> String {
    list_type(kind).map_or_else(|| "Unspecified".to_owned(), |kind| kind.to_string())
}

/// The name that lists have for an attribute of this name and type: a name that was removed and given to an attribute of
/// another type is another one.
pub fn list_field(name: &str, kind: ListType) -> String {
    if tenure_filter::system().any(|system| system == (name, kind)) {
        name.to_owned()
    } else {
        format!("{kind}:{name}")
    }
}
