//! The targets of a job: the runs that fit its query when it is asked, or those that its request names. They are written down
//! in pages before anything is done to the first one.

use super::job::{Job, query, unavailable};
use crate::{
    node::{gather::Gather, list_query::list_query, list_token::ListToken, merge::After, polled::Served},
    seam::{
        error::CommandError,
        messages::{Answer, Request},
        question::{Item, Question},
        replica::ShardId,
    },
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use std::{collections::HashSet, time::Duration};
use tenure_api::{
    error::{ApiError, Code},
    workflow::v1::WorkflowExecutionInfo,
    workflowservice::v1::StartBatchOperationRequest,
};
use tenure_engine::{
    SubjectKind, WorkflowKey,
    batch::{self, Advance, BatchState, BatchTarget, PAGE, TargetRun, is_of_open_runs},
    key::parse_run_id,
    rows::ReadError,
};
use tokio::time::Instant;
use uuid::Uuid;

/// How long a question may take before it is asked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Workflows that are asked for their current runs at once.
const AT_ONCE: usize = 16;

/// Finds the next targets of a job, and has them recorded.
pub(super) async fn find(job: &mut Job, state: &BatchState) -> Result<(), CommandError> {
    Search(job).find(state).await
}

/// A search for targets.
struct Search<'a>(&'a mut Job);

impl Search<'_> {
    async fn find(&mut self, job: &BatchState) -> Result<(), CommandError> {
        let found =
            if self.0.request.visibility_query.is_empty() { self.named(job).await } else { self.listed(job).await };
        match found {
            Ok((targets, place)) => {
                let recorded = self.0.advance(Advance::Targets { from: job.total, targets, place }).await;
                if recorded.is_err() {
                    // They may have to be found again.
                    self.0.seen = None;
                }
                recorded
            }
            Err(CommandError::Api(error)) if error.code == Code::InvalidArgument => {
                tracing::warn!(shard = self.0.context.shard, job = %self.0.lane, %error, "a batch job has no targets");
                self.0.advance(Advance::Refused { cause: error.message }).await
            }
            Err(error) => Err(error),
        }
    }

    /// The next runs that the request names.
    #[allow(deprecated)] // Clients name them so.
    async fn named(&self, job: &BatchState) -> Result<(Vec<BatchTarget>, Option<Bytes>), CommandError> {
        let StartBatchOperationRequest { executions, target_executions, .. } = &self.0.request;
        let named = executions.iter().map(|of| (&of.workflow_id, &of.run_id));
        let named = named.chain(target_executions.iter().map(|of| (&of.business_id, &of.run_id)));
        let (from, count) = (job.total as usize, executions.len() + target_executions.len());
        let page: Vec<_> = named.skip(from).take(PAGE as usize).map(|(id, run)| (id.clone(), run.clone())).collect();
        let more = from + page.len() < count;
        let runs = page.into_iter().map(|(workflow_id, run_id)| self.named_run(workflow_id, run_id));
        let targets = stream::iter(runs).buffered(AT_ONCE).try_collect().await?;
        Ok((targets, more.then(Bytes::new)))
    }

    async fn named_run(&self, workflow_id: String, run_id: String) -> Result<BatchTarget, CommandError> {
        let run = if workflow_id.is_empty() || workflow_id.len() > self.0.context.options().limits.id_length {
            TargetRun::Invalid
        } else if run_id.is_empty() {
            self.current_run(&workflow_id).await?.map_or(TargetRun::Missing, TargetRun::Run)
        } else {
            parse_run_id(&run_id).ok().flatten().map_or(TargetRun::Invalid, TargetRun::Run)
        };
        Ok(BatchTarget { workflow_id: workflow_id.into(), run })
    }

    /// The run that a request without a run id means, as it is now.
    async fn current_run(&self, workflow_id: &str) -> Result<Option<Uuid>, CommandError> {
        let workflow = WorkflowKey { namespace: self.0.lane.namespace, workflow_id: workflow_id.into() };
        let router = self.0.context.router();
        let shard = router.mesh.shard_of(workflow.slot());
        let of = Some(batch::kind_of_targets(&self.0.request)).filter(|kind| *kind != SubjectKind::RUN);
        let request = Request::CurrentRun { shard, workflow, of };
        match router.ask_leader(shard, request, Instant::now() + PATIENCE).await {
            Ok(Served::Answer(Answer::CurrentRun(run_id))) => Ok(run_id),
            Ok(Served::Answer(Answer::Refused(error))) => Err(error.into()),
            Ok(_) => Err(unavailable("an answer to something else")),
            Err(no_leader) => Err(unavailable(&no_leader.to_string())),
        }
    }

    /// The next runs that fit the query.
    async fn listed(&mut self, job: &BatchState) -> Result<(Vec<BatchTarget>, Option<Bytes>), CommandError> {
        let namespace = self.0.context.node.system.by_id(self.0.lane.namespace);
        let namespace = namespace.ok_or_else(|| unavailable("the namespace is not known here yet"))?;
        let kind = batch::kind_of_targets(&self.0.request);
        let question = Question::List(list_query(&namespace, kind, query(&self.0.request))?);
        let shards = self.0.context.router().data_shards();
        let mut places: Vec<(ShardId, After)> = match &job.place {
            None => shards.into_iter().map(|shard| (shard, None)).collect(),
            Some(place) => ListToken::decode(place, &question, &shards)
                .ok_or_else(|| ApiError::invalid_argument("search attributes of the query have changed meanwhile"))?,
        };
        let mut seen = self.take_seen(job)?;
        let mut targets = Vec::new();
        while targets.len() < PAGE as usize && !places.is_empty() {
            let gather = Gather::new(self.0.context.node.clone(), question.clone(), Instant::now() + PATIENCE);
            let (items, next) = gather.page(places, PAGE as usize - targets.len()).await?;
            places = next;
            for item in items {
                targets.extend(listed_run(&item, self.finds_closed().then_some(&mut seen))?);
            }
            if self.0.stop.is_cancelled() {
                break;
            }
        }
        self.0.seen = Some(seen);
        let place = ListToken::new(&question, places).encode()?;
        Ok((targets, Some(place).filter(|place| !place.is_empty())))
    }

    /// Whether closed runs are targets, too.
    fn finds_closed(&self) -> bool {
        !self.0.request.operation.as_ref().is_some_and(is_of_open_runs)
    }

    /// The runs that must not be found again, where closed ones are looked for, too: what was open when it was found may be
    /// closed by then. Whoever takes them puts them back once what was found with them is on its way to be recorded; else
    /// they are read again.
    fn take_seen(&mut self, job: &BatchState) -> Result<HashSet<Uuid>, ReadError> {
        if let Some(seen) = self.0.seen.take() {
            return Ok(seen);
        }
        let mut seen = HashSet::new();
        if self.finds_closed() {
            for page in 0..job.total.div_ceil(PAGE) {
                let targets = batch::read_targets(&*self.0.context.rows, &self.0.lane, page)?.unwrap_or_default();
                seen.extend(targets.iter().filter_map(|target| match target.run {
                    TargetRun::Run(run_id) => Some(run_id),
                    TargetRun::Missing | TargetRun::Invalid => None,
                }));
            }
        }
        Ok(seen)
    }
}

/// A run of a list; `None` if it is among those that were seen.
fn listed_run(item: &Item, seen: Option<&mut HashSet<Uuid>>) -> Result<Option<BatchTarget>, CommandError> {
    let unreadable = |cause: &dyn std::fmt::Display| ApiError::internal(format!("an item of a list: {cause}"));
    let info = WorkflowExecutionInfo::decode(item.value.clone()).map_err(|error| unreadable(&error))?;
    let execution = info.execution.unwrap_or_default();
    let run_id: Uuid = execution.run_id.parse().map_err(|error| unreadable(&error))?;
    let again = match seen {
        // One that is closed stays where it is, and is found once.
        Some(seen) if info.close_time.is_none() => !seen.insert(run_id),
        Some(seen) => seen.contains(&run_id),
        None => false,
    };
    Ok((!again).then(|| BatchTarget { workflow_id: execution.workflow_id.into(), run: TargetRun::Run(run_id) }))
}
