//! Headers: what travels beside the arguments of workflows, activities and handlers, and who writes them at a client.

use crate::{
    client::Client,
    data::{Data, DataConverter, DataError, Encode},
    error::ClientError,
};
use std::{collections::BTreeMap, fmt, sync::Arc};
use tenure_api::common::v1::{Header, Payload};

/// What travels beside the arguments of a workflow, an activity or a handler: a trace, a tenant. Interceptors write and
/// read them. They are JSON and go through no codec, as other SDKs have it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(BTreeMap<String, Payload>);

impl Headers {
    /// Sets a header.
    pub fn insert<T: Encode>(&mut self, name: impl Into<String>, value: T) -> Result<(), DataError> {
        self.0.insert(name.into(), DataConverter::default().encode(&value)?);
        Ok(())
    }

    /// A header that is a `T`; one that is none counts as not there.
    pub fn get<T: Data>(&self, name: &str) -> Option<T> {
        DataConverter::default().decode(self.0.get(name)?).ok()
    }

    /// Copies a header, whatever it is, if it is there.
    pub fn copy_from(&mut self, other: &Headers, name: &str) {
        if let Some(payload) = other.0.get(name) {
            self.0.insert(name.to_owned(), payload.clone());
        }
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    #[doc(hidden)]
    pub fn from_proto(header: Option<Header>) -> Self {
        Headers(header.map(|header| header.fields).unwrap_or_default())
    }

    #[doc(hidden)]
    pub fn into_proto(self) -> Option<Header> {
        (!self.0.is_empty()).then_some(Header { fields: self.0 })
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCallKind {
    /// A workflow is started, alone or with a signal.
    StartWorkflow,
    /// An activity without a workflow is started.
    StartActivity,
    /// A schedule is made that starts workflows.
    Schedule,
    /// A signal is sent.
    Signal,
    /// A query is asked.
    Query,
    /// An update is sent.
    Update,
}

/// A call of a client that reaches code of workflows or activities.
#[derive(Debug)]
#[non_exhaustive]
pub struct ClientCall<'a> {
    /// What is asked for.
    pub kind: ClientCallKind,
    /// The type of the workflow or activity, or the name of the signal, query or update.
    pub name: &'a str,
    /// The id of the workflow or activity (or of the schedule).
    pub id: &'a str,
    /// What travels along.
    pub headers: &'a mut Headers,
}

/// Sees the calls of a client that reach code, before they are sent: [`ClientBuilder::interceptor`]. Once for each call,
/// however often it is tried; an error ends it. A closure is one.
///
/// [`ClientBuilder::interceptor`]: crate::ClientBuilder::interceptor
///
/// ```no_run
/// # async fn run() -> Result<(), tenure_client::ClientError> {
/// use tenure_client::{Client, ClientCall};
/// let tenant = |call: &mut ClientCall<'_>| Ok(call.headers.insert("tenant", "ann".to_owned())?);
/// let client = Client::builder(["10.0.0.1:7233"]).interceptor(tenant).connect().await?;
/// # Ok(()) }
/// ```
pub trait ClientInterceptor: Send + Sync + 'static {
    /// A call is about to be sent.
    fn call(&self, call: &mut ClientCall<'_>) -> Result<(), ClientError>;
}

impl<F> ClientInterceptor for F
where
    F: Fn(&mut ClientCall<'_>) -> Result<(), ClientError> + Send + Sync + 'static,
{
    fn call(&self, call: &mut ClientCall<'_>) -> Result<(), ClientError> {
        self(call)
    }
}

/// The interceptors of a client, in the order in which they look.
#[derive(Clone, Default)]
pub(crate) struct ClientInterceptors(Vec<Arc<dyn ClientInterceptor>>);

impl ClientInterceptors {
    pub(crate) fn add(&mut self, interceptor: Arc<dyn ClientInterceptor>) {
        self.0.push(interceptor);
    }
}

impl fmt::Debug for ClientInterceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interceptors", self.0.len())
    }
}

impl Client {
    /// What travels with a call.
    pub(crate) fn headers(&self, kind: ClientCallKind, name: &str, id: &str) -> Result<Option<Header>, ClientError> {
        let mut headers = Headers::default();
        for interceptor in &self.interceptors().0 {
            interceptor.call(&mut ClientCall { kind, name, id, headers: &mut headers })?;
        }
        Ok(headers.into_proto())
    }
}
