//! Whose pages may call: those that came from this host, and those that the configuration names.
//!
//! A browser sends a page's requests to any host, some of them without asking first, and says in `Origin` whose page it
//! was. What changes something is therefore refused to pages of others, and so is a body that is not said to be JSON,
//! which is all that a form can send.

use super::{Refused, forms::Form};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use std::sync::Arc;
use tenure_api::error::Code;
use tonic::body::Body;

/// The origins of other pages that may call.
#[derive(Clone, Debug)]
pub(super) struct Origins(Arc<[String]>);

/// How long a browser may go by what it was told of an origin.
const TOLD_FOR_S: &str = "600";

impl Origins {
    pub(super) fn new(origins: &[String]) -> Origins {
        Origins(origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    /// Refuses a request of a page that may not call. An answer: it was the question whether one may.
    pub(super) fn check(&self, head: &Parts) -> Result<Option<http::Response<Body>>, Refused> {
        let Some(origin) = head.headers.get(header::ORIGIN) else { return Ok(None) };
        if !self.is_listed(origin) {
            if is_own(origin, head) {
                return Ok(None);
            }
            let message = "pages of this origin may not call; `http.cors_origins` lists those that may";
            return Err(Refused::with(StatusCode::FORBIDDEN, Code::PermissionDenied, message));
        }
        if head.method != Method::OPTIONS || !head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return Ok(None);
        }
        let mut response = http::Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"));
        if let Some(asked) = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(TOLD_FOR_S));
        Ok(Some(response))
    }

    /// Lets a page of a listed origin read the answer.
    pub(super) fn allow(&self, head: &Parts, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = head.headers.get(header::ORIGIN).filter(|origin| self.is_listed(origin)) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }

    /// Refuses a body that is not said to be JSON, unless it comes from a page that may call: those need not say it.
    pub(super) fn check_content(&self, head: &Parts) -> Result<(), Refused> {
        let sent = head.method != Method::GET && head.headers.contains_key(header::CONTENT_TYPE);
        if !sent || Form::is_json(&head.headers) || head.headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        Err(Refused::media("a body must be JSON: send it with `Content-Type: application/json`"))
    }

    fn is_listed(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    }
}

/// Whether a page came from the host that the request is for. Its scheme is not looked at: what encrypts may stand in
/// front of this node.
fn is_own(origin: &HeaderValue, head: &Parts) -> bool {
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    host.is_some() && origin.map(|(_, authority)| authority.to_ascii_lowercase()) == host.map(str::to_ascii_lowercase)
}
