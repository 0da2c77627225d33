//! Tokens on their way out and in, for all RPCs of the descriptors.

use super::validation::key;
use crate::{
    alone::frontend,
    call::Rpc,
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
use tenure_api::{
    encoded::{PollWorkflowTaskQueueResponse, RespondWorkflowTaskCompletedResponse, StartWorkflowExecutionResponse},
    error::Code,
    workflowservice::v1::{
        PollActivityTaskQueueRequest, PollActivityTaskQueueResponse, RespondWorkflowTaskCompletedRequest,
        StartWorkflowExecutionRequest,
    },
};
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
    field.kind() == Kind::Bytes && matches!(field.name(), "task_token" | "next_page_token" | "long_poll_token")
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

/// Whoever makes one of these responses seals the tokens in it; a worker that holds an unsealed one is refused. A method
/// that is new here needs a test of the way of its tokens out and in.
#[test]
fn the_methods_whose_responses_have_tokens_are_known() {
    let methods = led().into_iter().map(|(method, _)| method);
    let mut with_tokens: Vec<String> = methods
        .filter(|method| with_token(&method.output(), CONTENT).is_some())
        .map(|method| method.name().to_owned())
        .collect();
    with_tokens.sort();
    let known = [
        "DescribeActivityExecution",
        // Its start is never an eager one.
        "ExecuteMultiOperation",
        "GetWorkflowExecutionHistory",
        "GetWorkflowExecutionHistoryReverse",
        "PollActivityTaskQueue",
        "PollWorkflowTaskQueue",
        "RespondWorkflowTaskCompleted",
        "StartWorkflowExecution",
    ];
    assert_eq!(with_tokens, known);
}

/// A task that its owner gave up leaves the response that carries it; whatever else is in there stays.
#[test]
fn a_withdrawn_task_leaves_its_response() {
    let task = |token: &'static [u8]| PollWorkflowTaskQueueResponse { task_token: token.into(), ..Default::default() };
    let activity =
        |token: &'static [u8]| PollActivityTaskQueueResponse { task_token: token.into(), ..Default::default() };
    let completed = |workflow_task: Option<_>, activity_tasks: Vec<_>| RespondWorkflowTaskCompletedResponse {
        workflow_task,
        activity_tasks,
        reset_history_event_id: 7,
    };
    let response = completed(Some(task(b"w")), vec![activity(b"a"), activity(b"b")]);
    let without = |token: &[u8]| {
        let body = RespondWorkflowTaskCompletedRequest::withdraw(response.encode_to_vec().into(), token).unwrap();
        RespondWorkflowTaskCompletedResponse::decode(body).unwrap()
    };
    assert_eq!(without(b"w"), completed(None, vec![activity(b"a"), activity(b"b")]));
    assert_eq!(without(b"a"), completed(Some(task(b"w")), vec![activity(b"b")]));

    let started = StartWorkflowExecutionResponse { run_id: "r".into(), started: true, ..Default::default() };
    let eager = StartWorkflowExecutionResponse { eager_workflow_task: Some(task(b"w")), ..started.clone() };
    let body = StartWorkflowExecutionRequest::withdraw(eager.encode_to_vec().into(), b"w").unwrap();
    assert_eq!(StartWorkflowExecutionResponse::decode(body).unwrap(), started);

    let body = PollActivityTaskQueueRequest::withdraw(activity(b"a").encode_to_vec().into(), b"a").unwrap();
    assert!(body.is_empty());
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
            name_an_activity(&mut request);
            let mut request = decode(request.encode_to_vec().into()).unwrap();
            let (namespace, search_attributes) = (NamespaceId(Uuid::nil()), Registry::default());
            let admission = Admission { namespace, search_attributes, limits: &limits, token_key: key() };
            let refused = request.admit(&admission, frontend.shards()).expect_err(method.name());
            assert_eq!(refused.code, Code::InvalidArgument, "{}", method.name());
            let words = ["Error deserializing task token.", "Invalid NextPageToken.", "invalid long poll token"];
            assert!(words.contains(&&*refused.message), "{}: {}", method.name(), refused.message);
            methods += usize::from(*token == claims);
        }
    }
    assert_eq!(methods, 10, "methods that take tokens");
}

fn name_a_workflow(request: &mut DynamicMessage) {
    let Some(field) = request.descriptor().get_field_by_name("execution") else { return };
    let Kind::Message(execution) = field.kind() else { return };
    let mut execution = DynamicMessage::new(execution);
    execution.set_field_by_name("workflow_id", Value::String("w".into()));
    request.set_field(&field, Value::Message(execution));
}

fn name_an_activity(request: &mut DynamicMessage) {
    if request.descriptor().get_field_by_name("activity_id").is_some() {
        request.set_field_by_name("activity_id", Value::String("a".into()));
        request.set_field_by_name("run_id", Value::String(Uuid::nil().to_string()));
    }
}
