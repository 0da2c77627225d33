//! WaitForChanges, of our own API. Any node answers it: it asks all shards, once for all who wait.

use super::prelude::*;
use crate::Frontend;
use tenure_api::tenure::v1::{WaitForChangesRequest, WaitForChangesResponse};
use tokio::time::Instant;

impl LocalRpc for WaitForChangesRequest {
    type Response = WaitForChangesResponse;

    fn kind(&self) -> Kind {
        Kind::Wait
    }

    async fn answer(self, frontend: &Frontend, deadline: Instant) -> Result<WaitForChangesResponse, ApiError> {
        let since = match self.token.as_str() {
            "" => None,
            token => {
                let malformed = |_| ApiError::invalid_argument("the token is none of an answer");
                Some(u64::from_str_radix(token, 16).map_err(malformed)?)
            }
        };
        let namespace = frontend.namespace(&self.namespace, deadline).await?.id;
        let until = frontend.shards().poll_expires(deadline);
        let changed = frontend.shards().changed(namespace, since, until).await?;
        Ok(WaitForChangesResponse { token: format!("{changed:016x}") })
    }
}
