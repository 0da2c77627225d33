//! Poll responses of workflow tasks and queries: what was started, with its history from rows, its tokens sealed.

use crate::{
    leader::{
        context::LeaderContext,
        history::{Page, PageToken, encoded, read_page},
        pending_queries::PendingQueries,
    },
    node::token_key::{TokenKey, TokenUse},
    seam::{error::CommandError, query_token::QueryToken},
};
use bytes::Bytes;
use std::sync::Arc;
use tenure_api::{
    common::v1::{WorkflowExecution, WorkflowType},
    encoded::PollWorkflowTaskQueueResponse,
    enums::v1::TaskQueueKind,
    protocol::v1::Message,
    query::v1::WorkflowQuery,
    taskqueue::v1::TaskQueue,
};
use tenure_engine::{RunKey, command::WorkflowTaskStarted, state::ExecutionState, update};

/// Makes responses from the rows of a leader.
#[derive(Clone)]
pub(crate) struct Responses {
    context: Arc<LeaderContext>,
    queries: Arc<PendingQueries>,
}

impl Responses {
    pub(crate) fn new(context: Arc<LeaderContext>, queries: Arc<PendingQueries>) -> Responses {
        Responses { context, queries }
    }

    /// The response for a started workflow task, with the queries that go with it. Its history ends at its started
    /// event on every page.
    pub(crate) fn workflow_task(
        &self,
        started: &WorkflowTaskStarted,
        key: TokenKey,
    ) -> Result<PollWorkflowTaskQueueResponse, CommandError> {
        let from = if started.sticky { started.previous_started_event_id + 1 } else { 1 };
        let (history, next_page_token) = self.first_page(
            &started.run,
            from,
            started.last_event_id + 1,
            started.transient_events.clone().into(),
            key,
        )?;
        let messages = if started.updates { self.messages(started)? } else { Vec::new() };
        Ok(PollWorkflowTaskQueueResponse {
            task_token: key.seal(TokenUse::Task, &started.token.encode()),
            workflow_execution: Some(execution(&started.run)),
            workflow_type: Some(WorkflowType { name: started.workflow_type.clone() }),
            previous_started_event_id: started.previous_started_event_id,
            started_event_id: started.started_event_id,
            attempt: started.attempt,
            history: Some(history),
            next_page_token,
            workflow_execution_task_queue: Some(normal_queue(&started.task_queue)),
            scheduled_time: Some(started.scheduled_at.to_proto()),
            started_time: Some(started.started_at.to_proto()),
            queries: self.queries.attach(&started.run),
            messages,
            ..Default::default()
        })
    }

    /// The updates that go with a started task.
    fn messages(&self, started: &WorkflowTaskStarted) -> Result<Vec<Message>, CommandError> {
        let state = self.context.rows.execution(&started.run)?;
        let of = |state: &ExecutionState| update::messages(state, started.token.stamp, started.started_event_id);
        Ok(state.as_deref().map(of).unwrap_or_default())
    }

    /// The response that carries a query on its own. A sticky worker has the history already.
    pub(crate) fn query(
        &self,
        run: &RunKey,
        state: &ExecutionState,
        query: WorkflowQuery,
        token: &QueryToken,
        sticky: bool,
        key: TokenKey,
    ) -> Result<PollWorkflowTaskQueueResponse, CommandError> {
        let (history, next_page_token) =
            if sticky { Default::default() } else { self.first_page(run, 1, state.next_event_id, Bytes::new(), key)? };
        Ok(PollWorkflowTaskQueueResponse {
            task_token: key.seal(TokenUse::Task, &token.encode()),
            workflow_execution: Some(execution(run)),
            workflow_type: Some(WorkflowType { name: state.info.workflow_type.to_string() }),
            previous_started_event_id: state.workflow_task.last_completed_started_event_id,
            attempt: 1,
            history: Some(history),
            next_page_token,
            query: Some(query),
            workflow_execution_task_queue: Some(normal_queue(&state.info.task_queue)),
            ..Default::default()
        })
    }

    /// The encoded `History` from an event to before another one, with the transient events behind it; and where the
    /// next page goes on, if it is too long.
    fn first_page(
        &self,
        run: &RunKey,
        from: i64,
        end: i64,
        transient: Bytes,
        key: TokenKey,
    ) -> Result<(Bytes, Bytes), CommandError> {
        let (most, bytes) = (self.context.options().history_page_events, self.context.options().history_page_bytes);
        let Page { events, next } = read_page(&*self.context.rows, run, from, end, most, bytes)?;
        if next >= end {
            return Ok((encoded(&events, &transient), Bytes::new()));
        }
        let token = PageToken { run_id: run.run_id, next, end, transient };
        Ok((encoded(&events, &Bytes::new()), key.seal(TokenUse::HistoryPage, &token.encode())))
    }
}

fn execution(run: &RunKey) -> WorkflowExecution {
    WorkflowExecution { workflow_id: run.workflow.workflow_id.to_string(), run_id: run.run_id.to_string() }
}

fn normal_queue(name: &str) -> TaskQueue {
    TaskQueue { name: name.to_owned(), kind: TaskQueueKind::Normal as i32, ..Default::default() }
}
