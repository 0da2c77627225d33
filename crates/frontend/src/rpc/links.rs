//! Links that replies carry, and the check of those that requests do.

use prost::Message;
use tenure_api::{
    common::v1::{
        Link,
        link::{
            Variant, WorkflowEvent,
            workflow_event::{EventReference, Reference, RequestIdReference},
        },
    },
    enums::v1::EventType,
    error::ApiError,
};
use uuid::Uuid;

const AT_MOST: usize = 10;
/// Bytes of one link.
const LONGEST: usize = 4000;

/// A workflow, as links name it.
pub(super) struct Linked {
    pub(super) namespace: String,
    pub(super) workflow_id: String,
}

impl Linked {
    /// To the first event of a run.
    pub(super) fn start_link(self, run_id: Uuid) -> Link {
        let first = EventReference { event_id: 1, event_type: EventType::WorkflowExecutionStarted.into() };
        self.link(run_id, Reference::EventRef(first))
    }

    /// To the event that a request made, wherever it comes to lie.
    pub(super) fn request_link(self, run_id: Uuid, request_id: String, event_type: EventType) -> Link {
        self.link(run_id, Reference::RequestIdRef(RequestIdReference { request_id, event_type: event_type.into() }))
    }

    fn link(self, run_id: Uuid, reference: Reference) -> Link {
        let event = WorkflowEvent {
            namespace: self.namespace,
            workflow_id: self.workflow_id,
            run_id: run_id.to_string(),
            reference: Some(reference),
        };
        Link { variant: Some(Variant::WorkflowEvent(event)) }
    }
}

pub(super) fn check(links: &[Link]) -> Result<(), ApiError> {
    if links.len() > AT_MOST {
        let message = format!("cannot attach more than {AT_MOST} links per request, got {}", links.len());
        return Err(ApiError::invalid_argument(message));
    }
    links.iter().try_for_each(check_one)
}

fn check_one(link: &Link) -> Result<(), ApiError> {
    let size = link.encoded_len();
    if size > LONGEST {
        return Err(ApiError::invalid_argument(format!("link exceeds allowed size of {LONGEST}, got {size}")));
    }
    match &link.variant {
        Some(Variant::WorkflowEvent(event)) => check_event(event),
        Some(Variant::BatchJob(job)) if job.job_id.is_empty() => {
            Err(ApiError::invalid_argument("batch job link must not have an empty job ID"))
        }
        Some(_) => Ok(()),
        None => Err(ApiError::invalid_argument("unsupported link variant")),
    }
}

fn check_event(event: &WorkflowEvent) -> Result<(), ApiError> {
    let required = [(&event.namespace, "namespace"), (&event.workflow_id, "workflow ID"), (&event.run_id, "run ID")];
    if let Some((_, field)) = required.into_iter().find(|(value, _)| value.is_empty()) {
        let message = format!("workflow event link must not have an empty {field} field");
        return Err(ApiError::invalid_argument(message));
    }
    match &event.reference {
        Some(Reference::EventRef(to)) if to.event_id != 0 && to.event_type() == EventType::Unspecified => {
            Err(ApiError::invalid_argument(
                "workflow event link ref cannot have an unspecified event type and a non-zero event ID",
            ))
        }
        _ => Ok(()),
    }
}
