//! A server to test against: the one that `TENURE_ADDRESS` names, or a `tenure` of this checkout's build.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tenure_sdk::{Client, Worker};

pub(crate) struct Server {
    pub(crate) address: String,
    child: Option<Child>,
    /// Its data: one that is killed removes nothing.
    _data: Option<tempfile::TempDir>,
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

impl Server {
    /// `None`, with a word about it: there is no server to test against.
    pub(crate) async fn start() -> Option<Server> {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        if let Ok(address) = std::env::var("TENURE_ADDRESS") {
            return Some(Server { address, child: None, _data: None });
        }
        let binary = binary();
        if !binary.exists() {
            eprintln!("skipped: build {} first, or set TENURE_BIN or TENURE_ADDRESS", binary.display());
            return None;
        }
        let data = tempfile::Builder::new().prefix("tenure-sdk-").tempdir().expect("a temporary directory");
        // It takes free ports itself and says which: a port that is chosen for it may be another's by the time it listens.
        let mut child = Command::new(binary)
            .args(["server", "start-dev", "--time-skipping", "--port", "0", "--data-dir"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let banner = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let mut server = Server { address: String::new(), child: Some(child), _data: Some(data) };
        server.address =
            banner.lines().map_while(Result::ok).find_map(api_address).expect("the server says when it is ready");
        Some(server)
    }

    /// The CPU time of a server of this test alone, where the system tells it.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.as_ref()?.id())).ok()?;
        // The fields after the command, which may have spaces; user and system time, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(11..13)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * 10))
    }

    pub(crate) async fn client(&self) -> Client {
        let builder = Client::builder(self.address.split(',')).deadline(Duration::from_secs(20));
        builder.connect().await.expect("the server answers")
    }
}

/// The address in the line of the banner that tells of the API.
fn api_address(line: String) -> Option<String> {
    let told = line.trim_start().strip_prefix("gRPC API")?;
    told.split_whitespace().next().map(str::to_owned)
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
