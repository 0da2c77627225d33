//! One activity without a workflow: wait, describe, cancel, pause.

use super::ActivityDescription;
use crate::{client::Client, definition::ActivityDefinition, error::ClientError, failure::Failure, rpc};
use std::marker::PhantomData;
use tenure_api::{activity::v1::activity_execution_outcome::Value, workflowservice::v1 as api};

/// An activity `D` without a workflow. Its latest run, unless it was started by this program or [`Self::of_run`] names one.
///
/// ```no_run
/// use tenure_client::{ActivityRef, Client, ClientError};
/// const RESIZE: ActivityRef<(String,), String> = ActivityRef::new("resize");
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let picture = client.activity_handle(RESIZE, "picture-7");
/// println!("attempt {}", picture.describe().await?.attempt);
/// match picture.result().await {
///     Ok(small) => println!("{small}"),
///     Err(ClientError::ActivityFailed(failure)) => println!("{failure}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(()) }
/// ```
pub struct ActivityHandle<D> {
    client: Client,
    activity_id: String,
    /// Empty: the latest.
    run_id: String,
    activity: PhantomData<fn(D)>,
}

impl<D> Clone for ActivityHandle<D> {
    fn clone(&self) -> Self {
        let (client, activity_id, run_id) = (self.client.clone(), self.activity_id.clone(), self.run_id.clone());
        ActivityHandle { client, activity_id, run_id, activity: PhantomData }
    }
}

impl<D> std::fmt::Debug for ActivityHandle<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ActivityHandle({:?}, run {:?})", self.activity_id, self.run_id)
    }
}

/// What requests of operators have in common.
macro_rules! request {
    ($handle:ident, $request:ident { $($more:tt)* }) => {
        api::$request {
            namespace: $handle.client.namespace().to_owned(),
            activity_id: $handle.activity_id.clone(),
            run_id: $handle.run_id.clone(),
            $($more)*
        }
    };
    ($handle:ident, $request:ident { $($more:tt)* }, by) => {
        request!($handle, $request {
            identity: $handle.client.identity().to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            $($more)*
        })
    };
}

impl<D: ActivityDefinition> ActivityHandle<D> {
    pub(super) fn new(client: Client, activity_id: String, run_id: String) -> Self {
        ActivityHandle { client, activity_id, run_id, activity: PhantomData }
    }

    /// The same activity, this run of it only.
    #[must_use]
    pub fn of_run(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = run_id.into();
        self
    }

    /// The activity id.
    pub fn id(&self) -> &str {
        &self.activity_id
    }

    /// The run that was started or named; empty for a handle that was made from an id.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Waits until the activity ends, over all its attempts, and gives its result.
    pub async fn result(&self) -> Result<D::Output, ClientError> {
        self.client.wait(self.ended()).await
    }

    async fn ended(&self) -> Result<D::Output, ClientError> {
        let converter = self.client.converter();
        loop {
            let request = request!(self, PollActivityExecutionRequest {});
            let connection = self.client.connection();
            let answer = rpc!(connection, poll_activity_execution, request, self.client.long()).await?;
            match answer.outcome.and_then(|outcome| outcome.value) {
                Some(Value::Result(result)) => return Ok(converter.decode_first(Some(&result))?),
                Some(Value::Failure(failure)) => {
                    return Err(ClientError::ActivityFailed(Failure::from_proto(failure, converter)));
                }
                // It goes on.
                None => {}
            }
        }
    }

    /// What the server knows of it.
    pub async fn describe(&self) -> Result<ActivityDescription, ClientError> {
        let request =
            request!(self, DescribeActivityExecutionRequest { include_last_failure: true, ..Default::default() });
        let answer = rpc!(self.client.connection(), describe_activity_execution, request, self.client.short()).await?;
        Ok(ActivityDescription::new(answer.info.unwrap_or_default(), self.client.converter()))
    }

    /// Asks the activity to stop; its code hears of it at its next heartbeat. One that no worker has ends at once.
    pub async fn cancel(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        let request = request!(self, RequestCancelActivityExecutionRequest { reason: reason.into() }, by);
        rpc!(self.client.connection(), request_cancel_activity_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// Ends the activity at once; its code learns nothing of it, but that its heartbeats and its result come too late.
    pub async fn terminate(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        let request = request!(self, TerminateActivityExecutionRequest { reason: reason.into() }, by);
        rpc!(self.client.connection(), terminate_activity_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// Lets no further attempt begin until it is [unpaused](Self::unpause). An attempt that runs goes on to its end.
    pub async fn pause(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        let request = request!(self, PauseActivityExecutionRequest { reason: reason.into(), ..Default::default() }, by);
        rpc!(self.client.connection(), pause_activity_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// Lets a paused activity go on.
    pub async fn unpause(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        let request =
            request!(self, UnpauseActivityExecutionRequest { reason: reason.into(), ..Default::default() }, by);
        rpc!(self.client.connection(), unpause_activity_execution, request, self.client.short()).await?;
        Ok(())
    }

    /// Removes the run, which is ended first if it goes on.
    pub async fn delete(&self) -> Result<(), ClientError> {
        let request = request!(self, DeleteActivityExecutionRequest {});
        rpc!(self.client.connection(), delete_activity_execution, request, self.client.short()).await?;
        Ok(())
    }
}
