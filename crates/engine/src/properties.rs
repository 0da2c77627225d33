//! The memo and the search attributes of a run: what it begins with, and what its events change.

use crate::{info::ExecutionInfo, proto::Encoded, search_attributes};
use prost::Message;
use tenure_api::{
    common::v1::{Memo, Payload, SearchAttributes},
    history::v1::WorkflowExecutionStartedEventAttributes,
};

/// The memo that a run begins with.
pub(crate) fn memo(started: &WorkflowExecutionStartedEventAttributes) -> Option<Encoded<Memo>> {
    started.memo.as_ref().filter(|memo| !memo.fields.is_empty()).map(Encoded::of)
}

/// The search attributes that a run begins with.
pub(crate) fn search_attributes(
    started: &WorkflowExecutionStartedEventAttributes,
) -> Option<Encoded<SearchAttributes>> {
    started.search_attributes.as_ref().filter(|attributes| !attributes.indexed_fields.is_empty()).map(Encoded::of)
}

/// Takes changed search attributes into those of the run. Gives what it has now.
pub(crate) fn upsert_search_attributes(info: &mut ExecutionInfo, upserted: &SearchAttributes) -> SearchAttributes {
    let mut merged = info.search_attributes.as_ref().map(Encoded::decode).unwrap_or_default();
    merge(&mut merged.indexed_fields, &upserted.indexed_fields, search_attributes::is_unset);
    info.search_attributes = Some(&merged).filter(|s| !s.indexed_fields.is_empty()).map(Encoded::of);
    merged
}

/// Takes changed memo fields into the memo of the run. Gives the bytes that it has now.
pub(crate) fn upsert_memo(info: &mut ExecutionInfo, upserted: &Memo) -> usize {
    let mut merged: Memo = info.memo.as_ref().map(Encoded::decode).unwrap_or_default();
    merge(&mut merged.fields, &upserted.fields, removes);
    let size = merged.encoded_len();
    info.memo = Some(merged).filter(|memo| !memo.fields.is_empty()).map(|memo| Encoded::of(&memo));
    size
}

type Fields = std::collections::BTreeMap<String, Payload>;

fn merge(fields: &mut Fields, upserted: &Fields, removes: fn(&Payload) -> bool) {
    for (key, value) in upserted {
        if removes(value) {
            fields.remove(key);
        } else {
            fields.insert(key.clone(), value.clone());
        }
    }
}

/// A memo field that is set to null or to an empty list is removed.
fn removes(payload: &Payload) -> bool {
    match payload.metadata.get("encoding").map(|encoding| &encoding[..]) {
        Some(b"binary/null") => true,
        Some(b"json/plain") => &payload.data[..] == b"[]",
        _ => false,
    }
}
