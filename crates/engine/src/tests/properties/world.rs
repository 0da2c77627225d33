//! The shard, and what its workers hold.

use super::{
    invariants,
    seen::{Seen, Situation},
    steps::{Command, Completion, LAST, Operation, Report, Start, Step, Word, one_of, seconds},
};
use crate::{
    FeatureLevel, chain,
    command::{ActivityRef, Poll, Reply, RunRequest, ShardCommand, StartTask, WorkflowTaskStarted},
    id::{ProposalId, Stamp},
    key::{RunKey, TaskKind},
    outbox::OutboxMessage,
    rows::{ReadyTask, StateReader},
    state::ExecutionState,
    testing::{Sim, command, execution, signal_with_start, start_request, workflow},
    token::TaskToken,
    transition::Refused,
    update::{PendingUpdate, UpdatePhase, tests as updates},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tenure_api::{
    activity::v1::ActivityOptions,
    common::v1::{Memo, Payload, RetryPolicy},
    enums::v1::EventType,
    history::v1::HistoryEvent,
    protocol::v1::Message,
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1::{self as api, pause_activity_request, reset_activity_request, unpause_activity_request},
};
use uuid::Uuid;

/// The worker's message about one of the updates that allow it; now and then about one that nobody knows.
fn message(state: &ExecutionState, word: Word, which: usize) -> Option<Message> {
    let fits = |update: &&PendingUpdate| match word {
        Word::Accept | Word::Reject => matches!(update.phase, UpdatePhase::Sent(..) | UpdatePhase::Reapplied { .. }),
        // One that is accepted by the same answer is among them.
        Word::Respond => !matches!(update.phase, UpdatePhase::Admitted(_)),
    };
    let known: Vec<_> = state.updates.in_flight.values().filter(fits).map(|update| &*update.update_id).collect();
    let id = if which == 0 { "unknown" } else { one_of(&known, which)? };
    Some(match word {
        Word::Accept => updates::accept(id),
        Word::Reject => updates::reject(id),
        Word::Respond => updates::respond(id),
    })
}

/// A memo of some hundred bytes.
fn memo() -> Memo {
    let payload = Payload { data: vec![7; 300].into(), ..Default::default() };
    Memo { fields: [("m".to_owned(), payload)].into() }
}

#[derive(Default)]
pub(super) struct World {
    pub(super) sim: Sim,
    task: Option<WorkflowTaskStarted>,
    stale: Option<WorkflowTaskStarted>,
    activity: Option<TaskToken>,
    /// Signals that were accepted, by run.
    pub(super) signals: BTreeMap<Uuid, usize>,
    /// Closed runs as they were found first.
    closed: BTreeMap<Uuid, ExecutionState>,
    pub(super) seen: Seen,
    requests: u128,
    /// The number of names that timers and activities were given.
    names: u32,
    /// The last command, if it answers a retry as it answered the first time.
    last: Option<(ProposalId, ShardCommand, Option<String>)>,
}

impl World {
    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::Start(start) => {
                let request = self.start_request(start);
                let started = self.run(ShardCommand::StartWorkflow(Box::new(chain::Start::new(request).unwrap())));
                if let Some(Reply::WorkflowStarted { task: Some(task), .. }) = started {
                    self.stale = self.task.replace(*task);
                }
            }
            Step::SignalWithStart(start) => {
                let start = self.start_request(start);
                let request = api::SignalWithStartWorkflowExecutionRequest {
                    workflow_id: start.workflow_id,
                    workflow_type: start.workflow_type,
                    task_queue: start.task_queue,
                    workflow_run_timeout: start.workflow_run_timeout,
                    workflow_id_conflict_policy: start.workflow_id_conflict_policy,
                    request_id: start.request_id,
                    ..Default::default()
                };
                if self.run(signal_with_start(request)).is_some() {
                    self.signalled();
                }
            }
            Step::Poll => {
                if let Some(Reply::WorkflowTaskStarted(task)) = self.poll(TaskKind::Workflow) {
                    self.stale = self.task.replace(*task);
                }
            }
            Step::Complete(completion) => self.complete(completion),
            Step::Update(id) => drop(self.run(updates::update_command(&id.to_string()))),
            Step::Fail => {
                let Some(task) = self.task.take() else { return };
                self.run(ShardCommand::FailWorkflowTask { token: task.token.clone(), request: Arc::default() });
            }
            Step::Return => {
                let Some(task) = self.task.take() else { return };
                self.run(ShardCommand::ReturnTask { token: task.token });
            }
            Step::Stale => {
                let Some(task) = self.stale.clone() else { return };
                if self.task.as_ref().is_none_or(|now| now.token.stamp != task.token.stamp) {
                    let complete = ShardCommand::CompleteWorkflowTask { token: task.token, request: Arc::default() };
                    let entries = self.sim.log.len();
                    self.run(complete);
                    assert_eq!(self.sim.log.len(), entries, "a stale token does nothing");
                }
            }
            Step::Signal => {
                let request =
                    api::SignalWorkflowExecutionRequest { request_id: self.request_id(), ..Default::default() };
                if self.run(ShardCommand::SignalWorkflow(RunRequest::new(None, request))).is_some() {
                    self.signalled();
                }
            }
            Step::RequestCancel => {
                let request_id = self.request_id();
                let request = api::RequestCancelWorkflowExecutionRequest { request_id, ..Default::default() };
                self.run(ShardCommand::RequestCancelWorkflow(RunRequest::new(None, request)));
            }
            Step::Terminate => drop(self.run(ShardCommand::TerminateWorkflow(RunRequest::default()))),
            Step::Pause => {
                let request_id = self.request_id();
                let request = api::PauseWorkflowExecutionRequest { request_id, ..Default::default() };
                self.run(ShardCommand::PauseWorkflow(RunRequest::new(None, request)));
            }
            Step::Unpause => drop(self.run(ShardCommand::UnpauseWorkflow(RunRequest::default()))),
            Step::ResetSticky => drop(self.run(ShardCommand::ResetStickyTaskQueue { run_id: None })),
            Step::StickyUnavailable => {
                let Some(task) = self.ready(TaskKind::Workflow) else { return };
                self.run(ShardCommand::StickyUnavailable { run_id: task.run.run_id, stamp: task.stamp });
            }
            Step::PollActivity => {
                if let Some(Reply::ActivityTaskStarted(task)) = self.poll(TaskKind::Activity) {
                    self.activity = TaskToken::decode(&task.task_token);
                }
            }
            Step::Activity(report) => {
                if self.activity.is_none() {
                    self.take(&Step::PollActivity);
                }
                let Some(token) = self.activity.clone() else { return };
                self.report(ActivityRef::Token(token), *report);
                if !matches!(report, Report::Heartbeat) {
                    self.activity = None;
                }
            }
            Step::ActivityById(which, report) => {
                let activity_id = self.pending_activity(*which);
                self.report(ActivityRef::ById { run_id: None, activity_id }, *report);
            }
            Step::ReturnActivity => {
                let Some(token) = self.activity.clone() else { return };
                self.run(ShardCommand::ReturnTask { token });
            }
            Step::Operate(which, operation) => {
                let command = operate(&self.pending_activity(*which), *operation);
                self.run(command);
            }
            Step::Reset(which) => self.reset(*which),
            Step::Again => self.again(),
            Step::Deliver { which, lost } => self.deliver(*which, *lost),
            Step::Other { which, end } => self.other(*which, end.as_ref()),
            Step::RaiseLevel => {
                self.sim.level = FeatureLevel::KNOWN;
                // What was refused before may be done now.
                self.last = None;
            }
            Step::FalseTimer => {
                let run_id = self.sim.current_run().run_id;
                let due = self.sim.state().timer_row.is_some_and(|at| at <= self.sim.now);
                let entries = self.sim.log.len();
                self.run(ShardCommand::TimerDue { instance: run_id });
                assert!(due || self.sim.log.len() == entries, "nothing is due");
            }
            Step::Advance(seconds) => {
                self.sim.advance(Duration::from_secs(*seconds));
                self.last = None;
            }
        }
    }

    /// Delivers a message. Messages from one run to one workflow id arrive in order.
    fn deliver(&mut self, which: usize, lost: bool) {
        let messages = self.sim.outbox();
        let Some((from, _, message)) = one_of(&messages, which) else { return };
        let lane = |(sender, _, of): &&(RunKey, Stamp, OutboxMessage)| sender == from && of.to == message.to;
        let Some((from, stamp, message)) = messages.iter().find(lane) else { return };
        let Some(receipt) = self.sim.try_deliver(from, message) else { return };
        if lost {
            self.seen.situation(Situation::ReceiptLost);
        } else {
            self.sim.delivered(from, *stamp, receipt);
        }
        self.last = None;
    }

    fn other(&mut self, which: usize, end: Option<&Command>) {
        let mut ready = self.sim.ready(TaskKind::Workflow);
        ready.retain(|task| task.run.workflow != workflow());
        let Some(task) = one_of(&ready, which) else { return };
        let id = task.run.workflow.workflow_id.clone();
        let state = self.sim.rows.execution(&task.run).expect("readable").expect("there");
        let task = self.sim.poll_of(&id);
        let verbs = end.and_then(|end| end.verb(&state, "unused"));
        // It may be too early to end: a signal came meanwhile.
        drop(self.sim.complete(&task, verbs.into_iter().collect()));
        self.last = None;
    }

    fn complete(&mut self, completion: &Completion) {
        if self.task.is_none() {
            self.take(&Step::Poll);
        }
        let Some(task) = self.task.take() else { return };
        let state = self.sim.state();
        let verbs = completion.commands.iter().chain(&completion.end).filter_map(|command| {
            self.names += 1;
            command.verb(&state, &self.names.to_string())
        });
        let request = api::RespondWorkflowTaskCompletedRequest {
            commands: verbs.map(command).collect(),
            sticky_attributes: completion.sticky.then(|| StickyExecutionAttributes {
                worker_task_queue: Some(TaskQueue { name: "sticky".into(), ..Default::default() }),
                schedule_to_start_timeout: seconds(5),
            }),
            messages: completion.words.iter().filter_map(|(word, which)| message(&state, *word, *which)).collect(),
            force_create_new_workflow_task: completion.force,
            return_new_workflow_task: completion.inline,
            ..Default::default()
        };
        let complete = ShardCommand::CompleteWorkflowTask { token: task.token.clone(), request: Arc::new(request) };
        if let Some(Reply::WorkflowTaskCompleted { new_task, activities, .. }) = self.run(complete) {
            self.task = new_task.map(|task| *task);
            self.activity = activities.into_iter().next().or(self.activity.take());
        }
        // A completion that is refused again and again leaves its task in flight, though updates may have ended by it.
        let state = self.sim.state();
        if state.workflow_task.started().is_none_or(|(_, started)| started.stamp != task.token.stamp) {
            self.stale = Some(task);
        }
    }

    /// Id of a pending activity, or of none.
    fn pending_activity(&self, which: usize) -> String {
        let state = self.sim.state();
        let pending: Vec<&str> = state.activities.values().map(|activity| &*activity.activity_id).collect();
        (*one_of(&pending, which).unwrap_or(&"unknown")).to_owned()
    }

    fn signalled(&mut self) {
        let run_id = self.sim.current_run().run_id;
        *self.signals.entry(run_id).or_default() += 1;
    }

    fn request_id(&mut self) -> String {
        self.requests += 1;
        self.requests.to_string()
    }

    fn start_request(&mut self, start: &Start) -> api::StartWorkflowExecutionRequest {
        api::StartWorkflowExecutionRequest {
            request_id: self.request_id(),
            workflow_run_timeout: seconds(start.run_timeout),
            workflow_start_delay: seconds(start.delay),
            retry_policy: start.retries.then(|| RetryPolicy { maximum_attempts: 3, ..Default::default() }),
            cron_schedule: if start.cron { "@every 25s".into() } else { String::new() },
            workflow_id_conflict_policy: start.conflict,
            memo: start.memo.then(memo),
            request_eager_execution: start.eager,
            ..start_request()
        }
    }

    /// Runs a command as a frontend sends it, with a proposal of its own.
    fn reset(&mut self, which: usize) {
        let base = self.sim.current_run();
        let ends_task = |event: &HistoryEvent| {
            matches!(
                event.event_type(),
                EventType::WorkflowTaskStarted
                    | EventType::WorkflowTaskCompleted
                    | EventType::WorkflowTaskFailed
                    | EventType::WorkflowTaskTimedOut
            )
        };
        let history = self.sim.rows.history(&base);
        let points: Vec<i64> = history.iter().filter(|event| ends_task(event)).map(|event| event.event_id).collect();
        let chosen = if which == LAST { points.last() } else { one_of(&points, which) };
        let Some(&workflow_task_finish_event_id) = chosen else { return };
        let request_id = self.request_id();
        let reset = self.run(ShardCommand::ResetWorkflow(RunRequest::new(
            None,
            api::ResetWorkflowExecutionRequest { workflow_task_finish_event_id, request_id, ..Default::default() },
        )));
        let Some(Reply::WorkflowReset { run_id }) = reset else { panic!("a run can be reset to each of its tasks") };
        self.seen.situation(Situation::Reset);
        let relations = &self.sim.state().relations;
        if relations.signals + relations.cancels > 0 {
            self.seen.situation(Situation::ResetWithAQuestionOpen);
        }
        if !relations.children.is_empty() {
            self.seen.situation(Situation::ResetWithAChildOfBoth);
        }
        // The successor reapplies what the run received.
        let signals = self.signals.get(&base.run_id).copied().unwrap_or(0);
        self.signals.insert(run_id, signals);
    }

    fn run(&mut self, command: ShardCommand) -> Option<Reply> {
        self.requests += 1;
        let proposal = ProposalId(2 << 64 | self.requests);
        let reply = self.propose(proposal, command.clone());
        let told = reply.as_ref().map(|reply| format!("{reply:?}"));
        self.last = (!may_act_again(&command)).then_some((proposal, command, told));
        reply
    }

    fn propose(&mut self, proposal: ProposalId, command: ShardCommand) -> Option<Reply> {
        let entries = self.sim.log.len();
        match self.sim.propose(proposal, command) {
            Ok(Reply::Failed(_)) => None,
            Ok(reply) => Some(reply),
            Err(Refused::Api(error)) => {
                assert_ne!(error.code, tenure_api::error::Code::Internal, "{error}");
                assert_eq!(self.sim.log.len(), entries, "what is refused is refused whole");
                if !self.sim.state().is_running() {
                    self.seen.situation(Situation::RefusedByClosedRun);
                }
                None
            }
            Err(Refused::Read(error)) => panic!("{error}"),
        }
    }

    fn again(&mut self) {
        let Some((proposal, command, told)) = self.last.clone() else { return };
        self.seen.situation(Situation::TriedAgain);
        let entries = self.sim.log.len();
        let reply = self.propose(proposal, command.clone()).map(|reply| format!("{reply:?}"));
        assert_eq!(self.sim.log.len(), entries, "a retry never acts twice: {command:?}");
        assert_eq!(reply.is_some(), told.is_some(), "a retry is answered as the first try: {command:?}");
    }

    /// A ready task of the workflow that most steps are about.
    fn ready(&self, kind: TaskKind) -> Option<ReadyTask> {
        self.sim.ready(kind).into_iter().rfind(|task| task.run.workflow == workflow())
    }

    fn poll(&mut self, kind: TaskKind) -> Option<Reply> {
        let task = self.ready(kind)?;
        let start = StartTask::of(&task, Poll::default());
        let started = self.run(match kind {
            TaskKind::Workflow => ShardCommand::StartWorkflowTask(start),
            TaskKind::Activity => ShardCommand::StartActivityTask(start),
        });
        assert!(started.is_some(), "a ready task can be started");
        started
    }

    fn report(&mut self, activity: ActivityRef, report: Report) {
        self.run(match report {
            Report::Complete => ShardCommand::CompleteActivity { activity, request: Arc::default() },
            Report::Fail => ShardCommand::FailActivity { activity, request: Arc::default() },
            Report::Cancel => ShardCommand::CancelActivity { activity, request: Arc::default() },
            Report::Heartbeat => ShardCommand::HeartbeatActivity { activity, request: Arc::default() },
        });
    }

    pub(super) fn check(&mut self) {
        invariants::check(&self.sim, &self.signals);
        for (run, state) in invariants::closed(&self.sim) {
            if let Some(then) = self.closed.get(&run.run_id) {
                assert_eq!(*then, state, "nothing happens in a closed run");
                continue;
            }
            for event in self.sim.rows.history(&run) {
                self.seen.event(event.event_type());
            }
            self.closed.insert(run.run_id, state);
        }
        for situation in invariants::situations(&self.sim) {
            self.seen.situation(situation);
        }
    }

    /// Every run ends, and is deleted or kept for its time.
    pub(super) fn end(&mut self) {
        loop {
            let running = invariants::running(&self.sim);
            let Some(run) = running.first() else { break };
            let terminate = ShardCommand::TerminateWorkflow(RunRequest::default());
            self.sim.run_for(run.workflow.clone(), terminate).expect("terminated");
            self.sim.deliver_all();
        }
        self.check();
        for (index, (run, _)) in invariants::closed(&self.sim).into_iter().enumerate() {
            if index % 2 == 0 {
                self.seen.situation(Situation::KeptForItsRetention);
                continue;
            }
            let delete = ShardCommand::DeleteWorkflow { run_id: Some(run.run_id) };
            self.sim.run_for(run.workflow, delete).expect("deleted");
            self.seen.situation(Situation::Deleted);
        }
        self.sim.advance(self.sim.retention.expect("the namespace has one"));
    }
}

/// Whether the command may act again when it is tried again: it sets what it set before.
fn may_act_again(command: &ShardCommand) -> bool {
    matches!(command, ShardCommand::HeartbeatActivity { .. } | ShardCommand::UpdateActivityOptions(_))
}

fn operate(id: &str, operation: Operation) -> ShardCommand {
    let id = id.to_owned();
    match operation {
        Operation::Pause => ShardCommand::PauseActivity(RunRequest::new(
            None,
            api::PauseActivityRequest {
                execution: execution(),
                activity: Some(pause_activity_request::Activity::Id(id)),
                ..Default::default()
            },
        )),
        Operation::Unpause => ShardCommand::UnpauseActivity(RunRequest::new(
            None,
            api::UnpauseActivityRequest {
                execution: execution(),
                activity: Some(unpause_activity_request::Activity::Id(id)),
                ..Default::default()
            },
        )),
        Operation::Reset { keep_paused } => ShardCommand::ResetActivity(RunRequest::new(
            None,
            api::ResetActivityRequest {
                execution: execution(),
                activity: Some(reset_activity_request::Activity::Id(id)),
                keep_paused,
                ..Default::default()
            },
        )),
        Operation::Limit(limit) => ShardCommand::UpdateActivityOptions(RunRequest::new(
            None,
            api::UpdateActivityOptionsRequest {
                execution: execution(),
                activity: Some(api::update_activity_options_request::Activity::Id(id)),
                activity_options: Some(ActivityOptions {
                    schedule_to_close_timeout: seconds(limit),
                    ..Default::default()
                }),
                update_mask: Some(prost_types::FieldMask { paths: vec!["schedule_to_close_timeout".into()] }),
                ..Default::default()
            },
        )),
    }
}
