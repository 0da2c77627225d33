//! ExplainWorkflow, of our own API. The leader of the run's shard knows its state; the homes of its task queues know
//! who polls them; the words are in `words.rs`.

mod words;

use super::prelude::*;
use futures::future::join_all;
use prost_types::Timestamp as ProtoTimestamp;
use std::{collections::BTreeMap, time::Duration};
use tenure_api::{
    history::v1::{History, HistoryEvent},
    tenure::v1::{Cause, CauseKind, ExplainWorkflowRequest, ExplainWorkflowResponse, QueueState},
};
use tenure_engine::{
    RunKey, Timestamp,
    explain::{EVENTS, arrange, explain, looks_at_events},
};
use tenure_shard::HistoryRequest;
use tokio::time::Instant;
use words::Words;

/// A queue counts as polled for so long after a poll: workers ask again at once.
const POLLED: Duration = Duration::from_secs(5);

/// How long the homes of queues, and the shards that count what waits there, are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Rpc for ExplainWorkflowRequest {
    type Response = ExplainWorkflowResponse;
    type Target = RunTarget;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<RunTarget, ApiError> {
        admission.execution(self.execution.as_ref())
    }

    async fn run(self: Arc<Self>, target: RunTarget, call: &Call) -> Result<Self::Response, CommandError> {
        let (run, state) = call.leader.execution(&target.workflow, target.run_id).await?;
        let events = if looks_at_events(&state) { last_events(&run, call).await? } else { Vec::new() };
        let mut causes = explain(&state, &events, call.leader.limits());
        look_at_queues(&mut causes, &run, call).await;
        arrange(&mut causes);
        let now = call.leader.now();
        let words = Words::new(&self.namespace, &run, &state.info, now);
        let summary = words.say(&mut causes);
        Ok(Self::Response {
            execution: Some(tenure_api::common::v1::WorkflowExecution {
                workflow_id: run.workflow.workflow_id.to_string(),
                run_id: run.run_id.to_string(),
            }),
            status: state.shown_status().into(),
            summary,
            causes,
            now: Some(now.to_proto()),
        })
    }
}

/// The last events of a run, the newest first.
async fn last_events(run: &RunKey, call: &Call) -> Result<Vec<HistoryEvent>, CommandError> {
    let request = HistoryRequest {
        workflow: run.workflow.clone(),
        run_id: Some(run.run_id),
        page_size: EVENTS,
        wait_new_event: false,
        close_event_only: false,
        page: None,
        deadline: call.deadline,
        arrived: call.arrived,
    };
    let page = call.leader.history_reverse(request).await?;
    let history = History::decode(page.history);
    let history =
        history.map_err(|error| ApiError::internal(format!("the history of {run:?} cannot be read: {error}")))?;
    Ok(history.events)
}

/// Fills in what is known of the queues in which tasks wait. Queues that nobody polls make another cause of it.
async fn look_at_queues(causes: &mut [Cause], run: &RunKey, call: &Call) {
    let deadline = (Instant::now() + PATIENCE).min(call.deadline);
    let mut queues = BTreeMap::new();
    for cause in causes.iter().filter(|cause| cause.queue.is_some()) {
        let key = (kind_of(cause), cause.task_queue.clone());
        queues.insert(key, None);
    }
    let namespace = run.workflow.namespace;
    let look = async |(kind, name): &(TaskKind, String), state: &mut Option<QueueState>| {
        let queue = QueueKey { namespace, kind: *kind, name: name.as_str().into() };
        *state = Some(look_at(&queue, call, deadline).await);
    };
    join_all(queues.iter_mut().map(|(key, state)| look(key, state))).await;
    for cause in causes.iter_mut() {
        let kind = kind_of(cause);
        let Some(queue) = &mut cause.queue else { continue };
        if let Some(Some(found)) = queues.get(&(kind, cause.task_queue.clone())) {
            *queue = QueueState { sticky: queue.sticky, ..found.clone() };
        }
        if queue.polled == Some(false) {
            cause.trouble = true;
            cause.kind = match kind {
                TaskKind::Workflow => CauseKind::WorkflowTaskUnpolled,
                TaskKind::Activity => CauseKind::ActivityUnpolled,
            }
            .into();
        }
    }
}

fn kind_of(cause: &Cause) -> TaskKind {
    match cause.kind() {
        CauseKind::WorkflowTaskQueued => TaskKind::Workflow,
        _ => TaskKind::Activity,
    }
}

async fn look_at(queue: &QueueKey, call: &Call, deadline: Instant) -> QueueState {
    let (seen, backlog) = tokio::join!(call.leader.last_poll(queue, deadline), call.leader.backlog(queue, deadline));
    let mut state = QueueState { backlog: backlog.ok(), ..Default::default() };
    if let Some(seen) = seen {
        state.polled = Some(seen.ago.is_some_and(|ago| ago < POLLED));
        state.last_poll = seen.ago.map(|ago| before(call.leader.now(), ago));
        state.last_worker = seen.identity.unwrap_or_default();
        state.rate_limit = seen.rate_limit;
    }
    state
}

fn before(now: Timestamp, ago: Duration) -> ProtoTimestamp {
    let nanos = i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_sub(nanos)).to_proto()
}
