//! The memo and the search attributes of a run: their first values, and their changes by events.

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

/// Merges changed search attributes into those of the run. Returns the run's search attributes after that.
pub(crate) fn upsert_search_attributes(info: &mut ExecutionInfo, upserted: &SearchAttributes) -> SearchAttributes {
    let mut merged = info.search_attributes.as_ref().map(Encoded::decode).unwrap_or_default();
    merge(&mut merged.indexed_fields, &upserted.indexed_fields, search_attributes::is_unset);
    info.search_attributes = Some(&merged).filter(|s| !s.indexed_fields.is_empty()).map(Encoded::of);
    merged
}

/// Merges changed memo fields into the memo of the run. Returns its size in bytes after that.
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

/// Whether a value removes its memo field: null, or an empty list.
fn removes(payload: &Payload) -> bool {
    match payload.metadata.get("encoding").map(|encoding| &encoding[..]) {
        Some(b"binary/null") => true,
        Some(b"json/plain") => &payload.data[..] == b"[]",
        _ => false,
    }
}
