//! Activities that operators pause, unpause, reset and change.

use super::*;
use crate::command::RunRequest;
use tenure_api::{
    activity::v1::ActivityOptions,
    workflowservice::v1::{
        PauseActivityRequest, ResetActivityRequest, UnpauseActivityRequest, UpdateActivityOptionsRequest,
        pause_activity_request, reset_activity_request, unpause_activity_request, update_activity_options_request,
    },
};

impl Test {
    fn pause(&mut self, request_id: &str) -> Result<Reply, ApiError> {
        self.send(ShardCommand::PauseActivity(RunRequest::new(
            None,
            PauseActivityRequest {
                activity: Some(pause_activity_request::Activity::Id("a1".into())),
                request_id: request_id.into(),
                identity: "operator".into(),
                reason: "why not".into(),
                ..Default::default()
            },
        )))
    }

    fn unpause(&mut self, with: impl FnOnce(&mut UnpauseActivityRequest)) {
        let activity = Some(unpause_activity_request::Activity::Id("a1".into()));
        let mut request = UnpauseActivityRequest { activity, ..Default::default() };
        with(&mut request);
        self.send(ShardCommand::UnpauseActivity(RunRequest::new(None, request))).expect("unpaused");
    }

    fn reset(&mut self, with: impl FnOnce(&mut ResetActivityRequest)) {
        let activity = Some(reset_activity_request::Activity::MatchAll(true));
        let mut request = ResetActivityRequest { activity, ..Default::default() };
        with(&mut request);
        self.send(ShardCommand::ResetActivity(RunRequest::new(None, request))).expect("reset");
    }

    fn update(&mut self, options: ActivityOptions, mask: &[&str]) -> Result<ActivityOptions, ApiError> {
        let reply = self.send(ShardCommand::UpdateActivityOptions(RunRequest::new(
            None,
            UpdateActivityOptionsRequest {
                activity: Some(update_activity_options_request::Activity::Type("A".into())),
                activity_options: Some(options),
                update_mask: Some(prost_types::FieldMask { paths: mask.iter().map(|s| s.to_string()).collect() }),
                ..Default::default()
            },
        )))?;
        match reply {
            Reply::ActivityOptions(options) => Ok(*options),
            other => panic!("no options: {other:?}"),
        }
    }

    /// State, attempt, whether a task is ready, seconds to the timer row.
    fn is(&self) -> String {
        let info = super::super::pending_infos(&self.sim.state()).remove(0);
        let due = self.sim.rows.timers().first().map(|(due, _)| due.since(self.sim.now).as_secs_f64());
        let ready = if self.ready().is_some() { "ready" } else { "not ready" };
        format!("{:?} {} {ready} {due:?}", info.state(), info.attempt)
    }

    fn answer(&mut self, task: &Task) -> crate::activity::HeartbeatAnswer {
        let request = RecordActivityTaskHeartbeatRequest { details: payloads("d"), ..Default::default() };
        let command = ShardCommand::HeartbeatActivity { activity: by_token(task), request: Arc::new(request) };
        match self.send(command) {
            Ok(Reply::ActivityHeartbeat(answer)) => answer,
            other => panic!("not an answer to a heartbeat: {other:?}"),
        }
    }
}

fn patient() -> Test {
    Test::with([schedule(|a| {
        a.schedule_to_close_timeout = None;
        a.start_to_close_timeout = seconds(10.0);
        attempts(a, 5);
    })])
}

#[test]
fn a_paused_activity_waits_without_time_outs() {
    let mut t = Test::with([schedule(|a| a.schedule_to_start_timeout = seconds(2.0))]);
    t.pause("r1").unwrap();
    assert!(t.is().starts_with("Paused 1 not ready"));
    t.advance(100.0);
    assert_eq!(t.is(), "Paused 1 not ready None");
    t.pause("r1").expect("the same request");
    t.pause("r2").expect("another one");
    assert_eq!(t.is(), "Paused 1 not ready None");
    t.unpause(|_| ());
    assert_eq!(t.is(), "Scheduled 1 ready Some(0.0)");
    t.advance(1.0);
    t.check(expect![[r#"
        5 ACTIVITY_TASK_SCHEDULED a1 task=4
        6 ACTIVITY_TASK_TIMED_OUT scheduled=5 started=0 Timeout (ScheduleToClose "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying")
        7 WORKFLOW_TASK_SCHEDULED on q attempt=1 10s
    "#]]);
}

#[test]
fn a_running_attempt_goes_on_and_no_other_follows() {
    let mut t = patient();
    let task = t.poll();
    t.pause("r").unwrap();
    assert!(t.is().starts_with("PauseRequested 1"));
    assert!(t.answer(&task).paused);
    t.fail(by_token(&task), failure("boom")).unwrap();
    t.advance(100.0);
    assert_eq!(t.is(), "Paused 2 not ready None");
    t.unpause(|request| request.reset_attempts = true);
    assert_eq!(t.is(), "Scheduled 1 ready None");
    let again = t.poll();
    assert_eq!((again.attempt, again.heartbeat_details.clone()), (1, payloads("d")));
    t.pause("r2").unwrap();
    t.complete(by_token(&again)).expect("a paused activity may complete");
}

#[test]
fn a_paused_start_that_is_returned_is_paused() {
    let mut t = patient();
    let task = t.poll();
    t.pause("r").unwrap();
    t.send(ShardCommand::ReturnTask { token: TaskToken::decode(&task.task_token).unwrap() }).unwrap();
    assert!(t.is().starts_with("Paused 1 not ready"));
}

#[test]
fn jitter_spreads_the_next_attempts() {
    let mut t = patient();
    t.pause("r").unwrap();
    t.unpause(|request| request.jitter = seconds(5.0));
    assert!(t.ready().is_none());
    t.advance(5.0);
    assert!(t.ready().is_some());
}

#[test]
fn a_reset_counts_attempts_from_one() {
    let mut t = patient();
    let task = t.poll();
    t.answer(&task);
    t.fail(by_token(&task), failure("boom")).unwrap();
    t.reset(|_| ());
    let again = t.poll();
    assert_eq!((again.attempt, again.heartbeat_details.clone()), (1, payloads("d")));
    // The attempt that is running learns of it, and the details go when it ends.
    t.reset(|request| request.reset_heartbeat = true);
    assert!(t.answer(&again).reset);
    t.fail(by_token(&again), failure("boom")).unwrap();
    t.advance(1.0);
    let second = t.poll();
    assert_eq!((second.attempt, second.heartbeat_details.clone()), (2, None));
    t.reset(|_| ());
    refused(t.complete(by_token(&second)), NOT_RUNNING);
}

#[test]
fn a_reset_unpauses_unless_told_otherwise() {
    let mut t = patient();
    t.pause("r").unwrap();
    t.reset(|request| request.keep_paused = true);
    assert!(t.is().starts_with("Paused 1 not ready"));
    t.reset(|_| ());
    assert!(t.is().starts_with("Scheduled 1 ready"));
}

#[test]
fn a_reset_that_keeps_the_pause_keeps_the_failure() {
    let mut t = patient();
    let task = t.poll();
    t.fail(by_token(&task), failure("boom")).unwrap();
    t.pause("r").unwrap();
    t.reset(|request| request.keep_paused = true);
    let waiting = super::super::pending_infos(&t.sim.state()).remove(0);
    assert_eq!((waiting.attempt, waiting.last_failure), (1, Some(failure("boom"))));
}

#[test]
fn a_change_of_options_that_is_tried_again_acts_once() {
    let mut t = patient();
    let change = |seconds| {
        ShardCommand::UpdateActivityOptions(RunRequest::new(
            None,
            UpdateActivityOptionsRequest {
                activity: Some(update_activity_options_request::Activity::MatchAll(true)),
                activity_options: Some(ActivityOptions {
                    heartbeat_timeout: super::seconds(seconds),
                    ..Default::default()
                }),
                update_mask: Some(prost_types::FieldMask { paths: vec!["heartbeat_timeout".into()] }),
                ..Default::default()
            },
        ))
    };
    let mut timeout = |proposal, seconds| match t.sim.propose(ProposalId(proposal), change(seconds)) {
        Ok(Reply::ActivityOptions(options)) => options.heartbeat_timeout,
        other => panic!("no options: {other:?}"),
    };
    timeout(1, 5.0);
    timeout(2, 7.0);
    assert_eq!(timeout(1, 5.0), seconds(5.0), "as it was answered");
    let now = super::super::pending_infos(&t.sim.state()).remove(0).activity_options.unwrap();
    assert_eq!(now.heartbeat_timeout, seconds(7.0));
}

#[test]
fn options_change_by_mask_and_come_back() {
    let mut t = patient();
    let moved = ActivityOptions {
        task_queue: Some(TaskQueue { name: "elsewhere".into(), ..Default::default() }),
        heartbeat_timeout: seconds(20.0),
        retry_policy: Some(RetryPolicy { maximum_attempts: 2, ..Default::default() }),
        ..Default::default()
    };
    let now = t.update(moved, &["task_queue.name", "heartbeatTimeout", "retry_policy.maximum_attempts"]).unwrap();
    assert_eq!(now.heartbeat_timeout, seconds(10.0), "capped like a new activity's");
    assert_eq!(now.retry_policy.map(|p| (p.maximum_attempts, p.initial_interval)), Some((2, seconds(1.0))));
    assert_eq!(t.sim.ready(TaskKind::Activity).iter().map(|task| &*task.queue.name).collect::<Vec<_>>(), ["elsewhere"]);
    refused(t.update(ActivityOptions::default(), &["retry_policy"]), "RetryPolicy is not provided");
    let missing = "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=a1 \
                   ActivityType=A";
    refused(t.update(ActivityOptions::default(), &["start_to_close_timeout"]), missing);
    t.reset(|request| request.restore_original_options = true);
    let task = t.poll();
    assert_eq!((task.heartbeat_timeout, task.retry_policy.unwrap().maximum_attempts), (seconds(0.0), 5));
}

#[test]
fn a_back_off_follows_the_policy() {
    let mut t = patient();
    let task = t.poll();
    t.fail(by_token(&task), failure("boom")).unwrap();
    let slower = RetryPolicy { initial_interval: seconds(50.0), ..Default::default() };
    let options = ActivityOptions { retry_policy: Some(slower), ..Default::default() };
    t.update(options, &["retry_policy.initial_interval"]).unwrap();
    t.advance(49.0);
    assert!(t.ready().is_none());
    t.advance(1.0);
    assert!(t.ready().is_some());
}
