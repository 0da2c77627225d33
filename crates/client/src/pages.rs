//! What comes in pages: lists of executions, histories.

use crate::{client::Client, connection::Patience, error::ClientError, handle::Description, rpc};
use futures_core::Stream;
use std::{
    collections::VecDeque,
    future::IntoFuture,
    mem,
    pin::Pin,
    task::{Context, Poll},
};
use tenure_api::{
    history::v1::{History, HistoryEvent},
    workflowservice::v1 as api,
};

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send>>;

/// Executions that a filter finds, newest first: awaited, all of them; with [`Executions::next`], one after the other,
/// a page at a time.
///
/// ```no_run
/// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
/// let mut running = client.list("ExecutionStatus = 'Running'").page_size(500);
/// while let Some(execution) = running.next().await? {
///     println!("{}", execution.workflow_id);
/// }
/// # Ok(()) }
/// ```
#[must_use = "asks for nothing unless it is awaited"]
pub struct Executions {
    client: Client,
    request: Option<api::ListWorkflowExecutionsRequest>,
    found: VecDeque<Description>,
    /// How many more are to be found.
    left: usize,
}

impl Executions {
    pub(crate) fn new(client: Client, query: String) -> Self {
        let namespace = client.namespace().to_owned();
        let request = api::ListWorkflowExecutionsRequest { namespace, query, ..Default::default() };
        Executions { client, request: Some(request), found: VecDeque::new(), left: usize::MAX }
    }

    /// How many executions one call brings, at most. Default: as many as the server likes.
    pub fn page_size(mut self, executions: u32) -> Self {
        if let Some(request) = &mut self.request {
            request.page_size = executions.try_into().unwrap_or(i32::MAX);
        }
        self
    }

    /// So many, and no more. By itself it finds all.
    pub fn limit(mut self, executions: usize) -> Self {
        self.left = executions;
        if executions == 0 {
            self.request = None;
        }
        self
    }

    /// The same as a stream. It ends with the first error.
    ///
    /// ```no_run
    /// use tokio_stream::StreamExt;
    /// # async fn run(client: tenure_client::Client) -> Result<(), tenure_client::ClientError> {
    /// let mut orders = client.list("WorkflowType = 'Order'").limit(10_000).stream();
    /// while let Some(order) = orders.next().await {
    ///     println!("{}", order?.workflow_id);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn stream(self) -> ExecutionStream {
        ExecutionStream { state: State::Ready(self) }
    }

    /// The next one, or `None` behind the last. After an error it may be called again.
    pub async fn next(&mut self) -> Result<Option<Description>, ClientError> {
        while self.found.is_empty() && self.request.is_some() {
            self.turn().await?;
        }
        Ok(self.found.pop_front())
    }

    async fn turn(&mut self) -> Result<(), ClientError> {
        let Some(request) = &mut self.request else { return Ok(()) };
        let (connection, patience) = (self.client.connection(), self.client.short());
        let page = rpc!(connection, list_workflow_executions, request.clone(), patience).await?;
        let found = page.executions.into_iter().take(self.left);
        let before = self.found.len();
        self.found.extend(found.map(|info| Description::new(info, self.client.converter())));
        self.left -= self.found.len() - before;
        request.next_page_token = page.next_page_token;
        if request.next_page_token.is_empty() || self.left == 0 {
            self.request = None;
        }
        Ok(())
    }
}

impl IntoFuture for Executions {
    type Output = Result<Vec<Description>, ClientError>;
    type IntoFuture = Boxed<Vec<Description>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            while self.request.is_some() {
                self.turn().await?;
            }
            Ok(self.found.into())
        })
    }
}

/// Executions that a filter finds, as a stream: [`Executions::stream`].
pub struct ExecutionStream {
    state: State,
}

type Turn = Pin<Box<dyn Future<Output = (Executions, Result<(), ClientError>)> + Send>>;

enum State {
    Ready(Executions),
    Asking(Turn),
    Ended,
}

impl Stream for ExecutionStream {
    type Item = Result<Description, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match mem::replace(&mut self.state, State::Ended) {
                State::Ready(mut list) => {
                    if let Some(found) = list.found.pop_front() {
                        self.state = State::Ready(list);
                        return Poll::Ready(Some(Ok(found)));
                    }
                    if list.request.is_none() {
                        return Poll::Ready(None);
                    }
                    self.state = State::Asking(Box::pin(async move {
                        let turned = list.turn().await;
                        (list, turned)
                    }));
                }
                State::Asking(mut asking) => match asking.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Asking(asking);
                        return Poll::Pending;
                    }
                    Poll::Ready((list, Ok(()))) => self.state = State::Ready(list),
                    Poll::Ready((_, Err(error))) => return Poll::Ready(Some(Err(error))),
                },
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

/// The history of one run: awaited, all that there is now; with [`Events::next`], one event after the other, a page at a
/// time.
///
/// ```no_run
/// # async fn run<W: tenure_client::WorkflowDefinition>(
/// #     handle: tenure_client::WorkflowHandle<W>,
/// # ) -> Result<(), tenure_client::ClientError> {
/// let mut events = handle.history().follow();
/// while let Some(event) = events.next().await? {
///     println!("{} {}", event.event_id, event.event_type().as_str_name());
/// }
/// # Ok(()) }
/// ```
#[must_use = "asks for nothing unless it is awaited"]
pub struct Events {
    client: Client,
    request: Option<api::GetWorkflowExecutionHistoryRequest>,
    found: VecDeque<HistoryEvent>,
}

impl Events {
    pub(crate) fn new(client: Client, request: api::GetWorkflowExecutionHistoryRequest) -> Self {
        Events { client, request: Some(request), found: VecDeque::new() }
    }

    /// Waits for events that have not happened yet, until the run is closed.
    pub fn follow(mut self) -> Self {
        if let Some(request) = &mut self.request {
            request.wait_new_event = true;
        }
        self
    }

    /// The next one, or `None` behind the last. After an error it may be called again.
    pub async fn next(&mut self) -> Result<Option<HistoryEvent>, ClientError> {
        while self.found.is_empty() && self.request.is_some() {
            self.turn().await?;
        }
        Ok(self.found.pop_front())
    }

    async fn turn(&mut self) -> Result<(), ClientError> {
        let Some(request) = &mut self.request else { return Ok(()) };
        let patience: Patience = if request.wait_new_event { self.client.long() } else { self.client.short() };
        let connection = self.client.connection();
        let page = rpc!(connection, get_workflow_execution_history, request.clone(), patience).await?;
        self.found.extend(page.history.unwrap_or_default().events);
        request.next_page_token = page.next_page_token;
        if request.next_page_token.is_empty() {
            self.request = None;
        }
        Ok(())
    }
}

impl IntoFuture for Events {
    type Output = Result<History, ClientError>;
    type IntoFuture = Boxed<History>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            while self.request.is_some() {
                self.turn().await?;
            }
            Ok(History { events: self.found.into() })
        })
    }
}
