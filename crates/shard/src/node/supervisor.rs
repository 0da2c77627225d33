//! Follows the leadership of one shard: builds its leader here when this node wins, drops it when it loses.

use crate::{
    leader::{context::BuildError, runtime::LeaderRuntime},
    node::local::LocalNode,
    seam::replica::Replica,
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A leader that could not be built is tried again after this time, while it still leads.
const RETRY: Duration = Duration::from_millis(50);

pub(crate) async fn supervise(node: Arc<LocalNode>, replica: Arc<dyn Replica>, stop: CancellationToken) {
    let shard = replica.shard();
    let mut leadership = replica.leadership();
    loop {
        let now = *leadership.borrow_and_update();
        if now.is_leader {
            let built = tokio::select! {
                () = stop.cancelled() => return,
                built = LeaderRuntime::build(node.context.clone(), replica.clone(), now.term) => Some(built),
                _ = leadership.wait_for(|later| *later != now) => None,
            };
            match built {
                Some(Ok(leader)) => {
                    tracing::info!(shard, term = now.term, "leading");
                    leader.start();
                    node.leaders.set(shard, Some(leader.clone()));
                    let lost = tokio::select! {
                        () = stop.cancelled() => Ok(()),
                        lost = leadership.wait_for(|later| !later.is_leader || later.term != now.term) => lost.map(|_| ()),
                    };
                    node.leaders.set(shard, None);
                    leader.end();
                    tracing::info!(shard, term = now.term, "no longer leading");
                    if lost.is_err() || stop.is_cancelled() {
                        return;
                    }
                }
                Some(Err(error)) => {
                    if let BuildError::Rows(error) = &error {
                        tracing::error!(shard, %error, "the shard cannot be served");
                    } else {
                        tracing::debug!(shard, %error, "leadership went before it was taken up");
                    }
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
                None => {}
            }
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = leadership.changed() => if changed.is_err() { return },
        }
    }
}
