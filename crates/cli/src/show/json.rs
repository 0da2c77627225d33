//! The API's messages as its JSON: field names, enums and times as in the API's HTTP form.

use super::payload::{self, ENCODING};
use crate::output;
use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;
use std::sync::LazyLock;

/// A message with its payloads as they are: what SDKs read again.
pub(crate) fn exact<M: Message + Name>(message: &M) -> anyhow::Result<Value> {
    let form = MESSAGES.get_message_by_name(&M::full_name()).context("not a message of the API")?;
    let message = DynamicMessage::decode(form, message.encode_to_vec().as_slice());
    let message = message.with_context(|| format!("{} has no JSON", M::NAME))?;
    let json = message.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new());
    json.with_context(|| format!("{} has no JSON", M::NAME))
}

/// A message with payloads that are JSON shown as what they hold.
pub(crate) fn readable<M: Message + Name>(message: &M) -> anyhow::Result<Value> {
    let mut json = exact(message)?;
    open_payloads(&mut json);
    Ok(json)
}

/// Prints a message as a document of its own.
pub(crate) fn print<M: Message + Name>(message: &M) -> anyhow::Result<()> {
    output::document(&readable(message)?)
}

/// Prints a message as one line, one of many.
pub(crate) fn print_line<M: Message + Name>(message: &M) -> anyhow::Result<()> {
    output::json_line(&readable(message)?)
}

/// The forms of all messages.
static MESSAGES: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(tenure_api::DESCRIPTORS).expect("the API's own descriptors are complete"));

/// Replaces payloads by what they hold, and a list of payloads by a list. What was in a payload is not looked at again.
fn open_payloads(json: &mut Value) {
    if let Some(held) = held_by_payload(json) {
        *json = held;
        return;
    }
    match json {
        Value::Array(items) => items.iter_mut().for_each(open_payloads),
        Value::Object(fields) if fields.len() == 1 && fields.get("payloads").is_some_and(Value::is_array) => {
            let mut payloads = fields.remove("payloads").unwrap_or_default();
            open_payloads(&mut payloads);
            *json = payloads;
        }
        Value::Object(fields) => fields.values_mut().for_each(open_payloads),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn held_by_payload(json: &Value) -> Option<Value> {
    let fields = json.as_object()?;
    if !fields.keys().all(|name| name == "metadata" || name == "data") {
        return None;
    }
    let bytes = |value: &Value| BASE64_STANDARD.decode(value.as_str()?).ok();
    let encoding = bytes(fields.get("metadata")?.get(ENCODING)?)?;
    payload::json(&encoding, &fields.get("data").map_or(Some(Vec::new()), bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use tenure_api::{
        common::v1::{Memo, Payload, Payloads, WorkflowType},
        enums::v1::WorkflowExecutionStatus,
        workflow::v1::WorkflowExecutionInfo,
    };

    fn json_payload(data: &'static str) -> Payload {
        let metadata = [(ENCODING.to_owned(), "json/plain".into())].into();
        Payload { metadata, data: data.into(), ..Default::default() }
    }

    #[test]
    fn names_are_the_apis_and_payloads_are_open() {
        let sealed = Payload { metadata: [(ENCODING.to_owned(), "x/y".into())].into(), ..json_payload("1") };
        // What looks like a payload inside of one stays.
        let inner = json_payload(r#"{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}"#);
        let info = WorkflowExecutionInfo {
            r#type: Some(WorkflowType { name: "Order".to_owned() }),
            status: WorkflowExecutionStatus::Running.into(),
            start_time: Some(prost_types::Timestamp { seconds: 1, nanos: 5_000_000 }),
            history_length: 3,
            memo: Some(Memo { fields: [("open".to_owned(), inner), ("sealed".to_owned(), sealed)].into() }),
            ..Default::default()
        };
        expect![[r#"
            {
              "historyLength": "3",
              "memo": {
                "fields": {
                  "open": {
                    "data": "MQ==",
                    "metadata": {
                      "encoding": "anNvbi9wbGFpbg=="
                    }
                  },
                  "sealed": {
                    "data": "MQ==",
                    "metadata": {
                      "encoding": "eC95"
                    }
                  }
                }
              },
              "startTime": "1970-01-01T00:00:01.005Z",
              "status": "WORKFLOW_EXECUTION_STATUS_RUNNING",
              "type": {
                "name": "Order"
              }
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&readable(&info).unwrap()).unwrap());
    }

    #[test]
    fn a_list_of_payloads_is_a_list() {
        let payloads = Payloads { payloads: vec![json_payload("1"), json_payload("null")] };
        assert_eq!(readable(&payloads).unwrap(), serde_json::json!([1, null]));
        assert_eq!(exact(&payloads).unwrap()["payloads"][0]["data"], "MQ==");
    }
}
