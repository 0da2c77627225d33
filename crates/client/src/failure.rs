//! The API's chain of failures as one error type, and back.

use crate::data::{Data, DataConverter, DataError, Encode};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};
use tenure_api::{
    common::v1::{ActivityType, Payload, Payloads, WorkflowExecution, WorkflowType},
    enums::v1 as enums,
    failure::v1::{self as proto, failure::FailureInfo},
    nested::Nested,
    time::duration_from_proto,
};

pub use tenure_api::enums::v1::{RetryState, TimeoutType};

/// Causes that are read of a failure: a chain is dropped and compared by recursion, on the stack of whoever has it.
pub(crate) const MAX_CAUSES: usize = 1000;

/// Why a workflow, an activity or an update failed: one link of a chain that ends at what went wrong first.
///
/// Every `std::error::Error` turns into an application failure by `?`; its type is the error's type name and its
/// sources become causes. An error that has a failure as its source keeps the failure's kind: a cancellation stays one,
/// a type and what must not be retried, too. See [`ApplicationError`](crate::ApplicationError) for errors of your own.
/// (`Failure` is therefore no `std::error::Error` itself, as with `anyhow::Error`; it turns into a boxed one by `?`, and
/// can be a field with `#[from]` or `#[source]` of a `thiserror` enum.)
///
/// What it says is in the fields of [`FailureData`], which can be read as if they were the failure's own.
///
/// ```
/// use tenure_client::Failure;
/// fn parse(text: &str) -> Result<u32, Failure> {
///     let value: u32 = text.parse()?;
///     if value > 9 {
///         return Err(Failure::application("TooLarge", "nine at most").non_retryable());
///     }
///     Ok(value)
/// }
/// assert_eq!(parse("x").unwrap_err().application_type(), Some("ParseIntError"));
/// assert!(!parse("10").unwrap_err().is_retryable());
/// ```
#[derive(Clone, PartialEq)]
pub struct Failure(pub(crate) Box<Link>);

/// What a [`Failure`] says; behind a pointer, so that results are small.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FailureData {
    /// What a person reads.
    pub message: String,
    /// Who failed, and how.
    pub kind: FailureKind,
    /// What it came from.
    pub cause: Option<Failure>,
    /// The stack of the code that failed, if that was noted.
    pub stack_trace: String,
    /// Which SDK wrote it.
    pub source: String,
}

/// A failure's data, and the `std::error::Error` that has it as its source: whoever looks down the sources of an error
/// finds the failure, whether the error shows it or is transparent.
#[derive(Clone, PartialEq)]
pub(crate) struct Link(pub(crate) FailureData);

impl Failure {
    pub(crate) fn with(data: FailureData) -> Self {
        Failure(Box::new(Link(data)))
    }
}

impl std::ops::Deref for Failure {
    type Target = FailureData;

    fn deref(&self) -> &FailureData {
        &self.0.0
    }
}

impl std::ops::DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut FailureData {
        &mut self.0.0
    }
}

/// The kinds of failures, as the API tells them apart.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FailureKind {
    /// What the application's code said.
    Application(Application),
    /// Time ran out.
    Timeout {
        /// Which of the limits.
        timeout: TimeoutType,
        /// Details of the last heartbeat.
        last_heartbeat: Vec<Payload>,
    },
    /// It was asked to stop, and did.
    Cancelled {
        /// What it said when it stopped.
        details: Vec<Payload>,
    },
    /// It was stopped without being asked.
    Terminated,
    /// The server could not.
    Server {
        /// Trying again is of no use.
        non_retryable: bool,
    },
    /// The workflow was reset to a point before.
    Reset {
        /// Details of the last heartbeat.
        last_heartbeat: Vec<Payload>,
    },
    /// An activity failed; the cause says why.
    Activity {
        /// The activity's id.
        activity_id: String,
        /// The activity's name.
        activity_type: String,
        /// The event that scheduled it.
        scheduled_event_id: i64,
        /// The event that started it, 0 if none did.
        started_event_id: i64,
        /// The worker that had it.
        identity: String,
        /// Why it was not tried again.
        retry_state: RetryState,
    },
    /// A child workflow failed; the cause says why.
    ChildWorkflow {
        /// Its namespace.
        namespace: String,
        /// Its workflow id.
        workflow_id: String,
        /// Its run id.
        run_id: String,
        /// Its workflow type.
        workflow_type: String,
        /// The event that asked for it.
        initiated_event_id: i64,
        /// The event that started it, 0 if none did.
        started_event_id: i64,
        /// Why it was not tried again.
        retry_state: RetryState,
    },
    /// A kind that this version does not look into.
    Other(Box<FailureInfo>),
    /// Not a failure, but how a workflow function returns when it continues as new.
    #[doc(hidden)]
    ContinueAsNew,
}

/// What an application failure carries beside its message.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Application {
    /// What retry policies and callers match on.
    pub r#type: String,
    /// No retry policy tries again after it.
    pub non_retryable: bool,
    /// Values for callers, see [`Failure::decode_detail`].
    pub details: Vec<Payload>,
    /// When to try again, whatever the policy says.
    pub next_retry_delay: Option<Duration>,
    /// Expected, not worth a metric or an error in the logs.
    pub benign: bool,
}

const SOURCE: &str = "tenure-rust";

impl Failure {
    /// A failure of the application's own: `type` is what retry policies and callers match on.
    pub fn application(r#type: impl Into<String>, message: impl Into<String>) -> Self {
        let application = Application { r#type: r#type.into(), ..Default::default() };
        Self::new(FailureKind::Application(application), message)
    }

    /// A failure whose type is `Error`.
    pub fn msg(message: impl fmt::Display) -> Self {
        Self::application("Error", message.to_string())
    }

    /// A cancellation: a workflow that was asked to stop, and returns it, ends as cancelled.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Cancelled { details: Vec::new() }, message)
    }

    /// A limit that was passed.
    pub fn timeout(timeout: TimeoutType, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Timeout { timeout, last_heartbeat: Vec::new() }, message)
    }

    /// A failure of any kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let (message, source) = (message.into(), SOURCE.to_owned());
        Failure::with(FailureData { message, kind, cause: None, stack_trace: String::new(), source })
    }

    /// Attaches the failure that it came from.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Failure>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// No retry policy tries again after it. Application failures only.
    #[must_use]
    pub fn non_retryable(self) -> Self {
        self.changed(|application| application.non_retryable = true)
    }

    /// The next attempt starts after `delay`, whatever the retry policy says. Application failures only.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        self.changed(|application| application.next_retry_delay = Some(delay))
    }

    /// Expected: no metric counts it, no log shouts about it. Application failures only.
    #[must_use]
    pub fn benign(self) -> Self {
        self.changed(|application| application.benign = true)
    }

    /// Adds a value to the details; one that cannot be written is left out. Application failures only.
    #[must_use]
    pub fn detail<T: Encode>(self, value: T) -> Self {
        let payload = DataConverter::default().encode(&value).ok();
        self.changed(|application| application.details.extend(payload))
    }

    fn changed(mut self, change: impl FnOnce(&mut Application)) -> Self {
        if let FailureKind::Application(application) = &mut self.kind {
            change(application);
        }
        self
    }

    /// This failure and its causes, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Failure> {
        std::iter::successors(Some(self), |failure| failure.cause.as_ref())
    }

    /// What went wrong first.
    pub fn root(&self) -> &Failure {
        self.chain().last().unwrap_or(self)
    }

    /// The first application failure of the chain.
    pub fn as_application(&self) -> Option<&Application> {
        self.chain().find_map(|failure| match &failure.kind {
            FailureKind::Application(application) => Some(application),
            _ => None,
        })
    }

    /// The type of the first application failure of the chain.
    pub fn application_type(&self) -> Option<&str> {
        self.as_application().map(|application| application.r#type.as_str())
    }

    /// The details of the first application failure, read as `T`.
    pub fn decode_detail<T: Data>(&self, index: usize) -> Result<T, DataError> {
        let details = self.as_application().map_or(&[][..], |application| &application.details);
        let payload = details.get(index).ok_or_else(|| DataError::new(format!("the failure has no detail {index}")))?;
        DataConverter::default().decode(payload)
    }

    /// Whether it is a cancellation, of the work itself or of what it waited for.
    pub fn is_cancelled(&self) -> bool {
        let cancelled = |failure: &Failure| matches!(failure.kind, FailureKind::Cancelled { .. });
        let waited = matches!(self.kind, FailureKind::Activity { .. } | FailureKind::ChildWorkflow { .. });
        cancelled(self) || waited && self.cause.as_ref().is_some_and(Failure::is_cancelled)
    }

    /// Which time ran out, if one did, here or in the causes.
    pub fn timed_out(&self) -> Option<TimeoutType> {
        self.chain().find_map(|failure| match failure.kind {
            FailureKind::Timeout { timeout, .. } => Some(timeout),
            _ => None,
        })
    }

    /// Whether a retry policy may try again.
    pub fn is_retryable(&self) -> bool {
        match &self.kind {
            FailureKind::Application(application) => !application.non_retryable,
            FailureKind::Server { non_retryable } => !non_retryable,
            FailureKind::Timeout { .. } | FailureKind::Activity { .. } | FailureKind::ChildWorkflow { .. } => true,
            _ => false,
        }
    }

    /// Converts it into the API's message. Details that the codec cannot write are left out.
    pub fn to_proto(&self, converter: &DataConverter) -> proto::Failure {
        let links: Vec<&Failure> = self.chain().collect();
        let link = |cause: Option<proto::Failure>, failure: &&Failure| {
            Some(proto::Failure { cause: cause.map(Nested::from), ..failure.link_to_proto(converter) })
        };
        links.iter().rev().fold(None, link).unwrap_or_default()
    }

    /// This failure without its cause.
    fn link_to_proto(&self, converter: &DataConverter) -> proto::Failure {
        let sealed = converter.seals_failures();
        let encoded_attributes = || {
            let (message, stack_trace) = (self.message.clone(), self.stack_trace.clone());
            converter.encode(&Attributes { message, stack_trace }).ok()
        };
        proto::Failure {
            message: if sealed { "Encoded failure".to_owned() } else { self.message.clone() },
            source: self.source.clone(),
            stack_trace: if sealed { String::new() } else { self.stack_trace.clone() },
            encoded_attributes: if sealed { encoded_attributes() } else { None },
            cause: None,
            failure_info: info(&self.kind, converter),
        }
    }

    /// Reads the API's message. Details that the codec cannot read stay as they are; of more than a thousand causes the
    /// innermost ones are only counted.
    pub fn from_proto(mut failure: proto::Failure, converter: &DataConverter) -> Self {
        let mut causes = failure.cause.take().map(|cause| cause.levels()).unwrap_or_default().into_iter();
        let mut links = vec![Failure::link_from_proto(failure, converter)];
        links.extend(causes.by_ref().take(MAX_CAUSES).map(|cause| Failure::link_from_proto(cause, converter)));
        let left_out = match causes.count() {
            0 => None,
            more => Some(Failure::new(unspecified(), format!("and {more} more causes"))),
        };
        chained(links, left_out).expect("there is at least the outermost failure")
    }

    /// A failure without its cause.
    fn link_from_proto(mut failure: proto::Failure, converter: &DataConverter) -> Self {
        let encoded = failure.encoded_attributes.take();
        if let Some(Ok(encoded)) = encoded.map(|encoded| converter.decode::<Attributes>(&encoded)) {
            (failure.message, failure.stack_trace) = (encoded.message, encoded.stack_trace);
        }
        Failure::with(FailureData {
            kind: failure.failure_info.map_or_else(unspecified, |info| kind(info, converter)),
            message: failure.message,
            cause: None,
            stack_trace: failure.stack_trace,
            source: failure.source,
        })
    }
}

/// One chain of these, each caused by the next, the last by `cause`.
pub(crate) fn chained(links: Vec<Failure>, cause: Option<Failure>) -> Option<Failure> {
    links.into_iter().rev().fold(cause, |cause, mut failure| {
        failure.cause = cause;
        Some(failure)
    })
}

fn unspecified() -> FailureKind {
    FailureKind::Application(Application::default())
}

/// What a failure tells, when it goes through the codec.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Attributes {
    message: String,
    stack_trace: String,
}

fn seal(details: &[Payload], converter: &DataConverter) -> Option<Payloads> {
    let seal = |payload: &Payload| converter.seal(payload.clone()).ok();
    (!details.is_empty()).then(|| Payloads { payloads: details.iter().filter_map(seal).collect() })
}

fn open(details: Option<Payloads>, converter: &DataConverter) -> Vec<Payload> {
    let open = |payload: Payload| converter.open(payload.clone()).unwrap_or(payload);
    details.map(|details| details.payloads.into_iter().map(open).collect()).unwrap_or_default()
}

fn info(kind: &FailureKind, converter: &DataConverter) -> Option<FailureInfo> {
    Some(match kind {
        FailureKind::Application(application) => FailureInfo::ApplicationFailureInfo(proto::ApplicationFailureInfo {
            r#type: application.r#type.clone(),
            non_retryable: application.non_retryable,
            details: seal(&application.details, converter),
            next_retry_delay: application.next_retry_delay.and_then(|delay| delay.try_into().ok()),
            category: application.benign.into(),
        }),
        FailureKind::Timeout { timeout, last_heartbeat } => {
            FailureInfo::TimeoutFailureInfo(proto::TimeoutFailureInfo {
                timeout_type: (*timeout).into(),
                last_heartbeat_details: seal(last_heartbeat, converter),
            })
        }
        FailureKind::Cancelled { details } => FailureInfo::CanceledFailureInfo(proto::CanceledFailureInfo {
            details: seal(details, converter),
            ..Default::default()
        }),
        FailureKind::Terminated => FailureInfo::TerminatedFailureInfo(proto::TerminatedFailureInfo::default()),
        FailureKind::Server { non_retryable } => {
            FailureInfo::ServerFailureInfo(proto::ServerFailureInfo { non_retryable: *non_retryable })
        }
        FailureKind::Reset { last_heartbeat } => {
            let last_heartbeat_details = seal(last_heartbeat, converter);
            FailureInfo::ResetWorkflowFailureInfo(proto::ResetWorkflowFailureInfo { last_heartbeat_details })
        }
        FailureKind::Activity {
            activity_id,
            activity_type,
            scheduled_event_id,
            started_event_id,
            identity,
            retry_state,
        } => FailureInfo::ActivityFailureInfo(proto::ActivityFailureInfo {
            scheduled_event_id: *scheduled_event_id,
            started_event_id: *started_event_id,
            identity: identity.clone(),
            activity_type: Some(ActivityType { name: activity_type.clone() }),
            activity_id: activity_id.clone(),
            retry_state: (*retry_state).into(),
        }),
        FailureKind::ChildWorkflow {
            namespace,
            workflow_id,
            run_id,
            workflow_type,
            initiated_event_id,
            started_event_id,
            retry_state,
        } => FailureInfo::ChildWorkflowExecutionFailureInfo(proto::ChildWorkflowExecutionFailureInfo {
            namespace: namespace.clone(),
            workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.clone(), run_id: run_id.clone() }),
            workflow_type: Some(WorkflowType { name: workflow_type.clone() }),
            initiated_event_id: *initiated_event_id,
            started_event_id: *started_event_id,
            retry_state: (*retry_state).into(),
        }),
        FailureKind::Other(info) => (**info).clone(),
        FailureKind::ContinueAsNew => return None,
    })
}

fn kind(info: FailureInfo, converter: &DataConverter) -> FailureKind {
    match info {
        FailureInfo::ApplicationFailureInfo(info) => FailureKind::Application(Application {
            benign: info.category() == enums::ApplicationErrorCategory::Benign,
            r#type: info.r#type,
            non_retryable: info.non_retryable,
            details: open(info.details, converter),
            next_retry_delay: duration_from_proto(info.next_retry_delay),
        }),
        FailureInfo::TimeoutFailureInfo(info) => FailureKind::Timeout {
            timeout: info.timeout_type(),
            last_heartbeat: open(info.last_heartbeat_details, converter),
        },
        FailureInfo::CanceledFailureInfo(info) => FailureKind::Cancelled { details: open(info.details, converter) },
        FailureInfo::TerminatedFailureInfo(_) => FailureKind::Terminated,
        FailureInfo::ServerFailureInfo(info) => FailureKind::Server { non_retryable: info.non_retryable },
        FailureInfo::ResetWorkflowFailureInfo(info) => {
            FailureKind::Reset { last_heartbeat: open(info.last_heartbeat_details, converter) }
        }
        FailureInfo::ActivityFailureInfo(info) => FailureKind::Activity {
            retry_state: info.retry_state(),
            activity_id: info.activity_id,
            activity_type: info.activity_type.unwrap_or_default().name,
            scheduled_event_id: info.scheduled_event_id,
            started_event_id: info.started_event_id,
            identity: info.identity,
        },
        FailureInfo::ChildWorkflowExecutionFailureInfo(info) => {
            let retry_state = info.retry_state();
            let execution = info.workflow_execution.unwrap_or_default();
            FailureKind::ChildWorkflow {
                namespace: info.namespace,
                workflow_id: execution.workflow_id,
                run_id: execution.run_id,
                workflow_type: info.workflow_type.unwrap_or_default().name,
                initiated_event_id: info.initiated_event_id,
                started_event_id: info.started_event_id,
                retry_state,
            }
        }
        other => FailureKind::Other(Box::new(other)),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, failure) in self.chain().enumerate() {
            f.write_str(if depth > 0 { ": " } else { "" })?;
            match &failure.kind {
                FailureKind::Activity { activity_type, .. } => write!(f, "activity {activity_type} failed")?,
                FailureKind::ChildWorkflow { workflow_type, workflow_id, .. } => {
                    write!(f, "child workflow {workflow_type} {workflow_id:?} failed")?;
                }
                FailureKind::ContinueAsNew => f.write_str("the workflow continues as new")?,
                _ => f.write_str(&failure.message)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, failure) in self.chain().enumerate() {
            let indent = if depth > 0 { "\n  caused by: " } else { "" };
            write!(f, "{indent}{:?} {:?}", failure.message, failure.kind)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PayloadCodec;

    #[test]
    fn a_chain_comes_back_as_it_went() {
        let converter = DataConverter::default();
        let activity = FailureKind::Activity {
            activity_id: "1".to_owned(),
            activity_type: "charge".to_owned(),
            scheduled_event_id: 5,
            started_event_id: 6,
            identity: "me".to_owned(),
            retry_state: RetryState::NonRetryableFailure,
        };
        let declined = Failure::application("Declined", "no money").non_retryable().detail(12u32);
        let failure = Failure::new(activity, "activity error").caused_by(declined.retry_after(Duration::from_secs(3)));
        let back = Failure::from_proto(failure.to_proto(&converter), &converter);
        assert_eq!(back, failure);
        assert_eq!(back.application_type(), Some("Declined"));
        assert_eq!(back.decode_detail::<u32>(0).unwrap(), 12);
        assert_eq!(back.to_string(), "activity charge failed: no money");
    }

    /// Hides what it is given, and says so.
    struct Upside;
    impl PayloadCodec for Upside {
        fn encode(&self, payload: Payload) -> Result<Payload, DataError> {
            Ok(Payload { data: payload.data.iter().rev().copied().collect(), ..payload })
        }
        fn decode(&self, payload: Payload) -> Result<Payload, DataError> {
            self.encode(payload)
        }
    }

    #[test]
    fn sealed_failures_show_nothing_on_the_way() {
        let failure = Failure::application("Declined", "card 4711").caused_by(Failure::msg("4711 is blocked"));
        let open = DataConverter::default().with_codec(Upside);
        assert_eq!(failure.to_proto(&open).message, "card 4711");
        let sealed = open.with_sealed_failures();
        let sent = failure.to_proto(&sealed);
        assert_eq!(
            (sent.message.as_str(), sent.cause.as_ref().unwrap().open().message.as_str()),
            ("Encoded failure", "Encoded failure")
        );
        assert_eq!(Failure::from_proto(sent, &sealed), failure);
    }

    #[test]
    fn details_are_not_shown_when_the_codec_fails() {
        struct NoKey;
        impl PayloadCodec for NoKey {
            fn encode(&self, _: Payload) -> Result<Payload, DataError> {
                Err(DataError::new("no key"))
            }
            fn decode(&self, payload: Payload) -> Result<Payload, DataError> {
                Ok(payload)
            }
        }
        let failure = Failure::application("Declined", "").detail("4711".to_owned());
        let sent = failure.to_proto(&DataConverter::default().with_codec(NoKey));
        assert!(!format!("{sent:?}").contains("4711"));
    }

    /// F72: the API takes deeper chains than a thread's stack.
    #[test]
    fn chains_are_read_and_written_without_recursion() {
        let converter = DataConverter::default();
        let chained = |length: usize| {
            let link = |cause, n| {
                let mut failure = Failure::msg(n);
                failure.cause = cause;
                Some(failure)
            };
            (0..length).fold(None, link).unwrap()
        };
        let failure = chained(MAX_CAUSES + 1);
        assert_eq!(Failure::from_proto(failure.to_proto(&converter), &converter), failure);
        let read = Failure::from_proto(chained(2000).to_proto(&converter), &converter);
        assert_eq!((read.chain().count(), read.message.as_str()), (MAX_CAUSES + 2, "1999"));
        assert_eq!(read.root().message, "and 999 more causes");
    }

    #[test]
    fn sources_become_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::num::ParseIntError);
        let failure = Failure::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(failure.application_type(), Some("Outer"));
        assert_eq!(failure.to_string(), "outer: invalid digit found in string");
    }

    #[test]
    fn a_cancelled_activity_is_a_cancellation_and_a_failed_one_is_none() {
        let kind = FailureKind::ChildWorkflow {
            namespace: String::new(),
            workflow_id: String::new(),
            run_id: String::new(),
            workflow_type: String::new(),
            initiated_event_id: 0,
            started_event_id: 0,
            retry_state: RetryState::Unspecified,
        };
        assert!(Failure::new(kind.clone(), "").caused_by(Failure::cancelled("")).is_cancelled());
        assert!(!Failure::new(kind, "").caused_by(Failure::msg("x")).is_cancelled());
    }
}
