//! Encrypted connections.

use crate::error::ClientError;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// Which servers are trusted, and who the client is. With the feature `tls`.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use tenure_client::{Client, Tls};
/// let tls = Tls::new()
///     .ca_certificate(std::fs::read("ca.pem")?)
///     .client_certificate(std::fs::read("client.pem")?, std::fs::read("client.key")?);
/// let client = Client::builder(["10.0.0.1:7233"]).tls(tls).connect().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Tls {
    ca: Option<Certificate>,
    identity: Option<Identity>,
    server_name: Option<String>,
}

impl Tls {
    /// Trusts what the machine trusts.
    pub fn new() -> Self {
        Tls::default()
    }

    /// Trusts servers that have a certificate of this authority, and no others; PEM.
    #[must_use]
    pub fn ca_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca = Some(Certificate::from_pem(pem));
        self
    }

    /// Who the client is; PEM.
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some(Identity::from_pem(certificate, key));
        self
    }

    /// The name in the server's certificate. Default: the host of the address.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    pub(crate) fn apply(&self, endpoint: Endpoint) -> Result<Endpoint, ClientError> {
        let config = match &self.ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(ca.clone()),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        let config = self.identity.iter().fold(config, |config, identity| config.identity(identity.clone()));
        let config = self.server_name.iter().fold(config, |config, name| config.domain_name(name));
        let because = |error| ClientError::Invalid(format!("TLS: {}", with_sources(&error)));
        endpoint.tls_config(config).map_err(because)
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ca, identity) = (self.ca.is_some(), self.identity.is_some());
        f.debug_struct("Tls").field("ca", &ca).field("identity", &identity).finish_non_exhaustive()
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", with_sources(source)),
        None => error.to_string(),
    }
}
