//! Tokens on their way out and in, for all RPCs of the descriptors.

use super::validation::key;
use crate::{
    alone::frontend,
    erased::{AnyRequest, Handler},
    rpc::Method,
    validate::Admission,
};
use bytes::Bytes;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage, Value,
};
use prost_types::FileDescriptorSet;
use tenure_api::error::Code;
use tenure_engine::{Limits, NamespaceId, search_attributes::Registry};
use tenure_shard::TokenUse;
use uuid::Uuid;

const CONTENT: &[u8] = b"content";

type Decode = fn(Bytes) -> Result<Box<dyn AnyRequest>, prost::DecodeError>;

/// The methods that a leader answers, with what decodes their requests.
fn led() -> Vec<(MethodDescriptor, Decode)> {
    let mut set = FileDescriptorSet::decode(tenure_api::DESCRIPTORS).unwrap();
    for file in &mut set.file {
        // Options that only generators read; what they are is not among the descriptors.
        file.dependency.retain(|name| !name.starts_with("nexusannotations/"));
    }
    let pool = DescriptorPool::from_file_descriptor_set(set).unwrap();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .filter_map(|method| match Method::find(method.name())?.handler? {
            Handler::Led(decode) => Some((method, decode)),
            Handler::Local(_) => None,
        })
        .collect()
}

fn is_token(field: &FieldDescriptor) -> bool {
    field.kind() == Kind::Bytes && matches!(field.name(), "task_token" | "next_page_token")
}

/// A message with a value in all the places for one, however deep; `None` if there is no such place.
fn filled(
    message: &MessageDescriptor,
    value_for: &dyn Fn(&FieldDescriptor) -> Option<Value>,
    within: &[MessageDescriptor],
) -> Option<DynamicMessage> {
    if within.contains(message) {
        return None;
    }
    let within = [within, std::slice::from_ref(message)].concat();
    let mut made = DynamicMessage::new(message.clone());
    let mut found = false;
    for field in message.fields().filter(|field| !field.is_map()) {
        let value = match (value_for(&field), field.kind()) {
            (Some(value), _) => value,
            (None, Kind::Message(inner)) => match filled(&inner, value_for, &within) {
                Some(inner) => Value::Message(inner),
                None => continue,
            },
            _ => continue,
        };
        made.set_field(&field, if field.is_list() { Value::List(vec![value.clone(), value]) } else { value });
        found = true;
    }
    found.then_some(made)
}

/// A message with this token in all its places.
fn with_token(message: &MessageDescriptor, token: &[u8]) -> Option<DynamicMessage> {
    let value = Value::Bytes(Bytes::copy_from_slice(token));
    filled(message, &|field| is_token(field).then(|| value.clone()), &[])
}

/// F42: nodes that a history passes decode nothing of it; what a decoder does not know would be lost.
#[test]
fn a_history_in_a_response_of_another_node_is_passed_on_as_it_is() {
    // One event of id 7, with a field of number 4242.
    let history = [0x0a, 6, 0x08, 7, 0x90, 0x89, 0x02, 1];
    let value_for = |field: &FieldDescriptor| match field.kind() {
        Kind::Message(message) if message.full_name() == "temporal.api.history.v1.History" => {
            Some(Value::Message(DynamicMessage::decode(message, &history[..]).unwrap()))
        }
        _ => None,
    };
    let mut methods = Vec::new();
    for (method, decode) in led() {
        let Some(sent) = filled(&method.output(), &value_for, &[]) else { continue };
        let sent = sent.encode_to_vec();
        assert!(sent.windows(history.len()).any(|bytes| bytes == history));
        let request = decode(Bytes::new()).unwrap();
        let passed_on = request.receive(sent.clone().into()).unwrap().encode();
        let of = |bytes: &[u8]| DynamicMessage::decode(method.output(), bytes).unwrap();
        assert_eq!(of(&passed_on), of(&sent), "{}", method.name());
        methods.push(method.name().to_owned());
    }
    assert_eq!(methods.len(), 6, "methods whose responses have histories: {methods:?}");
}

fn tokens_in(message: &DynamicMessage, found: &mut Vec<Bytes>) {
    for (field, value) in message.fields() {
        match value {
            Value::Bytes(bytes) if is_token(&field) => found.push(bytes.clone()),
            Value::Message(inner) => tokens_in(inner, found),
            Value::List(list) => {
                list.iter().filter_map(Value::as_message).for_each(|inner| tokens_in(inner, found));
            }
            _ => {}
        }
    }
}

#[test]
fn every_token_in_a_response_is_sealed_on_its_way_out() {
    let mut methods = 0;
    for (method, decode) in led() {
        let Some(plain) = with_token(&method.output(), CONTENT) else { continue };
        let request = decode(Bytes::new()).unwrap();
        let mut response = request.receive(plain.encode_to_vec().into()).unwrap();
        response.seal(key());
        let sealed = DynamicMessage::decode(method.output(), response.encode()).unwrap();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        tokens_in(&plain, &mut before);
        tokens_in(&sealed, &mut after);
        assert_eq!(after.len(), before.len(), "{}", method.name());
        for token in after {
            let opened = [TokenUse::Task, TokenUse::HistoryPage].into_iter().find_map(|u| key().open(u, &token));
            assert_eq!(opened, Some(CONTENT), "a token in the response of {}", method.name());
        }
        methods += 1;
    }
    assert_eq!(methods, 7, "methods whose responses have tokens");
}

/// F1: 30 bytes that name a length of 2^60; and others that are no tokens of this cluster.
#[tokio::test]
async fn a_made_up_token_is_refused_by_every_method_that_takes_one() {
    let mut claims = b"\x01\x00\x10".to_vec();
    claims.extend_from_slice(&[0; 16]);
    claims.push(0xfd);
    claims.extend_from_slice(&(1u64 << 60).to_le_bytes());
    claims.resize(30, 0);
    let mut altered = key().seal(TokenUse::Task, CONTENT).to_vec();
    altered[20] ^= 1;
    let made_up = [claims.clone(), [b"Q", &claims[..]].concat(), altered, vec![1], b"junk".to_vec(), vec![0xff; 4096]];
    let frontend = frontend();
    let limits = Limits::default();
    let mut methods = 0;
    for (method, decode) in led() {
        for token in &made_up {
            let Some(mut request) = with_token(&method.input(), token) else { continue };
            name_a_workflow(&mut request);
            let mut request = decode(request.encode_to_vec().into()).unwrap();
            let (namespace, search_attributes) = (NamespaceId(Uuid::nil()), Registry::default());
            let admission = Admission { namespace, search_attributes, limits: &limits, token_key: key() };
            let refused = request.admit(&admission, frontend.shards()).expect_err(method.name());
            assert_eq!(refused.code, Code::InvalidArgument, "{}", method.name());
            let words = ["Error deserializing task token.", "Invalid NextPageToken."];
            assert!(words.contains(&&*refused.message), "{}: {}", method.name(), refused.message);
            methods += usize::from(*token == claims);
        }
    }
    assert_eq!(methods, 9, "methods that take tokens");
}

fn name_a_workflow(request: &mut DynamicMessage) {
    let Some(field) = request.descriptor().get_field_by_name("execution") else { return };
    let Kind::Message(execution) = field.kind() else { return };
    let mut execution = DynamicMessage::new(execution);
    execution.set_field_by_name("workflow_id", Value::String("w".into()));
    request.set_field(&field, Value::Message(execution));
}
