//! The end of namespaces that were deleted: once no shard has anything of one, and its delay is over, the system shard forgets
//! it. Which ones there are is looked for now and then; nobody has to say that a shard is done.

use crate::{
    leader::{context::LeaderContext, system::System},
    node::gather::Gather,
    seam::{error::CommandError, messages::new_proposal_id, question::Question},
};
use metrics::{counter, gauge};
use std::{sync::Arc, time::Duration};
use tenure_engine::{
    NamespaceId,
    system::{SystemCommand, namespace::may_be_forgotten},
};
use tokio::time::{Instant, MissedTickBehavior, interval};

const TICK: Duration = Duration::from_secs(1);

/// How long shards may take to tell what is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// The system shard's part in the end of namespaces.
pub(crate) struct Forget {
    context: Arc<LeaderContext>,
    system: Arc<System>,
}

impl Forget {
    pub(crate) fn new(context: Arc<LeaderContext>, system: Arc<System>) -> Forget {
        Forget { context, system }
    }

    pub(crate) async fn run(self: Arc<Self>) {
        let ended = self.context.ended.clone();
        tokio::select! {
            () = ended.cancelled() => gauge!("tenure_namespaces_deleted").set(0.0),
            () = self.look() => {}
        }
    }

    async fn look(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let deleted = self.context.node.system.deleted();
            gauge!("tenure_namespaces_deleted").set(deleted.len() as f64);
            for namespace in deleted {
                match self.forget(namespace.id).await {
                    Ok(true) => {
                        counter!("tenure_namespaces_forgotten_total").increment(1);
                        tracing::info!(namespace = %namespace.name, id = %namespace.id, "a deleted namespace is gone");
                    }
                    Ok(false) => {}
                    Err(error) => {
                        tracing::debug!(namespace = %namespace.name, %error, "the end of a namespace has to wait");
                    }
                }
            }
        }
    }

    /// Forgets the namespace if nothing of it is left. `true` if so.
    async fn forget(&self, id: NamespaceId) -> Result<bool, CommandError> {
        if !may_be_forgotten(&*self.context.rows, id.0, self.context.clock.now())? {
            return Ok(false);
        }
        let question = Question::Left { namespace: id, count: false };
        let left = Gather::new(self.context.node.clone(), question, Instant::now() + PATIENCE).left().await?;
        if left.shards > 0 {
            return Ok(false);
        }
        self.system.execute(new_proposal_id(), SystemCommand::ForgetNamespace(id.0)).await?;
        Ok(true)
    }
}
