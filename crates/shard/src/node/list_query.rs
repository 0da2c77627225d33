//! Queries of lists and counts, as shards are asked them.

use crate::{
    node::system_view::Namespace,
    seam::question::{ListAttribute, ListQuery},
};
use tenure_api::error::ApiError;
use tenure_engine::{
    SubjectKind,
    search_attributes::{list_field, list_type},
    standalone,
};
use tenure_filter::{Attributes, Filter, Type};

/// Names that queries for a kind have for what its records tell, and the fields that these have.
fn of_kind(kind: SubjectKind) -> Vec<(&'static str, String)> {
    if kind != SubjectKind::ACTIVITY {
        return Vec::new();
    }
    vec![
        ("ActivityId", "WorkflowId".into()),
        ("ActivityType", "WorkflowType".into()),
        ("ExecutionStatus", list_field(standalone::STATUS, Type::Keyword)),
    ]
}

/// The subjects of a kind in a namespace that fit a query.
///
/// # Errors
/// INVALID_ARGUMENT with the reason, if it is no query.
pub fn list_query(namespace: &Namespace, kind: SubjectKind, query: String) -> Result<ListQuery, ApiError> {
    let custom = namespace.search_attributes.custom();
    let of_namespace = custom.iter().filter_map(|(name, kind)| {
        let kind = list_type(*kind)?;
        Some((name.clone(), list_field(name, kind), kind))
    });
    let of_kind = of_kind(kind).into_iter().filter(|(name, _)| !custom.contains_key(*name));
    let of_kind = of_kind.map(|(name, field)| (name.to_owned(), field, Type::Keyword));
    let known: Vec<_> = of_namespace.chain(of_kind).collect();
    let own = || known.iter().cloned();
    let filter = Filter::parse(&query, &Attributes::new(own()))
        .map_err(|error| ApiError::invalid_argument(error.to_string()))?;
    let named = filter.attributes();
    let attributes = own()
        .filter(|(name, ..)| named.iter().any(|attribute| attribute.alias == *name))
        .map(|(name, field, kind)| ListAttribute { name, field, kind: kind.to_string() })
        .collect();
    Ok(ListQuery { kind, namespace: namespace.id, query, attributes })
}
