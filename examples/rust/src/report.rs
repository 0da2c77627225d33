//! A report on a cron schedule: every run gets the result of the one before.

use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tenure_sdk::prelude::*;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub number: u32,
    pub orders: u32,
    /// Of all reports so far.
    pub total: u32,
}

#[workflow]
pub async fn daily_report(cx: WorkflowContext, shop: String) -> Result<Report> {
    let last: Report = cx.last_result().unwrap_or_default();
    let orders = cx.activity(Office::COUNT_ORDERS, shop).start_to_close(Duration::from_secs(60)).await?;
    let report = Report { number: last.number + 1, orders, total: last.total + orders };
    cx.activity(Office::SEND, report.clone()).start_to_close(Duration::from_secs(60)).await?;
    Ok(report)
}

#[derive(Clone, Default)]
pub struct Office {
    sent: Arc<Mutex<Vec<Report>>>,
}

#[activities]
impl Office {
    #[activity]
    async fn count_orders(&self, shop: String) -> Result<u32> {
        Ok(shop.len().try_into()?)
    }

    #[activity]
    async fn send(&self, report: Report) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    }
}

impl Office {
    pub fn sent(&self) -> Vec<Report> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub fn worker(client: Client, task_queue: &str, office: Office) -> Worker {
    Worker::new(client, task_queue).workflow(daily_report).activities(office)
}
