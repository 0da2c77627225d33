//! How a schedule goes about it, as options.

use super::{
    action::fields,
    moment::{self, Unset},
};
use clap::ValueEnum;
use std::{collections::BTreeMap, time::Duration};
use tenure_api::{
    common::v1::{Memo, Payload, SearchAttributes},
    enums::v1::ScheduleOverlapPolicy,
    schedule::v1::{Schedule, SchedulePolicies, ScheduleState},
    time::duration_to_proto,
};

use crate::api::key_value;

/// What comes due while something that the schedule started runs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Overlap {
    /// Is skipped.
    #[value(alias = "Skip")]
    Skip,
    /// Waits, the first one; others are skipped.
    #[value(alias = "BufferOne")]
    BufferOne,
    /// Waits.
    #[value(alias = "BufferAll")]
    BufferAll,
    /// Starts once what runs was cancelled.
    #[value(alias = "CancelOther")]
    CancelOther,
    /// Starts once what runs was terminated.
    #[value(alias = "TerminateOther")]
    TerminateOther,
    /// Starts beside it.
    #[value(alias = "AllowAll")]
    AllowAll,
}

impl From<Overlap> for ScheduleOverlapPolicy {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Skip => ScheduleOverlapPolicy::Skip,
            Overlap::BufferOne => ScheduleOverlapPolicy::BufferOne,
            Overlap::BufferAll => ScheduleOverlapPolicy::BufferAll,
            Overlap::CancelOther => ScheduleOverlapPolicy::CancelOther,
            Overlap::TerminateOther => ScheduleOverlapPolicy::TerminateOther,
            Overlap::AllowAll => ScheduleOverlapPolicy::AllowAll,
        }
    }
}

/// The number of the API for a policy, or for none.
pub(super) fn number(overlap: Option<Overlap>) -> i32 {
    overlap.map_or(ScheduleOverlapPolicy::Unspecified, Into::into).into()
}

const HEADING: &str = "How";

/// How it goes about it, and what lists find it by.
#[derive(clap::Args, Default)]
pub(super) struct Policies {
    /// What comes due while something that it started runs; by default it is skipped.
    #[arg(help_heading = HEADING, long, value_name = "POLICY", alias = "overlap-policy", value_enum)]
    overlap: Option<Overlap>,
    /// How late a time may be noticed and still be acted on; by default a year, 10s at least.
    #[arg(help_heading = HEADING, long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    catchup_window: Option<Duration>,
    /// Pause it when a workflow fails or times out.
    #[arg(help_heading = HEADING, long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", hide_possible_values = true)]
    pause_on_failure: Option<bool>,
    /// Give workflows the id as it is, without a time.
    #[arg(help_heading = HEADING, long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", hide_possible_values = true)]
    keep_workflow_id: Option<bool>,
    /// Act so many times and no more; triggers and backfills do not count. none: without end.
    #[arg(help_heading = HEADING, long, value_name = "NUMBER", value_parser = actions)]
    remaining_actions: Option<Unset<i64>>,
    /// What people should know of it.
    #[arg(help_heading = HEADING, long, value_name = "TEXT", alias = "notes")]
    note: Option<String>,
    /// A field of the schedule's memo, in JSON; may be given several times.
    #[arg(help_heading = HEADING, long, value_name = "KEY=JSON", value_parser = key_value)]
    memo: Vec<(String, String)>,
    /// A search attribute of the schedule, in JSON; may be given several times.
    #[arg(help_heading = HEADING, long, value_name = "KEY=JSON", value_parser = key_value)]
    search_attribute: Vec<(String, String)>,
}

fn actions(text: &str) -> Result<Unset<i64>, String> {
    let number = |text: &str| text.parse().ok().filter(|number| *number >= 0);
    moment::or_none(text, |text| number(text).ok_or_else(|| "must be a number, or none".to_owned()))
}

impl Policies {
    /// Puts what is said into a schedule.
    pub(super) fn apply(&self, schedule: &mut Schedule) {
        let policies: &mut SchedulePolicies = schedule.policies.get_or_insert_default();
        if let Some(overlap) = self.overlap {
            policies.set_overlap_policy(overlap.into());
        }
        if let Some(window) = self.catchup_window {
            policies.catchup_window = Some(duration_to_proto(window));
        }
        if let Some(pause) = self.pause_on_failure {
            policies.pause_on_failure = pause;
        }
        if let Some(keep) = self.keep_workflow_id {
            policies.keep_original_workflow_id = keep;
        }
        let state: &mut ScheduleState = schedule.state.get_or_insert_default();
        if let Some(Unset(actions)) = self.remaining_actions {
            state.limited_actions = actions.is_some();
            state.remaining_actions = actions.unwrap_or_default();
        }
        if let Some(note) = &self.note {
            state.notes.clone_from(note);
        }
    }

    /// The memo with what is said; `None` if nothing is.
    pub(super) fn memo(&self, before: Option<Memo>) -> anyhow::Result<Option<Memo>> {
        let fields = with(before.unwrap_or_default().fields, fields("--memo", &self.memo)?);
        Ok(fields.map(|fields| Memo { fields }))
    }

    /// The search attributes with what is said; `None` if nothing is.
    pub(super) fn search_attributes(
        &self,
        before: Option<SearchAttributes>,
    ) -> anyhow::Result<Option<SearchAttributes>> {
        let said = fields("--search-attribute", &self.search_attribute)?;
        let fields = with(before.unwrap_or_default().indexed_fields, said);
        Ok(fields.map(|indexed_fields| SearchAttributes { indexed_fields }))
    }
}

fn with(mut before: BTreeMap<String, Payload>, said: BTreeMap<String, Payload>) -> Option<BTreeMap<String, Payload>> {
    if said.is_empty() {
        return None;
    }
    before.extend(said);
    Some(before)
}
