//! What comes in pages: lists, histories.

use crate::{client::Client, connection::Patience, error::ClientError, rpc};
use bytes::Bytes;
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

/// A list that comes in pages: awaited, all of it; with [`List::next`], one item after the other, a page at a time.
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
pub struct List<T> {
    ask: Box<dyn Fn(i32, Bytes) -> Boxed<Page<T>> + Send + Sync>,
    page_size: i32,
    /// The next page's; `None` behind the last.
    token: Option<Bytes>,
    found: VecDeque<T>,
    /// How many more are to be found.
    left: usize,
}

/// Items, and the token of what follows them; empty for nothing.
pub(crate) type Page<T> = (Vec<T>, Bytes);

impl<T> List<T> {
    /// The list whose page of a size, at a token, is what `ask` gives.
    pub(crate) fn new<F>(ask: impl Fn(i32, Bytes) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Page<T>, ClientError>> + Send + 'static,
    {
        let ask = Box::new(move |page_size, token| -> Boxed<Page<T>> { Box::pin(ask(page_size, token)) });
        List { ask, page_size: 0, token: Some(Bytes::new()), found: VecDeque::new(), left: usize::MAX }
    }

    /// How many items one call brings, at most. Default: as many as the server likes.
    pub fn page_size(mut self, items: u32) -> Self {
        self.page_size = items.try_into().unwrap_or(i32::MAX);
        self
    }

    /// So many, and no more. By itself it finds all.
    pub fn limit(mut self, items: usize) -> Self {
        self.left = items;
        if items == 0 {
            self.token = None;
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
    pub fn stream(self) -> ListStream<T> {
        ListStream { state: State::Ready(self) }
    }

    /// The next one, or `None` behind the last. After an error it may be called again.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        while self.found.is_empty() && self.token.is_some() {
            self.turn().await?;
        }
        Ok(self.found.pop_front())
    }

    async fn turn(&mut self) -> Result<(), ClientError> {
        let Some(token) = &self.token else { return Ok(()) };
        let (items, next) = (self.ask)(self.page_size, token.clone()).await?;
        let before = self.found.len();
        self.found.extend(items.into_iter().take(self.left));
        self.left -= self.found.len() - before;
        self.token = (!next.is_empty() && self.left > 0).then_some(next);
        Ok(())
    }
}

impl<T: Send + 'static> IntoFuture for List<T> {
    type Output = Result<Vec<T>, ClientError>;
    type IntoFuture = Boxed<Vec<T>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            while self.token.is_some() {
                self.turn().await?;
            }
            Ok(self.found.into())
        })
    }
}

/// The items of a list as a stream: [`List::stream`].
pub struct ListStream<T> {
    state: State<T>,
}

type Turn<T> = Pin<Box<dyn Future<Output = (List<T>, Result<(), ClientError>)> + Send>>;

enum State<T> {
    Ready(List<T>),
    Asking(Turn<T>),
    Ended,
}

impl<T: Send + Unpin + 'static> Stream for ListStream<T> {
    type Item = Result<T, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match mem::replace(&mut self.state, State::Ended) {
                State::Ready(mut list) => {
                    if let Some(found) = list.found.pop_front() {
                        self.state = State::Ready(list);
                        return Poll::Ready(Some(Ok(found)));
                    }
                    if list.token.is_none() {
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
