//! Runs that were there before lists were come into them, whatever happens meanwhile.

use super::{
    NAMESPACE, TIMEOUT, envelope, eventually, leader,
    memory::{Cluster, LogRows},
    options,
    whole::start_request,
};
use crate::{
    LeaderHandle,
    leader::executions::own,
    seam::{
        question::{ListQuery, Question},
        replica::Rows,
    },
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};
use tenure_api::error::{ApiError, Code};
use tenure_engine::{
    FeatureLevel, Op, RowKey, RunKey, ShardCommand, SubjectKind, WorkflowKey,
    chain::Start,
    codec,
    system::cluster::{ClusterMap, NodeRow, SYSTEM_SHARD},
    transition::transition,
    visibility::{self, Filling, RunRecord},
};
use tokio::time::Instant;
use uuid::Uuid;

fn cluster() -> Arc<Cluster> {
    Cluster::start(&[1, 2], 1, |_| 1, &options(), transition)
}

fn workflow(n: usize) -> WorkflowKey {
    WorkflowKey { namespace: NAMESPACE, workflow_id: format!("w{n}").into() }
}

async fn start(leader: &LeaderHandle, n: usize) {
    let workflow = workflow(n);
    let request = start_request(&workflow, "q");
    let start = ShardCommand::StartWorkflow(Box::new(Start::new(request).unwrap()));
    leader.execute(envelope(&workflow, start)).await.unwrap();
}

/// The level is on record, and nodes may not have heard of it.
fn raise(cluster: &Cluster) {
    let node = |n: u64| NodeRow::new(Uuid::from_u128(n.into()), "p".into(), "a".into());
    let nodes = [(1, node(1)), (2, node(2))].into();
    let map = ClusterMap::found(Uuid::from_u128(1), FeatureLevel::LISTS, nodes, 1).unwrap();
    for op in map.writes().ops {
        if let Op::Put(key, value) = op {
            cluster.logs[&SYSTEM_SHARD].put(key, value);
        }
    }
}

async fn hear(cluster: &Cluster, node: u64) {
    cluster.node(node).namespaces(Instant::now() + TIMEOUT).await.unwrap();
}

async fn listed(cluster: &Cluster, node: u64) -> Result<usize, ApiError> {
    let query =
        ListQuery { kind: SubjectKind::RUN, namespace: NAMESPACE, query: String::new(), attributes: Vec::new() };
    let page = cluster.node(node).list(Question::List(query), &[], 5_000, Instant::now() + TIMEOUT).await?;
    assert!(page.next_page_token.is_empty());
    Ok(page.items.len())
}

fn filling(cluster: &Cluster) -> Option<Filling> {
    cluster.logs[&1].get(&RowKey::ListFill).map(|row| codec::decode(&row).unwrap())
}

async fn filled(cluster: &Cluster) {
    eventually(|| filling(cluster).filter(|filling| filling.done)).await;
}

fn list_rows(cluster: &Cluster) -> BTreeMap<RowKey, Bytes> {
    cluster.logs[&1].such(|key| matches!(key, RowKey::Record { .. } | RowKey::Index { .. }))
}

fn runs(cluster: &Cluster) -> Vec<RunKey> {
    LogRows(cluster.logs[&1].clone()).runs(None, usize::MAX).unwrap()
}

/// Each run has a record, and the rows that its record would have brought about had it been fresh.
fn check_rows(cluster: &Cluster) {
    let rows = list_rows(cluster);
    let records = rows.iter().filter(|(key, _)| matches!(key, RowKey::Record { .. }));
    let records: Vec<_> = records.map(|(_, row)| RunRecord::decode(row).unwrap()).collect();
    let mut known: Vec<_> = records.iter().map(|record| record.run(NAMESPACE)).collect();
    let mut all = runs(cluster);
    known.sort();
    all.sort();
    assert_eq!(known, all);
    let fresh: BTreeMap<_, _> =
        records.iter().flat_map(|it| visibility::rows_of(&it.run(NAMESPACE), it.info().clone())).collect();
    assert_eq!(rows, fresh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_is_filled_though_its_leader_is_lost_and_refuses_lists_until_then() {
    const RUNS: usize = 700;
    let cluster = cluster();
    let first = leader(&cluster, 1, 1).await;
    for n in 0..RUNS {
        start(&first, n).await;
    }
    assert!(list_rows(&cluster).is_empty());
    assert_eq!(listed(&cluster, 1).await.unwrap_err().code, Code::FailedPrecondition);

    cluster.logs[&1].close_gate();
    raise(&cluster);
    hear(&cluster, 1).await;
    let refused = listed(&cluster, 1).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert!(refused.message.contains("is still putting the runs of before into its lists"), "{refused}");
    cluster.logs[&1].open_gate();
    eventually(|| filling(&cluster)).await;
    cluster.logs[&1].lead(2);

    hear(&cluster, 2).await;
    let second = leader(&cluster, 2, 1).await;
    start(&second, RUNS).await;
    filled(&cluster).await;
    check_rows(&cluster);
    assert_eq!(listed(&cluster, 2).await.unwrap(), RUNS + 1);

    let rows = list_rows(&cluster);
    for run in runs(&cluster).into_iter().take(20) {
        let again = ShardCommand::ListRun { run_id: run.run_id };
        second.execute(own(run.workflow.clone(), again)).await.unwrap();
    }
    assert_eq!(list_rows(&cluster), rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_on_its_way_while_the_level_rises_comes_into_lists() {
    let cluster = cluster();
    let first = leader(&cluster, 1, 1).await;
    cluster.logs[&1].close_gate();
    let at_gate = || cluster.logs[&1].at_gate.load(Ordering::SeqCst);
    let before = at_gate();
    let on_its_way = tokio::spawn({
        let first = first.clone();
        async move { start(&first, 0).await }
    });
    eventually(|| (at_gate() > before).then_some(())).await;
    raise(&cluster);
    hear(&cluster, 1).await;
    // The filling looks for the level from time to time: it must not go ahead.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    cluster.logs[&1].open_gate();
    on_its_way.await.unwrap();
    filled(&cluster).await;
    check_rows(&cluster);
    assert_eq!(listed(&cluster, 1).await.unwrap(), 1);
}

/// A run that cannot be read keeps no other out of lists, and it is on record that they lack it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_cannot_be_read_is_left_out_and_counted() {
    let cluster = cluster();
    let first = leader(&cluster, 1, 1).await;
    for n in 0..3 {
        start(&first, n).await;
    }
    let broken = runs(&cluster).remove(1);
    cluster.logs[&1].put(RowKey::Execution(broken), Bytes::from_static(b"broken"));
    // A leader that has not read it yet.
    cluster.logs[&1].lead(2);
    leader(&cluster, 2, 1).await;
    raise(&cluster);
    hear(&cluster, 2).await;
    filled(&cluster).await;
    assert_eq!(filling(&cluster).unwrap().left_out, 1);
    assert_eq!(listed(&cluster, 2).await.unwrap(), 2);
}

/// A list that waits for a leader's filling is answered by the next leader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_goes_on_to_the_next_leader() {
    let cluster = cluster();
    let first = leader(&cluster, 1, 1).await;
    start(&first, 0).await;
    cluster.logs[&1].close_gate();
    raise(&cluster);
    hear(&cluster, 1).await;
    hear(&cluster, 2).await;
    let asked = tokio::spawn({
        let cluster = cluster.clone();
        async move { listed(&cluster, 1).await }
    });
    eventually(|| (cluster.logs[&1].at_gate.load(Ordering::SeqCst) > 0).then_some(())).await;
    cluster.logs[&1].lead(2);
    cluster.logs[&1].open_gate();
    assert_eq!(asked.await.unwrap().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_has_not_heard_of_the_level_goes_by_what_its_shard_has_begun() {
    let cluster = cluster();
    let first = leader(&cluster, 1, 1).await;
    start(&first, 0).await;
    raise(&cluster);
    // Only the one node hears of it.
    hear(&cluster, 1).await;
    filled(&cluster).await;
    cluster.logs[&1].lead(2);
    let second = leader(&cluster, 2, 1).await;
    start(&second, 1).await;
    check_rows(&cluster);
}
