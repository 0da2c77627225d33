//! Changes of a schedule that is there.

use super::policies::Policies;
use crate::{
    api::{Api, ask},
    show::progress,
};
use std::time::{Duration, Instant};
use tenure_api::{
    schedule::v1::{Schedule, SchedulePatch},
    workflowservice::v1::{
        DescribeScheduleRequest, DescribeScheduleResponse, PatchScheduleRequest, UpdateScheduleRequest,
    },
};
use tenure_client::rpc;
use uuid::Uuid;

/// Before an update that another one got ahead of is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What there is of a schedule.
pub(super) async fn described(api: &Api, schedule_id: &str) -> anyhow::Result<DescribeScheduleResponse> {
    let request = DescribeScheduleRequest { namespace: api.namespace(), schedule_id: schedule_id.to_owned() };
    ask!(api, "describing", describe_schedule, request).await
}

/// Reads a schedule, changes it and writes it back, until nobody else has changed it meanwhile. Gives what it is then.
pub(super) async fn update(
    api: &Api,
    schedule_id: &str,
    change: impl Fn(&mut Schedule) -> anyhow::Result<()>,
    policies: &Policies,
) -> anyhow::Result<Schedule> {
    let began = Instant::now();
    loop {
        let found = described(api, schedule_id).await?;
        let mut schedule = found.schedule.unwrap_or_default();
        change(&mut schedule)?;
        let request = UpdateScheduleRequest {
            namespace: api.namespace(),
            schedule_id: schedule_id.to_owned(),
            schedule: Some(schedule.clone()),
            conflict_token: found.conflict_token,
            identity: api.identity(),
            request_id: Uuid::new_v4().to_string(),
            memo: policies.memo(found.memo)?,
            search_attributes: policies.search_attributes(found.search_attributes)?,
        };
        let call = rpc!(api.client.connection(), update_schedule, request, api.client.short());
        match progress::waiting("updating", call).await {
            Err(error) if error.is_conflict() && began.elapsed() < api.client.short().total => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(api.explain(error)),
            Ok(_) => return Ok(schedule),
        }
    }
}

/// Asks for a patch; `what` is said if it takes long.
pub(super) async fn patch(api: &Api, what: &str, schedule_id: String, patch: SchedulePatch) -> anyhow::Result<()> {
    let request = PatchScheduleRequest {
        namespace: api.namespace(),
        schedule_id,
        patch: Some(patch),
        identity: api.identity(),
        request_id: Uuid::new_v4().to_string(),
    };
    ask!(api, what, patch_schedule, request).await?;
    Ok(())
}

/// Says what was done to a schedule.
pub(super) fn told(done: &str, schedule_id: &str, json: bool) -> anyhow::Result<()> {
    use crate::{output, show::text::clean};
    if json {
        return output::document(&serde_json::json!({ "scheduleId": schedule_id }));
    }
    output::line(format_args!("{done} {}", clean(schedule_id)))
}
