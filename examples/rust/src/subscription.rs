//! A subscription: charges every 30 days until the customer has enough.

use std::time::Duration;
use tenure_sdk::prelude::*;

pub const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Default)]
pub struct Subscription {
    cents: u64,
    charges: u32,
    ended: bool,
}

#[handlers]
impl Subscription {
    #[signal]
    fn end(&mut self) {
        self.ended = true;
    }

    /// How many charges there have been.
    #[query]
    fn charges(&self) -> u32 {
        self.charges
    }

    /// Takes effect with the next charge; gives the amount so far.
    #[update(validate = check_amount)]
    fn change_amount(&mut self, cents: u64) -> u64 {
        std::mem::replace(&mut self.cents, cents)
    }

    fn check_amount(&self, cents: &u64) -> Result<()> {
        if *cents == 0 {
            return Err(Failure::application("InvalidAmount", "nothing is for free"));
        }
        Ok(())
    }
}

#[activity]
pub async fn charge(customer: String, cents: u64) -> u64 {
    println!("{customer} pays {cents} cents");
    cents
}

/// Gives what the customer has paid in all, in cents.
#[workflow]
pub async fn subscription(cx: WorkflowContext<Subscription>, customer: String, cents: u64) -> Result<u64> {
    cx.state_mut().cents = cents;
    let mut paid = 0;
    loop {
        let cents = cx.state().cents;
        paid += cx.activity(charge, (customer.clone(), cents)).start_to_close(Duration::from_secs(10)).await?;
        cx.state_mut().charges += 1;
        if cx.wait_until(|it| it.ended).timeout(MONTH).await? {
            return Ok(paid);
        }
    }
}

pub fn worker(client: Client, task_queue: &str) -> Worker {
    Worker::new(client, task_queue).workflow(subscription).activity(charge)
}
