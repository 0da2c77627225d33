//! How followers hear how far the log is committed: with the next entries.
//!
//! openraft tells them at once, in an append request without entries, and so each entry would take two messages to each
//! follower, and two turns of each core. Nobody reads what a follower applies but the next leader, which catches up before it
//! serves.

use crate::types::TypeConfig;
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream, Fuse},
};
use openraft::raft::AppendEntriesRequest;
use std::time::Duration;

type Request = AppendEntriesRequest<TypeConfig>;

/// Holds a request without entries until one with entries says all that it says, but no longer than `patience`. The first
/// request of a stream is never held: with its answer the follower's log is known to match. (openraft takes the answer to a
/// later request for one to all before it.)
pub(crate) fn with_entries<S>(requests: S, patience: Duration) -> BoxStream<'static, Request>
where
    S: Stream<Item = Request> + Send + Unpin + 'static,
{
    let held = Held { requests: requests.fuse(), begun: false, patience };
    stream::unfold(held, Held::next).boxed()
}

struct Held<S> {
    requests: Fuse<S>,
    begun: bool,
    patience: Duration,
}

impl<S: Stream<Item = Request> + Unpin> Held<S> {
    async fn next(mut self) -> Option<(Request, Self)> {
        let mut request = self.requests.next().await?;
        if std::mem::replace(&mut self.begun, true) && request.entries.is_empty() {
            let mut patience = std::pin::pin!(tokio::time::sleep(self.patience));
            while request.entries.is_empty() {
                request = tokio::select! {
                    biased;
                    Some(later) = self.requests.next() => later,
                    () = &mut patience => break,
                };
            }
        }
        Some((request, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Entry, EntryPayload, Vote, log_id};
    use tokio::time::Instant;

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
    async fn a_commit_goes_with_the_entries_after_it_and_alone_only_if_none_come() {
        let (send, requests) = futures::channel::mpsc::unbounded();
        let begin = Instant::now();
        let mut out = with_entries(requests, PATIENCE);
        send.unbounded_send(request(None, 1)).unwrap();
        assert_eq!(committed(&out.next().await.unwrap()), 1, "the first one finds out where the logs match");
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
