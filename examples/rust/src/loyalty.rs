//! A loyalty program: one workflow for each customer, which never ends. It begins again with a short history, and the
//! account as its argument, whenever it has seen enough.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenure_sdk::prelude::*;

pub const POINTS_FOR_A_COUPON: u32 = 100;

/// After so many purchases a run continues as new.
pub const PURCHASES_IN_A_RUN: u32 = 50;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub customer: String,
    pub points: u32,
    pub coupons: u32,
    /// In this run.
    #[serde(skip)]
    purchases: u32,
}

impl Account {
    pub fn new(customer: impl Into<String>) -> Self {
        Account { customer: customer.into(), ..Default::default() }
    }
}

#[handlers]
impl Account {
    #[signal]
    fn add_points(&mut self, points: u32) {
        self.points += points;
        self.purchases += 1;
    }

    #[query]
    fn account(&self) -> Account {
        self.clone()
    }
}

#[activity]
pub async fn send_coupon(customer: String, number: u32) {
    println!("coupon {number} for {customer}");
}

#[workflow]
pub async fn loyalty(cx: WorkflowContext<Account>, account: Account) -> Result<()> {
    *cx.state_mut() = account;
    loop {
        cx.wait_until(|it| it.points >= POINTS_FOR_A_COUPON || it.purchases >= PURCHASES_IN_A_RUN).await?;
        while cx.state().points >= POINTS_FOR_A_COUPON {
            let (customer, number) = {
                let mut account = cx.state_mut();
                account.points -= POINTS_FOR_A_COUPON;
                account.coupons += 1;
                (account.customer.clone(), account.coupons)
            };
            cx.activity(send_coupon, (customer, number)).start_to_close(Duration::from_secs(10)).await?;
        }
        let account = cx.state().clone();
        if account.purchases >= PURCHASES_IN_A_RUN {
            return cx.continue_as_new(loyalty, account).finish();
        }
    }
}

pub fn worker(client: Client, task_queue: &str) -> Worker {
    Worker::new(client, task_queue).workflow(loyalty).activity(send_coupon)
}
