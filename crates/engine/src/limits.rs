//! The limits that the engine enforces; an argument, because the engine sees no configuration.
//!
//! The depth of a chain of failures is no option: [`MAX_CHAIN`](tenure_api::nested::MAX_CHAIN) holds wherever a message
//! is decoded.

use serde::{Deserialize, Serialize};

/// The limits of a request and of an execution. The defaults are the reference server's; a node's configuration has a
/// section of this form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one payload-carrying field (input, result, details, failure ...).
    pub blob_size: usize,
    /// Bytes of all memo fields of an execution.
    pub memo_size: usize,
    /// Bytes of a workflow id, request id, type, queue name, activity id ...
    pub id_length: usize,
    /// Events of one run, after which it is terminated.
    pub history_count: i64,
    /// Bytes of one run's history, after which it is terminated.
    pub history_size: usize,
    /// Events from which workers are advised to continue as new.
    pub suggest_continue_as_new_count: i64,
    /// Bytes of history from which workers are advised to continue as new.
    pub suggest_continue_as_new_size: usize,
    /// Activities of one run that may be open at once.
    pub pending_activities: usize,
    /// Children of one run that may be open at once.
    pub pending_children: usize,
    /// Signals that one run may be sending to others at once.
    pub pending_signals: usize,
    /// Cancellations of others that one run may be asking for at once.
    pub pending_cancels: usize,
    /// Events that may wait for the end of a workflow task; with one more the task fails.
    pub buffered_events: usize,
    /// Bytes of the events that may wait for the end of a workflow task; with more the task fails.
    pub buffered_events_size: usize,
    /// Signals that one run may receive.
    pub signals: usize,
    /// Updates of one run that may be open at once.
    pub updates_in_flight: usize,
    /// Updates that one run may accept.
    pub updates: usize,
    /// Updates from which workers are advised to continue as new.
    pub suggest_continue_as_new_updates: usize,
    /// Batch jobs of one namespace that may run at once.
    pub batch_operations: usize,
    /// Operations of one batch job in a second, at most and unless its request asks for fewer.
    pub batch_operations_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            blob_size: 2 << 20,
            memo_size: 2 << 20,
            id_length: 1000,
            history_count: 50 * 1024,
            history_size: 50 << 20,
            suggest_continue_as_new_count: 4 * 1024,
            suggest_continue_as_new_size: 4 << 20,
            pending_activities: 2000,
            pending_children: 2000,
            pending_signals: 2000,
            pending_cancels: 2000,
            buffered_events: 100,
            buffered_events_size: 2 << 20,
            signals: 10_000,
            updates_in_flight: 10,
            updates: 2000,
            suggest_continue_as_new_updates: 1800,
            batch_operations: 1,
            batch_operations_per_second: 50,
        }
    }
}
