//! Schedules: starts of a workflow at the times of a specification.

mod builder;
mod description;
mod handle;
mod times;

pub use builder::{ChangedSchedule, NewSchedule, ScheduleBuilder};
pub use description::{ScheduleDescription, ScheduleSummary, ScheduledAction, ScheduledRun};
pub use handle::{Backfill, PatchSchedule, ScheduleHandle, Trigger};
pub use tenure_api::enums::v1::ScheduleOverlapPolicy;
pub use times::{Calendar, CalendarRange, Interval, IntoRanges, ScheduleTimes, Weekday};

use crate::{client::Client, error::ClientError, filter::Filter, pages::List, rpc};
use tenure_api::workflowservice::v1 as api;

impl Client {
    /// The schedule with this id; asks nothing. [`ScheduleHandle::starts`] creates it.
    ///
    /// ```no_run
    /// use tenure_client::{Client, ClientError, WorkflowRef};
    /// const REPORT: WorkflowRef<(String,), u64> = WorkflowRef::new("Report");
    /// # async fn run(client: Client) -> Result<(), ClientError> {
    /// let nightly = client.schedule("nightly");
    /// nightly.starts(REPORT, "all shops").task_queue("reports").cron("30 2 * * *").await?;
    /// nightly.pause("the shops are closed").await?;
    /// # Ok(()) }
    /// ```
    pub fn schedule(&self, id: impl Into<String>) -> ScheduleHandle {
        ScheduleHandle::new(self.clone(), id.into())
    }

    /// The schedules that a filter finds, by their ids, their search attributes and whether they are paused; `""` finds all.
    ///
    /// ```no_run
    /// use tenure_client::{Client, ClientError, attributes};
    /// use tokio_stream::StreamExt;
    /// # async fn run(client: Client) -> Result<(), ClientError> {
    /// let acting = attributes::SCHEDULE_ID.starts_with("report-") & attributes::SCHEDULE_PAUSED.eq(false);
    /// println!("{} of them", client.count_schedules(acting.clone()).await?);
    /// let mut schedules = client.schedules(acting).stream();
    /// while let Some(schedule) = schedules.next().await {
    ///     println!("{}", schedule?.id);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn schedules(&self, filter: impl Into<Filter>) -> List<ScheduleSummary> {
        let (client, query) = (self.clone(), filter.into().to_string());
        List::new(move |maximum_page_size, next_page_token| {
            let (client, query, namespace) = (client.clone(), query.clone(), client.namespace().to_owned());
            async move {
                let request = api::ListSchedulesRequest { namespace, maximum_page_size, next_page_token, query };
                let page = rpc!(client.connection(), list_schedules, request, client.short()).await?;
                let found = page.schedules.into_iter().map(|entry| ScheduleSummary::new(entry, client.converter()));
                Ok((found.collect(), page.next_page_token))
            }
        })
    }

    /// How many schedules a filter finds.
    pub async fn count_schedules(&self, filter: impl Into<Filter>) -> Result<u64, ClientError> {
        let (namespace, query) = (self.namespace().to_owned(), filter.into().to_string());
        let request = api::CountSchedulesRequest { namespace, query };
        let answer = rpc!(self.connection(), count_schedules, request, self.short()).await?;
        Ok(answer.count.try_into().unwrap_or_default())
    }
}
