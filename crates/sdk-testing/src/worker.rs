//! A worker of an environment: activities that are replaced, attempts that fail, and a death in the middle.

use crate::{background::Background, time::Time, watch::Watch};
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tenure_sdk::{ActivityContext, ActivityDefinition, Failure, IntoActivity, Replayer, Worker, testing::Observer};
use tokio::{sync::oneshot, task::JoinHandle};

/// A worker about to be started; [`TestEnv::worker`](crate::TestEnv::worker) gives it.
#[must_use = "nothing runs before `start`"]
pub struct WorkerSetup<'a> {
    pub(crate) worker: Worker,
    pub(crate) watch: Arc<Watch>,
    pub(crate) time: Time,
    pub(crate) checked: bool,
    pub(crate) attempts: BTreeMap<String, Attempts>,
    pub(crate) register: Box<dyn FnOnce(Background) + 'a>,
}

/// What is to happen to the attempts of an activity, and how many there were.
#[derive(Default)]
pub(crate) struct Attempts {
    plan: Vec<Trouble>,
    begun: usize,
}

#[derive(Clone)]
enum Trouble {
    Fails(Failure),
    TimesOut,
}

impl WorkerSetup<'_> {
    /// Runs `answer` in place of an activity: it gets the arguments as a tuple.
    ///
    /// ```no_run
    /// # use tenure_sdk::prelude::*;
    /// # #[activity] async fn charge(customer: String, cents: u64) -> u64 { cents }
    /// # fn setup(env: &tenure_sdk_testing::TestEnv, worker: Worker) {
    /// env.worker(worker)
    ///     .mock(charge, |(customer, cents)| {
    ///         if customer == "Bob" {
    ///             return Err(Failure::application("NoMoney", "Bob has none").non_retryable());
    ///         }
    ///         Ok(cents)
    ///     })
    ///     .start();
    /// # }
    /// ```
    pub fn mock<D: ActivityDefinition, G>(
        self,
        activity: impl IntoActivity<G, Activity = D>,
        answer: impl Fn(D::Args) -> Result<D::Output, Failure> + Send + Sync + 'static,
    ) -> Self
    where
        D::Output: Send,
    {
        self.mock_with(activity, move |_, args| std::future::ready(answer(args)))
    }

    /// Runs an asynchronous closure, which also gets the context, in place of an activity.
    pub fn mock_with<D: ActivityDefinition, G, F>(
        mut self,
        activity: impl IntoActivity<G, Activity = D>,
        answer: impl Fn(ActivityContext, D::Args) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<D::Output, Failure>> + Send + 'static,
    {
        self.worker = self.worker.activity_with(activity, answer);
        self
    }

    /// The next `times` attempts of an activity, of whatever call, fail without being run.
    pub fn fail<G>(self, activity: impl IntoActivity<G>, times: usize, failure: Failure) -> Self {
        self.plan(activity, times, &Trouble::Fails(failure))
    }

    /// The next `times` attempts of an activity never answer. Where time skips, it passes at once until their
    /// start-to-close or heartbeat time-out.
    pub fn time_out<G>(self, activity: impl IntoActivity<G>, times: usize) -> Self {
        self.plan(activity, times, &Trouble::TimesOut)
    }

    fn plan<G>(mut self, activity: impl IntoActivity<G>, times: usize, trouble: &Trouble) -> Self {
        let attempts = self.attempts.entry(activity.into_activity().name().to_owned()).or_default();
        attempts.plan.extend(std::iter::repeat_n(trouble.clone(), times));
        self
    }

    /// Starts the worker. It runs until [`TestWorker::stop`] or [`TestWorker::kill`], or as long as the environment.
    pub fn start(self) -> TestWorker {
        let WorkerSetup { worker, watch, time, checked, attempts, register } = self;
        let worker = worker.leniently();
        let replayer = checked.then(|| Arc::new(worker.replayer().strict()));
        let attempts = Arc::new(Mutex::new(attempts));
        let eye = Eye { watch, time, replayer, attempts: attempts.clone() };
        let worker = worker.observed(Arc::new(eye));
        let background = Background::start("test-worker");
        let (stop, stopped) = oneshot::channel();
        let running = background.handle().spawn(worker.run_until(async {
            // An error: the handle was dropped, the worker goes on.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        register(background.clone());
        TestWorker { background, stop, running, attempts }
    }
}

/// Sees what the worker does.
struct Eye {
    watch: Arc<Watch>,
    time: Time,
    replayer: Option<Arc<Replayer>>,
    attempts: Arc<Mutex<BTreeMap<String, Attempts>>>,
}

impl Observer for Eye {
    fn activity_begins(&self, cx: ActivityContext) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
        let trouble = {
            let mut all = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
            let attempts = all.entry(cx.info().activity_type.clone()).or_default();
            attempts.begun += 1;
            attempts.plan.get(attempts.begun - 1).cloned()
        };
        let time = self.time.clone();
        Box::pin(async move {
            match trouble {
                None => Ok(()),
                Some(Trouble::Fails(failure)) => Err(failure),
                Some(Trouble::TimesOut) => {
                    let info = cx.info();
                    let limit = [info.start_to_close, info.heartbeat_timeout].into_iter().flatten().min();
                    if let (Some(limit), Some(time), false) = (limit, time.skipped(), info.is_local) {
                        time.advance(limit + Duration::from_millis(1));
                    }
                    cx.cancelled().await;
                    Err(Failure::cancelled("nobody waits for it any more"))
                }
            }
        })
    }

    fn workflow_task_answered(&self, workflow_id: &str, run_id: &str) {
        if let Some(replayer) = &self.replayer {
            self.watch.saw(workflow_id, run_id, replayer);
        }
    }

    fn workflow_task_failed(&self, workflow_id: &str, _run_id: &str, message: &str) {
        self.watch.failed(workflow_id, message);
    }
}

/// A worker that runs. Dropping this changes nothing; the environment ends it.
pub struct TestWorker {
    background: Background,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), tenure_sdk::ClientError>>,
    attempts: Arc<Mutex<BTreeMap<String, Attempts>>>,
}

impl TestWorker {
    /// How many attempts of an activity have begun here.
    pub fn attempts<G>(&self, activity: impl IntoActivity<G>) -> usize {
        let all = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(activity.into_activity().name()).map_or(0, |attempts| attempts.begun)
    }

    /// Stops it as SIGTERM does: it takes nothing new, and what it has may finish.
    ///
    /// # Panics
    /// When the worker has failed.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        match self.running.await {
            Ok(result) => result.expect("the worker ran until it was stopped"),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
        self.background.end();
    }

    /// Ends it at once, as `kill -9` does: nobody hears of what it had.
    pub fn kill(self) {
        self.background.end();
    }
}
