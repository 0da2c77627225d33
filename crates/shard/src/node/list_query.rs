//! Queries of lists and counts, as shards are asked them.

use crate::{
    node::system_view::Namespace,
    seam::question::{ListAttribute, ListQuery},
};
use tenure_api::error::ApiError;
use tenure_engine::{
    SubjectKind,
    search_attributes::{list_field, list_type},
};
use tenure_filter::{Attributes, Filter};

/// The subjects of a kind in a namespace that fit a query.
///
/// # Errors
/// INVALID_ARGUMENT with the reason, if it is no query.
pub fn list_query(namespace: &Namespace, kind: SubjectKind, query: String) -> Result<ListQuery, ApiError> {
    let own = || {
        namespace.search_attributes.custom().iter().filter_map(|(name, kind)| {
            let kind = list_type(*kind)?;
            Some((name.clone(), list_field(name, kind), kind))
        })
    };
    let filter = Filter::parse(&query, &Attributes::new(own()))
        .map_err(|error| ApiError::invalid_argument(error.to_string()))?;
    let named = filter.attributes();
    let attributes = own()
        .filter(|(name, ..)| named.iter().any(|attribute| attribute.alias == *name))
        .map(|(name, field, kind)| ListAttribute { name, field, kind: kind.to_string() })
        .collect();
    Ok(ListQuery { kind, namespace: namespace.id, query, attributes })
}
