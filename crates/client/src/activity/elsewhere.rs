//! Activities that are finished from elsewhere: by a webhook, a person, another program.

use crate::{client::Client, data::Encode, error::ClientError, failure::Failure, rpc};
use bytes::Bytes;
use tenure_api::{common::v1::Payloads, workflowservice::v1 as api};

/// An attempt of an activity whose function has returned, and which somebody else finishes.
///
/// ```no_run
/// # async fn run(client: tenure_client::Client, token: Vec<u8>) -> Result<(), tenure_client::ClientError> {
/// let activity = client.async_activity(token);
/// if activity.heartbeat(50u32).await?.cancel_requested {
///     return activity.report_cancelled().await;
/// }
/// activity.complete(true).await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AsyncActivityHandle {
    client: Client,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Token(Bytes),
    Id { workflow_id: String, run_id: String, activity_id: String },
}

/// What the server says to a heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeartbeatAnswer {
    /// The activity is to stop: [`AsyncActivityHandle::report_cancelled`] when it has.
    pub cancel_requested: bool,
    /// The activity is paused.
    pub paused: bool,
    /// The activity begins anew, by another attempt.
    pub reset: bool,
}

impl Client {
    /// An activity that goes on elsewhere, by the token that its context gave.
    pub fn async_activity(&self, task_token: impl Into<Bytes>) -> AsyncActivityHandle {
        AsyncActivityHandle { client: self.clone(), place: Place::Token(task_token.into()) }
    }

    /// An activity that goes on elsewhere, by its id in the workflow's latest run.
    pub fn async_activity_of(
        &self,
        workflow_id: impl Into<String>,
        activity_id: impl Into<String>,
    ) -> AsyncActivityHandle {
        let (workflow_id, activity_id) = (workflow_id.into(), activity_id.into());
        let place = Place::Id { workflow_id, run_id: String::new(), activity_id };
        AsyncActivityHandle { client: self.clone(), place }
    }
}

/// Sends one of the two forms of a request, with what they have in common.
macro_rules! send {
    ($handle:ident, $by_token:ident $of_token:ident, $by_id:ident $of_id:ident, $($field:ident),*) => {{
        let client = &$handle.client;
        let (namespace, identity) = (client.namespace().to_owned(), client.identity().to_owned());
        match $handle.place.clone() {
            Place::Token(task_token) => {
                let request = api::$of_token { task_token, namespace, identity, $($field,)* ..Default::default() };
                rpc!(client.connection(), $by_token, request, client.short()).await.map(Into::into)
            }
            Place::Id { workflow_id, run_id, activity_id } => {
                let request = api::$of_id {
                    workflow_id, run_id, activity_id, namespace, identity, $($field,)* ..Default::default()
                };
                rpc!(client.connection(), $by_id, request, client.short()).await.map(Into::into)
            }
        }
    }};
}

/// An answer that says nothing.
struct Done;

macro_rules! done {
    ($($answer:ident)*) => {
        $(impl From<api::$answer> for Done {
            fn from(_: api::$answer) -> Self {
                Done
            }
        })*
    };
}

done! {
    RespondActivityTaskCompletedResponse RespondActivityTaskCompletedByIdResponse
    RespondActivityTaskFailedResponse RespondActivityTaskFailedByIdResponse
    RespondActivityTaskCanceledResponse RespondActivityTaskCanceledByIdResponse
}

macro_rules! answer {
    ($($answer:ident)*) => {
        $(impl From<api::$answer> for HeartbeatAnswer {
            fn from(answer: api::$answer) -> Self {
                HeartbeatAnswer {
                    cancel_requested: answer.cancel_requested,
                    paused: answer.activity_paused,
                    reset: answer.activity_reset,
                }
            }
        })*
    };
}

answer! { RecordActivityTaskHeartbeatResponse RecordActivityTaskHeartbeatByIdResponse }

impl AsyncActivityHandle {
    /// The same, in this run of the workflow only.
    #[must_use]
    pub fn of_run(mut self, run: impl Into<String>) -> Self {
        if let Place::Id { run_id, .. } = &mut self.place {
            *run_id = run.into();
        }
        self
    }

    /// Says that it is still at work, and how far it is; the server's answer says whether it should go on.
    pub async fn heartbeat<T: Encode>(&self, details: T) -> Result<HeartbeatAnswer, ClientError> {
        let details = Some(Payloads { payloads: vec![self.client.converter().encode(&details)?] });
        send!(
            self,
            record_activity_task_heartbeat RecordActivityTaskHeartbeatRequest,
            record_activity_task_heartbeat_by_id RecordActivityTaskHeartbeatByIdRequest,
            details
        )
    }

    /// Finishes it with its result.
    pub async fn complete<T: Encode>(&self, result: T) -> Result<(), ClientError> {
        let result = Some(Payloads { payloads: vec![self.client.converter().encode(&result)?] });
        let done: Result<Done, ClientError> = send!(
            self,
            respond_activity_task_completed RespondActivityTaskCompletedRequest,
            respond_activity_task_completed_by_id RespondActivityTaskCompletedByIdRequest,
            result
        );
        done.map(|Done| ())
    }

    /// Ends the attempt with a failure: it is tried again, as its policy says.
    pub async fn fail(&self, failure: impl Into<Failure>) -> Result<(), ClientError> {
        let failure = Some(failure.into().to_proto(self.client.converter()));
        let done: Result<Done, ClientError> = send!(
            self,
            respond_activity_task_failed RespondActivityTaskFailedRequest,
            respond_activity_task_failed_by_id RespondActivityTaskFailedByIdRequest,
            failure
        );
        done.map(|Done| ())
    }

    /// Says that it has stopped, after it was asked to.
    pub async fn report_cancelled(&self) -> Result<(), ClientError> {
        let done: Result<Done, ClientError> = send!(
            self,
            respond_activity_task_canceled RespondActivityTaskCanceledRequest,
            respond_activity_task_canceled_by_id RespondActivityTaskCanceledByIdRequest,
        );
        done.map(|Done| ())
    }
}
