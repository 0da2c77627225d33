//! Strictness: each workflow task is run a second time, by a new execution that begins at the first event, and both must do
//! the same. So code that reads a clock, random numbers or the order of a hash map is found on its first day.

use crate::{
    execution::{Execution, Factory, Name, Task, TaskFailure, Trouble},
    interceptor::Interceptors,
    runtime::hush,
};
use std::sync::Arc;
use tenure_api::history::v1::HistoryEvent;
use tenure_client::DataConverter;

/// Histories up to this length are run again with each task; longer ones each time they have grown by an eighth, so that it
/// costs in proportion to their length.
const ALWAYS: usize = 500;

/// The history of a run, and when to look again.
#[derive(Default)]
pub(super) struct Strict {
    events: Vec<HistoryEvent>,
    next_check: usize,
}

impl Strict {
    /// Notes what a task brings; a copy of it if it is one to be run again.
    pub(super) fn note(&mut self, task: &Task) -> Option<Task> {
        // Events of a task that the server has dropped may come again as others.
        let first = task.events.first().map_or(i64::MAX, |event| event.event_id);
        self.events.truncate(self.events.partition_point(|event| event.event_id < first));
        self.events.extend(task.events.iter().cloned());
        let length = self.events.len();
        if task.only_query || length < self.next_check {
            return None;
        }
        self.next_check = if length < ALWAYS { 0 } else { length + length / 8 };
        Some(Task { events: self.events.clone(), messages: task.messages.clone(), only_query: false })
    }
}

/// Runs a task again.
pub(super) fn run_again(
    task: Task,
    first: &Execution,
    factory: &Arc<dyn Factory>,
    name: &Name,
    converter: &DataConverter,
    interceptors: &Interceptors,
) -> Result<(), TaskFailure> {
    // Whatever it logs was logged before.
    let again = tracing::dispatcher::with_default(&tracing::Dispatch::none(), || {
        hush(true);
        let mut again = Execution::new(factory, name.clone(), converter.clone()).intercepted(interceptors);
        again.repeats_side_effects_of(first);
        let ran = again.advance(task).map(|_| again);
        hush(false);
        ran
    });
    match again {
        Ok(again) => first.does_the_same_as(&again),
        Err(Trouble::Fails(failure)) => Err(failure),
        Err(Trouble::Gap) => Ok(()),
    }
}
