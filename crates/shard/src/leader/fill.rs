//! Runs that were there before lists were are made known to these, in the background: each by a command in its lane. How far
//! that has come is a row, so that a new leader goes on. Until it is through, the shard answers no lists: they would lack
//! something.

use crate::{
    leader::{
        context::LeaderContext,
        executions::{Executions, own},
    },
    seam::{error::CommandError, replica::Rows},
};
use futures::{StreamExt, stream};
use metrics::{counter, gauge};
use std::{sync::Arc, time::Duration};
use tenure_api::error::ApiError;
use tenure_engine::{
    FeatureLevel, Op, RowKey, RunKey, ShardCommand, WriteSet, codec, rows::ReadError, visibility::Filling,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// Runs that are made known before the row is written again.
const PIECE: usize = 500;

/// Runs that are made known at once.
const AT_ONCE: usize = 32;

/// The wait for a higher feature level, and after a failure.
const WAIT: Duration = Duration::from_millis(500);

/// How long a list waits for the rest, before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);

/// The filling of one leader's lists.
pub(crate) struct Fill {
    context: Arc<LeaderContext>,
    executions: Arc<Executions>,
    /// Runs that were made known in this term, and whether all are.
    progress: watch::Sender<(u64, bool)>,
}

impl Fill {
    pub(crate) fn new(context: Arc<LeaderContext>, executions: Arc<Executions>) -> Fill {
        let is_done = context.filling.as_ref().is_some_and(|filling| filling.done);
        Fill { context, executions, progress: watch::Sender::new((0, is_done)) }
    }

    pub(crate) async fn run(self: Arc<Self>) {
        let ended = self.context.ended.clone();
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.fill() => {}
        }
    }

    /// Returns once lists lack nothing.
    ///
    /// # Errors
    /// UNAVAILABLE if they still do after a while; NotLeader if the leader is gone, so that the next one is asked.
    pub(crate) async fn done(&self) -> Result<(), CommandError> {
        let mut progress = self.progress.subscribe();
        tokio::select! {
            biased;
            Ok(_) = progress.wait_for(|(_, done)| *done) => return Ok(()),
            () = self.context.ended.cancelled() => return Err(self.context.not_leader().into()),
            () = sleep(PATIENCE) => {}
        }
        let (runs, _) = *self.progress.borrow();
        let shard = self.context.shard;
        let message =
            format!("shard {shard} is still putting the runs of before into its lists ({runs} since this leader came)");
        Err(ApiError::unavailable(message).into())
    }

    async fn fill(&self) {
        while !self.context.has_lists() && self.context.node.system.level() < FeatureLevel::LISTS {
            sleep(WAIT).await;
        }
        while let Err(error) = self.begin().await {
            tracing::warn!(shard = self.context.shard, %error, "lists could not be begun; trying again");
            sleep(WAIT).await;
        }
        let begin = Instant::now();
        loop {
            match self.piece().await {
                Ok(false) => {}
                Ok(true) => break,
                Err(error) => {
                    tracing::warn!(shard = self.context.shard, %error, "lists could not be filled; trying again");
                    sleep(WAIT).await;
                }
            }
        }
        let (runs, _) = *self.progress.borrow();
        if runs > 0 {
            tracing::info!(shard = self.context.shard, runs, seconds = begin.elapsed().as_secs(), "lists are filled");
        }
    }

    /// From here on commands of all leaders put the runs that they start into lists, and those that began below that level are
    /// through: what they started is there to be found.
    async fn begin(&self) -> Result<(), CommandError> {
        if self.context.rows.get(&RowKey::ListFill)?.is_none() {
            let ops = vec![Op::Put(RowKey::ListFill, codec::encode(&Filling::default()))];
            self.context.replica.propose(self.context.term, &WriteSet { ops }).await?;
        }
        self.context.begin_lists();
        self.executions.drain(|_| true).await;
        Ok(())
    }

    /// Makes the next runs known. `true` if there are no more.
    async fn piece(&self) -> Result<bool, CommandError> {
        let read = |rows: &dyn Rows| {
            let filling = match rows.get(&RowKey::ListFill)? {
                Some(row) => {
                    codec::decode::<Filling>(&row).map_err(|error| ReadError::corrupt(RowKey::ListFill, error))?
                }
                None => Filling::default(),
            };
            let runs = if filling.done { Vec::new() } else { rows.runs(filling.after.as_ref(), PIECE)? };
            Ok::<_, ReadError>((filling, runs))
        };
        let (filling, runs) = self.context.read(read).await?;
        if !filling.done {
            let last = runs.last().cloned();
            let (count, done) = (runs.len() as u64, runs.len() < PIECE);
            let left_out = self.list(runs).await?;
            let filling = Filling { after: last.or(filling.after), done, left_out: filling.left_out + left_out };
            let writes = WriteSet { ops: vec![Op::Put(RowKey::ListFill, codec::encode(&filling))] };
            self.context.replica.propose(self.context.term, &writes).await?;
            self.progress.send_modify(|(runs, _)| *runs += count - left_out);
            counter!("tenure_lists_filled_total").increment(count - left_out);
            counter!("tenure_lists_left_out_total").increment(left_out);
            if !done {
                return Ok(false);
            }
        }
        self.progress.send_modify(|(_, done)| *done = true);
        gauge!("tenure_lists_ready", "shard" => self.context.shard.to_string()).set(1.0);
        Ok(true)
    }

    /// Makes these runs known, and tells how many of them could not be.
    async fn list(&self, runs: Vec<RunKey>) -> Result<u64, CommandError> {
        let commands = runs.into_iter().map(|run| {
            let command = own(run.workflow.clone(), ShardCommand::ListRun { run_id: run.run_id });
            async move { (run, self.executions.execute(command).await) }
        });
        let mut done = stream::iter(commands).buffer_unordered(AT_ONCE);
        let mut left_out = 0;
        while let Some((run, result)) = done.next().await {
            match result {
                Ok(_) => {}
                // A row that cannot be read fails whoever asks for the run; it must not keep all others out of the lists.
                Err(CommandError::Api(error)) => {
                    left_out += 1;
                    tracing::error!(shard = self.context.shard, workflow_id = %run.workflow.workflow_id, run_id = %run.run_id,
                        %error, "a run could not be put into lists");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(left_out)
    }
}
