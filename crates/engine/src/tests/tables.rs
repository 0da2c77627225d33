//! The transition tables in the doc comments are what the code does: for each cell the thing is put into the state of the
//! row, what the column says happens, and the state that follows is compared.

use super::complete_workflow;
use crate::{
    activity::{self, PendingActivity},
    command::{ActivityRef, Poll, RunRequest, ShardCommand, StartTask, WorkflowTaskStarted},
    id::Stamp,
    key::TaskKind,
    outbox::{OutboxMessage, Receipt},
    rows::StateReader,
    subject::SubjectKind,
    testing::{Sim, command, execution, schedule_activity},
    token::TaskToken,
    update::{
        self, UpdatePhase,
        tests::{accept, reject, respond, update_command},
    },
    workflow_task::{self, TaskPhase},
};
use std::{sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{
        ProtocolMessageCommandAttributes, StartChildWorkflowExecutionCommandAttributes, command::Attributes as Verb,
    },
    common::v1::WorkflowType,
    failure::v1::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    protocol::v1::Message,
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    workflowservice::v1 as api,
};

/// The state of a thing as the table writes it, and its attempt.
#[derive(Debug, PartialEq)]
struct At(String, i32);

/// Whether a cell of a table allows this state to follow.
fn allows(cell: &str, before: &At, after: &At) -> bool {
    if cell == "-" {
        return before == after;
    }
    let (states, rest) = cell.split_once(", ").unwrap_or((cell, ""));
    let attempt = if rest == "next attempt" { before.1 + 1 } else { before.1 };
    states.split(" or ").any(|state| state == after.0) && (after.1 == 0 || after.1 == attempt)
}

/// The cells of the table in a file's doc comment: state, event, what follows.
fn cells(source: &str) -> Vec<[String; 3]> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("//! |")?.strip_suffix('|'));
    let mut rows = lines.map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let events = rows.next().expect("a table has a head");
    let rows = rows.skip(1).flat_map(|row| {
        assert_eq!(row.len(), events.len(), "{row:?} has a cell for each of {events:?}");
        let of = |(event, next): (&String, &String)| [row[0].clone(), event.clone(), next.clone()];
        events.iter().zip(&row).skip(1).map(of).collect::<Vec<_>>()
    });
    rows.collect()
}

/// A thing that a table is about, in a shard.
trait Machine: Sized {
    fn put(state: &str) -> Self;
    fn take(&mut self, event: &str);
    fn at(&self) -> At;
}

fn check<M: Machine>(source: &str) {
    let cells = cells(source);
    assert!(!cells.is_empty(), "there is a table");
    for [state, event, next] in cells {
        let mut machine = M::put(&state);
        let before = machine.at();
        assert_eq!(before.0, state);
        machine.take(&event);
        let after = machine.at();
        assert!(allows(&next, &before, &after), "{before:?}, {event}: {next} in the table, {after:?} in fact");
    }
}

/// A task that is not there, in the names that a request would use.
fn nothing(sim: &Sim, kind: TaskKind, scheduled_event_id: i64) -> (StartTask, TaskToken) {
    let run = sim.current_run();
    let start = StartTask { run_id: run.run_id, stamp: Stamp::default(), scheduled_event_id, poll: Poll::default() };
    let activity_id = if kind == TaskKind::Activity { "a".into() } else { String::new() };
    (
        start,
        TaskToken {
            kind,
            run,
            scheduled_event_id,
            attempt: 1,
            stamp: Stamp::default(),
            activity_id,
            of: SubjectKind::RUN,
        },
    )
}

fn start_of(sim: &Sim, kind: TaskKind) -> StartTask {
    match sim.ready(kind).first() {
        Some(task) => StartTask::of(task, Poll { queue: task.queue.name.to_string(), ..Poll::default() }),
        None => nothing(sim, kind, 5).0,
    }
}

fn sticky(sim: &mut Sim) {
    let task = sim.poll();
    let queue = TaskQueue { name: "sticky".into(), kind: 2, normal_name: "q".into() };
    let schedule_to_start_timeout = Some(prost_types::Duration { seconds: 5, nanos: 0 });
    let attributes = StickyExecutionAttributes { worker_task_queue: Some(queue), schedule_to_start_timeout };
    let request =
        api::RespondWorkflowTaskCompletedRequest { sticky_attributes: Some(attributes), ..Default::default() };
    sim.complete_with(&task, request).expect("the worker keeps the run");
    sim.signal("s");
}

struct OfWorkflowTask(Sim);

impl Machine for OfWorkflowTask {
    fn put(state: &str) -> Self {
        let mut sim = Sim::started();
        match state {
            "none" => {
                let task = sim.poll();
                sim.complete(&task, vec![]).expect("completed");
            }
            "`Ready`" => {}
            "`Ready` on a sticky queue" => sticky(&mut sim),
            "`Started`" => drop(sim.poll()),
            other => panic!("no state {other}"),
        }
        OfWorkflowTask(sim)
    }

    fn take(&mut self, event: &str) {
        let sim = &mut self.0;
        let token = workflow_task::started_token(&sim.current_run(), &sim.state());
        let token = token.unwrap_or_else(|| nothing(sim, TaskKind::Workflow, 2).1);
        let command = match event {
            "start" => ShardCommand::StartWorkflowTask(start_of(sim, TaskKind::Workflow)),
            "complete" => ShardCommand::CompleteWorkflowTask { token, request: Arc::default() },
            "fail" => ShardCommand::FailWorkflowTask { token, request: Arc::default() },
            "time out" => return sim.advance(Duration::from_secs(10)),
            "return" => ShardCommand::ReturnTask { token },
            other => panic!("no event {other}"),
        };
        // What is not possible is refused.
        drop(sim.run(command));
    }

    fn at(&self) -> At {
        let task = &self.0.state().workflow_task;
        let Some(pending) = &task.pending else { return At("none".into(), 0) };
        let state = match &pending.phase {
            TaskPhase::Ready { .. } if pending.sticky => "`Ready` on a sticky queue",
            TaskPhase::Ready { .. } => "`Ready`",
            TaskPhase::Started(_) => "`Started`",
        };
        At(state.into(), task.attempt)
    }
}

#[test]
fn a_workflow_task_goes_by_its_table() {
    check::<OfWorkflowTask>(include_str!("../workflow_task/mod.rs"));
}

struct OfActivity(Sim);

impl OfActivity {
    fn activity<T>(&self, read: impl FnOnce(&PendingActivity) -> T) -> T {
        read(self.0.state().activities.values().next().expect("the activity is pending"))
    }

    fn token(&self) -> TaskToken {
        let (_, token) = nothing(&self.0, TaskKind::Activity, 5);
        let started = self.activity(|a| a.started().map(|started| (started.stamp, a.attempt)));
        let (stamp, attempt) = started.unwrap_or((token.stamp, token.attempt));
        TaskToken { stamp, attempt, ..token }
    }
}

impl Machine for OfActivity {
    fn put(state: &str) -> Self {
        let mut sim = Sim::started();
        let task = sim.poll();
        sim.complete(&task, vec![schedule_activity("a")]).expect("scheduled");
        let mut machine = OfActivity(sim);
        let events: &[&str] = match state {
            "`Ready`" => &[],
            "`Started`" => &["start"],
            "`Backoff`" => &["start", "fail, retried"],
            "`Paused`" => &["pause"],
            "`Held`" => &["run paused"],
            other => panic!("no state {other}"),
        };
        events.iter().for_each(|event| machine.take(event));
        machine
    }

    fn take(&mut self, event: &str) {
        let activity = ActivityRef::Token(self.token());
        let command = match event {
            "start" => ShardCommand::StartActivityTask(start_of(&self.0, TaskKind::Activity)),
            "return" => ShardCommand::ReturnTask { token: self.token() },
            "fail, retried" => {
                let failure_info = Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default()));
                let failure = Some(Failure { failure_info, ..Default::default() });
                let request = api::RespondActivityTaskFailedRequest { failure, ..Default::default() };
                ShardCommand::FailActivity { activity, request: Arc::new(request) }
            }
            // An attempt may take so long; the first back-off is shorter.
            "time-out or retry due" => return self.0.advance(Duration::from_secs(10)),
            "pause" => {
                let activity = Some(api::pause_activity_request::Activity::Id("a".into()));
                let request = api::PauseActivityRequest { activity, ..Default::default() };
                ShardCommand::PauseActivity(RunRequest::new(None, request))
            }
            "unpause" => {
                let activity = Some(api::unpause_activity_request::Activity::Id("a".into()));
                let request = api::UnpauseActivityRequest { activity, ..Default::default() };
                ShardCommand::UnpauseActivity(RunRequest::new(None, request))
            }
            "run paused" => ShardCommand::PauseWorkflow(RunRequest::default()),
            "run unpaused" => ShardCommand::UnpauseWorkflow(RunRequest::default()),
            other => panic!("no event {other}"),
        };
        // What is not possible is refused.
        drop(self.0.run(command));
    }

    fn at(&self) -> At {
        self.activity(|activity| {
            let state = match activity.phase {
                activity::ActivityPhase::Ready(_) => "`Ready`",
                activity::ActivityPhase::Started(_) => "`Started`",
                activity::ActivityPhase::Backoff => "`Backoff`",
                activity::ActivityPhase::Paused => "`Paused`",
                activity::ActivityPhase::Held => "`Held`",
            };
            At(state.into(), activity.attempt)
        })
    }
}

#[test]
fn an_activity_goes_by_its_table() {
    check::<OfActivity>(include_str!("../activity/state.rs"));
}

/// The update `u` of a run whose worker is at a task.
struct OfUpdate {
    sim: Sim,
    task: WorkflowTaskStarted,
}

impl OfUpdate {
    fn complete(&mut self, message: Message, force_create_new_workflow_task: bool) {
        let message_id = message.id.clone();
        let named = Verb::ProtocolMessageCommandAttributes(ProtocolMessageCommandAttributes { message_id });
        let (messages, commands) = (vec![message], vec![command(named)]);
        let request = api::RespondWorkflowTaskCompletedRequest {
            messages,
            commands,
            force_create_new_workflow_task,
            ..Default::default()
        };
        // What is not possible is refused, and fails the task.
        drop(self.sim.complete_with(&self.task, request));
    }
}

impl Machine for OfUpdate {
    fn put(state: &str) -> Self {
        let mut sim = Sim::started();
        let task = sim.poll();
        let mut machine = OfUpdate { sim, task };
        if state != "`Admitted`" {
            machine.sim.complete(&machine.task, vec![]).expect("completed");
        }
        machine.sim.run(update_command("u")).expect("admitted");
        if state != "`Admitted`" {
            machine.task = machine.sim.poll();
        }
        match state {
            "`Admitted`" | "`Sent`" => return machine,
            "`Accepted`" | "`Reapplied`" => machine.complete(accept("u"), true),
            other => panic!("no state {other}"),
        }
        if state == "`Reapplied`" {
            let request = api::ResetWorkflowExecutionRequest {
                workflow_execution: execution(),
                workflow_task_finish_event_id: 4,
                request_id: "reset".into(),
                ..Default::default()
            };
            machine.sim.run(ShardCommand::ResetWorkflow(RunRequest::new(None, request))).expect("reset");
        }
        machine.task = machine.sim.poll();
        machine
    }

    fn take(&mut self, event: &str) {
        match event {
            "task starts" => {
                // A worker that forces the next task to keep its place goes on with the updates that it has.
                let request = api::RespondWorkflowTaskCompletedRequest {
                    force_create_new_workflow_task: true,
                    ..Default::default()
                };
                self.sim.complete_with(&self.task, request).expect("completed");
                self.task = self.sim.poll();
            }
            "task fails" => drop(self.sim.fail(&self.task).expect("failed")),
            "accepted" => self.complete(accept("u"), false),
            "rejected" => self.complete(reject("u"), false),
            "response" => self.complete(respond("u"), false),
            "run closes" => drop(self.sim.terminate().expect("terminated")),
            other => panic!("no event {other}"),
        }
    }

    fn at(&self) -> At {
        let state = self.sim.state();
        let row = update::row(&self.sim.current_run(), "u");
        let shown = match state.updates.find("u").map(|(_, update)| &update.phase) {
            Some(UpdatePhase::Admitted(_)) => "`Admitted`",
            Some(UpdatePhase::Sent(..)) => "`Sent`",
            Some(UpdatePhase::Reapplied { .. }) => "`Reapplied`",
            Some(UpdatePhase::Accepted(_)) => "`Accepted`",
            Some(UpdatePhase::Aborted { .. }) => "`Aborted`",
            None if self.sim.rows.get(&row).expect("rows can be read").is_some() => "a row of its own",
            None => "gone",
        };
        At(shown.into(), 0)
    }
}

#[test]
fn an_update_goes_by_its_table() {
    check::<OfUpdate>(include_str!("../update/state.rs"));
}

/// The child `k` of a run, and the message that starts it.
struct OfChild {
    sim: Sim,
    start: (crate::RunKey, Stamp, OutboxMessage),
}

impl Machine for OfChild {
    fn put(state: &str) -> Self {
        let mut sim = Sim::started();
        let task = sim.poll();
        let child = StartChildWorkflowExecutionCommandAttributes {
            workflow_id: "k".into(),
            workflow_type: Some(WorkflowType { name: "C".into() }),
            ..Default::default()
        };
        sim.complete(&task, vec![Verb::StartChildWorkflowExecutionCommandAttributes(child)]).expect("initiated");
        let start = sim.outbox().pop().expect("a message that starts the child");
        let mut machine = OfChild { sim, start };
        match state {
            "`Initiated`" => {}
            "`Started`" => machine.take("start answered"),
            other => panic!("no state {other}"),
        }
        machine
    }

    fn take(&mut self, event: &str) {
        let (from, stamp, message) = self.start.clone();
        match event {
            "start answered" => {
                let receipt = self.sim.deliver(&from, &message);
                self.sim.delivered(&from, stamp, receipt);
            }
            "start refused" => self.sim.delivered(&from, stamp, Receipt::AlreadyExists),
            "child closes" => {
                // It started, whether its parent has the answer or not.
                self.sim.deliver(&from, &message);
                let task = self.sim.poll_of("k");
                self.sim.complete(&task, vec![complete_workflow()]).expect("completed");
                let (child, _, closed) = self
                    .sim
                    .outbox()
                    .into_iter()
                    .find(|(_, _, message)| message.to == from.workflow.clone().into())
                    .expect("a word");
                self.sim.deliver(&child, &closed);
            }
            "parent closes" => drop(self.sim.terminate().expect("terminated")),
            other => panic!("no event {other}"),
        }
    }

    fn at(&self) -> At {
        let state = self.sim.state();
        let child = state.relations.children.values().next();
        let shown = child.map_or("gone", |child| if child.started.is_some() { "`Started`" } else { "`Initiated`" });
        At(shown.into(), 0)
    }
}

#[test]
fn a_child_goes_by_its_table() {
    check::<OfChild>(include_str!("../child/state.rs"));
}

#[test]
fn a_table_that_is_wrong_is_found_out() {
    let (before, after) = (At("`Ready`".into(), 1), At("`Started`".into(), 1));
    assert!(allows("`Started`", &before, &after) && allows("none or `Started`", &before, &after));
    for wrong in ["-", "none", "`Started`, next attempt"] {
        assert!(!allows(wrong, &before, &after), "{wrong}");
    }
    assert!(allows("-", &before, &before) && !allows("`Ready`, next attempt", &before, &before));
}
