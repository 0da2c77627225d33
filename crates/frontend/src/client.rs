//! What a client says of itself in its headers, and what depends on it.

use crate::versions::{Version, is_supported};
use std::time::Duration;
use tenure_api::{
    error::ApiError,
    errordetails::v1::{ClientVersionNotSupportedFailure, ServerVersionNotSupportedFailure},
};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

const NAME: &str = "client-name";
const VERSION: &str = "client-version";
const SUPPORTED_SERVERS: &str = "supported-server-versions";
const SUPPORTED_FEATURES: &str = "supported-features";

/// By this header a client asks how its list or count is answered, and in this one it is told. They are this server's own.
const EXPLAIN: &str = "tenure-explain";
pub(crate) const PLAN: &str = "tenure-plan-bin";

/// The feature of clients that go on to the run that a close event names.
const FOLLOWS_NEXT_RUN: &str = "follows-next-run-id";

/// The version of the reference server whose meanings this server has: clients speak of that server's versions, and offer
/// less to an older one.
pub(crate) const REFERENCE_VERSION: &str = "1.32.0";

/// The clients whose versions are known, with those of them that are served. What others say is taken as it is.
const SUPPORTED_CLIENTS: [(&str, &str); 7] = [
    ("temporal-go", "<2.0.0"),
    ("temporal-java", "<2.0.0"),
    ("temporal-php", "<2.0.0"),
    ("temporal-typescript", "<2.0.0"),
    ("temporal-cli", "<2.0.0"),
    ("temporal-server", "<2.0.0"),
    ("temporal-ui", "<3.0.0"),
];

/// Who makes a request.
pub(crate) struct Caller {
    /// When its headers came, which is when its caller's patience begins to run out.
    pub(crate) arrived: Instant,
    /// How long it waits, if it said so.
    pub(crate) timeout: Option<Duration>,
    pub(crate) client: Client,
}

/// A client, as far as its headers tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    name: String,
    version: String,
    supported_servers: String,
    /// It looks into close events for the run that comes next.
    pub(crate) follows_next_run: bool,
    /// It wants to know how a list or a count is answered.
    pub(crate) explains: bool,
}

impl Client {
    pub(crate) fn of(metadata: &MetadataMap) -> Client {
        let text = |header| metadata.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Client {
            name: text(NAME).to_owned(),
            version: text(VERSION).to_owned(),
            supported_servers: text(SUPPORTED_SERVERS).to_owned(),
            follows_next_run: text(SUPPORTED_FEATURES).split(',').any(|feature| feature == FOLLOWS_NEXT_RUN),
            explains: text(EXPLAIN) == "1",
        }
    }

    /// Refuses a client whose version is not served, or that does not take this server. One that does not say both its
    /// name and its version is not looked at.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.name.is_empty() || self.version.is_empty() {
            return Ok(());
        }
        self.check_client()?;
        self.check_server()
    }

    fn check_client(&self) -> Result<(), ApiError> {
        let Some((name, range)) = SUPPORTED_CLIENTS.iter().find(|(name, _)| *name == self.name) else { return Ok(()) };
        let malformed = |cause| ApiError::invalid_argument(format!("Unable to parse client version: {cause}"));
        let version = Version::parse(&self.version).map_err(malformed)?;
        if is_supported(range, &version).map_err(malformed)? {
            return Ok(());
        }
        let version = &self.version;
        let message = format!("Client version {version} is not supported. Server supports {name} versions: {range}");
        Err(ApiError::failed_precondition(message).with_detail(&ClientVersionNotSupportedFailure {
            client_version: version.clone(),
            client_name: self.name.clone(),
            supported_versions: (*range).to_owned(),
        }))
    }

    fn check_server(&self) -> Result<(), ApiError> {
        let range = &self.supported_servers;
        if range.is_empty() {
            return Ok(());
        }
        let malformed =
            |cause| ApiError::invalid_argument(format!("Unable to parse supported server versions: {cause}"));
        let ours = Version::parse(REFERENCE_VERSION).map_err(malformed)?;
        if is_supported(range, &ours).map_err(malformed)? {
            return Ok(());
        }
        let message =
            format!("Server version {REFERENCE_VERSION} is not supported. Client supports server versions: {range}");
        Err(ApiError::failed_precondition(message).with_detail(&ServerVersionNotSupportedFailure {
            server_version: REFERENCE_VERSION.to_owned(),
            client_supported_server_versions: range.clone(),
        }))
    }
}
