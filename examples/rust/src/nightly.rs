//! The report of every working day, on a schedule: each goes on from the one before.

use crate::report::daily_report;
use tenure_sdk::{Calendar, Client, ClientError, ScheduleHandle, ScheduleOverlapPolicy, Weekday};

/// Creates it. Reports are made at six in the evening, from Monday to Friday but not at Christmas.
pub async fn every_working_day(client: &Client, id: &str, task_queue: &str) -> Result<ScheduleHandle, ClientError> {
    let six = Calendar::at(18, 0).days_of_week(Weekday::Monday..=Weekday::Friday);
    let christmas = Calendar::all_day().days_of_month([25, 26]).months(12);
    client
        .schedule(id)
        .starts(daily_report, "Bakery")
        .task_queue(task_queue)
        .calendar(six)
        .except(christmas)
        .time_zone("Europe/Lisbon")
        .overlap(ScheduleOverlapPolicy::BufferOne)
        .pause_on_failure(true)
        .await
}
