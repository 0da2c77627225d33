//! How the server finds what a list filter asks for. It is told in the metadata of the answer, to those who ask for it in
//! the metadata of the request.

use crate::{
    api::{
        Target,
        asides::{ASK, told},
    },
    output,
    show::text,
};
use anyhow::Context;
use serde_json::json;
use tenure_api::workflowservice::v1::ListWorkflowExecutionsRequest;
use tenure_client::rpc;

pub(crate) async fn of_list(target: &Target, query: String, json: bool) -> anyhow::Result<()> {
    let api = target.reach_with(|builder| builder.header(ASK, "1")).await?;
    let request =
        ListWorkflowExecutionsRequest { namespace: api.namespace(), query, page_size: 1, ..Default::default() };
    let call = rpc!(respond api.client.connection(), list_workflow_executions, request, api.patient());
    let answer = api.ask("asking for the plan", call).await?;
    let plan = told(answer.metadata()).context("this server does not tell how it finds what a filter asks for")?;
    if json { output::document(&json!({ "plan": plan })) } else { output::line(text::clean_lines(&plan)) }
}
