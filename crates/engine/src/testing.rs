//! A shard in memory, for the tests of this crate and of those above it: rows in a map, a clock that tests set, and one
//! line per event to compare histories by.

pub mod load;
pub mod prepared;

use crate::{
    chain::Start,
    codec,
    command::{Envelope, Poll, Reply, RunRequest, ShardCommand, StartTask, WorkflowTaskStarted},
    commands::signal_with_start,
    copy::HistoryCopy,
    feature_level::FeatureLevel,
    id::{Ids, Process, ProposalId, Stamp},
    key::{NamespaceId, RunKey, TaskKind, WorkflowKey},
    limits::Limits,
    outbox::{OutboxMessage, Receipt},
    proto::{MalformedHistory, event_in},
    rows::{CurrentRun, Op, PendingKind, ReadError, ReadyTask, RowKey, StateReader, SystemTable, WriteSet},
    search_attributes::Registry,
    state::ExecutionState,
    subject::Address,
    time::Timestamp,
    transition::{Context, Effect, Refused, transition},
};
use bytes::Bytes;
use prost::Message;
use std::{collections::BTreeMap, fmt::Write, sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{Command, ScheduleActivityTaskCommandAttributes, command::Attributes as Verb},
    common::v1::{ActivityType, Payloads, WorkflowExecution, WorkflowType},
    enums::v1::CommandType,
    error::Code,
    failure::v1::{Failure, failure::FailureInfo},
    history::v1::{History, HistoryEvent, history_event::Attributes},
    taskqueue::v1::TaskQueue,
    workflowservice::v1 as api,
};
use uuid::Uuid;

/// The rows of a shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryRows {
    rows: BTreeMap<RowKey, Bytes>,
}

impl MemoryRows {
    pub fn apply(&mut self, writes: &WriteSet) {
        for op in &writes.ops {
            match op.clone() {
                Op::Put(key, value) => drop(self.rows.insert(key, value)),
                Op::Delete(key) => drop(self.rows.remove(&key)),
            }
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = (&RowKey, &Bytes)> {
        self.rows.iter()
    }

    pub fn ready_tasks(&self) -> Vec<ReadyTask> {
        let ready = self.rows.iter().filter(|(key, _)| matches!(key, RowKey::Ready { .. }));
        ready.map(|(_, value)| codec::decode(value).expect("a ready row holds a ready task")).collect()
    }

    pub fn outbox(&self) -> Vec<(RunKey, Stamp, OutboxMessage)> {
        let message = |(key, value): (&RowKey, &Bytes)| match key {
            RowKey::Outbox { from, stamp } => {
                let message = codec::decode(value).expect("an outbox row holds a message");
                Some((from.run().expect("a run"), *stamp, message))
            }
            _ => None,
        };
        self.rows.iter().filter_map(message).collect()
    }

    /// The timer rows, earliest first.
    pub fn timers(&self) -> Vec<(Timestamp, RunKey)> {
        let timer = |key: &RowKey| match key {
            RowKey::Timer { due, subject } => Some((*due, subject.run().expect("a run"))),
            _ => None,
        };
        self.rows.keys().filter_map(timer).collect()
    }

    pub fn history(&self, of: &RunKey) -> Vec<HistoryEvent> {
        let chunks = self.rows.iter().filter(|(key, _)| matches!(key, RowKey::History { run, .. } if run == of));
        chunks.flat_map(|(_, value)| History::decode(value.clone()).expect("a chunk is a history").events).collect()
    }
}

impl StateReader for MemoryRows {
    fn execution(&self, of: &RunKey) -> Result<Option<Arc<ExecutionState>>, ReadError> {
        let key = RowKey::Execution(of.clone());
        let Some(core) = self.rows.get(&key) else { return Ok(None) };
        let spilled = |wanted: PendingKind| {
            let row = |(key, value): (&RowKey, &Bytes)| match key {
                RowKey::Pending { run, kind, id } if run == of && *kind == wanted => Some((*id, value.clone())),
                _ => None,
            };
            Ok::<_, ReadError>(self.rows.iter().filter_map(row).collect())
        };
        match ExecutionState::decode(core, || self.get(&RowKey::Info(of.clone())), spilled)? {
            Ok(state) => Ok(Some(Arc::new(state))),
            Err(error) => Err(ReadError::corrupt(key, error)),
        }
    }

    fn get(&self, key: &RowKey) -> Result<Option<Bytes>, ReadError> {
        Ok(self.rows.get(key).cloned())
    }

    fn event(&self, run: &RunKey, event_id: i64) -> Result<Option<HistoryEvent>, ReadError> {
        let before = self.rows.range(..=RowKey::History { run: run.clone(), first_event_id: event_id }).next_back();
        let Some((key @ RowKey::History { run: of, .. }, chunk)) = before else { return Ok(None) };
        let corrupt = |cause: MalformedHistory| ReadError::corrupt(key.clone(), cause);
        if of == run { event_in(chunk, event_id).map_err(corrupt) } else { Ok(None) }
    }

    fn history_rows(&self, of: &RunKey, from: i64, max_bytes: usize) -> Result<Vec<(i64, Bytes)>, ReadError> {
        let mut left = max_bytes as i64;
        let row = |(key, value): (&RowKey, &Bytes)| match key {
            RowKey::History { run, first_event_id } if run == of && *first_event_id >= from => {
                Some((*first_event_id, value.clone()))
            }
            _ => None,
        };
        let rows = self.rows.iter().filter_map(row).enumerate().take_while(|(index, (_, value))| {
            let fits = *index == 0 || left > 0;
            left -= value.len() as i64;
            fits
        });
        Ok(rows.map(|(_, row)| row).collect())
    }

    fn system_rows(&self, table: SystemTable) -> Result<Vec<(Arc<str>, Bytes)>, ReadError> {
        let row = |(key, value): (&RowKey, &Bytes)| match key {
            RowKey::System { table: t, key } if *t == table => Some((key.clone(), value.clone())),
            _ => None,
        };
        Ok(self.rows.iter().filter_map(row).collect())
    }
}

/// One leader over rows in memory.
#[derive(Debug)]
pub struct Sim {
    pub rows: MemoryRows,
    pub now: Timestamp,
    pub limits: Limits,
    /// The level of the forms that it may write.
    pub level: FeatureLevel,
    /// The retention of the namespace.
    pub retention: Option<Duration>,
    pub search_attributes: Registry,
    /// The write sets that were not empty, as the entries of a log.
    pub log: Vec<WriteSet>,
    pub effects: Vec<Effect>,
    /// Where wanted: what each proposal was made of, to run it again.
    pub prepared: Option<Vec<prepared::Prepared>>,
    seed: u128,
    counter: u64,
}

impl Default for Sim {
    fn default() -> Self {
        Sim {
            rows: MemoryRows::default(),
            now: Timestamp(1_000_000_000_000_000_000),
            limits: Limits::default(),
            level: FeatureLevel::KNOWN,
            retention: Some(Duration::from_secs(3 * 24 * 3600)),
            search_attributes: Registry::default(),
            log: Vec::new(),
            effects: Vec::new(),
            prepared: None,
            seed: 0,
            counter: 1,
        }
    }
}

/// The workflow of most tests.
pub fn workflow() -> WorkflowKey {
    WorkflowKey { namespace: NamespaceId(Uuid::from_u128(1)), workflow_id: "w".into() }
}

/// A start of [`workflow`] on the queue `q`.
pub fn start_request() -> api::StartWorkflowExecutionRequest {
    api::StartWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "W".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        identity: "client".into(),
        ..Default::default()
    }
}

/// The command for a signal-with-start.
pub fn signal_with_start(request: api::SignalWithStartWorkflowExecutionRequest) -> ShardCommand {
    let options = Start::new(signal_with_start::start_request(&request)).expect("a start that is let in").options;
    ShardCommand::SignalWithStart(Box::new(Start { request: Arc::new(request), options }))
}

/// Gives a start without a request id one of its own, as the frontend does.
fn name_start(command: &mut ShardCommand, proposal: ProposalId) {
    let request_id = match command {
        ShardCommand::StartWorkflow(start) | ShardCommand::UpdateWithStart { start, .. } => {
            &mut Arc::make_mut(&mut start.request).request_id
        }
        ShardCommand::SignalWithStart(start) => &mut Arc::make_mut(&mut start.request).request_id,
        _ => return,
    };
    if request_id.is_empty() {
        *request_id = Uuid::from_u128(proposal.0).to_string();
    }
}

/// A command with these attributes.
pub fn command(attributes: Verb) -> Command {
    let command_type = match &attributes {
        Verb::ScheduleActivityTaskCommandAttributes(_) => CommandType::ScheduleActivityTask,
        Verb::RequestCancelActivityTaskCommandAttributes(_) => CommandType::RequestCancelActivityTask,
        Verb::StartTimerCommandAttributes(_) => CommandType::StartTimer,
        Verb::CancelTimerCommandAttributes(_) => CommandType::CancelTimer,
        Verb::RecordMarkerCommandAttributes(_) => CommandType::RecordMarker,
        Verb::CompleteWorkflowExecutionCommandAttributes(_) => CommandType::CompleteWorkflowExecution,
        Verb::FailWorkflowExecutionCommandAttributes(_) => CommandType::FailWorkflowExecution,
        Verb::CancelWorkflowExecutionCommandAttributes(_) => CommandType::CancelWorkflowExecution,
        Verb::UpsertWorkflowSearchAttributesCommandAttributes(_) => CommandType::UpsertWorkflowSearchAttributes,
        Verb::ModifyWorkflowPropertiesCommandAttributes(_) => CommandType::ModifyWorkflowProperties,
        Verb::ContinueAsNewWorkflowExecutionCommandAttributes(_) => CommandType::ContinueAsNewWorkflowExecution,
        Verb::StartChildWorkflowExecutionCommandAttributes(_) => CommandType::StartChildWorkflowExecution,
        Verb::SignalExternalWorkflowExecutionCommandAttributes(_) => CommandType::SignalExternalWorkflowExecution,
        Verb::RequestCancelExternalWorkflowExecutionCommandAttributes(_) => {
            CommandType::RequestCancelExternalWorkflowExecution
        }
        Verb::ProtocolMessageCommandAttributes(_) => CommandType::ProtocolMessage,
        Verb::ScheduleNexusOperationCommandAttributes(_) => CommandType::ScheduleNexusOperation,
        Verb::RequestCancelNexusOperationCommandAttributes(_) => CommandType::RequestCancelNexusOperation,
    };
    Command { command_type: command_type.into(), attributes: Some(attributes), ..Default::default() }
}

/// The workflow command for an activity on the queue `q` that may take ten seconds an attempt.
pub fn schedule_activity(id: &str) -> Verb {
    Verb::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
        activity_id: id.into(),
        activity_type: Some(ActivityType { name: "A".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        start_to_close_timeout: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
        ..Default::default()
    })
}

impl Sim {
    /// A shard with one started workflow.
    pub fn started() -> Sim {
        let mut sim = Sim::default();
        sim.start(start_request());
        sim
    }

    /// Runs a command for [`workflow`] under a proposal of its own.
    pub fn run(&mut self, command: ShardCommand) -> Result<Reply, Refused> {
        self.seed += 1;
        self.propose(ProposalId(1 << 64 | self.seed), command)
    }

    /// Runs a command for [`workflow`] and applies what it writes.
    pub fn propose(&mut self, proposal: ProposalId, command: ShardCommand) -> Result<Reply, Refused> {
        self.propose_for(workflow(), proposal, command)
    }

    /// Runs a command for a workflow id under a proposal of its own.
    pub fn run_for(&mut self, workflow: WorkflowKey, command: ShardCommand) -> Result<Reply, Refused> {
        self.seed += 1;
        self.propose_for(workflow, ProposalId(1 << 64 | self.seed), command)
    }

    fn propose_for(
        &mut self,
        workflow: WorkflowKey,
        proposal: ProposalId,
        mut command: ShardCommand,
    ) -> Result<Reply, Refused> {
        self.seed += 1;
        name_start(&mut command, proposal);
        let mut ids = Ids::new(self.seed, Stamp { term: 1, counter: self.counter });
        let mut cx = Context {
            now: self.now,
            ids: &mut ids,
            limits: &self.limits,
            level: self.level,
            retention: self.retention,
            search_attributes: &self.search_attributes,
            origin: Process::default(),
        };
        let envelope = Envelope { lane: workflow.clone().into(), proposal, origin: Process::default(), command };
        let transition = transition(&self.rows, &envelope, &mut cx)?;
        if self.prepared.is_some() {
            let run = self.current_run_of(&workflow.workflow_id);
            let prepared = prepared::Prepared::new(&self.rows, run.as_ref(), self.now, envelope);
            self.prepared.get_or_insert_default().push(prepared);
        }
        self.counter = ids.next_counter();
        if let Some(copy) = &transition.copy {
            let mut begin = HistoryCopy::BEGIN;
            while let Some((writes, next)) = copy.piece(&self.rows, begin)? {
                self.rows.apply(&writes);
                self.log.push(writes);
                begin = next;
            }
        }
        self.rows.apply(&transition.writes);
        for written in &transition.states {
            let read = self.rows.execution(&written.subject.run().expect("a run")).expect("rows can be read");
            let state = written.state.clone().downcast().expect("the state of a run");
            assert_eq!(read, Some(state), "the cached state is what the rows say");
        }
        if !transition.writes.ops.is_empty() {
            self.log.push(transition.writes);
        }
        self.effects.extend(transition.effects);
        Ok(transition.reply)
    }

    pub fn try_start(&mut self, request: api::StartWorkflowExecutionRequest) -> Result<Reply, Refused> {
        let start = Start::new(request)?;
        self.run(ShardCommand::StartWorkflow(Box::new(start)))
    }

    #[track_caller]
    pub fn start(&mut self, request: api::StartWorkflowExecutionRequest) -> Uuid {
        match self.try_start(request) {
            Ok(Reply::WorkflowStarted { run_id, .. }) => run_id,
            other => panic!("not started: {other:?}"),
        }
    }

    #[track_caller]
    pub fn signal(&mut self, name: &str) {
        let request = api::SignalWorkflowExecutionRequest { signal_name: name.into(), ..Default::default() };
        self.run(ShardCommand::SignalWorkflow(RunRequest::new(None, request))).expect("signalled");
    }

    pub fn current_run(&self) -> RunKey {
        let row = self.rows.get(&RowKey::Current(workflow())).expect("rows can be read").expect("there is a run");
        workflow().run(codec::decode::<CurrentRun>(&row).expect("a current row").run_id)
    }

    pub fn state(&self) -> Arc<ExecutionState> {
        self.rows.execution(&self.current_run()).expect("rows can be read").expect("the current run is there")
    }

    /// The timer rows of running runs, earliest first. Those of closed runs wait for their removal.
    pub fn deadlines(&self) -> Vec<(Timestamp, RunKey)> {
        let running = |run: &RunKey| self.rows.execution(run).ok().flatten().is_some_and(|state| state.is_running());
        self.rows.timers().into_iter().filter(|(_, run)| running(run)).collect()
    }

    /// The ready tasks of a kind.
    pub fn ready(&self, kind: TaskKind) -> Vec<ReadyTask> {
        self.rows.ready_tasks().into_iter().filter(|task| task.queue.kind == kind).collect()
    }

    /// Starts the ready workflow task.
    #[track_caller]
    pub fn poll(&mut self) -> WorkflowTaskStarted {
        let ready = self.ready(TaskKind::Workflow);
        self.poll_for(ready.first().expect("a workflow task is ready"))
    }

    /// Starts the ready workflow task of a workflow id.
    #[track_caller]
    pub fn poll_of(&mut self, workflow_id: &str) -> WorkflowTaskStarted {
        let ready = self.ready(TaskKind::Workflow);
        let of = ready.iter().find(|task| *task.run.workflow.workflow_id == *workflow_id);
        self.poll_for(of.expect("a workflow task is ready"))
    }

    #[track_caller]
    fn poll_for(&mut self, task: &ReadyTask) -> WorkflowTaskStarted {
        let poll = Poll { identity: "worker".into(), queue: task.queue.name.to_string(), ..Poll::default() };
        let start = StartTask::of(task, poll);
        match self.run_for(task.run.workflow.clone(), ShardCommand::StartWorkflowTask(start)) {
            Ok(Reply::WorkflowTaskStarted(started)) => *started,
            other => panic!("not started: {other:?}"),
        }
    }

    /// Completes a task with these commands.
    pub fn complete(&mut self, task: &WorkflowTaskStarted, commands: Vec<Verb>) -> Result<Reply, Refused> {
        let commands = commands.into_iter().map(command).collect();
        self.complete_with(task, api::RespondWorkflowTaskCompletedRequest { commands, ..Default::default() })
    }

    pub fn complete_with(
        &mut self,
        task: &WorkflowTaskStarted,
        request: api::RespondWorkflowTaskCompletedRequest,
    ) -> Result<Reply, Refused> {
        let request = Arc::new(api::RespondWorkflowTaskCompletedRequest { identity: "worker".into(), ..request });
        let command = ShardCommand::CompleteWorkflowTask { token: task.token.clone(), request };
        self.run_for(task.run.workflow.clone(), command)
    }

    pub fn fail(&mut self, task: &WorkflowTaskStarted) -> Result<Reply, Refused> {
        let request = Arc::new(api::RespondWorkflowTaskFailedRequest::default());
        self.run(ShardCommand::FailWorkflowTask { token: task.token.clone(), request })
    }

    pub fn terminate(&mut self) -> Result<Reply, Refused> {
        let request = api::TerminateWorkflowExecutionRequest { reason: "enough".into(), ..Default::default() };
        self.run(ShardCommand::TerminateWorkflow(RunRequest::new(None, request)))
    }

    pub fn request_cancel(&mut self) -> Result<Reply, Refused> {
        self.run(ShardCommand::RequestCancelWorkflow(RunRequest::default()))
    }

    /// Lets time pass, firing each timer row when it is due.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now.plus(by);
        while let Some((due, run)) = self.rows.timers().into_iter().next().filter(|(due, _)| *due <= end) {
            self.now = self.now.max(due);
            self.run_for(run.workflow, ShardCommand::TimerDue { instance: run.run_id })
                .expect("a timer can always fire");
        }
        self.now = end;
    }

    /// The messages that were not answered yet, in the order of their keys.
    pub fn outbox(&self) -> Vec<(RunKey, Stamp, OutboxMessage)> {
        self.rows.outbox()
    }

    /// Delivers the message to its receiver.
    pub fn deliver(&mut self, from: &RunKey, message: &OutboxMessage) -> Receipt {
        self.try_deliver(from, message).expect("the receiver turns the message away")
    }

    /// Delivers the message to its receiver; `None` if that turns it away for now.
    pub fn try_deliver(&mut self, from: &RunKey, message: &OutboxMessage) -> Option<Receipt> {
        let command = ShardCommand::Receive { from: from.into(), message: Box::new(message.clone()) };
        let Address::Lane(to) = &message.to;
        match self.run_for(to.workflow().expect("a workflow"), command) {
            Ok(Reply::Received(receipt)) => Some(receipt),
            Err(Refused::Api(error)) if error.code == Code::ResourceExhausted => None,
            other => panic!("no receipt: {other:?}"),
        }
    }

    /// Delivers the receipt to the sender.
    pub fn delivered(&mut self, from: &RunKey, stamp: Stamp, receipt: Receipt) {
        let command = ShardCommand::Acknowledge { instance: from.run_id, stamp, receipt };
        self.run_for(from.workflow.clone(), command).expect("a receipt is always taken");
    }

    /// Delivers messages until there are none but those that are turned away.
    pub fn deliver_all(&mut self) {
        while self.outbox().into_iter().any(|(from, stamp, message)| match self.try_deliver(&from, &message) {
            Some(receipt) => {
                self.delivered(&from, stamp, receipt);
                true
            }
            None => false,
        }) {}
    }

    /// The current run of a workflow id.
    pub fn current_run_of(&self, workflow_id: &str) -> Option<RunKey> {
        let key = WorkflowKey { workflow_id: workflow_id.into(), ..workflow() };
        let row = self.rows.get(&RowKey::Current(key.clone())).expect("rows can be read")?;
        Some(key.run(codec::decode::<CurrentRun>(&row).expect("a current row").run_id))
    }

    /// The history of a workflow id's current run, one line per event.
    pub fn history_of(&self, workflow_id: &str) -> String {
        self.current_run_of(workflow_id).map(|run| render(&self.rows.history(&run))).unwrap_or_default()
    }

    /// The current run's history, one line per event.
    pub fn history(&self) -> String {
        render(&self.rows.history(&self.current_run()))
    }
}

/// The `WorkflowExecution` of a request about the current run of [`workflow`].
pub fn execution() -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: "w".into(), run_id: String::new() })
}

/// Renders a history, one line per event: id, type, and what distinguishes it from others of its type.
pub fn render(history: &[HistoryEvent]) -> String {
    let mut lines = String::new();
    for event in history {
        let name = event.event_type().as_str_name().trim_start_matches("EVENT_TYPE_");
        let details = event.attributes.as_ref().map(details).unwrap_or_default();
        let line = format!("{} {name} {}", event.event_id, details.join(" "));
        writeln!(lines, "{}", line.trim_end()).expect("strings can be written to");
    }
    lines
}

fn details(attributes: &Attributes) -> Vec<String> {
    use Attributes::*;
    let link = |name: &str, id: i64| format!("{name}={id}");
    match attributes {
        WorkflowTaskScheduledEventAttributes(a) => {
            let queue = a.task_queue.as_ref().map_or("", |q| &q.name);
            let timeout = a.start_to_close_timeout.as_ref().map_or(0, |t| t.seconds);
            vec![format!("on {queue}"), format!("attempt={}", a.attempt), format!("{timeout}s")]
        }
        WorkflowTaskStartedEventAttributes(a) => vec![link("scheduled", a.scheduled_event_id)],
        WorkflowTaskCompletedEventAttributes(a) => {
            vec![link("scheduled", a.scheduled_event_id), link("started", a.started_event_id)]
        }
        WorkflowTaskFailedEventAttributes(a) => {
            let message = a.failure.as_ref().map(|f| format!("{:?}", f.message)).unwrap_or_default();
            let ids = [link("scheduled", a.scheduled_event_id), link("started", a.started_event_id)];
            let [scheduled, started] = ids;
            vec![scheduled, started, format!("{:?}", a.cause()), message]
        }
        WorkflowTaskTimedOutEventAttributes(a) => vec![
            link("scheduled", a.scheduled_event_id),
            link("started", a.started_event_id),
            format!("{:?}", a.timeout_type()),
        ],
        TimerStartedEventAttributes(a) => {
            vec![a.timer_id.clone(), link("task", a.workflow_task_completed_event_id)]
        }
        TimerFiredEventAttributes(a) => vec![a.timer_id.clone(), link("started", a.started_event_id)],
        TimerCanceledEventAttributes(a) => vec![
            a.timer_id.clone(),
            link("started", a.started_event_id),
            link("task", a.workflow_task_completed_event_id),
        ],
        WorkflowExecutionSignaledEventAttributes(a) => vec![a.signal_name.clone()],
        WorkflowExecutionTerminatedEventAttributes(a) => vec![format!("{:?}", a.reason)],
        WorkflowExecutionCompletedEventAttributes(a) => vec![link("task", a.workflow_task_completed_event_id)],
        WorkflowExecutionCanceledEventAttributes(a) => vec![link("task", a.workflow_task_completed_event_id)],
        WorkflowExecutionFailedEventAttributes(a) => {
            vec![link("task", a.workflow_task_completed_event_id), format!("{:?}", a.retry_state())]
        }
        WorkflowExecutionTimedOutEventAttributes(a) => vec![format!("{:?}", a.retry_state())],
        WorkflowExecutionUpdateAcceptedEventAttributes(a) => {
            vec![a.accepted_request_message_id.clone(), link("after", a.accepted_request_sequencing_event_id)]
        }
        WorkflowExecutionUpdateCompletedEventAttributes(a) => {
            let update_id = a.meta.as_ref().map(|meta| meta.update_id.clone()).unwrap_or_default();
            vec![update_id, link("accepted", a.accepted_event_id)]
        }
        MarkerRecordedEventAttributes(a) => vec![a.marker_name.clone()],
        WorkflowExecutionOptionsUpdatedEventAttributes(a) => vec![a.attached_request_id.clone()],
        ActivityTaskScheduledEventAttributes(a) => {
            vec![a.activity_id.clone(), link("task", a.workflow_task_completed_event_id)]
        }
        ActivityTaskStartedEventAttributes(a) => {
            let mut words = vec![link("scheduled", a.scheduled_event_id), format!("attempt={}", a.attempt)];
            words.push(format!("by {}", a.identity));
            words.extend(a.last_failure.as_ref().map(|f| format!("after {}", describe_failure(f))));
            words
        }
        ActivityTaskCompletedEventAttributes(a) => {
            let mut words = vec![link("scheduled", a.scheduled_event_id), link("started", a.started_event_id)];
            words.extend(describe_payloads(a.result.as_ref()));
            words
        }
        ActivityTaskFailedEventAttributes(a) => {
            let mut words = vec![link("scheduled", a.scheduled_event_id), link("started", a.started_event_id)];
            words.push(format!("{:?}", a.retry_state()));
            words.extend(a.failure.as_ref().map(describe_failure));
            words
        }
        ActivityTaskTimedOutEventAttributes(a) => {
            let mut words = vec![link("scheduled", a.scheduled_event_id), link("started", a.started_event_id)];
            words.push(format!("{:?}", a.retry_state()));
            words.extend(a.failure.as_ref().map(describe_failure));
            words
        }
        ActivityTaskCancelRequestedEventAttributes(a) => vec![link("scheduled", a.scheduled_event_id)],
        ActivityTaskCanceledEventAttributes(a) => {
            let mut words = vec![link("scheduled", a.scheduled_event_id), link("started", a.started_event_id)];
            words.push(link("requested", a.latest_cancel_requested_event_id));
            words.extend(describe_payloads(a.details.as_ref()));
            words
        }
        StartChildWorkflowExecutionInitiatedEventAttributes(a) => {
            vec![a.workflow_id.clone(), link("task", a.workflow_task_completed_event_id)]
        }
        StartChildWorkflowExecutionFailedEventAttributes(a) => {
            vec![a.workflow_id.clone(), link("initiated", a.initiated_event_id), format!("{:?}", a.cause())]
        }
        ChildWorkflowExecutionStartedEventAttributes(a) => vec![link("initiated", a.initiated_event_id)],
        ChildWorkflowExecutionCompletedEventAttributes(a) => {
            let ids = vec![link("initiated", a.initiated_event_id), link("started", a.started_event_id)];
            [ids, describe_payloads(a.result.as_ref())].concat()
        }
        ChildWorkflowExecutionFailedEventAttributes(a) => {
            let mut words = vec![link("initiated", a.initiated_event_id), link("started", a.started_event_id)];
            words.push(format!("{:?}", a.retry_state()));
            words.extend(a.failure.as_ref().map(describe_failure));
            words
        }
        ChildWorkflowExecutionCanceledEventAttributes(a) => {
            vec![link("initiated", a.initiated_event_id), link("started", a.started_event_id)]
        }
        ChildWorkflowExecutionTimedOutEventAttributes(a) => {
            vec![link("initiated", a.initiated_event_id), link("started", a.started_event_id)]
        }
        ChildWorkflowExecutionTerminatedEventAttributes(a) => {
            vec![link("initiated", a.initiated_event_id), link("started", a.started_event_id)]
        }
        SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => {
            let to = a.workflow_execution.as_ref().map_or("", |e| &e.workflow_id);
            vec![a.signal_name.clone(), format!("to {to}")]
        }
        SignalExternalWorkflowExecutionFailedEventAttributes(a) => {
            vec![link("initiated", a.initiated_event_id), format!("{:?}", a.cause())]
        }
        ExternalWorkflowExecutionSignaledEventAttributes(a) => vec![link("initiated", a.initiated_event_id)],
        RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a) => {
            vec![format!("of {}", a.workflow_execution.as_ref().map_or("", |e| &e.workflow_id))]
        }
        RequestCancelExternalWorkflowExecutionFailedEventAttributes(a) => {
            vec![link("initiated", a.initiated_event_id), format!("{:?}", a.cause())]
        }
        ExternalWorkflowExecutionCancelRequestedEventAttributes(a) => vec![link("initiated", a.initiated_event_id)],
        WorkflowExecutionCancelRequestedEventAttributes(a) => {
            let by = a.external_workflow_execution.as_ref().map(|e| format!("by {}", e.workflow_id));
            by.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn describe_payloads(payloads: Option<&Payloads>) -> Vec<String> {
    let payloads = payloads.map(|p| p.payloads.as_slice()).unwrap_or_default();
    payloads.iter().map(|payload| String::from_utf8_lossy(&payload.data).into_owned()).collect()
}

/// Renders a failure: its kind, its message and its causes.
fn describe_failure(failure: &Failure) -> String {
    let kind = match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => info.r#type.clone(),
        Some(FailureInfo::TimeoutFailureInfo(info)) => {
            let kind = format!("{:?}", info.timeout_type());
            [vec![kind], describe_payloads(info.last_heartbeat_details.as_ref())].concat().join(" ")
        }
        Some(FailureInfo::ServerFailureInfo(_)) => "Server".into(),
        _ => "other".into(),
    };
    let cause =
        failure.cause.as_ref().map(|cause| format!(" because {}", describe_failure(&cause.open()))).unwrap_or_default();
    format!("({kind} {:?}{cause})", failure.message)
}
