//! Options of a running workflow, changed from outside.

use super::check_error;
use crate::{
    command::{Reply, RunRequest, ShardCommand},
    describe::describe,
    id::ProposalId,
    key::TaskKind,
    testing::Sim,
    transition::Refused,
};
use expect_test::expect;
use tenure_api::{common::v1::Priority, workflow::v1::WorkflowExecutionOptions, workflowservice::v1 as api};

fn update(sim: &mut Sim, priority: Option<Priority>, paths: &[&str]) -> Result<Reply, Refused> {
    let paths = paths.iter().map(|path| path.to_string()).collect();
    sim.run(ShardCommand::UpdateWorkflowOptions(RunRequest::new(
        None,
        api::UpdateWorkflowExecutionOptionsRequest {
            workflow_execution_options: Some(WorkflowExecutionOptions { priority, ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths }),
            ..Default::default()
        },
    )))
}

#[track_caller]
fn priority(reply: Result<Reply, Refused>) -> Option<(i32, String)> {
    match reply {
        Ok(Reply::WorkflowOptions(options)) => options.priority.map(|p| (p.priority_key, p.fairness_key)),
        other => panic!("no options: {other:?}"),
    }
}

#[test]
fn a_priority_moves_what_waits() {
    let mut sim = Sim::started();
    assert_eq!(sim.ready(TaskKind::Workflow)[0].priority, 3);
    let given = Priority { priority_key: 1, fairness_key: "f".into(), ..Default::default() };
    assert_eq!(priority(update(&mut sim, Some(given.clone()), &["priority.priority_key"])), Some((1, String::new())));
    assert_eq!(sim.ready(TaskKind::Workflow).iter().map(|task| task.priority).collect::<Vec<_>>(), [1]);
    let entries = sim.log.len();
    assert_eq!(priority(update(&mut sim, Some(given.clone()), &["priority.priority_key"])), Some((1, String::new())));
    assert_eq!(sim.log.len(), entries, "nothing changed");
    assert_eq!(priority(update(&mut sim, Some(given), &["priority"])), Some((1, "f".into())));
    let shown = describe(&sim.current_run(), &sim.state()).workflow_execution_info.unwrap();
    assert_eq!(shown.priority.map(|p| p.fairness_key), Some("f".into()));
    assert_eq!(priority(update(&mut sim, None, &["priority"])), None);
    expect![[r#"
        1 WORKFLOW_EXECUTION_STARTED
        2 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        3 WORKFLOW_EXECUTION_OPTIONS_UPDATED
        4 WORKFLOW_EXECUTION_OPTIONS_UPDATED
        5 WORKFLOW_EXECUTION_OPTIONS_UPDATED
    "#]]
    .assert_eq(&sim.history());
    let task = sim.poll();
    sim.complete(&task, vec![]).unwrap();
}

#[test]
fn bad_options_are_refused() {
    let mut sim = Sim::started();
    // F34.
    for fairness_weight in [f32::NAN, -1.0, f32::NEG_INFINITY] {
        for path in ["priority", "priority.fairness_weight"] {
            let given = Priority { fairness_weight, ..Default::default() };
            check_error(update(&mut sim, Some(given), &[path]), expect!["InvalidArgument: must be greater than zero"]);
        }
    }
    let negative = Priority { priority_key: -1, ..Default::default() };
    check_error(
        update(&mut sim, Some(negative), &["priority"]),
        expect!["InvalidArgument: priority key can't be negative"],
    );
    check_error(
        update(&mut sim, None, &["nope"]),
        expect![[
            r#"InvalidArgument: error parsing UpdateMask: proto: invalid path "nope" for message "temporal.api.workflow.v1.WorkflowExecutionOptions""#
        ]],
    );
}

#[test]
fn a_change_that_is_tried_again_acts_once() {
    let mut sim = Sim::started();
    let change = |key| {
        ShardCommand::UpdateWorkflowOptions(RunRequest::new(
            None,
            api::UpdateWorkflowExecutionOptionsRequest {
                workflow_execution_options: Some(WorkflowExecutionOptions {
                    priority: Some(Priority { priority_key: key, ..Default::default() }),
                    ..Default::default()
                }),
                update_mask: Some(prost_types::FieldMask { paths: vec!["priority".into()] }),
                ..Default::default()
            },
        ))
    };
    let first = |sim: &mut Sim| priority(sim.propose(ProposalId(1), change(1)));
    assert_eq!(first(&mut sim), Some((1, String::new())));
    sim.propose(ProposalId(2), change(2)).unwrap();
    assert_eq!(first(&mut sim), Some((1, String::new())), "as it was answered");
    assert_eq!(sim.ready(TaskKind::Workflow)[0].priority, 2);
}
