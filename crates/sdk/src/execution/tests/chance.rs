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

#[cfg(feature = "rand")]
#[workflow]
async fn dice(cx: WorkflowContext) -> Result<Vec<u64>> {
    use rand_core::Rng;
    let mut bytes = [0; 11];
    cx.rng().fill_bytes(&mut bytes);
    let distinct = std::collections::BTreeSet::from(bytes).len() as u64;
    cx.sleep(Duration::from_secs(1)).await?;
    Ok(vec![distinct, cx.rng().next_u64(), cx.rng().next_u32().into(), cx.random()])
}

#[cfg(feature = "rand")]
#[test]
fn a_generator_goes_on_with_the_workflows_sequence() {
    let mut story = Story::begin(dice, ());
    story.task();
    story.fire(story.last(EventType::TimerStarted));
    story.task();
    let result = story.result();
    assert!(result[0] > 8, "{result:?}");
    assert!(result[1] != result[3] && result[1] >> 32 != result[2], "{result:?}");
    Replayer::new().workflow(dice).strict().replay(&story.history).unwrap();
}
