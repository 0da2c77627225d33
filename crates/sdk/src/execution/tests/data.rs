//! Values that cannot be read or written.

use super::*;

#[workflow]
async fn confused(cx: WorkflowContext) -> Result<u64> {
    const TALK: ActivityRef<(), u64> = ActivityRef::new("talk");
    cx.activity(TALK, ()).await
}

#[test]
fn a_result_of_another_type_fails_the_task_and_names_the_activity() {
    let mut story = Story::begin(confused, ());
    story.task();
    story.complete(story.last(EventType::ActivityTaskScheduled), "text".to_owned());
    let error = story.try_task().unwrap_err();
    let named = format!("the result of activity \"talk\" (id 1) at {}:", file!());
    assert!(error.starts_with(&named), "{error}");
}

#[workflow]
async fn unwritable(_cx: WorkflowContext) -> Result<std::collections::BTreeMap<Vec<u8>, u8>> {
    Ok([(vec![1], 2)].into())
}

#[test]
fn a_result_that_cannot_be_written_fails_the_task() {
    let error = Story::begin(unwritable, ()).try_task().unwrap_err();
    assert!(error.starts_with("the result of the workflow: "), "{error}");
}
