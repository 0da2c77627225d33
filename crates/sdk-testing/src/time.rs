//! The time of an environment's server: skipped here, or by the API's `TestService` elsewhere.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tenure_api::testservice::v1::{SleepRequest, test_service_client::TestServiceClient};
use tenure_server::VirtualTime;
use tonic::Code;

#[derive(Clone)]
pub(crate) enum Time {
    Virtual(Arc<VirtualTime>),
    /// The clock of a server elsewhere, with its address.
    Theirs(String),
    Real,
}

impl Time {
    pub(crate) fn skipped(&self) -> Option<&Arc<VirtualTime>> {
        match self {
            Time::Virtual(time) => Some(time),
            _ => None,
        }
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        match self {
            Time::Virtual(time) => time.sleep_skipping(duration).await,
            Time::Theirs(address) if sleep_there(address, duration).await => {}
            Time::Theirs(_) | Time::Real => tokio::time::sleep(duration).await,
        }
    }

    pub(crate) async fn can_skip(&self) -> bool {
        match self {
            Time::Virtual(_) => true,
            Time::Theirs(address) => sleep_there(address, Duration::ZERO).await,
            Time::Real => false,
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        let now = self.skipped().and_then(|time| time.now().to_proto().try_into().ok());
        now.unwrap_or_else(SystemTime::now)
    }
}

/// False if that server's time cannot skip.
async fn sleep_there(address: &str, duration: Duration) -> bool {
    let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let request = SleepRequest { duration: duration.try_into().ok() };
    let Ok(mut service) = TestServiceClient::connect(address).await else { return false };
    match service.unlock_time_skipping_with_sleep(request).await {
        Ok(_) => true,
        Err(status) if status.code() == Code::Unimplemented => false,
        Err(status) => panic!("the server does not let time pass: {status}"),
    }
}
