//! The API as JSON over HTTP, by the paths that its own `google.api.http` annotations give to its methods.
//!
//! A request becomes the message that gRPC would have brought, takes the same way ([`Frontend::serve`]) under the same
//! limits, and its answer becomes JSON. Nothing here knows a method by name.

mod decode;
mod documents;
mod encode;
mod errors;
mod forms;
mod origins;
mod payloads;
mod query;
mod response;
mod routes;
mod template;
mod text;

#[cfg(test)]
mod tests;

use crate::{
    Frontend, HandoverLayer, HandoverService,
    budget::Slot,
    client::{Caller, Client},
    deadline,
    observe::Observed,
};
use bytes::{BufMut, Bytes, BytesMut};
use decode::Reading;
use forms::Form;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use origins::Origins;
use percent_encoding::percent_decode_str;
use routes::{BodyOf, Found, ROUTES, Route};
use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};
use tenure_api::error::{ApiError, Code};
use tenure_limits::{ARRIVAL, PATH};
use tokio::time::{Instant, timeout};
use tonic::{Status, body::Body, metadata::MetadataMap};
use tower::{Layer, Service, ServiceExt};

/// Headers with this prefix are taken as the metadata that gRPC has without it.
const METADATA: &str = "grpc-metadata-";

/// The JSON API as a service; cheap to clone.
#[derive(Clone)]
pub struct HttpApi(HandoverService<Api>);

/// What can be set about it.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Pages of these origins (`https://host:port`) may use it, too, and not only those of its own host.
    pub cors_origins: Vec<String>,
    /// The namespace that the official UI's pages show first.
    pub default_namespace: String,
}

#[derive(Clone)]
struct Api {
    frontend: Frontend,
    origins: Origins,
    settings: Bytes,
}

impl Frontend {
    /// The JSON API.
    pub fn http_api(&self, options: &HttpOptions) -> HttpApi {
        let (frontend, origins) = (self.clone(), Origins::new(&options.cors_origins));
        let settings = documents::settings(&options.default_namespace).into();
        HttpApi(HandoverLayer.layer(Api { frontend, origins, settings }))
    }
}

impl HttpApi {
    /// Whether a path is one of the API's, by any HTTP method.
    pub fn serves(path: &str) -> bool {
        let Ok(segments) = segments(path) else { return false };
        path == documents::SETTINGS
            || documents::downloaded(&segments).is_some()
            || !matches!(ROUTES.find(&http::Method::GET, &segments), Found::Nothing)
    }

    /// The answer to a request.
    pub async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let Ok(response) = self.0.oneshot(request).await;
        response
    }
}

impl Service<http::Request<Body>> for Api {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let api = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            // What answers to HEAD is what answers to GET, but for its body, which the connection leaves out.
            if head.method == http::Method::HEAD {
                head.method = http::Method::GET;
            }
            let form = Form::of(&head);
            let mut response = match api.origins.check(&head) {
                Ok(None) => api.answer(&head, body, form).await.unwrap_or_else(|refused| refused.response(form)),
                Ok(Some(preflight)) => preflight,
                Err(refused) => refused.response(form),
            };
            let headers = response.headers_mut();
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            api.origins.allow(&head, headers);
            Ok(response)
        })
    }
}

impl Api {
    async fn answer(&self, head: &Parts, body: Body, form: Form) -> Result<http::Response<Body>, Refused> {
        let arrived = Instant::now();
        if head.uri.path() == documents::SETTINGS && head.method == http::Method::GET {
            return Ok(response::whole(self.settings.clone(), form));
        }
        let segments = segments(head.uri.path())?;
        if let Some(download) = documents::downloaded(&segments).filter(|_| head.method == http::Method::GET) {
            return Ok(download.respond(self.frontend.clone()).await?);
        }
        let (route, values) = match ROUTES.find(&head.method, &segments) {
            Found::Route(route, values) => (route, values),
            Found::OtherMethods(methods) => return Err(Refused::method(&methods)),
            Found::Nothing => return Err(ApiError::new(Code::NotFound, "Not Found").into()),
        };
        let metadata = metadata(&head.headers);
        let caller = Caller { arrived, timeout: deadline::timeout(&metadata), client: Client::of(&metadata) };
        let received = async {
            self.origins.check_content(head)?;
            let mut slot = self.frontend.budget().enter()?;
            let patience = caller.timeout.map(deadline::less_margin);
            let body = self.read(head, body, patience, &mut slot).await?;
            let message = self.message(route, values, head, &body)?;
            slot.grow(message.len())?;
            slot.shrink(body.len());
            Ok((message, slot))
        };
        let (message, mut slot) = received.await.map_err(|refused: Refused| refused.observed(route.method.name()))?;
        let response = self.frontend.serve(route.method, message, caller, &mut slot).await?;
        Ok(response::respond(route, response, form, slot)?)
    }

    /// The body of a request, as it was sent: `limit` bytes at most.
    async fn read(
        &self,
        head: &Parts,
        body: Body,
        patience: Option<Duration>,
        slot: &mut Slot,
    ) -> Result<Bytes, Refused> {
        let limit = self.frontend.options().request_bytes;
        if head.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Refused::media("a body that is compressed is not understood here"));
        }
        let patience = patience.unwrap_or(ARRIVAL).min(ARRIVAL);
        let late = |_| ApiError::new(Code::DeadlineExceeded, "the request did not arrive in time");
        timeout(patience, gather(body, limit, slot)).await.map_err(late)?
    }

    /// The message that a request means: what is in the body, then in the query, then in the path. Of what is there
    /// more than once, the last holds.
    fn message(&self, route: &Route, values: Vec<String>, head: &Parts, body: &[u8]) -> Result<Bytes, ApiError> {
        let limit = self.frontend.options().request_bytes;
        let reading = Reading { shorthand: !Form::without_shorthand(&head.headers), limit };
        let blank = body.iter().all(u8::is_ascii_whitespace);
        let mut message = match &route.body {
            BodyOf::Message if !blank => reading.message(&route.input, body)?,
            BodyOf::Field(field) if !blank => reading.field(field, body)?,
            BodyOf::Nothing | BodyOf::Message | BodyOf::Field(_) => Vec::new(),
        };
        query::from_query(route, head.uri.query().unwrap_or_default(), &mut message)?;
        query::from_path(route, values, &mut message)?;
        Ok(message.into())
    }
}

/// Of a body that is too large, the rest is read and dropped, up to a few times what it may have: many clients listen only
/// when they have said all.
async fn gather(mut body: Body, limit: usize, slot: &mut Slot) -> Result<Bytes, Refused> {
    const PATIENCE_FACTOR: usize = 4;
    let (mut gathered, mut size) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|status| ApiError::new(Code::Cancelled, status.message()))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size > PATIENCE_FACTOR * limit {
            break;
        }
        if size <= limit {
            slot.grow(data.len())?;
            gathered.put(data);
        } else {
            slot.shrink(gathered.len());
            gathered = BytesMut::new();
        }
    }
    if size > limit { Err(Refused::large(limit)) } else { Ok(gathered.freeze()) }
}

/// The segments of a path, with their escapes undone: a slash that is escaped is part of one.
fn segments(path: &str) -> Result<Vec<String>, ApiError> {
    if path.len() > PATH {
        return Err(ApiError::invalid_argument(format!("a path of more than {PATH} bytes")));
    }
    let segment = |segment| percent_decode_str(segment).decode_utf8().map(|segment| segment.into_owned());
    let segments: Result<_, _> = path.strip_prefix('/').unwrap_or(path).split('/').map(segment).collect();
    segments.map_err(|_| ApiError::invalid_argument("a path that is not UTF-8"))
}

/// The headers as gRPC has them.
fn metadata(headers: &HeaderMap) -> MetadataMap {
    let mut metadata = headers.clone();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix(METADATA).and_then(|name| name.parse::<HeaderName>().ok()) {
            metadata.insert(name, value.clone());
        }
    }
    MetadataMap::from_headers(metadata)
}

/// A request that is not served.
#[derive(Debug)]
struct Refused {
    status: Status,
    /// If it is another one than that which goes with the status.
    http: Option<StatusCode>,
    allow: Option<HeaderValue>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Refused {
        Status::from(error).into()
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Refused {
        Refused { status, http: None, allow: None }
    }
}

impl Refused {
    fn with(http: StatusCode, code: Code, message: impl Into<String>) -> Refused {
        Refused { http: Some(http), ..ApiError::new(code, message).into() }
    }

    /// The path is served, by other methods.
    fn method(methods: &[&'static http::Method]) -> Refused {
        let mut names: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        let allow = HeaderValue::from_str(&names.join(", ")).ok();
        Refused { allow, ..Refused::with(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, "Method Not Allowed") }
    }

    fn media(message: &str) -> Refused {
        Refused::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message)
    }

    fn large(limit: usize) -> Refused {
        let message = format!("a request body of more than {limit} bytes");
        Refused::with(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, message)
    }

    /// Counts it as an answer of a method.
    fn observed(self, method: &'static str) -> Refused {
        if let Some(code) = Code::from_number(self.status.code().into()) {
            Observed::refused(method, ApiError::new(code, self.status.message()));
        }
        self
    }

    fn response(self, form: Form) -> http::Response<Body> {
        let code = self.http.unwrap_or_else(|| errors::http_status(self.status.code()));
        let mut response = response::whole(errors::body(&self.status, form.shorthand).into(), form);
        *response.status_mut() = code;
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}

/// Reads a body as that of one of the routes, and writes and reads what comes out, in all forms.
///
/// # Panics
/// If what was read does not come back.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn round_trip(chosen: usize, body: &[u8], limit: usize) {
    let forms: Vec<_> = ROUTES.all().map(|(_, route)| &route.input).collect();
    let form = forms[chosen % forms.len()];
    let Ok(read) = (Reading { shorthand: true, limit }).message(form, body) else { return };
    for shorthand in [false, true] {
        let written = encode::Writer::new(form, read.clone().into(), shorthand).and_then(|(mut writer, mut out)| {
            writer.fill(&mut out, usize::MAX)?;
            Ok(out)
        });
        let again = Reading { shorthand, limit: usize::MAX }.message(form, &written.expect("it was read"));
        again.expect("it was written");
    }
}
