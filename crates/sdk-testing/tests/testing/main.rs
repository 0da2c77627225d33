//! Test environments, as the tests of an application use them. One binary: each has a server in it.

mod activities;
mod bad_days;
mod batches;
mod cluster;
mod determinism;
mod dynamic;
mod features;
mod histories;
mod interceptors;
mod lists;
mod schedules;
mod storms;
mod summaries;
mod time;

use std::time::Duration;
use tenure_sdk::prelude::*;
use tenure_sdk_testing::TestEnv;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

#[activity]
async fn charge(customer: String, cents: u64) -> Result<u64> {
    Err(Failure::msg(format!("no bank to take {cents} from {customer}")))
}

#[derive(Default)]
struct Subscription {
    charges: u32,
    ended: bool,
}

#[handlers]
impl Subscription {
    #[signal]
    fn end(&mut self) {
        self.ended = true;
    }

    #[query]
    fn charges(&self) -> u32 {
        self.charges
    }
}

/// Charges every 30 days, `months` times at most.
#[workflow]
async fn subscription(cx: WorkflowContext<Subscription>, customer: String, months: u32) -> Result<u64> {
    let mut paid = 0;
    for _ in 0..months {
        if cx.wait_until(|it| it.ended).timeout(30 * DAY).await? {
            break;
        }
        paid += cx.activity(charge, (customer.clone(), 999)).start_to_close(Duration::from_secs(60)).await?;
        cx.state_mut().charges += 1;
    }
    Ok(paid)
}

/// A queue or workflow id of this test alone: the server may be somebody else's.
fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4())
}

/// Runs a worker beside a part of a test.
async fn with_worker<T>(env: &TestEnv, worker: Worker, part: impl Future<Output = T>) -> T {
    let worker = env.run(worker);
    let value = tokio::time::timeout(Duration::from_secs(60), part).await.expect("the test ends in time");
    worker.stop().await;
    value
}
