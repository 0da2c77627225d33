//! What a batch operation does, and its start.

use super::{
    ActivityOptions, Batch, BatchActivities, BatchHandle, ResetPoint, ResetReapplyExcludeType, WorkflowOptions,
};
use crate::{
    data::{Args, DataError, IntoArgs},
    definition::Signal,
    error::ClientError,
    rpc,
};
use std::{future::IntoFuture, pin::Pin, time::Duration};
use tenure_api::{
    batch::v1::{
        BatchOperationCancellation, BatchOperationDeletion, BatchOperationReset, BatchOperationResetActivities,
        BatchOperationSignal, BatchOperationTermination, BatchOperationUnpauseActivities,
        BatchOperationUpdateActivityOptions, BatchOperationUpdateWorkflowExecutionOptions,
        batch_operation_reset_activities as reset_activities, batch_operation_unpause_activities as unpause_activities,
        batch_operation_update_activity_options as update_activities,
    },
    time::duration_to_proto,
    workflow::v1::{
        PostResetOperation,
        post_reset_operation::{UpdateWorkflowOptions, Variant},
    },
    workflowservice::v1::start_batch_operation_request::Operation,
};

/// A batch operation about to be started: awaiting it starts it and gives its handle. While as many run as the server
/// allows, it waits for its turn, until [`deadline`](crate::ClientBuilder::deadline).
///
/// ```no_run
/// use std::time::Duration;
/// use tenure_client::{Client, ClientError, ResetPoint, ResetReapplyExcludeType, WorkflowOptions};
/// # async fn run(client: Client) -> Result<(), ClientError> {
/// let orders = || client.batch("WorkflowType = 'Order'").reason("wrong prices");
/// let reset = orders().reset(ResetPoint::FirstWorkflowTask).exclude(ResetReapplyExcludeType::Update);
/// reset.then_update_options(WorkflowOptions::default().priority(1)).await?;
/// orders().unpause_activities("charge").jitter(Duration::from_secs(30)).await?;
/// # Ok(()) }
/// ```
#[must_use = "starts nothing unless it is awaited"]
pub struct StartBatch<O> {
    batch: Batch,
    operation: O,
    kind: fn(O) -> Operation,
    error: Option<DataError>,
}

impl Batch {
    fn start<O>(self, kind: fn(O) -> Operation, operation: O) -> StartBatch<O> {
        StartBatch { batch: self, operation, kind, error: None }
    }

    fn identity(&self) -> String {
        self.client.identity().to_owned()
    }

    /// Ends open runs at once; their code learns nothing of it.
    pub fn terminate(self) -> StartBatch<BatchOperationTermination> {
        let operation = BatchOperationTermination { identity: self.identity(), ..Default::default() };
        self.start(Operation::TerminationOperation, operation)
    }

    /// Asks open runs to stop; they may clean up first.
    pub fn cancel(self) -> StartBatch<BatchOperationCancellation> {
        let operation = BatchOperationCancellation { identity: self.identity() };
        self.start(Operation::CancellationOperation, operation)
    }

    /// Sends a signal to open runs.
    pub fn signal<S, A: Args>(self, signal: Signal<S, A>, args: impl IntoArgs<A>) -> StartBatch<BatchOperationSignal> {
        self.signal_by_name(signal.name(), args.into_args())
    }

    /// The same by the signal's name, with arguments as a tuple: `(1,)`, `(1, true)`, `()`.
    pub fn signal_by_name(self, name: impl Into<String>, args: impl Args) -> StartBatch<BatchOperationSignal> {
        let (signal, identity) = (name.into(), self.identity());
        let encoded = self.client.converter().encode_args(&args);
        let operation = BatchOperationSignal { signal, identity, ..Default::default() };
        let mut start = self.start(Operation::SignalOperation, operation);
        match encoded {
            Ok(input) => start.operation.input = input,
            Err(error) => start.error = Some(error),
        }
        start
    }

    /// Removes runs with their histories; those that are open are terminated first.
    pub fn delete(self) -> StartBatch<BatchOperationDeletion> {
        let operation = BatchOperationDeletion { identity: self.identity() };
        self.start(Operation::DeletionOperation, operation)
    }

    /// Lets runs, open and closed, go on from an earlier point, as new runs.
    pub fn reset(self, to: ResetPoint) -> StartBatch<BatchOperationReset> {
        let (identity, options) = (self.identity(), Some(to.into_options()));
        self.start(Operation::ResetOperation, BatchOperationReset { identity, options, ..Default::default() })
    }

    /// Changes options of open runs.
    pub fn update_options(self, options: WorkflowOptions) -> StartBatch<BatchOperationUpdateWorkflowExecutionOptions> {
        let (identity, (options, update_mask)) = (self.identity(), options.into_parts());
        let operation = BatchOperationUpdateWorkflowExecutionOptions {
            identity,
            workflow_execution_options: Some(options),
            update_mask: Some(update_mask),
        };
        self.start(Operation::UpdateWorkflowOptionsOperation, operation)
    }

    /// Lets activities that are paused go on, of open runs.
    pub fn unpause_activities(
        self,
        activities: impl Into<BatchActivities>,
    ) -> StartBatch<BatchOperationUnpauseActivities> {
        use unpause_activities::Activity;
        let activity = Some(activities.into().choose(Activity::Type, Activity::MatchAll));
        let operation = BatchOperationUnpauseActivities { identity: self.identity(), activity, ..Default::default() };
        self.start(Operation::UnpauseActivitiesOperation, operation)
    }

    /// Begins activities of open runs anew, at their first attempt; those that are paused go on.
    pub fn reset_activities(self, activities: impl Into<BatchActivities>) -> StartBatch<BatchOperationResetActivities> {
        use reset_activities::Activity;
        let activity = Some(activities.into().choose(Activity::Type, Activity::MatchAll));
        let operation = BatchOperationResetActivities {
            identity: self.identity(),
            reset_attempts: true,
            activity,
            ..Default::default()
        };
        self.start(Operation::ResetActivitiesOperation, operation)
    }

    /// Changes options of activities of open runs.
    pub fn update_activity_options(
        self,
        activities: impl Into<BatchActivities>,
        options: ActivityOptions,
    ) -> StartBatch<BatchOperationUpdateActivityOptions> {
        use update_activities::Activity;
        let (options, update_mask) = options.into_parts();
        let operation = BatchOperationUpdateActivityOptions {
            identity: self.identity(),
            activity_options: Some(options),
            update_mask: Some(update_mask),
            activity: Some(activities.into().choose(Activity::Type, Activity::MatchAll)),
            ..Default::default()
        };
        self.start(Operation::UpdateActivityOptionsOperation, operation)
    }

    /// Gives activities of open runs the options again that the workflow gave them.
    pub fn restore_activity_options(
        self,
        activities: impl Into<BatchActivities>,
    ) -> StartBatch<BatchOperationUpdateActivityOptions> {
        use update_activities::Activity;
        let operation = BatchOperationUpdateActivityOptions {
            identity: self.identity(),
            restore_original: true,
            activity: Some(activities.into().choose(Activity::Type, Activity::MatchAll)),
            ..Default::default()
        };
        self.start(Operation::UpdateActivityOptionsOperation, operation)
    }
}

impl StartBatch<BatchOperationReset> {
    /// What happened behind the point and does not reach the new run again; may be given several times. By default signals,
    /// updates and Nexus operations do.
    pub fn exclude(mut self, what: ResetReapplyExcludeType) -> Self {
        self.operation.options.get_or_insert_default().reset_reapply_exclude_types.push(what.into());
        self
    }

    /// Looks for the point in the run itself only, not in those that it was continued from.
    pub fn current_run_only(mut self) -> Self {
        self.operation.options.get_or_insert_default().current_run_only = true;
        self
    }

    /// Changes options of the new run before its first workflow task.
    pub fn then_update_options(mut self, options: WorkflowOptions) -> Self {
        let (options, mask) = options.into_parts();
        let update = UpdateWorkflowOptions { workflow_execution_options: Some(options), update_mask: Some(mask) };
        let variant = Some(Variant::UpdateWorkflowOptions(update));
        self.operation.post_reset_operations.push(PostResetOperation { variant });
        self
    }
}

impl StartBatch<BatchOperationUnpauseActivities> {
    /// Counts their attempts from one again.
    pub fn reset_attempts(mut self) -> Self {
        self.operation.reset_attempts = true;
        self
    }

    /// Forgets what their last heartbeats said.
    pub fn reset_heartbeat(mut self) -> Self {
        self.operation.reset_heartbeat = true;
        self
    }

    /// Begins each at a random time within `most`, so that not all begin at once.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.operation.jitter = Some(duration_to_proto(most));
        self
    }
}

impl StartBatch<BatchOperationResetActivities> {
    /// Forgets what their last heartbeats said.
    pub fn reset_heartbeat(mut self) -> Self {
        self.operation.reset_heartbeat = true;
        self
    }

    /// Leaves those paused that are.
    pub fn keep_paused(mut self) -> Self {
        self.operation.keep_paused = true;
        self
    }

    /// Gives them the options again that the workflow gave them.
    pub fn restore_original_options(mut self) -> Self {
        self.operation.restore_original_options = true;
        self
    }

    /// Begins each at a random time within `most`, so that not all begin at once.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.operation.jitter = Some(duration_to_proto(most));
        self
    }
}

impl<O: Send + 'static> IntoFuture for StartBatch<O> {
    type Output = Result<BatchHandle, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let StartBatch { batch: Batch { client, job_id, mut request }, operation, kind, error } = self;
        request.operation = Some(kind(operation));
        Box::pin(async move {
            error.map_or(Ok(()), Err)?;
            let is_own = job_id.is_none();
            request.job_id = job_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
            let handle = BatchHandle::new(client.clone(), request.job_id.clone());
            match rpc!(client.connection(), start_batch_operation, request, client.short()).await {
                // A second try may find what the first one began: nobody else has this id.
                Err(error) if is_own && error.is_already_exists() => Ok(handle),
                started => started.map(|_| handle),
            }
        })
    }
}
