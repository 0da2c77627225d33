//! What a shard has of namespaces that were deleted is removed, in the background. First a row says so: from then on nothing
//! begins there, whoever leads. Then runs go, a few at once; then what nobody owns any more; and the row says that nothing is
//! left. Rows are the truth, so a new leader goes on. Which namespaces were deleted is looked for now and then.

use crate::{
    leader::{
        batches,
        context::LeaderContext,
        executions::{Executions, own},
    },
    node::list_token::malformed_page_token,
    seam::{
        error::CommandError,
        question::{Budget, GroupValue, Part, RUNS_LEFT, SHARDS_LEFT, Step},
        replica::ListRows,
    },
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use metrics::counter;
use prost::Message;
use std::{ops::ControlFlow, sync::Arc, time::Duration};
use tenure_api::batch::v1::BatchOperationInfo;
use tenure_engine::{
    FeatureLevel, Lane, NamespaceId, Op, RowKey, RunKey, ShardCommand, SubjectKind, WriteSet, codec,
    reclaim::Reclaim,
    rows::{ListRange, ListTable, ReadError},
    visibility::RunRecord,
};
use tenure_limits::{RECLAIM_REMEMBERED, RECLAIMED_AT_ONCE};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

const TICK: Duration = Duration::from_millis(500);

/// How often the log says how far a long removal is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Runs, and rows that nobody owns, that are looked for at once.
const PIECE: usize = 500;

/// The removals of one leader.
pub(crate) struct Reclaims {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
}

impl Reclaims {
    pub(crate) fn new(context: Arc<LeaderContext>, executions: Arc<Executions>) -> Reclaims {
        Reclaims { context, executions }
    }

    pub(crate) async fn run(self: Arc<Self>) {
        let ended = self.context.ended.clone();
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.look() => {}
        }
    }

    async fn look(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for namespace in self.context.node.system.deleted() {
                let id = namespace.id;
                if self.context.reclaimed.get(id).is_some_and(|reclaim| reclaim.done) {
                    continue;
                }
                if let Err(error) = self.reclaim(id).await {
                    tracing::warn!(shard = self.context.shard, namespace = %namespace.name, %error,
                        "a deleted namespace could not be removed yet; trying again");
                }
            }
            if let Err(error) = self.forget_old().await {
                tracing::warn!(shard = self.context.shard, %error, "namespaces of long ago could not be forgotten");
            }
        }
    }

    /// Removes what there is of a namespace, as far as it goes now.
    async fn reclaim(&self, namespace: NamespaceId) -> Result<(), CommandError> {
        let shard = self.context.shard;
        let reclaim = match self.context.reclaimed.get(namespace) {
            Some(reclaim) => reclaim,
            None => self.begin(namespace).await?,
        };
        let mut runs = 0;
        self.remove_jobs(namespace).await?;
        self.remove_listed(namespace, SubjectKind::SCHEDULE).await?;
        self.remove_listed(namespace, SubjectKind::ACTIVITY).await?;
        while self.remove_runs(namespace, &mut runs).await? > 0 {}
        self.remove_leftovers(namespace).await?;
        if self.sends(namespace).await? {
            // They are answered soon; their rows go with that.
            return Ok(());
        }
        let done = Reclaim { done: true, ..reclaim };
        self.propose(vec![done.put(namespace)]).await?;
        self.context.reclaimed.set(namespace, done);
        tracing::info!(shard, %namespace, runs, "nothing is left of a deleted namespace");
        Ok(())
    }

    /// From now on nothing begins in the namespace: what comes is refused at once, what came before is through, and the row
    /// says it to leaders to come.
    async fn begin(&self, namespace: NamespaceId) -> Result<Reclaim, CommandError> {
        let reclaim = Reclaim { since: self.context.clock.now(), done: false };
        self.context.reclaimed.set(namespace, reclaim);
        let written = async {
            self.executions.drain(|lane| lane.namespace == namespace).await;
            self.propose(vec![reclaim.put(namespace)]).await
        };
        let written = written.await;
        if written.is_err() {
            // It begins again, from the beginning.
            self.context.reclaimed.remove(namespace);
        }
        written.map(|()| reclaim)
    }

    /// Removes all batch jobs that there are.
    async fn remove_jobs(&self, namespace: NamespaceId) -> Result<(), CommandError> {
        loop {
            let budget = Budget { items: PIECE as u64, bytes: u64::MAX, rows: PIECE as u64 };
            let step = self.context.read(move |rows| batches::page(&*rows.lists()?, namespace, None, budget)).await?;
            let Part::Items(jobs) = step.part else { return Ok(()) };
            if jobs.is_empty() {
                return Ok(());
            }
            for job in jobs {
                let info =
                    BatchOperationInfo::decode(job.value).map_err(|error| ReadError::Storage(error.to_string()))?;
                let lane = Lane::of_batch(namespace, &info.job_id);
                self.executions.execute(own(lane, ShardCommand::ReclaimRun { run_id: Uuid::nil() })).await?;
            }
        }
    }

    /// Removes all subjects of a kind that lists know.
    async fn remove_listed(&self, namespace: NamespaceId, kind: SubjectKind) -> Result<(), CommandError> {
        loop {
            let listed = self.context.read(move |rows| listed(&*rows.lists()?, namespace, kind)).await?;
            if listed.is_empty() {
                return Ok(());
            }
            let remove = |RunKey { workflow, run_id }| {
                let lane = Lane { kind, namespace, id: workflow.workflow_id };
                self.executions.execute(own(lane, ShardCommand::ReclaimRun { run_id }))
            };
            let mut removed = stream::iter(listed).map(remove).buffer_unordered(RECLAIMED_AT_ONCE);
            while let Some(removed) = removed.next().await {
                removed?;
            }
        }
    }

    /// Removes all runs that there are, and tells how many.
    async fn remove_runs(&self, namespace: NamespaceId, total: &mut u64) -> Result<u64, CommandError> {
        let (mut after, before) = (None::<RunKey>, *total);
        let mut told = Instant::now();
        loop {
            if told.elapsed() > TELL_EVERY {
                tracing::info!(shard = self.context.shard, %namespace, runs = *total, "removing a deleted namespace");
                told = Instant::now();
            }
            let from = after.take();
            let runs = self.context.read(move |rows| rows.runs_of(namespace, from.as_ref(), PIECE)).await?;
            let Some(last) = runs.last().cloned() else { return Ok(*total - before) };
            after = Some(last);
            let mut removed = stream::iter(runs).map(|run| self.remove(run)).buffer_unordered(RECLAIMED_AT_ONCE);
            while let Some(removed) = removed.next().await {
                removed?;
                *total += 1;
                counter!("tenure_namespace_runs_removed_total").increment(1);
            }
        }
    }

    /// Removes a run, piece by piece, and rests for as long as that took: the busier the shard is with others, the longer.
    async fn remove(&self, run: RunKey) -> Result<(), CommandError> {
        let begin = Instant::now();
        let core = RowKey::Execution(run.clone());
        while self.context.rows.get(&core)?.is_some() {
            let command = ShardCommand::ReclaimRun { run_id: run.run_id };
            self.executions.execute(own(run.workflow.clone(), command)).await?;
        }
        sleep(begin.elapsed()).await;
        Ok(())
    }

    /// Deletes rows that no run owns.
    async fn remove_leftovers(&self, namespace: NamespaceId) -> Result<(), CommandError> {
        loop {
            let keys = self.context.read(move |rows| rows.leftovers(namespace, PIECE)).await?;
            if keys.is_empty() {
                return Ok(());
            }
            self.propose(keys.into_iter().map(Op::Delete).collect()).await?;
        }
    }

    /// Whether runs of the namespace have sent messages that are not received yet.
    async fn sends(&self, namespace: NamespaceId) -> Result<bool, CommandError> {
        let sends = self.context.read(move |rows| {
            let mut after = None;
            loop {
                let entries = rows.outbox(after.as_ref(), PIECE)?;
                if entries.iter().any(|entry| entry.from.lane.namespace == namespace) {
                    return Ok(true);
                }
                let Some(last) = entries.last() else { return Ok(false) };
                after = Some((last.from.clone(), last.stamp));
            }
        });
        sends.await
    }

    /// Deletes the rows of namespaces that are gone for so long that nothing of them can be on its way any more.
    async fn forget_old(&self) -> Result<(), CommandError> {
        let (system, now) = (&self.context.node.system, self.context.clock.now());
        if system.level() < FeatureLevel::LISTS {
            // Nothing is known here yet.
            return Ok(());
        }
        for (namespace, reclaim) in self.context.reclaimed.all() {
            if now.since(reclaim.since) > RECLAIM_REMEMBERED && system.by_id(namespace).is_none() {
                self.propose(vec![Reclaim::delete(namespace)]).await?;
                self.context.reclaimed.remove(namespace);
            }
        }
        Ok(())
    }

    async fn propose(&self, ops: Vec<Op>) -> Result<(), CommandError> {
        Ok(self.context.propose(&mut WriteSet { ops }).await?)
    }
}

/// A place in a count of runs: how many there were before, so that places ascend, and the last of them.
fn place(counted: u64, run: &RunKey) -> Bytes {
    [&counted.to_be_bytes()[..], &codec::encode(run)].concat().into()
}

fn run_at(place: &[u8]) -> Option<(u64, RunKey)> {
    let (counted, run) = place.split_first_chunk()?;
    Some((u64::from_be_bytes(*counted), codec::decode(run).ok()?))
}

/// A step of the answer to how many runs of a namespace are left.
pub(crate) fn left(
    context: &LeaderContext,
    namespace: NamespaceId,
    after: Option<&[u8]>,
    budget: Budget,
) -> Result<Step, CommandError> {
    let after = after.map(|place| run_at(place).ok_or_else(malformed_page_token)).transpose()?;
    let limit = usize::try_from(budget.rows).unwrap_or(usize::MAX).max(1);
    let (before, from) = after.map_or((0, None), |(counted, run)| (counted, Some(run)));
    let runs = context.rows.runs_of(namespace, from.as_ref(), limit)?;
    let counted = runs.len() as u64;
    let next = runs.last().filter(|_| runs.len() == limit).map(|last| place(before + counted, last));
    let mut groups = vec![group(RUNS_LEFT, counted)];
    groups.extend(not_done(context, namespace).filter(|_| next.is_none()));
    Ok(Step { part: Part::Groups(groups), next })
}

/// The answer to whether the shard is done, which costs nothing.
pub(crate) fn shards_left(context: &LeaderContext, namespace: NamespaceId) -> Step {
    Step { part: Part::Groups(not_done(context, namespace).into_iter().collect()), next: None }
}

/// This shard, if it may still have something of the namespace.
fn not_done(context: &LeaderContext, namespace: NamespaceId) -> Option<(GroupValue, u64)> {
    let done = context.reclaimed.get(namespace).is_some_and(|reclaim| reclaim.done);
    (!done).then(|| group(SHARDS_LEFT, 1))
}

fn group(name: &str, count: u64) -> (GroupValue, u64) {
    (GroupValue::Text(name.into()), count)
}

/// The subjects of a kind of a namespace, some at a time.
fn listed(rows: &dyn ListRows, namespace: NamespaceId, kind: SubjectKind) -> Result<Vec<RunKey>, ReadError> {
    let (mut found, mut result) = (Vec::new(), Ok(()));
    let table = ListTable { kind, namespace, field: None };
    rows.rows(&table, &ListRange::default(), &mut |position, record| match RunRecord::decode(record) {
        Ok(record) => {
            found.push(record.run(namespace));
            if found.len() < PIECE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
        Err(error) => {
            let key = RowKey::Record { kind, namespace, position: Bytes::copy_from_slice(position) };
            result = Err(ReadError::corrupt(key, error));
            ControlFlow::Break(())
        }
    })?;
    result.map(|()| found)
}
