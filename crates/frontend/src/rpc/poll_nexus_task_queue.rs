//! PollNexusTaskQueue: workers that serve Nexus operations ask for them. There are none yet, so that a poll is a long
//! poll that finds nothing; an error would be tried again at once, and for ever.

use super::{prelude::*, workers};
use crate::Frontend;
use metrics::counter;
use tenure_engine::search_attributes::Registry;
use tokio::time::{Instant, sleep_until};

impl LocalRpc for api::PollNexusTaskQueueRequest {
    type Response = api::PollNexusTaskQueueResponse;

    fn kind(&self) -> Kind {
        Kind::Poll
    }

    fn polling_worker(&self) -> Option<PollingWorker<'_>> {
        Some(PollingWorker { namespace: &self.namespace, key: &self.worker_instance_key })
    }

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<Self::Response, ApiError> {
        let namespace = frontend.namespace(&self.namespace, deadline).await?.id;
        let limits = &frontend.options().limits;
        let (search_attributes, token_key) = (Registry::default(), frontend.token_key(deadline).await?);
        let admission = Admission { namespace, search_attributes, limits, token_key };
        admission.length(&self.identity, "Identity")?;
        admission.task_queue(self.task_queue.as_ref(), TaskKind::Activity)?;
        counter!("tenure_nexus_polls_total").increment(1);
        let said: Vec<_> =
            self.worker_heartbeat.into_iter().filter(|worker| !worker.worker_instance_key.is_empty()).collect();
        said.iter().try_for_each(|worker| workers::check(worker, limits))?;
        frontend.shards().workers_said(namespace, &said, deadline).await?;
        sleep_until(frontend.shards().poll_expires(deadline)).await;
        Ok(Self::Response::default())
    }
}
