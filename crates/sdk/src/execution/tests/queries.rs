//! What a workflow tells of itself.

use super::*;

#[test]
fn a_workflow_tells_what_it_waits_for_and_what_it_handles() {
    let mut story = Story::begin(limited_order, ());
    story.task();
    let ask = |story: &Story<limited_order>, name: &str| -> serde_json::Value {
        DataConverter::default().decode(&story.execution.query(name, None, &Headers::default()).unwrap()).unwrap()
    };
    let line = line!() + 12;
    let trace = ask(&story, "__stack_trace");
    assert_eq!(trace, format!("activity \"greet\" (id 1), begun at {}:{line}:8", file!()));
    let metadata = ask(&story, "__temporal_workflow_metadata");
    assert_eq!(metadata["definition"]["type"], "limited_order");
    assert_eq!(metadata["definition"]["signalDefinitions"][0]["name"], "add");
}

#[workflow]
async fn limited_order(cx: WorkflowContext<Names>) -> Result<()> {
    // The line that the test names.
    //
    cx.activity(greet, "Ann").await?;
    Ok(())
}
