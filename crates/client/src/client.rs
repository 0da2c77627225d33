//! The client itself: addresses, namespace, converter, and what is asked of the namespace as a whole.

use crate::{
    connection::{Connection, Patience, Security},
    data::{DataConverter, IntoArgs},
    definition::{IntoWorkflow, WorkflowDefinition},
    error::ClientError,
    filter::Filter,
    handle::{Description, WorkflowHandle},
    headers::{ClientInterceptor, ClientInterceptors},
    outgoing::{Extras, Outgoing},
    pages::List,
    rpc,
    start::StartWorkflow,
};
use std::{fmt, pin::Pin, sync::Arc, time::Duration};
use tenure_api::workflowservice::v1 as api;

/// A client of one namespace. Cheap to clone.
///
/// ```no_run
/// # async fn run() -> Result<(), tenure_client::ClientError> {
/// use tenure_client::{Client, WorkflowRef};
/// const GREETING: WorkflowRef<(String,), String> = WorkflowRef::new("Greeting");
///
/// let client = Client::connect(["10.0.0.1:7233", "10.0.0.2:7233", "10.0.0.3:7233"]).await?;
/// let handle = client.start(GREETING, "Ann").id("greeting-ann").task_queue("greetings").await?;
/// println!("{}", handle.result().await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<ClientShared>,
}

#[derive(Debug)]
struct ClientShared {
    connection: Connection,
    namespace: String,
    identity: String,
    converter: DataConverter,
    deadline: Duration,
    beside_waits: Option<BesideWaits>,
    interceptors: ClientInterceptors,
}

/// What goes on while a client waits for a result, and may end the wait: test environments let time skip.
#[derive(Clone)]
struct BesideWaits(Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ClientError> + Send>> + Send + Sync>);

impl fmt::Debug for BesideWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BesideWaits")
    }
}

/// How a client is made, beside its addresses.
///
/// ```no_run
/// # async fn run() -> Result<(), tenure_client::ClientError> {
/// use std::time::Duration;
/// use tenure_client::Client;
/// let client = Client::builder(["10.0.0.1:7233", "10.0.0.2:7233"]).namespace("shop").deadline(Duration::from_secs(5));
/// let client = client.connect().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientBuilder {
    addresses: Vec<String>,
    namespace: String,
    identity: String,
    converter: DataConverter,
    deadline: Duration,
    beside_waits: Option<BesideWaits>,
    security: Security,
    extras: Extras,
    interceptors: ClientInterceptors,
    api_key: Option<String>,
    error: Option<String>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ClientBuilder { addresses, namespace, security, extras, .. } = self;
        let mut out = f.debug_struct("ClientBuilder");
        out.field("addresses", addresses).field("namespace", namespace).field("security", security);
        out.field("headers", extras).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Default: `default`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Who the server writes into histories. Default: process id and host name.
    #[must_use]
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// Default: JSON, no codec.
    #[must_use]
    pub fn converter(mut self, converter: DataConverter) -> Self {
        self.converter = converter;
        self
    }

    /// How long a call is retried while no address answers. One attempt takes 10 s at most. What waits for something to
    /// happen (results, updates, queries, polls) is asked for a minute longer, and results again and again. Default:
    /// 30 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Polls what `begin` gives while a workflow's result is waited for. For test environments.
    #[doc(hidden)]
    #[must_use]
    pub fn beside_waits<F>(mut self, begin: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ClientError> + Send + 'static,
    {
        self.beside_waits = Some(BesideWaits(Arc::new(move || Box::pin(begin()))));
        self
    }

    /// Encrypts connections, and tells how server and client know each other. With the feature `tls`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::Tls) -> Self {
        self.security.tls = Some(tls);
        self
    }

    /// Sends `authorization: Bearer KEY` and the namespace along with each call. For a key that changes, see
    /// [`Self::intercept`].
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sends a header along with each call. What cannot be a header is an error of [`Self::connect`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Err(error) = self.extras.header(name, value) {
            self.error.get_or_insert(error.to_string());
        }
        self
    }

    /// Looks at each call before it is sent, also when it is tried again; an error ends the call.
    ///
    /// ```no_run
    /// # fn current_key() -> String { String::new() }
    /// # async fn run() -> Result<(), tenure_client::ClientError> {
    /// use tenure_client::Client;
    /// let builder = Client::builder(["10.0.0.1:7233"]);
    /// let builder = builder.intercept(|call| call.insert("authorization", &format!("Bearer {}", current_key())));
    /// let client = builder.connect().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn intercept(
        mut self,
        interceptor: impl Fn(&mut Outgoing<'_>) -> Result<(), ClientError> + Send + Sync + 'static,
    ) -> Self {
        self.extras.intercept(Arc::new(interceptor));
        self
    }

    /// Sees each call that reaches code of workflows or activities, and writes the headers that travel with it: see
    /// [`ClientInterceptor`]. Several look in the order in which they were given.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl ClientInterceptor) -> Self {
        self.interceptors.add(Arc::new(interceptor));
        self
    }

    /// Makes the client without asking whether a server is there.
    pub fn lazy(self) -> Result<Client, ClientError> {
        let ClientBuilder {
            addresses,
            namespace,
            identity,
            converter,
            deadline,
            security,
            mut extras,
            interceptors,
            api_key,
            error,
            beside_waits,
        } = self;
        error.map_or(Ok(()), |error| Err(ClientError::Invalid(error)))?;
        if let Some(key) = api_key {
            extras.header("authorization", &format!("Bearer {key}"))?;
            extras.header("temporal-namespace", &namespace)?;
        }
        let connection = Connection::lazy(addresses, &security, extras)?;
        Ok(Client {
            shared: Arc::new(ClientShared {
                connection,
                namespace,
                identity,
                converter,
                deadline,
                beside_waits,
                interceptors,
            }),
        })
    }

    /// Makes the client and waits until a server answers.
    pub async fn connect(self) -> Result<Client, ClientError> {
        let client = self.lazy()?;
        rpc!(client.connection(), get_system_info, api::GetSystemInfoRequest::default(), client.short()).await?;
        Ok(client)
    }
}

impl Client {
    /// Addresses of one cluster, `host:port` each; calls fail over between them.
    pub fn builder(addresses: impl IntoIterator<Item = impl Into<String>>) -> ClientBuilder {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        ClientBuilder {
            addresses: addresses.into_iter().map(Into::into).collect(),
            namespace: "default".to_owned(),
            identity: format!("{}@{}", std::process::id(), host.trim()),
            converter: DataConverter::default(),
            deadline: Duration::from_secs(30),
            beside_waits: None,
            security: Security::default(),
            extras: Extras::default(),
            interceptors: ClientInterceptors::default(),
            api_key: None,
            error: None,
        }
    }

    /// A client of the namespace `default`, as soon as a server answers.
    pub async fn connect(addresses: impl IntoIterator<Item = impl Into<String>>) -> Result<Client, ClientError> {
        Client::builder(addresses).connect().await
    }

    /// Starts a workflow when the builder is awaited.
    pub fn start<W: WorkflowDefinition, G>(
        &self,
        workflow: impl IntoWorkflow<G, Workflow = W>,
        args: impl IntoArgs<W::Args>,
    ) -> StartWorkflow<W> {
        StartWorkflow::new(self.clone(), &workflow.into_workflow(), args.into_args())
    }

    /// The execution with this id, its latest run; asks nothing.
    pub fn handle<W: WorkflowDefinition, G>(
        &self,
        _: impl IntoWorkflow<G, Workflow = W>,
        workflow_id: impl Into<String>,
    ) -> WorkflowHandle<W> {
        WorkflowHandle::new(self.clone(), workflow_id.into(), String::new(), String::new())
    }

    /// Executions that a filter finds: those that run, and then those that closed last. `""` finds all. A query may end in
    /// `ORDER BY`.
    pub fn list(&self, filter: impl Into<Filter>) -> List<Description> {
        let (client, query) = (self.clone(), filter.into().to_string());
        List::new(move |page_size, next_page_token| {
            let (client, query, namespace) = (client.clone(), query.clone(), client.namespace().to_owned());
            async move {
                let request = api::ListWorkflowExecutionsRequest { namespace, page_size, next_page_token, query };
                let page = rpc!(client.connection(), list_workflow_executions, request, client.short()).await?;
                let found = page.executions.into_iter().map(|info| Description::new(info, client.converter()));
                Ok((found.collect(), page.next_page_token))
            }
        })
    }

    /// How many executions a filter finds.
    pub async fn count(&self, filter: impl Into<Filter>) -> Result<u64, ClientError> {
        let answer = self.counted(filter.into().to_string()).await?;
        Ok(answer.count.try_into().unwrap_or_default())
    }

    /// How many executions a filter finds for each value of an attribute, the most first. The values are shown as text; what
    /// has none is `None`.
    ///
    /// ```no_run
    /// # use tenure_client::{Client, ClientError, attributes};
    /// # async fn run(client: Client) -> Result<(), ClientError> {
    /// for (status, count) in client.count_by(attributes::WORKFLOW_TYPE.eq("Order"), "ExecutionStatus").await? {
    ///     println!("{}: {count}", status.as_deref().unwrap_or("none"));
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn count_by(
        &self,
        filter: impl Into<Filter>,
        attribute: &str,
    ) -> Result<Vec<(Option<String>, u64)>, ClientError> {
        let answer = self.counted(format!("{} GROUP BY `{}`", filter.into(), attribute.replace('`', "``"))).await?;
        let groups = answer.groups.into_iter().map(|group| {
            let value = group.group_values.first().and_then(|value| serde_json::from_slice(&value.data).ok());
            let shown = match value {
                None | Some(serde_json::Value::Null) => None,
                Some(serde_json::Value::String(text)) => Some(text),
                Some(other) => Some(other.to_string()),
            };
            (shown, group.count.try_into().unwrap_or_default())
        });
        Ok(groups.collect())
    }

    async fn counted(&self, query: String) -> Result<api::CountWorkflowExecutionsResponse, ClientError> {
        let request = api::CountWorkflowExecutionsRequest { namespace: self.namespace().to_owned(), query };
        rpc!(self.connection(), count_workflow_executions, request, self.short()).await
    }

    /// Finishes an activity from elsewhere, by the token that its context gave. [`Self::async_activity`] can do more.
    pub async fn complete_activity<T: crate::Data>(
        &self,
        task_token: impl Into<bytes::Bytes>,
        result: Result<T, crate::Failure>,
    ) -> Result<(), ClientError> {
        let activity = self.async_activity(task_token);
        match result {
            Ok(value) => activity.complete(value).await,
            Err(failure) => activity.fail(failure).await,
        }
    }

    /// The namespace that everything is asked of.
    pub fn namespace(&self) -> &str {
        &self.shared.namespace
    }

    /// What the server notes as the author of requests.
    pub fn identity(&self) -> &str {
        &self.shared.identity
    }

    /// What writes arguments and reads results.
    pub fn converter(&self) -> &DataConverter {
        &self.shared.converter
    }

    pub(crate) fn interceptors(&self) -> &ClientInterceptors {
        &self.shared.interceptors
    }

    /// The API itself, for what has no method here; see [`rpc!`](crate::rpc).
    pub fn connection(&self) -> &Connection {
        &self.shared.connection
    }

    /// Waits for a result.
    pub(crate) async fn wait<T>(&self, result: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        match &self.shared.beside_waits {
            None => result.await,
            Some(BesideWaits(begin)) => tokio::select! {
                biased;
                result = result => result,
                error = begin() => Err(error),
            },
        }
    }

    /// The patience for calls that are answered at once.
    pub fn short(&self) -> Patience {
        Patience::short(self.shared.deadline)
    }

    /// The patience for calls that the server holds for up to a minute.
    pub fn long(&self) -> Patience {
        Patience::long(self.shared.deadline + Duration::from_secs(70))
    }
}
