//! Messages become the JSON that the protocol buffers' mapping has for them, as another implementation of it says, and
//! come back.

use crate::json::{
    decode::Reading,
    encode::Writer,
    routes::{POOL, ROUTES},
};
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MapKey, MessageDescriptor, SerializeOptions, Value};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use tenure_api::{
    common::v1::Payload,
    error::Code,
    failure::v1::Failure,
    nested::Cause,
    workflowservice::v1::{SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest},
};

const LIMIT: usize = 4 << 20;

/// Choices that a message is made of; none are left: the first of each.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn of(&mut self, options: u8) -> u8 {
        self.0.next().map_or(0, |choice| choice % options)
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 8] = ["", "a", "ü\u{1f600}", "<script>&", "\"\\\n\0\u{7f}", "b_c", "7", "NaN"];
        TEXTS[usize::from(self.of(8))].to_owned()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.of(5)).map(|_| self.of(u8::MAX)).collect()
    }

    /// Without an encoding it would not be known for a payload in full.
    fn payload(&mut self) -> Payload {
        let typed = [("messageType", "a.B")];
        let (encoding, more, data): (_, &[(&str, &str)], Vec<u8>) = match self.of(6) {
            0 => ("binary/null", &[][..], "".into()),
            1 => ("json/plain", &[][..], r#"{"a": [1, "b", null]}"#.into()),
            2 => ("json/protobuf", &typed[..], r#"{"x":1}"#.into()),
            3 => ("json/plain", &typed[..], "1".into()),
            4 => ("json/plain", &[][..], "no json".into()),
            _ => ("binary/plain", &[][..], [&[255][..], self.bytes().as_slice()].concat()),
        };
        let metadata = [("encoding", encoding)]
            .iter()
            .chain(more)
            .map(|(name, value)| (name.to_string(), value.to_string().into()))
            .collect();
        Payload { metadata, data: data.into(), ..Default::default() }
    }

    fn message(&mut self, form: &MessageDescriptor, depth: u8) -> DynamicMessage {
        let mut message = DynamicMessage::new(form.clone());
        for field in form.fields() {
            // Of a type of its own, or of no known one.
            if field.kind().as_message().is_some_and(|message| message.full_name() == "google.protobuf.Any") {
                continue;
            }
            let nested = field.kind().as_message().is_some();
            if self.of(if nested { 3 } else { 2 }) == 0 || nested && depth == 0 {
                continue;
            }
            let value = if field.is_map() {
                let entry = field.kind().as_message().unwrap().clone();
                let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
                let entries = (0..self.of(3)).map(|_| (self.key(&key), self.value(&value, depth)));
                Value::Map(entries.collect::<HashMap<_, _>>())
            } else if field.is_list() {
                Value::List((0..self.of(4)).map(|_| self.value(&field.kind(), depth)).collect())
            } else {
                self.value(&field.kind(), depth)
            };
            message.set_field(&field, value);
        }
        message
    }

    fn key(&mut self, kind: &Kind) -> MapKey {
        match kind {
            Kind::String => MapKey::String(self.text()),
            Kind::Int32 => MapKey::I32(i32::from(self.of(3)) - 1),
            other => panic!("the API has no maps by {other:?}"),
        }
    }

    fn value(&mut self, kind: &Kind, depth: u8) -> Value {
        match kind {
            Kind::Double => Value::F64([0.0, 1.5, -1e300, f64::INFINITY, f64::NEG_INFINITY][usize::from(self.of(5))]),
            Kind::Float => Value::F32([0.0, 1.5, -0.25, f32::INFINITY, f32::NEG_INFINITY][usize::from(self.of(5))]),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                Value::I32([0, 1, -1, i32::MIN, i32::MAX][usize::from(self.of(5))])
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                Value::I64([0, 1, -1, i64::MIN, i64::MAX][usize::from(self.of(5))])
            }
            Kind::Uint32 | Kind::Fixed32 => Value::U32([0, 1, u32::MAX][usize::from(self.of(3))]),
            Kind::Uint64 | Kind::Fixed64 => Value::U64([0, 1, u64::MAX][usize::from(self.of(3))]),
            Kind::Bool => Value::Bool(self.of(2) == 1),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(self.bytes().into()),
            // Also one that nobody knows.
            Kind::Enum(_) => Value::EnumNumber([0, 1, 2, 12345][usize::from(self.of(4))]),
            Kind::Message(form) => Value::Message(match form.full_name() {
                "google.protobuf.Timestamp" => {
                    let nanos = [0, 1, 500_000_000, 999_999_999][usize::from(self.of(4))];
                    let seconds = [0, 1_700_000_000, -62_135_596_800, 253_402_300_799][usize::from(self.of(4))];
                    dynamic(form, &prost_types::Timestamp { seconds, nanos })
                }
                "google.protobuf.Duration" => {
                    let duration =
                        [(0, 0), (90, 0), (1, 500_000_000), (-3, -1), (315_576_000_000, 0)][usize::from(self.of(5))];
                    dynamic(form, &prost_types::Duration { seconds: duration.0, nanos: duration.1 })
                }
                "google.protobuf.FieldMask" => {
                    let paths = (0..self.of(3)).map(|_| "a_field.of_it".to_owned()).collect();
                    dynamic(form, &prost_types::FieldMask { paths })
                }
                "temporal.api.common.v1.Payload" => dynamic(form, &self.payload()),
                _ => self.message(form, depth.saturating_sub(1)),
            }),
        }
    }
}

fn dynamic(form: &MessageDescriptor, message: &impl Message) -> DynamicMessage {
    DynamicMessage::decode(form.clone(), message.encode_to_vec().as_slice()).unwrap()
}

/// What we write, in pieces of a length.
fn written(form: &MessageDescriptor, encoded: &[u8], shorthand: bool, piece: usize) -> String {
    let (mut writer, mut out) = Writer::new(form, encoded.to_vec().into(), shorthand).unwrap();
    let mut whole = Vec::new();
    loop {
        let more = writer.fill(&mut out, piece).unwrap();
        whole.append(&mut out);
        if !more {
            return String::from_utf8(whole).unwrap();
        }
    }
}

fn read(form: &MessageDescriptor, json: &str, shorthand: bool) -> Result<DynamicMessage, (Code, String)> {
    let reading = Reading { shorthand, limit: LIMIT };
    let encoded = reading.message(form, json.as_bytes()).map_err(|error| (error.code, error.message))?;
    Ok(DynamicMessage::decode(form.clone(), encoded.as_slice()).unwrap())
}

/// All types of messages of the API that requests and responses are made of.
fn forms() -> Vec<MessageDescriptor> {
    let mut forms = BTreeMap::new();
    for (_, route) in ROUTES.all() {
        for form in [&route.input, &route.output] {
            forms.insert(form.full_name().to_owned(), form.clone());
        }
    }
    forms.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn all_messages_become_json_and_come_back(choices in prop::collection::vec(any::<u8>(), 0..2_000), piece in 1..5_000usize) {
        for form in forms() {
            let message = Choices(choices.iter()).message(&form, 4);
            let encoded = message.encode_to_vec();
            let ours = written(&form, &encoded, false, piece);
            let theirs = message.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new()).unwrap();
            let parsed: Json = serde_json::from_str(&ours).unwrap();
            prop_assert_eq!(&parsed, &theirs, "{}", form.full_name());
            let json_of = |message: DynamicMessage| {
                message.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new()).unwrap()
            };
            prop_assert_eq!(&json_of(read(&form, &ours, false).unwrap()), &theirs, "{}", &ours);
            // In shorthand it is another JSON of the same message.
            let short = written(&form, &encoded, true, piece);
            prop_assert_eq!(&json_of(read(&form, &short, true).unwrap()), &theirs, "{}", &short);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(json in prop::collection::vec(any::<u8>(), 0..200), text in r#"[\[\]{}":,a-z0-9\\ ]{0,80}"#) {
        for form in forms() {
            let reading = Reading { shorthand: true, limit: LIMIT };
            let _ = reading.message(&form, &json);
            let _ = reading.message(&form, text.as_bytes());
            if let Ok((mut writer, mut out)) = Writer::new(&form, json.clone().into(), true) {
                let _ = writer.fill(&mut out, usize::MAX);
            }
        }
    }
}

fn form(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("temporal.api.{name}")).unwrap()
}

fn start(json: &str) -> Result<StartWorkflowExecutionRequest, String> {
    let message = read(&form("workflowservice.v1.StartWorkflowExecutionRequest"), json, true);
    message.map(|message| message.transcode_to().unwrap()).map_err(|(_, message)| message)
}

#[test]
fn fields_are_taken_in_all_their_spellings() {
    let plain = start(
        r#"{"workflowType": {"name": "T"}, "workflowIdReusePolicy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
            "workflowExecutionTimeout": "90s", "memo": null, "retryPolicy": {"backoffCoefficient": 2, "maximumAttempts": 3}}"#,
    );
    let plain = plain.unwrap();
    assert_eq!(plain.workflow_id_reuse_policy, 3);
    for same in [
        r#"{"workflow_type": {"name": "T"}, "workflow_id_reuse_policy": "RejectDuplicate",
            "workflow_execution_timeout": "90.000s", "retry_policy": {"backoff_coefficient": "2.0", "maximum_attempts": "3"}}"#,
        r#"{"workflowType": {"name": "\u0054"}, "workflowIdReusePolicy": 3, "workflowExecutionTimeout": "90s",
            "retryPolicy": {"backoffCoefficient": 2e0, "maximumAttempts": 3.0}}"#,
    ] {
        assert_eq!(start(same).as_ref(), Ok(&plain), "{same}");
    }
}

#[test]
fn what_is_no_message_is_refused() {
    for (json, words) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "StartWorkflowExecutionRequest as an object"),
        ("null", "StartWorkflowExecutionRequest as an object"),
        ("{} {}", "trailing characters"),
        (r#"{"nonsense": 1}"#, r#"unknown field "nonsense" of StartWorkflowExecutionRequest"#),
        (r#"{"identity": "a", "identity": "b"}"#, r#"field "identity" is there twice"#),
        (r#"{"workflowId": "a", "workflow_id": "b"}"#, r#"field "workflow_id" is there twice"#),
        (r#"{"memo": {"fields": {"a": 1, "a": 2}}}"#, r#"key "a" is there twice"#),
        (r#"{"workflowType": "T"}"#, "WorkflowType as an object"),
        (r#"{"identity": 5}"#, r#"invalid value for "identity": 5"#),
        (r#"{"identity": []}"#, r#"a value for "identity""#),
        (r#"{"links": {}}"#, r#"a list for "links""#),
        (r#"{"links": [null]}"#, "null"),
        (r#"{"requestEagerExecution": "true"}"#, r#"invalid value for "requestEagerExecution": "true""#),
        (r#"{"retryPolicy": {"maximumAttempts": 1.5}}"#, r#"invalid value for "maximumAttempts": 1.5"#),
        (r#"{"retryPolicy": {"maximumAttempts": 2147483648}}"#, r#"invalid value for "maximumAttempts""#),
        (r#"{"retryPolicy": {"maximumAttempts": " 1"}}"#, r#"invalid value for "maximumAttempts""#),
        (r#"{"workflowIdReusePolicy": "Nonsense"}"#, r#"invalid value for "workflowIdReusePolicy": "Nonsense""#),
        (r#"{"workflowExecutionTimeout": "soon"}"#, "duration"),
        ("{\"identity\": \"\u{0}\"}", "control character"),
        (r#"{"identity": "\ud800"}"#, "hex escape"),
    ] {
        let refused = start(json).unwrap_err();
        assert!(refused.to_lowercase().contains(&words.to_lowercase()), "{json}: {refused}");
    }
    let not_utf8 = Reading { shorthand: true, limit: LIMIT };
    let form = form("workflowservice.v1.StartWorkflowExecutionRequest");
    assert!(not_utf8.message(&form, b"{\"identity\": \"\xff\"}").is_err());
}

/// Of a group only one field may be there; `null` is none.
#[test]
fn two_of_a_group_are_refused() {
    let form = form("workflowservice.v1.StartBatchOperationRequest");
    let refused = read(&form, r#"{"terminationOperation": {}, "signalOperation": {}}"#, true).unwrap_err();
    assert!(refused.1.contains("more than one field"), "{refused:?}");
    read(&form, r#"{"terminationOperation": {}, "signalOperation": null}"#, true).unwrap();
}

/// Deep JSON is refused where it is taken apart, and taken where it is not: in payloads.
#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| {
        let failure = r#"{"message":"m","cause":"#.repeat(levels) + "{}" + &"}".repeat(levels);
        read(&form("failure.v1.Failure"), &failure, true)
    };
    deep(90).unwrap();
    for levels in [130, 100_000] {
        assert!(deep(levels).unwrap_err().1.contains("recursion limit"), "{levels}");
    }
    let brackets = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let payload = read(&form("common.v1.Payload"), &brackets, true).unwrap().transcode_to::<Payload>().unwrap();
    assert_eq!(payload.data, brackets);
}

/// What comes out is bounded, too: two bytes of JSON become thirty of a payload.
#[test]
fn a_body_that_becomes_too_large_a_message_is_refused() {
    let many = format!(r#"{{"input": [0{}]}}"#, ",0".repeat(1_000_000));
    assert!(many.len() < LIMIT);
    let refused = read(&form("workflowservice.v1.StartWorkflowExecutionRequest"), &many, true).unwrap_err();
    assert_eq!(refused.0, Code::ResourceExhausted, "{refused:?}");
}

/// A chain of failures as long as any that is taken becomes JSON, without recursion.
#[test]
fn any_depth_becomes_json() {
    let mut failure = Failure { message: "x".into(), ..Default::default() };
    for _ in 0..4_999 {
        failure = Failure { message: "x".into(), cause: Some(Cause::new(&failure)), ..Default::default() };
    }
    let json = written(&form("failure.v1.Failure"), &failure.encode_to_vec(), true, 1 << 16);
    assert_eq!(json.matches(r#""cause":"#).count(), 4_999);
}

#[test]
fn an_any_is_shown_with_its_type() {
    let form = POOL.get_message_by_name("google.protobuf.Any").unwrap();
    let request = SignalWorkflowExecutionRequest { signal_name: "s".into(), ..Default::default() };
    let url = "type.googleapis.com/temporal.api.workflowservice.v1.SignalWorkflowExecutionRequest";
    let any = prost_types::Any { type_url: url.into(), value: request.encode_to_vec() };
    let json = written(&form, &any.encode_to_vec(), true, 1);
    assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), json!({"@type": url, "signalName": "s"}));
    assert_eq!(read(&form, &json, true).unwrap().transcode_to::<prost_types::Any>().unwrap(), any);
    let unknown = prost_types::Any { type_url: "x/none.Such".into(), value: vec![1, 2] };
    let json = written(&form, &unknown.encode_to_vec(), true, 1);
    assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), json!({"@type": "x/none.Such", "value": "AQI="}));
    assert!(read(&form, &json, true).unwrap_err().1.contains("unknown type"));
}

/// Empty elements take two bytes each; no tree of them is built, and a piece has the size of a piece.
#[test]
fn millions_of_elements_are_written_in_pieces() {
    let form = form("common.v1.Payloads");
    let encoded = [0x0a, 0].repeat(1_000_000);
    let (mut writer, mut out) = Writer::new(&form, encoded.into(), false).unwrap();
    let mut length = 0;
    while writer.fill(&mut out, 10_000).unwrap() {
        assert!((10_000..10_100).contains(&out.len()), "{}", out.len());
        length += out.len();
        out.clear();
    }
    assert_eq!(length + out.len(), r#"{"payloads":[]}"#.len() + 3 * 1_000_000 - 1);
}
