//! What can go wrong between a client and a server.

use crate::{
    data::DataError,
    failure::{Failure, FailureKind},
};
use tenure_api::errordetails::v1 as details;
use tonic::{Code, Status};

/// Why a call gave nothing. Calls that no server has answered were tried again, on all addresses, until
/// [`deadline`](crate::ClientBuilder::deadline); what a server refuses is not.
///
/// ```no_run
/// use tenure_client::{Client, ClientError, Failure, WorkflowRef};
/// # const ORDER: WorkflowRef<(), ()> = WorkflowRef::new("Order");
/// # async fn run(client: Client) {
/// match client.handle(ORDER, "order-1").result().await {
///     Ok(()) => println!("delivered"),
///     Err(ClientError::WorkflowFailed(failure)) if failure.application_type() == Some("CardDeclined") => println!("declined"),
///     Err(error) if error.is_not_found() => println!("no such order"),
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An execution with this id runs already, or may not run again.
    #[error("workflow {workflow_id:?} is already started, run {run_id}")]
    AlreadyStarted {
        /// The id that was asked for.
        workflow_id: String,
        /// The run that has it; empty if the server does not say.
        run_id: String,
    },
    /// The workflow did not complete: it failed, was cancelled, terminated, or ran out of time.
    #[error("the workflow failed: {0}")]
    WorkflowFailed(Failure),
    /// The activity, which had no workflow, did not complete: it failed, was cancelled, terminated, or ran out of time.
    #[error("the activity failed: {0}")]
    ActivityFailed(Failure),
    /// The update was rejected or failed.
    #[error("the update failed: {0}")]
    UpdateFailed(Failure),
    /// The query was not answered.
    #[error("the query failed: {0}")]
    QueryFailed(Failure),
    /// No answer within the deadline. What was asked for may have happened.
    #[error("no answer from {addresses} within {seconds} s: {last}")]
    Unreachable {
        /// All that were tried.
        addresses: String,
        /// How long, in seconds.
        seconds: u64,
        /// What the last attempt gave.
        last: Status,
    },
    /// The server's own error.
    #[error("{}: {}", .0.code(), .0.message())]
    Status(#[source] Status),
    /// A value could not be written or read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What was asked for, or answered, makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        ClientError::Status(status)
    }
}

impl ClientError {
    /// The gRPC code, of errors that have one.
    pub fn code(&self) -> Option<Code> {
        match self {
            ClientError::Status(status) => Some(status.code()),
            ClientError::AlreadyStarted { .. } => Some(Code::AlreadyExists),
            ClientError::Unreachable { .. } => Some(Code::Unavailable),
            _ => None,
        }
    }

    /// There is no such workflow, run, update, schedule, batch operation or namespace, or it is over.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    /// There is no such namespace.
    pub fn is_namespace_not_found(&self) -> bool {
        matches!(self, ClientError::Status(status) if detail::<details::NamespaceNotFoundFailure>(status).is_some())
    }

    /// There is one already: [`ClientError::AlreadyStarted`], or another thing that exists once, such as a schedule.
    pub fn is_already_exists(&self) -> bool {
        self.code() == Some(Code::AlreadyExists)
    }

    /// What was to be changed is not any more what it was when it was read: somebody else has changed it meanwhile.
    pub fn is_conflict(&self) -> bool {
        match self {
            ClientError::Status(status) => {
                status.code() == Code::FailedPrecondition && status.message().contains("conflict token")
            }
            _ => false,
        }
    }

    /// The server does not know who calls, or does not let them.
    pub fn is_denied(&self) -> bool {
        matches!(self.code(), Some(Code::PermissionDenied | Code::Unauthenticated))
    }

    /// The request cannot be right, whenever it is sent.
    pub fn is_invalid(&self) -> bool {
        matches!(self, ClientError::Invalid(_)) || self.code() == Some(Code::InvalidArgument)
    }

    /// The message is larger than the server, or what is between, takes: 4 MiB, as a rule. Whenever it is sent.
    pub fn is_too_large(&self) -> bool {
        matches!(self, ClientError::Status(status) if is_too_large(status))
    }

    /// The run waits for its first workflow task (for its cron schedule, a retry's pause, or because it was continued as
    /// new a moment after it began), so nobody can answer a query yet.
    pub fn is_not_ready(&self) -> bool {
        matches!(self, ClientError::Status(status) if detail::<details::WorkflowNotReadyFailure>(status).is_some())
    }

    /// No server has answered within the deadline.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, ClientError::Unreachable { .. })
    }

    /// The workflow or activity ended because somebody had asked it to stop.
    pub fn is_cancelled(&self) -> bool {
        self.failure().is_some_and(Failure::is_cancelled)
    }

    /// The workflow or activity was terminated: it was stopped without being asked.
    pub fn is_terminated(&self) -> bool {
        self.failure().is_some_and(|failure| failure.kind == FailureKind::Terminated)
    }

    /// The workflow or activity ran out of time.
    pub fn is_timed_out(&self) -> bool {
        self.failure().is_some_and(|failure| matches!(failure.kind, FailureKind::Timeout { .. }))
    }

    /// The workflow's, activity's, update's or query's failure.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            ClientError::WorkflowFailed(failure)
            | ClientError::ActivityFailed(failure)
            | ClientError::UpdateFailed(failure)
            | ClientError::QueryFailed(failure) => Some(failure),
            _ => None,
        }
    }

    /// ALREADY_EXISTS with its detail becomes [`ClientError::AlreadyStarted`].
    pub(crate) fn of_start(self, workflow_id: &str) -> Self {
        match &self {
            ClientError::Status(status) if status.code() == Code::AlreadyExists => {
                let started = detail::<details::WorkflowExecutionAlreadyStartedFailure>(status).unwrap_or_default();
                ClientError::AlreadyStarted { workflow_id: workflow_id.to_owned(), run_id: started.run_id }
            }
            _ => self,
        }
    }
}

/// Whether a message was refused for its length: servers in Go and in Rust say so with different codes and words.
pub(crate) fn is_too_large(status: &Status) -> bool {
    matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange)
        && ["larger than max", "message length too large"].iter().any(|said| status.message().contains(said))
}

/// `google.rpc.Status`, what the trailer `grpc-status-details-bin` carries.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// The first detail of type `M` that a status carries.
pub(crate) fn detail<M: prost::Message + prost::Name + Default>(status: &Status) -> Option<M> {
    let status: RpcStatus = prost::Message::decode(status.details()).ok()?;
    let any = status.details.iter().find(|any| any.type_url.ends_with(&M::full_name()))?;
    M::decode(any.value.as_slice()).ok()
}
