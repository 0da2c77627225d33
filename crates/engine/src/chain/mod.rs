//! Runs of one workflow id that follow each other: how a run is created, and how it ends, with or without a
//! successor.

mod continue_as_new;
pub mod cron;
mod new_run;
pub mod start;
mod state;
mod successor;
mod timeouts;

pub(crate) use continue_as_new::continue_as_new;
pub use new_run::NewRun;
pub use start::{IdPolicies, Start, StartOptions};
pub use state::Chain;
pub(crate) use successor::{Ended, after_completion, after_failure, after_timeout};
pub use timeouts::Timeouts;

use crate::{
    activity, child,
    command::{Poll, Reply, WorkflowTaskStarted},
    describe, events,
    id::ProposalId,
    removal,
    txn::Txn,
    update, workflow_task,
};
use tenure_api::history::v1::HistoryEvent;

impl Txn<'_, '_> {
    /// Ends the run with its last event: nothing of it is pending any more. Where a run follows in the chain, it is
    /// created in the same entry. Every end of a run comes through here.
    pub(crate) fn close(&mut self, last: HistoryEvent, next: Option<NewRun>) {
        self.state.pending_at_close = describe::pending_at_close(&self.state);
        child::parent_closed(self);
        update::close(self, next.is_some());
        if next.is_none() {
            child::report_close(self, &last);
        }
        self.end(last);
        if let Some(next) = next {
            self.start_next(next);
        }
    }

    /// As [`Txn::close`], but a reset puts another run in the place of this one, and so a parent does not hear of it.
    /// `keeps_children`: that run has them, and so neither do they.
    pub(crate) fn close_replaced(&mut self, last: HistoryEvent, keeps_children: bool) {
        self.state.pending_at_close = describe::pending_at_close(&self.state);
        match keeps_children {
            true => drop(child::forget_all(self)),
            false => child::parent_closed(self),
        }
        update::close(self, false);
        self.end(last);
    }

    fn end(&mut self, last: HistoryEvent) {
        debug_assert!(self.state.is_running(), "a run is closed once");
        let status = last.attributes.as_ref().and_then(events::status_after).expect("a closing event");
        workflow_task::forget(self);
        activity::forget_all(self);
        self.state.timers.clear();
        self.state.buffered.clear();
        self.state.sticky = None;
        self.state.set_status(status);
        self.state.closed_at = Some(self.now());
        removal::keep(self);
        self.add(last);
    }

    /// Creates another run of this workflow id in the same entry; it becomes the current one. Gives its first task if
    /// it was started at once.
    pub(crate) fn start_next(&mut self, next: NewRun) -> Option<Box<WorkflowTaskStarted>> {
        debug_assert!(!self.state.is_running(), "one run at a time");
        let eager = next.eager_poll(self.cx.origin);
        let mut txn = next.create(self.rows, self.cx, &self.run.workflow, ProposalId::default());
        let task = txn.begin(eager.as_ref());
        let created = txn.finish(Reply::Done);
        self.also(created);
        task
    }

    /// Schedules the first task of a new run, unless it is delayed; starts it for the caller where that was accepted.
    pub(crate) fn begin(&mut self, eager: Option<&Poll>) -> Option<Box<WorkflowTaskStarted>> {
        workflow_task::schedule_if_idle(self);
        eager.map(|poll| Box::new(workflow_task::start(self, poll)))
    }
}
