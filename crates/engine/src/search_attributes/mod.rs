//! Search attributes: those that a namespace has, and the checks of those that a workflow is given. How they are
//! searched is not here.

mod names;
mod value;

use prost::Message;
use std::collections::BTreeMap;
use tenure_api::{
    common::v1::{Payload, SearchAttributes},
    enums::v1::IndexedValueType as Type,
    namespace::v1::NamespaceConfig,
};

use names::system_type;
pub(crate) use names::{column_type, free_column, type_name};
pub use names::{columns, is_reserved, list_field, list_type, system};
use tenure_filter::is_fixed;

/// The limit in bytes of one value.
const MAX_VALUE_SIZE: usize = 2 << 10;
/// The limit in bytes of all search attributes of a workflow.
const MAX_TOTAL_SIZE: usize = 40 << 10;
/// The key of the metadata that names a value's type.
pub(crate) const TYPE: &str = "type";

/// The search attributes that a namespace's own workflows may have besides those of every namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    custom: BTreeMap<String, Type>,
}

/// The reason why a workflow's search attributes are refused; the message is the reference server's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSearchAttributes {
    #[error("Namespace {namespace} has no mapping defined for search attribute {name}")]
    Unknown { namespace: String, name: String },
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    TooLarge(String),
}

impl Registry {
    /// The search attributes of a namespace's configuration, which names some of the columns that there are.
    pub fn of(config: Option<&NamespaceConfig>) -> Registry {
        let aliases = config.into_iter().flat_map(|config| &config.custom_search_attribute_aliases);
        let typed = aliases.filter_map(|(column, name)| Some((name.clone(), column_type(column)?)));
        Registry { custom: typed.collect() }
    }

    pub fn custom(&self) -> &BTreeMap<String, Type> {
        &self.custom
    }

    /// Whether a workflow of the namespace can have the attribute, or could if it were not the server's to set.
    pub fn knows(&self, name: &str) -> bool {
        self.type_of(name).is_some()
    }

    /// The type of an attribute. A namespace may give its own attribute a name that is also the system's; its own goes
    /// first.
    fn type_of(&self, name: &str) -> Option<Type> {
        self.custom.get(name).copied().or_else(|| system_type(name))
    }

    /// Checks that the namespace has the attributes that a workflow of it is given.
    pub(crate) fn check_names(&self, namespace: &str, given: &SearchAttributes) -> Result<(), BadSearchAttributes> {
        match given.indexed_fields.keys().find(|name| !self.knows(name)) {
            Some(name) => Err(BadSearchAttributes::Unknown { namespace: namespace.to_owned(), name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Checks the attributes that a workflow of the namespace is given, and writes its type to each value without one.
    pub fn check(&self, namespace: &str, given: &mut SearchAttributes) -> Result<(), BadSearchAttributes> {
        self.check_names(namespace, given)?;
        for (name, payload) in &mut given.indexed_fields {
            if is_fixed(name) && !self.custom.contains_key(name) {
                return Err(BadSearchAttributes::Invalid(format!("{name} attribute can't be set in SearchAttributes")));
            }
            let Some(kind) = self.type_of(name) else { continue };
            value::check(kind, payload).map_err(|shown| {
                let kind = type_name(kind);
                BadSearchAttributes::Invalid(format!(
                    "invalid value for search attribute {name} of type {kind}: {shown}"
                ))
            })?;
            payload.metadata.entry(TYPE.to_owned()).or_insert_with(|| type_name(kind).into());
        }
        check_sizes(given)
    }
}

/// Checks the size of each value, and of all of them together.
pub(crate) fn check_sizes(given: &SearchAttributes) -> Result<(), BadSearchAttributes> {
    for (name, payload) in &given.indexed_fields {
        let size = payload.data.len();
        if size > MAX_VALUE_SIZE {
            let message = format!("search attribute {name} value size {size} exceeds size limit {MAX_VALUE_SIZE}");
            return Err(BadSearchAttributes::TooLarge(message));
        }
    }
    let size = given.encoded_len();
    if size > MAX_TOTAL_SIZE {
        let message = format!("total size of search attributes {size} exceeds size limit {MAX_TOTAL_SIZE}");
        return Err(BadSearchAttributes::TooLarge(message));
    }
    Ok(())
}

/// A value of type `KeywordList`.
pub(crate) fn keyword_list(values: impl Iterator<Item = String>) -> Payload {
    of_type(Type::KeywordList, &serde_json::Value::from_iter(values))
}

/// A value of a type.
pub(crate) fn of_type(kind: Type, value: &serde_json::Value) -> Payload {
    let encoding = ("encoding".to_owned(), "json/plain".into());
    let metadata = [encoding, (TYPE.to_owned(), type_name(kind).into())].into();
    Payload { metadata, data: value.to_string().into(), ..Default::default() }
}

/// The attributes without those that have no value; `None` if that leaves none.
pub fn with_values(given: Option<SearchAttributes>) -> Option<SearchAttributes> {
    let mut given = given?;
    given.indexed_fields.retain(|_, payload| !is_unset(payload));
    Some(given).filter(|given| !given.indexed_fields.is_empty())
}

/// Whether a value is null or an empty list: a workflow that is given it loses the attribute.
pub(crate) fn is_unset(payload: &Payload) -> bool {
    match payload.metadata.get("encoding").map(|encoding| &encoding[..]) {
        Some(b"binary/null") => true,
        Some(b"json/plain") => matches!(&payload.data[..], b"null" | b"[]"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
