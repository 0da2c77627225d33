//! The owner's side of delivery: starts that nobody has confirmed yet are asked after, and returned if they were
//! lost on the way. A new leader does not know which were confirmed, and asks after all tasks that were started a short
//! while ago.

use crate::{
    leader::executions::own,
    leader::handle::new_proposal_id,
    leader::runtime::LeaderRuntime,
    node::polled::Served,
    node::polled::{PollResponse, Polled, Taken},
    seam::error::CommandError,
    seam::messages::{Answer, DeliveryState, Request, StartRequest},
};
use metrics::counter;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tenure_api::{
    encoded::PollWorkflowTaskQueueResponse, error::Code, workflowservice::v1::PollActivityTaskQueueResponse,
};
use tenure_engine::{
    Envelope, Process, ProposalId, QueueKey, Reply, RunKey, ShardCommand, Stamp, TaskKind, Timestamp, activity,
    command::WorkflowTaskStarted, rows::ReadError, token::TaskToken, workflow_task::started_token,
};
use tokio::time::Instant;

/// A new leader asks after tasks that were started within this time.
const RECENT: Duration = Duration::from_secs(20);
/// A leader asks after a start for this long.
const ASKED_FOR: Duration = Duration::from_secs(30);
/// How long one question takes, and how far clocks of leaders that follow each other are apart, at most.
const SLACK: Duration = Duration::from_secs(10);

/// Nobody asks after a start that is older than this: the processes that hold polls remember for as long.
pub(crate) const LAST_QUESTION: Duration = RECENT.saturating_add(ASKED_FOR).saturating_add(SLACK);

/// A start that is not confirmed.
struct Unconfirmed {
    token: TaskToken,
    /// Holds the worker's connection.
    process: Process,
    ask_at: Instant,
    /// After this its timeouts decide.
    last_question: Instant,
}

#[derive(Default)]
pub(crate) struct Starts {
    unconfirmed: Mutex<HashMap<Stamp, Unconfirmed>>,
}

impl Starts {
    pub(crate) fn expect(&self, token: TaskToken, process: Process, within: Duration) {
        let now = Instant::now();
        let start = Unconfirmed { process, ask_at: now + within, last_question: now + ASKED_FOR, token };
        self.unconfirmed.lock().insert(start.token.stamp, start);
    }

    pub(crate) fn confirmed(&self, starts: &[Stamp]) {
        let mut unconfirmed = self.unconfirmed.lock();
        for stamp in starts {
            unconfirmed.remove(stamp);
        }
    }

    /// Those to be asked after now; asked again later if they stay.
    fn overdue(&self, within: Duration) -> Vec<(TaskToken, Process)> {
        let now = Instant::now();
        let mut unconfirmed = self.unconfirmed.lock();
        unconfirmed.retain(|_, start| now < start.last_question);
        let overdue = unconfirmed.values_mut().filter(|start| start.ask_at <= now);
        let ask = overdue.map(|start| {
            start.ask_at = now + within;
            (start.token.clone(), start.process)
        });
        ask.collect()
    }
}

impl LeaderRuntime {
    /// A home has a poll for a ready task.
    pub(crate) async fn serve_start(self: &Arc<Self>, request: StartRequest) -> Served {
        let start = match request.start() {
            Ok(start) => start,
            Err(error) => return Served::refused(Code::Internal, error.to_string()),
        };
        let queue =
            QueueKey { namespace: request.workflow.namespace, kind: request.kind, name: request.offered_queue.clone() };
        self.dispatch.starting(&queue, request.stamp);
        let command = match request.kind {
            TaskKind::Workflow => ShardCommand::StartWorkflowTask(start),
            TaskKind::Activity => ShardCommand::StartActivityTask(start),
        };
        let envelope = Envelope { proposal: request.proposal, ..own(request.workflow, command) };
        let reply = match self.execute(envelope).await {
            Ok(reply) => reply,
            Err(CommandError::NotLeader(not_leader)) => {
                // It may stay the leader after all.
                self.dispatch.not_started(&queue, request.stamp);
                return Served::Answer(Answer::NotLeader(not_leader));
            }
            Err(CommandError::Api(error)) if error.code == Code::NotFound => {
                // Whatever the window thought: this task is no more.
                self.task_gone(&queue, request.stamp);
                return Served::Answer(Answer::Obsolete);
            }
            Err(CommandError::Api(error)) => {
                self.dispatch.not_started(&queue, request.stamp);
                return Served::Answer(Answer::Refused(error));
            }
        };
        match self.started(reply, &queue, request.process) {
            Some(polled) => Served::Started(polled),
            // What was offered is no more; it is offered anew once it was returned.
            None => Served::Answer(Answer::Obsolete),
        }
    }

    /// The response for a task that was started.
    fn started(self: &Arc<Self>, reply: Reply, queue: &QueueKey, process: Process) -> Option<Polled> {
        let (response, token) = match reply {
            Reply::WorkflowTaskStarted(started) => {
                let mut response = self.expect_workflow_task(&started, process)?;
                response.backlog_count_hint = self.dispatch.backlog_hint(queue) as i64;
                (PollResponse::Workflow(Box::new(response)), started.token)
            }
            Reply::ActivityTaskStarted(mut response) => {
                let Some(token) = TaskToken::decode(&response.task_token) else {
                    tracing::error!(shard = self.shard, "an activity was started without a token");
                    return None;
                };
                self.starts.expect(token.clone(), process, self.options.confirm_within);
                response.workflow_namespace = self.node.namespaces.name(queue.namespace).unwrap_or_default();
                (PollResponse::Activity(response), token)
            }
            other => {
                tracing::error!(shard = self.shard, ?other, "a start was answered with something else");
                return None;
            }
        };
        Some(Polled::new(response, Taken::Task(token), self.node.router.clone()))
    }

    /// The response for a workflow task that was started; `None` where it cannot be made. The start is expected to be
    /// confirmed in any case, so that it is returned.
    pub(crate) fn expect_workflow_task(
        &self,
        started: &WorkflowTaskStarted,
        process: Process,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        self.starts.expect(started.token.clone(), process, self.options.confirm_within);
        self.made(&started.run, self.workflow_task_response(started))
    }

    /// As [`LeaderRuntime::expect_workflow_task`], of an activity; `None`, too, if that start is no longer running.
    pub(crate) fn expect_activity_task(
        &self,
        token: &TaskToken,
        process: Process,
    ) -> Option<PollActivityTaskQueueResponse> {
        self.starts.expect(token.clone(), process, self.options.confirm_within);
        self.made(&token.run, self.activity_task_response(token).map_err(CommandError::from))?
    }

    fn activity_task_response(&self, token: &TaskToken) -> Result<Option<PollActivityTaskQueueResponse>, ReadError> {
        let scheduled = self.rows.event(&token.run, token.scheduled_event_id)?;
        let state = self.rows.execution(&token.run)?;
        let response = scheduled.zip(state).and_then(|(event, state)| activity::response_to(token, &state, event));
        Ok(response.map(|response| PollActivityTaskQueueResponse {
            workflow_namespace: self.node.namespaces.name(token.namespace()).unwrap_or_default(),
            ..response
        }))
    }

    fn made<T>(&self, run: &RunKey, response: Result<T, CommandError>) -> Option<T> {
        response
            .inspect_err(|error| {
                let workflow = &run.workflow.workflow_id;
                tracing::error!(shard = self.shard, %workflow, %error, "a started task cannot be sent");
            })
            .ok()
    }

    /// Takes over the starts that the last leader may have been waiting for.
    pub(crate) fn expect_recent_starts(&self) -> Result<(), ReadError> {
        let now = self.clock.now();
        for (_, run) in self.rows.timers(self.options.timer_window)? {
            let Some(state) = self.rows.execution(&run)? else { continue };
            let expect = |token, process: Process, at: Timestamp| {
                if process.node != 0 && at.after(RECENT) >= now {
                    self.starts.expect(token, process, self.options.confirm_within);
                }
            };
            if let Some((_, started)) = state.workflow_task.started()
                && let Some(token) = started_token(&run, &state)
            {
                expect(token, started.process, started.at);
            }
            for (token, started) in activity::unheard(&run, &state) {
                expect(token, started.process, started.at);
            }
        }
        Ok(())
    }

    /// Makes a started task ready again, as the same attempt.
    pub(crate) async fn return_task(self: &Arc<Self>, token: TaskToken, proposal: ProposalId) -> Served {
        let (run, stamp) = (token.run.clone(), token.stamp);
        let workflow = run.workflow.clone();
        let command = ShardCommand::ReturnTask { token };
        let outcome = self.execute(Envelope { proposal, ..own(workflow, command) }).await;
        if !matches!(outcome, Err(CommandError::NotLeader(_))) {
            self.starts.confirmed(&[stamp]);
            counter!("tenure_tasks_returned_total").increment(1);
        }
        match outcome {
            Ok(_) => {
                // Queries that rode on it ride on its next start.
                self.workflow_task_ended(&run);
                Served::Answer(Answer::Done)
            }
            Err(CommandError::NotLeader(not_leader)) => Served::Answer(Answer::NotLeader(not_leader)),
            Err(CommandError::Api(error)) => Served::Answer(Answer::Refused(error)),
        }
    }

    /// Now and then: asks after starts that were not confirmed in time.
    pub(crate) fn tick_starts(self: &Arc<Self>) {
        for (token, process) in self.starts.overdue(self.options.confirm_within) {
            tokio::spawn(self.clone().ask_after(token, process));
        }
    }

    async fn ask_after(self: Arc<Self>, token: TaskToken, process: Process) {
        let alive = self.node.router.mesh.is_alive(process.node);
        let state = if alive {
            match self.node.router.ask(process.node, Request::AskDelivery { token: token.clone(), process }).await {
                Ok(Served::Answer(Answer::Delivery(state))) => Some(state),
                _ => None,
            }
        } else {
            None
        };
        match (state, token.kind) {
            (Some(DeliveryState::Sending), _) => {}
            (Some(DeliveryState::Sent), _) => self.starts.confirmed(&[token.stamp]),
            (Some(DeliveryState::Unseen), _) | (Some(DeliveryState::Broken) | None, TaskKind::Workflow) => {
                // A worker that has it after all holds a stale token.
                self.return_task(token, new_proposal_id()).await;
            }
            // An activity may be running where nobody can ask: its timeouts decide.
            (Some(DeliveryState::Broken), TaskKind::Activity) => self.starts.confirmed(&[token.stamp]),
            (None, TaskKind::Activity) => {
                if !alive {
                    self.starts.confirmed(&[token.stamp]);
                }
            }
        }
    }
}
