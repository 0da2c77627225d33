//! Behaviour of whole runs: a script of commands against a shard in memory, and the history that comes of it.

mod chains;
mod closing;
mod corrupt_rows;
mod cost;
mod describe;
mod explain;
mod forms;
mod instructions;
mod limits;
mod options;
mod pauses;
mod properties;
mod queue_config;
mod removal;
mod reset;
mod starts;
mod tables;
mod workflow_tasks;

use crate::{command::Reply, testing::Sim, transition::Refused};
use expect_test::Expect;
use tenure_api::{
    command::v1::{
        CancelTimerCommandAttributes, CompleteWorkflowExecutionCommandAttributes, StartTimerCommandAttributes,
        command::Attributes as Verb,
    },
    error::ApiError,
};

/// Runs a script against a started workflow and compares its history.
#[track_caller]
fn check(script: impl FnOnce(&mut Sim), history: Expect) {
    let mut sim = Sim::started();
    script(&mut sim);
    history.assert_eq(&sim.history());
}

fn timer(id: &str, seconds: i64) -> Verb {
    Verb::StartTimerCommandAttributes(StartTimerCommandAttributes {
        timer_id: id.into(),
        start_to_fire_timeout: Some(prost_types::Duration { seconds, nanos: 0 }),
    })
}

fn cancel_timer(id: &str) -> Verb {
    Verb::CancelTimerCommandAttributes(CancelTimerCommandAttributes { timer_id: id.into() })
}

fn complete_workflow() -> Verb {
    Verb::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes::default())
}

/// The error that the caller gets, whether anything was applied or not.
#[track_caller]
fn error(result: Result<Reply, Refused>) -> ApiError {
    match result {
        Ok(Reply::Failed(error)) | Err(Refused::Api(error)) => error,
        other => panic!("expected an error of the API, got {other:?}"),
    }
}

#[track_caller]
fn check_error(result: Result<Reply, Refused>, expected: Expect) {
    let error = error(result);
    expected.assert_eq(&format!("{:?}: {}", error.code, error.message));
}
