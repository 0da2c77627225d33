//! What the official UI's pages ask besides the API: the document by which that UI's own server tells them how they are
//! set up, and a run's history as one file.

use super::{
    encode::{Malformed, Writer},
    routes::POOL,
};
use crate::{
    Frontend,
    budget::Slot,
    client::{Caller, Client},
    rpc::Method,
};
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use serde_json::json;
use tenure_api::{
    common::v1::WorkflowExecution, encoded::GetWorkflowExecutionHistoryResponse,
    workflowservice::v1::GetWorkflowExecutionHistoryRequest,
};
use tokio::time::Instant;
use tonic::{Status, body::Body};

/// The path of the document.
pub(super) const SETTINGS: &str = "/api/v1/settings";

/// The version of the official UI whose settings these are. Its pages look at it to know how often ids in paths are
/// escaped: once, from 2.23.0 on.
const UI_VERSION: &str = "2.54.1";

/// The document: everything may be done, nobody has to log in here, and nothing is fetched from elsewhere.
pub(super) fn settings(default_namespace: &str) -> Vec<u8> {
    let settings = json!({
        "Auth": {"Enabled": false, "Options": [], "RedirectToProvider": false},
        "DefaultNamespace": default_namespace,
        "ShowTemporalSystemNamespace": false,
        "NavCollapsedByDefault": false,
        "FeedbackURL": "",
        "DisableNewsFetch": true,
        "Codec": {
            "Endpoint": "",
            "PassAccessToken": false,
            "IncludeCredentials": false,
            "DefaultErrorMessage": "",
            "DefaultErrorLink": "",
        },
        "Version": UI_VERSION,
        "DisableWriteActions": false,
        "WorkflowTerminateDisabled": false,
        "WorkflowCancelDisabled": false,
        "WorkflowSignalDisabled": false,
        "WorkflowUpdateDisabled": false,
        "WorkflowResetDisabled": false,
        "WorkflowPauseDisabled": false,
        "BatchActionsDisabled": false,
        "StartWorkflowDisabled": false,
        "HideWorkflowQueryErrors": false,
        "RefreshWorkflowCountsDisabled": false,
        "ActivityCommandsDisabled": false,
    });
    settings.to_string().into_bytes()
}

/// The run whose history a path of the official UI's downloads is for: namespace, workflow id, run id.
pub(super) fn downloaded(segments: &[String]) -> Option<Download> {
    let [api, v1, namespaces, namespace, workflows, workflow_id, run, run_id, "history.json"] =
        <[&str; 9]>::try_from(segments.iter().map(String::as_str).collect::<Vec<_>>()).ok()?
    else {
        return None;
    };
    let is_theirs = [api, v1, namespaces, workflows, run] == ["api", "v1", "namespaces", "workflows", "run"];
    let execution = WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.to_owned() };
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: namespace.to_owned(),
        execution: Some(execution),
        maximum_page_size: DOWNLOAD_PAGE,
        ..Default::default()
    };
    is_theirs.then_some(Download(request))
}

/// Events that are read at a time for a download.
const DOWNLOAD_PAGE: i32 = 200;

/// The whole history of a run, as a list of its events.
pub(super) struct Download(GetWorkflowExecutionHistoryRequest);

impl Download {
    /// The response, whose pages are read as the client takes them.
    pub(super) async fn respond(mut self, frontend: Frontend) -> Result<http::Response<Body>, Status> {
        let first = self.page(&frontend, b'[').await?;
        let begun = (self, frontend, Some(first), None);
        // Each page holds its request's place until the next one is asked for.
        let pages = stream::unfold(begun, |(mut download, frontend, page, held)| async move {
            drop::<Option<Slot>>(held);
            let (page, slot) = match page {
                Some(first) => first,
                None if download.0.next_page_token.is_empty() => return None,
                None => match download.page(&frontend, b',').await {
                    Ok(page) => page,
                    // The response has begun: all that can be told is that it is not whole.
                    Err(status) => {
                        download.0.next_page_token.clear();
                        return Some((Err(status), (download, frontend, None, None)));
                    }
                },
            };
            Some((Ok(Frame::data(page)), (download, frontend, None, Some(slot))))
        });
        let mut response = http::Response::new(Body::new(StreamBody::new(pages)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    /// The next page, behind what separates it from the one before; with the end of the list if it is the last one.
    async fn page(&mut self, frontend: &Frontend, before: u8) -> Result<(Bytes, Slot), Status> {
        let method = Method::find("GetWorkflowExecutionHistory").ok_or_else(|| Status::unimplemented(""))?;
        let mut slot = frontend.budget().enter()?;
        let caller = Caller { arrived: Instant::now(), timeout: None, client: Client::default() };
        let message = self.0.encode_to_vec().into();
        let page = frontend.serve(method, message, caller, &mut slot).await?.into_inner();
        let unreadable = || Status::internal(Malformed.to_string());
        let page = GetWorkflowExecutionHistoryResponse::decode(page).map_err(|_| unreadable())?;
        self.0.next_page_token = page.next_page_token;
        let form = POOL.get_message_by_name("temporal.api.history.v1.History").ok_or_else(unreadable)?;
        let written = Writer::new(&form, page.history.unwrap_or_default(), false).and_then(|(mut writer, mut out)| {
            writer.fill(&mut out, usize::MAX)?;
            Ok(out)
        });
        let written = written.map_err(|_| unreadable())?;
        // `{"events":[..]}`, or `{}`.
        let events = written.strip_prefix(br#"{"events":["#).and_then(|events| events.strip_suffix(b"]}"));
        let mut json = Vec::new();
        if before == b'[' || events.is_some() {
            json.push(before);
        }
        json.extend_from_slice(events.unwrap_or_default());
        if self.0.next_page_token.is_empty() {
            json.push(b']');
        }
        slot.answer(json.len());
        Ok((json.into(), slot))
    }
}
