//! What the server knows of an activity without a workflow.

use super::ActivityExecutionStatus;
use crate::{
    data::{Data, DataConverter, DataError},
    failure::Failure,
};
use std::{collections::BTreeMap, time::SystemTime};
use tenure_api::{
    activity::v1::{ActivityExecutionInfo, ActivityExecutionListInfo},
    common::v1::Payload,
    time::time_from_proto,
};

/// What the server knows of an activity without a workflow. Lists know of no attempts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActivityDescription {
    /// The activity id.
    pub activity_id: String,
    /// The run id.
    pub run_id: String,
    /// The activity type.
    pub activity_type: String,
    /// Whether it runs, is paused, or how it ended.
    pub status: ActivityExecutionStatus,
    /// The queue on which its workers poll.
    pub task_queue: String,
    /// When it was started.
    pub scheduled: Option<SystemTime>,
    /// When it ended.
    pub closed: Option<SystemTime>,
    /// The current or last attempt, counted from one; zero in lists.
    pub attempt: i32,
    /// When the next attempt begins, of one that waits for it.
    pub next_attempt: Option<SystemTime>,
    /// The failure of the last attempt.
    pub last_failure: Option<Failure>,
    search_attributes: BTreeMap<String, Payload>,
}

impl ActivityDescription {
    pub(super) fn new(info: ActivityExecutionInfo, converter: &DataConverter) -> Self {
        let status = info.status();
        ActivityDescription {
            activity_id: info.activity_id,
            run_id: info.run_id,
            activity_type: info.activity_type.unwrap_or_default().name,
            status,
            task_queue: info.task_queue,
            scheduled: time_from_proto(info.schedule_time),
            closed: time_from_proto(info.close_time),
            attempt: info.attempt,
            next_attempt: time_from_proto(info.next_attempt_schedule_time),
            last_failure: info.last_failure.map(|failure| Failure::from_proto(failure, converter)),
            search_attributes: info.search_attributes.unwrap_or_default().indexed_fields,
        }
    }

    pub(super) fn of_list(info: ActivityExecutionListInfo) -> Self {
        let status = info.status();
        ActivityDescription {
            activity_id: info.activity_id,
            run_id: info.run_id,
            activity_type: info.activity_type.unwrap_or_default().name,
            status,
            task_queue: info.task_queue,
            scheduled: time_from_proto(info.schedule_time),
            closed: time_from_proto(info.close_time),
            attempt: 0,
            next_attempt: None,
            last_failure: None,
            search_attributes: info.search_attributes.unwrap_or_default().indexed_fields,
        }
    }

    /// The value of a search attribute.
    pub fn search_attribute<T: Data>(&self, key: &str) -> Option<Result<T, DataError>> {
        self.search_attributes.get(key).map(|payload| DataConverter::default().decode(payload))
    }
}
