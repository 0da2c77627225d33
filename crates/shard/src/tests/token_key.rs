//! The cluster's key for tokens: one, whoever asks.

use super::{TIMEOUT, memory::Cluster, options};
use crate::{SYSTEM_SHARD, TokenUse};
use std::time::Duration;
use tenure_engine::{Op, RowKey, rows::SystemTable, transition::transition};
use tokio::time::Instant;

#[tokio::test]
async fn all_nodes_have_one_key_for_tokens_whoever_asks_first_and_leads() {
    let cluster = Cluster::start(&[1, 2, 3], 1, |_| 2, &options(), transition);
    let deadline = Instant::now() + TIMEOUT;
    let nodes = [1, 2, 3, 1].map(|node| cluster.node(node));
    let asked = nodes.iter().map(|node| node.token_key(deadline));
    let keys: Vec<_> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    let sealed = keys[0].seal(TokenUse::Task, b"content");
    for key in &keys {
        assert_eq!(key.open(TokenUse::Task, &sealed), Some(&b"content"[..]));
    }
    let is_secret = |op: &&Op| matches!(op, Op::Put(RowKey::System { table: SystemTable::Secret, .. }, _));
    let entries = cluster.logs[&SYSTEM_SHARD].entries.lock();
    let made = entries.iter().flat_map(|entry| &entry.ops).filter(is_secret).count();
    assert_eq!(made, 1, "by one of the four");
}

#[tokio::test]
async fn a_node_that_has_no_key_for_tokens_takes_none_on_trust() {
    let cluster = Cluster::start(&[1, 2], 1, |_| 2, &options(), transition);
    cluster.kill(2);
    let asked = cluster.node(1).token_key(Instant::now() + Duration::from_millis(50)).await;
    assert!(asked.is_err(), "nobody was there to make it");
}
