//! How the server finds what a list filter asks for, or counts it. It is told in the metadata of the answer, to those who ask
//! for it in the metadata of the request.

use crate::{
    api::{
        Api, Target,
        asides::{ASK, told},
    },
    output,
    show::text,
};
use anyhow::Context;
use serde_json::json;
use tenure_api::workflowservice::v1::{CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest};
use tenure_client::rpc;
use tonic::metadata::MetadataMap;

const ASKING: &str = "asking for the plan";

pub(crate) async fn of_list(target: &Target, query: String, json: bool) -> anyhow::Result<()> {
    let api = reach(target).await?;
    let request =
        ListWorkflowExecutionsRequest { namespace: api.namespace(), query, page_size: 1, ..Default::default() };
    let call = rpc!(respond api.client.connection(), list_workflow_executions, request, api.patient());
    print(api.ask(ASKING, call).await?.metadata(), json)
}

/// The server counts, too.
pub(crate) async fn of_count(target: &Target, query: String, json: bool) -> anyhow::Result<()> {
    let api = reach(target).await?;
    let request = CountWorkflowExecutionsRequest { namespace: api.namespace(), query };
    let call = rpc!(respond api.client.connection(), count_workflow_executions, request, api.patient());
    print(api.ask(ASKING, call).await?.metadata(), json)
}

async fn reach(target: &Target) -> anyhow::Result<Api> {
    target.reach_with(|builder| builder.header(ASK, "1")).await
}

fn print(metadata: &MetadataMap, json: bool) -> anyhow::Result<()> {
    let plan = told(metadata).context("this server does not tell how it finds what a filter asks for")?;
    if json { output::document(&json!({ "plan": plan })) } else { output::line(text::clean_lines(&plan)) }
}
