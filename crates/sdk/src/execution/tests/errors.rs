//! Errors of a workflow's own: what they end as.

use super::*;

#[derive(Debug, thiserror::Error, ApplicationError)]
enum OrderError {
    #[error("declined")]
    #[failure(non_retryable)]
    Declined,
    #[error("{0} is sold out")]
    #[failure(type = "sold-out")]
    SoldOut(&'static str),
    #[error("{0}")]
    Engine(#[from] Failure),
}

/// The same without a derive, and a failure that is no source.
#[derive(Debug, thiserror::Error)]
enum Plain {
    #[error("declined")]
    Declined,
    #[error("{0}")]
    Engine(Failure),
}

impl From<Failure> for Plain {
    fn from(failure: Failure) -> Self {
        Plain::Engine(failure)
    }
}

#[workflow]
async fn ordering(cx: WorkflowContext, step: u32) -> Result<u32, OrderError> {
    match step {
        0 => Ok(cx.continue_as_new(ordering, 1u32).finish()?),
        1 => Err(OrderError::Declined),
        2 => Err(OrderError::SoldOut("tea")),
        _ => {
            cx.sleep(Duration::from_secs(1)).await?;
            Ok(step)
        }
    }
}

#[workflow]
async fn plainly(cx: WorkflowContext, next: bool) -> Result<u32, Plain> {
    if next { Ok(cx.continue_as_new(plainly, false).finish()?) } else { Err(Plain::Declined) }
}

#[test]
fn continue_as_new_goes_through_any_error() {
    assert_eq!(Story::begin(ordering, 0u32).task(), ["CONTINUE_AS_NEW_WORKFLOW_EXECUTION"]);
    assert_eq!(Story::begin(plainly, true).task(), ["CONTINUE_AS_NEW_WORKFLOW_EXECUTION"]);
}

#[test]
fn a_cancellation_goes_through_an_error() {
    let mut story = Story::begin(ordering, 3u32);
    story.task();
    story.cancel();
    assert_eq!(story.task(), ["CANCEL_TIMER", "CANCEL_WORKFLOW_EXECUTION"]);
    story.replays();
}

#[test]
fn each_variant_has_its_type_and_its_retryability() {
    for (step, name, retryable) in [(1u32, "Declined", false), (2, "sold-out", true)] {
        let mut story = Story::begin(ordering, step);
        story.task();
        let failure = story.failure();
        assert_eq!((failure.application_type(), failure.is_retryable()), (Some(name), retryable));
    }
    let mut story = Story::begin(plainly, false);
    story.task();
    assert_eq!(story.failure().application_type(), Some("Plain"));
    assert_eq!(OrderError::Engine(Failure::msg("x")).failure_type(), "Engine");
}

#[workflow]
async fn boxed(cx: WorkflowContext) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    cx.sleep(Duration::from_secs(1)).await?;
    Err("out of tea")?
}

#[test]
fn boxed_errors_are_errors_too() {
    let mut story = Story::begin(boxed, ());
    story.task();
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    assert_eq!(story.failure().to_string(), "out of tea");
    let mut story = Story::begin(boxed, ());
    story.task();
    story.cancel();
    assert_eq!(story.task(), ["CANCEL_TIMER", "CANCEL_WORKFLOW_EXECUTION"]);
}
