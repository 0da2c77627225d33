//! Closed runs are kept for their namespace's retention and not longer; deleted ones are gone at once.

use super::{check_error, complete_workflow, timer};
use crate::{
    command::{RunRequest, ShardCommand},
    proposals::Proposals,
    removal,
    rows::RowKey,
    testing::{Sim, start_request, workflow},
    update::tests as updates,
};
use expect_test::expect;
use std::time::Duration;
use tenure_api::{
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1 as api,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn closed() -> Sim {
    let mut sim = Sim::started();
    sim.signal("a");
    let task = sim.poll();
    sim.complete(&task, vec![timer("t", 5), complete_workflow()]).unwrap();
    sim
}

fn delete(sim: &mut Sim) -> Result<crate::Reply, crate::transition::Refused> {
    sim.run(ShardCommand::DeleteWorkflow { run_id: None })
}

fn left(sim: &Sim) -> Vec<RowKey> {
    sim.rows.rows().map(|(key, _)| key.clone()).collect()
}

#[test]
fn a_closed_run_goes_when_its_retention_is_over_and_not_before() {
    let mut sim = closed();
    sim.retention = Some(DAY);
    sim.start(start_request());
    sim.terminate().unwrap();
    sim.advance(DAY - Duration::from_secs(1));
    assert!(!sim.history().is_empty());
    sim.advance(Duration::from_secs(2));
    // The first run was closed while the retention was three days.
    assert_eq!(sim.rows.timers().len(), 1);
    assert!(sim.rows.rows().all(|(key, _)| !matches!(key, RowKey::Current(_))), "the current run is no more");
    sim.advance(DAY * 2);
    assert_eq!(left(&sim), []);
}

/// F44.
#[test]
fn of_the_queues_of_a_worker_process_nothing_is_left() {
    let mut sim = Sim::started();
    for process in 0..10 {
        let task = sim.poll();
        let queue = TaskQueue { name: format!("q-of-process-{process}"), kind: 2, normal_name: "q".into() };
        let request = api::RespondWorkflowTaskCompletedRequest {
            sticky_attributes: Some(StickyExecutionAttributes {
                worker_task_queue: Some(queue),
                schedule_to_start_timeout: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
            }),
            ..Default::default()
        };
        sim.complete_with(&task, request).unwrap();
        sim.signal("a");
        let named: Vec<_> = left(&sim).into_iter().filter(|key| format!("{key:?}").contains("q-of-process")).collect();
        let [RowKey::Ready { queue, .. }] = &named[..] else { panic!("{named:?}") };
        assert_eq!(*queue.name, format!("q-of-process-{process}"));
    }
    sim.terminate().unwrap();
    assert!(!left(&sim).iter().any(|key| format!("{key:?}").contains("QueueKey")));
    sim.advance(DAY * 4);
    assert_eq!(left(&sim), []);
}

#[test]
fn a_retention_that_grew_keeps_runs_that_are_closed_already() {
    let mut sim = closed();
    sim.retention = Some(DAY * 10);
    sim.advance(DAY * 9);
    assert!(sim.history().contains("COMPLETED"));
    sim.advance(DAY * 2);
    assert_eq!(left(&sim), []);
}

#[test]
fn a_leader_that_does_not_know_the_retention_removes_nothing() {
    let mut sim = Sim::started();
    sim.retention = None;
    sim.terminate().unwrap();
    sim.advance(DAY * 30);
    assert!(sim.history().contains("TERMINATED"));
    sim.retention = Some(DAY);
    sim.advance(DAY);
    assert_eq!(left(&sim), []);
}

#[test]
fn a_deleted_run_is_gone_at_once_and_its_rows_soon() {
    let mut sim = Sim::started();
    sim.signal("a");
    delete(&mut sim).unwrap();
    check_error(delete(&mut sim), expect!["NotFound: workflow not found for ID: w"]);
    check_error(sim.terminate(), expect!["NotFound: workflow not found for ID: w"]);
    let again = sim.start(start_request());
    sim.advance(Proposals::MAX_AGE + Duration::from_secs(1));
    assert_eq!(sim.current_run(), workflow().run(again));
    let of_others = sim.rows.rows().filter(|(key, _)| matches!(key, RowKey::Execution(run) if run.run_id != again));
    assert_eq!(of_others.count(), 0);
    delete(&mut sim).unwrap();
    sim.advance(Proposals::MAX_AGE);
    assert_eq!(left(&sim), []);
}

#[test]
fn updates_of_a_run_go_with_it() {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![]).unwrap();
    for id in ["completed", "accepted", "admitted"] {
        sim.run(updates::update_command(id)).unwrap();
    }
    let task = sim.poll();
    let messages = vec![updates::accept("completed"), updates::respond("completed"), updates::accept("accepted")];
    sim.complete_with(&task, api::RespondWorkflowTaskCompletedRequest { messages, ..Default::default() }).unwrap();
    let history = sim.history();
    assert!(history.contains("UPDATE_COMPLETED completed"), "{history}");
    delete(&mut sim).unwrap();
    sim.advance(Proposals::MAX_AGE);
    assert_eq!(left(&sim), []);
}

#[test]
fn a_long_history_goes_in_pieces() {
    let mut sim = Sim::started();
    for _ in 0..40 {
        let request = api::SignalWorkflowExecutionRequest {
            signal_name: "x".repeat(100 << 10),
            request_id: sim.log.len().to_string(),
            ..Default::default()
        };
        sim.run(ShardCommand::SignalWorkflow(RunRequest::new(None, request))).unwrap();
    }
    sim.terminate().unwrap();
    let entries = sim.log.len();
    sim.advance(DAY * 4);
    assert_eq!(left(&sim), []);
    let pieces = sim.log.len() - entries;
    assert!((10..=20).contains(&pieces), "{pieces} entries for 4 MiB in pieces of {}", removal::PIECE);
}

mod of_a_namespace {
    use super::*;
    use crate::{Reply, outbox::Receipt, transition::answer_of_reclaimed};
    use tenure_api::{
        command::v1::{StartChildWorkflowExecutionCommandAttributes, command::Attributes as Verb},
        common::v1::WorkflowType,
    };

    fn reclaim(sim: &mut Sim, run_id: uuid::Uuid) {
        sim.run(ShardCommand::ReclaimRun { run_id }).unwrap();
    }

    #[test]
    fn runs_go_in_any_state_at_once() {
        let mut sim = closed();
        let first = sim.current_run().run_id;
        let second = sim.start(start_request());
        sim.signal("a");
        let _started = sim.poll();
        // One that is running is closed first, and hidden.
        reclaim(&mut sim, second);
        check_error(sim.terminate(), expect!["NotFound: workflow not found for ID: w"]);
        reclaim(&mut sim, second);
        assert!(!left(&sim).iter().any(|key| matches!(key, RowKey::Execution(run) if run.run_id == second)));
        reclaim(&mut sim, first);
        assert_eq!(left(&sim), []);
        // What is not there is gone.
        reclaim(&mut sim, first);
    }

    #[test]
    fn a_long_history_goes_in_pieces() {
        let mut sim = Sim::started();
        let run = sim.current_run().run_id;
        let large = "x".repeat(100 << 10);
        for _ in 0..10 {
            sim.signal(&large);
        }
        reclaim(&mut sim, run);
        let mut pieces = 0;
        while !left(&sim).is_empty() {
            let before = left(&sim).len();
            reclaim(&mut sim, run);
            assert!(left(&sim).len() < before);
            pieces += 1;
        }
        assert!(pieces > 3, "{pieces}");
    }

    #[test]
    fn nothing_begins_and_what_ends_goes_on() {
        let ends = |command: &ShardCommand| answer_of_reclaimed(command).is_none();
        assert!(ends(&ShardCommand::TimerDue { instance: uuid::Uuid::nil() }));
        assert!(ends(&ShardCommand::ReclaimRun { run_id: uuid::Uuid::nil() }));
        let signal = ShardCommand::SignalWorkflow(RunRequest::default());
        let refused = answer_of_reclaimed(&signal).unwrap().unwrap_err();
        expect!["The namespace was deleted."].assert_eq(&refused.message);
        // Whoever waits for an answer in another namespace gets one.
        let mut parent = Sim::started();
        let task = parent.poll();
        let child = StartChildWorkflowExecutionCommandAttributes {
            workflow_id: "c".into(),
            workflow_type: Some(WorkflowType { name: "T".into() }),
            ..Default::default()
        };
        parent.complete(&task, vec![Verb::StartChildWorkflowExecutionCommandAttributes(child)]).unwrap();
        assert_eq!(parent.rows.outbox().len(), 1);
        for (run, _, message) in parent.rows.outbox() {
            let receive = ShardCommand::Receive { from: run.into(), message: Box::new(message) };
            let reply = answer_of_reclaimed(&receive).unwrap().unwrap();
            assert!(matches!(reply, Reply::Received(Receipt::Refused)), "{reply:?}");
        }
    }
}
