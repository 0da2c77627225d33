//! PreviewSchedule, of our own API. The leader of the shard of the schedule's id answers it, by its own clock; nothing is
//! read there.

use super::{
    prelude::*,
    schedules::{ScheduleTarget, compile, invalid, new_target},
};
use crate::call::Target;
use tenure_api::tenure::v1::{PreviewScheduleRequest, PreviewScheduleResponse};
use tenure_engine::{Lane, Timestamp, schedule};
use tenure_schedule::Spec;
use tenure_shard::{ShardId, Shards};

/// Times that are told if nobody says how many.
const TIMES: usize = 10;

/// A schedule that may be made.
#[derive(Clone)]
pub(crate) struct Preview {
    lane: Lane,
    spec: Spec,
}

impl Target for Preview {
    fn shard(&self, shards: &Shards) -> ShardId {
        shards.shard_of(self.lane.slot())
    }
}

impl Rpc for PreviewScheduleRequest {
    type Response = PreviewScheduleResponse;
    type Target = Preview;

    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn admit(&mut self, admission: &Admission<'_>) -> Result<Preview, ApiError> {
        let lane = if self.schedule_id.is_empty() {
            Lane::of_schedule(admission.namespace, "")
        } else {
            let ScheduleTarget(lane) = new_target(admission, &self.schedule_id)?;
            lane
        };
        admission.blob(self.spec.as_ref())?;
        Ok(Preview { lane, spec: compile(self.spec.as_ref())? })
    }

    async fn run(self: Arc<Self>, target: Preview, call: &Call) -> Result<Self::Response, CommandError> {
        let count = if self.maximum_times == 0 { TIMES } else { self.maximum_times as usize };
        let times = schedule::times_to_come(&target.lane, &target.spec, call.leader.now(), count)
            .map_err(|error| invalid(error.to_string()))?;
        Ok(Self::Response {
            meaning: target.spec.explain(),
            times: times.into_iter().map(Timestamp::to_proto).collect(),
        })
    }
}
