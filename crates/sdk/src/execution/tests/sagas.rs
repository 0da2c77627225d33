//! Sagas: in which order they are undone, and what becomes of failures on the way.

use super::*;

#[activity]
async fn book(what: String) {
    drop(what);
}

#[activity]
async fn unbook(what: String) {
    drop(what);
}

#[workflow]
async fn journey(cx: WorkflowContext) -> Result<()> {
    cx.saga(async |saga| {
        for what in ["hotel", "car"] {
            saga.compensate_with(move |cx| cx.activity(unbook, what));
            cx.activity(book, what).await?;
        }
        cx.sleep(Duration::from_secs(60)).await
    })
    .await
}

/// Both are booked, and the workflow sleeps.
fn booked() -> Story<journey> {
    let mut story = Story::begin(journey, ());
    for _ in 0..2 {
        assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
        story.complete(story.last(EventType::ActivityTaskScheduled), ());
    }
    assert_eq!(story.task(), ["START_TIMER"]);
    story
}

#[test]
fn a_cancelled_saga_is_undone_last_first() {
    let mut story = booked();
    story.cancel();
    assert_eq!(story.task(), ["CANCEL_TIMER", "SCHEDULE_ACTIVITY_TASK"]);
    assert_eq!(story.called(), "unbook car");
    story.complete(story.last(EventType::ActivityTaskScheduled), ());
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    assert_eq!(story.called(), "unbook hotel");
    story.complete(story.last(EventType::ActivityTaskScheduled), ());
    assert_eq!(story.task(), ["CANCEL_WORKFLOW_EXECUTION"]);
    story.replays();
}

#[test]
fn a_step_that_failed_is_undone_too_and_a_failing_compensation_holds_up_no_other() {
    let mut story = Story::begin(journey, ());
    story.task();
    story.complete(story.last(EventType::ActivityTaskScheduled), ());
    story.task();
    story.fail(story.last(EventType::ActivityTaskScheduled), Failure::application("SoldOut", "no cars"));
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    assert_eq!(story.called(), "unbook car");
    story.fail(story.last(EventType::ActivityTaskScheduled), Failure::application("Down", "nobody answers"));
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    assert_eq!(story.called(), "unbook hotel");
    story.complete(story.last(EventType::ActivityTaskScheduled), ());
    assert_eq!(story.task(), ["FAIL_WORKFLOW_EXECUTION"]);
    let failure = story.failure();
    assert_eq!(failure.application_type(), Some("CompensationFailed"));
    let failed: Vec<String> = failure.decode_detail(0).unwrap();
    assert!(failed.len() == 1 && failed[0].ends_with("activity unbook failed: nobody answers"), "{failed:?}");
    assert!(failure.message.contains("1 of 2 compensations failed"), "{failure}");
    assert_eq!(failure.cause.as_ref().unwrap().application_type(), Some("SoldOut"));
    story.replays();
}

#[test]
fn a_saga_that_is_undone_fails_with_what_went_wrong() {
    let mut story = Story::begin(journey, ());
    story.task();
    story.fail(story.last(EventType::ActivityTaskScheduled), Failure::application("SoldOut", "no rooms"));
    story.task();
    story.complete(story.last(EventType::ActivityTaskScheduled), ());
    assert_eq!(story.task(), ["FAIL_WORKFLOW_EXECUTION"]);
    assert_eq!(story.failure().application_type(), Some("SoldOut"));
    story.replays();
}

#[derive(Default)]
struct Watched;

#[handlers]
impl Watched {
    #[signal]
    async fn watch(cx: WorkflowContext<Self>) -> Result<()> {
        loop {
            cx.sleep(Duration::from_secs(30)).await?;
        }
    }
}

#[workflow]
async fn watched(cx: WorkflowContext<Watched>) -> Result<()> {
    cx.saga(async |saga| {
        saga.compensate_with(|cx| cx.activity(unbook, "hotel"));
        cx.sleep(Duration::from_secs(60)).await
    })
    .await
}

#[test]
fn a_cancelled_saga_is_undone_whatever_handlers_run() {
    let mut story = Story::begin(watched, ());
    story.task();
    story.signal(Watched::WATCH, ());
    assert_eq!(story.task(), ["START_TIMER"]);
    story.cancel();
    assert_eq!(story.task(), ["CANCEL_TIMER", "CANCEL_TIMER", "SCHEDULE_ACTIVITY_TASK"]);
    assert_eq!(story.called(), "unbook hotel");
    story.complete(story.last(EventType::ActivityTaskScheduled), ());
    assert_eq!(story.task(), ["CANCEL_WORKFLOW_EXECUTION"]);
    story.replays();
}
