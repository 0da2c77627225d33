//! Tasks and threads that a node cannot be without: when one dies, the process ends, and its supervisor starts it
//! again. A node that lives on with a dead part looks healthy and does half of its work.
//!
//! Tasks that serve one request are not vital: their caller hears of it, and no request may end a node.
//!
//! A task may also live on and do nothing, or fail again and again. Those of a node that come round by themselves tell each
//! time that they have [`succeeded`].

use futures::FutureExt;
use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::task::JoinHandle;

/// How long the cause of an end may take to be logged. Whoever takes the log may hang as well: a journal is on a disk, too.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Called with the cause when a vital part has died. It must not let the process go on; by default it logs the cause
/// and aborts the process.
#[derive(Clone)]
pub struct FatalHook(pub Arc<dyn Fn(&str) + Send + Sync>);

impl Default for FatalHook {
    fn default() -> Self {
        FatalHook(Arc::new(|cause| {
            within(LAST_WORDS, cause.to_owned(), |cause| {
                tracing::error!(cause, "ending the process, for it cannot do its work without this part");
            });
            std::process::abort();
        }))
    }
}

/// A task that comes round by itself, at least once a minute, has done what it is for, or found nothing to do.
pub fn succeeded(task: &'static str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("tenure_task_last_success_timestamp_seconds", "task" => task).set(now.as_secs_f64());
}

/// Says something on a thread of its own, and returns once it is said or the patience is over.
fn within(patience: Duration, cause: String, say: impl FnOnce(&str) + Send + 'static) {
    let (done, wait) = mpsc::channel::<()>();
    let thread = thread::Builder::new().name("last-words".into()).spawn(move || {
        let _done = done;
        say(&cause);
    });
    if thread.is_ok() {
        // An error either way: it is said, or it takes too long.
        let _ = wait.recv_timeout(patience);
    }
}

impl fmt::Debug for FatalHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FatalHook")
    }
}

impl FatalHook {
    /// Ends the process, for `cause`.
    pub fn report(&self, cause: &str) {
        (self.0)(cause);
    }

    /// Runs a part as a task of its own. A part that goes on for ever says so in its type, `Infallible`; one that ends
    /// with the node just returns. Aborting the task is no death.
    pub fn spawn<F>(&self, part: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(self.watch(part, future))
    }

    /// Runs a part on whatever task polls it; see [`FatalHook::spawn`].
    pub fn watch<F: Future>(&self, part: &'static str, future: F) -> impl Future<Output = F::Output> + use<F> {
        let hook = self.clone();
        async move {
            match AssertUnwindSafe(future).catch_unwind().await {
                Ok(output) => output,
                Err(panic) => hook.died(part, panic),
            }
        }
    }

    /// Runs a part on this thread.
    pub fn run<T>(&self, part: &str, run: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| self.died(part, panic))
    }

    fn died(&self, part: &str, panic: Box<dyn Any + Send>) -> ! {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        self.report(&format!("{part} panicked: {}", text.unwrap_or("no text")));
        // Only tests get here.
        resume_unwind(panic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::pending, sync::mpsc, time::Duration};

    fn hook() -> (FatalHook, mpsc::Receiver<String>) {
        let (tell, told) = mpsc::channel();
        (FatalHook(Arc::new(move |cause| tell.send(cause.to_owned()).unwrap())), told)
    }

    /// F65.
    #[tokio::test]
    async fn a_task_that_panics_is_reported_once_with_its_name_and_cause() {
        let (hook, told) = hook();
        let task = hook.spawn("compaction", async { panic!("shard {}", 7) });
        let ended: Result<(), _> = task.await;
        assert!(ended.unwrap_err().is_panic());
        assert_eq!(told.recv().unwrap(), "compaction panicked: shard 7");
        drop(hook);
        assert!(told.recv().is_err());
    }

    /// F57: a log that nobody takes does not keep the process.
    #[test]
    fn last_words_are_said_or_given_up() {
        let (tell, told) = mpsc::channel();
        within(Duration::from_secs(10), "disk".into(), move |cause| tell.send(cause.to_owned()).unwrap());
        assert_eq!(told.try_recv().unwrap(), "disk");
        let (release, wait) = mpsc::channel::<()>();
        within(Duration::from_millis(1), "disk".into(), move |_| _ = wait.recv());
        drop(release);
    }

    /// F65.
    #[test]
    fn a_thread_that_panics_is_reported() {
        let (hook, told) = hook();
        let thread = std::thread::spawn(move || hook.run("log writer", || panic!("disk")));
        assert!(thread.join().is_err());
        assert_eq!(told.recv().unwrap(), "log writer panicked: disk");
    }

    #[tokio::test]
    async fn what_returns_or_is_aborted_is_not_reported() {
        let (hook, told) = hook();
        assert_eq!(hook.spawn("answer", async { 42 }).await.unwrap(), 42);
        let endless = hook.spawn("balance", pending::<std::convert::Infallible>());
        endless.abort();
        assert!(endless.await.unwrap_err().is_cancelled());
        assert_eq!(hook.run("write", || 1), 1);
        assert!(told.recv_timeout(Duration::from_millis(1)).is_err());
    }

    /// A test that fails takes its runtime with it, and the tasks there are not to blame.
    #[test]
    fn a_panic_elsewhere_is_not_reported() {
        let (hook, told) = hook();
        let failing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _enter = runtime.enter();
            let _task = hook.spawn("liveness", pending::<std::convert::Infallible>());
            panic!("an assertion");
        });
        assert!(failing.join().is_err());
        assert!(told.recv().is_err());
    }
}
