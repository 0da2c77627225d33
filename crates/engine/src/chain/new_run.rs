//! A run to be created, on behalf of a client, of its parent, or of the run before it.

use super::{cron::Schedule, state::Chain, timeouts::DEFAULT_TASK_TIMEOUT};
use crate::{
    child::state::Lineage,
    command::{Reply, WorkflowTaskStarted},
    id::{Process, ProposalId},
    info::{AttachedRequest, ExecutionInfo},
    key::WorkflowKey,
    poll::Poll,
    properties,
    proto::Encoded,
    retry::RetryPolicy,
    row::RequestKind,
    rows::StateReader,
    signal,
    time::Timestamp,
    transition::types::Context,
    txn::Txn,
    workflow_task,
};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    common::v1::Link,
    enums::v1::{ContinueAsNewInitiator, EventType},
    history::v1::{
        HistoryEvent, WorkflowExecutionSignaledEventAttributes, WorkflowExecutionStartedEventAttributes,
        history_event::Attributes,
    },
    sdk::v1::UserMetadata,
    time::{duration_to_proto, optional_duration},
};
use uuid::Uuid;

/// Everything that the creation of a run needs. The properties of the run are those of its first event.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The namespace's name.
    pub namespace: Arc<str>,
    pub run_id: Uuid,
    /// Id of the request that starts it.
    pub request_id: String,
    /// The first event. `NewRun::create` fills in the workflow id, the attempt, the original run and, for the first
    /// run of a chain, the first run. Durations are not negative and retry policies are valid.
    pub started: WorkflowExecutionStartedEventAttributes,
    pub user_metadata: Option<UserMetadata>,
    pub links: Vec<Link>,
    /// The signal that the run begins with, before its first workflow task.
    pub signal: Option<WorkflowExecutionSignaledEventAttributes>,
    /// The id of the schedule that has started the chain.
    pub scheduled_by: Option<Arc<str>>,
}

impl NewRun {
    /// Creates the run, which becomes the workflow id's current one, with its first event. Its first workflow task is
    /// the caller's to schedule ([`schedule_if_idle`](crate::workflow_task::schedule_if_idle)); with a back-off in the
    /// first event, it is scheduled when that is over.
    pub(crate) fn create<'a, 'c>(
        mut self,
        rows: &'a dyn StateReader,
        cx: &'a mut Context<'c>,
        workflow: &WorkflowKey,
        proposal: ProposalId,
    ) -> Txn<'a, 'c> {
        self.complete(workflow);
        let info = self.info(cx.now);
        let backoff = self.backoff();
        let follows = !self.started.continued_execution_run_id.is_empty();
        let NewRun { run_id, request_id, started, user_metadata, links, signal, .. } = self;
        let mut txn = Txn::create(rows, cx, workflow.run(run_id), proposal, info);
        if !follows {
            // Of a run that follows another one nobody but the description knows it.
            txn.put_request_id(RequestKind::Start, &request_id);
        }
        txn.add(HistoryEvent {
            user_metadata,
            links: links.clone(),
            attributes: Some(Attributes::WorkflowExecutionStartedEventAttributes(started)),
            ..Default::default()
        });
        if let Some(received) = signal {
            signal::record(&mut txn, received, links);
        }
        txn.state.workflow_task.first_at = backoff.map(|backoff| txn.now().plus(backoff));
        txn
    }

    /// The poll that gets the first task at once, where eager execution was accepted.
    pub(crate) fn eager_poll(&self, process: Process) -> Option<Poll> {
        let queue = self.started.task_queue.as_ref().map_or("", |queue| &queue.name).to_owned();
        let identity = self.started.identity.clone();
        self.started.eager_execution_accepted.then(|| Poll { identity, process, queue, ..Poll::default() })
    }

    /// Accepts eager execution, unless the first task has to wait.
    pub(crate) fn accept_eager_execution(&mut self) {
        self.started.eager_execution_accepted = self.backoff().is_none();
    }

    /// Makes the run the first one of a cron schedule, which waits for its turn.
    pub(crate) fn set_cron(&mut self, text: &str, schedule: &Schedule, now: Timestamp) {
        if let Some(backoff) = schedule.backoff(now, now) {
            self.started.cron_schedule = text.to_owned();
            self.started.initiator = ContinueAsNewInitiator::CronSchedule.into();
            self.started.first_workflow_task_backoff = Some(duration_to_proto(backoff));
        }
    }

    fn complete(&mut self, workflow: &WorkflowKey) {
        let started = &mut self.started;
        started.workflow_id = workflow.workflow_id.to_string();
        started.attempt = started.attempt.max(1);
        started.original_execution_run_id = self.run_id.to_string();
        if started.first_execution_run_id.is_empty() {
            started.first_execution_run_id = self.run_id.to_string();
        }
        if started.continued_execution_run_id.is_empty() {
            started.first_workflow_task_backoff.get_or_insert_default();
        }
    }

    fn backoff(&self) -> Option<Duration> {
        duration(self.started.first_workflow_task_backoff.as_ref())
    }

    fn info(&self, now: Timestamp) -> ExecutionInfo {
        let started = &self.started;
        let start = AttachedRequest {
            request_id: self.request_id.as_str().into(),
            // The signal is what the request came for.
            event_id: if self.signal.is_some() { 2 } else { 1 },
            event_type: EventType::WorkflowExecutionStarted.into(),
        };
        let run_timeout = duration(started.workflow_run_timeout.as_ref());
        let execution_at = now.plus(self.backoff().unwrap_or_default());
        let execution_expires_at = started.workflow_execution_expiration_time.as_ref().map(Timestamp::from_proto);
        let run_expires_at = run_timeout.map(|timeout| execution_at.plus(timeout));
        ExecutionInfo {
            namespace: self.namespace.clone(),
            lineage: Lineage::read(started),
            first_run_id: Uuid::try_parse(&started.first_execution_run_id).unwrap_or(self.run_id),
            chain: Chain::of(started, self.scheduled_by.clone()),
            request_ids: vec![start],
            workflow_type: started.workflow_type.as_ref().map_or("", |t| &t.name).into(),
            task_queue: started.task_queue.as_ref().map_or("", |queue| &queue.name).into(),
            execution_timeout: duration(started.workflow_execution_timeout.as_ref()),
            run_timeout,
            task_timeout: duration(started.workflow_task_timeout.as_ref()).unwrap_or(DEFAULT_TASK_TIMEOUT),
            execution_expires_at,
            run_expires_at: run_expires_at.into_iter().chain(execution_expires_at).min(),
            retry: started.retry_policy.as_ref().and_then(|policy| RetryPolicy::new(policy).ok()),
            attempt: started.attempt,
            memo: properties::memo(started),
            search_attributes: properties::search_attributes(started),
            user_metadata: self.user_metadata.as_ref().map(Encoded::of),
            priority: started.priority.as_ref().map(Encoded::of),
            started_at: now,
            execution_at,
        }
    }
}

fn duration(value: Option<&prost_types::Duration>) -> Option<Duration> {
    optional_duration(value).ok().flatten()
}

/// Creates another run of this workflow id in the same entry; it becomes the current one. Returns its first task if
/// that was started at once.
pub(crate) fn start_next(txn: &mut Txn<'_, '_>, next: NewRun) -> Option<Box<WorkflowTaskStarted>> {
    debug_assert!(!txn.state.is_running(), "one run at a time");
    let eager = next.eager_poll(txn.cx.origin);
    let mut new = next.create(txn.rows, txn.cx, &txn.run.workflow, ProposalId::default());
    let task = begin(&mut new, eager.as_ref());
    // Nothing of it is buffered, and a history that just begins is under no limit.
    let created = new.finish(Reply::Done);
    txn.add_other_run(created);
    task
}

/// Schedules the first task of a new run, unless it is delayed; starts it for the caller where that was accepted.
pub(crate) fn begin(txn: &mut Txn<'_, '_>, eager: Option<&Poll>) -> Option<Box<WorkflowTaskStarted>> {
    workflow_task::schedule_if_idle(txn);
    eager.map(|poll| Box::new(workflow_task::start(txn, poll)))
}
