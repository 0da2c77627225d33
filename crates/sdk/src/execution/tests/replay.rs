//! Code that does not do what history says.

use super::*;

#[test]
fn a_difference_names_both_sides_and_the_line() {
    let mut story = Story::begin(greeting, "Ann");
    story.task();
    let scheduled = &mut story.history.events.iter_mut().last().unwrap().attributes;
    let Some(Attributes::ActivityTaskScheduledEventAttributes(it)) = scheduled else { panic!("an activity") };
    it.activity_type = Some(ActivityType { name: "salute".to_owned() });
    let error = Replayer::new().workflow(greeting).replay(&story.history).err().unwrap();
    // What `unwrap` shows in a test.
    assert!(format!("{error:?}").contains("\n  the code did: schedule activity task"), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("history has: event 5, activity task scheduled: activity 1 \"salute\""), "{error}");
    assert!(error.contains("the code did: schedule activity task: activity 1 \"greet\" at crates/sdk/src"), "{error}");

    story.history.events.truncate(4);
    let error = Replayer::new().workflow(greeting).replay(&story.history).err().unwrap().to_string();
    assert!(error.contains("history has: nothing more in this workflow task"), "{error}");
}

#[test]
fn a_difference_is_found_in_the_same_task_by_a_worker_that_had_it_cached() {
    let mut story = Story::begin(greeting, "Ann");
    story.task();
    story.history.events.pop();
    let error = story.try_task().unwrap_err();
    assert!(error.contains("the code did: schedule activity task"), "{error}");
}

#[test]
fn events_that_are_missing_are_noticed() {
    let mut story = Story::begin(greeting, "Ann");
    story.task();
    story.fed += 1;
    assert_eq!(story.try_task().unwrap_err(), "gap");
}

#[workflow]
async fn panicking(_cx: WorkflowContext) -> Result<()> {
    panic!("out of tea")
}

#[test]
fn a_panic_fails_the_task() {
    let error = Story::begin(panicking, ()).try_task().unwrap_err();
    let line = line!() - 6;
    assert!(error.starts_with(&format!("panicked at {}:{line}:", file!())), "{error}");
    assert!(error.ends_with(": out of tea"), "{error}");
}

#[workflow(fails_on(panic))]
async fn hasty(cx: WorkflowContext) -> Result<()> {
    cx.sleep(Duration::from_secs(1)).await?;
    panic!("out of tea")
}

#[test]
fn a_panic_fails_the_run_where_the_workflow_says_so() {
    let mut story = Story::begin(hasty, ());
    story.task();
    story.fire(story.last(EventType::TimerStarted));
    assert_eq!(story.task(), ["FAIL_WORKFLOW_EXECUTION"]);
    let failure = story.failure();
    assert_eq!(failure.application_type(), Some("Panic"));
    assert!(failure.message.contains("out of tea"), "{failure}");
    story.replays();
}

#[test]
fn a_run_ends_with_what_its_workflow_fails_on_and_nothing_else() {
    let difference = || Trouble::Fails(Broken::Nondeterminism("it went another way".to_owned()).into());
    #[workflow(fails_on(nondeterminism))]
    async fn unstable(_cx: WorkflowContext) -> Result<()> {
        Ok(())
    }
    let output = Story::begin(unstable, ()).execution.end_with(difference()).unwrap();
    assert!(output.closed && output.commands.len() == 1, "{output:?}");
    Story::begin(hasty, ()).execution.end_with(difference()).unwrap_err();
    Story::begin(unstable, ()).execution.end_with(Trouble::Gap).unwrap_err();
    let panic = Trouble::Fails(Broken::Panic("out of tea".to_owned()).into());
    Story::begin(unstable, ()).execution.end_with(panic).unwrap_err();
}
