//! The activities of a run, by what keeps each from being done.

use super::tell::{add, failure, time};
use crate::{
    activity::state::{ActivityPhase, PendingActivity},
    pending::Pending,
};
use tenure_api::tenure::v1::{Cause, CauseKind as Kind, QueueState, Subject, subject};

pub(super) fn explain(activities: &Pending<PendingActivity>, causes: &mut Vec<Cause>) {
    let of = |kind: Kind| {
        let mut found: Vec<_> = activities.values().filter(|activity| of_phase(activity.phase) == kind).collect();
        // What waits for the longest, or comes next.
        found.sort_by_key(|activity| since(activity));
        found
    };
    for kind in
        [Kind::ActivityPaused, Kind::ActivityBackoff, Kind::ActivityHeld, Kind::ActivityQueued, Kind::ActivityRunning]
    {
        add(causes, kind, of(kind), tell);
    }
}

fn of_phase(phase: ActivityPhase) -> Kind {
    match phase {
        ActivityPhase::Ready(_) => Kind::ActivityQueued,
        ActivityPhase::Started(_) => Kind::ActivityRunning,
        ActivityPhase::Backoff => Kind::ActivityBackoff,
        ActivityPhase::Paused => Kind::ActivityPaused,
        ActivityPhase::Held => Kind::ActivityHeld,
    }
}

/// When the activity came into its phase; of one in back-off, when it leaves it.
fn since(activity: &PendingActivity) -> crate::time::Timestamp {
    activity.started().map_or(activity.attempt_scheduled_at, |started| started.at)
}

fn tell(activity: &PendingActivity, told: Cause) -> Cause {
    let subject = subject::Subject::ActivityId(activity.activity_id.to_string());
    let mut told = Cause {
        trouble: activity.attempt > 1,
        event_id: activity.scheduled_event_id,
        attempt: activity.attempt,
        maximum_attempts: activity.retry.maximum_attempts,
        subject: Some(Subject { subject: Some(subject), r#type: activity.activity_type.to_string() }),
        task_queue: activity.task_queue.to_string(),
        worker: activity.last_worker_identity.to_string(),
        failure: activity.last_failure.as_ref().map(failure),
        cancel_requested: activity.cancel_requested_event_id.is_some(),
        since: time(since(activity)),
        next: activity.next_due().and_then(|(at, _)| time(at)),
        ..told
    };
    match &activity.phase {
        ActivityPhase::Ready(_) => told.queue = Some(QueueState::default()),
        ActivityPhase::Backoff => {
            told.trouble = true;
            told.since = activity.last_attempt_completed_at.and_then(time);
            told.next = time(activity.attempt_scheduled_at);
        }
        ActivityPhase::Started(started) => {
            let heartbeat = activity.heartbeat.as_ref().filter(|_| activity.has_heartbeat_since(started));
            told.last_heartbeat = heartbeat.and_then(|heartbeat| time(heartbeat.at));
        }
        ActivityPhase::Paused | ActivityPhase::Held => {}
    }
    if let Some((at, identity, reason)) = activity.control.paused() {
        told.trouble = true;
        told.since = time(at);
        (told.identity, told.reason) = (identity.to_owned(), reason.to_owned());
    }
    told
}
