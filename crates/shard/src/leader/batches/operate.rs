//! What jobs ask of the leaders of their targets.

use crate::{
    leader::{
        admission::Admission,
        context::LeaderContext,
        runs::{find_current, find_run},
    },
    node::polled::Served,
    seam::{
        error::CommandError,
        messages::{Answer, OperateRequest},
        replica::{Chunk, Rows},
    },
};
use std::sync::Arc;
use tenure_api::{enums::v1::EventType, error::ApiError, history::v1::History};
use tenure_engine::{
    Envelope, Lane, Process, ProposalId, RunKey, SubjectKind, WorkflowKey,
    batch::{self, ResetPoint, command, reset_point},
    rows::ReadError,
    standalone,
};
use tenure_limits::HISTORY_PAGE;

/// Answers the leaders of jobs.
pub(crate) struct Operations {
    context: Arc<LeaderContext>,
    admission: Arc<Admission>,
}

impl Operations {
    pub(crate) fn new(context: Arc<LeaderContext>, admission: Arc<Admission>) -> Operations {
        Operations { context, admission }
    }

    pub(crate) async fn serve_current_run(&self, workflow: &WorkflowKey, of: SubjectKind) -> Served {
        let found = async {
            self.context.barrier().await?;
            let rows = &*self.context.rows;
            match of {
                SubjectKind::ACTIVITY => {
                    let lane = Lane::of_activity(workflow.namespace, &workflow.workflow_id);
                    Ok(standalone::read_current(rows, &lane)?)
                }
                _ => find_current(rows, workflow),
            }
        };
        Served::Answer(found.await.map_or_else(Answer::from, Answer::CurrentRun))
    }

    pub(crate) async fn serve(&self, request: OperateRequest) -> Served {
        Served::Answer(self.operate(request).await.map_or_else(Answer::from, |()| Answer::Done))
    }

    /// Runs the command of a job's operation, as one of a client. The operation's id is its proposal's, so that it acts once.
    async fn operate(
        &self,
        OperateRequest { run, operation_id, request, .. }: OperateRequest,
    ) -> Result<(), CommandError> {
        let request = request.decode();
        let reset_to = match reset_point(&request) {
            Some(point) => Some(self.event_of(run.clone(), point).await?),
            None => None,
        };
        let command = command(&request, &run, operation_id, reset_to)?;
        let proposal = ProposalId(operation_id.as_u128());
        let WorkflowKey { namespace, workflow_id: id } = run.workflow;
        let lane = Lane { kind: batch::kind_of_targets(&request), namespace, id };
        let envelope = Envelope { lane, proposal, origin: Process::default(), command };
        self.admission.execute(envelope).await.map(drop)
    }

    /// The event that a run is reset to.
    async fn event_of(&self, run: RunKey, point: ResetPoint) -> Result<i64, CommandError> {
        match point {
            ResetPoint::Event(event_id) => return Ok(event_id),
            // No worker here leaves a point by its build id.
            ResetPoint::BuildId(build_id) => {
                return Err(ApiError::invalid_argument(format!("Can't find reset point for {build_id}")).into());
            }
            ResetPoint::First | ResetPoint::Last => {}
        }
        self.context.barrier().await?;
        let rows = self.context.rows.clone();
        let reading = tokio::task::spawn_blocking(move || match point {
            ResetPoint::Last => last_task(&*rows, &run),
            _ => first_task(&*rows, &run),
        });
        reading.await.unwrap_or_else(|error| Err(ApiError::internal(format!("the search ended early: {error}")).into()))
    }
}

/// The first completed workflow task, or what follows the first that was scheduled.
fn first_task(rows: &dyn Rows, run: &RunKey) -> Result<i64, CommandError> {
    let (_, state) = find_run(rows, &run.workflow, Some(run.run_id))?;
    let (end, mut from, mut scheduled) = (state.last_event_id() + 1, 1, None);
    while from < end {
        let chunks = rows.history(run, from, end, HISTORY_PAGE)?;
        let before = from;
        for event in chunks.iter().map(|chunk| events(run, chunk)).collect::<Result<Vec<_>, _>>()?.concat() {
            match event {
                (event_id, EventType::WorkflowTaskCompleted) => return Ok(event_id),
                (event_id, EventType::WorkflowTaskScheduled) => scheduled = scheduled.or(Some(event_id)),
                _ => {}
            }
            from = from.max(event.0 + 1);
        }
        if from == before {
            break;
        }
    }
    after_scheduled(scheduled)
}

/// The last completed workflow task, or what follows the first that was scheduled.
fn last_task(rows: &dyn Rows, run: &RunKey) -> Result<i64, CommandError> {
    let (_, state) = find_run(rows, &run.workflow, Some(run.run_id))?;
    let (mut from, mut scheduled) = (state.last_event_id(), None);
    while from > 0 {
        let before = from;
        for chunk in rows.history_before(run, from, HISTORY_PAGE)? {
            for (event_id, kind) in events(run, &chunk)?.into_iter().rev() {
                match kind {
                    EventType::WorkflowTaskCompleted => return Ok(event_id),
                    EventType::WorkflowTaskScheduled => scheduled = Some(event_id),
                    _ => {}
                }
            }
            from = from.min(chunk.first_event_id - 1);
        }
        if from == before {
            break;
        }
    }
    after_scheduled(scheduled)
}

fn after_scheduled(scheduled: Option<i64>) -> Result<i64, CommandError> {
    let none = || ApiError::invalid_argument("unable to find any scheduled or completed task");
    Ok(scheduled.ok_or_else(none)? + 1)
}

/// The ids and types of a chunk's events.
fn events(run: &RunKey, chunk: &Chunk) -> Result<Vec<(i64, EventType)>, ReadError> {
    let history = <History as prost::Message>::decode(chunk.events.clone());
    let history = history.map_err(|error| ReadError::history(run, chunk.first_event_id, error))?;
    Ok(history.events.iter().map(|event| (event.event_id, event.event_type())).collect())
}
