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
use tenure_api::{
    enums::v1::BatchOperationState as State,
    workflowservice::v1::{
        CountWorkflowExecutionsRequest, DescribeBatchOperationRequest, DescribeBatchOperationResponse,
        StartBatchOperationRequest, start_batch_operation_request::Operation,
    },
};
use tenure_client::rpc;
use uuid::Uuid;

/// What is done, in the forms that sentences need: `terminate`, `terminating`, `terminated`.
pub(crate) struct Words {
    pub(crate) verb: &'static str,
    pub(crate) doing: &'static str,
    pub(crate) done: &'static str,
}

/// Does `operation` to all workflows that `query` finds.
pub(crate) async fn run(
    api: &Api,
    which: &Which,
    query: &str,
    operation: Operation,
    words: &Words,
    json: bool,
) -> anyhow::Result<()> {
    let many = which.many();
    if !many.yes {
        confirm(api, query, words).await?;
    }
    let job = Uuid::new_v4().to_string();
    let request = StartBatchOperationRequest {
        namespace: api.namespace(),
        visibility_query: query.to_owned(),
        job_id: job.clone(),
        reason: which.reason(),
        max_operations_per_second: many.rate.unwrap_or_default(),
        operation: Some(operation),
        ..Default::default()
    };
    let start = async {
        match rpc!(api.client.connection(), start_batch_operation, request, api.client.short()).await {
            // A second try may find what the first one began: nobody else has this id.
            Err(error) if error.is_already_exists() => Ok(()),
            started => started.map(drop),
        }
    };
    api.ask("starting a batch operation", start).await?;
    if many.no_wait {
        return started(&job, json);
    }
    let end = tokio::select! {
        end = wait(api, &job, words) => end?,
        _ = tokio::signal::ctrl_c() => bail!("the batch operation goes on; `tenure batch stop {job}` stops it"),
    };
    report(&end, words, json)
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
    let request = CountWorkflowExecutionsRequest { namespace: api.namespace(), query: query.to_owned() };
    let count = ask!(api, "counting", count_workflow_executions, request).await?.count;
    let workflows = workflows(count);
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
async fn wait(api: &Api, job: &str, words: &Words) -> anyhow::Result<DescribeBatchOperationResponse> {
    let request = DescribeBatchOperationRequest { namespace: api.namespace(), job_id: job.to_owned() };
    let began = Instant::now();
    let mut bar = None;
    loop {
        let now = ask!(api, words.doing, describe_batch_operation, request.clone()).await?;
        if now.state() != State::Running {
            return Ok(now);
        }
        if began.elapsed() > Duration::from_secs(1) && now.total_operation_count > 0 {
            let bar = bar.get_or_insert_with(|| Bar::new(words.doing));
            bar.at(now.complete_operation_count + now.failure_operation_count, now.total_operation_count);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn report(end: &DescribeBatchOperationResponse, words: &Words, json: bool) -> anyhow::Result<()> {
    let done = workflows(end.complete_operation_count);
    if json {
        json::print(end)?;
    } else {
        output::line(format_args!("{} {done}", words.done))?;
    }
    match (end.failure_operation_count, end.state()) {
        (0, State::Completed) => Ok(()),
        (0, _) => bail!("the batch operation {} failed", end.job_id),
        (failed, _) => bail!("{} could not be {}", workflows(failed), words.done),
    }
}

fn workflows(count: i64) -> String {
    format!("{} workflow{}", text::count(count), if count == 1 { "" } else { "s" })
}
