//! How commands reach the API: its addresses, the namespace, how long they try.

pub(crate) mod asides;
mod input;
mod trouble;

pub(crate) use input::{Input, json_payload, key_value};
pub(crate) use trouble::root_cause;

use crate::{Usage, show::progress};
use std::time::Duration;
use tenure_api::workflowservice::v1 as api;
use tenure_client::{Client, ClientBuilder, ClientError, Patience, rpc};
use tonic::Code;

/// Which cluster to ask.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// Addresses of the cluster's gRPC API; with several, calls go to the next one when one does not answer.
    #[arg(long, value_name = "HOST:PORT,...", default_value = "127.0.0.1:7233", env = "TENURE_ADDRESS")]
    #[arg(value_delimiter = ',', help_heading = "Server")]
    address: Vec<String>,
    /// Seconds that a call is tried for.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, help_heading = "Server")]
    timeout: f64,
}

/// Which cluster to ask, and what of it.
#[derive(clap::Args)]
pub(crate) struct Target {
    #[command(flatten)]
    server: Server,
    /// The namespace.
    #[arg(long, short, default_value = "default", env = "TENURE_NAMESPACE", help_heading = "Server")]
    namespace: String,
}

impl Server {
    pub(crate) async fn reach(&self) -> anyhow::Result<Api> {
        Api::of(self.builder()?).await
    }

    /// Reaches the API for a command that is about a namespace itself.
    pub(crate) async fn reach_at(&self, namespace: &str) -> anyhow::Result<Api> {
        self.reach_at_with(namespace, |builder| builder).await
    }

    /// The same with a client that has something of its own.
    pub(crate) async fn reach_at_with(
        &self,
        namespace: &str,
        with: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> anyhow::Result<Api> {
        Api::of(with(self.builder()?.namespace(namespace))).await
    }

    fn builder(&self) -> anyhow::Result<ClientBuilder> {
        let deadline = Duration::try_from_secs_f64(self.timeout).ok().filter(|deadline| !deadline.is_zero());
        let deadline = deadline.ok_or_else(|| Usage("--timeout must be a number of seconds above zero".to_owned()))?;
        Ok(Client::builder(self.address.iter().map(|address| address.trim())).deadline(deadline))
    }
}

impl Target {
    pub(crate) async fn reach(&self) -> anyhow::Result<Api> {
        self.reach_with(|builder| builder).await
    }

    /// Reaches the API for histories as they are kept. To other clients servers show, behind that, events of a workflow
    /// task's later attempts, which may come to nothing; they go by the name of the official command.
    pub(crate) async fn reach_for_histories(&self) -> anyhow::Result<Api> {
        self.reach_with(|builder| builder.header("client-name", "temporal-cli").header("client-version", "1.9.1")).await
    }

    /// Reaches the API with a client that has something of its own.
    pub(crate) async fn reach_with(&self, with: impl FnOnce(ClientBuilder) -> ClientBuilder) -> anyhow::Result<Api> {
        Api::of(with(self.server.builder()?.namespace(&self.namespace))).await
    }
}

/// The API of a cluster that has answered.
pub(crate) struct Api {
    pub(crate) client: Client,
}

/// How long a server has to say that it is there. Calls themselves may wait longer, while leaders change.
const TO_GREET: Patience = Patience { attempt: Duration::from_secs(2), total: Duration::from_secs(3) };

impl Api {
    async fn of(builder: ClientBuilder) -> anyhow::Result<Self> {
        let client = builder.lazy().map_err(|error| Usage(error.to_string()))?;
        let there = rpc!(client.connection(), get_system_info, api::GetSystemInfoRequest::default(), TO_GREET);
        match progress::waiting("waiting for a server", there).await {
            Err(error @ ClientError::Unreachable { .. }) => Err(trouble::explain(error, client.namespace())),
            Err(error) if error.code() == Some(Code::Unimplemented) => {
                Err(trouble::not_the_api(&client.connection().addresses()))
            }
            // Another error is an answer; what is asked next shows whether it matters.
            _ => Ok(Api { client }),
        }
    }

    pub(crate) fn namespace(&self) -> String {
        self.client.namespace().to_owned()
    }

    pub(crate) fn identity(&self) -> String {
        self.client.identity().to_owned()
    }

    /// The patience for what may take the server long: one attempt has all the time there is.
    pub(crate) fn patient(&self) -> Patience {
        let Patience { total, .. } = self.client.short();
        Patience { attempt: total, total }
    }

    /// Waits for an answer; `what` is said if it takes long, and errors say what to do about them.
    pub(crate) async fn ask<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> anyhow::Result<T> {
        progress::waiting(what, call).await.map_err(|error| self.explain(error))
    }

    /// The error of a call with what to do about it.
    pub(crate) fn explain(&self, error: ClientError) -> anyhow::Error {
        trouble::explain(error, self.client.namespace())
    }
}

/// `ask!(api, "counting", count_workflow_executions, request)` calls a method of the workflow service; with `operate` in
/// front, one of the operator service, with `own` one of Tenure's own.
macro_rules! ask {
    ($api:expr, $what:expr, $method:ident, $request:expr) => {
        $crate::api::ask!(call $api, $what, $method, $request)
    };
    ($way:ident $api:expr, $what:expr, $method:ident, $request:expr) => {
        $api.ask($what, tenure_client::rpc!($way $api.client.connection(), $method, $request, $api.client.short()))
    };
}
pub(crate) use ask;
