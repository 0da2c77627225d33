//! The end of a namespace. It is renamed and hidden at once, so that its name is free; shards remove what they have of it;
//! and once nothing is left, its row and its new name go.

use super::{by_id, decode_row, id_of, is_deleted, key, name_key, not_found, put_name, put_row};
use crate::{
    feature_level::FeatureLevel,
    rows::{Op, ReadError, StateReader, WriteSet},
    system::reply::SystemReply,
    time::Timestamp,
    transition::types::{Context, Refused},
};
use std::time::Duration;
use tenure_api::{
    enums::v1::NamespaceState,
    error::{ApiError, Code},
    operatorservice::v1::DeleteNamespaceRequest,
};
use uuid::Uuid;

/// Characters of the id in the name that a deleted namespace gets, unless that name is taken. (The reference server's.)
const ID_IN_NAME: usize = 5;

/// Marks a namespace as deleted, and renames it. One that is deleted already keeps the name that it got, and goes after the
/// delay of the last request.
pub(in crate::system) fn delete(
    rows: &dyn StateReader,
    request: &DeleteNamespaceRequest,
    cx: &mut Context<'_>,
) -> Result<(SystemReply, WriteSet), Refused> {
    if cx.level < FeatureLevel::LISTS {
        let message = format!(
            "the cluster has feature level {}, and this needs {}: once all nodes run this version, an operator raises it \
             with `tenure cluster upgrade`",
            cx.level,
            FeatureLevel::LISTS
        );
        return Err(ApiError::new(Code::FailedPrecondition, message).into());
    }
    let (asked, id) = if request.namespace_id.is_empty() {
        (&request.namespace, id_of(rows, &request.namespace)?)
    } else {
        (&request.namespace_id, Uuid::try_parse(&request.namespace_id).ok())
    };
    let id = id.ok_or_else(|| not_found(asked))?;
    let mut description = by_id(rows, id)?.ok_or_else(|| not_found(asked))?;
    let mut ops = Vec::new();
    if !is_deleted(&description) {
        let info = description.namespace_info.get_or_insert_default();
        let name = free_name(rows, &info.name, id)?;
        ops.extend([Op::Delete(name_key(&info.name)), put_name(&name, id)]);
        info.name = name;
        info.state = NamespaceState::Deleted.into();
    }
    let delay = request.namespace_delete_delay.and_then(|delay| Duration::try_from(delay).ok()).unwrap_or_default();
    ops.push(put_row(id, &description, Some(cx.now.plus(delay))));
    Ok((SystemReply::Namespace(Box::new(description)), WriteSet { ops }))
}

fn free_name(rows: &dyn StateReader, name: &str, id: Uuid) -> Result<String, ReadError> {
    let id = id.to_string();
    for length in ID_IN_NAME..id.len() {
        let renamed = format!("{name}-deleted-{}", &id[..length]);
        if id_of(rows, &renamed)?.is_none() {
            return Ok(renamed);
        }
    }
    Ok(format!("{name}-deleted-{id}"))
}

/// Removes the rows of a deleted namespace of which nothing is left, once its delay is over.
pub(in crate::system) fn forget(
    rows: &dyn StateReader,
    id: Uuid,
    cx: &mut Context<'_>,
) -> Result<(SystemReply, WriteSet), Refused> {
    let nothing = (SystemReply::Done, WriteSet::default());
    let Some(description) = by_id(rows, id)?.filter(is_deleted) else { return Ok(nothing) };
    if !may_be_forgotten(rows, id, cx.now)? {
        return Ok(nothing);
    }
    let name = description.namespace_info.unwrap_or_default().name;
    let ops = vec![Op::Delete(name_key(&name)), Op::Delete(key(id))];
    Ok((SystemReply::Done, WriteSet { ops }))
}

/// Whether the delay of a namespace that was deleted is over.
pub fn may_be_forgotten(rows: &dyn StateReader, id: Uuid, now: Timestamp) -> Result<bool, ReadError> {
    let key = key(id);
    let Some(value) = rows.get(&key)? else { return Ok(false) };
    Ok(decode_row(&key, &value)?.forget_after.is_some_and(|at| at <= now))
}
