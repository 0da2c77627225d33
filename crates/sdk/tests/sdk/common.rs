//! A server to test against: the one that `TENURE_ADDRESS` names, or a `tenure` of this checkout's build.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tenure_sdk::{Client, Worker};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) struct Server {
    pub(crate) address: String,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn binary() -> PathBuf {
    std::env::var_os("TENURE_BIN").map_or_else(
        || {
            let test = std::env::current_exe().expect("a test knows its own path");
            test.ancestors().nth(2).expect("a test is in target/debug/deps").join("tenure")
        },
        PathBuf::from,
    )
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// `None`, with a word about it: there is no server to test against.
    pub(crate) async fn start() -> Option<Server> {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        if let Ok(address) = std::env::var("TENURE_ADDRESS") {
            return Some(Server { address, child: None });
        }
        let binary = binary();
        if !binary.exists() {
            eprintln!("skipped: build {} first, or set TENURE_BIN or TENURE_ADDRESS", binary.display());
            return None;
        }
        let (port, peer_port, http_port) = (free_port(), free_port(), free_port());
        let child = Command::new(binary)
            .args(["server", "start-dev", "--time-skipping"])
            .args(["--port", &port.to_string()])
            .args(["--peer-port", &peer_port.to_string()])
            .args(["--http-port", &http_port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Server { address: format!("127.0.0.1:{port}"), child: Some(child) };
        while !ready(http_port).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(server)
    }

    pub(crate) async fn client(&self) -> Client {
        let builder = Client::builder(self.address.split(',')).deadline(Duration::from_secs(20));
        builder.connect().await.expect("the server answers")
    }
}

async fn ready(http_port: u16) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", http_port)).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"))
    };
    asked.await.unwrap_or(false)
}

/// Runs a test beside a worker.
pub(crate) async fn with_worker<T>(worker: Worker, test: impl Future<Output = T>) -> T {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(worker.run_until(async move {
        let _ = stopped.await;
    }));
    let value = tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test ends in time");
    let _ = stop.send(());
    running.await.unwrap().unwrap();
    value
}

/// A queue or workflow id of this test alone.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4())
}
