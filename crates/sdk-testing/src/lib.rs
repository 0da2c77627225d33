//! Tests for workflows: a server in the process, time that skips, activities that are replaced or fail, a cluster that
//! loses its leader.
//!
//! Name this crate in `[dev-dependencies]`. It has the server below it, and with it RocksDB, which takes minutes to
//! compile, once; programs that only use `tenure-sdk` never compile it.
//!
//! ```no_run
//! use std::time::Duration;
//! use tenure_sdk::prelude::*;
//! use tenure_sdk_testing::TestEnv;
//!
//! #[activity]
//! async fn charge(customer: String, cents: u64) -> Result<u64> {
//!     Err(Failure::msg(format!("no bank to take {cents} from {customer}")))
//! }
//!
//! #[workflow]
//! async fn subscription(cx: WorkflowContext, customer: String, months: u64) -> Result<u64> {
//!     let mut paid = 0;
//!     for _ in 0..months {
//!         cx.sleep(Duration::from_secs(30 * 24 * 3600)).await?;
//!         paid += cx.activity(charge, (customer.clone(), 999)).await?;
//!     }
//!     Ok(paid)
//! }
//!
//! #[tokio::test]
//! async fn a_year_is_paid_in_full() {
//!     let env = TestEnv::start().await;
//!     let client = env.client();
//!     let worker = Worker::new(client.clone(), "billing").workflow(subscription).activity(charge);
//!     env.worker(worker)
//!         .mock(charge, |(_customer, cents)| Ok(cents))
//!         .fail(charge, 2, Failure::application("BankDown", "try again"))
//!         .start();
//!
//!     let year = client.start(subscription, ("Ann".to_owned(), 12)).id("ann").task_queue("billing").await.unwrap();
//!     assert_eq!(year.result().await.unwrap(), 12 * 999); // in well under a second
//! }
//! ```
//!
//! # What an environment does
//!
//! - Time skips while [`WorkflowHandle::result`] or [`TestEnv::sleep`] is awaited: where nothing but timers is left to
//!   wait for, it jumps to the next. Else it keeps the pace of the wall clock, so that a test may look and act in
//!   between.
//! - A workflow task that fails (a panic, code that does not do what it did before) fails what awaits a result, with
//!   the reason; a workflow does not just hang.
//! - When the environment is dropped, each workflow that its workers ran is replayed from every prefix of its history,
//!   twice. What differs fails the test: other commands, other inputs, other results. (Of a history with more than 200
//!   workflow tasks, 200 prefixes are taken.)
//!
//! An activity alone needs no environment: [`ActivityEnv`].
//!
//! With `TENURE_TEST_ADDRESS=host:port,...` in the environment, [`TestEnv::start`] uses the server there, and the same
//! tests run against it.
//!
//! [`WorkflowHandle::result`]: tenure_sdk::WorkflowHandle::result

mod background;
mod env;
mod node;
mod server;
mod time;
mod watch;
mod worker;

pub use env::{TestEnv, TestEnvBuilder};
pub use tenure_sdk::testing::ActivityEnv;
pub use worker::{TestWorker, WorkerSetup};
