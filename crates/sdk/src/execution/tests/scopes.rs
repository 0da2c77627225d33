//! Scopes, time-outs and shields: what they take along, and what becomes of it.

use super::*;

#[derive(Default)]
struct Gate {
    open: bool,
}

#[handlers]
impl Gate {
    #[signal]
    fn open(&mut self) {
        self.open = true;
    }
}

#[workflow]
async fn limited(cx: WorkflowContext<Gate>, what: String) -> Result<bool> {
    let second = Duration::from_secs(1);
    let minute = Duration::from_secs(60);
    let limited = match &*what {
        "condition" => cx.timeout(second, cx.wait_until(|it| it.open)).await.map(drop),
        "timer" => cx.timeout(second, cx.sleep(minute)).await.map(drop),
        "spawned" => cx.timeout(second, cx.spawn(std::future::pending::<()>())).await,
        "started" => cx.timeout(second, cx.activity(greet, "Ann").start()).await.map(drop),
        "both" => cx.timeout(second, async { join!(cx.sleep(minute), std::future::pending::<()>()) }).await.map(drop),
        other => panic!("{other}?"),
    };
    Ok(limited.is_err_and(|failure| failure.timed_out().is_some()))
}

#[test]
fn a_time_out_ends_whatever_it_was_given() {
    for what in ["condition", "timer", "spawned", "started", "both"] {
        let mut story = Story::begin(limited, what);
        story.task();
        let of_a_second = |event: &&HistoryEvent| match &event.attributes {
            Some(Attributes::TimerStartedEventAttributes(it)) => it.start_to_fire_timeout.unwrap().seconds == 1,
            _ => false,
        };
        let limit = story.history.events.iter().find(of_a_second).unwrap().event_id;
        story.fire(limit);
        story.task();
        assert!(story.result(), "{what}");
        story.replays();
    }
}

#[workflow]
async fn scoped(cx: WorkflowContext<Gate>) -> Result<u32> {
    let scope = cx.scope();
    let waiting = scope.run(cx.wait_until(|it| it.open));
    let sleeping = scope.run(cx.sleep(Duration::from_secs(60)));
    let cancelling = async { scope.cancel() };
    let (waited, slept, ()) = join!(waiting, sleeping, cancelling);
    Ok([waited, slept].into_iter().filter(|it| it.as_ref().is_err_and(Failure::is_cancelled)).count() as u32)
}

#[test]
fn a_scope_cancels_timers_and_conditions_that_were_its_arguments() {
    let mut story = Story::begin(scoped, ());
    story.task();
    assert_eq!(story.result(), 2);
    story.replays();
}

#[workflow]
async fn shielding(cx: WorkflowContext<Gate>) -> Result<()> {
    let cancelled = cx.sleep(Duration::from_secs(60)).await;
    cx.shielded(cx.sleep(Duration::from_secs(1))).await?;
    cx.shielded(cx.wait_until(|it| it.open)).await?;
    cancelled
}

#[test]
fn a_shield_keeps_timers_and_conditions_that_are_its_arguments() {
    let mut story = Story::begin(shielding, ());
    story.task();
    story.cancel();
    assert_eq!(story.task(), ["CANCEL_TIMER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    assert!(story.task().is_empty());
    story.signal(Gate::OPEN, ());
    assert_eq!(story.task(), ["CANCEL_WORKFLOW_EXECUTION"]);
    story.replays();
}

#[workflow]
async fn tidy(cx: WorkflowContext) -> Result<bool> {
    let limited = cx.timeout(Duration::from_secs(1), async {
        let cancelled = cx.sleep(Duration::from_secs(60)).await;
        cx.shielded(cx.activity(greet, "bye")).await?;
        cancelled
    });
    Ok(limited.await.is_err_and(|failure| failure.timed_out().is_some()))
}

#[test]
fn a_time_out_waits_for_what_cleans_up() {
    let mut story = Story::begin(tidy, ());
    assert_eq!(story.task(), ["START_TIMER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted) - 1);
    assert_eq!(story.task(), ["CANCEL_TIMER", "SCHEDULE_ACTIVITY_TASK"]);
    story.complete(story.last(EventType::ActivityTaskScheduled), "bye".to_owned());
    story.task();
    assert!(story.result());
    story.replays();
}

#[workflow]
async fn cleaning_up(cx: WorkflowContext) -> Result<()> {
    let failure = cx.sleep(Duration::from_secs(60)).await.unwrap_err();
    assert!(cx.sleep(Duration::from_secs(1)).await.is_err());
    cx.shielded(cx.activity(greet, "bye")).await?;
    Err(failure)
}

#[test]
fn cancellation_reaches_all_but_what_is_shielded() {
    let mut story = Story::begin(cleaning_up, ());
    story.task();
    story.cancel();
    assert_eq!(story.task(), ["CANCEL_TIMER", "SCHEDULE_ACTIVITY_TASK"]);
    story.complete(story.last(EventType::ActivityTaskScheduled), "bye".to_owned());
    assert_eq!(story.task(), ["CANCEL_WORKFLOW_EXECUTION"]);
    story.replays();
}
