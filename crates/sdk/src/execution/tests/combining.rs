//! Several things at a time.

use super::*;

#[workflow]
async fn combining(cx: WorkflowContext, how: String) -> Result<String> {
    let call = |name: &str| cx.activity(greet, name.to_owned());
    match &*how {
        "try_join" => try_join!(call("a"), call("b")).map(|(a, b)| a + &b),
        "try_join_all" => try_join_all(["a", "b"].map(call)).await.map(|all| all.concat()),
        _ => {
            let (first, at) = select_all(["a", "b"].map(call)).await;
            Ok(format!("{} {at}", first?))
        }
    }
}

#[test]
fn the_first_error_ends_what_is_tried_together() {
    for how in ["try_join", "try_join_all"] {
        let mut story = Story::begin(combining, how);
        story.task();
        let second = story.last(EventType::ActivityTaskScheduled);
        story.complete(second, "b".to_owned());
        assert!(story.task().is_empty());
        story.complete(second - 1, "a".to_owned());
        story.task();
        assert_eq!(story.result(), "ab", "{how}");
        story.replays();

        let mut story = Story::begin(combining, how);
        story.task();
        story.fail(story.last(EventType::ActivityTaskScheduled), Failure::application("Shy", "says nothing"));
        let expected = ["REQUEST_CANCEL_ACTIVITY_TASK", "FAIL_WORKFLOW_EXECUTION"];
        assert_eq!(story.task(), expected, "{how}");
        assert_eq!(story.failure().application_type(), Some("Shy"));
        story.replays();
    }
}

#[test]
fn the_first_that_is_done_is_told_with_its_place() {
    let mut story = Story::begin(combining, "select_all");
    story.task();
    story.complete(story.last(EventType::ActivityTaskScheduled), "b".to_owned());
    assert_eq!(story.task(), ["REQUEST_CANCEL_ACTIVITY_TASK", "COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(story.result(), "b 1");
    story.replays();
}

#[workflow]
async fn racing(cx: WorkflowContext) -> Result<String> {
    let winner = select! {
        _ = cx.sleep(Duration::from_secs(5)) => "five",
        _ = cx.sleep(Duration::from_secs(2)) => "two",
    };
    let waited = cx.wait_until(|()| false).timeout(Duration::from_secs(1)).await?;
    Ok(format!("{winner} {waited} {}", cx.now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs()))
}

#[test]
fn the_loser_of_a_race_is_cancelled() {
    let mut story = Story::begin(racing, ());
    assert_eq!(story.task(), ["START_TIMER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    assert_eq!(story.task(), ["CANCEL_TIMER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    let now = story.last(EventType::WorkflowTaskStarted);
    assert_eq!(story.result(), format!("two false {now}"));
    story.replays();
}

#[workflow]
async fn choosing(cx: WorkflowContext) -> Result<u32> {
    let mut failed = 0;
    select! {
        found = cx.activity(greet, "Ann") => { if found.is_err() { failed += 1; } }
        _ = cx.sleep(Duration::from_secs(2)) => {},
        (first, _) = async { (7, 8) } => return Ok(first),
    }
    Ok(failed)
}

#[test]
fn branches_are_blocks_or_expressions_and_patterns_take_things_apart() {
    let mut story = Story::begin(choosing, ());
    story.task();
    assert_eq!(story.result(), 7);
    story.replays();
}
