//! The owner's side of delivery: starts that nobody has confirmed yet are asked after, and returned if they were
//! lost on the way. A new leader does not know which were confirmed, and asks after all workflow tasks that were
//! started a short while ago.

use crate::{
    error::CommandError,
    handle::new_proposal_id,
    messages::{Answer, DeliveryState, Request, StartRequest},
    polled::{PollResponse, Polled, Taken},
    replica::NodeId,
    runtime::LeaderRuntime,
    shared::Served,
};
use metrics::counter;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tenure_api::error::Code;
use tenure_engine::{
    Envelope, ProposalId, QueueKey, Reply, ShardCommand, Stamp, TaskKind, rows::ReadError, token::TaskToken,
    workflow_task::started_token,
};
use tokio::time::Instant;

/// A new leader asks after workflow tasks that were started within this time. Polls' nodes remember for longer.
const RECENT: Duration = Duration::from_secs(30);

/// A start that is not confirmed.
struct Unconfirmed {
    token: TaskToken,
    /// Holds the worker's connection.
    node: NodeId,
    ask_at: Instant,
    asked: u32,
}

#[derive(Default)]
pub(crate) struct Starts {
    unconfirmed: Mutex<HashMap<Stamp, Unconfirmed>>,
}

impl Starts {
    pub(crate) fn expect(&self, token: TaskToken, node: NodeId, within: Duration) {
        let start = Unconfirmed { node, ask_at: Instant::now() + within, asked: 0, token };
        self.unconfirmed.lock().insert(start.token.stamp, start);
    }

    pub(crate) fn confirmed(&self, starts: &[Stamp]) {
        let mut unconfirmed = self.unconfirmed.lock();
        for stamp in starts {
            unconfirmed.remove(stamp);
        }
    }

    /// Those to be asked after now; asked again later if they stay.
    fn overdue(&self, within: Duration) -> Vec<(TaskToken, NodeId, u32)> {
        let now = Instant::now();
        let mut unconfirmed = self.unconfirmed.lock();
        let overdue = unconfirmed.values_mut().filter(|start| start.ask_at <= now);
        let ask = overdue.map(|start| {
            start.ask_at = now + within;
            start.asked += 1;
            (start.token.clone(), start.node, start.asked)
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
        let envelope = Envelope { workflow: request.workflow, proposal: request.proposal, command };
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
        match self.started(reply, &queue, request.node) {
            Ok(served) => served,
            Err(CommandError::Api(error)) => Served::Answer(Answer::Refused(error)),
            Err(CommandError::NotLeader(not_leader)) => Served::Answer(Answer::NotLeader(not_leader)),
        }
    }

    /// The response for a task that was started.
    fn started(self: &Arc<Self>, reply: Reply, queue: &QueueKey, node: NodeId) -> Result<Served, CommandError> {
        let (response, token) = match reply {
            Reply::WorkflowTaskStarted(started) => {
                let mut response = self.workflow_task_response(&started)?;
                response.backlog_count_hint = self.dispatch.backlog_hint(queue) as i64;
                (PollResponse::Workflow(Box::new(response)), started.token)
            }
            Reply::ActivityTaskStarted(mut response) => {
                let Some(token) = TaskToken::decode(&response.task_token) else {
                    return Ok(Served::refused(Code::Internal, "an activity was started without a token"));
                };
                response.workflow_namespace = self.shared.namespaces.name(queue.namespace).unwrap_or_default();
                (PollResponse::Activity(response), token)
            }
            other => {
                tracing::error!(?other, "a start was answered with something else");
                return Ok(Served::refused(Code::Internal, "a start was answered with something else"));
            }
        };
        self.starts.expect(token.clone(), node, self.options.confirm_within);
        Ok(Served::Started(Polled::new(response, Taken::Task(token), self.shared.clone())))
    }

    /// Takes over the starts that the last leader may have been waiting for.
    pub(crate) fn expect_recent_starts(&self) -> Result<(), ReadError> {
        let now = self.clock.now();
        for (_, run) in self.rows.timers(self.options.timer_window)? {
            let Some(state) = self.rows.execution(&run)? else { continue };
            let Some((_, started)) = state.workflow_task.started() else { continue };
            if started.node == 0 || started.at.after(RECENT) < now {
                continue;
            }
            if let Some(token) = started_token(&run, &state) {
                self.starts.expect(token, started.node, self.options.confirm_within);
            }
        }
        Ok(())
    }

    /// Makes a started task ready again, as the same attempt.
    pub(crate) async fn return_task(self: &Arc<Self>, token: TaskToken, proposal: ProposalId) -> Served {
        let (run, stamp) = (token.run.clone(), token.stamp);
        let workflow = run.workflow.clone();
        let outcome = self.execute(Envelope { workflow, proposal, command: ShardCommand::ReturnTask { token } }).await;
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
        for (token, node, asked) in self.starts.overdue(self.options.confirm_within) {
            tokio::spawn(self.clone().ask_after(token, node, asked));
        }
    }

    async fn ask_after(self: Arc<Self>, token: TaskToken, node: NodeId, asked: u32) {
        let state = if self.shared.mesh.is_alive(node) {
            match self.shared.ask(node, Request::AskDelivery { token: token.clone() }).await {
                Ok(Served::Answer(Answer::Delivery(state))) => Some(state),
                _ => None,
            }
        } else {
            None
        };
        match (state, token.kind) {
            (Some(DeliveryState::Sending), _) => {}
            (Some(DeliveryState::Sent | DeliveryState::Broken), _) => self.starts.confirmed(&[token.stamp]),
            (Some(DeliveryState::Unseen), _) | (None, TaskKind::Workflow) => {
                // A worker that has it after all holds a stale token.
                self.return_task(token, new_proposal_id()).await;
            }
            // An activity may be running where nobody can ask: its timeouts decide.
            (None, TaskKind::Activity) => {
                if asked > 20 || !self.shared.mesh.is_alive(node) {
                    self.starts.confirmed(&[token.stamp]);
                }
            }
        }
    }
}
