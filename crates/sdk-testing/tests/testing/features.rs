//! What workflows can do. `TENURE_TEST_ADDRESS` may name any server that speaks the API.

use crate::{unique, with_worker};
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tenure_sdk::{WorkflowIdConflictPolicy, prelude::*};
use tenure_sdk_testing::TestEnv;

const MOMENT: Duration = Duration::from_millis(50);

// A state with every kind of handler.

#[derive(Default)]
pub(crate) struct Order {
    items: Vec<String>,
    closed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) items: Vec<String>,
}

#[handlers]
impl Order {
    #[signal]
    fn close(&mut self) {
        self.closed = true;
    }

    #[signal]
    async fn add_later(cx: WorkflowContext<Self>, item: String) -> Result<()> {
        cx.sleep(MOMENT).await?;
        cx.state_mut().items.push(item);
        Ok(())
    }

    #[query]
    fn count(&self) -> usize {
        self.items.len()
    }

    #[update(validate = not_empty)]
    fn add(&mut self, item: String) -> Result<usize> {
        if item == "tax" {
            return Err(Failure::application("NotForSale", "not for sale"));
        }
        self.items.push(item);
        Ok(self.items.len())
    }

    fn not_empty(&self, item: &str) -> Result<()> {
        if item.is_empty() { Err(Failure::msg("an item has a name")) } else { Ok(()) }
    }

    #[update]
    async fn add_checked(cx: WorkflowContext<Self>, item: String, count: u32) -> Result<String> {
        let checked = cx.activity(check, (item, count)).await?;
        cx.state_mut().items.push(checked.clone());
        Ok(checked)
    }
}

#[activity]
fn check(item: String, count: u32) -> String {
    format!("{count} {item}")
}

#[workflow]
pub(crate) async fn order(cx: WorkflowContext<Order>) -> Result<Receipt> {
    cx.wait_until(|it| it.closed).await?;
    let items = cx.state().items.clone();
    Ok(Receipt { items })
}

#[tokio::test]
async fn a_run_that_has_not_begun_answers_no_query_and_the_error_tells() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("early"));
    let later = Duration::from_secs(600);
    let handle = client.start(order, ()).id(&queue).task_queue(&queue).delay(later).await.unwrap();
    let error = handle.query(Order::COUNT, ()).await.unwrap_err();
    assert!(error.is_not_ready(), "{error}");
    handle.terminate("the test ends").await.unwrap();
}

#[tokio::test]
async fn handlers_share_the_state_with_the_function() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("handlers"));
    let worker = Worker::new(client.clone(), &queue).workflow(order).activity(check);
    with_worker(&env, worker, async {
        let handle = client.start(order, ()).id(unique("order")).task_queue(&queue).await.unwrap();
        assert_eq!(handle.update(Order::ADD, "bread").await.unwrap(), 1);
        assert_eq!(handle.update(Order::ADD_CHECKED, ("eggs".to_owned(), 6)).await.unwrap(), "6 eggs");
        let rejected = handle.update(Order::ADD, "").await.unwrap_err();
        assert_eq!(rejected.failure().unwrap().message, "an item has a name");
        let failed = handle.update(Order::ADD, "tax").await.unwrap_err();
        assert_eq!(failed.failure().unwrap().application_type(), Some("NotForSale"));
        assert_eq!(handle.query(Order::COUNT, ()).await.unwrap(), 2);
        handle.signal(Order::ADD_LATER, "milk").await.unwrap();
        while handle.query(Order::COUNT, ()).await.unwrap() < 3 {
            tokio::time::sleep(MOMENT).await;
        }
        handle.signal(Order::CLOSE, ()).await.unwrap();
        let items = ["bread", "6 eggs", "milk"].map(str::to_owned).to_vec();
        assert_eq!(handle.result().await.unwrap(), Receipt { items });
        // Closed ones answer, too.
        assert_eq!(handle.query(Order::COUNT, ()).await.unwrap(), 3);
    })
    .await;
}

#[tokio::test]
async fn start_goes_together_with_a_signal_or_an_update() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("together"));
    let worker = Worker::new(client.clone(), &queue).workflow(order).activity(check);
    with_worker(&env, worker, async {
        let start = || client.start(order, ()).id(format!("{queue}-order")).task_queue(&queue);
        let existing = || start().conflict(WorkflowIdConflictPolicy::UseExisting);
        let (_, update) = existing().update_with_start(Order::ADD, "bread").await.unwrap();
        assert_eq!(update.result().await.unwrap(), 1);
        let (_, update) = existing().update_with_start(Order::ADD, "wine").await.unwrap();
        assert_eq!(update.result().await.unwrap(), 2);
        let again = start().await.unwrap_err();
        assert!(matches!(again, ClientError::AlreadyStarted { .. }), "{again}");
        let handle = start().signal_with_start(Order::CLOSE, ()).await.unwrap();
        assert_eq!(handle.result().await.unwrap().items, ["bread", "wine"]);
    })
    .await;
}

// Combinators, scopes, failures.

struct Flaky {
    calls: Arc<AtomicU32>,
}

#[activities]
impl Flaky {
    #[activity]
    async fn third_time(&self, cx: ActivityContext) -> Result<u32> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let attempt = cx.info().attempt;
        if attempt < 3 {
            return Err(Failure::application("Early", "not yet").retry_after(MOMENT).detail(attempt));
        }
        Ok(attempt)
    }

    #[activity]
    async fn never(&self) -> Result<()> {
        Err(Failure::application("Declined", "no money").non_retryable().detail(7u32))
    }

    #[activity(name = "wait-for-cancel")]
    async fn forever(&self, cx: ActivityContext) -> Result<()> {
        loop {
            cx.heartbeat(1);
            tokio::select! {
                () = cx.cancelled() => return Err(Failure::cancelled("as told")),
                () = tokio::time::sleep(MOMENT) => {}
            }
        }
    }
}

#[workflow]
async fn everything(cx: WorkflowContext) -> Result<Vec<String>> {
    let mut log = Vec::new();
    let (three, slept) = join!(cx.activity(Flaky::THIRD_TIME, ()), cx.sleep(MOMENT));
    slept?;
    log.push(format!("attempt {}", three?));

    let declined = cx.activity(Flaky::NEVER, ()).await.unwrap_err();
    log.push(format!("{:?} {}", declined.application_type(), declined.decode_detail::<u32>(0)?));

    let first = select! {
        _ = cx.sleep(Duration::from_secs(3600)) => "long",
        _ = cx.sleep(MOMENT) => "short",
    };
    log.push(first.to_owned());

    let late = cx.timeout(MOMENT, cx.activity(Flaky::FOREVER, ())).await.unwrap_err();
    log.push(format!("{:?}", late.timed_out().is_some()));

    let waited = cx.wait_until(|()| false).timeout(MOMENT).await?;
    log.push(format!("waited {waited}"));

    let all = join_all((0..20).map(|n| cx.activity(double, n)));
    let all = all.await.into_iter().collect::<Result<Vec<u32>>>()?;
    log.push(format!("{}", all.iter().sum::<u32>()));

    let beside = cx.clone();
    let spawned = cx.spawn(async move { beside.sleep(MOMENT).await.map(|()| "spawned") });
    log.push(spawned.await?.to_owned());

    let (one, other, value) = (cx.uuid(), cx.uuid(), cx.side_effect(|| 42u8));
    log.push(format!("{} {value}", one != other));
    Ok(log)
}

#[activity]
async fn double(n: u32) -> u32 {
    n * 2
}

#[tokio::test]
async fn activities_timers_and_combinators() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("everything"));
    let calls = Arc::new(AtomicU32::new(0));
    let worker = Worker::new(client.clone(), &queue)
        .workflow(everything)
        .activity(double)
        .activities(Flaky { calls: calls.clone() });
    with_worker(&env, worker, async {
        let handle = client.start(everything, ()).id(unique("everything")).task_queue(&queue).await.unwrap();
        let log = handle.result().await.unwrap();
        let expected =
            ["attempt 3", "Some(\"Declined\") 7", "short", "true", "waited false", "380", "spawned", "true 42"];
        assert_eq!(log, expected);
    })
    .await;
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[workflow]
pub(crate) async fn cleaning(cx: WorkflowContext) -> Result<()> {
    let waited = cx
        .activity(Flaky::FOREVER, ())
        .heartbeat_timeout(Duration::from_secs(5))
        .cancellation(Cancellation::WaitCompleted);
    let failure = waited.await.unwrap_err();
    assert!(failure.is_cancelled(), "{failure}");
    let refused = cx.sleep(MOMENT).await;
    assert!(refused.is_err(), "nothing starts any more");
    cx.shielded(async { cx.activity(double, 1).await }).await?;
    Err(failure)
}

#[tokio::test]
async fn a_cancelled_workflow_cleans_up() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("cleaning"));
    let worker = Worker::new(client.clone(), &queue)
        .workflow(cleaning)
        .activity(double)
        .activities(Flaky { calls: Arc::default() });
    with_worker(&env, worker, async {
        let handle = client.start(cleaning, ()).id(unique("cleaning")).task_queue(&queue).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        handle.cancel().await.unwrap();
        let failed = handle.result().await.unwrap_err();
        assert!(failed.failure().is_some_and(Failure::is_cancelled), "{failed}");
        let history = handle.history().await.unwrap();
        assert!(
            history.events.iter().filter(|event| event.event_type().as_str_name().contains("TASK_COMPLETED")).count()
                > 2
        );
    })
    .await;
}

// Children, signals between workflows, continue-as-new.

#[workflow]
pub(crate) async fn parent(cx: WorkflowContext, prefix: String) -> Result<Vec<String>> {
    let handle = cx.child(order, ()).id(format!("{prefix}-child")).start().await?;
    handle.signal(Order::ADD_LATER, "first").await?;
    cx.sleep(MOMENT * 4).await?;
    cx.external(order, handle.id()).signal(Order::CLOSE, ()).await?;
    let receipt = handle.result().await?;
    let unreachable = cx.external(order, "nobody").signal(Order::CLOSE, ()).await;
    assert!(unreachable.is_err());
    let failed = cx.child(failing, ()).await.unwrap_err();
    let cancelled = cx.child(order, ()).id(format!("{prefix}-cancelled")).start().await?;
    cancelled.cancel();
    let stopped = cancelled.result().await.unwrap_err();
    Ok([receipt.items, vec![failed.root().message.clone(), stopped.is_cancelled().to_string()]].concat())
}

#[workflow]
async fn failing(_cx: WorkflowContext) -> Result<()> {
    Err(Failure::application("Bad", "bad luck"))
}

#[derive(Default)]
struct Total {
    points: u32,
}

#[handlers]
impl Total {
    #[query]
    fn points(&self) -> u32 {
        self.points
    }
}

const ADD_POINTS: Signal<Total, (u32,)> = Signal::new("add_points");

#[workflow]
async fn counting(cx: WorkflowContext<Total>, points: u32, rounds: u32) -> Result<u32> {
    cx.state_mut().points = points;
    let (added,) = cx.signals(ADD_POINTS).receive().await?;
    let points = points + added;
    if rounds > 1 {
        return cx.continue_as_new(counting, (points, rounds - 1)).finish();
    }
    Ok(points)
}

#[tokio::test]
async fn children_and_messages_between_workflows() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("children"));
    let worker = Worker::new(client.clone(), &queue).workflow(parent).workflow(order).workflow(failing);
    with_worker(&env, worker, async {
        let prefix = unique("parent");
        let handle = client.start(parent, prefix.clone()).id(prefix).task_queue(&queue).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), ["first", "bad luck", "true"]);
    })
    .await;
}

#[tokio::test]
async fn results_follow_continue_as_new() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("counting"));
    let worker = Worker::new(client.clone(), &queue).workflow(counting);
    with_worker(&env, worker, async {
        let handle = client.start(counting, (0, 3)).id(unique("counting")).task_queue(&queue).await.unwrap();
        for (points, sum) in [(1, 1), (20, 21), (300, 321)] {
            handle.signal(ADD_POINTS, points).await.unwrap();
            let latest = client.handle(counting, handle.id());
            while latest.query(Total::POINTS, ()).await.ok() != Some(sum) && sum < 321 {
                tokio::time::sleep(MOMENT).await;
            }
        }
        assert_eq!(handle.result().await.unwrap(), 321);
    })
    .await;
}

// Markers.

#[workflow]
pub(crate) async fn local_and_patched(cx: WorkflowContext) -> Result<Vec<u32>> {
    let first = cx.local_activity(double, 4).await?;
    let slow = cx.local_activity(slowly, 5).start();
    let both = join!(slow, cx.local_activity(double, 1));
    let patched = cx.patched("2026-11");
    cx.upsert_memo("progress", 50)?;
    cx.sleep(MOMENT).await?;
    Ok(vec![first, both.0?, both.1?, u32::from(patched), u32::from(cx.patched("2026-11"))])
}

#[activity]
async fn slowly(seconds: u32) -> u32 {
    tokio::time::sleep(Duration::from_secs(u64::from(seconds)) + MOMENT * 10).await;
    seconds
}

#[tokio::test]
async fn local_activities_outlast_a_workflow_task() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("local"));
    let worker = Worker::new(client.clone(), &queue).workflow(local_and_patched).activity(double).activity(slowly);
    with_worker(&env, worker, async {
        let handle = client.start(local_and_patched, ()).id(unique("local")).task_queue(&queue).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), [8, 5, 2, 1, 1]);
        assert_eq!(handle.describe().await.unwrap().memo::<u32>("progress").unwrap().unwrap(), 50);
    })
    .await;
}

// What the cache keeps is not needed.

#[tokio::test]
async fn without_a_cache_every_task_is_replayed() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("uncached"));
    let options = WorkerOptions::default().cached_workflows(0);
    let worker = Worker::new(client.clone(), &queue)
        .workflow(everything)
        .workflow(order)
        .activity(double)
        .activity(check)
        .activities(Flaky { calls: Arc::default() })
        .options(options);
    with_worker(&env, worker, async {
        let handle = client.start(everything, ()).id(unique("everything")).task_queue(&queue).await.unwrap();
        let ordered = client.start(order, ()).id(unique("order")).task_queue(&queue).await.unwrap();
        ordered.update(Order::ADD, "bread").await.unwrap();
        assert_eq!(ordered.update(Order::ADD_CHECKED, ("eggs".to_owned(), 6)).await.unwrap(), "6 eggs");
        ordered.update(Order::ADD, "").await.unwrap_err();
        ordered.signal(Order::CLOSE, ()).await.unwrap();
        assert_eq!(ordered.result().await.unwrap().items, ["bread", "6 eggs"]);
        assert_eq!(handle.result().await.unwrap().len(), 8);
    })
    .await;
}

// Another worker goes on.

#[tokio::test]
async fn another_worker_goes_on_with_the_state() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("two"));
    let worker = || Worker::new(client.clone(), &queue).workflow(order).activity(check);
    let handle = with_worker(&env, worker(), async {
        let handle = client.start(order, ()).id(unique("order")).task_queue(&queue).await.unwrap();
        handle.update(Order::ADD, "bread").await.unwrap();
        handle.update(Order::ADD, "").await.unwrap_err();
        handle
    });
    let handle = handle.await;
    with_worker(&env, worker(), async {
        assert_eq!(handle.query(Order::COUNT, ()).await.unwrap(), 1);
        handle.signal(Order::CLOSE, ()).await.unwrap();
        assert_eq!(handle.result().await.unwrap().items, ["bread"]);
    })
    .await;
}
