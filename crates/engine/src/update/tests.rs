use super::{FoundUpdate, UpdateStatus, messages};
use crate::{
    chain::Start,
    command::{Reply, RunRequest, ShardCommand, StartTask, WorkflowTaskStarted},
    id::ProposalId,
    key::TaskKind,
    testing::{Sim, execution, start_request},
    transition::{Effect, Refused},
};
use expect_test::{Expect, expect};
use prost::{Message as _, Name};
use std::{fmt::Write, sync::Arc, time::Duration};
use tenure_api::{
    command::v1::{
        CompleteWorkflowExecutionCommandAttributes, ProtocolMessageCommandAttributes, StartTimerCommandAttributes,
        command::Attributes as Verb,
    },
    common::v1::{Payload, Payloads},
    enums::v1::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy as Conflict},
    error::ApiError,
    failure::v1::Failure,
    protocol::v1::Message,
    taskqueue::v1::{StickyExecutionAttributes, TaskQueue},
    update::v1::{Acceptance, Input, Meta, Outcome, Rejection, Request, Response, outcome},
    workflowservice::v1 as api,
};

fn request(id: &str) -> Request {
    Request {
        meta: Some(Meta { update_id: id.into(), identity: "client".into() }),
        input: Some(Input { name: "up".into(), ..Default::default() }),
        ..Default::default()
    }
}

pub(crate) fn update_request(id: &str) -> Arc<api::UpdateWorkflowExecutionRequest> {
    Arc::new(api::UpdateWorkflowExecutionRequest {
        workflow_execution: execution(),
        request: Some(request(id)),
        ..Default::default()
    })
}

pub(crate) fn update_command(id: &str) -> ShardCommand {
    ShardCommand::UpdateWorkflow(RunRequest { run_id: None, request: update_request(id) })
}

fn update(sim: &mut Sim, id: &str) -> Result<FoundUpdate, ApiError> {
    match sim.run(update_command(id)) {
        Ok(Reply::Update { found, .. }) => Ok(found),
        Err(Refused::Api(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

/// Admits an update that is new.
#[track_caller]
fn admit(sim: &mut Sim, id: &str) {
    assert_eq!(update(sim, id).map(|found| show(&found.status)), Ok("Admitted".into()));
}

fn message<M: prost::Message + Name>(id: &str, kind: &str, body: &M) -> Message {
    Message {
        id: format!("{id}/{kind}"),
        protocol_instance_id: id.into(),
        body: Some(prost_types::Any { type_url: M::type_url(), value: body.encode_to_vec() }),
        ..Default::default()
    }
}

pub(crate) fn accept(id: &str) -> Message {
    let body = Acceptance {
        accepted_request_message_id: format!("{id}/request"),
        accepted_request_sequencing_event_id: 5,
        ..Default::default()
    };
    message(id, "accept", &body)
}

pub(crate) fn reject(id: &str) -> Message {
    let failure = Some(Failure { message: "no".into(), ..Default::default() });
    message(id, "reject", &Rejection { failure, ..Default::default() })
}

pub(crate) fn respond(id: &str) -> Message {
    let payloads = Payloads { payloads: vec![Payload { data: "done".into(), ..Default::default() }] };
    let outcome = Some(Outcome { value: Some(outcome::Value::Success(payloads)) });
    let meta = Some(Meta { update_id: id.into(), ..Default::default() });
    message(id, "respond", &Response { meta, outcome })
}

fn named(id: &str) -> Verb {
    Verb::ProtocolMessageCommandAttributes(ProtocolMessageCommandAttributes { message_id: id.into() })
}

fn timer() -> Verb {
    Verb::StartTimerCommandAttributes(StartTimerCommandAttributes {
        timer_id: "t".into(),
        start_to_fire_timeout: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
    })
}

fn close() -> Verb {
    Verb::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes::default())
}

fn completion(messages: Vec<Message>, verbs: Vec<Verb>) -> api::RespondWorkflowTaskCompletedRequest {
    let commands = verbs.into_iter().map(crate::testing::command).collect();
    api::RespondWorkflowTaskCompletedRequest { commands, messages, ..Default::default() }
}

/// A run whose first task is completed.
fn idle() -> Sim {
    let mut sim = Sim::started();
    let task = sim.poll();
    sim.complete(&task, vec![]).unwrap();
    sim
}

/// Completes the ready task; returns where the worker is sent back to, or why it was refused.
fn answer(sim: &mut Sim, messages: Vec<Message>, verbs: Vec<Verb>) -> String {
    let task = sim.poll();
    complete(sim, &task, completion(messages, verbs))
}

fn complete(sim: &mut Sim, task: &WorkflowTaskStarted, request: api::RespondWorkflowTaskCompletedRequest) -> String {
    match sim.complete_with(task, request) {
        Ok(Reply::WorkflowTaskCompleted { reset_history_event_id: 0, .. }) => "completed".into(),
        Ok(Reply::WorkflowTaskCompleted { reset_history_event_id, .. }) => format!("back to {reset_history_event_id}"),
        Ok(Reply::Failed(error)) => format!("failed: {error}"),
        Err(error) => format!("refused: {error}"),
        Ok(other) => panic!("{other:?}"),
    }
}

fn show(status: &Result<UpdateStatus, ApiError>) -> String {
    let status = match status {
        Ok(status) => status,
        Err(error) => return format!("{:?}: {error}", error.code),
    };
    match status.outcome.as_ref().and_then(|outcome| outcome.decode().value) {
        None => format!("{:?}", status.stage),
        Some(outcome::Value::Success(payloads)) => {
            format!("{:?} {}", status.stage, String::from_utf8_lossy(&payloads.payloads[0].data))
        }
        Some(outcome::Value::Failure(failure)) => format!("{:?} ({})", status.stage, failure.message),
    }
}

/// The statuses that waiters got.
fn notified(sim: &Sim) -> String {
    let mut lines = String::new();
    for effect in &sim.effects {
        if let Effect::UpdateAdvanced { update_id, admission, status, .. } = effect {
            writeln!(lines, "{update_id}#{admission}: {}", show(status)).unwrap();
        }
    }
    lines
}

/// The messages of the started task, with the event that they come after.
fn carried(sim: &Sim, task: &WorkflowTaskStarted) -> Vec<String> {
    let messages = messages(&sim.state(), task.token.stamp, task.started_event_id);
    assert_eq!(task.updates, !messages.is_empty());
    messages.iter().map(|message| format!("{} {:?}", message.id, message.sequencing_id.as_ref().unwrap())).collect()
}

/// Checks the history after the first task, and the statuses that waiters got.
#[track_caller]
fn check(sim: &Sim, expected: Expect) {
    let history = sim.history();
    let after: String = history.lines().skip(4).map(|line| format!("{line}\n")).collect();
    expected.assert_eq(&format!("{after}{}", notified(sim)));
}

#[test]
fn an_accepted_update_is_in_history_and_keeps_its_outcome() {
    let mut sim = idle();
    admit(&mut sim, "u");
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), ["u/request EventId(5)"]);
    assert_eq!(task.transient().len(), 2);
    complete(&mut sim, &task, completion(vec![accept("u")], vec![named("u/accept")]));
    assert_eq!(show(&update(&mut sim, "u").unwrap().status), "Accepted");
    sim.signal("s");
    answer(&mut sim, vec![respond("u")], vec![]);
    assert_eq!(show(&update(&mut sim, "u").unwrap().status), "Completed done");
    sim.terminate().unwrap();
    assert_eq!(show(&update(&mut sim, "u").unwrap().status), "Completed done");
    assert_eq!(update(&mut sim, "v").unwrap_err().message, "workflow execution already completed");
    check(
        &sim,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_STARTED scheduled=5
        7 WORKFLOW_TASK_COMPLETED scheduled=5 started=6
        8 WORKFLOW_EXECUTION_UPDATE_ACCEPTED u/request after=5
        9 WORKFLOW_EXECUTION_SIGNALED s
        10 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        11 WORKFLOW_TASK_STARTED scheduled=10
        12 WORKFLOW_TASK_COMPLETED scheduled=10 started=11
        13 WORKFLOW_EXECUTION_UPDATE_COMPLETED u accepted=8
        14 WORKFLOW_EXECUTION_TERMINATED "enough"
        u#1: Accepted
        u#1: Completed done
    "#]],
    );
}

#[test]
fn a_rejection_on_an_idle_run_leaves_no_trace() {
    let mut sim = idle();
    for _ in 0..2 {
        admit(&mut sim, "u");
        assert_eq!(answer(&mut sim, vec![reject("u")], vec![]), "back to 3");
    }
    check(
        &sim,
        expect![[r#"
        u#1: Completed (no)
        u#2: Completed (no)
    "#]],
    );
    assert!(sim.state().updates.in_flight.is_empty() && sim.state().workflow_task.pending.is_none());
}

/// The leader that was to notify waiters of a rejection is gone, and the next one is asked again.
#[test]
fn an_update_whose_rejection_nobody_heard_is_brought_to_the_worker_again() {
    let mut sim = idle();
    let propose = |sim: &mut Sim| match sim.propose(ProposalId(7), update_command("u")) {
        Ok(Reply::Update { found, .. }) => (found.admission, show(&found.status)),
        other => panic!("{other:?}"),
    };
    assert_eq!(propose(&mut sim), (1, "Admitted".into()));
    answer(&mut sim, vec![reject("u")], vec![]);
    assert_eq!(propose(&mut sim), (2, "Admitted".into()));
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), ["u/request EventId(5)"]);
}

#[test]
fn a_worker_that_says_nothing_of_an_update_rejects_it() {
    let mut sim = idle();
    admit(&mut sim, "u");
    let task = sim.poll();
    admit(&mut sim, "late");
    assert_eq!(complete(&mut sim, &task, completion(vec![], vec![])), "back to 3");
    // The one that came later has a task of its own, which is in history.
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), ["late/request EventId(5)"]);
    assert_eq!(complete(&mut sim, &task, completion(vec![reject("late")], vec![])), "completed");
    check(
        &sim,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_STARTED scheduled=5
        7 WORKFLOW_TASK_COMPLETED scheduled=5 started=6
        u#1: Completed (Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.)
        late#2: Completed (no)
    "#]],
    );
}

#[test]
fn what_else_a_completion_brings_keeps_its_task_in_history() {
    #[track_caller]
    fn kept(before: Vec<Verb>, request: api::RespondWorkflowTaskCompletedRequest) -> String {
        let mut sim = Sim::started();
        let task = sim.poll();
        sim.complete(&task, before).unwrap();
        admit(&mut sim, "u");
        let task = sim.poll();
        complete(&mut sim, &task, api::RespondWorkflowTaskCompletedRequest { messages: vec![reject("u")], ..request })
    }
    assert_eq!(kept(vec![], completion(vec![], vec![])), "back to 3");
    assert_eq!(kept(vec![], completion(vec![], vec![timer()])), "completed");
    assert_eq!(kept(vec![], completion(vec![], vec![named("u/reject")])), "completed");
    let force = api::RespondWorkflowTaskCompletedRequest { force_create_new_workflow_task: true, ..Default::default() };
    assert_eq!(kept(vec![], force), "completed");
    // The worker was shown more than the task: it has to say that it can forget that, too.
    assert_eq!(kept(vec![timer()], completion(vec![], vec![])), "completed");
    let capabilities = api::respond_workflow_task_completed_request::Capabilities {
        discard_speculative_workflow_task_with_events: true,
    };
    let forgets = api::RespondWorkflowTaskCompletedRequest { capabilities: Some(capabilities), ..Default::default() };
    assert_eq!(kept(vec![timer()], forgets), "back to 3");
}

#[test]
fn another_event_makes_a_speculative_task_a_normal_one() {
    let mut ready = idle();
    admit(&mut ready, "u");
    ready.signal("s");
    assert_eq!(answer(&mut ready, vec![reject("u")], vec![]), "completed");
    check(
        &ready,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_EXECUTION_SIGNALED s
        7 WORKFLOW_TASK_STARTED scheduled=5
        8 WORKFLOW_TASK_COMPLETED scheduled=5 started=7
        u#1: Completed (no)
    "#]],
    );

    let mut started = idle();
    admit(&mut started, "u");
    let task = started.poll();
    started.signal("s");
    assert_eq!(complete(&mut started, &task, completion(vec![reject("u")], vec![])), "completed");
    check(
        &started,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_STARTED scheduled=5
        7 WORKFLOW_TASK_COMPLETED scheduled=5 started=6
        8 WORKFLOW_EXECUTION_SIGNALED s
        9 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        u#1: Completed (no)
    "#]],
    );
}

#[test]
fn a_speculative_task_that_fails_or_times_out_is_in_history_and_its_updates_are_sent_again() {
    let mut sim = idle();
    admit(&mut sim, "u");
    let task = sim.poll();
    sim.fail(&task).unwrap();
    let task = sim.poll();
    assert_eq!((task.attempt, carried(&sim, &task)), (2, vec!["u/request EventId(8)".to_owned()]));
    sim.advance(Duration::from_secs(11));
    let task = sim.poll();
    assert_eq!((task.attempt, carried(&sim, &task)), (3, vec!["u/request EventId(8)".to_owned()]));
    assert_eq!(
        update(&mut sim, "v").unwrap_err().message,
        "Unable to perform workflow execution update due to Workflow Task in failed state."
    );
    assert_eq!(complete(&mut sim, &task, completion(vec![accept("u"), respond("u")], vec![])), "completed");
    check(
        &sim,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_STARTED scheduled=5
        7 WORKFLOW_TASK_FAILED scheduled=5 started=6 Unspecified
        8 WORKFLOW_TASK_SCHEDULED on q attempt=3 10s
        9 WORKFLOW_TASK_STARTED scheduled=8
        10 WORKFLOW_TASK_COMPLETED scheduled=8 started=9
        11 WORKFLOW_EXECUTION_UPDATE_ACCEPTED u/request after=5
        12 WORKFLOW_EXECUTION_UPDATE_COMPLETED u accepted=11
        u#1: Accepted
        u#1: Completed done
    "#]],
    );
}

#[test]
fn a_speculative_task_that_nobody_takes_becomes_a_normal_one() {
    let mut sim = idle();
    admit(&mut sim, "u");
    sim.advance(Duration::from_secs(6));
    check(
        &sim,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_TIMED_OUT scheduled=5 started=0 ScheduleToStart
        7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]],
    );
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), ["u/request EventId(7)"]);
}

#[test]
fn a_start_that_came_to_nothing_is_done_again_with_the_same_updates() {
    let mut sim = idle();
    admit(&mut sim, "u");
    let lost = sim.poll();
    sim.run(ShardCommand::ReturnTask { token: lost.token.clone() }).unwrap();
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), ["u/request EventId(5)"]);
    assert!(carried_by(&sim, &lost).is_empty());
    assert_eq!(complete(&mut sim, &task, completion(vec![reject("u")], vec![])), "back to 3");
}

fn carried_by(sim: &Sim, task: &WorkflowTaskStarted) -> Vec<Message> {
    messages(&sim.state(), task.token.stamp, task.started_event_id)
}

#[test]
fn updates_go_with_the_first_task_and_do_not_wait_for_a_delayed_one() {
    let mut sim = Sim::default();
    let delay = Some(prost_types::Duration { seconds: 30, nanos: 0 });
    sim.start(api::StartWorkflowExecutionRequest { workflow_start_delay: delay, ..start_request() });
    admit(&mut sim, "u");
    assert_eq!(answer(&mut sim, vec![reject("u")], vec![]), "completed");
    assert_eq!(sim.history(), "1 WORKFLOW_EXECUTION_STARTED\n");
    sim.advance(Duration::from_secs(30));
    assert_eq!(sim.ready(TaskKind::Workflow).len(), 1);
    admit(&mut sim, "v");
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), ["v/request EventId(2)"]);
}

#[test]
fn a_worker_that_heartbeats_keeps_its_updates_until_it_is_lost() {
    let sticky = |force| api::RespondWorkflowTaskCompletedRequest {
        force_create_new_workflow_task: force,
        sticky_attributes: Some(StickyExecutionAttributes {
            worker_task_queue: Some(TaskQueue { name: "sticky".into(), ..Default::default() }),
            schedule_to_start_timeout: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        }),
        ..Default::default()
    };
    let mut sim = idle();
    admit(&mut sim, "u");
    let task = sim.poll();
    complete(&mut sim, &task, sticky(true));
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), Vec::<String>::new(), "its worker has it");
    complete(&mut sim, &task, sticky(true));
    sim.advance(Duration::from_secs(6));
    let task = sim.poll();
    assert_eq!(carried(&sim, &task).len(), 1, "another worker has it not");
    assert_eq!(notified(&sim), "");
    complete(&mut sim, &task, sticky(false));
    assert_eq!(notified(&sim).lines().count(), 1);
}

#[test]
fn the_next_task_in_the_answer_is_speculative_where_only_updates_are_news() {
    let mut sim = idle();
    admit(&mut sim, "u");
    let task = sim.poll();
    admit(&mut sim, "v");
    let request = api::RespondWorkflowTaskCompletedRequest {
        messages: vec![accept("u")],
        return_new_workflow_task: true,
        ..Default::default()
    };
    let Ok(Reply::WorkflowTaskCompleted { new_task: Some(next), .. }) = sim.complete_with(&task, request) else {
        panic!("a next task")
    };
    assert!(next.sticky);
    assert_eq!(carried(&sim, &next), ["v/request EventId(9)"]);
    check(
        &sim,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_STARTED scheduled=5
        7 WORKFLOW_TASK_COMPLETED scheduled=5 started=6
        8 WORKFLOW_EXECUTION_UPDATE_ACCEPTED u/request after=5
        u#1: Accepted
    "#]],
    );
}

#[test]
fn an_update_ends_with_its_run() {
    let mut sim = idle();
    admit(&mut sim, "accepted");
    answer(&mut sim, vec![accept("accepted")], vec![]);
    admit(&mut sim, "rejected");
    admit(&mut sim, "sent");
    let task = sim.poll();
    admit(&mut sim, "unsent");
    complete(&mut sim, &task, completion(vec![accept("sent"), reject("rejected")], vec![close()]));
    for (id, expected) in [
        ("accepted", "Completed (Workflow Update failed because the Workflow completed before the Update completed.)"),
        ("sent", "NotFound: workflow update was aborted by closing workflow"),
        ("unsent", "NotFound: workflow update was aborted by closing workflow"),
    ] {
        assert_eq!(show(&update(&mut sim, id).unwrap().status), expected, "{id}");
    }
    assert_eq!(update(&mut sim, "rejected").unwrap_err().message, "workflow execution already completed");
    check(
        &sim,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_STARTED scheduled=5
        7 WORKFLOW_TASK_COMPLETED scheduled=5 started=6
        8 WORKFLOW_EXECUTION_UPDATE_ACCEPTED accepted/request after=5
        9 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        10 WORKFLOW_TASK_STARTED scheduled=9
        11 WORKFLOW_TASK_COMPLETED scheduled=9 started=10
        12 WORKFLOW_EXECUTION_COMPLETED task=11
        accepted#1: Accepted
        rejected#2: Completed (no)
        accepted#1: Completed (Workflow Update failed because the Workflow completed before the Update completed.)
        sent#3: NotFound: workflow update was aborted by closing workflow
        unsent#4: NotFound: workflow update was aborted by closing workflow
    "#]],
    );
}

#[test]
fn terminating_forgets_a_speculative_task_that_was_not_started() {
    let mut ready = idle();
    admit(&mut ready, "u");
    ready.terminate().unwrap();
    check(
        &ready,
        expect![[r#"
        5 WORKFLOW_EXECUTION_TERMINATED "enough"
        u#1: NotFound: workflow update was aborted by closing workflow
    "#]],
    );
    assert!(ready.ready(TaskKind::Workflow).is_empty());

    let mut started = idle();
    admit(&mut started, "u");
    started.poll();
    started.terminate().unwrap();
    check(
        &started,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_STARTED scheduled=5
        7 WORKFLOW_TASK_FAILED scheduled=5 started=6 ForceCloseCommand
        8 WORKFLOW_EXECUTION_TERMINATED "enough"
        u#1: NotFound: workflow update was aborted by closing workflow
    "#]],
    );
}

#[test]
fn a_message_that_breaks_the_protocol_fails_the_task() {
    #[track_caller]
    fn check(messages: Vec<Message>, verbs: Vec<Verb>, expected: &str) {
        let mut sim = idle();
        admit(&mut sim, "u");
        let got = answer(&mut sim, messages, verbs);
        assert_eq!(got, format!("failed: BadUpdateWorkflowExecutionMessage: {expected}"));
        assert_eq!(
            notified(&sim),
            "u#1: FailedPrecondition: Unable to perform workflow execution update due to unexpected workflow task failure.\n"
        );
        assert!(
            sim.history().ends_with(&format!(
                "BadUpdateWorkflowExecutionMessage \"BadUpdateWorkflowExecutionMessage: {expected}\"\n"
            )),
            "{}",
            sim.history()
        );
    }
    let transition = |kind: &str, state: &str| {
        format!(
            "invalid state transition attempted for Update u: received *update.{kind} message while in state {state}"
        )
    };
    let lost = "update zz wasn't found on the server. This is most likely a transient error which will be resolved \
                automatically by retries";
    for unknown in [accept("zz"), reject("zz"), respond("zz")] {
        check(vec![unknown], vec![], lost);
    }
    check(vec![accept("u"), accept("u")], vec![], &transition("Acceptance", "ProvisionallyAccepted"));
    check(vec![accept("u"), reject("u")], vec![], &transition("Rejection", "ProvisionallyAccepted"));
    check(vec![reject("u"), accept("u")], vec![], &transition("Acceptance", "ProvisionallyCompleted"));
    check(vec![respond("u")], vec![], &transition("Response", "Sent"));
    check(vec![accept("u"), respond("u"), respond("u")], vec![], &transition("Response", "ProvisionallyCompleted"));
    check(vec![], vec![named("nope")], "ProtocolMessageCommand referenced absent message ID nope");
    check(vec![], vec![named("")], "MessageID is not set on ProtocolMessageCommand.");
    for messages in [vec![accept("u")], vec![accept("u"), accept("u")]] {
        check(
            messages,
            vec![named("u/accept"), named("u/accept")],
            "ProtocolMessageCommand referenced absent message ID u/accept",
        );
    }
    check(vec![message("u", "x", &request("u"))], vec![], "Message type *update.Request not supported");
    check(vec![message("u", "x", &Payload::default())], vec![], "unsupported protocol type temporal.api.common.v1");
    let unset = |what: &str| format!("invalid *update.Acceptance: accepted_request_{what} is not set");
    check(vec![message("u", "x", &Acceptance::default())], vec![], &unset("sequencing_event_id"));
    let nameless = Acceptance { accepted_request_sequencing_event_id: 5, ..Default::default() };
    check(vec![message("u", "x", &nameless)], vec![], &unset("message_id"));
    let meta = |id: &str| Some(Meta { update_id: id.into(), ..Default::default() });
    for (response, what) in [
        (Response { meta: meta("u"), outcome: None }, "outcome is not set"),
        (Response { meta: None, outcome: Some(Outcome::default()) }, "meta is not set"),
        (Response { meta: meta("v"), outcome: Some(Outcome::default()) }, "meta.update_id != u"),
    ] {
        let response = message("u", "x", &response);
        check(vec![accept("u"), response], vec![], &format!("invalid *update.Response: {what}"));
    }
}

#[test]
fn what_is_no_message_is_refused_and_the_task_goes_on() {
    let mut sim = idle();
    admit(&mut sim, "u");
    let task = sim.poll();
    let empty = Message { id: "m".into(), protocol_instance_id: "u".into(), ..Default::default() };
    assert_eq!(complete(&mut sim, &task, completion(vec![empty], vec![])), "refused: nil message body");
    assert_eq!(complete(&mut sim, &task, completion(vec![reject("u")], vec![])), "back to 3");
}

#[test]
fn a_message_too_large_ends_the_run() {
    let mut sim = idle();
    sim.limits.blob_size = 100;
    admit(&mut sim, "u");
    let mut large = respond("u");
    large.body.as_mut().unwrap().value.resize(101, 0);
    let got = answer(&mut sim, vec![accept("u"), large], vec![]);
    assert!(got.ends_with("Message type temporal.api.update.v1.Response exceeds size limit."), "{got}");
    assert!(!sim.state().is_running());
}

#[test]
fn a_second_message_on_an_update_is_refused_later_too() {
    let mut sim = idle();
    admit(&mut sim, "u");
    answer(&mut sim, vec![accept("u")], vec![]);
    sim.signal("s");
    let again = answer(&mut sim, vec![accept("u")], vec![]);
    assert!(again.ends_with("received *update.Acceptance message while in state Accepted"), "{again}");
    answer(&mut sim, vec![respond("u")], vec![]);
    sim.signal("s");
    let again = answer(&mut sim, vec![respond("u")], vec![]);
    assert!(again.ends_with("received *update.Response message while in state Completed"), "{again}");
}

#[test]
fn commands_say_in_which_order_messages_are_read() {
    let mut sim = idle();
    admit(&mut sim, "u");
    admit(&mut sim, "v");
    let messages = vec![accept("u"), accept("v"), respond("u"), respond("v")];
    answer(&mut sim, messages, vec![named("v/accept"), timer(), named("u/accept"), named("v/respond")]);
    check(
        &sim,
        expect![[r#"
        5 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        6 WORKFLOW_TASK_STARTED scheduled=5
        7 WORKFLOW_TASK_COMPLETED scheduled=5 started=6
        8 WORKFLOW_EXECUTION_UPDATE_ACCEPTED v/request after=5
        9 TIMER_STARTED t task=7
        10 WORKFLOW_EXECUTION_UPDATE_ACCEPTED u/request after=5
        11 WORKFLOW_EXECUTION_UPDATE_COMPLETED v accepted=8
        12 WORKFLOW_EXECUTION_UPDATE_COMPLETED u accepted=10
        v#2: Accepted
        u#1: Accepted
        v#2: Completed done
        u#1: Completed done
    "#]],
    );
}

#[test]
fn there_are_limits() {
    let mut sim = idle();
    sim.limits.updates_in_flight = 2;
    sim.limits.updates = 3;
    admit(&mut sim, "1");
    admit(&mut sim, "2");
    let error = update(&mut sim, "3").unwrap_err();
    assert_eq!(error.message, "limit on number of concurrent in-flight updates has been reached (2)");
    assert_eq!(show(&update(&mut sim, "2").unwrap().status), "Admitted", "one that is known is joined");
    answer(&mut sim, vec![accept("1"), respond("1"), accept("2"), respond("2")], vec![]);
    admit(&mut sim, "3");
    let error = update(&mut sim, "4").unwrap_err();
    assert!(
        error
            .message
            .starts_with("The limit on the total number of distinct updates in this workflow has been reached (3).")
    );
}

#[test]
fn a_large_request_has_a_row_of_its_own() {
    let mut sim = idle();
    let mut large = update_request("u");
    let input = Arc::make_mut(&mut large).request.as_mut().unwrap().input.as_mut().unwrap();
    input.args = Some(Payloads { payloads: vec![Payload { data: vec![7; 4096].into(), ..Default::default() }] });
    let sent = large.request.clone().unwrap();
    sim.run(ShardCommand::UpdateWorkflow(RunRequest { run_id: None, request: large })).unwrap();
    let core = sim.state().encode().len();
    assert!(core < 2048, "{core}");
    let task = sim.poll();
    let carried = carried_by(&sim, &task).remove(0).body.unwrap();
    assert_eq!(Request::decode(&*carried.value).unwrap(), sent);
}

fn with_start(sim: &mut Sim, id: &str, conflict: Conflict) -> Result<(bool, FoundUpdate), ApiError> {
    let request =
        api::StartWorkflowExecutionRequest { workflow_id_conflict_policy: conflict.into(), ..start_request() };
    let start = Box::new(Start::new(request).unwrap());
    match sim.run(ShardCommand::UpdateWithStart { start, update: update_request(id) }) {
        Ok(Reply::UpdateWithStart { started, found, .. }) => Ok((started, found)),
        Err(Refused::Api(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn update_with_start_is_one_entry() {
    let mut sim = Sim::default();
    assert!(with_start(&mut sim, "u", Conflict::Fail).unwrap().0);
    assert_eq!(sim.log.len(), 1);
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), ["u/request EventId(2)"]);
    complete(&mut sim, &task, completion(vec![accept("u")], vec![]));

    let (started, known) = with_start(&mut sim, "u", Conflict::Fail).unwrap();
    assert_eq!((started, show(&known.status).as_str()), (false, "Accepted"));
    let (started, new) = with_start(&mut sim, "v", Conflict::UseExisting).unwrap();
    assert_eq!((started, new.status.unwrap().stage), (false, Stage::Admitted));
    let before = sim.log.len();
    let error = with_start(&mut sim, "w", Conflict::Fail).unwrap_err();
    assert_eq!(error.message, "Update-with-Start could not be executed.");
    sim.limits.updates_in_flight = 2;
    assert!(with_start(&mut sim, "w", Conflict::UseExisting).is_err());
    assert_eq!(sim.log.len(), before, "nothing was done");
    assert!(with_start(&mut sim, "w", Conflict::TerminateExisting).unwrap().0);
    sim.limits.updates_in_flight = 0;
    sim.terminate().unwrap();
    assert!(with_start(&mut sim, "x", Conflict::Fail).is_err());
    assert!(!sim.state().is_running(), "no start without its update");
}

#[test]
fn a_start_of_a_task_that_is_tried_again_gives_the_same_messages() {
    let mut sim = idle();
    admit(&mut sim, "u");
    let ready = sim.ready(TaskKind::Workflow).remove(0);
    let start = StartTask::of(&ready, Default::default());
    let proposal = crate::id::ProposalId(77);
    for _ in 0..2 {
        match sim.propose(proposal, ShardCommand::StartWorkflowTask(start.clone())) {
            Ok(Reply::WorkflowTaskStarted(task)) => assert_eq!(carried(&sim, &task), ["u/request EventId(5)"]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_reset_keeps_what_was_before_and_admits_the_rest_anew() {
    let mut sim = idle();
    admit(&mut sim, "done");
    answer(&mut sim, vec![accept("done"), respond("done")], vec![]);
    admit(&mut sim, "accepted");
    answer(&mut sim, vec![accept("accepted")], vec![]);
    sim.signal("s");
    answer(&mut sim, vec![], vec![]);
    for later in ["later", "ignored"] {
        admit(&mut sim, later);
        answer(&mut sim, vec![accept(later), respond(later)], vec![]);
    }
    admit(&mut sim, "waits");
    let reset = api::ResetWorkflowExecutionRequest {
        workflow_execution: execution(),
        workflow_task_finish_event_id: 17,
        request_id: "reset".into(),
        ..Default::default()
    };
    sim.run(ShardCommand::ResetWorkflow(RunRequest::new(None, reset))).unwrap();
    assert!(notified(&sim).ends_with("waits#5: NotFound: workflow update was aborted by closing workflow\n"));
    for (id, expected) in [("done", "Completed done"), ("accepted", "Accepted"), ("later", "Admitted")] {
        assert_eq!(show(&update(&mut sim, id).unwrap().status), expected, "{id}");
    }
    let task = sim.poll();
    assert_eq!(carried(&sim, &task), Vec::<String>::new(), "history tells of them");
    complete(&mut sim, &task, completion(vec![accept("later"), respond("later"), respond("accepted")], vec![]));
    for id in ["done", "accepted", "later"] {
        assert_eq!(show(&update(&mut sim, id).unwrap().status), "Completed done", "{id}");
    }
    let history = sim.history();
    let after: String = history.lines().skip(14).map(|line| format!("{line}\n")).collect();
    expect![[r#"
        15 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        16 WORKFLOW_TASK_STARTED scheduled=15
        17 WORKFLOW_TASK_FAILED scheduled=15 started=16 ResetWorkflow ""
        18 WORKFLOW_EXECUTION_UPDATE_ADMITTED
        19 WORKFLOW_EXECUTION_UPDATE_ADMITTED
        20 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
        21 WORKFLOW_TASK_STARTED scheduled=20
        22 WORKFLOW_TASK_COMPLETED scheduled=20 started=21
        23 WORKFLOW_EXECUTION_UPDATE_ACCEPTED later/request after=5
        24 WORKFLOW_EXECUTION_UPDATE_COMPLETED later accepted=23
        25 WORKFLOW_EXECUTION_UPDATE_COMPLETED accepted accepted=13
    "#]]
    .assert_eq(&after);
    admit(&mut sim, "ignored");
}

/// F78.
#[test]
fn the_first_task_of_a_delayed_run_that_came_for_an_update_ends_the_delay() {
    #[track_caller]
    fn check(messages: Vec<Message>, verbs: Vec<Verb>) {
        let workflow_start_delay = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
        let mut sim = Sim::default();
        sim.start(api::StartWorkflowExecutionRequest { workflow_start_delay, ..start_request() });
        admit(&mut sim, "u");
        assert_eq!(answer(&mut sim, messages, verbs), "completed");
        sim.advance(Duration::from_secs(60));
        assert_eq!(sim.ready(TaskKind::Workflow).len(), 1, "the timer that fired is told");
    }
    check(vec![accept("u"), respond("u")], vec![named("u/accept"), named("u/respond"), timer()]);
    check(vec![reject("u")], vec![timer()]);
}
