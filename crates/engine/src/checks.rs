//! What requests and workflow commands are held to, wherever they name a queue or a priority. The errors are the
//! reference server's messages.

use tenure_api::{common::v1::Priority, enums::v1::TaskQueueKind, taskqueue::v1::TaskQueue};

/// Names of the server's own queues begin with it.
const RESERVED_QUEUE_PREFIX: &str = "/_sys/";

/// Why a text names no task queue, in the reference server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQueueName {
    #[error("missing task queue name")]
    Missing,
    #[error("taskQueue length exceeds limit")]
    TooLong,
    #[error("task queue name cannot start with reserved prefix {RESERVED_QUEUE_PREFIX}")]
    Reserved,
}

/// Whether requests and commands may name a task queue so. `limit`: in bytes.
pub fn check_queue_name(name: &str, limit: usize) -> Result<(), BadQueueName> {
    match name {
        "" => Err(BadQueueName::Missing),
        name if name.len() > limit => Err(BadQueueName::TooLong),
        name if name.starts_with(RESERVED_QUEUE_PREFIX) => Err(BadQueueName::Reserved),
        _ => Ok(()),
    }
}

const FAIRNESS_KEY_LENGTH: usize = 64;

/// The queue of a command, as a kind that is set. `limit`: bytes of its name.
pub(crate) fn check_queue(queue: Option<&TaskQueue>, limit: usize) -> Result<TaskQueue, String> {
    let queue = queue.ok_or("taskQueue is not set")?;
    check_queue_name(&queue.name, limit).map_err(|error| error.to_string())?;
    let mut queue = queue.clone();
    if queue.kind() == TaskQueueKind::Unspecified {
        queue.kind = TaskQueueKind::Normal.into();
    }
    Ok(queue)
}

/// The error is the reference server's message, but for a weight that is no number: it is taken there, and here counts as
/// out of range, so that none reaches an order or a comparison.
pub fn check_priority(priority: Option<&Priority>) -> Result<(), String> {
    let Some(priority) = priority else { return Ok(()) };
    if priority.priority_key < 0 {
        return Err("priority key can't be negative".into());
    }
    if priority.fairness_key.len() > FAIRNESS_KEY_LENGTH {
        return Err("fairness key length exceeds limit".into());
    }
    if priority.fairness_weight.is_nan() || priority.fairness_weight < 0.0 {
        return Err("must be greater than zero".into());
    }
    Ok(())
}
