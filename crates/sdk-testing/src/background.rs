//! Threads of their own for what must not depend on the test's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that can be ended from anywhere; what runs in it then stops as in a crash.
#[derive(Clone)]
pub(crate) struct Background {
    handle: Handle,
    threads: Arc<Threads>,
}

struct Threads(Mutex<Option<Runtime>>);

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime must not just be dropped where async code runs.
        if let Some(runtime) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

/// How long to wait for calls that block.
const BLOCKED: Duration = Duration::from_secs(5);

impl Background {
    pub(crate) fn start(name: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build();
        let runtime = runtime.expect("threads can be started");
        Background { handle: runtime.handle().clone(), threads: Arc::new(Threads(Mutex::new(Some(runtime)))) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future there and waits for it here.
    pub(crate) async fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        match self.handle.spawn(future).await {
            Ok(value) => value,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Ends everything in it, and waits until that is so. Blocks; not for its own threads.
    pub(crate) fn end(&self) {
        let runtime = self.threads.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            // Nor may it be waited for there.
            let ended = std::thread::spawn(move || runtime.shutdown_timeout(BLOCKED)).join();
            ended.expect("a runtime ends");
        }
    }
}
