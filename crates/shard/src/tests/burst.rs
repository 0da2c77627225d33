//! Very many schedules that are due together.

use super::{
    NAMESPACE, Options, engine,
    engine::{row, signal, start_after},
    envelope, eventually, leader,
    memory::Cluster,
    options, workflow_in,
};
use crate::leader::executions::own;
use std::time::Duration;
use tenure_engine::{
    Effect, Envelope, Lane, Op, Reply, RowKey, ShardCommand, StateReader, SubjectKind, Transition, WriteSet,
    transition::{Context, Refused},
};
use uuid::Uuid;

/// What is done to a schedule arms its timer for this moment; there it stays, as if there were always more to do.
fn with_schedules(rows: &dyn StateReader, envelope: &Envelope, cx: &mut Context<'_>) -> Result<Transition, Refused> {
    if envelope.lane.kind != SubjectKind::SCHEDULE {
        return engine::engine(rows, envelope, cx);
    }
    let subject = envelope.lane.instance(Uuid::nil());
    let (reply, ops, effects) = match envelope.command {
        ShardCommand::TimerDue { .. } => (Reply::TimerKept, Vec::new(), Vec::new()),
        _ => {
            let row = RowKey::Timer { due: cx.now, subject: subject.clone() };
            let armed = Effect::TimerArmed { subject, due: Some(cx.now) };
            (Reply::Done, vec![Op::Put(row, Default::default())], vec![armed])
        }
    };
    Ok(Transition { reply, writes: WriteSet { ops }, states: Vec::new(), effects, copy: None })
}

#[tokio::test]
async fn no_other_timer_is_behind_those_of_schedules() {
    let cluster = Cluster::start(&[1], 1, |_| 1, &Options { timer_window: 4, ..options() }, with_schedules);
    let leader = leader(&cluster, 1, 1).await;
    for n in 0..50 {
        let lane = Lane { kind: SubjectKind::SCHEDULE, namespace: NAMESPACE, id: format!("s{n}").into() };
        leader.execute(own(lane, signal("arm"))).await.unwrap();
    }
    let workflow = workflow_in(&cluster, 1, "w");
    leader.execute(envelope(&workflow, start_after(Duration::from_millis(200)))).await.unwrap();
    eventually(|| cluster.logs[&1].get(&row(&workflow.run(engine::RUN), "fired"))).await;
}
