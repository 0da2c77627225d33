//! Namespaces: registering and changing them, and reading them back.

mod deletion;

pub use deletion::may_be_forgotten;
pub(super) use deletion::{delete, forget};

use super::reply::SystemReply;
use crate::{
    codec::{self, field},
    key::NamespaceId,
    rows::{Op, ReadError, RowKey, StateReader, SystemTable, WriteSet},
    time::Timestamp,
    transition::types::{Context, Refused},
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use prost::Message;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::{
    enums::v1::{ArchivalState, NamespaceState, ReplicationState},
    error::{ApiError, Code},
    errordetails::v1::{NamespaceAlreadyExistsFailure, NamespaceInvalidStateFailure, NamespaceNotFoundFailure},
    namespace::v1 as ns,
    replication::v1 as replication,
    workflowservice::v1 as api,
};
use tenure_limits::SEARCH_ATTRIBUTES;
use uuid::Uuid;

/// The shortest time for which a closed execution may be kept.
const MIN_RETENTION: Duration = Duration::from_secs(60 * 60);

/// The name of the one cluster, as clients expect it.
pub const ACTIVE_CLUSTER: &str = "active";

/// The value of a row of [`SystemTable::Namespace`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct NamespaceRow {
    /// The API's own message, encoded: `DescribeNamespaceResponse`, without capabilities and limits, which depend on
    /// the build that answers.
    #[cbor(n(0), with = "field")]
    description: Bytes,
    /// When a namespace that was deleted may be forgotten; it is not before nothing of it is left.
    #[n(1)]
    forget_after: Option<Timestamp>,
}

/// Registers a namespace; ALREADY_EXISTS if the name is taken.
pub(super) fn register(
    rows: &dyn StateReader,
    request: &api::RegisterNamespaceRequest,
    cx: &mut Context<'_>,
) -> Result<(SystemReply, WriteSet), Refused> {
    let retention = request.workflow_execution_retention_period;
    check_retention(retention)?;
    if request.is_global_namespace {
        return Err(ApiError::invalid_argument("Cannot register global namespace when not enabled").into());
    }
    if id_of(rows, &request.namespace)?.is_some() {
        return Err(already_exists(&request.namespace).into());
    }
    let id = cx.ids.uuid();
    let archival = |wanted: i32| match ArchivalState::try_from(wanted) {
        Ok(ArchivalState::Enabled) => Err(ApiError::invalid_argument("Archival is not enabled on this cluster.")),
        Ok(ArchivalState::Disabled | ArchivalState::Unspecified) | Err(_) => Ok(ArchivalState::Disabled as i32),
    };
    let description = api::DescribeNamespaceResponse {
        namespace_info: Some(ns::NamespaceInfo {
            name: request.namespace.clone(),
            state: NamespaceState::Registered as i32,
            description: request.description.clone(),
            owner_email: request.owner_email.clone(),
            data: request.data.clone(),
            id: id.to_string(),
            ..Default::default()
        }),
        config: Some(ns::NamespaceConfig {
            workflow_execution_retention_ttl: retention,
            bad_binaries: Some(ns::BadBinaries::default()),
            history_archival_state: archival(request.history_archival_state)?,
            visibility_archival_state: archival(request.visibility_archival_state)?,
            ..Default::default()
        }),
        replication_config: Some(replication::NamespaceReplicationConfig {
            active_cluster_name: ACTIVE_CLUSTER.into(),
            clusters: vec![replication::ClusterReplicationConfig {
                cluster_name: ACTIVE_CLUSTER.into(),
                ..Default::default()
            }],
            state: ReplicationState::Normal as i32,
        }),
        ..Default::default()
    };
    let ops = vec![put(id, &description), put_name(&request.namespace, id)];
    Ok((SystemReply::Done, WriteSet { ops }))
}

/// Changes the fields that the request sets, and replies with the whole namespace.
pub(super) fn update(
    rows: &dyn StateReader,
    request: &api::UpdateNamespaceRequest,
) -> Result<(SystemReply, WriteSet), Refused> {
    if request.promote_namespace {
        return Err(
            ApiError::invalid_argument("Cannot promote a namespace when global namespaces are not enabled").into()
        );
    }
    change(rows, &request.namespace, |namespace| {
        if let Some(update) = &request.update_info {
            let info = namespace.namespace_info.get_or_insert_default();
            if !update.description.is_empty() {
                info.description.clone_from(&update.description);
            }
            if !update.owner_email.is_empty() {
                info.owner_email.clone_from(&update.owner_email);
            }
            info.data.extend(update.data.clone());
            match NamespaceState::try_from(update.state) {
                Ok(NamespaceState::Unspecified) => {}
                Ok(state @ (NamespaceState::Registered | NamespaceState::Deprecated)) => info.state = state as i32,
                Ok(NamespaceState::Deleted) | Err(_) => {
                    return Err(ApiError::invalid_argument("A namespace cannot be set to this state."));
                }
            }
        }
        if let Some(update) = &request.config {
            let config = namespace.config.get_or_insert_default();
            if update.workflow_execution_retention_ttl.is_some() {
                check_retention(update.workflow_execution_retention_ttl)?;
                config.workflow_execution_retention_ttl = update.workflow_execution_retention_ttl;
            }
            let archival = [update.history_archival_state, update.visibility_archival_state];
            if archival.contains(&(ArchivalState::Enabled as i32)) {
                return Err(ApiError::invalid_argument("Archival is not enabled on this cluster."));
            }
            if let Some(bad) = &update.bad_binaries {
                config.bad_binaries.get_or_insert_default().binaries.extend(bad.binaries.clone());
            }
            name_columns(&mut config.custom_search_attribute_aliases, &update.custom_search_attribute_aliases)?;
        }
        if !request.delete_bad_binary.is_empty() {
            let binaries = &mut namespace.config.get_or_insert_default().bad_binaries.get_or_insert_default().binaries;
            if binaries.remove(&request.delete_bad_binary).is_none() {
                let message = format!("Bad binary checksum {} doesn't exists.", request.delete_bad_binary);
                return Err(ApiError::invalid_argument(message));
            }
        }
        Ok(())
    })
}

/// Gives names to columns of search attributes; the empty name takes a column's name away.
fn name_columns(aliases: &mut BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> Result<(), ApiError> {
    for (column, name) in wanted {
        if name.is_empty() {
            aliases.remove(column);
        } else if aliases.contains_key(column) {
            return Err(ApiError::invalid_argument("Custom search attribute field name already allocated."));
        } else if aliases.len() >= SEARCH_ATTRIBUTES {
            let message = format!("A namespace cannot have more than {SEARCH_ATTRIBUTES} custom search attributes.");
            return Err(ApiError::invalid_argument(message));
        } else {
            aliases.insert(column.clone(), name.clone());
        }
    }
    Ok(())
}

/// Marks the namespace as deprecated; it goes on working.
pub(super) fn deprecate(
    rows: &dyn StateReader,
    request: &api::DeprecateNamespaceRequest,
) -> Result<(SystemReply, WriteSet), Refused> {
    let (_, writes) = change(rows, &request.namespace, |namespace| {
        namespace.namespace_info.get_or_insert_default().state = NamespaceState::Deprecated as i32;
        Ok(())
    })?;
    Ok((SystemReply::Done, writes))
}

/// The description of a namespace by its name, without capabilities and limits.
pub fn by_name(rows: &dyn StateReader, name: &str) -> Result<Option<api::DescribeNamespaceResponse>, ReadError> {
    match id_of(rows, name)? {
        Some(id) => by_id(rows, id),
        None => Ok(None),
    }
}

/// The description of a namespace by its id, without capabilities and limits.
pub fn by_id(rows: &dyn StateReader, id: Uuid) -> Result<Option<api::DescribeNamespaceResponse>, ReadError> {
    let key = key(id);
    rows.get(&key)?.map(|value| decode(&key, &value)).transpose()
}

/// The rows of all namespaces with their ids, in the order of the ids.
pub fn rows(rows: &dyn StateReader) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
    rows.system_rows(SystemTable::Namespace)
}

/// The row of the namespace with this id.
pub fn row(rows: &dyn StateReader, id: Arc<str>) -> Result<Option<Bytes>, ReadError> {
    rows.get(&RowKey::System { table: SystemTable::Namespace, key: id })
}

/// Decodes a namespace's row.
pub fn description(id: Arc<str>, row: &[u8]) -> Result<api::DescribeNamespaceResponse, ReadError> {
    decode(&RowKey::System { table: SystemTable::Namespace, key: id }, row)
}

/// The reference server's NOT_FOUND for a namespace.
pub fn not_found(name: &str) -> ApiError {
    ApiError::new(Code::NotFound, format!("Namespace {name} is not found."))
        .with_detail(&NamespaceNotFoundFailure { namespace: name.into() })
}

/// Whether the namespace was deleted, and is only there until nothing of it is left.
pub fn is_deleted(description: &api::DescribeNamespaceResponse) -> bool {
    description.namespace_info.as_ref().is_some_and(|info| info.state() == NamespaceState::Deleted)
}

/// The reference server's FAILED_PRECONDITION for a namespace that was deleted; `allowed` are the states in which it would
/// do what it is asked for.
pub fn deleted(name: &str, allowed: &[NamespaceState]) -> ApiError {
    let state_name = |state: &NamespaceState| match state {
        NamespaceState::Unspecified => "Unspecified",
        NamespaceState::Registered => "Registered",
        NamespaceState::Deprecated => "Deprecated",
        NamespaceState::Deleted => "Deleted",
    };
    let must_be = allowed.iter().map(state_name).collect::<Vec<_>>().join(" or ");
    let message = format!("Namespace has invalid state: Deleted. Must be {must_be}.");
    ApiError::new(Code::FailedPrecondition, message).with_detail(&NamespaceInvalidStateFailure {
        namespace: name.into(),
        state: NamespaceState::Deleted.into(),
        allowed_states: allowed.iter().map(|state| i32::from(*state)).collect(),
    })
}

/// The states in which a namespace serves everything but starts.
pub const SERVING: &[NamespaceState] = &[NamespaceState::Registered, NamespaceState::Deprecated];

fn already_exists(name: &str) -> ApiError {
    ApiError::new(Code::AlreadyExists, format!("Namespace \"{name}\" already exists"))
        .with_detail(&NamespaceAlreadyExistsFailure {})
}

fn check_retention(retention: Option<prost_types::Duration>) -> Result<(), ApiError> {
    let retention = retention.and_then(|r| Duration::try_from(r).ok()).unwrap_or_default();
    if retention < MIN_RETENTION {
        return Err(ApiError::invalid_argument("A valid retention period is not set on request."));
    }
    Ok(())
}

pub(super) fn change(
    rows: &dyn StateReader,
    name: &str,
    apply: impl FnOnce(&mut api::DescribeNamespaceResponse) -> Result<(), ApiError>,
) -> Result<(SystemReply, WriteSet), Refused> {
    let id = id_of(rows, name)?.ok_or_else(|| not_found(name))?;
    let before = by_id(rows, id)?.ok_or_else(|| not_found(name))?;
    if is_deleted(&before) {
        return Err(deleted(name, SERVING).into());
    }
    let mut after = before.clone();
    apply(&mut after)?;
    let ops = if after == before { vec![] } else { vec![put(id, &after)] };
    Ok((SystemReply::Namespace(Box::new(after)), WriteSet { ops }))
}

fn key(id: Uuid) -> RowKey {
    RowKey::System { table: SystemTable::Namespace, key: Arc::from(id.to_string()) }
}

fn put(id: Uuid, description: &api::DescribeNamespaceResponse) -> Op {
    put_row(id, description, None)
}

fn put_row(id: Uuid, description: &api::DescribeNamespaceResponse, forget_after: Option<Timestamp>) -> Op {
    let row = NamespaceRow { description: description.encode_to_vec().into(), forget_after };
    Op::Put(key(id), codec::encode(&row))
}

fn name_key(name: &str) -> RowKey {
    RowKey::System { table: SystemTable::NamespaceName, key: name.into() }
}

fn put_name(name: &str, id: Uuid) -> Op {
    Op::Put(name_key(name), codec::encode(&NamespaceId(id)))
}

/// The id of a namespace by its name.
pub fn id_of(rows: &dyn StateReader, name: &str) -> Result<Option<Uuid>, ReadError> {
    let key = name_key(name);
    let Some(value) = rows.get(&key)? else { return Ok(None) };
    let id = codec::decode::<NamespaceId>(&value).map_err(|e| ReadError::corrupt(key, e))?;
    Ok(Some(id.0))
}

fn decode(key: &RowKey, value: &[u8]) -> Result<api::DescribeNamespaceResponse, ReadError> {
    let row = decode_row(key, value)?;
    Message::decode(row.description).map_err(|error: prost::DecodeError| ReadError::corrupt(key.clone(), error))
}

fn decode_row(key: &RowKey, value: &[u8]) -> Result<NamespaceRow, ReadError> {
    codec::decode(value).map_err(|error| ReadError::corrupt(key.clone(), error))
}

#[cfg(test)]
mod tests;
