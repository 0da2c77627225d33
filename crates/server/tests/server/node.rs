//! One node as a process would run it: what its ports say, what it refuses, and that it stops.

use std::{net::SocketAddr, path::Path, time::Duration};
use tenure_api::workflowservice::v1::{DescribeNamespaceRequest, workflow_service_client::WorkflowServiceClient};
use tenure_server::{Server, config::Config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A cluster of one on free ports.
fn alone(data: &Path) -> Config {
    let mut config = Config::default();
    config.node.data_dir = data.to_owned();
    for address in [&mut config.listen.grpc, &mut config.listen.peer, &mut config.listen.http] {
        address.set_port(0);
    }
    config
}

async fn started(config: Config) -> Server {
    let server = Server::start(config).await.expect("a node that starts");
    timeout(TIMEOUT, server.ready()).await.expect("a node that is ready soon");
    server
}

/// Status line and body.
async fn get(http: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    timeout(TIMEOUT, stream.read_to_string(&mut response)).await.unwrap().unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// The number of streams that an HTTP/2 server allows on a connection, as it says in its first frame (RFC 9113, 6.5).
async fn streams_allowed(address: SocketAddr) -> u32 {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    timeout(TIMEOUT, stream.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(head[3], 4, "the first frame has the settings");
    let mut settings = vec![0; usize::from(head[2])];
    timeout(TIMEOUT, stream.read_exact(&mut settings)).await.unwrap().unwrap();
    let (settings, _) = settings.as_chunks::<6>();
    let found = settings.iter().find(|[a, b, ..]| u16::from_be_bytes([*a, *b]) == MAX_CONCURRENT_STREAMS);
    let [_, _, value @ ..] = *found.expect("a limit");
    u32::from_be_bytes(value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_so_many_streams() {
    let data = tempfile::tempdir().unwrap();
    let server = started(alone(data.path())).await;
    assert_eq!(streams_allowed(server.addresses().grpc).await, tenure_limits::STREAMS);
    assert_eq!(streams_allowed(server.addresses().peer).await, tenure_limits::PEER_STREAMS);
    timeout(TIMEOUT, server.stop()).await.expect("a node that stops soon");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_serves_stops_and_comes_back() {
    let data = tempfile::tempdir().unwrap();
    let server = started(alone(data.path())).await;
    let http = server.addresses().http;
    assert_eq!(get(http, "/healthz").await, ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
    assert_eq!(get(http, "/readyz").await, ("HTTP/1.1 200 OK".to_owned(), r#"{"ready":true}"#.to_owned()));
    let (_, metrics) = get(http, "/metrics").await;
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "tenure_storage_file_bytes{database=\"log\"}",
        "tenure_log_syncs_total",
        "tenure_raft_commit_seconds_bucket",
        "\ntenure_raft_shards_led ",
        "# HELP tenure_raft_shards_led Shards that this node leads",
    ] {
        assert!(metrics.contains(name), "{name} is not in:\n{metrics}");
    }
    timeout(TIMEOUT, server.stop()).await.expect("a node that stops soon");
    assert!(TcpStream::connect(server.addresses().grpc).await.is_err(), "the API's port is closed");
    let cluster = server.node().cluster_id();
    drop(server);
    // Tasks that hold the old node end by themselves; the directory is free when the last of them has.
    let again = timeout(TIMEOUT, async {
        loop {
            match Server::start(alone(data.path())).await {
                Ok(server) => return server,
                Err(refusal) => assert!(refusal.to_string().contains("in use"), "{refusal}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let server = again.await.expect("nothing keeps the old node alive");
    assert_eq!(server.node().cluster_id(), cluster);
    timeout(TIMEOUT, server.ready()).await.expect("a node that is ready soon");
    timeout(TIMEOUT, server.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn f86_whoever_connects_at_once_finds_all_first_namespaces() {
    let data = tempfile::tempdir().unwrap();
    let mut config = alone(data.path());
    config.cluster.namespaces.push("other".into());
    let server = Server::start(config).await.unwrap();
    let address = format!("http://{}", server.addresses().grpc);
    let mut client = timeout(TIMEOUT, WorkflowServiceClient::connect(address)).await.unwrap().unwrap();
    for namespace in ["default", "other"] {
        let request = DescribeNamespaceRequest { namespace: namespace.into(), ..Default::default() };
        timeout(TIMEOUT, client.describe_namespace(request)).await.unwrap().unwrap();
    }
    timeout(TIMEOUT, server.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_named() {
    let data = tempfile::tempdir().unwrap();
    let server = started(alone(data.path())).await;
    let taken = server.addresses();
    let other = tempfile::tempdir().unwrap();
    type Set = fn(&mut Config, SocketAddr);
    let ports: [(SocketAddr, &str, Set); 3] = [
        (taken.grpc, "listen.grpc", |c, a| c.listen.grpc = a),
        (taken.peer, "listen.peer", |c, a| c.listen.peer = a),
        (taken.http, "listen.http", |c, a| c.listen.http = a),
    ];
    for (address, key, set) in ports {
        let mut config = alone(other.path());
        set(&mut config, address);
        let refusal = Server::start(config).await.err().expect("a refusal").to_string();
        assert!(refusal.starts_with(&format!("cannot listen on {address} (`{key}`)")), "{refusal}");
    }
    let refusal = Server::start(alone(data.path())).await.err().expect("a refusal").to_string();
    assert!(refusal.contains("in use") && refusal.contains("node.data_dir"), "{refusal}");
    timeout(TIMEOUT, server.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waits_for_others_says_so() {
    let data = tempfile::tempdir().unwrap();
    let mut config = alone(data.path());
    let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    config.listen.http = http;
    // Port 1 of the loopback interface: nobody is there.
    config.cluster.members =
        [("1", "127.0.0.1:7234"), ("2", "127.0.0.1:1")].map(|(id, at)| (id.to_owned(), at.to_owned())).into();
    let starting = tokio::spawn(Server::start(config));
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        if TcpStream::connect(http).await.is_ok() {
            let (status, body) = get(http, "/readyz").await;
            assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
            if body.contains("waiting for the other nodes") {
                break;
            }
        }
        assert!(tokio::time::Instant::now() < deadline, "it does not say that it waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    starting.abort();
}
