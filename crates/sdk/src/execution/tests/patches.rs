//! Code that changes under running workflows.

use super::*;

#[workflow]
async fn changing(cx: WorkflowContext, with_marker: bool) -> Result<bool> {
    // Stands for the code before and after a change.
    let patched = with_marker && cx.patched("change");
    cx.sleep(Duration::from_secs(if patched { 2 } else { 1 })).await?;
    Ok(patched)
}

#[workflow(name = "changing")]
async fn changed(cx: WorkflowContext, _with_marker: bool) -> Result<bool> {
    let patched = cx.patched("change");
    cx.sleep(Duration::from_secs(1)).await?;
    Ok(patched)
}

#[test]
fn runs_from_before_a_patch_keep_their_way() {
    for had_it in [false, true] {
        let mut story = Story::begin(changing, had_it);
        story.task();
        story.fire(story.last(EventType::TimerStarted));
        story.task();
        assert_eq!(story.result(), had_it);
        Replayer::new().workflow(changed).replay_all_prefixes(&story.history).unwrap();
    }
}

#[workflow(name = "rounds")]
async fn rounds_before(cx: WorkflowContext) -> Result<Vec<bool>> {
    for _ in 0..3 {
        cx.sleep(Duration::from_secs(1)).await?;
    }
    Ok(vec![false; 3])
}

#[workflow(name = "rounds")]
async fn rounds(cx: WorkflowContext) -> Result<Vec<bool>> {
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(cx.patched("round"));
        cx.sleep(Duration::from_secs(1)).await?;
    }
    Ok(answers)
}

#[test]
fn the_first_answer_of_a_patch_holds_for_the_run() {
    let mut old = Story::begin(rounds_before, ());
    old.task();
    old.fire(old.last(EventType::TimerStarted));
    old.task();
    old.fire(old.last(EventType::TimerStarted));
    // The new code comes in the third round.
    let mut story = Story::begin(rounds, ());
    story.history = old.history;
    assert_eq!(story.task(), ["START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    assert_eq!(story.result(), [false; 3]);
    story.replays();

    let mut new = Story::begin(rounds, ());
    assert_eq!(new.task(), ["RECORD_MARKER", "START_TIMER"]);
    for _ in 0..3 {
        new.fire(new.last(EventType::TimerStarted));
        new.task();
    }
    assert_eq!(new.result(), [true; 3]);
    new.replays();
}
