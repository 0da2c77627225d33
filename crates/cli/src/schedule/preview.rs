//! What a schedule will do, found out here: what its specification means, and its next times.

use crate::{
    Usage, output,
    show::{
        facts::Facts,
        json,
        status::word,
        table::{Column, Table},
        text::clean,
        time,
    },
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use std::time::{Duration, SystemTime};
use tenure_api::{
    schedule::v1::{Schedule, ScheduleSpec, schedule_action::Action},
    time::duration_from_proto,
};
use tenure_schedule::{Spec, SpecError};

/// Times that a preview shows.
const SHOWN: usize = 10;

/// Compiles a specification as the server will.
pub(super) fn compile(spec: &ScheduleSpec) -> anyhow::Result<Spec> {
    Spec::compile(spec).map_err(|error| Usage(clean(&error.to_string()).into_owned()).into())
}

/// What a specification means, in words; of one that cannot be read, nothing.
pub(super) fn words(spec: Option<&ScheduleSpec>) -> String {
    spec.and_then(|spec| Spec::compile(spec).ok()).map(|spec| spec.explain()).unwrap_or_default()
}

/// The next nominal times after `now`. Jitter is not in them: the server's own id of the namespace has a part in it.
pub(super) fn next(spec: &Spec, now: Timestamp, most: usize) -> Result<Vec<Timestamp>, SpecError> {
    let mut times = Vec::new();
    let mut after = now;
    while times.len() < most
        && let Some(firing) = spec.next(after, "")?
    {
        times.push(firing.nominal);
        after = firing.nominal;
    }
    Ok(times)
}

/// Says that a specification never fires, if that is so.
pub(super) fn warn_of_silence(spec: &Spec) {
    if matches!(next(spec, Timestamp::now(), 1), Ok(times) if times.is_empty()) {
        output::note("It has no times to come: it acts only when it is triggered.");
    }
}

/// Shows what a schedule will do; its specification is in the server's form already.
pub(super) fn print(schedule_id: &str, schedule: &Schedule, is_json: bool) -> anyhow::Result<()> {
    let spec = compile(schedule.spec.as_ref().unwrap_or(&ScheduleSpec::default()))?;
    let state = schedule.state.clone().unwrap_or_default();
    let left = if state.limited_actions { usize::try_from(state.remaining_actions).unwrap_or(0) } else { SHOWN };
    let times = next(&spec, Timestamp::now(), SHOWN.min(left))?;
    if is_json {
        let times: Vec<String> = times.iter().map(Timestamp::to_string).collect();
        let schedule = json::readable(schedule)?;
        return output::document(
            &json!({ "scheduleId": schedule_id, "meaning": spec.explain(), "times": times, "schedule": schedule }),
        );
    }
    let mut facts = Facts::default();
    facts.add("Schedule id", schedule_id);
    describe(&mut facts, schedule, &spec.explain());
    facts.print()?;
    output::line("")?;
    match (times.is_empty(), left) {
        (false, _) => table(&times, spec.canonical()).print_page()?,
        (true, 0) => output::line("It has no actions left: it acts only when it is triggered.")?,
        (true, _) => output::line("It has no times to come: it acts only when it is triggered.")?,
    }
    output::note("Nothing was done: this is what --dry-run shows.");
    Ok(())
}

/// What a schedule is.
pub(super) fn describe(facts: &mut Facts, schedule: &Schedule, meaning: &str) {
    if let Some(Action::StartWorkflow(start)) = schedule.action.as_ref().and_then(|action| action.action.as_ref()) {
        let kind = start.workflow_type.as_ref().map_or("", |kind| &kind.name);
        let queue = start.task_queue.as_ref().map_or("", |queue| &queue.name);
        let input = crate::show::payload::brief(start.input.as_ref());
        let keeps = schedule.policies.as_ref().is_some_and(|policies| policies.keep_original_workflow_id);
        facts
            .add("Starts", format!("{kind}({input})"))
            .add("Task queue", queue)
            .add("Workflow id", if keeps { start.workflow_id.clone() } else { format!("{}-TIME", start.workflow_id) })
            .add("Execution timeout", time::timeout(start.workflow_execution_timeout))
            .add("Run timeout", time::timeout(start.workflow_run_timeout))
            .add("Task timeout", time::timeout(start.workflow_task_timeout));
    }
    facts.add("When", meaning);
    let policies = schedule.policies.unwrap_or_default();
    let state = schedule.state.clone().unwrap_or_default();
    facts
        .add(
            "Overlap",
            match policies.overlap_policy {
                0 => "Skip".to_owned(),
                _ => word(policies.overlap_policy().as_str_name(), "SCHEDULE_OVERLAP_POLICY_"),
            },
        )
        .add("Catch-up window", window(duration_from_proto(policies.catchup_window)))
        .add("On failure", if policies.pause_on_failure { "is paused" } else { "" })
        .add("Actions left", if state.limited_actions { state.remaining_actions.to_string() } else { String::new() });
}

fn window(window: Option<Duration>) -> String {
    window.map(time::span).unwrap_or_default()
}

/// Times in UTC, in the schedule's own time zone if it has another, and how far they are.
fn table(times: &[Timestamp], spec: &ScheduleSpec) -> Table {
    let zone = Some(&spec.timezone_name).filter(|name| !["", "UTC", "Local"].contains(&name.as_str()));
    let zone = zone.and_then(|name| TimeZone::get(name).ok());
    let now = SystemTime::now();
    let mut columns = vec![Column::new("NEXT TIMES (UTC)"), Column::number("FROM NOW")];
    if zone.is_some() {
        columns.insert(1, Column::long("IN ITS TIME ZONE"));
    }
    let mut table = Table::new(&columns);
    for at in times {
        let proto = Some(super::moment::to_proto(*at));
        let mut cells = vec![time::stamp(proto).into(), time::distance(proto, now).into()];
        if let Some(zone) = &zone {
            let there = at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string();
            cells.insert(1, there.into());
        }
        table.row(cells);
    }
    table
}
