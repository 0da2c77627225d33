//! The search attributes that a namespace adds to those of every namespace: names for free columns.

use super::{namespace, reply::SystemReply};
use crate::{
    rows::{StateReader, WriteSet},
    search_attributes::{column_type, free_column, is_reserved, type_name},
    transition::types::Refused,
};
use std::collections::BTreeMap;
use tenure_api::{
    enums::v1::IndexedValueType as Type,
    error::ApiError,
    operatorservice::v1::{AddSearchAttributesRequest, RemoveSearchAttributesRequest},
};
use tenure_limits::SEARCH_ATTRIBUTES;

/// Adds search attributes. Those that the namespace has already stay what they are.
pub(super) fn add(
    rows: &dyn StateReader,
    request: &AddSearchAttributesRequest,
) -> Result<(SystemReply, WriteSet), Refused> {
    let wanted = typed(&request.search_attributes)?;
    namespace::change(rows, &request.namespace, |namespace| {
        let aliases = &mut namespace.config.get_or_insert_default().custom_search_attribute_aliases;
        for (name, kind) in wanted {
            if name.is_empty() || aliases.values().any(|alias| alias == name) {
                continue;
            }
            if aliases.len() >= SEARCH_ATTRIBUTES {
                return Err(ApiError::invalid_argument(format!(
                    "Unable to create search attributes: a namespace cannot have more than {SEARCH_ATTRIBUTES}."
                )));
            }
            let column = free_column(kind, |column| aliases.contains_key(column)).ok_or_else(|| {
                ApiError::invalid_argument(format!(
                    "Unable to create search attributes: cannot have more than 0 search attribute of type {}.",
                    type_name(kind)
                ))
            })?;
            aliases.insert(column, name.to_owned());
        }
        Ok(())
    })
}

fn typed(wanted: &BTreeMap<String, i32>) -> Result<Vec<(&str, Type)>, ApiError> {
    let typed = wanted.iter().map(|(name, &kind)| {
        if is_reserved(name) {
            return Err(ApiError::invalid_argument(format!("Search attribute {name} is reserved by system.")));
        }
        let kind = Type::try_from(kind)
            .map_err(|_| ApiError::invalid_argument(format!("Unknown search attribute type: {kind}.")))?;
        Ok((name.as_str(), kind))
    });
    typed.collect()
}

/// Removes search attributes; those that the namespace does not have are ignored. Workflows keep what they were given.
pub(super) fn remove(
    rows: &dyn StateReader,
    request: &RemoveSearchAttributesRequest,
) -> Result<(SystemReply, WriteSet), Refused> {
    namespace::change(rows, &request.namespace, |namespace| {
        let aliases = &mut namespace.config.get_or_insert_default().custom_search_attribute_aliases;
        for name in &request.search_attributes {
            match aliases.iter().find(|(_, alias)| *alias == name).map(|(column, _)| column.clone()) {
                Some(column) => drop(aliases.remove(&column)),
                None if is_reserved(name) || column_type(name).is_some() => {
                    let message = format!("Unable to remove non-custom search attributes: {name}.");
                    return Err(ApiError::invalid_argument(message));
                }
                None => {}
            }
        }
        Ok(())
    })
}
