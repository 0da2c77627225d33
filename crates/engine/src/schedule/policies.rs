//! The policies of a schedule, with what is meant where the request says nothing.

use std::time::Duration;
use tenure_api::{
    enums::v1::ScheduleOverlapPolicy,
    schedule::v1::{Schedule, SchedulePolicies},
    time::{duration_to_proto, optional_duration},
};

/// How late a time may be noticed and still be acted on, where the schedule does not say, and at least.
const CATCHUP: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const LEAST_CATCHUP: Duration = Duration::from_secs(10);

/// Fills in what a request does not say, as descriptions show it.
pub fn complete(policies: &mut SchedulePolicies) {
    if policies.overlap_policy == 0 {
        policies.overlap_policy = ScheduleOverlapPolicy::Skip.into();
    }
    policies.catchup_window = Some(duration_to_proto(catchup(policies)));
}

fn catchup(policies: &SchedulePolicies) -> Duration {
    match &policies.catchup_window {
        None => CATCHUP,
        // What is less than nothing is less than the least.
        window => optional_duration(window.as_ref()).ok().flatten().unwrap_or_default().max(LEAST_CATCHUP),
    }
}

/// What a schedule does about overlaps, lateness and failures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policies {
    pub(crate) overlap: ScheduleOverlapPolicy,
    pub(crate) catchup: Duration,
    pub(crate) pause_on_failure: bool,
    pub(crate) keep_workflow_id: bool,
}

impl Policies {
    pub(crate) fn of(schedule: &Schedule) -> Policies {
        let policies = schedule.policies.unwrap_or_default();
        let SchedulePolicies { pause_on_failure, keep_original_workflow_id, .. } = policies;
        let overlap = match policies.overlap_policy() {
            ScheduleOverlapPolicy::Unspecified => ScheduleOverlapPolicy::Skip,
            policy => policy,
        };
        Policies { overlap, catchup: catchup(&policies), pause_on_failure, keep_workflow_id: keep_original_workflow_id }
    }
}
