//! What a run hands to the next.

use super::*;

#[test]
fn signals_that_do_not_fit_into_the_next_run_fail_the_task() {
    let mut story = Story::begin(jukebox, 2);
    for _ in 0..3 {
        story.signal(SONGS, "x".repeat(1 << 20).as_str());
    }
    let error = story.try_task().unwrap_err();
    assert!(error.starts_with("2 signals that were not received, of 209"), "{error}");
}

#[workflow]
async fn renewing(cx: WorkflowContext, run: u32) -> Result<u32> {
    if run > 1 {
        return Ok(run);
    }
    let policy = tenure_client::RetryPolicy::default().maximum_attempts(3);
    cx.continue_as_new(renewing, run + 1)
        .memo("owner", "Bo".to_owned())
        .search_attribute("City", "Lisbon")
        .retry(policy)
        .task_timeout(Duration::from_secs(20))
        .finish()
}

#[test]
fn the_next_run_has_what_it_is_given() {
    let mut story = Story::begin(renewing, 1u32);
    story.push(EventType::WorkflowTaskScheduled, Attributes::WorkflowTaskScheduledEventAttributes(Default::default()));
    story.push(EventType::WorkflowTaskStarted, Attributes::WorkflowTaskStartedEventAttributes(Default::default()));
    let events = story.history.events.clone();
    let output = story.execution.advance(Task { events, ..Default::default() }).unwrap();
    let Some(Make::ContinueAsNewWorkflowExecutionCommandAttributes(next)) = &output.commands[0].attributes else {
        panic!("continued")
    };
    assert!(next.memo.as_ref().unwrap().fields.contains_key("owner"));
    assert!(next.search_attributes.as_ref().unwrap().indexed_fields.contains_key("City"));
    assert_eq!(next.retry_policy.as_ref().unwrap().maximum_attempts, 3);
    assert_eq!(next.workflow_task_timeout.unwrap().seconds, 20);
}

const SONGS: Signal<(), (String,)> = Signal::new("song");

#[workflow]
async fn jukebox(cx: WorkflowContext, runs: u32) -> Result<Vec<String>> {
    let songs = cx.signals(SONGS);
    let (first,) = songs.receive().await?;
    if runs > 1 {
        return cx.continue_as_new(jukebox, runs - 1).finish();
    }
    let others = std::iter::from_fn(|| songs.try_receive()).map(|(song,)| song);
    Ok(std::iter::once(first).chain(others).collect())
}

#[test]
fn signals_that_a_run_has_not_received_are_there_for_the_next() {
    let mut story = Story::begin(jukebox, 2);
    for song in ["a", "b", "c"] {
        story.signal(SONGS, song);
    }
    assert_eq!(story.task(), ["CONTINUE_AS_NEW_WORKFLOW_EXECUTION"]);
    story.replays();
    let mut next = story.next_run();
    next.signal(SONGS, "d");
    assert_eq!(next.task(), ["COMPLETE_WORKFLOW_EXECUTION"]);
    assert_eq!(next.result(), ["b", "c", "d"]);
    next.replays();
}
