//! Updates: who waits for one to be accepted or answered. In memory only: when leadership goes, frontends ask the new
//! leader, which finds the update in its rows.
//!
//! The notice is the engine's effect. The sweep is the end of the wait, which looks at the rows; clients ask again
//! for what has not come by then. (The workflow task that takes an update to its worker is offered like any other.)

use crate::{
    leader::{admission::Admission, context::LeaderContext, runs::find_run},
    seam::error::CommandError,
};
use metrics::counter;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tenure_api::{
    common::v1::WorkflowExecution,
    enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage,
    error::ApiError,
    update::v1::{Outcome, UpdateRef},
};
use tenure_engine::{
    Envelope, Reply, RunKey, WorkflowKey,
    proto::Encoded,
    rows::ReadError,
    update::{self, FoundUpdate, UpdateStatus},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};
use uuid::Uuid;

/// What became of an update.
#[derive(Clone)]
struct News {
    run_id: Uuid,
    update_id: Arc<str>,
    admission: i64,
    status: Result<UpdateStatus, ApiError>,
}

type Listeners = HashMap<WorkflowKey, Vec<UnboundedSender<News>>>;

/// Waits for updates on behalf of their callers.
pub(crate) struct Updates {
    context: Arc<LeaderContext>,
    admission: Arc<Admission>,
    listeners: Arc<Mutex<Listeners>>,
}

/// Hears of all updates of a workflow id from when it was made on.
struct Listener {
    listeners: Arc<Mutex<Listeners>>,
    workflow: WorkflowKey,
    news: Option<UnboundedReceiver<News>>,
}

impl Updates {
    pub(crate) fn new(context: Arc<LeaderContext>, admission: Arc<Admission>) -> Updates {
        Updates { context, admission, listeners: Arc::default() }
    }

    /// To be made before the state is read, so that nothing is missed.
    fn listen(&self, workflow: &WorkflowKey) -> Listener {
        let (sender, news) = unbounded_channel();
        self.listeners.lock().entry(workflow.clone()).or_default().push(sender);
        Listener { listeners: self.listeners.clone(), workflow: workflow.clone(), news: Some(news) }
    }

    pub(crate) fn advanced(
        &self,
        run: RunKey,
        update_id: Arc<str>,
        admission: i64,
        status: Result<UpdateStatus, ApiError>,
    ) {
        if let Some(listeners) = self.listeners.lock().get(&run.workflow) {
            let news = News { run_id: run.run_id, update_id, admission, status };
            for listener in listeners {
                // One that has gone meanwhile takes itself away.
                _ = listener.send(news.clone());
            }
        }
    }
}

impl Listener {
    async fn next(&mut self) -> News {
        match self.news.as_mut().expect("present until dropped").recv().await {
            Some(news) => news,
            // The sender lives as long as its listener does.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.news = None;
        let mut listeners = self.listeners.lock();
        if let Some(of_workflow) = listeners.get_mut(&self.workflow) {
            of_workflow.retain(|listener| !listener.is_closed());
            if of_workflow.is_empty() {
                listeners.remove(&self.workflow);
            }
        }
    }
}

/// How far an update has come, for a caller that waited for it.
#[derive(Clone, Debug)]
pub struct UpdateProgress {
    pub update_ref: UpdateRef,
    pub stage: Stage,
    /// The result, at the last stage and only there.
    pub outcome: Option<Outcome>,
    /// The request's own id; empty if it had none.
    pub request_id: String,
}

/// An update-with-start, as far as it has come.
#[derive(Clone, Debug)]
pub struct UpdateWithStart {
    pub run_id: Uuid,
    /// False when the run was there before.
    pub started: bool,
    /// Status of the run (`WorkflowExecutionStatus`).
    pub status: i32,
    pub update: UpdateProgress,
}

/// An update of a run.
struct Name {
    run: RunKey,
    update_id: String,
}

/// The workflow that a command is for.
fn workflow_of(envelope: &Envelope) -> Result<WorkflowKey, CommandError> {
    let unknown = || ApiError::internal(format!("{} takes no updates", envelope.lane));
    envelope.lane.workflow().ok_or_else(|| unknown().into())
}

impl Updates {
    /// Runs a command that asks for an update, and waits for `wanted`; after a while it answers with what there is.
    pub(crate) async fn update(
        &self,
        envelope: Envelope,
        update_id: String,
        wanted: Stage,
    ) -> Result<UpdateProgress, CommandError> {
        counter!("tenure_updates_total").increment(1);
        let workflow = workflow_of(&envelope)?;
        let listener = self.listen(&workflow);
        match self.admission.execute(envelope).await? {
            Reply::Update { run_id, found } => {
                self.reach(listener, Name { run: workflow.run(run_id), update_id }, found, wanted).await
            }
            other => Err(ApiError::internal(format!("an update was answered with something else: {other:?}")).into()),
        }
    }

    /// Does what [`Updates::update`] does, for a command that starts the workflow too.
    pub(crate) async fn update_with_start(
        &self,
        envelope: Envelope,
        update_id: String,
        wanted: Stage,
    ) -> Result<UpdateWithStart, CommandError> {
        counter!("tenure_updates_total").increment(1);
        let workflow = workflow_of(&envelope)?;
        let listener = self.listen(&workflow);
        let reply = self.admission.execute(envelope).await?;
        let Reply::UpdateWithStart { run_id, started, status, found } = reply else {
            let message = format!("an update with start was answered with something else: {reply:?}");
            return Err(ApiError::internal(message).into());
        };
        let name = Name { run: workflow.run(run_id), update_id };
        match self.reach(listener, name, found, wanted).await {
            Ok(update) => Ok(UpdateWithStart { run_id, started, status, update }),
            Err(CommandError::Api(error)) => Err(update::update_failed(&error).into()),
            Err(error) => Err(error),
        }
    }

    /// Waits for an update that was asked for before. NOT_FOUND if the run does not know it.
    pub(crate) async fn poll(
        &self,
        workflow: &WorkflowKey,
        run_id: Option<Uuid>,
        update_id: String,
        wanted: Stage,
    ) -> Result<UpdateProgress, CommandError> {
        let listener = self.listen(workflow);
        self.context.barrier().await?;
        let (run, state) = find_run(&*self.context.rows, workflow, run_id)?;
        let found = update::find(&*self.context.rows, &run, &state, &update_id)?;
        let found = found.ok_or_else(|| update::not_found(&update_id))?;
        self.reach(listener, Name { run, update_id }, found, wanted).await
    }

    async fn reach(
        &self,
        mut listener: Listener,
        name: Name,
        found: FoundUpdate,
        wanted: Stage,
    ) -> Result<UpdateProgress, CommandError> {
        // Not earlier where the caller's deadline is: clients ask again for what has not come yet, so that they would
        // never hear that their time is over.
        let expires = Instant::now() + self.context.options().update_wait;
        let mut status = found.status?;
        while status.stage < wanted {
            let news = tokio::select! {
                biased;
                () = self.context.ended.cancelled() => return Err(self.context.not_leader().into()),
                news = listener.next() => news,
                () = tokio::time::sleep_until(expires) => {
                    let now = self.look(&name)?.filter(|now| now.admission == found.admission);
                    status = now.map_or(Ok(status), |now| now.status)?;
                    break;
                }
            };
            if (news.run_id, &*news.update_id, news.admission) == (name.run.run_id, &name.update_id, found.admission) {
                status = news.status?;
            }
        }
        Ok(progress(name, status))
    }

    /// The update as rows have it; `None` if its run does not know it any more.
    fn look(&self, name: &Name) -> Result<Option<FoundUpdate>, ReadError> {
        match self.context.rows.execution(&name.run)? {
            Some(state) => update::find(&*self.context.rows, &name.run, &state, &name.update_id),
            None => Ok(None),
        }
    }
}

fn progress(name: Name, status: UpdateStatus) -> UpdateProgress {
    let Name { run, update_id } = name;
    let (workflow_id, run_id) = (run.workflow.workflow_id.to_string(), run.run_id.to_string());
    let execution = WorkflowExecution { workflow_id, run_id };
    UpdateProgress {
        update_ref: UpdateRef { workflow_execution: Some(execution), update_id },
        stage: status.stage,
        outcome: status.outcome.as_ref().map(Encoded::decode),
        request_id: status.request_id.to_string(),
    }
}
