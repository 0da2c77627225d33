//! Workers as they run in production: they drain, keep within bounds, and give up what does not end.

use crate::common::{Server, unique, with_worker};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_api::history::v1::{HistoryEvent, history_event::Attributes};
use tenure_sdk::{WorkflowHandle, prelude::*};

const SECOND: Duration = Duration::from_secs(1);

/// Calls of one activity or workflow, as one test sees them.
#[derive(Clone, Default)]
struct Calls {
    begun: Arc<AtomicU32>,
    told_to_stop: Arc<AtomicU32>,
}

impl Calls {
    async fn until_begun(&self, times: u32) {
        while self.begun.load(Ordering::SeqCst) < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[activities]
impl Calls {
    #[activity]
    async fn nap(&self, millis: u64) -> u32 {
        let call = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        call
    }

    /// Ends when it is told to, in its first attempt.
    #[activity]
    async fn wait(&self, cx: ActivityContext) -> Result<u32> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if cx.info().attempt > 1 {
            return Ok(cx.info().attempt);
        }
        cx.cancelled().await;
        self.told_to_stop.fetch_add(1, Ordering::SeqCst);
        Err(Failure::cancelled("told to stop"))
    }

    /// Never ends in its first attempt.
    #[activity]
    async fn hang(&self, cx: ActivityContext) -> u32 {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if cx.info().attempt == 1 {
            std::future::pending::<()>().await;
        }
        cx.info().attempt
    }
}

#[workflow]
async fn napping(cx: WorkflowContext, millis: u64) -> Result<u32> {
    cx.activity(Calls::NAP, millis).await
}

#[workflow]
async fn waiting(cx: WorkflowContext) -> Result<u32> {
    let quickly = RetryPolicy::default().initial_interval(Duration::from_millis(50));
    cx.activity(Calls::WAIT, ()).start_to_close(30 * SECOND).retry(quickly).await
}

#[workflow]
async fn hanging(cx: WorkflowContext, limit: Duration) -> Result<u32> {
    let quickly = RetryPolicy::default().initial_interval(Duration::from_millis(50));
    cx.activity(Calls::HANG, ()).start_to_close(limit).retry(quickly).await
}

fn worker(client: &Client, queue: &str, calls: &Calls, options: WorkerOptions) -> Worker {
    let worker = Worker::new(client.clone(), queue).activities(calls.clone()).options(options);
    worker.workflow(napping).workflow(waiting).workflow(hanging)
}

#[tokio::test]
async fn a_stopped_worker_finishes_what_it_has_begun() {
    let Some(server) = Server::start().await else { return };
    let (client, queue, calls) = (server.client().await, unique("drain"), Calls::default());
    let worker = worker(&client, &queue, &calls, WorkerOptions::default());
    let handle = with_worker(worker, async {
        let handle = client.start(napping, 700).id(unique("napping")).task_queue(&queue).await.unwrap();
        calls.until_begun(1).await;
        handle
    });
    let handle = handle.await;
    // The worker is gone, and the activity's result is there.
    let completed =
        |event: &HistoryEvent| matches!(event.attributes, Some(Attributes::ActivityTaskCompletedEventAttributes(_)));
    assert!(handle.history().await.unwrap().events.iter().any(completed));
}

#[tokio::test]
async fn after_the_grace_time_activities_are_cancelled_and_go_on_elsewhere() {
    let Some(server) = Server::start().await else { return };
    let (client, queue, calls) = (server.client().await, unique("grace"), Calls::default());
    let options = WorkerOptions::default().grace(Duration::from_millis(300));
    let handle = with_worker(worker(&client, &queue, &calls, options.clone()), async {
        let handle = client.start(waiting, ()).id(unique("waiting")).task_queue(&queue).await.unwrap();
        calls.until_begun(1).await;
        handle
    });
    let handle = handle.await;
    assert_eq!(calls.told_to_stop.load(Ordering::SeqCst), 1);
    let attempt = with_worker(worker(&client, &queue, &calls, options), async { handle.result().await.unwrap() });
    assert_eq!(attempt.await, 2);
}

#[tokio::test]
async fn an_activity_that_does_not_end_in_its_time_loses_its_slot() {
    let Some(server) = Server::start().await else { return };
    let (client, queue, calls) = (server.client().await, unique("hanging"), Calls::default());
    let grace = Duration::from_millis(300);
    let options = WorkerOptions::default().activity_slots(1).grace(grace);
    with_worker(worker(&client, &queue, &calls, options), async {
        let handle = client.start(hanging, SECOND).id(unique("hanging")).task_queue(&queue).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn activities_are_begun_at_a_rate() {
    let Some(server) = Server::start().await else { return };
    let (client, queue, calls) = (server.client().await, unique("rate"), Calls::default());
    let options = WorkerOptions::default().activities_per_second(10.0);
    with_worker(worker(&client, &queue, &calls, options), async {
        let mut handles = Vec::new();
        let began = Instant::now();
        for _ in 0..16 {
            handles.push(client.start(napping, 0).id(unique("napping")).task_queue(&queue).await.unwrap());
        }
        for handle in handles {
            handle.result().await.unwrap();
        }
        let (took, least) = (began.elapsed(), Duration::from_millis(1_400));
        assert!(took >= least, "16 activities took {took:?}");
    })
    .await;
}

#[tokio::test]
async fn small_activities_come_along_with_the_answer() {
    let Some(server) = Server::start().await else { return };
    let recorder = recorder();
    let (client, queue, calls) = (server.client().await, unique("eager"), Calls::default());
    with_worker(worker(&client, &queue, &calls, WorkerOptions::default()), async {
        for _ in 0..3 {
            let handle = client.start(napping, 0).id(unique("napping")).task_queue(&queue).await.unwrap();
            handle.result().await.unwrap();
        }
    })
    .await;
    assert_eq!(calls.begun.load(Ordering::SeqCst), 3);
    assert_eq!(recorder.count("temporal_activity_task_received", &queue), 0, "no poll was needed");
    assert_eq!(recorder.count("temporal_workflow_completed", &queue), 3);
}

// What is in the cache.

static RUNS: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

#[derive(Default)]
struct Gate {
    open: bool,
}

#[handlers]
impl Gate {
    #[signal]
    fn open(&mut self) {
        self.open = true;
    }
}

#[workflow]
async fn gated(cx: WorkflowContext<Gate>) -> Result<()> {
    // Not what a workflow should do: it counts how often its code is run from the start.
    *RUNS.lock().unwrap().get_or_insert_default().entry(cx.info().workflow_id.clone()).or_default() += 1;
    cx.wait_until(|gate| gate.open).await
}

/// How often each of eight workflows was run from the start, one signal each, with a cache of so many.
async fn runs_with_a_cache_of(cached_workflows: usize) -> Option<u32> {
    let server = Server::start().await?;
    let (client, queue) = (server.client().await, unique("cache"));
    let options = WorkerOptions::default().cached_workflows(cached_workflows).workflow_threads(1).not_strict();
    let worker = Worker::new(client.clone(), &queue).workflow(gated).options(options);
    let runs = with_worker(worker, async {
        let mut handles: Vec<WorkflowHandle<_>> = Vec::new();
        for _ in 0..8 {
            let handle = client.start(gated, ()).id(unique("gated")).task_queue(&queue).await.unwrap();
            while !RUNS.lock().unwrap().get_or_insert_default().contains_key(handle.id()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            handles.push(handle);
        }
        for handle in &handles {
            handle.signal(Gate::OPEN, ()).await.unwrap();
            handle.result().await.unwrap();
        }
        let runs = RUNS.lock().unwrap();
        handles.iter().map(|handle| runs.as_ref().unwrap()[handle.id()]).sum::<u32>()
    });
    Some(runs.await)
}

#[tokio::test]
async fn what_the_cache_has_no_room_for_is_replayed() {
    let Some(all) = runs_with_a_cache_of(100).await else { return };
    assert_eq!(all, 8, "all of them were kept");
    let few = runs_with_a_cache_of(3).await.unwrap();
    assert!((13..=16).contains(&few), "five or more of eight had to go, {few} runs");
}

// Local activities beside others.

#[workflow]
async fn mixed(cx: WorkflowContext) -> Result<u32> {
    let (slow, quick) = join!(cx.local_activity(Calls::NAP, 3_000), cx.activity(Calls::NAP, 0));
    Ok(slow? + quick?)
}

#[tokio::test]
async fn nobody_waits_for_a_local_activity_but_who_asked() {
    let Some(server) = Server::start().await else { return };
    let (client, queue) = (server.client().await, unique("mixed"));
    let worker = Worker::new(client.clone(), &queue).activities(Calls::default()).workflow(mixed);
    with_worker(worker, async {
        let handle = client.start(mixed, ()).id(unique("mixed")).task_queue(&queue).await.unwrap();
        handle.result().await.unwrap();
        let events = handle.history().await.unwrap().events;
        let time = |of: fn(&Attributes) -> bool| {
            let event = events.iter().find(|event| event.attributes.as_ref().is_some_and(of)).unwrap();
            std::time::SystemTime::try_from(event.event_time.unwrap()).unwrap()
        };
        let started = time(|it| matches!(it, Attributes::WorkflowExecutionStartedEventAttributes(_)));
        let scheduled = time(|it| matches!(it, Attributes::ActivityTaskScheduledEventAttributes(_)));
        let marked = time(|it| matches!(it, Attributes::MarkerRecordedEventAttributes(_)));
        let (waited, took) = (scheduled.duration_since(started).unwrap(), marked.duration_since(started).unwrap());
        assert!(waited < 2 * SECOND && took >= 3 * SECOND, "scheduled after {waited:?}, marked after {took:?}");
    })
    .await;
}

// A recorder of counters, by name and task queue.

#[derive(Default)]
struct Recorder {
    counters: Mutex<HashMap<(String, String), Arc<AtomicU64>>>,
}

fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<&'static Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder: &'static Recorder = Box::leak(Box::default());
        metrics::set_global_recorder(recorder).unwrap_or_else(|_| panic!("there is another recorder"));
        recorder
    })
}

impl Recorder {
    fn count(&self, name: &str, task_queue: &str) -> u64 {
        let counters = self.counters.lock().unwrap();
        let counter = counters.get(&(name.to_owned(), task_queue.to_owned()));
        counter.expect("it is counted").load(Ordering::SeqCst)
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        let queue = key.labels().find(|label| label.key() == "task_queue").map_or("", |label| label.value());
        let mut counters = self.counters.lock().unwrap();
        let counter = counters.entry((key.name().to_owned(), queue.to_owned())).or_default();
        metrics::Counter::from_arc(counter.clone())
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}
