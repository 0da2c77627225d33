//! Activities without a workflow: one piece of work that is done by itself, durably.

mod description;
mod elsewhere;
mod handle;
mod start;

pub use description::ActivityDescription;
pub use elsewhere::{AsyncActivityHandle, HeartbeatAnswer};
pub use handle::ActivityHandle;
pub use start::StartActivity;
pub use tenure_api::enums::v1::{ActivityExecutionStatus, ActivityIdConflictPolicy, ActivityIdReusePolicy};

use crate::{
    client::Client,
    data::IntoArgs,
    definition::{ActivityDefinition, IntoActivity},
    error::ClientError,
    filter::Filter,
    pages::List,
    rpc,
};
use tenure_api::workflowservice::v1 as api;

impl Client {
    /// Starts an activity without a workflow when the builder is awaited.
    pub fn start_activity<D: ActivityDefinition, G>(
        &self,
        activity: impl IntoActivity<G, Activity = D>,
        args: impl IntoArgs<D::Args>,
    ) -> StartActivity<D> {
        StartActivity::new(self.clone(), &activity.into_activity(), args.into_args())
    }

    /// The activity without a workflow that has this id, its latest run; asks nothing.
    pub fn activity_handle<D: ActivityDefinition, G>(
        &self,
        _: impl IntoActivity<G, Activity = D>,
        activity_id: impl Into<String>,
    ) -> ActivityHandle<D> {
        ActivityHandle::new(self.clone(), activity_id.into(), String::new())
    }

    /// The activities without a workflow that a filter finds, the latest first; `""` finds all.
    ///
    /// ```no_run
    /// use tenure_client::{Client, ClientError};
    /// use tokio_stream::StreamExt;
    /// # async fn run(client: Client) -> Result<(), ClientError> {
    /// let failed = "ActivityType = 'resize' AND ExecutionStatus = 'Failed'";
    /// println!("{} of them", client.count_activities(failed).await?);
    /// let mut activities = client.activities(failed).stream();
    /// while let Some(activity) = activities.next().await {
    ///     println!("{}", activity?.activity_id);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn activities(&self, filter: impl Into<Filter>) -> List<ActivityDescription> {
        let (client, query) = (self.clone(), filter.into().to_string());
        List::new(move |page_size, next_page_token| {
            let (client, query, namespace) = (client.clone(), query.clone(), client.namespace().to_owned());
            async move {
                let request = api::ListActivityExecutionsRequest { namespace, page_size, next_page_token, query };
                let page = rpc!(client.connection(), list_activity_executions, request, client.short()).await?;
                Ok((page.executions.into_iter().map(ActivityDescription::of_list).collect(), page.next_page_token))
            }
        })
    }

    /// How many activities without a workflow a filter finds.
    pub async fn count_activities(&self, filter: impl Into<Filter>) -> Result<u64, ClientError> {
        let (namespace, query) = (self.namespace().to_owned(), filter.into().to_string());
        let request = api::CountActivityExecutionsRequest { namespace, query };
        let answer = rpc!(self.connection(), count_activity_executions, request, self.short()).await?;
        Ok(answer.count.try_into().unwrap_or_default())
    }
}
