//! `TestService`: how tests of workflows make time skip. Served only where there is a clock that can.

use crate::{deadline, observe::Observed};
use std::{future::Future, sync::Arc, time::Duration};
use tenure_api::{
    error::{ApiError, Code},
    testservice::v1::{test_service_server::TestService, *},
    time::optional_duration,
};
use tenure_engine::Timestamp;
use tenure_shard::{Unbalanced, VirtualTime};
use tokio::time::timeout;
use tonic::{Request, Response, Status};

pub(crate) struct TimeSkipping(pub(crate) Arc<VirtualTime>);

/// Answers one request in time, and counts it.
async fn answer<R, T>(
    method: &'static str,
    waits: bool,
    request: &Request<R>,
    outcome: impl Future<Output = Result<T, ApiError>>,
) -> Result<Response<T>, Status> {
    let mut observed = Observed::begin(method, waits);
    let outcome = match deadline::timeout(request.metadata()).map(deadline::less_margin) {
        Some(left) => timeout(left, outcome)
            .await
            .unwrap_or_else(|_| Err(ApiError::new(Code::DeadlineExceeded, format!("{method}: the time has not come")))),
        None => outcome.await,
    };
    observed.answered(&outcome);
    Ok(Response::new(outcome?))
}

fn unbalanced(error: Unbalanced) -> ApiError {
    ApiError::failed_precondition(error.to_string())
}

fn duration(request: &SleepRequest) -> Result<Duration, ApiError> {
    let duration = optional_duration(request.duration.as_ref());
    Ok(duration.map_err(|error| ApiError::invalid_argument(format!("invalid Duration: {error}")))?.unwrap_or_default())
}

#[tonic::async_trait]
impl TestService for TimeSkipping {
    async fn lock_time_skipping(
        &self,
        request: Request<LockTimeSkippingRequest>,
    ) -> Result<Response<LockTimeSkippingResponse>, Status> {
        let lock = async {
            self.0.lock();
            Ok(LockTimeSkippingResponse {})
        };
        answer("LockTimeSkipping", false, &request, lock).await
    }

    async fn unlock_time_skipping(
        &self,
        request: Request<UnlockTimeSkippingRequest>,
    ) -> Result<Response<UnlockTimeSkippingResponse>, Status> {
        let unlock = async {
            self.0.unlock().map_err(unbalanced)?;
            Ok(UnlockTimeSkippingResponse {})
        };
        answer("UnlockTimeSkipping", false, &request, unlock).await
    }

    async fn sleep(&self, request: Request<SleepRequest>) -> Result<Response<SleepResponse>, Status> {
        let sleep = async {
            self.0.sleep_until(self.0.now().plus(duration(request.get_ref())?)).await;
            Ok(SleepResponse {})
        };
        answer("Sleep", true, &request, sleep).await
    }

    async fn sleep_until(&self, request: Request<SleepUntilRequest>) -> Result<Response<SleepResponse>, Status> {
        let sleep = async {
            let at = request.get_ref().timestamp.as_ref();
            let at = at.ok_or_else(|| ApiError::invalid_argument("Timestamp is not set on request."))?;
            self.0.sleep_until(Timestamp::from_proto(at)).await;
            Ok(SleepResponse {})
        };
        answer("SleepUntil", true, &request, sleep).await
    }

    async fn unlock_time_skipping_with_sleep(
        &self,
        request: Request<SleepRequest>,
    ) -> Result<Response<SleepResponse>, Status> {
        let sleep = async {
            self.0.sleep_unlocked(duration(request.get_ref())?).await.map_err(unbalanced)?;
            Ok(SleepResponse {})
        };
        answer("UnlockTimeSkippingWithSleep", true, &request, sleep).await
    }

    async fn get_current_time(&self, request: Request<()>) -> Result<Response<GetCurrentTimeResponse>, Status> {
        let time = async { Ok(GetCurrentTimeResponse { time: Some(self.0.now().to_proto()) }) };
        answer("GetCurrentTime", false, &request, time).await
    }
}
