//! A run's timer row is due: a back-off or a delay is over, something has timed out, or a run that has ended is kept no longer.

use super::{
    super::call::{Stop, VerbResult},
    attempt,
    change::{ActivityCall, Change},
};
use crate::{
    activity::{self, PendingActivity, state::DueAction},
    command::Reply,
    failures,
    standalone::{self, Ended},
};
use tenure_api::{
    enums::v1::{RetryState, TimeoutType},
    failure::v1::Failure,
};
use uuid::Uuid;

pub(super) fn run(call: ActivityCall<'_, '_>, run_id: Uuid) -> VerbResult {
    let now = call.cx.now;
    let due = standalone::read(call.rows, call.lane, run_id)?.and_then(|state| state.timer);
    if due.is_none_or(|due| due > now) {
        // Fired before, or moved meanwhile.
        return Err(Stop::Answered(Reply::Done));
    }
    let mut change = call.open(Some(run_id))?;
    if let Some(end) = change.state.end {
        // The retention may have grown, or is not known.
        return if change.kept_until(end.at) > now {
            change.finish_unseen(Reply::Done)
        } else {
            change.finish_removed()
        };
    }
    let mut seen = false;
    // What was fired may be due again at once: a retry that woke too late has no time left.
    while let Some((at, action)) = change.state.next_due()
        && at <= now
    {
        match action {
            DueAction::Retry => change.make_ready(PendingActivity::wake),
            DueAction::Timeout(kind) => {
                time_out(&mut change, kind);
                seen = true;
            }
        }
    }
    if seen { change.finish(Reply::Done) } else { change.finish_unseen(Reply::Done) }
}

fn time_out(change: &mut Change<'_, '_>, kind: TimeoutType) {
    let with_context = |failure: Failure| {
        let failure = Failure { source: String::new(), ..failure };
        activity::with_context(failure, &change.state.activity)
    };
    let failure = with_context(failures::timeout(kind));
    match kind {
        TimeoutType::StartToClose | TimeoutType::Heartbeat => {
            let out_of_time = with_context(failures::out_of_time());
            let now = change.now();
            let Err(retry_state) = change.state.retry(Some(&failure), now) else { return };
            change.state.attempt_ended(Some(&failure), now);
            let failure = if retry_state == RetryState::Timeout { out_of_time } else { failure };
            attempt::end(change, Ended::TimedOut, retry_state, failure);
        }
        TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose | TimeoutType::Unspecified => {
            attempt::end(change, Ended::TimedOut, RetryState::Timeout, failure);
        }
    }
}
