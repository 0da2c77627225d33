//! How a run ends: what its function gave becomes the last command.

use super::{Execution, Name, Output, TaskFailure, Trouble, carry};
use crate::{
    runtime::{Broken, Command, Completion, ROOT},
    workflow::TaskProblem,
};
use std::panic::Location;
use tenure_api::{
    command::v1::{self as command, command::Attributes as Make},
    common::v1::Payloads,
    enums::v1::WorkflowTaskFailedCause,
};
use tenure_client::Failure;

impl Execution {
    /// Turns how the function ended into the last command.
    pub(super) fn finish(&self) {
        self.end_with_panic();
        let Some(completion) = self.rt.completion.take() else { return };
        let attributes = match completion {
            Completion::Done(result) => {
                if self.rt.continue_as_new.take().is_some() && !self.rt.replaying.get() {
                    let Name { workflow_id, run_id, .. } = &self.name;
                    tracing::warn!(
                        %workflow_id, %run_id,
                        "the workflow completes although it asked to continue as new: return the error of `.finish()`"
                    );
                }
                let result = Some(Payloads { payloads: vec![result] });
                Make::CompleteWorkflowExecutionCommandAttributes(command::CompleteWorkflowExecutionCommandAttributes {
                    result,
                })
            }
            Completion::Failed(failure) => self.failed(&failure),
        };
        self.rt.commands.borrow_mut().push(Command::new(None, attributes, Location::caller()));
        self.tell_unread();
        self.tell_unfinished();
        self.rt.end();
    }

    fn failed(&self, failure: &Failure) -> Make {
        // Whatever the function has made of the error with which it was told to return.
        if let Some(mut attributes) = self.rt.continue_as_new.take() {
            if let Make::ContinueAsNewWorkflowExecutionCommandAttributes(next) = &mut attributes {
                self.carry_over(next);
            }
            return attributes;
        }
        if failure.is_cancelled() && self.rt.scopes.borrow().is_cancelled(ROOT) {
            return Make::CancelWorkflowExecutionCommandAttributes(
                command::CancelWorkflowExecutionCommandAttributes::default(),
            );
        }
        let failure = Some(failure.to_proto(&self.rt.converter));
        Make::FailWorkflowExecutionCommandAttributes(command::FailWorkflowExecutionCommandAttributes { failure })
    }

    /// What came through channels of this code and was not received, the next run receives.
    fn carry_over(&self, next: &mut command::ContinueAsNewWorkflowExecutionCommandAttributes) {
        let mut channels = self.rt.channels.borrow_mut();
        let opened = self.rt.opened.borrow();
        let unread = opened.iter().flat_map(|name| {
            let queue = channels.remove(*name).unwrap_or_default();
            queue.into_iter().map(|input| ((*name).to_owned(), input))
        });
        let unread = unread.collect::<Vec<_>>();
        let (count, fields) = (unread.len(), carry::pack(unread));
        let bytes: usize = fields.values().map(|field| field.data.len()).sum();
        if bytes > carry::MAX_BYTES {
            // None of them is lost: other code receives them before it continues.
            self.rt.break_with(Broken::TooLarge(format!(
                "{count} signals that were not received, of {bytes} bytes, do not fit into the start of the next run: \
                 receive them before continuing as new"
            )));
        }
        if !fields.is_empty() {
            next.header.get_or_insert_with(Default::default).fields.extend(fields);
        }
    }

    fn tell_unread(&self) {
        let Name { workflow_id, run_id, .. } = &self.name;
        for (signal, queue) in self.rt.channels.borrow().iter().filter(|_| !self.rt.replaying.get()) {
            let count = queue.len();
            if count > 0 {
                tracing::warn!(%workflow_id, %run_id, signal, count, "the run closed without having received signals");
            }
        }
    }

    fn tell_unfinished(&self) {
        if self.rt.replaying.get() {
            return;
        }
        let Name { workflow_id, run_id, .. } = &self.name;
        for (handler, count) in self.rt.handlers.borrow().iter().filter(|(_, count)| **count > 0) {
            tracing::warn!(
                %workflow_id, %run_id, handler = &**handler, count,
                "the run closed while handlers were at work; `cx.all_handlers_finished()` tells when they are not"
            );
        }
    }

    /// A workflow that fails on panics ends as if its function had returned the panic, in replay, too: what is closed can
    /// be asked.
    fn end_with_panic(&self) {
        let panic = match &*self.rt.broken.borrow() {
            Some(broken @ Broken::Panic(_)) if self.instance.fails_on().contains(&TaskProblem::Panic) => broken.clone(),
            _ => return,
        };
        self.rt.broken.take();
        self.rt.continue_as_new.take();
        *self.rt.completion.borrow_mut() = Some(Completion::Failed(panic.into()));
    }

    /// What a live task that has failed answers, where the workflow fails of that: its end, and nothing of what else the
    /// code did.
    pub(crate) fn end_with(&self, trouble: Trouble) -> Result<Output, Trouble> {
        match trouble {
            Trouble::Fails(TaskFailure { cause: WorkflowTaskFailedCause::NonDeterministicError, failure })
                if self.instance.fails_on().contains(&TaskProblem::Nondeterminism) =>
            {
                let fail = command::FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
                let fail = Make::FailWorkflowExecutionCommandAttributes(fail);
                let fail = Command::new(None, fail, Location::caller()).to_proto(&self.rt.converter);
                Ok(Output { commands: vec![fail], messages: Vec::new(), closed: true })
            }
            trouble => Err(trouble),
        }
    }
}
