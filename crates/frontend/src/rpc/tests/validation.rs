use crate::{
    call::{PageTarget, Rpc},
    validate::Admission,
};
use tenure_api::{
    common::v1::{Memo, Payload, Payloads, Priority, RetryPolicy, WorkflowExecution, WorkflowType},
    enums::v1::{TaskQueueKind, TaskQueueType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy},
    error::Code,
    failure::v1::{Failure, failure::FailureInfo},
    query::v1::WorkflowQuery,
    schedule::v1::ScheduleSpec,
    taskqueue::v1::{RateLimit, TaskQueue},
    tenure::v1::PreviewScheduleRequest,
    update::v1::UpdateRef,
    workflowservice::v1::{self as api, update_task_queue_config_request::RateLimitUpdate},
};
use tenure_engine::{
    Limits, NamespaceId, RunKey, Stamp, SubjectKind, TaskKind, WorkflowKey, command::ActivityRef,
    search_attributes::Registry, system::token_secret::TokenSecret, token::TaskToken,
};
use tenure_shard::{TokenKey, TokenUse};
use uuid::Uuid;

const OURS: NamespaceId = NamespaceId(Uuid::from_u128(1));
const THEIRS: NamespaceId = NamespaceId(Uuid::from_u128(2));

pub(super) fn key() -> TokenKey {
    TokenKey::new(TokenSecret([7; 32]))
}

fn admit<R: Rpc>(request: &mut R) -> Result<R::Target, (Code, String)> {
    let limits = Limits::default();
    let search_attributes = Registry::default();
    let admission = Admission { namespace: OURS, search_attributes, limits: &limits, token_key: key() };
    request.admit(&admission).map_err(|error| (error.code, error.message))
}

/// The request is refused as INVALID_ARGUMENT with this message; the empty one means that it is admitted.
fn check<R: Rpc>(request: R, message: &str) {
    refused(request, Code::InvalidArgument, message);
}

fn refused<R: Rpc>(mut request: R, code: Code, message: &str) {
    let expected = if message.is_empty() { Ok(()) } else { Err((code, message.to_owned())) };
    assert_eq!(admit(&mut request).map(drop), expected);
}

fn long() -> String {
    "x".repeat(1001)
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.into(), ..Default::default() })
}

fn run(workflow_id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: run_id.into() })
}

fn big() -> Payloads {
    Payloads { payloads: vec![big_payload()] }
}

fn big_payload() -> Payload {
    Payload { data: vec![0; (2 << 20) + 1].into(), ..Default::default() }
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn token(namespace: NamespaceId, kind: TaskKind) -> bytes::Bytes {
    let workflow = WorkflowKey { namespace, workflow_id: "w".into() };
    let token = TaskToken {
        kind,
        run: RunKey { workflow, run_id: Uuid::nil() },
        scheduled_event_id: 2,
        attempt: 1,
        stamp: Stamp::default(),
        activity_id: String::new(),
        of: SubjectKind::RUN,
    };
    key().seal(TokenUse::Task, &token.encode())
}

#[test]
#[allow(deprecated)]
fn start() {
    let good = || api::StartWorkflowExecutionRequest {
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: queue("q"),
        ..Default::default()
    };
    let case = |change: &dyn Fn(&mut api::StartWorkflowExecutionRequest), message: &str| {
        let mut request = good();
        change(&mut request);
        check(request, message);
    };
    case(&|_| {}, "");
    case(&|r| r.workflow_id.clear(), "WorkflowId is not set on request.");
    case(&|r| r.workflow_id = long(), "WorkflowId exceeds maximum allowed length (1001/1000)");
    case(&|r| r.workflow_type = None, "WorkflowType is not set on request.");
    case(&|r| r.workflow_type = Some(WorkflowType::default()), "WorkflowType is not set on request.");
    case(&|r| r.workflow_type = Some(WorkflowType { name: long() }), "WorkflowType length exceeds limit.");
    case(&|r| r.task_queue = None, "taskQueue is not set");
    case(&|r| r.task_queue = queue(""), "missing task queue name");
    case(&|r| r.task_queue = queue(&long()), "taskQueue length exceeds limit");
    case(&|r| r.task_queue = queue("/_sys/q"), "task queue name cannot start with reserved prefix /_sys/");
    case(&|r| r.request_id = long(), "RequestId length exceeds limit.");
    case(&|r| r.input = Some(big()), "Blob data size exceeds limit.");
    case(&|r| r.memo = Some(Memo { fields: [("k".to_owned(), big_payload())].into() }), "Memo size exceeds limit.");
    let negative = "is set on request. cause: negative duration";
    case(
        &|r| r.workflow_execution_timeout = seconds(-1),
        &format!("An invalid WorkflowExecutionTimeoutSeconds {negative}"),
    );
    case(&|r| r.workflow_run_timeout = seconds(-1), &format!("An invalid WorkflowRunTimeoutSeconds {negative}"));
    case(&|r| r.workflow_task_timeout = seconds(-1), &format!("An invalid WorkflowTaskTimeoutSeconds {negative}"));
    case(&|r| r.workflow_start_delay = seconds(-1), &format!("An invalid WorkflowStartDelaySeconds {negative}"));
    case(
        &|r| {
            r.cron_schedule = "* * * * *".into();
            r.workflow_start_delay = seconds(1);
        },
        "CronSchedule and WorkflowStartDelay may not be used together.",
    );
    let coefficient = |backoff_coefficient| Some(RetryPolicy { backoff_coefficient, ..Default::default() });
    let weight = |fairness_weight| Some(Priority { fairness_weight, ..Default::default() });
    // F34.
    for out_of_range in [0.5, -1.0, f64::NAN, f64::NEG_INFINITY] {
        let message = "BackoffCoefficient cannot be less than 1 on retry policy.";
        case(&|r| r.retry_policy = coefficient(out_of_range), message);
    }
    for out_of_range in [-1.0, f32::NAN, f32::NEG_INFINITY] {
        case(&|r| r.priority = weight(out_of_range), "must be greater than zero");
    }
    case(&|r| (r.retry_policy, r.priority) = (coefficient(f64::INFINITY), weight(f32::INFINITY)), "");
    case(
        &|r| r.retry_policy = Some(RetryPolicy { maximum_attempts: -1, ..Default::default() }),
        "MaximumAttempts cannot be negative on retry policy.",
    );
    case(
        &|r| {
            r.set_workflow_id_reuse_policy(WorkflowIdReusePolicy::TerminateIfRunning);
            r.set_workflow_id_conflict_policy(WorkflowIdConflictPolicy::Fail);
        },
        "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a \
         WorkflowIDConflictPolicy",
    );
    case(
        &|r| {
            r.set_workflow_id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate);
            r.set_workflow_id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting);
        },
        "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with \
         WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING",
    );
    case(&|r| r.priority = Some(Priority { priority_key: -1, ..Default::default() }), "priority key can't be negative");
}

#[test]
fn what_names_an_execution() {
    fn all(execution: Option<WorkflowExecution>, message: &str) {
        check(
            api::SignalWorkflowExecutionRequest {
                workflow_execution: execution.clone(),
                signal_name: "s".into(),
                ..Default::default()
            },
            message,
        );
        check(
            api::RequestCancelWorkflowExecutionRequest { workflow_execution: execution.clone(), ..Default::default() },
            message,
        );
        check(
            api::TerminateWorkflowExecutionRequest { workflow_execution: execution.clone(), ..Default::default() },
            message,
        );
        let query = Some(WorkflowQuery { query_type: "q".into(), ..Default::default() });
        check(api::QueryWorkflowRequest { execution: execution.clone(), query, ..Default::default() }, message);
        check(api::GetWorkflowExecutionHistoryRequest { execution: execution.clone(), ..Default::default() }, message);
        check(
            api::GetWorkflowExecutionHistoryReverseRequest { execution: execution.clone(), ..Default::default() },
            message,
        );
        check(api::DescribeWorkflowExecutionRequest { execution: execution.clone(), ..Default::default() }, message);
        check(api::ResetStickyTaskQueueRequest { execution, ..Default::default() }, message);
    }
    all(run("w", ""), "");
    all(run("w", "00000000-0000-0000-0000-000000000001"), "");
    all(None, "Execution is not set on request.");
    all(run("", ""), "WorkflowId is not set on request.");
    all(run("w", "abc"), "Invalid RunId.");
    all(run("w", "00000000000000000000000000000001"), "");
}

const A_RUN: Uuid = Uuid::from_u128(0xabc);
const NO_RUN_ID: [&str; 9] = [
    "abc",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "0000000-00000-0000-0000-000000000abc",
    "00000000-0000-0000-0000-000000000abc0",
    " 00000000-0000-0000-0000-000000000abc",
    "(00000000-0000-0000-0000-000000000abc)",
    "{00000000-0000-0000-0000-000000000abc",
    "urn:oid0:00000000-0000-0000-0000-000000000abc",
];
const SPELLINGS: [&str; 6] = [
    "00000000-0000-0000-0000-000000000abc",
    "00000000-0000-0000-0000-000000000ABC",
    "{00000000-0000-0000-0000-000000000abc}",
    "00000000000000000000000000000abc",
    "urn:uuid:00000000-0000-0000-0000-000000000abc",
    "URN:UUID:00000000-0000-0000-0000-000000000abc",
];

/// F35: each RPC reads a run id by the same rule; the words for one that is none are two, as in the reference server
/// (`run_ids` of the conformance scenarios).
#[test]
fn a_run_id_is_read_once_and_by_one_rule() {
    fn each<R: Rpc>(message: &str, request: impl Fn(&str) -> R, run_id: impl Fn(R::Target) -> Option<Uuid>) {
        let admitted = |text: &str| admit(&mut request(text)).map(&run_id);
        for text in NO_RUN_ID {
            assert_eq!(admitted(text), Err((Code::InvalidArgument, message.to_owned())), "{}: {text}", R::NAME);
        }
        for text in SPELLINGS {
            assert_eq!(admitted(text), Ok(Some(A_RUN)), "{}: {text}", R::NAME);
        }
        assert_eq!(admitted(""), Ok(None), "{}: the current run", R::NAME);
    }
    /// Requests whose target is a run.
    macro_rules! run {
        ($message:expr, $field:ident: $($Request:ident { $($rest:tt)* }),* $(,)?) => {$(
            each(
                $message,
                |text| api::$Request { $field: run("w", text), $($rest)* ..Default::default() },
                |target| target.run_id,
            );
        )*};
    }
    /// Requests about an activity by its id.
    macro_rules! activity {
        ($($Request:ident),*) => {$(
            each(
                "RunId is not valid UUID.",
                |text| api::$Request {
                    workflow_id: "w".into(),
                    run_id: text.into(),
                    activity_id: "a".into(),
                    ..Default::default()
                },
                |target| match target.0.1 {
                    ActivityRef::ById { run_id, .. } => run_id,
                    ActivityRef::Token(_) => panic!("named by its id"),
                },
            );
        )*};
    }
    let options = Some(Default::default());
    let meta = Some(tenure_api::update::v1::Meta { update_id: "u".into(), ..Default::default() });
    let input = Some(tenure_api::update::v1::Input { name: "n".into(), ..Default::default() });
    let update = Some(tenure_api::update::v1::Request { meta, input, ..Default::default() });
    let query = Some(WorkflowQuery { query_type: "q".into(), ..Default::default() });
    run!(
        "Invalid RunId.", workflow_execution:
        SignalWorkflowExecutionRequest { signal_name: "s".into(), },
        RequestCancelWorkflowExecutionRequest {},
        TerminateWorkflowExecutionRequest {},
        DeleteWorkflowExecutionRequest {},
        ResetWorkflowExecutionRequest { request_id: "r".into(), },
        UpdateWorkflowExecutionRequest { request: update.clone(), },
    );
    run!(
        "Invalid RunId.", execution:
        DescribeWorkflowExecutionRequest {},
        ResetStickyTaskQueueRequest {},
        QueryWorkflowRequest { query: query.clone(), },
    );
    let page = |target: PageTarget| target.run.run_id;
    each(
        "Invalid RunId.",
        |text| api::GetWorkflowExecutionHistoryRequest { execution: run("w", text), ..Default::default() },
        page,
    );
    each(
        "Invalid RunId.",
        |text| api::GetWorkflowExecutionHistoryReverseRequest { execution: run("w", text), ..Default::default() },
        page,
    );
    let malformed = "RunId is not valid UUID.";
    run!(
        malformed, workflow_execution:
        UpdateWorkflowExecutionOptionsRequest {
            update_mask: Some(Default::default()),
            workflow_execution_options: options.clone(),
        },
    );
    run!(
        malformed, execution:
        PauseActivityRequest { activity: Some(api::pause_activity_request::Activity::Id("a".into())), },
        UnpauseActivityRequest { activity: Some(api::unpause_activity_request::Activity::Id("a".into())), },
        ResetActivityRequest { activity: Some(api::reset_activity_request::Activity::Id("a".into())), },
        UpdateActivityOptionsRequest {
            activity: Some(api::update_activity_options_request::Activity::Id("a".into())),
            restore_original: true,
        },
    );
    each(
        malformed,
        |text| {
            let of = UpdateRef { workflow_execution: run("w", text), update_id: "u".into() };
            api::PollWorkflowExecutionUpdateRequest { update_ref: Some(of), ..Default::default() }
        },
        |target| target.run_id,
    );
    activity!(
        RespondActivityTaskCompletedByIdRequest,
        RespondActivityTaskFailedByIdRequest,
        RespondActivityTaskCanceledByIdRequest,
        RecordActivityTaskHeartbeatByIdRequest
    );
}

/// F35: what is wrong with a start is refused in the same words, whichever request brings it.
#[test]
fn a_start_is_checked_the_same_whichever_request_brings_it() {
    use api::execute_multi_operation_request::{Operation, operation::Operation as Kinds};
    let check = |change: &dyn Fn(&mut api::StartWorkflowExecutionRequest), message: &str| {
        let mut start = api::StartWorkflowExecutionRequest {
            namespace: "n".into(),
            workflow_id: "w".into(),
            workflow_type: Some(WorkflowType { name: "t".into() }),
            task_queue: queue("q"),
            ..Default::default()
        };
        change(&mut start);
        check(start.clone(), message);
        check(
            api::SignalWithStartWorkflowExecutionRequest {
                signal_name: "s".into(),
                workflow_id: start.workflow_id.clone(),
                workflow_type: start.workflow_type.clone(),
                task_queue: start.task_queue.clone(),
                workflow_run_timeout: start.workflow_run_timeout,
                workflow_start_delay: start.workflow_start_delay,
                cron_schedule: start.cron_schedule.clone(),
                retry_policy: start.retry_policy.clone(),
                priority: start.priority.clone(),
                ..Default::default()
            },
            message,
        );
        let operation = |operation| Operation { operation: Some(operation) };
        let update = api::UpdateWorkflowExecutionRequest { namespace: "n".into(), ..Default::default() };
        let operations = vec![operation(Kinds::StartWorkflow(start)), operation(Kinds::UpdateWorkflow(update))];
        let mut request = api::ExecuteMultiOperationRequest { namespace: "n".into(), operations, ..Default::default() };
        let limits = Limits::default();
        let search_attributes = Registry::default();
        let admission = Admission { namespace: OURS, search_attributes, limits: &limits, token_key: key() };
        let error = request.admit(&admission).map(drop).expect_err("refused");
        let details = format!("{error:?}");
        assert!(details.contains(message), "{message} is not told by {details}");
    };
    check(&|r| r.task_queue = queue(""), "missing task queue name");
    check(&|r| r.task_queue = queue("/_sys/q"), "task queue name cannot start with reserved prefix /_sys/");
    check(
        &|r| r.workflow_run_timeout = seconds(-1),
        "An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration",
    );
    check(
        &|r| r.workflow_start_delay = seconds(-1),
        "An invalid WorkflowStartDelaySeconds is set on request. cause: negative duration",
    );
    check(&|r| r.cron_schedule = "every day".into(), "invalid CronSchedule.");
    check(
        &|r| r.retry_policy = Some(RetryPolicy { maximum_attempts: -1, ..Default::default() }),
        "MaximumAttempts cannot be negative on retry policy.",
    );
    check(
        &|r| r.priority = Some(Priority { priority_key: -1, ..Default::default() }),
        "priority key can't be negative",
    );
    for fairness_weight in [-1.0, f32::NAN] {
        check(&|r| r.priority = Some(Priority { fairness_weight, ..Default::default() }), "must be greater than zero");
    }
    check(
        &|r| r.priority = Some(Priority { fairness_key: "x".repeat(65), ..Default::default() }),
        "fairness key length exceeds limit",
    );
}

#[test]
fn what_a_start_asks_for_that_is_not_there_is_refused_by_name() {
    let start = || api::StartWorkflowExecutionRequest {
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: queue("q"),
        ..Default::default()
    };
    refused(
        api::StartWorkflowExecutionRequest { time_skipping_config: Some(Default::default()), ..start() },
        Code::Unimplemented,
        "The Time-Skipping feature is not enabled for namespace.",
    );
    refused(
        api::StartWorkflowExecutionRequest { versioning_override: Some(Default::default()), ..start() },
        Code::Unimplemented,
        "StartWorkflowExecutionRequest.versioning_override is not implemented",
    );
    let nexus = tenure_api::common::v1::callback::Nexus { url: "temporal://system".into(), ..Default::default() };
    let variant = Some(tenure_api::common::v1::callback::Variant::Nexus(nexus));
    let completion_callbacks = vec![tenure_api::common::v1::Callback { variant, ..Default::default() }];
    refused(
        api::StartWorkflowExecutionRequest { completion_callbacks, ..start() },
        Code::Unimplemented,
        "StartWorkflowExecutionRequest.completion_callbacks is not implemented",
    );
}

/// F34.
#[test]
fn rates_of_queues() {
    let rate = |requests_per_second, message: &str| {
        let rate_limit = Some(RateLimit { requests_per_second });
        let update = RateLimitUpdate { rate_limit, ..Default::default() };
        let mut request = api::UpdateTaskQueueConfigRequest {
            task_queue: "q".into(),
            update_queue_rate_limit: Some(update),
            ..Default::default()
        };
        request.set_task_queue_type(TaskQueueType::Activity);
        check(request, message);
    };
    for fine in [0.0, 0.5, f32::INFINITY] {
        rate(fine, "");
    }
    for out_of_range in [-1.0, f32::NAN, f32::NEG_INFINITY] {
        rate(out_of_range, "RequestsPerSecond for UpdateQueueRateLimit rate limit must be non-negative.");
    }
}

#[test]
fn signals_and_queries() {
    let signal = |change: &dyn Fn(&mut api::SignalWorkflowExecutionRequest), message: &str| {
        let mut request = api::SignalWorkflowExecutionRequest {
            workflow_execution: run("w", ""),
            signal_name: "s".into(),
            ..Default::default()
        };
        change(&mut request);
        check(request, message);
    };
    signal(&|r| r.signal_name.clear(), "SignalName is not set on request.");
    signal(&|r| r.signal_name = long(), "SignalName length exceeds limit.");
    signal(&|r| r.request_id = long(), "RequestId length exceeds limit.");
    signal(&|r| r.input = Some(big()), "Blob data size exceeds limit.");
    let query = |query: Option<WorkflowQuery>, message: &str| {
        check(api::QueryWorkflowRequest { execution: run("w", ""), query, ..Default::default() }, message);
    };
    query(None, "WorkflowQuery is not set on request.");
    query(Some(WorkflowQuery::default()), "QueryType is not set on request.");
    let args = Some(big());
    query(
        Some(WorkflowQuery { query_type: "q".into(), query_args: args, ..Default::default() }),
        "Blob data size exceeds limit.",
    );
}

#[test]
fn polls() {
    let both = |task_queue: Option<TaskQueue>, identity: &str, message: &str| {
        let identity = identity.to_owned();
        check(
            api::PollWorkflowTaskQueueRequest {
                task_queue: task_queue.clone(),
                identity: identity.clone(),
                ..Default::default()
            },
            message,
        );
        check(api::PollActivityTaskQueueRequest { task_queue, identity, ..Default::default() }, message);
    };
    both(queue("q"), "me", "");
    both(None, "", "taskQueue is not set");
    both(queue(""), "", "missing task queue name");
    both(queue(&long()), "", "taskQueue length exceeds limit");
    both(queue("q"), &long(), "Identity length exceeds limit.");
    let sticky = TaskQueue { name: "s".into(), kind: TaskQueueKind::Sticky as i32, normal_name: "q".into() };
    both(Some(sticky), "me", "");
}

#[test]
fn task_tokens() {
    macro_rules! each {
        ($kind:expr, $other:expr; $($Request:ident),*) => {$(
            let with = |task_token: bytes::Bytes, message: &str| {
                check(api::$Request { task_token, ..Default::default() }, message);
            };
            with(token(OURS, $kind), "");
            with(token(THEIRS, $kind), "Operation requested with a token from a different namespace.");
            let mut other = api::$Request { task_token: token(OURS, $other), ..Default::default() };
            assert_eq!(admit(&mut other).err().map(|(code, _)| code), Some(Code::NotFound));
            with(Default::default(), "Task token not set on request.");
            with("garbage".into(), "Error deserializing task token.");
        )*};
    }
    each!(TaskKind::Workflow, TaskKind::Activity; RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest);
    each!(
        TaskKind::Activity, TaskKind::Workflow;
        RespondActivityTaskCompletedRequest, RespondActivityTaskFailedRequest, RespondActivityTaskCanceledRequest,
        RecordActivityTaskHeartbeatRequest
    );
}

#[test]
fn only_application_failures_of_activities_are_taken() {
    let check_both = |failure: Option<Failure>, message: &str| {
        let task_token = token(OURS, TaskKind::Activity);
        let (workflow_id, activity_id) = ("w".to_owned(), "a".to_owned());
        let by_id = api::RespondActivityTaskFailedByIdRequest {
            workflow_id,
            activity_id,
            failure: failure.clone(),
            ..Default::default()
        };
        check(by_id, message);
        check(api::RespondActivityTaskFailedRequest { task_token, failure, ..Default::default() }, message);
    };
    let of = |failure_info| Some(Failure { failure_info, ..Default::default() });
    check_both(None, "");
    check_both(of(Some(FailureInfo::ApplicationFailureInfo(Default::default()))), "");
    check_both(of(None), "Failure must have ApplicationFailureInfo.");
    check_both(
        of(Some(FailureInfo::ServerFailureInfo(Default::default()))),
        "Failure must have ApplicationFailureInfo.",
    );
}

#[test]
fn query_tokens() {
    let with = |task_token: bytes::Bytes, message: &str| {
        check(api::RespondQueryTaskCompletedRequest { task_token, ..Default::default() }, message);
    };
    let token = |namespace| {
        let token = tenure_shard::QueryToken { namespace, shard: 1, node: 1, term: 1, id: 1 };
        key().seal(TokenUse::Task, &token.encode())
    };
    with(token(OURS), "");
    with(token(THEIRS), "Operation requested with a token from a different namespace.");
    with(Default::default(), "Task token not set on request.");
    with("garbage".into(), "Error deserializing task token.");
    with(self::token(THEIRS, TaskKind::Workflow), "Operation requested with a token from a different namespace.");
    let task_token = self::token(OURS, TaskKind::Workflow);
    let mut of_a_task = api::RespondQueryTaskCompletedRequest { task_token, ..Default::default() };
    assert_eq!(admit(&mut of_a_task).err().map(|(code, _)| code), Some(Code::NotFound));
}

#[test]
fn activities_by_id() {
    macro_rules! each {
        ($($Request:ident),*) => {$(
            let of = |workflow_id: &str, run_id: &str, activity_id: &str| {
                let (workflow_id, run_id) = (workflow_id.to_owned(), run_id.to_owned());
                let activity_id = activity_id.to_owned();
                api::$Request { workflow_id, run_id, activity_id, ..Default::default() }
            };
            check(of("w", "", "a"), "");
            check(of("w", "", ""), "ActivityId is not set on request.");
            check(of("w", "abc", "a"), "RunId is not valid UUID.");
            // An activity without a workflow.
            check(of("", "", "a"), "");
            check(of("", "", ""), "ActivityId is not set on request.");
            check(of("", "abc", "a"), "RunId is not valid UUID.");
        )*};
    }
    each!(
        RespondActivityTaskCompletedByIdRequest,
        RespondActivityTaskFailedByIdRequest,
        RespondActivityTaskCanceledByIdRequest,
        RecordActivityTaskHeartbeatByIdRequest
    );
}

#[test]
fn namespaces() {
    check(api::RegisterNamespaceRequest::default(), "Namespace not set on request.");
    check(api::RegisterNamespaceRequest { namespace: long(), ..Default::default() }, "Namespace length exceeds limit.");
    check(api::UpdateNamespaceRequest::default(), "Namespace not set on request.");
    check(api::DeprecateNamespaceRequest::default(), "Namespace not set on request.");
}

#[test]
fn a_request_without_an_id_gets_one_for_all_its_retries() {
    let mut request = api::SignalWorkflowExecutionRequest {
        workflow_execution: run("w", ""),
        signal_name: "s".into(),
        ..Default::default()
    };
    admit(&mut request).unwrap();
    let minted = request.request_id.clone();
    assert!(!minted.is_empty());
    // As when it is admitted again where it was forwarded to.
    admit(&mut request).unwrap();
    assert_eq!(request.request_id, minted);
}

#[test]
fn a_preview_is_refused_as_the_schedule_would_be() {
    let preview = |schedule_id: &str, cron: &str| {
        let spec = ScheduleSpec { cron_string: vec![cron.into()], ..Default::default() };
        PreviewScheduleRequest { schedule_id: schedule_id.into(), spec: Some(spec), ..Default::default() }
    };
    check(preview("s", "30 2 * * MON-FRI"), "");
    check(preview("", "@daily"), "");
    check(preview("s", "30 25 * * *"), "Invalid schedule spec: Hour is not in range [0-23]");
    check(preview(&"x".repeat(978), "@daily"), "WorkflowId exceeds maximum allowed length (1001/1000)");
    let large = ScheduleSpec { timezone_data: vec![0; 3 << 20].into(), ..Default::default() };
    check(PreviewScheduleRequest { spec: Some(large), ..Default::default() }, "Blob data size exceeds limit.");
}
