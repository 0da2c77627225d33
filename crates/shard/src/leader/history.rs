//! Reading history: pages forwards and backwards, long polls, and the history of a workflow task's poll response.

use crate::{
    leader::{
        context::LeaderContext,
        runs::{find_run, no_run},
        waiters::{Grown, Waiters},
    },
    seam::{
        error::CommandError,
        replica::{Chunk, Rows},
    },
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::sync::Arc;
use tenure_api::error::ApiError;
use tenure_engine::{
    RunKey, WorkflowKey,
    codec::{self, field},
    proto::{EncodedEvent, events_in},
    rows::ReadError,
    state::ExecutionState,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The place where the next page begins. A token of a workflow task's poll response reads no further than that task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PageToken {
    #[cbor(n(0), with = "field")]
    pub(crate) run_id: Uuid,
    /// The first event of the next page; the last one if pages go backwards.
    #[n(1)]
    pub(crate) next: i64,
    /// Pages end before this event.
    #[n(2)]
    pub(crate) end: i64,
    /// Encoded `History` of events that are not in history yet, sent after the last page.
    #[cbor(n(3), with = "field")]
    pub(crate) transient: Bytes,
}

/// A page of history.
#[derive(Clone, Debug)]
pub struct HistoryRequest {
    pub workflow: WorkflowKey,
    /// The current run where there is neither this nor a token.
    pub run_id: Option<Uuid>,
    /// Events that are wanted; zero stands for as many as fit a page.
    pub page_size: usize,
    pub wait_new_event: bool,
    /// The page holds the event that closes the run, and no other.
    pub close_event_only: bool,
    /// The place where the page begins; `None` for the first page.
    pub page: Option<PageToken>,
    /// The caller's deadline.
    pub deadline: Instant,
    /// When the request came from its caller, whichever leaders it has waited at.
    pub arrived: Instant,
}

#[derive(Clone, Debug, Default)]
pub struct HistoryPage {
    /// Encoded `History`.
    pub history: Bytes,
    /// Empty at the end.
    pub next_page_token: Bytes,
}

/// Some events, and the first one that is not among them.
pub(crate) struct Page {
    pub(crate) events: Vec<EncodedEvent>,
    pub(crate) next: i64,
}

/// Puts events together into an encoded `History`, and behind them another one.
pub(crate) fn encoded(events: &[EncodedEvent], then: &Bytes) -> Bytes {
    let parts: Vec<&[u8]> = events.iter().map(|event| &*event.framed).chain([&**then]).collect();
    parts.concat().into()
}

impl PageToken {
    pub(crate) fn encode(&self) -> Bytes {
        codec::encode(self)
    }

    /// `None` for bytes that are no token of ours.
    pub fn decode(bytes: &[u8]) -> Option<PageToken> {
        codec::decode(bytes).ok()
    }
}

/// Reads the events from `from` to before `to`, at most so many and so many bytes.
pub(crate) fn read_page(
    rows: &dyn Rows,
    run: &RunKey,
    from: i64,
    to: i64,
    most: usize,
    bytes: usize,
) -> Result<Page, ReadError> {
    let mut events = Vec::new();
    if from < to {
        for chunk in rows.history(run, from, to, bytes)? {
            events.extend(events_of(run, &chunk)?.into_iter().filter(|e| (from..to).contains(&e.event_id)));
            if events.len() >= most {
                break;
            }
        }
    }
    events.truncate(most);
    let next = match events.last() {
        Some(last) => last.event_id + 1,
        // Nothing where something should be: not to be asked for again and again.
        None => to,
    };
    Ok(Page { events, next })
}

fn events_of(run: &RunKey, chunk: &Chunk) -> Result<Vec<EncodedEvent>, ReadError> {
    let events = events_in(&chunk.events).collect::<Result<_, _>>();
    events.map_err(|error| ReadError::history(run, chunk.first_event_id, error))
}

/// A page, as [`read_page`] reads it, of events that are there for as long as the run is: it may be removed while it is read.
fn read_page_of(
    rows: &dyn Rows,
    run: &RunKey,
    from: i64,
    to: i64,
    most: usize,
    bytes: usize,
) -> Result<Page, CommandError> {
    match read_page(rows, run, from, to, most, bytes)? {
        Page { events, .. } if events.is_empty() && from < to => Err(no_run(run).into()),
        page => Ok(page),
    }
}

/// Reads the history of runs, and waits for it to grow.
pub(crate) struct Histories {
    context: Arc<LeaderContext>,
    waiters: Arc<Waiters>,
}

impl Histories {
    pub(crate) fn new(context: Arc<LeaderContext>, waiters: Arc<Waiters>) -> Histories {
        Histories { context, waiters }
    }

    /// The run that a page is of: the token's, which must be the one that is asked for.
    fn run_of_page(request: &HistoryRequest) -> Result<Option<Uuid>, ApiError> {
        let Some(token) = &request.page else { return Ok(request.run_id) };
        match request.run_id {
            Some(run_id) if run_id != token.run_id => {
                Err(ApiError::invalid_argument("RunId in the request does not match the NextPageToken."))
            }
            _ => Ok(Some(token.run_id)),
        }
    }

    fn page_events(&self, asked: usize) -> usize {
        match asked {
            0 => self.context.options().history_page_events,
            asked => asked.min(self.context.options().history_page_events),
        }
    }

    pub(crate) async fn page(&self, request: HistoryRequest) -> Result<HistoryPage, CommandError> {
        self.context.barrier().await?;
        let token = request.page.clone();
        let run_id = Self::run_of_page(&request)?;
        let (run, state) = find_run(&*self.context.rows, &request.workflow, run_id)?;
        let token = match token {
            // The pages of an earlier look at the run come first.
            Some(token) if token.next < token.end => token,
            token => {
                let from = token.map_or(1, |token| token.next);
                match self.grown_beyond(&run, state, from, &request).await? {
                    Look::Page { end } => PageToken { run_id: run.run_id, next: from, end, transient: Bytes::new() },
                    Look::Done(page) => return Ok(page),
                }
            }
        };
        let most = self.page_events(request.page_size);
        let bytes = self.context.options().history_page_bytes;
        let Page { events, next } = read_page_of(&*self.context.rows, &run, token.next, token.end, most, bytes)?;
        let mut token = PageToken { next, ..token };
        let more = token.next < token.end;
        let last = if more { Bytes::new() } else { std::mem::take(&mut token.transient) };
        let next_page_token = if more || self.goes_on(&run, &request, &token)? { token.encode() } else { Bytes::new() };
        Ok(HistoryPage { history: encoded(&events, &last), next_page_token })
    }

    /// Waits, if asked to, until there is something to tell.
    async fn grown_beyond(
        &self,
        run: &RunKey,
        state: Arc<ExecutionState>,
        from: i64,
        request: &HistoryRequest,
    ) -> Result<Look, CommandError> {
        let now = Instant::now();
        let latest = request.deadline.checked_sub(self.context.options().long_poll_margin).unwrap_or(now);
        let expires = latest.min(request.arrived + self.context.options().history_wait);
        let grown = |state: &ExecutionState| Grown { next_event_id: state.next_event_id, closed: !state.is_running() };
        let mut seen = grown(&state);
        if request.wait_new_event {
            let mut waiter = self.waiters.wait(run.into());
            // Once more, now that nothing can be missed; from here on the waiter is told all that is of interest.
            if let Some(newer) = self.context.rows.execution(run)? {
                seen = grown(&newer);
            }
            while !seen.closed && (request.close_event_only || seen.next_event_id <= from) {
                tokio::select! {
                    biased;
                    () = self.context.ended.cancelled() => return Err(self.context.not_leader().into()),
                    () = tokio::time::sleep_until(expires) => {
                        let token = PageToken { run_id: run.run_id, next: from, end: from, transient: Bytes::new() };
                        return Ok(Look::Done(HistoryPage { history: Bytes::new(), next_page_token: token.encode() }));
                    }
                    grown = waiter.grown() => seen = grown,
                }
            }
        }
        if request.close_event_only {
            if !seen.closed {
                return Ok(Look::Done(HistoryPage::default()));
            }
            let last = seen.next_event_id - 1;
            let page = read_page_of(&*self.context.rows, run, last, last + 1, 1, 0)?;
            let history = encoded(&page.events, &Bytes::new());
            return Ok(Look::Done(HistoryPage { history, ..HistoryPage::default() }));
        }
        Ok(Look::Page { end: seen.next_event_id })
    }

    /// A long poll comes once more: for what the run will do, or for what it did behind the look that was read.
    fn goes_on(&self, run: &RunKey, request: &HistoryRequest, token: &PageToken) -> Result<bool, CommandError> {
        if !request.wait_new_event {
            return Ok(false);
        }
        let state = self.context.rows.execution(run)?;
        Ok(state.is_some_and(|state| state.is_running() || state.next_event_id > token.end))
    }

    pub(crate) async fn page_reverse(&self, request: HistoryRequest) -> Result<HistoryPage, CommandError> {
        self.context.barrier().await?;
        let token = request.page.clone();
        let run_id = Self::run_of_page(&request)?;
        let (run, state) = find_run(&*self.context.rows, &request.workflow, run_id)?;
        let from = token.map_or(state.next_event_id - 1, |token| token.next);
        let most = self.page_events(request.page_size);
        let mut events = Vec::new();
        for chunk in self.context.rows.history_before(&run, from, self.context.options().history_page_bytes)? {
            events.extend(events_of(&run, &chunk)?.into_iter().rev().filter(|event| event.event_id <= from));
            if events.len() >= most {
                break;
            }
        }
        if events.is_empty() && from > 0 {
            return Err(no_run(&run).into());
        }
        events.truncate(most);
        let next = events.last().map_or(0, |last| last.event_id - 1);
        let token = PageToken { run_id: run.run_id, next, end: 0, transient: Bytes::new() };
        let next_page_token = if next > 0 { token.encode() } else { Bytes::new() };
        Ok(HistoryPage { history: encoded(&events, &Bytes::new()), next_page_token })
    }
}

/// What a look at a run found.
enum Look {
    /// History goes to before this event.
    Page {
        end: i64,
    },
    Done(HistoryPage),
}
