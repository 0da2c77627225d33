//! How followers hear how far the log is committed: with other entries, and once in a while.
//!
//! openraft tells them at once, in an append request without entries, and so each entry would take two messages to each
//! follower, two turns of each core, and a write of rows of its own. Nobody reads what a follower applies but the next leader,
//! which catches up before it serves.

use crate::types::{LogId, TypeConfig};
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream, Fuse},
};
use openraft::raft::AppendEntriesRequest;
use std::time::Duration;
use tokio::time::Instant;

type Request = AppendEntriesRequest<TypeConfig>;

/// Holds a request without entries until one with entries comes, but no longer than `patience`; and of requests with entries
/// lets one in each `patience` say what is committed, so that the follower applies many entries at once. The first request
/// of a stream is never held: with its answer the follower's log is known to match. (openraft takes the answer to a later
/// request for one to all before it.)
///
/// No commit stays untold: that of the last entries makes a request without entries, which says all when it goes.
pub(crate) fn with_entries<S>(requests: S, patience: Duration) -> BoxStream<'static, Request>
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    let held = Held { requests: requests.fuse(), told: None, patience };
    stream::unfold(held, Held::next).boxed()
}

struct Held<S> {
    requests: Fuse<S>,
    /// When the follower was last told what is committed, and what; `None` before the first request.
    told: Option<(Instant, Option<LogId>)>,
    patience: Duration,
}

impl<S: Stream<Item = Request> + Unpin> Held<S> {
    async fn next(mut self) -> Option<(Request, Self)> {
        let mut request = self.requests.next().await?;
        if self.told.is_some() && request.entries.is_empty() {
            let mut patience = std::pin::pin!(tokio::time::sleep(self.patience));
            while request.entries.is_empty() {
                request = tokio::select! {
                    biased;
                    Some(later) = self.requests.next() => later,
                    () = &mut patience => break,
                };
            }
        }
        match self.told {
            Some((at, committed)) if !request.entries.is_empty() && at.elapsed() < self.patience => {
                request.leader_commit = committed;
            }
            _ => self.told = Some((Instant::now(), request.leader_commit)),
        }
        Some((request, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Entry, EntryPayload, Vote, log_id};

    const PATIENCE: Duration = Duration::from_millis(20);

    fn request(entry: Option<u64>, committed: u64) -> Request {
        Request {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            entries: entry
                .map(|index| Entry { log_id: log_id(1, index), payload: EntryPayload::Blank })
                .into_iter()
                .collect(),
            leader_commit: Some(log_id(1, committed)),
        }
    }

    fn committed(request: &Request) -> u64 {
        request.leader_commit.map_or(0, |id| id.index)
    }

    #[tokio::test]
    async fn a_commit_goes_with_entries_after_it_and_alone_only_if_none_come() {
        let (send, requests) = futures::channel::mpsc::unbounded();
        let mut out = with_entries(requests, PATIENCE);
        send.unbounded_send(request(None, 1)).unwrap();
        assert_eq!(committed(&out.next().await.unwrap()), 1, "the first one finds out where the logs match");
        tokio::time::sleep(PATIENCE).await;
        let begin = Instant::now();
        for sent in [request(None, 2), request(None, 3), request(Some(9), 4), request(None, 5)] {
            send.unbounded_send(sent).unwrap();
        }
        let with = out.next().await.unwrap();
        assert_eq!((committed(&with), with.entries.len()), (4, 1), "what came before says no more");
        let alone = out.next().await.unwrap();
        assert_eq!((committed(&alone), alone.entries.len()), (5, 0));
        assert!(begin.elapsed() >= PATIENCE);
    }

    #[tokio::test]
    async fn entries_say_what_is_committed_once_in_a_while() {
        for (patience, expected) in [(Duration::from_secs(3600), [0, 0, 0, 0]), (Duration::ZERO, [0, 1, 2, 3])] {
            let requests = (1..=4).map(|index| request(Some(index), index - 1));
            let out = with_entries(stream::iter(requests), patience);
            assert_eq!(out.map(|request| committed(&request)).collect::<Vec<_>>().await, expected);
        }
    }

    #[tokio::test]
    async fn the_last_commit_is_told() {
        let requests = [request(Some(1), 0), request(Some(2), 1), request(None, 2)];
        let mut out = with_entries(stream::iter(requests), PATIENCE);
        let mut last = 0;
        while let Some(request) = out.next().await {
            last = committed(&request);
        }
        assert_eq!(last, 2);
    }

    #[tokio::test]
    async fn the_patience_does_not_begin_anew_and_an_end_loses_nothing() {
        let (send, requests) = futures::channel::mpsc::unbounded();
        let mut out = with_entries(requests, PATIENCE);
        send.unbounded_send(request(Some(1), 0)).unwrap();
        assert_eq!(out.next().await.unwrap().entries.len(), 1);
        let begin = Instant::now();
        let teller = tokio::spawn(async move {
            for committed in 1..=100 {
                send.unbounded_send(request(None, committed)).unwrap();
                tokio::time::sleep(PATIENCE / 4).await;
            }
        });
        let first = committed(&out.next().await.unwrap());
        assert!(begin.elapsed() >= PATIENCE);
        assert!(first < 100, "it does not wait for the end of what comes");
        teller.await.unwrap();
        let mut last = 0;
        while let Some(request) = out.next().await {
            last = committed(&request);
        }
        assert_eq!(last, 100, "what is held at the end is sent");
    }
}
