//! Checks that requests and workflow commands share: of queues, priorities, namespaces, search attributes, sizes. The
//! errors are the reference server's messages.

use crate::{
    bad_command::BadCommand,
    limits::Limits,
    search_attributes::{BadSearchAttributes, Registry},
};
use prost::Message;
use tenure_api::{
    common::v1::{Priority, SearchAttributes},
    enums::v1::{TaskQueueKind, WorkflowTaskFailedCause as Cause},
    taskqueue::v1::TaskQueue,
};

/// The prefix of the server's own queues.
const RESERVED_QUEUE_PREFIX: &str = "/_sys/";

/// The reason why a text is no name of a task queue, in the reference server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQueueName {
    #[error("missing task queue name")]
    Missing,
    #[error("taskQueue length exceeds limit")]
    TooLong,
    #[error("task queue name cannot start with reserved prefix {RESERVED_QUEUE_PREFIX}")]
    Reserved,
}

/// Checks a task queue's name in a request or command. `limit` is in bytes.
pub fn check_queue_name(name: &str, limit: usize) -> Result<(), BadQueueName> {
    match name {
        "" => Err(BadQueueName::Missing),
        name if name.len() > limit => Err(BadQueueName::TooLong),
        name if name.starts_with(RESERVED_QUEUE_PREFIX) => Err(BadQueueName::Reserved),
        _ => Ok(()),
    }
}

const MAX_FAIRNESS_KEY_LENGTH: usize = 64;

/// Checks the task queue of a command and fills in its kind. `limit`: bytes of its name.
pub(crate) fn check_queue(queue: Option<&TaskQueue>, limit: usize) -> Result<TaskQueue, String> {
    let queue = queue.ok_or("taskQueue is not set")?;
    check_queue_name(&queue.name, limit).map_err(|error| error.to_string())?;
    let mut queue = queue.clone();
    if queue.kind() == TaskQueueKind::Unspecified {
        queue.kind = TaskQueueKind::Normal.into();
    }
    Ok(queue)
}

/// Checks a priority. The error is the reference server's message, but a weight that is not a number, which that server
/// accepts, is refused here as out of range, so that none reaches an order or a comparison.
pub fn check_priority(priority: Option<&Priority>) -> Result<(), String> {
    let Some(priority) = priority else { return Ok(()) };
    if priority.priority_key < 0 {
        return Err("priority key can't be negative".into());
    }
    if priority.fairness_key.len() > MAX_FAIRNESS_KEY_LENGTH {
        return Err("fairness key length exceeds limit".into());
    }
    if priority.fairness_weight.is_nan() || priority.fairness_weight < 0.0 {
        return Err("must be greater than zero".into());
    }
    Ok(())
}

/// Refuses a command for a workflow of another namespace, as the reference server does by default.
pub(crate) fn check_namespace(own: &str, cause: Cause, namespace: &str) -> Result<(), BadCommand> {
    if namespace.is_empty() || namespace == own {
        return Ok(());
    }
    Err(BadCommand::new(cause, "cross namespace commands are not allowed"))
}

/// Checks the size of a payload-carrying field.
pub(crate) fn check_blob<M: Message>(
    limits: &Limits,
    cause: Cause,
    field: &str,
    message: Option<&M>,
) -> Result<(), BadCommand> {
    match message.map(M::encoded_len) {
        Some(size) if size > limits.blob_size => {
            Err(BadCommand::new(cause, format!("{field} exceeds size limit.")).terminating())
        }
        _ => Ok(()),
    }
}

/// Checks that one more than `count` may be pending.
pub(crate) fn check_pending(count: u32, limit: usize, cause: Cause, what: &str) -> Result<(), BadCommand> {
    if (count as usize) < limit {
        return Ok(());
    }
    let message = format!("the number of pending {what}, {count}, has reached the per-workflow limit of {limit}");
    Err(BadCommand::new(cause, message))
}

/// Checks that the namespace has the search attributes of a command that starts a run. Nothing else of such a command
/// is checked before.
pub(crate) fn check_search_attribute_names(
    registry: &Registry,
    namespace: &str,
    given: Option<&SearchAttributes>,
) -> Result<(), BadCommand> {
    let Some(given) = given else { return Ok(()) };
    let checked = registry.check_names(namespace, given);
    checked.map_err(|problem| BadCommand::new(Cause::BadSearchAttributes, problem.to_string()))
}

/// Checks the search attributes of a command against the namespace's, and writes their types into them. `invalid` makes
/// the message about one that does not fit; attributes that are too large terminate the run with `cause`.
pub(crate) fn check_search_attributes(
    registry: &Registry,
    namespace: &str,
    cause: Cause,
    given: &mut SearchAttributes,
    invalid: impl FnOnce(String) -> String,
) -> Result<(), BadCommand> {
    let checked = registry.check(namespace, given);
    checked.map_err(|problem| match problem {
        BadSearchAttributes::Unknown { .. } => BadCommand::new(Cause::BadSearchAttributes, problem.to_string()),
        BadSearchAttributes::Invalid(message) => BadCommand::new(Cause::BadSearchAttributes, invalid(message)),
        BadSearchAttributes::TooLarge(message) => BadCommand::new(cause, message).terminating(),
    })
}
