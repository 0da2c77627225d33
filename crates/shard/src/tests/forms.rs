//! Forms of what nodes say to each other, and of the tokens of pages and queries, in `crates/shard/forms/`.

use crate::{
    KnownActivity, PageToken, QueryToken, Question,
    node::list_token::ListToken,
    seam::{
        messages::{Answer, HandoverState, Offered, OperateRequest, Request, StartRequest, TaskKey},
        question::{
            Budget, GroupValue, Item, ListAttribute, ListQuery, Part, Step, StepPlace, StepRequest, StepsRequest,
        },
        replica::NotLeader,
        worker_query::WorkerQuery,
    },
};
use bytes::Bytes;
use std::time::Duration;
use tenure_api::{
    common::v1::{WorkerVersionCapabilities, WorkflowExecution},
    deployment::v1::WorkerDeploymentOptions,
    error::{ApiError, Code},
    errordetails::v1::NotFoundFailure,
    worker::v1::WorkerHeartbeat,
    workflowservice::v1::{SignalWorkflowExecutionRequest, StartBatchOperationRequest},
};
use tenure_engine::{
    FeatureLevel, NamespaceId, Process, ProposalId, QueueKey, RunKey, Stamp, SubjectKind, TaskKind, Timestamp,
    WorkflowKey, codec,
    command::Poll,
    outbox::{Body, OutboxMessage, Receipt, Target},
    proto::Encoded,
    rows::ReadyTask,
    token::TaskToken,
};
use uuid::Uuid;

#[path = "../../../engine/forms/kept.rs"]
mod kept;

use kept::{Form, check_kept, check_read, form, write_new};

const FORMS: [Form; 6] = [
    form::<KnownActivity>("activity_token"),
    form::<Answer>("answer"),
    form::<ListToken>("list_token"),
    form::<PageToken>("page_token"),
    form::<QueryToken>("query_token"),
    form::<Request>("request"),
];

#[test]
fn every_form_that_was_ever_written_is_read() {
    check_read(&FORMS);
}

#[test]
fn every_form_that_is_written_is_kept() {
    check_kept(&FORMS, &written());
}

#[test]
#[ignore = "writes files, for a form that is new"]
fn write_new_forms() {
    write_new(&FORMS, written());
}

fn workflow() -> WorkflowKey {
    WorkflowKey { namespace: NamespaceId(Uuid::from_u128(1)), workflow_id: "w".into() }
}

const STAMP: Stamp = Stamp { term: 2, counter: 3 };
const PROCESS: Process = Process { node: 1, boot: 7 };

fn run() -> RunKey {
    workflow().run(Uuid::from_u128(1))
}

fn queue() -> QueueKey {
    QueueKey { namespace: workflow().namespace, kind: TaskKind::Activity, name: "q".into() }
}

fn task() -> ReadyTask {
    ReadyTask {
        queue: queue(),
        priority: 3,
        stamp: STAMP,
        run: run(),
        scheduled_event_id: 5,
        scheduled_at: Timestamp(1_000_000_000_000_000_000),
        sticky: true,
        of: SubjectKind::RUN,
    }
}

fn task_token() -> TaskToken {
    TaskToken {
        kind: TaskKind::Activity,
        run: run(),
        scheduled_event_id: 5,
        attempt: 1,
        stamp: STAMP,
        activity_id: "a".into(),
        of: SubjectKind::RUN,
    }
}

fn query_token() -> QueryToken {
    QueryToken { namespace: workflow().namespace, shard: 1, node: 2, term: 3, id: 4 }
}

fn backlog() -> Question {
    Question::Backlog { queue: queue() }
}

const PLACE: Bytes = Bytes::from_static(b"place");

/// All requests, with all that they may carry.
fn requests() -> Vec<Request> {
    let poll = Poll {
        identity: "worker".into(),
        process: PROCESS,
        queue: "q".into(),
        worker_version: Some(Encoded::of(&WorkerVersionCapabilities { build_id: "b".into(), ..Default::default() })),
        deployment: Some(Encoded::of(&WorkerDeploymentOptions { deployment_name: "d".into(), ..Default::default() })),
    };
    let query = Offered::Query { queue: queue(), sticky: true, token: query_token(), at: Timestamp(1) };
    let key = query.key(1);
    let signal = SignalWorkflowExecutionRequest {
        workflow_execution: Some(WorkflowExecution { workflow_id: "w".into(), ..Default::default() }),
        ..Default::default()
    };
    let message = OutboxMessage {
        to: workflow().into(),
        body: Body::Signal {
            initiated_event_id: 5,
            target: Target { run_id: Some(Uuid::from_u128(2)), child_workflow_only: true },
            request: Encoded::of(&signal),
        },
    };
    let bare = Poll { worker_version: None, deployment: None, ..poll.clone() };
    let proposal = ProposalId(u128::MAX);
    let standalone = ReadyTask { of: SubjectKind::ACTIVITY, ..task() };
    let standalone_token = TaskToken { of: SubjectKind::ACTIVITY, ..task_token() };
    let start = |poll| Request::Start(StartRequest { owner: 1, task: task(), poll, proposal });
    vec![
        Request::Offer {
            home: 1,
            owner: 2,
            offered: vec![Offered::Task(task()), query],
            revoked: vec![(queue(), key)],
        },
        Request::Offer { home: 1, owner: 2, offered: vec![Offered::Task(standalone)], revoked: vec![] },
        Request::Return { owner: 1, token: standalone_token, proposal },
        start(poll),
        start(bare),
        Request::StartQuery { token: query_token(), sticky: true },
        Request::ReturnQuery { token: query_token() },
        Request::StickyUnavailable { owner: 1, tasks: vec![(run(), STAMP)], queries: vec![query_token()] },
        Request::Confirm { owner: 1, starts: vec![STAMP] },
        Request::Return { owner: 1, token: task_token(), proposal: ProposalId(u128::MAX) },
        Request::Receive { to: 1, from: run().into(), message },
        Request::CheckHandover { token: task_token(), process: PROCESS },
        Request::Backlog { owner: 1, queue: queue() },
        Request::LastPoll { home: 1, queue: queue() },
        Request::ReadIndex { shard: 1 },
        Request::EndPolls { namespace: "n".into(), worker: "w".into() },
        Request::CreateTokenSecret,
        Request::KnownLevel,
        Request::RaiseLevel,
        Request::FollowSystem { revision: 7 },
        Request::Step(StepRequest { shard: 1, question: backlog(), after: None, budget: Budget::OF_COUNT }),
        Request::Step(StepRequest {
            shard: 1,
            question: backlog(),
            after: Some(PLACE),
            budget: Budget { items: 2, bytes: 3, rows: 4 },
        }),
        step(Question::List(list_query())),
        step(Question::Count(list_query())),
        step(Question::ExplainList(list_query())),
        step(Question::ExplainCount(list_query())),
        step(Question::Left { namespace: queue().namespace, count: true }),
        Request::CheckOffers { home: 1, offers: vec![(queue(), TaskKey::of_task(&task(), 1))] },
        step(Question::Batches { namespace: queue().namespace }),
        Request::Operate(OperateRequest {
            shard: 1,
            run: run(),
            operation_id: Uuid::from_u128(2),
            request: Encoded::of(&StartBatchOperationRequest { reason: "r".into(), ..Default::default() }),
        }),
        Request::CurrentRun { shard: 1, workflow: workflow(), of: None },
        Request::CurrentRun { shard: 1, workflow: workflow(), of: Some(SubjectKind::ACTIVITY) },
        Request::Steps(StepsRequest {
            question: backlog(),
            places: vec![
                StepPlace { shard: 1, after: None, budget: Budget::OF_COUNT },
                StepPlace { shard: 2, after: Some(PLACE), budget: Budget { items: 2, bytes: 3, rows: 4 } },
            ],
        }),
        Request::WorkersSaid {
            home: 1,
            namespace: queue().namespace,
            heartbeats: vec![Encoded::of(&WorkerHeartbeat { worker_instance_key: "k".into(), ..Default::default() })],
        },
        step(Question::Workers(worker_query())),
        step(Question::CountWorkers(worker_query())),
        step(Question::Changes { namespace: queue().namespace }),
        Request::LendPolls { polls: vec![(queue(), ProposalId(u128::MAX))] },
        Request::Dispatched { home: 1, tasks: vec![(queue(), 2)] },
        Request::RecallPolls { queue: queue(), polls: vec![ProposalId(u128::MAX)] },
    ]
}

fn worker_query() -> WorkerQuery {
    WorkerQuery { namespace: queue().namespace, query: "Status = 'Running'".into(), of_server: true }
}

fn step(question: Question) -> Request {
    Request::Step(StepRequest { shard: 1, question, after: None, budget: Budget::OF_COUNT })
}

fn list_query() -> ListQuery {
    let attribute = ListAttribute { name: "a".into(), field: "Keyword:a".into(), kind: "Keyword".into() };
    let namespace = queue().namespace;
    ListQuery { kind: SubjectKind::RUN, namespace, query: "a = 'b'".into(), attributes: vec![attribute] }
}

/// All answers, with all that they may carry.
fn answers() -> Vec<Answer> {
    let refused = ApiError::new(Code::NotFound, "m");
    vec![
        Answer::Done,
        Answer::NotLeader(NotLeader { leader: Some(1), term: 2 }),
        Answer::NotLeader(NotLeader { leader: None, term: 2 }),
        Answer::Refused(refused.clone()),
        Answer::Refused(refused.with_detail(&NotFoundFailure { current_cluster: "c".into(), ..Default::default() })),
        Answer::Obsolete,
        Answer::Started { response: Bytes::from_static(b"r"), token: task_token() },
        Answer::QueryStarted { response: Bytes::from_static(b"r") },
        Answer::Handover(HandoverState::Sent),
        Answer::Handover(HandoverState::Sending),
        Answer::Handover(HandoverState::Broken),
        Answer::Handover(HandoverState::Unseen),
        Answer::Backlog(1),
        Answer::LastPoll { ago: Some(Duration::from_millis(1500)), identity: None, rate_limit: None },
        Answer::LastPoll { ago: None, identity: None, rate_limit: None },
        Answer::LastPoll { ago: Some(Duration::ZERO), identity: Some("w".into()), rate_limit: Some(2.5) },
        Answer::ReadIndex(1),
        Answer::Received(Receipt::Done),
        Answer::Received(Receipt::Started { run_id: Uuid::from_u128(1) }),
        Answer::Received(Receipt::AlreadyExists),
        Answer::Received(Receipt::NotFound),
        Answer::Received(Receipt::TooManySignals),
        Answer::Received(Receipt::Refused),
        Answer::Level(FeatureLevel::FIRST),
        Answer::Step(Step { part: Part::Count(1), next: None }),
        Answer::Step(Step {
            part: Part::Items(vec![Item { place: PLACE, value: Bytes::from_static(b"v") }]),
            next: Some(PLACE),
        }),
        Answer::Step(Step {
            part: Part::Groups(vec![
                (GroupValue::Null, 1),
                (GroupValue::Bool(true), 2),
                (GroupValue::Text("t".into()), 3),
            ]),
            next: None,
        }),
        Answer::Step(Step { part: Part::Plan { text: "t".into(), rows: 1 }, next: None }),
        Answer::Missing(vec![TaskKey::of_task(&task(), 1)]),
        Answer::CurrentRun(Some(Uuid::from_u128(1))),
        Answer::CurrentRun(None),
        Answer::Steps(vec![
            Answer::NotLeader(NotLeader { leader: None, term: 2 }),
            Answer::Step(Step { part: Part::Count(1), next: None }),
        ]),
        Answer::Recalled(vec![ProposalId(u128::MAX)]),
    ]
}

/// What is new needs an example above.
fn has_an_example(request: &Request, answer: &Answer) {
    match request {
        Request::Offer { .. }
        | Request::Start(_)
        | Request::StartQuery { .. }
        | Request::ReturnQuery { .. }
        | Request::StickyUnavailable { .. }
        | Request::Confirm { .. }
        | Request::Return { .. }
        | Request::Receive { .. }
        | Request::CheckHandover { .. }
        | Request::Backlog { .. }
        | Request::LastPoll { .. }
        | Request::ReadIndex { .. }
        | Request::EndPolls { .. }
        | Request::CreateTokenSecret
        | Request::KnownLevel
        | Request::RaiseLevel
        | Request::FollowSystem { .. }
        | Request::Step(_)
        | Request::CheckOffers { .. }
        | Request::Operate(_)
        | Request::CurrentRun { .. }
        | Request::Steps(_)
        | Request::WorkersSaid { .. }
        | Request::LendPolls { .. }
        | Request::Dispatched { .. }
        | Request::RecallPolls { .. } => {}
    }
    match answer {
        Answer::Done
        | Answer::NotLeader(_)
        | Answer::Refused(_)
        | Answer::Obsolete
        | Answer::Started { .. }
        | Answer::QueryStarted { .. }
        | Answer::Handover(_)
        | Answer::Backlog(_)
        | Answer::LastPoll { .. }
        | Answer::ReadIndex(_)
        | Answer::Received(_)
        | Answer::Level(_)
        | Answer::Step(_)
        | Answer::Missing(_)
        | Answer::CurrentRun(_)
        | Answer::Steps(_)
        | Answer::Recalled(_) => {}
    }
}

fn written() -> Vec<(&'static str, Bytes)> {
    let (requests, answers) = (requests(), answers());
    requests.iter().zip(answers.iter().cycle()).for_each(|(request, answer)| has_an_example(request, answer));
    let page = PageToken { run_id: Uuid::from_u128(1), next: 2, end: 3, transient: Bytes::from_static(b"t") };
    let requests = requests.iter().map(|request| ("request", codec::encode(request)));
    let answers = answers.iter().map(|answer| ("answer", codec::encode(answer)));
    let list = ListToken::new(&backlog(), vec![(1, Some(PLACE)), (2, None), (3, None)]);
    let activity = KnownActivity { run: run().into(), transitions: 2 };
    let tokens = [
        ("activity_token", codec::encode(&activity)),
        ("list_token", codec::encode(&list)),
        ("page_token", codec::encode(&page)),
        ("query_token", codec::encode(&query_token())),
    ];
    requests.chain(answers).chain(tokens).collect()
}
