//! One offer of load: what is done, how often and for how long.

use crate::{
    calls::{self, Calls},
    measure::Measure,
    pace::Pace,
    search::Search,
    shape::Shape,
    work::{Kind, Work},
};
use anyhow::Context;
use clap::Args;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[derive(Args)]
pub struct Offer {
    /// Addresses of the servers, HOST:PORT, with commas between them; they take turns
    #[arg(long, value_delimiter = ',', required = true)]
    addresses: Vec<String>,
    #[arg(long, default_value = "default")]
    namespace: String,
    /// What is done again and again
    #[arg(long, value_enum, default_value_t = Kind::Workflow)]
    work: Kind,
    /// What the workflow ids begin with, and the name of their task queue; one of its own by default
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    pace: Offered,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    search: Search,
    /// Workflows that signals, updates and queries go to
    #[arg(long, default_value_t = 1_000)]
    targets: u64,
    /// Bytes of each input and result, different ones each time; of none there is no payload
    #[arg(long, default_value_t = 0)]
    payload: usize,
    /// Seconds for which load is offered, and measured
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds for which the same load is offered before, and not measured
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    /// Units of work after which it ends, if the seconds have not run out
    #[arg(long)]
    count: Option<u64>,
    /// Seconds that one call waits for its answer
    #[arg(long, default_value_t = 10.0)]
    deadline: f64,
    /// Connections to each address
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Pollers of the worker at all addresses together, of either kind of task; none: without a worker
    #[arg(long, default_value_t = 32)]
    pollers: usize,
    /// Seconds from one line of JSON to the next
    #[arg(long)]
    every: Option<f64>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Offered {
    /// Closed loop: so many units in progress, the next one begins when one ends
    #[arg(long)]
    in_flight: Option<usize>,
    /// Open loop: so many units begin each second, whatever becomes of the others
    #[arg(long)]
    rate: Option<f64>,
}

impl Offer {
    pub async fn run(self) -> anyhow::Result<()> {
        let calls = Calls {
            namespace: self.namespace,
            services: calls::connect(&self.addresses, self.connections).context("connecting")?,
            deadline: Duration::from_secs_f64(self.deadline),
            payload: self.payload,
        };
        let work = Arc::new(Work::new(self.work, self.name, calls, self.shape, self.search, self.targets));
        work.prepare(self.pollers, self.seconds + self.warm_up).await.context("before the load")?;
        let pace = match self.pace {
            Offered { rate: Some(rate), .. } => Pace::Open { rate },
            Offered { in_flight, .. } => Pace::Closed { in_flight: in_flight.unwrap_or(1) },
        };
        if self.warm_up > 0.0 {
            let until = Instant::now() + Duration::from_secs_f64(self.warm_up);
            pace.run(&work, &Arc::new(Measure::begin()), until, u64::MAX).await;
        }
        println!("{}", serde_json::json!({ "begins": true }));
        let measure = Arc::new(Measure::begin());
        let lines = self.every.map(|every| tokio::spawn(tell(measure.clone(), Duration::from_secs_f64(every))));
        let until = Instant::now() + Duration::from_secs_f64(self.seconds);
        pace.run(&work, &measure, until, self.count.unwrap_or(u64::MAX)).await;
        if let Some(lines) = lines {
            lines.abort();
        }
        println!("{}", serde_json::to_string(&measure.all())?);
        Ok(())
    }
}

async fn tell(measure: Arc<Measure>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if let Ok(line) = serde_json::to_string(&measure.since_last()) {
            println!("{line}");
        }
    }
}
