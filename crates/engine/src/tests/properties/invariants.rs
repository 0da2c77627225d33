//! Invariants of a shard's rows.

use super::seen::Situation;
use crate::{
    activity::{ActivityPhase, PendingActivity},
    codec,
    key::{RunKey, TaskKind},
    outbox::Body,
    removal::Removal,
    reset::Resets,
    rows::{Op, ReadyTask, RowKey, StateReader},
    state::ExecutionState,
    testing::{Sim, workflow},
    transition::Effect,
    update::UpdatePhase,
    visibility::{self, RunRecord},
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tenure_api::{
    enums::v1::EventType,
    history::v1::{HistoryEvent, history_event::Attributes},
};
use uuid::Uuid;

/// All runs, with their states.
fn runs(sim: &Sim) -> impl Iterator<Item = (&RunKey, std::sync::Arc<ExecutionState>)> {
    sim.rows.rows().filter_map(|(key, _)| match key {
        RowKey::Execution(run) => Some((run, sim.rows.execution(run).expect("readable").expect("there"))),
        _ => None,
    })
}

/// Closed runs, without what may change in them: when they go, and what became of them.
pub(super) fn closed(sim: &Sim) -> Vec<(RunKey, ExecutionState)> {
    let closed = runs(sim).filter(|(_, state)| !state.is_running());
    let fixed = |state: &ExecutionState| {
        let mut state = state.clone();
        (state.transitions, state.timer_row, state.listed) = (0, None, false);
        (state.removal, state.reset) = (Removal::default(), Resets::default());
        state
    };
    closed.map(|(run, state)| (run.clone(), fixed(&state))).collect()
}

pub(super) fn running(sim: &Sim) -> Vec<RunKey> {
    runs(sim).filter(|(_, state)| state.is_running()).map(|(run, _)| run.clone()).collect()
}

pub(super) fn left(sim: &Sim) -> Vec<RowKey> {
    sim.rows.rows().map(|(key, _)| key.clone()).collect()
}

/// The situations that the invariants met.
pub(super) fn situations(sim: &Sim) -> Vec<Situation> {
    let spills = sim.rows.rows().any(|(key, _)| matches!(key, RowKey::Pending { .. }));
    let wait = runs(sim).any(|(_, state)| !state.buffered.is_empty());
    let moved = sim.rows.rows().any(|(key, _)| matches!(key, RowKey::Info(_)));
    let held = |state: &ExecutionState| state.activities.values().any(|a| a.phase == ActivityPhase::Held);
    let held = runs(sim).any(|(_, state)| held(&state));
    let found = [
        (spills, Situation::MorePendingThanInline),
        (wait, Situation::EventsWait),
        (moved, Situation::InfoMoved),
        (held, Situation::ActivityHeld),
    ];
    found.into_iter().filter(|(found, _)| *found).map(|(_, situation)| situation).collect()
}

/// `signals` counts those that each run has accepted.
pub(super) fn check(sim: &Sim, signals: &BTreeMap<Uuid, usize>) {
    let mut running = BTreeSet::new();
    for (run, state) in runs(sim) {
        let history = sim.rows.history(run);
        assert_eq!(history.len() as i64, state.last_event_id());
        check_history(&history);
        if state.is_running() {
            assert!(running.insert(&run.workflow), "one run of a workflow id at a time");
            assert!(sim.current_run_of(&run.workflow.workflow_id).as_ref() == Some(run), "and that is the current one");
            let events = all_events(&state, &history);
            check_running(&state, &history, &events);
            check_messages(sim, run, &state);
        } else {
            check_closed(sim, run, &state, &history);
        }
        if run.workflow == workflow() {
            let events = count(&all_events(&state, &history), EventType::WorkflowExecutionSignaled);
            let signals = signals.get(&run.run_id).copied().unwrap_or(0);
            assert_eq!(events, signals, "none is lost, none comes twice");
        }
        check_timer_row(sim, run, &state);
        check_updates(sim, run, &state, &history);
        check_tasks(sim, run, &state);
    }
    check_queues(sim);
    check_lists(sim);
}

/// Lists know of each run what it is, and of no other.
fn check_lists(sim: &Sim) {
    let listed = |key: &RowKey| matches!(key, RowKey::Record { .. } | RowKey::Index { .. });
    let shown = |key: &RowKey, value: &Bytes| match key {
        RowKey::Record { .. } => {
            let mut info = RunRecord::decode(value).expect("a record").info().clone();
            // Messages that are answered later count, too.
            info.state_transition_count = 0;
            format!("{info:?}")
        }
        _ => format!("{value:?}"),
    };
    let rows = sim.rows.rows().filter(|(key, _)| listed(key));
    let found: BTreeMap<_, _> = rows.map(|(key, value)| (key.clone(), shown(key, value))).collect();
    let mut expected = BTreeMap::new();
    for (run, state) in runs(sim).filter(|(_, state)| state.listed) {
        for op in visibility::writes(run, None, Some(&state)) {
            let Op::Put(key, value) = op else { panic!("nothing was there") };
            expected.insert(key.clone(), shown(&key, &value));
        }
    }
    assert_eq!(found, expected);
}

/// The events of a run, whether they are in history yet or not.
fn all_events(state: &ExecutionState, history: &[HistoryEvent]) -> Vec<HistoryEvent> {
    history.iter().cloned().chain(state.buffered.values().map(|event| event.decode())).collect()
}

fn count(events: &[HistoryEvent], event: EventType) -> usize {
    events.iter().filter(|e| e.event_type() == event).count()
}

fn check_running(state: &ExecutionState, history: &[HistoryEvent], events: &[HistoryEvent]) {
    use EventType::*;
    assert!(state.buffered.is_empty() || state.workflow_task.blocks_events().is_some(), "events wait for a task");
    check_external(state, events);
    for event in history {
        let id = event.event_id;
        let (pending, ended) = match event.event_type() {
            ActivityTaskScheduled => (state.activities.get(id).is_some(), ends_activity as End),
            TimerStarted => (state.timers.get(id).is_some(), ends_timer as End),
            StartChildWorkflowExecutionInitiated => (state.relations.children.get(id).is_some(), ends_child as End),
            _ => continue,
        };
        let ends = events.iter().filter(|e| e.attributes.as_ref().and_then(ended) == Some(event.event_id)).count();
        assert_eq!(ends + usize::from(pending), 1, "{event:?} is pending or has ended, once");
    }
}

/// Signals and cancellations for others are under way or were answered, once.
fn check_external(state: &ExecutionState, events: &[HistoryEvent]) {
    use EventType::*;
    let under_way = |initiated, ends: [EventType; 2]| {
        count(events, initiated) - ends.into_iter().map(|end| count(events, end)).sum::<usize>()
    };
    let signals = [SignalExternalWorkflowExecutionFailed, ExternalWorkflowExecutionSignaled];
    let signals = under_way(SignalExternalWorkflowExecutionInitiated, signals);
    assert_eq!(signals, state.relations.signals as usize, "each signal is answered once");
    let cancels = [RequestCancelExternalWorkflowExecutionFailed, ExternalWorkflowExecutionCancelRequested];
    let cancels = under_way(RequestCancelExternalWorkflowExecutionInitiated, cancels);
    assert_eq!(cancels, state.relations.cancels as usize, "each cancellation is answered once");
}

/// Checks that each request whose answer a run waits for is under way, once.
fn check_messages(sim: &Sim, run: &RunKey, state: &ExecutionState) {
    let messages: Vec<_> = sim.outbox().into_iter().filter(|(from, _, _)| from == run).collect();
    let count = |is_it: fn(&Body) -> bool| messages.iter().filter(|(_, _, message)| is_it(&message.body)).count();
    assert_eq!(count(|body| matches!(body, Body::Signal { .. })), state.relations.signals as usize);
    assert_eq!(count(|body| matches!(body, Body::RequestCancel { .. })), state.relations.cancels as usize);
    for (id, child) in state.relations.children.iter().filter(|(_, child)| child.started.is_none()) {
        let starts = |body: &Body| matches!(body, Body::StartChild { lineage, .. } if lineage.initiated_event_id == id);
        let starts = messages.iter().filter(|(_, _, message)| starts(&message.body)).count();
        assert_eq!(starts, 1, "{child:?} is being started");
    }
}

fn check_closed(sim: &Sim, run: &RunKey, state: &ExecutionState, history: &[HistoryEvent]) {
    let last = history.last().expect("a closed run has events");
    assert!(last.event_type().closes_run(), "{last:?}");
    assert!(state.closed_at.is_some());
    assert!(
        state.activities.is_empty()
            && state.timers.is_empty()
            && state.buffered.is_empty()
            && state.relations.children.is_empty()
    );
    assert!(state.workflow_task.pending.is_none() && state.updates.in_flight.is_empty());
    assert!(!sim.rows.rows().any(|(key, _)| matches!(key, RowKey::Pending { run: of, .. } if of == run)));
    let next = match last.attributes.as_ref() {
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a)) => &a.new_execution_run_id,
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(a)) => &a.new_execution_run_id,
        Some(Attributes::WorkflowExecutionFailedEventAttributes(a)) => &a.new_execution_run_id,
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(a)) => &a.new_execution_run_id,
        _ => return,
    };
    if !next.is_empty() {
        let next = run.workflow.run(next.parse().expect("a run id"));
        assert!(sim.rows.execution(&next).unwrap().is_some(), "the next run of the chain is there");
    }
}

/// Ids of what an event ends.
type End = fn(&Attributes) -> Option<i64>;

fn ends_activity(attributes: &Attributes) -> Option<i64> {
    match attributes {
        Attributes::ActivityTaskCompletedEventAttributes(a) => Some(a.scheduled_event_id),
        Attributes::ActivityTaskFailedEventAttributes(a) => Some(a.scheduled_event_id),
        Attributes::ActivityTaskTimedOutEventAttributes(a) => Some(a.scheduled_event_id),
        Attributes::ActivityTaskCanceledEventAttributes(a) => Some(a.scheduled_event_id),
        _ => None,
    }
}

fn ends_timer(attributes: &Attributes) -> Option<i64> {
    match attributes {
        Attributes::TimerFiredEventAttributes(a) => Some(a.started_event_id),
        Attributes::TimerCanceledEventAttributes(a) => Some(a.started_event_id),
        _ => None,
    }
}

fn ends_child(attributes: &Attributes) -> Option<i64> {
    match attributes {
        Attributes::StartChildWorkflowExecutionFailedEventAttributes(a) => Some(a.initiated_event_id),
        Attributes::ChildWorkflowExecutionCompletedEventAttributes(a) => Some(a.initiated_event_id),
        Attributes::ChildWorkflowExecutionFailedEventAttributes(a) => Some(a.initiated_event_id),
        Attributes::ChildWorkflowExecutionCanceledEventAttributes(a) => Some(a.initiated_event_id),
        Attributes::ChildWorkflowExecutionTimedOutEventAttributes(a) => Some(a.initiated_event_id),
        Attributes::ChildWorkflowExecutionTerminatedEventAttributes(a) => Some(a.initiated_event_id),
        _ => None,
    }
}

/// Checks that there is at most one timer row, and no deadline that it would miss.
fn check_timer_row(sim: &Sim, run: &RunKey, state: &ExecutionState) {
    let armed: Vec<_> = sim.rows.timers().into_iter().filter(|(_, of)| of == run).map(|(at, _)| at).collect();
    assert_eq!(armed, Vec::from_iter(state.timer_row));
    let Some(deadline) = state.earliest_deadline() else { return };
    assert!(state.timer_row.is_some_and(|row| row <= deadline), "no deadline is missed");
    assert!(deadline > sim.now || state.timer_row == Some(deadline), "time was let pass");
}

/// Every update is on its way, or its callers know what became of it.
fn check_updates(sim: &Sim, run: &RunKey, state: &ExecutionState, history: &[HistoryEvent]) {
    let settles = |effect: &&Effect| match effect {
        Effect::UpdateAdvanced { run: of, status, .. } if of == run => {
            !matches!(status, Ok(status) if status.outcome.is_none())
        }
        _ => false,
    };
    let mut settled = BTreeMap::new();
    for effect in sim.effects.iter().filter(settles) {
        if let Effect::UpdateAdvanced { admission, .. } = effect {
            *settled.entry(*admission).or_insert(0) += 1;
        }
    }
    // What a reset took over of them may have been settled in the run before.
    let taken_over = history.iter().take_while(|event| event.event_id <= state.reset.kept_to).filter(|event| {
        matches!(
            event.event_type(),
            EventType::WorkflowExecutionUpdateAdmitted | EventType::WorkflowExecutionUpdateAccepted
        )
    });
    let taken_over = taken_over.count() as i64;
    for admission in 1..=state.updates.admissions {
        let open = state.updates.in_flight.get(admission).is_some();
        let settled = settled.get(&admission).copied().unwrap_or(0);
        let once = settled == usize::from(!open) || (settled == 0 && admission <= taken_over);
        assert!(once, "update {admission} was settled {settled} times");
    }
    let waits = |phase: &UpdatePhase| matches!(phase, UpdatePhase::Admitted(_) | UpdatePhase::Sent(..));
    if state.updates.in_flight.values().any(|update| waits(&update.phase)) {
        let held_up = state.workflow_task.pending.is_some() || state.is_paused();
        assert!(held_up, "an update does not wait for nothing");
    }
}

/// Checks that exactly the tasks that can be handed to a worker are in a queue.
fn check_tasks(sim: &Sim, run: &RunKey, state: &ExecutionState) {
    let ready = sim.rows.ready_tasks();
    let of = |kind| ready.iter().filter(|task| task.run == *run && task.queue.kind == kind).count();
    let waits = state.workflow_task.pending.is_some() && !state.workflow_task.is_started();
    assert_eq!(of(TaskKind::Workflow), usize::from(waits));
    let activities = state.activities.values().filter(|activity| activity.ready().is_some()).count();
    assert_eq!(of(TaskKind::Activity), activities);
    if state.is_paused() {
        assert!(!waits, "a paused run gets no task");
    } else {
        let held = |activity: &PendingActivity| activity.phase == ActivityPhase::Held;
        assert!(!state.activities.values().any(held), "only a pause holds activities");
    }
}

/// F44: what names a queue is a task that waits there, so nothing is left of a queue whose tasks are done.
fn check_queues(sim: &Sim) {
    let running = running(sim);
    for (key, value) in sim.rows.rows() {
        let name = format!("{key:?}");
        let RowKey::Ready { queue, priority, stamp } = key else {
            assert!(!name.contains("QueueKey"), "{name}");
            continue;
        };
        let task: ReadyTask = codec::decode(value).expect("a ready task");
        assert_eq!((&task.queue, task.priority, task.stamp), (queue, *priority, *stamp));
        assert!(running.contains(&task.run), "{name} of a run that is over");
    }
}

fn check_history(history: &[HistoryEvent]) {
    for (index, event) in history.iter().enumerate() {
        let id = index as i64 + 1;
        assert_eq!(event.event_id, id, "ids have no gaps");
        assert!(!event.event_type().closes_run() || index + 1 == history.len(), "nothing follows the close");
        let attributes = event.attributes.as_ref().expect("attributes");
        assert_eq!(attributes.event_type(), event.event_type());
        for (linked, expected) in links(attributes) {
            assert!(linked < id, "{event:?} points ahead");
            let linked = history.get(usize::try_from(linked - 1).expect("an event id")).expect("an event");
            assert_eq!(linked.event_type(), expected, "{event:?}");
        }
        if let Attributes::WorkflowTaskCompletedEventAttributes(a) = attributes {
            assert_eq!(a.started_event_id + 1, id, "nothing comes into a running task");
        }
    }
}

/// The events that an event points at. An end without a start points at none.
fn links(attributes: &Attributes) -> Vec<(i64, EventType)> {
    use {Attributes::*, EventType as E};
    let started = |id: i64, event| (id != 0).then_some((id, event));
    let activity = |scheduled, id| {
        let scheduled = (scheduled, E::ActivityTaskScheduled);
        [Some(scheduled), started(id, E::ActivityTaskStarted)].into_iter().flatten().collect()
    };
    let task = |scheduled, id| {
        let scheduled = (scheduled, E::WorkflowTaskScheduled);
        [Some(scheduled), started(id, E::WorkflowTaskStarted)].into_iter().flatten().collect()
    };
    let child = |initiated, id| {
        let initiated = (initiated, E::StartChildWorkflowExecutionInitiated);
        [Some(initiated), started(id, E::ChildWorkflowExecutionStarted)].into_iter().flatten().collect()
    };
    let of_commands = |id| vec![(id, E::WorkflowTaskCompleted)];
    match attributes {
        WorkflowTaskStartedEventAttributes(a) => vec![(a.scheduled_event_id, E::WorkflowTaskScheduled)],
        WorkflowTaskCompletedEventAttributes(a) => task(a.scheduled_event_id, a.started_event_id),
        WorkflowTaskFailedEventAttributes(a) => task(a.scheduled_event_id, a.started_event_id),
        WorkflowTaskTimedOutEventAttributes(a) => task(a.scheduled_event_id, a.started_event_id),
        ActivityTaskScheduledEventAttributes(a) => of_commands(a.workflow_task_completed_event_id),
        ActivityTaskStartedEventAttributes(a) => vec![(a.scheduled_event_id, E::ActivityTaskScheduled)],
        ActivityTaskCompletedEventAttributes(a) => activity(a.scheduled_event_id, a.started_event_id),
        ActivityTaskFailedEventAttributes(a) => activity(a.scheduled_event_id, a.started_event_id),
        ActivityTaskTimedOutEventAttributes(a) => activity(a.scheduled_event_id, a.started_event_id),
        ActivityTaskCanceledEventAttributes(a) => activity(a.scheduled_event_id, a.started_event_id),
        ActivityTaskCancelRequestedEventAttributes(a) => {
            vec![
                (a.scheduled_event_id, E::ActivityTaskScheduled),
                (a.workflow_task_completed_event_id, E::WorkflowTaskCompleted),
            ]
        }
        TimerStartedEventAttributes(a) => of_commands(a.workflow_task_completed_event_id),
        TimerFiredEventAttributes(a) => vec![(a.started_event_id, E::TimerStarted)],
        TimerCanceledEventAttributes(a) => {
            vec![(a.started_event_id, E::TimerStarted), (a.workflow_task_completed_event_id, E::WorkflowTaskCompleted)]
        }
        WorkflowExecutionUpdateCompletedEventAttributes(a) => {
            vec![(a.accepted_event_id, E::WorkflowExecutionUpdateAccepted)]
        }
        StartChildWorkflowExecutionInitiatedEventAttributes(a) => of_commands(a.workflow_task_completed_event_id),
        StartChildWorkflowExecutionFailedEventAttributes(a) => child(a.initiated_event_id, 0),
        ChildWorkflowExecutionStartedEventAttributes(a) => child(a.initiated_event_id, 0),
        ChildWorkflowExecutionCompletedEventAttributes(a) => child(a.initiated_event_id, a.started_event_id),
        ChildWorkflowExecutionFailedEventAttributes(a) => child(a.initiated_event_id, a.started_event_id),
        ChildWorkflowExecutionCanceledEventAttributes(a) => child(a.initiated_event_id, a.started_event_id),
        ChildWorkflowExecutionTimedOutEventAttributes(a) => child(a.initiated_event_id, a.started_event_id),
        ChildWorkflowExecutionTerminatedEventAttributes(a) => child(a.initiated_event_id, a.started_event_id),
        MarkerRecordedEventAttributes(a) => of_commands(a.workflow_task_completed_event_id),
        WorkflowExecutionCompletedEventAttributes(a) => of_commands(a.workflow_task_completed_event_id),
        WorkflowExecutionFailedEventAttributes(a) => of_commands(a.workflow_task_completed_event_id),
        WorkflowExecutionCanceledEventAttributes(a) => of_commands(a.workflow_task_completed_event_id),
        WorkflowExecutionContinuedAsNewEventAttributes(a) => of_commands(a.workflow_task_completed_event_id),
        _ => Vec::new(),
    }
}
