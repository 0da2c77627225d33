//! What goes wrong on a bad day, and that it harms nothing else. `TENURE_TEST_ADDRESS` may name any server that speaks
//! the API.

use crate::{unique, with_worker};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tenure_sdk::prelude::*;
use tenure_sdk_testing::TestEnv;

#[derive(Default)]
struct Account {
    done: bool,
}

#[handlers]
impl Account {
    #[update(validate = check)]
    fn pay(&mut self, cents: u32) -> u32 {
        cents
    }

    fn check(&self, cents: &u32) -> Result<()> {
        assert!(*cents > 0, "not for nothing");
        Ok(())
    }

    #[signal]
    fn close(&mut self) {
        self.done = true;
    }
}

#[workflow]
async fn account(cx: WorkflowContext<Account>) -> Result<()> {
    cx.wait_until(|it| it.done).await
}

#[tokio::test]
async fn a_validator_that_panics_rejects_the_update() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("validator"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(account), async {
        let handle = client.start(account, ()).id(&queue).task_queue(&queue).await.unwrap();
        let rejected = handle.update(Account::PAY, 0u32).await.unwrap_err();
        let failure = rejected.failure().expect("it was rejected");
        assert_eq!(failure.application_type(), Some("Panic"));
        assert!(failure.message.contains("not for nothing"), "{failure}");
        assert_eq!(handle.update(Account::PAY, 1u32).await.unwrap(), 1);
        handle.signal(Account::CLOSE, ()).await.unwrap();
        handle.result().await.unwrap();
    })
    .await;
}

#[derive(Default)]
struct Meeting {
    over: bool,
}

#[handlers]
impl Meeting {
    #[signal]
    fn end(&mut self) {
        self.over = true;
    }

    #[update]
    async fn minutes(cx: WorkflowContext<Self>) -> Result<String> {
        cx.wait_until(|it| it.over).await?;
        Ok("done".to_owned())
    }

    #[update]
    async fn minutes_later(cx: WorkflowContext<Self>) -> Result<String> {
        cx.wait_until(|it| it.over).await?;
        cx.sleep(Duration::from_secs(1)).await?;
        Ok("done later".to_owned())
    }
}

#[workflow]
async fn meeting(cx: WorkflowContext<Meeting>, patient: bool) -> Result<()> {
    cx.wait_until(|it| it.over).await?;
    if patient {
        cx.wait_until(|_| cx.all_handlers_finished()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_update_that_is_ready_when_the_workflow_returns_is_answered() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("meeting"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(meeting), async {
        let handle = client.start(meeting, false).id(&queue).task_queue(&queue).await.unwrap();
        let minutes = handle.start_update(Meeting::MINUTES, (), "minutes").await.unwrap();
        handle.signal(Meeting::END, ()).await.unwrap();
        assert_eq!(minutes.result().await.unwrap(), "done");
        // Whoever knows its id can ask, as often as need be.
        let elsewhere = client.handle(meeting, &queue).update_handle(Meeting::MINUTES, "minutes");
        assert_eq!(elsewhere.result().await.unwrap(), "done");
        assert_eq!(elsewhere.result().await.unwrap(), "done");
        handle.result().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_workflow_can_wait_for_its_handlers() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("patient"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(meeting), async {
        let handle = client.start(meeting, true).id(&queue).task_queue(&queue).await.unwrap();
        let minutes = handle.start_update(Meeting::MINUTES_LATER, (), "minutes").await.unwrap();
        handle.signal(Meeting::END, ()).await.unwrap();
        handle.result().await.unwrap();
        assert_eq!(minutes.result().await.unwrap(), "done later");
    })
    .await;
}

/// Lines of log that the SDK writes in this process, of all tests.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn keep_the_log() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let log = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO).with_writer(|| Log);
        log.init();
    });
}

/// The lines that tell of `what`.
fn lines_about(what: &str) -> Vec<String> {
    let log = String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned();
    log.lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
}

/// When a workflow's code began to run.
struct Runs(Mutex<Vec<Instant>>);

impl Runs {
    const fn new() -> Self {
        Runs(Mutex::new(Vec::new()))
    }

    fn add(&self) {
        self.0.lock().unwrap().push(Instant::now());
    }

    /// The pauses between the first runs, when there were as many.
    async fn pauses(&self, pauses: usize) -> Vec<Duration> {
        loop {
            let runs = self.0.lock().unwrap().clone();
            if runs.len() > pauses {
                return runs.windows(2).take(pauses).map(|two| two[1] - two[0]).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

static RUNS: Runs = Runs::new();

#[workflow]
async fn broken(_cx: WorkflowContext) -> Result<u64> {
    RUNS.add();
    let values: Vec<u64> = Vec::new();
    Ok(values[std::hint::black_box(0)])
}

#[tokio::test]
async fn a_workflow_that_panics_is_tried_again_with_growing_pauses() {
    keep_the_log();
    let env = TestEnv::builder().task_failures(true).replays(false).time_skipping(false).start().await;
    let (client, queue) = (env.client(), unique("broken"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(broken), async {
        let handle = client.start(broken, ()).id(&queue).task_queue(&queue).await.unwrap();
        // At 0 s, 1 s and 3 s, or later when the machine is busy.
        let pauses = RUNS.pauses(2).await;
        assert!(pauses[0] > Duration::from_millis(900) && pauses[1] > Duration::from_millis(1_800), "{pauses:?}");
        let lines: Vec<_> = lines_about(&queue).into_iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("index out of bounds") && lines[0].contains("broken"), "{lines:#?}");
        handle.terminate("the test ends").await.unwrap();
    })
    .await;
}

#[activity]
async fn ping() {}

static GREEDY_RUNS: Runs = Runs::new();

#[workflow]
async fn greedy(cx: WorkflowContext) -> Result<()> {
    GREEDY_RUNS.add();
    // Two of one id: no server takes that.
    let (first, second) = (cx.activity(ping, ()).id("same").start(), cx.activity(ping, ()).id("same").start());
    first.await?;
    second.await
}

#[tokio::test]
async fn a_task_whose_answer_is_refused_is_tried_again_with_growing_pauses() {
    keep_the_log();
    let env = TestEnv::builder().task_failures(true).replays(false).time_skipping(false).start().await;
    let (client, queue) = (env.client(), unique("greedy"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(greedy).activity(ping), async {
        let handle = client.start(greedy, ()).id(&queue).task_queue(&queue).await.unwrap();
        // The second attempt may be here before the refusal of the first one is.
        let pauses = GREEDY_RUNS.pauses(2).await;
        assert!(pauses[1] > Duration::from_millis(1_800), "{pauses:?}");
        let _ = handle.terminate("the test ends").await;
    })
    .await;
}

mod orders {
    use tenure_sdk::prelude::*;

    #[activity]
    pub(super) async fn charge(cents: u64) -> u64 {
        cents
    }

    #[workflow(name = "twice")]
    pub(super) async fn order(_cx: WorkflowContext) -> Result<()> {
        Ok(())
    }
}

mod refunds {
    use tenure_sdk::prelude::*;

    #[activity]
    pub(super) async fn charge(cents: u64) -> u64 {
        cents
    }

    #[workflow(name = "twice")]
    pub(super) async fn refund(_cx: WorkflowContext) -> Result<()> {
        Ok(())
    }

    pub(super) struct Refunds;

    #[activities]
    impl Refunds {
        #[activity]
        async fn charge(&self, cents: u64) -> u64 {
            cents
        }
    }
}

#[tokio::test]
async fn a_name_is_registered_once() {
    let env = TestEnv::start().await;
    let message = |register: &dyn Fn(Worker) -> Worker| {
        let worker = Worker::new(env.client(), "names");
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(register(worker))));
        *refused.expect_err("it is refused").downcast::<String>().unwrap()
    };
    let activities = message(&|it| it.activity(orders::charge).activity(refunds::charge));
    assert!(
        activities.contains("orders::charge and ") && activities.contains("refunds::charge are both"),
        "{activities}"
    );
    let methods = message(&|it| it.activity(orders::charge).activities(refunds::Refunds));
    assert!(methods.contains("Refunds are both the activity \"charge\""), "{methods}");
    let workflows = message(&|it| it.workflow(orders::order).workflow(refunds::refund));
    assert!(workflows.contains("both the workflow \"twice\""), "{workflows}");
}

/// The others are done.
static RELEASED: AtomicBool = AtomicBool::new(false);

#[workflow]
async fn blocking(cx: WorkflowContext) -> Result<()> {
    cx.sleep(Duration::from_millis(1)).await?;
    let began = Instant::now();
    while !RELEASED.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[workflow]
async fn steps(cx: WorkflowContext) -> Result<u32> {
    let mut done = 0;
    for _ in 0..5 {
        cx.activity(ping, ()).await?;
        done += 1;
    }
    Ok(done)
}

#[tokio::test]
async fn a_workflow_that_blocks_its_thread_is_named_and_the_others_go_on() {
    keep_the_log();
    let env = TestEnv::builder().task_failures(true).time_skipping(false).start().await;
    let (client, queue) = (env.client(), unique("blocking"));
    let options = WorkerOptions::default().workflow_threads(1);
    let worker = Worker::new(client.clone(), &queue).workflow(blocking).workflow(steps).activity(ping).options(options);
    // Whatever other tests of this process do on their threads.
    let about = |what: &str| lines_about(&queue).into_iter().filter(|line| line.contains(what)).collect::<Vec<_>>();
    with_worker(&env, worker, async {
        let blocked = client.start(blocking, ()).id(&queue).task_queue(&queue).await.unwrap();
        while about("without coming to an").is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let others: Vec<_> = (0..3).map(|_| client.start(steps, ()).id(unique("steps")).task_queue(&queue)).collect();
        for other in others {
            assert_eq!(other.await.unwrap().result().await.unwrap(), 5);
        }
        RELEASED.store(true, Ordering::Relaxed);
        // Its answer counts, or, if it came too late, that of the next attempt.
        blocked.result().await.unwrap();
    })
    .await;
    let line = about("without coming to an").remove(0);
    assert!(line.contains("workflow_type=\"blocking\"") && line.contains("workflows-0"), "{line}");
}

#[derive(Debug, thiserror::Error, ApplicationError)]
enum PaymentError {
    #[error("declined")]
    #[failure(non_retryable)]
    Declined,
}

#[activity]
async fn decline() -> Result<(), PaymentError> {
    Err(PaymentError::Declined)
}

#[activity]
async fn flounder() -> anyhow::Result<()> {
    Err(anyhow::anyhow!("no signal").context("the shop does not answer"))
}

#[workflow]
async fn ordering(cx: WorkflowContext) -> anyhow::Result<Vec<String>> {
    let declined = cx.activity(decline, ()).await.expect_err("it is declined");
    let once = RetryPolicy::default().maximum_attempts(1);
    let silent = cx.activity(flounder, ()).retry(once).await.expect_err("nobody answers");
    cx.sleep(Duration::from_millis(1)).await?;
    Ok(vec![declined.application_type().unwrap_or_default().to_owned(), silent.to_string()])
}

#[tokio::test]
async fn errors_of_ones_own_keep_their_type_and_retryability() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("errors"));
    let worker = Worker::new(client.clone(), &queue).workflow(ordering).activity(decline).activity(flounder);
    with_worker(&env, worker, async {
        let handle = client.start(ordering, ()).id(&queue).task_queue(&queue).await.unwrap();
        let silent = "activity flounder failed: the shop does not answer: no signal";
        assert_eq!(handle.result().await.unwrap(), ["Declined", silent]);
    })
    .await;
}

#[activity]
fn stumble() -> Result<()> {
    tracing::info!("it begins");
    Err(Failure::application("Stumbled", "over a stone"))
}

#[workflow]
async fn stumbling(cx: WorkflowContext) -> Result<()> {
    let twice = RetryPolicy::default().maximum_attempts(2).initial_interval(Duration::from_millis(1));
    let normal = cx.activity(stumble, ()).retry(twice).await.expect_err("it stumbles");
    let once = RetryPolicy::default().maximum_attempts(1);
    cx.local_activity(stumble, ()).retry(once).await.expect_err("it stumbles");
    Err(normal)
}

#[tokio::test]
async fn what_fails_is_in_the_log_with_type_ids_and_attempt() {
    keep_the_log();
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("stumbling"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(stumbling).activity(stumble), async {
        let handle = client.start(stumbling, ()).id(&queue).task_queue(&queue).await.unwrap();
        handle.result().await.unwrap_err();
        let about = lines_about(&queue);
        let lines = |what: &str| about.iter().filter(|line| line.contains(what)).cloned().collect::<Vec<_>>();
        let failures = lines("the activity fails: over a stone");
        assert_eq!(failures.len(), 3, "{about:#?}");
        assert!(
            failures[1].contains("activity_type=\"stumble\"") && failures[1].contains("attempt=2"),
            "{failures:#?}"
        );
        // What the activity says itself has the ids, too.
        assert_eq!(lines("it begins").len(), 3, "{about:#?}");
        assert_eq!(lines("the workflow fails: activity stumble failed: over a stone").len(), 1, "{about:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_can_do_nothing_says_why() {
    let env = TestEnv::start().await;
    let idle = Worker::new(env.client(), "idle").run().await.unwrap_err();
    assert!(idle.to_string().contains("neither workflows nor activities"), "{idle}");
    let elsewhere = Client::builder(env.addresses().await).namespace(unique("nowhere")).connect().await;
    let lost = match elsewhere {
        Ok(client) => {
            let running = Worker::new(client, "lost").workflow(account).run();
            tokio::time::timeout(Duration::from_secs(30), running).await.expect("it ends").unwrap_err()
        }
        Err(error) => error,
    };
    assert!(lost.is_namespace_not_found(), "{lost}");
}

/// More than servers take in one message.
fn large() -> String {
    "x".repeat(5 << 20)
}

#[activity]
async fn enlarge() -> String {
    large()
}

#[workflow]
async fn enlarging(cx: WorkflowContext, text: String) -> Result<String> {
    drop(text);
    let failure = cx.activity(enlarge, ()).await.expect_err("it is too large");
    Ok(failure.to_string())
}

#[workflow]
async fn boasting(_cx: WorkflowContext) -> Result<String> {
    Ok(large())
}

#[tokio::test]
async fn what_is_too_large_fails_what_made_it_by_name() {
    keep_the_log();
    let env = TestEnv::builder().task_failures(true).replays(false).start().await;
    let (client, queue) = (env.client(), unique("large"));
    let worker = Worker::new(client.clone(), &queue).workflow(enlarging).workflow(boasting).activity(enlarge);
    with_worker(&env, worker, async {
        let began = std::time::Instant::now();
        let refused = client.start(enlarging, large()).id(unique("large")).task_queue(&queue).await.unwrap_err();
        assert!(refused.is_too_large() && !refused.is_unreachable(), "{refused}");
        assert!(began.elapsed() < Duration::from_secs(5), "it was tried on");
        let handle = client.start(enlarging, "small").id(unique("large")).task_queue(&queue).await.unwrap();
        let said = handle.result().await.unwrap();
        assert!(said.contains("what activity \"enlarge\" gave has 5242882 bytes"), "{said}");
        let id = unique("boasting");
        let handle = client.start(boasting, ()).id(&id).task_queue(&queue).await.unwrap();
        let lines = || lines_about(&id).into_iter().filter(|line| line.contains("the largest part is")).count();
        while lines() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It waits for better code.
        assert_eq!(handle.describe().await.unwrap().status, tenure_sdk::WorkflowExecutionStatus::Running);
        handle.terminate("the test ends").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn how_a_workflow_ended_is_told_apart() {
    let env = TestEnv::start().await;
    let (client, queue) = (env.client(), unique("ends"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(account), async {
        let start = || client.start(account, ()).id(unique("ends")).task_queue(&queue);
        let cancelled = start().await.unwrap();
        cancelled.cancel().await.unwrap();
        let error = cancelled.result().await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_terminated() && !error.is_timed_out(), "{error}");
        let terminated = start().await.unwrap();
        terminated.terminate("enough").await.unwrap();
        let error = terminated.result().await.unwrap_err();
        assert!(error.is_terminated() && !error.is_cancelled() && !error.is_timed_out(), "{error}");
        let late = start().run_timeout(Duration::from_secs(1)).await.unwrap();
        let error = late.result().await.unwrap_err();
        assert!(error.is_timed_out() && !error.is_cancelled() && !error.is_terminated(), "{error}");
    })
    .await;
}

static TOKEN: Mutex<Option<Vec<u8>>> = Mutex::new(None);

#[activity]
async fn ask_a_person(cx: ActivityContext) -> Result<String> {
    *TOKEN.lock().unwrap() = Some(cx.info().task_token.clone());
    Err(cx.complete_elsewhere())
}

#[workflow]
async fn asking(cx: WorkflowContext) -> Result<(String, bool)> {
    let answer = cx.activity(ask_a_person, ()).id("first").await?;
    let asked = cx.activity(ask_a_person, ()).id("second").cancellation(Cancellation::WaitCompleted).start();
    cx.sleep(Duration::from_millis(1)).await?;
    asked.cancel();
    Ok((answer, asked.await.is_err_and(|failure| failure.is_cancelled())))
}

#[tokio::test]
async fn an_activity_is_finished_from_elsewhere() {
    let env = TestEnv::builder().time_skipping(false).start().await;
    let (client, queue) = (env.client(), unique("asking"));
    with_worker(&env, Worker::new(client.clone(), &queue).workflow(asking).activity(ask_a_person), async {
        let handle = client.start(asking, ()).id(&queue).task_queue(&queue).await.unwrap();
        let token = loop {
            if let Some(token) = TOKEN.lock().unwrap().take() {
                break token;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let by_token = client.async_activity(token);
        assert!(!by_token.heartbeat("half".to_owned()).await.unwrap().cancel_requested);
        by_token.complete("yes".to_owned()).await.unwrap();
        assert!(by_token.complete("twice".to_owned()).await.unwrap_err().is_not_found());
        let by_id = client.async_activity_of(&queue, "second");
        while !by_id.heartbeat("half".to_owned()).await.is_ok_and(|answer| answer.cancel_requested) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        by_id.report_cancelled().await.unwrap();
        assert_eq!(handle.result().await.unwrap(), ("yes".to_owned(), true));
    })
    .await;
}
