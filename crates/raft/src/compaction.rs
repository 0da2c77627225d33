//! Flushes rows, and lets the log be purged behind what is durable.

use crate::{group::Group, node::Core};
use std::{
    collections::HashMap,
    convert::Infallible,
    time::{Duration, Instant},
};
use tenure_storage::ShardId;

const PERIOD: Duration = Duration::from_millis(500);

pub(crate) async fn run(core: Core) -> Infallible {
    let (mut flushed, mut failed) = (Instant::now(), false);
    // Per shard: durable index at the last marker snapshot.
    let mut marked = HashMap::<ShardId, u64>::new();
    loop {
        tokio::time::sleep(PERIOD).await;
        let state = core.storage.state();
        let due =
            flushed.elapsed() >= core.options.flush_interval || state.unflushed_bytes() >= core.options.flush_bytes;
        let groups = core.groups.all();
        for group in &groups {
            purge_large(group, group.keep_bytes(&core.sending, core.options.keep_bytes)).await;
        }
        let news = groups.iter().any(|g| marked.get(&g.id()).is_none_or(|index| *g.applied().borrow() > *index));
        if !due || !news {
            // What failed is due until it succeeds.
            if !failed {
                tenure_vital::succeeded("flush");
            }
            continue;
        }
        flushed = Instant::now();
        failed = true;
        let state = state.clone();
        match tokio::task::spawn_blocking(move || state.flush()).await {
            Ok(Ok(())) => failed = false,
            Ok(Err(error)) => {
                // The log keeps what the rows lost; it only grows until a flush succeeds.
                tracing::error!(%error, "rows cannot be flushed");
                continue;
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is ending.
                Err(_) => continue,
            },
        }
        for group in groups {
            let durable = match group.rows().durable() {
                Ok(durable) => durable.index(),
                Err(error) => {
                    tracing::error!(shard = group.id(), %error, "reading the durable index");
                    continue;
                }
            };
            // openraft purges behind a marker. The log's size still has its limit.
            if core.sending.is_under_way(group.id()) {
                continue;
            }
            if marked.insert(group.id(), durable) != Some(durable) {
                // Fails only when the group has stopped, which its own watch notices.
                let _ = group.raft().trigger().snapshot().await;
            }
        }
    }
}

/// openraft keeps a number of entries; where these are large, more of them go.
async fn purge_large(group: &Group, keep: u64) {
    // An error is reported where rows are flushed.
    let Ok(durable) = group.rows().durable() else { return };
    if let Some(upto) = group.log().beyond(durable.index(), keep) {
        // Fails only when the group has stopped, which its own watch notices.
        let _ = group.raft().trigger().purge_log(upto).await;
    }
}
