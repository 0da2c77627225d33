//! Chance and values from outside.

use super::*;

#[workflow]
async fn random(cx: WorkflowContext) -> Result<Vec<String>> {
    let before = cx.uuid().to_string();
    let kept = cx.side_effect(|| {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|it| it.as_nanos() as u64).unwrap_or_default()
    });
    cx.sleep(Duration::from_secs(1)).await?;
    Ok(vec![before, cx.uuid().to_string(), kept.to_string()])
}

#[test]
fn chance_is_the_same_every_time() {
    let mut story = Story::begin(random, ());
    assert_eq!(story.task(), ["RECORD_MARKER", "START_TIMER"]);
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    let result = story.result();
    assert_ne!(result[0], result[1]);
    story.replays();
}
