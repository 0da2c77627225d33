//! Local activities.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

#[workflow]
async fn locals(cx: WorkflowContext, count: u32) -> Result<u32> {
    let _pending = cx.activity(greet, "Ann").summary("pending").start();
    for n in 0..count {
        cx.local_activity(greet, n.to_string()).await?;
    }
    Ok(count)
}

/// Counts what is written.
struct Counting(Arc<AtomicU64>);

impl tenure_client::PayloadCodec for Counting {
    fn encode(&self, payload: Payload) -> std::result::Result<Payload, tenure_client::DataError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(payload)
    }

    fn decode(&self, payload: Payload) -> std::result::Result<Payload, tenure_client::DataError> {
        Ok(payload)
    }
}

#[test]
fn local_activities_in_a_row_cost_the_same_each() {
    const COUNT: u64 = 100;
    let written = Arc::new(AtomicU64::new(0));
    let converter = DataConverter::default().with_codec(Counting(written.clone()));
    let mut story = Story::begin(locals, COUNT as u32);
    let factory: Arc<dyn Factory> = Arc::new(Typed::new(&story.workflow));
    story.execution = Execution::new(&factory, Name::default(), converter);
    assert_eq!(story.task(), ["SCHEDULE_ACTIVITY_TASK"]);
    let before = written.load(Ordering::Relaxed);
    for seq in 1..=COUNT {
        assert_eq!(story.execution.take_local().len(), 1);
        let result = DataConverter::default().encode(&"x".to_owned()).unwrap();
        let progress = story.execution.finish_local(seq, Ok(Some(result))).unwrap();
        assert_eq!(progress.closed, seq == COUNT);
    }
    // The arguments of the others and the result: the commands that are there are not written anew at each end.
    assert_eq!(written.load(Ordering::Relaxed) - before, COUNT);
    assert_eq!(story.execution.output().unwrap().commands.len() as u64, COUNT + 1);
}

#[workflow]
async fn local_failure(cx: WorkflowContext) -> Result<()> {
    let failure = cx.local_activity(greet, "Ann").await.expect_err("it fails");
    assert!(
        matches!(&failure.kind, tenure_client::FailureKind::Activity { activity_type, .. } if activity_type == "greet")
    );
    Err(failure)
}

#[test]
fn a_local_activity_fails_as_any_other_does() {
    let mut story = Story::begin(local_failure, ());
    story.task();
    story.execution.take_local();
    story.execution.finish_local(1, Err(Failure::application("Shy", "says nothing"))).unwrap();
    let output = story.execution.output().unwrap();
    output.commands.into_iter().for_each(|command| story.recorded(command));
    assert_eq!(story.failure().to_string(), "activity greet failed: says nothing");
}
