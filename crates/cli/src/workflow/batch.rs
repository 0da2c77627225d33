//! What is done to many workflows: a batch operation of the server, and the wait for it.

use super::which::Which;
use crate::{
    Usage,
    api::{Api, ask},
    output,
    show::{json, progress::Bar, text},
};
use anyhow::bail;
use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};
use tenure_api::workflowservice::v1::DescribeBatchOperationRequest;
use tenure_client::{Batch, BatchDescription, BatchHandle, BatchOperationState as State, StartBatch};

/// What is done, in the forms that sentences need: `terminate`, `terminating`, `terminated`.
pub(crate) struct Words {
    pub(crate) verb: &'static str,
    pub(crate) doing: &'static str,
    pub(crate) done: &'static str,
}

/// Does what `verb` says to all workflows that `query` finds.
pub(crate) async fn run<O: Send + 'static>(
    api: &Api,
    which: &Which,
    query: &str,
    verb: impl FnOnce(Batch) -> StartBatch<O>,
    words: &Words,
    json: bool,
) -> anyhow::Result<()> {
    let many = which.many();
    if !many.yes {
        confirm(api, query, words).await?;
    }
    let batch = api.client.batch(query).reason(which.reason());
    let batch = batch.max_operations_per_second(many.rate.unwrap_or_default());
    let job = api.ask("starting a batch operation", verb(batch).into_future()).await?;
    if many.no_wait {
        return started(job.id(), json);
    }
    let end = tokio::select! {
        end = wait(api, &job, words) => end?,
        _ = tokio::signal::ctrl_c() => {
            bail!("the batch operation goes on; `tenure batch stop {}` stops it", job.id())
        }
    };
    if json {
        let request = DescribeBatchOperationRequest { namespace: api.namespace(), job_id: end.id.clone() };
        json::print(&ask!(api, words.doing, describe_batch_operation, request).await?)?;
    } else {
        output::line(format_args!("{} {}", words.done, workflows(end.completed)))?;
    }
    judge(&end, words)
}

fn started(job: &str, json: bool) -> anyhow::Result<()> {
    if json {
        output::document(&serde_json::json!({ "jobId": job }))
    } else {
        output::line(format_args!("batch operation {job}"))
    }
}

async fn confirm(api: &Api, query: &str, words: &Words) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Usage(format!("--query may {} many workflows: confirm it with --yes", words.verb)).into());
    }
    let workflows = workflows(api.ask("counting", api.client.count(query)).await?);
    write!(
        io::stderr(),
        "{} {workflows} of the namespace {}? [y/N] ",
        words.verb,
        text::clean(api.client.namespace())
    )?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was done"),
    }
}

/// Waits until the operation ends, and shows how far it is.
async fn wait(api: &Api, job: &BatchHandle, words: &Words) -> anyhow::Result<BatchDescription> {
    let began = Instant::now();
    let mut bar = None;
    let end = job.wait_with(|now| {
        if now.is_running() && now.total > 0 && began.elapsed() > Duration::from_secs(1) {
            bar.get_or_insert_with(|| Bar::new(words.doing)).at(now.completed + now.failed, now.total);
        }
    });
    end.await.map_err(|error| api.explain(error))
}

/// An error if it was not done to all.
fn judge(end: &BatchDescription, words: &Words) -> anyhow::Result<()> {
    match (end.failed, end.state) {
        (0, State::Completed) => Ok(()),
        (0, _) => bail!("the batch operation {} failed", end.id),
        (failed, _) => bail!("{} could not be {}", workflows(failed), words.done),
    }
}

fn workflows(count: u64) -> String {
    format!("{} workflow{}", text::count(count), if count == 1 { "" } else { "s" })
}
