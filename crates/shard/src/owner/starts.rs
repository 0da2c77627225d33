//! The owner's side of handovers: starts that nobody has confirmed yet are checked, and returned if they were lost
//! on the way. A new leader does not know which were confirmed, and checks all tasks that were started a short while ago.
//!
//! The notice is the confirmation of the process that holds the poll, which repeats it until it is heard
//! (`node/handovers.rs`). The sweep is [`Starts::tick`]: it asks soon at first, and then once in a while, for as long
//! as the start is the task's last and nothing was heard of it.

use crate::{
    leader::{
        context::LeaderContext,
        executions::{Executions, own},
        queries::Queries,
        response::Responses,
    },
    node::{
        idle_polls::TakenPoll,
        polled::{Polled, Served, Taken},
        token_key::{TokenKey, TokenUse},
    },
    options::CHECKED_OFTEN_FOR,
    owner::dispatch::Dispatch,
    seam::{
        error::CommandError,
        messages::{Answer, HandoverState, Request, StartRequest, new_proposal_id},
    },
};
use metrics::counter;
use parking_lot::Mutex;
use prost::Message;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tenure_api::{
    encoded::PollWorkflowTaskQueueResponse, error::Code, workflowservice::v1::PollActivityTaskQueueResponse,
};
use tenure_engine::{
    Envelope, Process, ProposalId, QueueKey, Reply, RunKey, ShardCommand, Stamp, SubjectKind, TaskKind, Timestamp,
    activity,
    command::{StartTask, WorkflowTaskStarted},
    rows::{ReadError, ReadyTask, TimerTable},
    standalone,
    token::TaskToken,
    workflow_task::started_token,
};
use tenure_limits::UNCONFIRMED;
use tokio::time::Instant;

/// A new leader looks for tasks in flight at the runs of its first timers, as many as these.
const FIRST_TIMERS: usize = 10_000;
/// It checks the tasks that were started within this time.
const RECENT: Duration = Duration::from_secs(20);
/// Checks that are begun at once.
const CHECKS: usize = 500;
/// How long one check takes, and how far clocks of leaders that follow each other are apart, at most.
const SLACK: Duration = Duration::from_secs(10);

/// Nobody checks a start that is older than this, and whose confirmation may have been heard: the processes that hold
/// polls remember for as long.
pub(crate) const OLDEST_CHECKED: Duration = RECENT.saturating_add(CHECKED_OFTEN_FOR).saturating_add(SLACK);

/// A start that is not confirmed.
struct Unconfirmed {
    token: TaskToken,
    /// The process that holds the worker's connection.
    process: Process,
    check_at: Instant,
    /// Until then it is checked often.
    often_until: Instant,
    /// A confirmation of it may have been heard before, by an earlier leader or before it was expected again: it is not
    /// checked when that may have been forgotten.
    told_before: bool,
}

/// Forgets the starts that are not checked any more.
fn forget_old(unconfirmed: &mut HashMap<Stamp, Unconfirmed>, now: Instant) {
    let room = unconfirmed.len() <= UNCONFIRMED;
    unconfirmed.retain(|_, start| now < start.often_until || (room && !start.told_before));
}

/// Starts tasks for homes, and sees to it that each reaches a worker.
pub(crate) struct Starts {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    dispatch: Arc<Dispatch>,
    queries: Arc<Queries>,
    responses: Responses,
    unconfirmed: Mutex<HashMap<Stamp, Unconfirmed>>,
}

impl Starts {
    pub(crate) fn new(
        context: Arc<LeaderContext>,
        executions: Arc<Executions>,
        dispatch: Arc<Dispatch>,
        queries: Arc<Queries>,
        responses: Responses,
    ) -> Starts {
        Starts { context, executions, dispatch, queries, responses, unconfirmed: Mutex::default() }
    }

    /// Expects the confirmation of a start, and checks it until it comes.
    fn expect(&self, token: TaskToken, process: Process, told_before: bool) {
        let now = Instant::now();
        let mut unconfirmed = self.unconfirmed.lock();
        // A new leader finds starts of its own, too, when it looks for those of the last one.
        let told_before = told_before && unconfirmed.get(&token.stamp).is_none_or(|start| start.told_before);
        let start = Unconfirmed {
            process,
            check_at: now + self.context.options().confirm_within,
            often_until: now + self.context.options().checked_often_for,
            told_before,
            token,
        };
        unconfirmed.insert(start.token.stamp, start);
    }

    pub(crate) fn confirmed(&self, starts: &[Stamp]) {
        let mut unconfirmed = self.unconfirmed.lock();
        for stamp in starts {
            unconfirmed.remove(stamp);
        }
    }

    /// The starts whose handover is to be checked now; they are checked again later if they stay.
    fn overdue(&self) -> Vec<(TaskToken, Process)> {
        let now = Instant::now();
        let options = self.context.options();
        let mut unconfirmed = self.unconfirmed.lock();
        forget_old(&mut unconfirmed, now);
        let overdue = unconfirmed.values_mut().filter(|start| start.check_at <= now).take(CHECKS);
        let checks = overdue.map(|start| {
            let often = now < start.often_until;
            if !often {
                counter!("tenure_sweep_found_total", "what" => "start").increment(1);
            }
            start.check_at = now + if often { options.confirm_within } else { options.sweep_interval };
            (start.token.clone(), start.process)
        });
        checks.collect()
    }

    /// A home has a poll for a ready task.
    pub(crate) async fn serve(self: &Arc<Self>, request: StartRequest) -> Served {
        let key = match self.context.token_key().await {
            Ok(key) => key,
            Err(error) => return Served::Answer(Answer::Refused(error)),
        };
        let StartRequest { task, poll, proposal, .. } = request;
        let process = poll.process;
        let start = StartTask::of(&task, poll);
        let lane = task.lane();
        let ReadyTask { queue, stamp, .. } = task;
        self.dispatch.ready.starting(&queue, stamp);
        let command = match queue.kind {
            TaskKind::Workflow => ShardCommand::StartWorkflowTask(start),
            TaskKind::Activity => ShardCommand::StartActivityTask(start),
        };
        let envelope = Envelope { proposal, ..own(lane, command) };
        let reply = match self.executions.execute(envelope).await {
            Ok(reply) => reply,
            Err(CommandError::NotLeader(not_leader)) => {
                // It may stay the leader after all.
                self.dispatch.ready.not_started(&queue, stamp);
                return Served::Answer(Answer::NotLeader(not_leader));
            }
            Err(CommandError::Api(error)) if error.code == Code::NotFound => {
                // Whatever the window thought: this task is no more.
                self.dispatch.task_gone(&queue, stamp);
                return Served::Answer(Answer::Obsolete);
            }
            Err(CommandError::Api(error)) => {
                self.dispatch.ready.not_started(&queue, stamp);
                return Served::Answer(Answer::Refused(error));
            }
        };
        match self.started(reply, &queue, process, key) {
            Some(polled) => Served::Started(polled),
            // What was offered is no more; it is offered anew once it was returned.
            None => Served::Answer(Answer::Obsolete),
        }
    }

    /// A task was started for a poll in the entry that made it.
    pub(crate) fn started_for(self: &Arc<Self>, reply: Reply, queue: &QueueKey, poll: TakenPoll) {
        // No poll is taken before the key is known.
        let Some(key) = self.context.node.known_token_key() else { return };
        // What cannot be sent is returned, and the poll waits on.
        if let Some(polled) = self.started(reply, queue, poll.poll.process, key) {
            counter!("tenure_tasks_added_total").increment(1);
            poll.answer(polled);
        }
    }

    /// The response for a task that was started.
    fn started(self: &Arc<Self>, reply: Reply, queue: &QueueKey, process: Process, key: TokenKey) -> Option<Polled> {
        let (body, token) = match reply {
            Reply::WorkflowTaskStarted(started) => {
                self.expect(started.token.clone(), process, false);
                let mut response = self.made(&started.run, self.responses.workflow_task(&started, key))?;
                response.backlog_count_hint = self.dispatch.ready.backlog_hint(queue) as i64;
                (response.encode_to_vec(), started.token)
            }
            Reply::ActivityTaskStarted(mut response) => {
                let Some(token) = TaskToken::decode(&response.task_token) else {
                    tracing::error!(shard = self.context.shard, "an activity was started without a token");
                    return None;
                };
                self.expect(token.clone(), process, false);
                response.workflow_namespace = self.context.node.system.name(queue.namespace).unwrap_or_default();
                response.task_token = key.seal(TokenUse::Task, &response.task_token);
                (response.encode_to_vec(), token)
            }
            other => {
                tracing::error!(shard = self.context.shard, ?other, "a start was answered with something else");
                return None;
            }
        };
        Some(Polled::new(body.into(), Taken::Task(token), self.context.router().clone()))
    }

    /// The response for a workflow task that was started by the completion of the one before; `None` where it cannot be
    /// made. The start is expected to be confirmed in any case, so that it is returned; the completion may be a repeated
    /// one.
    pub(crate) fn expect_workflow_task(
        &self,
        started: &WorkflowTaskStarted,
        process: Process,
        key: TokenKey,
    ) -> Option<PollWorkflowTaskQueueResponse> {
        self.expect(started.token.clone(), process, true);
        self.made(&started.run, self.responses.workflow_task(started, key))
    }

    /// As [`Starts::expect_workflow_task`], of an activity; `None`, too, if that start is no longer running.
    pub(crate) fn expect_activity_task(
        &self,
        token: &TaskToken,
        process: Process,
        key: TokenKey,
    ) -> Option<PollActivityTaskQueueResponse> {
        self.expect(token.clone(), process, true);
        let response = self.made(&token.run, self.activity_task_response(token).map_err(CommandError::from))??;
        let task_token = key.seal(TokenUse::Task, &response.task_token);
        Some(PollActivityTaskQueueResponse { task_token, ..response })
    }

    fn activity_task_response(&self, token: &TaskToken) -> Result<Option<PollActivityTaskQueueResponse>, ReadError> {
        let scheduled = self.context.rows.event(&token.run, token.scheduled_event_id)?;
        let state = self.context.rows.execution(&token.run)?;
        let response = scheduled.zip(state).and_then(|(event, state)| activity::response_to(token, &state, event));
        Ok(response.map(|response| PollActivityTaskQueueResponse {
            workflow_namespace: self.context.node.system.name(token.namespace()).unwrap_or_default(),
            ..response
        }))
    }

    fn made<T>(&self, run: &RunKey, response: Result<T, CommandError>) -> Option<T> {
        response
            .inspect_err(|error| {
                let workflow = &run.workflow.workflow_id;
                tracing::error!(shard = self.context.shard, %workflow, %error, "a started task cannot be sent");
            })
            .ok()
    }

    /// Takes over the starts that the last leader may have been waiting for.
    pub(crate) fn expect_recent(&self) -> Result<(), ReadError> {
        let now = self.context.clock.now();
        for (_, subject) in self.context.rows.timers(TimerTable::Others, FIRST_TIMERS)? {
            let expect = |token, process: Process, at: Timestamp| {
                if process.node != 0 && at.plus(RECENT) >= now {
                    self.expect(token, process, true);
                }
            };
            if subject.lane.kind == SubjectKind::ACTIVITY
                && let Some((token, started)) = standalone::without_heartbeat(&*self.context.rows, &subject)?
            {
                expect(token, started.process, started.at);
            }
            let Some(run) = subject.run() else { continue };
            let Some(state) = self.context.rows.execution(&run)? else { continue };
            if let Some((_, started)) = state.workflow_task.started()
                && let Some(token) = started_token(&run, &state)
            {
                expect(token, started.process, started.at);
            }
            for (token, started) in activity::without_heartbeat(&run, &state) {
                expect(token, started.process, started.at);
            }
        }
        Ok(())
    }

    /// Makes a started task ready again, as the same attempt.
    pub(crate) async fn return_task(self: &Arc<Self>, token: TaskToken, proposal: ProposalId) -> Served {
        let (run, stamp, lane) = (token.run.clone(), token.stamp, token.lane());
        let command = ShardCommand::ReturnTask { token };
        let outcome = self.executions.execute(Envelope { proposal, ..own(lane, command) }).await;
        match outcome {
            Ok(_) => {
                self.confirmed(&[stamp]);
                counter!("tenure_tasks_returned_total").increment(1);
                // Queries that went with it go with its next start.
                self.queries.workflow_task_ended(&run);
                Served::Answer(Answer::Done)
            }
            Err(error) => {
                if matches!(&error, CommandError::Api(error) if error.code == Code::NotFound) {
                    self.confirmed(&[stamp]);
                }
                Served::Answer(error.into())
            }
        }
    }

    /// Checks the starts that were not confirmed in time; called now and then.
    pub(crate) fn tick(self: &Arc<Self>) {
        for (token, process) in self.overdue() {
            tokio::spawn(self.clone().check_handover(token, process));
        }
    }

    async fn check_handover(self: Arc<Self>, token: TaskToken, process: Process) {
        let alive = self.context.router().mesh.is_alive(process.node);
        let state = if alive {
            let request = Request::CheckHandover { token: token.clone(), process };
            match self.context.router().ask(process.node, request).await {
                Ok(Served::Answer(Answer::Handover(state))) => Some(state),
                _ => None,
            }
        } else {
            None
        };
        match (state, token.kind) {
            (Some(HandoverState::Sending), _) => {}
            (Some(HandoverState::Sent), _) => self.confirmed(&[token.stamp]),
            (Some(HandoverState::Unseen), _) | (Some(HandoverState::Broken) | None, TaskKind::Workflow) => {
                // A worker that has it after all holds a stale token.
                self.return_task(token, new_proposal_id()).await;
            }
            // A part of it was sent: its timeouts decide.
            (Some(HandoverState::Broken), TaskKind::Activity) => self.confirmed(&[token.stamp]),
            // It may be running where nobody can ask now; its timeouts may decide before somebody can.
            (None, TaskKind::Activity) => {
                if !self.is_running(&token) {
                    self.confirmed(&[token.stamp]);
                }
            }
        }
    }

    /// False for a start of an activity that has ended, or whose worker was heard of.
    fn is_running(&self, token: &TaskToken) -> bool {
        let unheard = || -> Result<bool, ReadError> {
            let rows = &*self.context.rows;
            if token.of == SubjectKind::ACTIVITY {
                let running = standalone::without_heartbeat(rows, &token.subject())?;
                return Ok(running.is_some_and(|(running, _)| running.stamp == token.stamp));
            }
            let Some(state) = rows.execution(&token.run)? else { return Ok(false) };
            Ok(activity::without_heartbeat(&token.run, &state).any(|(running, _)| running.stamp == token.stamp))
        };
        match unheard() {
            Ok(unheard) => unheard,
            Err(error) => {
                tracing::error!(shard = self.context.shard, %error, "a state cannot be read");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_engine::{NamespaceId, WorkflowKey};
    use uuid::Uuid;

    /// F20.
    #[test]
    fn no_more_old_starts_are_checked_than_there_is_room_for() {
        let now = Instant::now();
        let left_of = |counters: std::ops::RangeInclusive<usize>, told_before| {
            let start = |counter: usize| {
                let workflow = WorkflowKey { namespace: NamespaceId(Uuid::nil()), workflow_id: "w".into() };
                let token = TaskToken {
                    kind: TaskKind::Activity,
                    run: workflow.run(Uuid::nil()),
                    scheduled_event_id: 5,
                    attempt: 1,
                    stamp: Stamp { term: 1, counter: counter as u64 },
                    activity_id: "a".into(),
                    of: SubjectKind::RUN,
                };
                let process = Process { node: 1, boot: 0 };
                (token.stamp, Unconfirmed { token, process, check_at: now, often_until: now, told_before })
            };
            let mut unconfirmed = counters.map(start).collect();
            forget_old(&mut unconfirmed, now);
            unconfirmed.len()
        };
        assert_eq!(left_of(1..=1, true), 0, "the process that had it may have forgotten it");
        assert_eq!(left_of(1..=UNCONFIRMED, false), UNCONFIRMED);
        assert_eq!(left_of(0..=UNCONFIRMED, false), 0, "all of them are old");
    }
}
