//! Tasks and threads that a node cannot be without: when one dies, the process ends, and its supervisor starts it
//! again. A node that lives on with a dead part looks healthy and does half of its work.
//!
//! Tasks that serve one request are not vital: their caller hears of it, and no request may end a node.

use futures::FutureExt;
use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};
use tokio::task::JoinHandle;

/// Called with the cause when a vital part has died. It must not let the process go on; by default it logs the cause
/// and aborts the process.
#[derive(Clone)]
pub struct FatalHook(pub Arc<dyn Fn(&str) + Send + Sync>);

impl Default for FatalHook {
    fn default() -> Self {
        FatalHook(Arc::new(|cause| {
            tracing::error!(cause, "ending the process, for it cannot do its work without this part");
            std::process::abort();
        }))
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
