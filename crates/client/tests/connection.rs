//! Where calls go to: several addresses, keys, headers, TLS.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tenure_api::workflowservice::v1::{GetSystemInfoRequest, GetSystemInfoResponse};
use tenure_client::{Client, ClientBuilder, ClientError, rpc};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    metadata::MetadataMap,
    server::{Grpc, NamedService, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;

/// Answers every call as if it were `GetSystemInfo`, with its own name.
#[derive(Clone)]
struct Fake {
    name: &'static str,
    heard: Arc<Mutex<Vec<MetadataMap>>>,
}

impl NamedService for Fake {
    const NAME: &'static str = "temporal.api.workflowservice.v1.WorkflowService";
}

impl Service<http::Request<Body>> for Fake {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let fake = self.clone();
        let codec = ProstCodec::<GetSystemInfoResponse, GetSystemInfoRequest>::default();
        Box::pin(async move { Ok(Grpc::new(codec).unary(fake, request).await) })
    }
}

impl UnaryService<GetSystemInfoRequest> for Fake {
    type Response = GetSystemInfoResponse;
    type Future = Ready<Result<Response<GetSystemInfoResponse>, Status>>;

    fn call(&mut self, request: Request<GetSystemInfoRequest>) -> Self::Future {
        self.heard.lock().unwrap().push(request.metadata().clone());
        let answer = GetSystemInfoResponse { server_version: self.name.to_owned(), ..Default::default() };
        let mut response = Response::new(answer);
        response.metadata_mut().insert("x-from", self.name.parse().unwrap());
        ready(Ok(response))
    }
}

/// A server with a runtime of its own, so that its connections die with it.
struct Node {
    address: SocketAddr,
    fake: Fake,
    runtime: Option<Runtime>,
}

impl Node {
    fn start(name: &'static str) -> Node {
        Node::start_with(name, "127.0.0.1:0".parse().unwrap(), Server::builder())
    }

    fn start_with(name: &'static str, address: SocketAddr, mut server: Server) -> Node {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = Fake { name, heard: Arc::default() };
        let service = fake.clone();
        let (sender, bound) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            server.add_service(service).serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        let address = bound.recv_timeout(Duration::from_secs(10)).unwrap();
        Node { address, fake, runtime: Some(runtime) }
    }

    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    fn heard(&self, header: &str) -> Vec<String> {
        let heard = self.fake.heard.lock().unwrap();
        heard.iter().filter_map(|call| Some(call.get(header)?.to_str().unwrap().to_owned())).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn builder<'a>(addresses: impl IntoIterator<Item = &'a Node>) -> ClientBuilder {
    let addresses = addresses.into_iter().map(|node| node.address.to_string());
    Client::builder(addresses).deadline(Duration::from_secs(10))
}

/// Who answers.
async fn ask(client: &Client) -> Result<String, ClientError> {
    let request = GetSystemInfoRequest::default();
    Ok(rpc!(client.connection(), get_system_info, request, client.short()).await?.server_version)
}

#[tokio::test]
async fn calls_go_to_an_address_that_answers() {
    let (mut one, mut two) = (Node::start("one"), Node::start("two"));
    let client = builder([&one, &two]).connect().await.unwrap();
    assert_eq!(ask(&client).await.unwrap(), "one");
    one.kill();
    assert_eq!(ask(&client).await.unwrap(), "two");
    let again = Node::start_with("one, again", one.address, Server::builder());
    two.kill();
    assert_eq!(ask(&client).await.unwrap(), "one, again");
    drop(again);
    let impatient = builder([&one, &two]).deadline(Duration::from_millis(300)).lazy().unwrap();
    let error = ask(&impatient).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    assert!(error.to_string().contains(&two.address.to_string()), "{error}");
}

#[tokio::test]
async fn metadata_of_an_answer_comes_along_for_those_who_ask() {
    let node = Node::start("it");
    let client = builder([&node]).connect().await.unwrap();
    let request = GetSystemInfoRequest::default();
    let answer = rpc!(respond client.connection(), get_system_info, request, client.short()).await.unwrap();
    assert_eq!(
        (answer.metadata().get("x-from").unwrap().to_str().unwrap(), answer.get_ref().server_version.as_str()),
        ("it", "it")
    );
}

#[tokio::test]
async fn keys_and_headers_are_sent_along() {
    let node = Node::start("it");
    let client = builder([&node]).namespace("shop").api_key("secret").header("x-team", "orders");
    let client = client.intercept(|call| call.insert("x-method", call.method()));
    ask(&client.lazy().unwrap()).await.unwrap();
    let expected = [
        ("authorization", "Bearer secret"),
        ("temporal-namespace", "shop"),
        ("x-team", "orders"),
        ("x-method", "get_system_info"),
    ];
    for (header, value) in expected {
        assert_eq!(node.heard(header), [value]);
    }
    let refuses = builder([&node]).intercept(|_| Err(ClientError::Invalid("no key".to_owned()))).lazy().unwrap();
    assert_eq!(ask(&refuses).await.unwrap_err().to_string(), "no key");
    let error = builder([&node]).header("no good", "x").lazy().unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("no good"), "{error}");
    assert!(!format!("{:?}", builder([&node]).api_key("secret").header("x-key", "secret")).contains("secret"));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_is_said_once_however_many_calls_wait() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // Tests beside this one, without a subscriber, may have settled that nobody listens.
    tracing::callsite::rebuild_interest_cache();
    let mut node = Node::start("gone");
    node.kill();
    let client = builder([&node]).deadline(Duration::from_secs(1)).lazy().unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        calls.spawn(async move { ask(&client).await });
    }
    for answer in calls.join_all().await {
        assert!(answer.unwrap_err().is_unreachable());
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("no server answers").count(), 1, "{log}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_needs_its_feature() {
    let error = Client::builder(["https://10.0.0.1:7233"]).lazy().unwrap_err();
    assert!(error.to_string().contains("feature `tls`"), "{error}");
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use tenure_client::Tls;
    use tonic::transport::{Certificate, Identity, ServerTlsConfig};

    const CA: &[u8] = include_bytes!("tls/ca.pem");
    const SERVER: (&[u8], &[u8]) = (include_bytes!("tls/server.pem"), include_bytes!("tls/server.key"));
    const CLIENT: (&[u8], &[u8]) = (include_bytes!("tls/client.pem"), include_bytes!("tls/client.key"));

    fn secret_node() -> Node {
        let config = ServerTlsConfig::new()
            .identity(Identity::from_pem(SERVER.0, SERVER.1))
            .client_ca_root(Certificate::from_pem(CA));
        let server = Server::builder().tls_config(config).unwrap();
        Node::start_with("secret", "127.0.0.1:0".parse().unwrap(), server)
    }

    async fn answer(node: &Node, tls: Option<Tls>) -> Result<String, ClientError> {
        let plain = builder([node]).deadline(Duration::from_secs(2));
        ask(&tls.into_iter().fold(plain, |plain, tls| plain.tls(tls)).lazy()?).await
    }

    #[tokio::test]
    async fn both_sides_know_each_other() {
        let node = secret_node();
        let trusting = Tls::new().ca_certificate(CA).server_name("tenure.test");
        let known = trusting.clone().client_certificate(CLIENT.0, CLIENT.1);
        assert_eq!(answer(&node, Some(known.clone())).await.unwrap(), "secret");
        assert!(answer(&node, Some(trusting)).await.unwrap_err().is_unreachable(), "nobody knows the client");
        let misled = known.clone().server_name("other.test");
        assert!(answer(&node, Some(misled)).await.unwrap_err().is_unreachable(), "the server has another name");
        let wary = Tls::new().server_name("tenure.test").client_certificate(CLIENT.0, CLIENT.1);
        assert!(answer(&node, Some(wary)).await.unwrap_err().is_unreachable(), "nobody knows the authority");
        assert!(answer(&node, None).await.unwrap_err().is_unreachable(), "it speaks no plain text");
        let broken = Tls::new().ca_certificate("no certificate");
        assert!(answer(&node, Some(broken)).await.is_err());
    }
}
