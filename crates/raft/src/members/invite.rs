//! Lets nodes in that wait with a join token: a member that finds the token good asks for what an operator would.

use super::requests;
use crate::node::Core;
use std::{convert::Infallible, time::Duration};
use tenure_engine::system::{cluster::SYSTEM_SHARD, token_secret};
use tenure_peer::{JoinKey, admin::ChangeMembersRequest};

/// Between two looks at who waits.
const ROUND: Duration = Duration::from_millis(300);

pub(crate) async fn run(core: Core) -> Infallible {
    loop {
        tokio::time::sleep(ROUND).await;
        learn_key(&core);
        for node in core.pool.gate().invited() {
            let request = ChangeMembersRequest { add: node, ..Default::default() };
            let waits_for = match requests::change(&core, request).await {
                Ok(_) => String::new(),
                // Another one comes first, or it cannot be reached: it is told, and waits.
                Err(refused) => refused.message().to_owned(),
            };
            core.pool.gate().set_waits_for(node, waits_for);
        }
    }
}

/// The key follows from a secret that never changes.
pub(super) fn learn_key(core: &Core) {
    let gate = core.pool.gate();
    if gate.join_key().is_some() {
        return;
    }
    let secret = core.groups.get(SYSTEM_SHARD).map(|system| token_secret::read(&system.reader()));
    if let Some(Ok(Some(secret))) = secret {
        gate.set_join_key(JoinKey::of(&secret.0));
    }
}
