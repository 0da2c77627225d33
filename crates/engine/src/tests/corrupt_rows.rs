//! F34: a row that cannot be read fails the command that reads it, and nothing else.

use super::timer;
use crate::{
    chain::Start,
    command::{Reply, RunRequest, ShardCommand},
    proto::Encoded,
    rows::{Op, PendingKind, ReadError, RowKey, WriteSet},
    testing::{Sim, execution, schedule_activity, start_request, workflow},
    transition::Refused,
};
use bytes::Bytes;
use tenure_api::{
    common::v1::{Memo, Payload},
    workflowservice::v1 as api,
};

/// A run with something of every kind: what is inline and what spilled, what is buffered, more than one chunk of history.
fn full() -> Sim {
    let mut sim = Sim::default();
    sim.start(api::StartWorkflowExecutionRequest { memo: Some(memo()), ..start_request() });
    let task = sim.poll();
    let activities = (0..12).map(|n| schedule_activity(&n.to_string()));
    let timers = (0..12).map(|n| timer(&n.to_string(), 60));
    sim.complete(&task, activities.chain(timers).collect()).unwrap();
    sim.signal("first, which makes a task");
    sim.poll();
    for n in 0..12 {
        sim.signal(&n.to_string());
    }
    sim
}

fn memo() -> Memo {
    let payload = Payload { data: "of the memo".into(), ..Default::default() };
    Memo { fields: [("key of the memo".to_owned(), payload)].into() }
}

fn put(sim: &mut Sim, key: &RowKey, value: Vec<u8>) {
    sim.rows.apply(&WriteSet { ops: vec![Op::Put(key.clone(), value.into())] });
}

fn rows(sim: &Sim) -> Vec<(RowKey, Bytes)> {
    sim.rows.rows().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The row that the command could not read, and the cause.
fn corrupt(result: Result<Reply, Refused>) -> Option<(RowKey, String)> {
    match result {
        Err(Refused::Read(ReadError::Corrupt { key, cause })) => Some((key, cause)),
        _ => None,
    }
}

/// Commands that read all there is of a run.
fn commands(sim: &Sim) -> Vec<ShardCommand> {
    let run_id = sim.current_run().run_id;
    let signal = api::SignalWorkflowExecutionRequest { signal_name: "s".into(), ..Default::default() };
    let terminate = api::TerminateWorkflowExecutionRequest { workflow_execution: execution(), ..Default::default() };
    let reset = api::ResetWorkflowExecutionRequest {
        workflow_execution: execution(),
        workflow_task_finish_event_id: 4,
        request_id: "reset".into(),
        ..Default::default()
    };
    vec![
        ShardCommand::SignalWorkflow(RunRequest::new(None, signal)),
        ShardCommand::StartWorkflow(Box::new(Start::new(start_request()).unwrap())),
        ShardCommand::ResetWorkflow(RunRequest::new(None, reset)),
        ShardCommand::TimerDue { instance: run_id },
        ShardCommand::TerminateWorkflow(RunRequest::new(None, terminate)),
    ]
}

#[test]
fn whatever_row_is_damaged_the_commands_that_read_it_fail_and_others_do_not() {
    let mut named = std::collections::BTreeSet::new();
    for (key, value) in rows(&full()) {
        let half = value[..value.len() / 2].to_vec();
        for damaged in [Vec::new(), half, vec![0xff; value.len()]] {
            for nth in 0..commands(&full()).len() {
                let mut sim = full();
                let command = commands(&sim).swap_remove(nth);
                put(&mut sim, &key, damaged.clone());
                let (before, result) = (sim.rows.clone(), sim.run(command));
                if let Some((key, _)) = corrupt(result) {
                    assert_eq!(sim.rows, before, "nothing happened");
                    named.insert(format!("{key:?}").split([' ', '(']).next().unwrap_or_default().to_owned());
                }
                // Others of the shard go on.
                let mut other = workflow();
                other.workflow_id = "other".into();
                let start =
                    Start::new(api::StartWorkflowExecutionRequest { workflow_id: "other".into(), ..start_request() });
                let start = ShardCommand::StartWorkflow(Box::new(start.unwrap()));
                assert!(matches!(sim.run_for(other, start), Ok(Reply::WorkflowStarted { .. })));
            }
        }
    }
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["Current", "Execution", "History"]);
}

#[test]
fn a_message_inside_of_a_row_that_is_none_is_found_when_the_row_is_read() {
    let mut sim = full();
    let key = RowKey::Execution(sim.current_run());
    let core = rows(&sim).into_iter().find(|(of, _)| *of == key).unwrap().1;
    let needle = prost::Message::encode_to_vec(&memo());
    let at = core.windows(needle.len()).position(|window| *window == needle[..]).expect("the memo is in the core row");
    let mut damaged = core.to_vec();
    damaged[at] = 0x07;
    put(&mut sim, &key, damaged);
    let (found, cause) = corrupt(sim.run(commands(&sim).swap_remove(0))).expect("the row is refused");
    assert_eq!(found, key);
    assert!(cause.contains("wire type"), "{cause}");
}

#[test]
fn the_row_of_a_pending_thing_is_named() {
    for (kind, nth) in [(PendingKind::Activity, 9), (PendingKind::Timer, 9), (PendingKind::BufferedEvent, 9)] {
        let mut sim = full();
        let spilled =
            rows(&sim).into_iter().filter(|(key, _)| matches!(key, RowKey::Pending { kind: of, .. } if *of == kind));
        let (key, value) = spilled.last().unwrap_or_else(|| panic!("{nth} of {kind:?} spill"));
        let RowKey::Pending { id, .. } = key else { unreachable!() };
        put(&mut sim, &key, value[..value.len() - 1].to_vec());
        let (_, cause) = corrupt(sim.run(commands(&sim).swap_remove(0))).expect("the row is refused");
        assert!(cause.starts_with(&format!("{kind:?} {id}: ")), "{cause}");
    }
}

#[test]
fn what_is_no_message_is_no_encoded_one() {
    let good = crate::codec::encode(&Encoded::of(&memo()));
    assert_eq!(crate::codec::decode::<Encoded<Memo>>(&good).unwrap().decode(), memo());
    let bad = crate::codec::encode(&<&minicbor::bytes::ByteSlice>::from(&b"\x07"[..]));
    assert!(crate::codec::decode::<Encoded<Memo>>(&bad).is_err());
}
