//! Those who look at a namespace's lists hear of changes, wherever these happen and whoever leads.

use super::{
    NAMESPACE, TIMEOUT,
    engine::{engine, signal},
    envelope,
    gather::raise,
    leader,
    memory::Cluster,
    options, workflow_in,
};
use crate::Shards;
use std::time::Duration;
use tenure_api::error::Code;
use tenure_engine::{
    Envelope, FeatureLevel, Op, RowKey, StateReader, SubjectKind, Transition,
    transition::{Context, Refused},
};
use tokio::time::Instant;

/// Each command changes what lists show.
fn shown(rows: &dyn StateReader, envelope: &Envelope, cx: &mut Context<'_>) -> Result<Transition, Refused> {
    let mut transition = engine(rows, envelope, cx)?;
    let record = RowKey::Record { kind: SubjectKind::RUN, namespace: NAMESPACE, position: Default::default() };
    transition.writes.ops.push(Op::Put(record, Default::default()));
    Ok(transition)
}

async fn changed(node: &Shards, since: u64) -> u64 {
    let changed = node.changed(NAMESPACE, Some(since), Instant::now() + TIMEOUT).await.unwrap();
    assert_ne!(changed, since, "nothing was heard");
    changed
}

#[tokio::test]
async fn a_change_is_heard_of_wherever_it_happens() {
    let cluster = Cluster::start(&[1, 2, 3], 3, |shard| u64::from(shard % 3) + 1, &options(), shown);
    let node = cluster.node(1);
    let soon = || Instant::now() + Duration::from_millis(100);
    let refused = node.changed(NAMESPACE, None, soon()).await.unwrap_err();
    assert_eq!(refused.code, Code::FailedPrecondition, "{refused}");
    raise(&cluster, FeatureLevel::WATCHES).await;
    let mut since = node.changed(NAMESPACE, None, Instant::now() + TIMEOUT).await.unwrap();
    assert_eq!(node.changed(NAMESPACE, Some(since), soon()).await.unwrap(), since, "nothing has happened");
    for shard in [1, 2, 3] {
        let waiting = tokio::spawn({
            let node = node.clone();
            async move { changed(&node, since).await }
        });
        let workflow = workflow_in(&cluster, shard, "w");
        leader(&cluster, u64::from(shard % 3) + 1, shard)
            .await
            .execute(envelope(&workflow, signal("s")))
            .await
            .unwrap();
        since = waiting.await.unwrap();
    }
    cluster.logs[&1].lead(3);
    changed(&node, since).await;
}
