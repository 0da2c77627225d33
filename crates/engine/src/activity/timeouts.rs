//! The four timeouts of an activity, as its scheduled event fixes them.

use minicbor::{Decode, Encode};
use std::time::Duration;
use tenure_api::{
    command::v1::ScheduleActivityTaskCommandAttributes,
    history::v1::ActivityTaskScheduledEventAttributes,
    time::{duration_to_proto, optional_duration},
};

/// The timeouts of an activity; `None` means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Timeouts {
    /// The time for all attempts together.
    #[n(0)]
    pub schedule_to_close: Option<Duration>,
    /// The time that each attempt may wait for a worker.
    #[n(1)]
    pub schedule_to_start: Option<Duration>,
    /// The time that each attempt may take once it is started.
    #[n(2)]
    pub start_to_close: Option<Duration>,
    /// The time between two heartbeats of an attempt.
    #[n(3)]
    pub heartbeat: Option<Duration>,
}

impl Timeouts {
    /// Fills in the timeouts that the worker left open and caps them by the run's timeout. The error is the reference
    /// server's message.
    pub(crate) fn resolve(
        attributes: &ScheduleActivityTaskCommandAttributes,
        activity_type: &str,
        run_timeout: Option<Duration>,
    ) -> Result<Self, String> {
        let field = |name, value| optional_duration(value).map_err(|error| format!("invalid {name}: {error}"));
        let schedule_to_close = field("ScheduleToCloseTimeout", attributes.schedule_to_close_timeout.as_ref())?;
        let schedule_to_start = field("ScheduleToStartTimeout", attributes.schedule_to_start_timeout.as_ref())?;
        let start_to_close = field("StartToCloseTimeout", attributes.start_to_close_timeout.as_ref())?;
        let heartbeat = field("HeartbeatTimeout", attributes.heartbeat_timeout.as_ref())?;

        if schedule_to_close.is_none() && start_to_close.is_none() {
            return Err(format!(
                "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. \
                 ActivityId={} ActivityType={activity_type}",
                attributes.activity_id
            ));
        }
        let whole = shorter(schedule_to_close, run_timeout);
        let start_to_close = shorter(start_to_close, whole);
        Ok(Timeouts {
            schedule_to_close: whole,
            schedule_to_start: shorter(schedule_to_start, whole),
            start_to_close,
            heartbeat: heartbeat.and_then(|h| shorter(Some(h), start_to_close)),
        })
    }

    /// Writes the timeouts into the scheduled event, as durations with zero for no limit.
    pub(crate) fn write_to(&self, event: &mut ActivityTaskScheduledEventAttributes) {
        event.schedule_to_close_timeout = Some(to_proto(self.schedule_to_close));
        event.schedule_to_start_timeout = Some(to_proto(self.schedule_to_start));
        event.start_to_close_timeout = Some(to_proto(self.start_to_close));
        event.heartbeat_timeout = Some(to_proto(self.heartbeat));
    }
}

impl Timeouts {
    /// Reads what [`Timeouts::write_to`] wrote.
    pub(crate) fn read_from(event: &ActivityTaskScheduledEventAttributes) -> Self {
        let field = |value: Option<&_>| optional_duration(value).ok().flatten();
        Timeouts {
            schedule_to_close: field(event.schedule_to_close_timeout.as_ref()),
            schedule_to_start: field(event.schedule_to_start_timeout.as_ref()),
            start_to_close: field(event.start_to_close_timeout.as_ref()),
            heartbeat: field(event.heartbeat_timeout.as_ref()),
        }
    }
}

/// The API's form of a timeout: zero for no limit.
pub(crate) fn to_proto(timeout: Option<Duration>) -> prost_types::Duration {
    duration_to_proto(timeout.unwrap_or_default())
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves timeouts given in seconds, in the order schedule-to-close, schedule-to-start, start-to-close,
    /// heartbeat; zero means that the timeout is not set.
    #[track_caller]
    fn check(given: [i64; 4], run: u64, expected: Result<[u64; 4], &str>) {
        let seconds = |s: i64| (s != 0).then_some(prost_types::Duration { seconds: s, nanos: 0 });
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: "a1".into(),
            schedule_to_close_timeout: seconds(given[0]),
            schedule_to_start_timeout: seconds(given[1]),
            start_to_close_timeout: seconds(given[2]),
            heartbeat_timeout: seconds(given[3]),
            ..Default::default()
        };
        let run = (run > 0).then(|| Duration::from_secs(run));
        let got = Timeouts::resolve(&attributes, "A", run).map(|t| {
            [t.schedule_to_close, t.schedule_to_start, t.start_to_close, t.heartbeat]
                .map(|d| d.map_or(0, |d| d.as_secs()))
        });
        assert_eq!(got.as_ref().map(|t| *t).map_err(String::as_str), expected);
    }

    #[test]
    fn missing_timeouts_are_deduced_and_all_are_capped() {
        check([60, 0, 0, 0], 0, Ok([60, 60, 60, 0]));
        check([0, 0, 60, 0], 0, Ok([0, 0, 60, 0]));
        check([0, 0, 60, 0], 30, Ok([30, 30, 30, 0]));
        check([10, 0, 60, 0], 0, Ok([10, 10, 10, 0]));
        check([10, 60, 0, 0], 0, Ok([10, 10, 10, 0]));
        check([10, 5, 3, 2], 0, Ok([10, 5, 3, 2]));
        check([0, 60, 100, 0], 30, Ok([30, 30, 30, 0]));
        check([0, 60, 100, 0], 0, Ok([0, 60, 100, 0]));
        check([0, 0, 60, 100], 0, Ok([0, 0, 60, 60]));
        check([0, 0, 60, 100], 30, Ok([30, 30, 30, 30]));
        check([60, 0, 0, 0], 30, Ok([30, 30, 30, 0]));
        check([60, 0, 0, 5], 0, Ok([60, 60, 60, 5]));
    }

    #[test]
    fn bad_timeouts_are_named() {
        const MISSING: &str = "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. \
                               ActivityId=a1 ActivityType=A";
        check([0, 0, 0, 0], 0, Err(MISSING));
        check([0, 60, 0, 5], 30, Err(MISSING));
        check([-1, 0, 0, 0], 0, Err("invalid ScheduleToCloseTimeout: negative duration"));
        check([3, -1, 0, 0], 0, Err("invalid ScheduleToStartTimeout: negative duration"));
        check([0, 0, -1, 0], 0, Err("invalid StartToCloseTimeout: negative duration"));
        check([3, 0, 0, -1], 0, Err("invalid HeartbeatTimeout: negative duration"));
    }
}
