//! One question to many shards: their items in order, page by page, whatever leaders do; never an answer that lacks
//! something.

use super::{
    NAMESPACE, TIMEOUT,
    engine::{RUN, engine},
    eventually, leader,
    memory::Cluster,
    options, queue_in,
};
use crate::{
    CommandError, Item, ListPage, Question, Rows, SYSTEM_SHARD, ShardId, TokenUse,
    node::list_token::{ListToken, malformed_page_token},
    seam::{
        messages::{Answer, Request},
        question::{Budget, Part, Step, StepRequest},
    },
};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::{sync::Arc, time::Duration};
use tenure_api::error::{ApiError, Code};
use tenure_engine::{
    FeatureLevel, Op, QueueKey, RowKey, Stamp, SubjectKind, Timestamp, WorkflowKey, codec,
    rows::ReadyTask,
    system::cluster::{ClusterMap, NodeRow},
};
use tenure_limits::{LIST_PAGE, LIST_TOKEN, PAGE_STEPS, SHARDS_ASKED, STEP_ROWS};
use tokio::time::Instant;
use uuid::Uuid;

/// Which tasks of a queue are ready, for workflows whose ids begin with some text? By their priorities and stamps; the
/// items are the workflow ids.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadyTasks {
    #[n(0)]
    queue: QueueKey,
    #[n(1)]
    prefix: String,
    /// Rows that a step reads at most, besides what its budget says.
    #[n(2)]
    rows: u64,
    /// Bytes that are added to each item.
    #[n(3)]
    padding: u64,
}

impl ReadyTasks {
    fn all(queue: &QueueKey) -> ReadyTasks {
        ReadyTasks { queue: queue.clone(), prefix: String::new(), rows: u64::MAX, padding: 0 }
    }

    pub(crate) fn step(&self, rows: &dyn Rows, after: Option<&[u8]>, budget: Budget) -> Result<Step, CommandError> {
        let from = after.map(|after| before(after).ok_or_else(malformed_page_token)).transpose()?;
        let most = self.rows.min(budget.rows) as usize;
        // One row may have the stamp that is in the place, and stand before it.
        let read = rows.ready(&self.queue, from, most.saturating_add(1))?;
        let full = read.len() > most;
        let rest = read.into_iter().map(|task| (place(&task), task.run.workflow.workflow_id));
        let mut rest = rest.skip_while(|(place, _)| after.is_some_and(|after| **place <= *after));
        let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
        for (place, id) in rest.by_ref().take(most) {
            last = Some(place.clone());
            if id.starts_with(&self.prefix) {
                let value = [id.as_bytes(), &vec![b'.'; self.padding as usize]].concat().into();
                let item = Item { place, value };
                bytes += item.size() as u64;
                items.push(item);
                if items.len() as u64 >= budget.items || bytes >= budget.bytes {
                    break;
                }
            }
        }
        // A full step goes on, even if nothing is left.
        let next = last.filter(|_| rest.next().is_some() || full);
        Ok(Step { part: Part::Items(items), next })
    }
}

/// It ends in the workflow's id: no two shards have the same.
fn place(task: &ReadyTask) -> Bytes {
    let Stamp { term, counter } = task.stamp;
    let id = task.run.workflow.workflow_id.as_bytes();
    [&[task.priority], &term.to_be_bytes()[..], &counter.to_be_bytes(), id].concat().into()
}

fn stamp_of(place: &[u8]) -> Option<(u8, Stamp)> {
    let (&[priority], rest) = place.split_first_chunk()?;
    let (term, rest) = rest.split_first_chunk()?;
    let (counter, _) = rest.split_first_chunk()?;
    Some((priority, Stamp { term: u64::from_be_bytes(*term), counter: u64::from_be_bytes(*counter) }))
}

/// The last stamp before all those that may have the place, which may be another shard's.
fn before(place: &[u8]) -> Option<(u8, Stamp)> {
    let (priority, Stamp { term, counter }) = stamp_of(place)?;
    let before = match counter.checked_sub(1) {
        Some(counter) => Stamp { term, counter },
        None => Stamp { term: term.checked_sub(1)?, counter: u64::MAX },
    };
    Some((priority, before))
}

/// Rows of ready tasks of one shard, with every `step`th stamp; gives their places.
fn put_tasks(cluster: &Cluster, shard: ShardId, queue: &QueueKey, name: &str, count: u64, step: u64) -> Vec<Bytes> {
    let task = |n: u64| {
        let workflow = WorkflowKey { namespace: NAMESPACE, workflow_id: format!("{name}-{shard}-{n}").into() };
        let (priority, stamp) = (3, Stamp { term: 1, counter: n * step });
        let (queue, run, scheduled_at) = (queue.clone(), workflow.run(RUN), Timestamp(0));
        let task = ReadyTask {
            queue,
            priority,
            stamp,
            run,
            scheduled_event_id: 2,
            scheduled_at,
            sticky: false,
            of: SubjectKind::RUN,
        };
        let key = RowKey::Ready { queue: task.queue.clone(), priority, stamp };
        cluster.logs[&shard].put(key, codec::encode(&task));
        place(&task)
    };
    (0..count).map(task).collect()
}

/// Three nodes and shards that have very different numbers of tasks; the queue, and all places in order.
fn uneven() -> (Arc<Cluster>, QueueKey, Vec<Bytes>) {
    let cluster = Cluster::start(&[1, 2, 3], 4, |shard| u64::from(shard % 3) + 1, &options(), engine);
    let queue = queue_in(&cluster, 1);
    let tasks = [(1, 25, 1), (3, 7, 3), (4, 40, 2)];
    let mut places: Vec<_> = tasks
        .into_iter()
        .flat_map(|(shard, count, step)| put_tasks(&cluster, shard, &queue, "w", count, step))
        .collect();
    places.sort();
    (cluster, queue, places)
}

/// The cluster comes to this feature level, and the nodes know it.
pub(super) async fn raise(cluster: &Cluster, level: FeatureLevel) {
    let node = NodeRow::new(Uuid::from_u128(1), "p".into(), "a".into());
    let shards = cluster.logs.len() as u32 - 1;
    let map = ClusterMap::found(Uuid::from_u128(1), level, [(1, node)].into(), shards).unwrap();
    for op in map.writes().ops {
        if let Op::Put(key, value) = op {
            cluster.logs[&SYSTEM_SHARD].put(key, value);
        }
    }
    let nodes: Vec<_> = cluster.nodes.lock().values().cloned().collect();
    for node in nodes {
        node.namespaces(Instant::now() + TIMEOUT).await.unwrap();
    }
}

/// What was asked of other nodes since the last look.
fn asked(cluster: &Cluster) -> Vec<Request> {
    cluster.calls.lock().drain(..).map(|body| codec::decode(&body).unwrap()).collect()
}

/// The shards of which steps are asked for.
fn shards(request: &Request) -> Vec<ShardId> {
    match request {
        Request::Step(step) => vec![step.shard],
        Request::Steps(steps) => steps.places.iter().map(|place| place.shard).collect(),
        _ => Vec::new(),
    }
}

/// Below the second, nodes may not know a request for steps of several shards.
const LEVELS: [FeatureLevel; 2] = [FeatureLevel::MANY_SHARDS, FeatureLevel::LISTS];

async fn list(
    cluster: &Cluster,
    node: u64,
    question: &Question,
    token: &[u8],
    size: usize,
) -> Result<ListPage, ApiError> {
    cluster.node(node).list(question.clone(), token, size, Instant::now() + TIMEOUT).await
}

/// All pages; something happens between them.
async fn pages(cluster: &Cluster, question: &ReadyTasks, size: usize, between: impl Fn(usize)) -> Vec<ListPage> {
    let question = Question::Ready(question.clone());
    let mut pages: Vec<ListPage> = Vec::new();
    loop {
        let token = pages.last().map(|page| page.next_page_token.clone()).unwrap_or_default();
        // Any node goes on with any page.
        let page = list(cluster, pages.len() as u64 % 3 + 1, &question, &token, size).await.unwrap();
        let done = page.next_page_token.is_empty();
        pages.push(page);
        assert!(pages.len() < 1000, "pages come to an end");
        if done {
            return pages;
        }
        between(pages.len());
    }
}

fn places(pages: &[ListPage]) -> Vec<Bytes> {
    pages.iter().flat_map(|page| page.items.iter().map(|item| item.place.clone())).collect()
}

#[tokio::test]
async fn items_of_all_shards_come_in_order_whatever_the_size_of_pages_and_steps() {
    let (cluster, queue, expected) = uneven();
    for (level, rows) in LEVELS.into_iter().flat_map(|level| [1, 3, 1000].map(|rows| (level, rows))) {
        raise(&cluster, level).await;
        for size in [1, 7, 64, 1000] {
            let question = ReadyTasks { rows, ..ReadyTasks::all(&queue) };
            let found = pages(&cluster, &question, size, |_| ()).await;
            assert_eq!(places(&found), expected, "pages of {size}, steps of {rows} rows");
            assert!(found.iter().all(|page| page.items.len() <= size));
            if rows == 1000 {
                assert_eq!(found.len(), expected.len().div_ceil(size), "pages of {size} are full");
            }
        }
    }
}

#[tokio::test]
async fn each_node_is_asked_once_for_all_shards_that_it_leads() {
    let (cluster, queue, expected) = uneven();
    raise(&cluster, FeatureLevel::LISTS).await;
    for node in 1..=3 {
        asked(&cluster);
        let page = list(&cluster, node, &Question::Ready(ReadyTasks::all(&queue)), &[], 1000).await.unwrap();
        assert_eq!(places(&[page]), expected);
        let mut requests: Vec<_> = asked(&cluster).iter().map(shards).filter(|shards| !shards.is_empty()).collect();
        // On a busy machine an answer may be late, and its shards are asked again.
        requests.truncate(2);
        requests.sort();
        let led: [&[ShardId]; 3] = [&[3], &[1, 4], &[2]];
        let others = (1..=3).filter(|other| *other != node).map(|other| led[other as usize - 1].to_vec());
        let mut others: Vec<_> = others.collect();
        others.sort();
        assert_eq!(requests, others);
    }
}

#[tokio::test]
async fn a_page_token_survives_changes_of_leaders() {
    let (cluster, queue, expected) = uneven();
    raise(&cluster, FeatureLevel::LISTS).await;
    let question = ReadyTasks::all(&queue);
    let moved = |page: usize| {
        for (shard, log) in &cluster.logs {
            log.lead((page as u64 + u64::from(*shard)) % 3 + 1);
        }
    };
    let found = pages(&cluster, &question, 7, moved).await;
    assert_eq!(places(&found), expected);
    assert_eq!(found.len(), expected.len().div_ceil(7));
}

#[tokio::test]
async fn a_page_goes_on_at_the_leader_that_comes() {
    for level in LEVELS {
        let cluster = Cluster::start(&[1, 2, 3], 2, |shard| u64::from(shard).max(1), &options(), engine);
        raise(&cluster, level).await;
        let queue = queue_in(&cluster, 1);
        let mut expected = put_tasks(&cluster, 1, &queue, "w", 30, 1);
        expected.extend(put_tasks(&cluster, 2, &queue, "w", 30, 1));
        expected.sort();
        let question = Question::Ready(ReadyTasks { rows: 10, ..ReadyTasks::all(&queue) });
        cluster.node(1).token_key(Instant::now() + TIMEOUT).await.unwrap();
        cluster.cut.lock().insert((1, 2));
        let asking = tokio::spawn({
            let (cluster, question) = (cluster.clone(), question.clone());
            async move { list(&cluster, 1, &question, &[], 50).await }
        });
        let mut times = 0;
        eventually(|| {
            times += asked(&cluster).iter().filter(|request| shards(request).contains(&2)).count();
            (times >= 2).then_some(())
        })
        .await;
        assert!(!asking.is_finished(), "an answer without shard 2 is none");
        cluster.logs[&2].lead(3);
        let page = asking.await.unwrap().unwrap();
        assert_eq!(places(std::slice::from_ref(&page)), expected[..50]);
        let rest = list(&cluster, 3, &question, &page.next_page_token, 50).await.unwrap();
        assert_eq!(places(std::slice::from_ref(&rest)), expected[50..]);
    }
}

#[tokio::test]
async fn a_shard_that_does_not_answer_in_time_fails_the_call_by_its_name() {
    let cluster = Cluster::start(&[1, 2], 2, |shard| u64::from(shard).max(1), &options(), engine);
    let queue = queue_in(&cluster, 1);
    let home = leader(&cluster, 1, 1).await;
    let question = Question::Ready(ReadyTasks::all(&queue));
    put_tasks(&cluster, 1, &queue, "w", 3, 1);
    assert_eq!(list(&cluster, 1, &question, &[], 50).await.unwrap().items.len(), 3);
    cluster.kill(2);
    let expected = ApiError::unavailable("shard 2 did not answer in time");
    let deadline = || Instant::now() + Duration::from_millis(300);
    let limit = deadline();
    assert_eq!(cluster.node(1).list(question, &[], 50, limit).await.unwrap_err(), expected);
    assert!(Instant::now() < limit, "while the caller still listens");
    let limit = deadline();
    assert_eq!(home.backlog(&queue, limit).await.unwrap_err(), CommandError::Api(expected));
    assert!(Instant::now() < limit, "while the caller still listens");
}

/// Below the level, nodes that do not know the form may be asked.
#[tokio::test]
async fn a_backlog_is_asked_for_in_the_form_that_all_nodes_know() {
    let cluster = Cluster::start(&[1, 2], 2, |shard| u64::from(shard).max(1), &options(), engine);
    let queue = queue_in(&cluster, 1);
    let home = leader(&cluster, 1, 1).await;
    let asked = || {
        let requests = asked(&cluster);
        let backlogs = requests.iter().filter(|request| matches!(request, Request::Backlog { .. })).count();
        (backlogs, requests.iter().flat_map(shards).count())
    };
    assert_eq!(home.backlog(&queue, Instant::now() + TIMEOUT).await.unwrap(), 0);
    assert_eq!(asked(), (1, 0));
    raise(&cluster, FeatureLevel::MANY_SHARDS).await;
    assert_eq!(home.backlog(&queue, Instant::now() + TIMEOUT).await.unwrap(), 0);
    assert_eq!(asked(), (0, 1));
}

#[tokio::test]
async fn tokens_that_are_made_up_or_of_another_question_are_refused() {
    let (cluster, queue, _) = uneven();
    let all = Question::Ready(ReadyTasks::all(&queue));
    let token = list(&cluster, 1, &all, &[], 5).await.unwrap().next_page_token;
    let key = cluster.node(1).token_key(Instant::now() + TIMEOUT).await.unwrap();
    let sealed = |places| key.seal(TokenUse::ListPage, &ListToken::new(&all, places).encode().unwrap());
    let content = key.open(TokenUse::ListPage, &token).unwrap();
    let mut altered = token.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let refused = [
        Bytes::from_static(b"made up"),
        Bytes::copy_from_slice(content),
        altered.into(),
        key.seal(TokenUse::HistoryPage, content),
        key.seal(TokenUse::ListPage, b"no token"),
        // These cannot have been given out here, but by a cluster that had other shards, or a build that was wrong.
        sealed(vec![(9, None)]),
        sealed(vec![(SYSTEM_SHARD, None)]),
        sealed(vec![(1, None), (1, Some(Bytes::from_static(b"twice")))]),
        sealed(vec![(1, Some(Bytes::from_static(b"no place")))]),
    ];
    for token in refused {
        assert_eq!(list(&cluster, 1, &all, &token, 5).await.unwrap_err(), malformed_page_token(), "{token:?}");
    }
    let other = Question::Ready(ReadyTasks { prefix: "w".into(), ..ReadyTasks::all(&queue) });
    assert_eq!(list(&cluster, 1, &other, &token, 5).await.unwrap_err(), malformed_page_token());
    assert_eq!(list(&cluster, 1, &all, &token, 5).await.unwrap().items.len(), 5);
}

#[tokio::test]
async fn a_page_that_is_far_to_seek_is_given_out_with_what_it_has() {
    const ROWS: u64 = 10;
    let (cluster, queue, _) = uneven();
    let reached = PAGE_STEPS as u64 * ROWS;
    put_tasks(&cluster, 2, &queue, "w", 3 * reached, 1);
    let mut expected = put_tasks(&cluster, 3, &queue, "rare", 100, 5);
    expected.sort();
    let question = ReadyTasks { prefix: "rare".into(), rows: ROWS, ..ReadyTasks::all(&queue) };
    let found = pages(&cluster, &question, 1000, |_| ()).await;
    assert_eq!(places(&found), expected);
    assert!(found.len() > 1, "{} pages", found.len());
    let (_, last) = stamp_of(&found[0].items.last().unwrap().place).unwrap();
    assert!(last.counter < reached, "what shard 2 may have before it is not read yet");
}

#[tokio::test]
async fn a_page_of_large_items_is_closed_early() {
    const PADDING: usize = LIST_PAGE / 5;
    let (cluster, queue, expected) = uneven();
    let question = ReadyTasks { padding: PADDING as u64, ..ReadyTasks::all(&queue) };
    let found = pages(&cluster, &question, 1000, |_| ()).await;
    assert_eq!(places(&found), expected);
    assert!(found.iter().rev().skip(1).all(|page| page.items.len() == 5), "so many are as large as a page");
}

#[tokio::test]
async fn no_more_shards_are_asked_at_once_than_may_be() {
    let cluster = Cluster::start(&[1, 2], 40, |shard| if shard == SYSTEM_SHARD { 1 } else { 2 }, &options(), engine);
    let queue = queue_in(&cluster, 1);
    let tasks: u64 = (1..=40).map(|shard| put_tasks(&cluster, shard, &queue, "w", 2, 1).len() as u64).sum();
    for shard in 1..=40 {
        leader(&cluster, 2, shard).await;
    }
    cluster.node(1).token_key(Instant::now() + TIMEOUT).await.unwrap();
    cluster.hold_answers();
    let asking = tokio::spawn({
        let cluster = cluster.clone();
        async move { list(&cluster, 1, &Question::Ready(ReadyTasks::all(&queue)), &[], 1000).await }
    });
    eventually(|| (cluster.most_calls() >= SHARDS_ASKED).then_some(())).await;
    cluster.let_answers_go();
    let page = asking.await.unwrap().unwrap();
    assert_eq!((page.items.len() as u64, page.next_page_token.len()), (tasks, 0));
    assert_eq!(cluster.most_calls(), SHARDS_ASKED);
}

#[tokio::test]
async fn a_leader_reads_no_more_rows_for_a_step_than_it_may() {
    let cluster = super::alone();
    let queue = queue_in(&cluster, 1);
    leader(&cluster, 1, 1).await;
    put_tasks(&cluster, 1, &queue, "w", STEP_ROWS as u64 + 1, 1);
    let question = Question::Ready(ReadyTasks::all(&queue));
    let budget = Budget { items: u64::MAX, bytes: u64::MAX, rows: u64::MAX };
    let request = Request::Step(StepRequest { shard: 1, question, after: None, budget });
    match codec::decode(&cluster.node(1).answer(codec::encode(&request)).await).unwrap() {
        Answer::Step(Step { part: Part::Items(items), next: Some(_) }) => assert_eq!(items.len(), STEP_ROWS),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_has_a_largest_size() {
    let queue = QueueKey { namespace: NAMESPACE, kind: tenure_engine::TaskKind::Workflow, name: "q".into() };
    let token = |places| ListToken::new(&Question::Backlog { queue: queue.clone() }, places).encode();
    let place = |length: usize| Some(Bytes::from(vec![0; length]));
    assert_eq!(token(vec![(1, place(LIST_TOKEN))]).unwrap_err().code, Code::ResourceExhausted);
    // Shards that stand at the same place share it.
    let shared = token((1..=1024).map(|shard| (shard, place(1000))).collect()).unwrap();
    assert!(shared.len() < 5000, "{} bytes", shared.len());
}
