//! Calls of activities.

use super::*;

#[test]
fn an_activity_is_scheduled_and_its_result_is_the_workflows() {
    let mut story = Story::begin(greeting, "Ann");
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    story.complete(story.last(EventType::ActivityTaskScheduled), "Hello".to_owned());
    assert_eq!(story.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.result(), "Hello");
    story.replays();
}

#[workflow]
async fn forgetting(cx: WorkflowContext) -> Result<()> {
    cx.activity(greet, "Ann").start().detach();
    drop(cx.activity(greet, "Bob").start());
    Ok(())
}

#[test]
fn what_is_detached_runs_and_what_is_dropped_does_not() {
    let mut story = Story::begin(forgetting, ());
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK", "COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.called(), "greet Ann");
    story.replays();
}

#[workflow]
async fn spreading(cx: WorkflowContext, count: u32) -> Result<Vec<String>> {
    join_all((0..count).map(|n| cx.activity(greet, n.to_string()))).await.into_iter().collect()
}

#[test]
fn results_keep_the_order_of_the_calls() {
    let mut story = Story::begin(spreading, 3);
    assert_eq!(story.task().len(), 3);
    let last = story.last(EventType::ActivityTaskScheduled);
    for (scheduled, value) in [(last, "c"), (last - 2, "a"), (last - 1, "b")] {
        story.complete(scheduled, value.to_owned());
        story.task();
    }
    assert_eq!(story.result(), ["a", "b", "c"]);
    story.replays();
}

#[workflow]
async fn gives_up(cx: WorkflowContext) -> Result<()> {
    let inner = cx.clone();
    let waiting = cx.spawn(async move { inner.sleep(Duration::from_secs(9)).await });
    cx.sleep(Duration::from_secs(1)).await?;
    waiting.abort();
    cx.sleep(Duration::from_secs(2)).await
}

#[test]
fn an_aborted_task_waits_for_nothing_any_more() {
    let mut story = Story::begin(gives_up, ());
    assert_eq!(story.task(), ["START_TIMER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted) - 1);
    assert_eq!(story.task(), ["CANCEL_TIMER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    assert_eq!(story.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    story.replays();
}
