//! What one disk gives: raw fdatasync, log writes with group commit at several depths, and rows.
//!
//! `cargo run --release -p tenure-storage --example disk -- <directory on the disk in question>`

use bytes::Bytes;
use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};
use tenure_engine::{
    key::{NamespaceId, WorkflowKey},
    rows::{Op, RowKey, WriteSet},
    time::Timestamp,
};
use tenure_storage::{Applied, LogOp, Options, Storage, write_set};
use uuid::Uuid;

const PAYLOAD: usize = 512;
const TIME: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let under = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let dir = Path::new(&under).join(format!("disk-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    println!("{PAYLOAD} bytes an entry, {} s each, in {under}", TIME.as_secs());
    raw(&dir)?;
    let storage = Storage::open(Options::new(dir.join("data")))?;
    for depth in [1, 8, 64, 256] {
        depth_of(&storage, depth)?;
    }
    for entries in [1, 32] {
        rows(&storage, entries)?;
    }
    storage.close()?;
    drop(storage);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn raw(dir: &Path) -> std::io::Result<()> {
    let mut file = File::create(dir.join("raw"))?;
    let mut times = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < TIME {
        let one = Instant::now();
        file.write_all(&[7; PAYLOAD])?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    times.sort_unstable();
    println!("raw append + fdatasync: {}", quantiles(&times));
    Ok(())
}

/// `depth` writers, each with one entry in flight, each in a shard of its own.
fn depth_of(storage: &Storage, depth: u32) -> std::io::Result<()> {
    let writers: Vec<_> = (0..depth)
        .map(|writer| {
            let log = storage.log().clone();
            let shard = depth * 1000 + writer;
            std::thread::spawn(move || {
                let mut times = Vec::new();
                let begin = Instant::now();
                while begin.elapsed() < TIME {
                    let one = Instant::now();
                    let entries = vec![(times.len() as u64 + 1, Bytes::from_static(&[7; PAYLOAD]))];
                    log.write_blocking(LogOp::Append { shard, entries }).expect("the log takes entries");
                    times.push(one.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times: Vec<_> = writers.into_iter().flat_map(|w| w.join().expect("a writer ends")).collect();
    times.sort_unstable();
    println!("log, {depth} in flight: {:.0} entries/s, {}", times.len() as f64 / TIME.as_secs_f64(), quantiles(&times));
    Ok(())
}

/// Applies batches of so many entries, each as a small transition writes them.
fn rows(storage: &Storage, entries: u32) -> Result<(), Box<dyn std::error::Error>> {
    let rows = storage.shard(entries)?.rows;
    let namespace = NamespaceId(Uuid::nil());
    let begin = Instant::now();
    let mut applied = 0;
    while begin.elapsed() < TIME {
        let sets: Vec<_> = (0..entries)
            .map(|_| {
                applied += 1;
                let workflow = WorkflowKey { namespace, workflow_id: format!("workflow-{}", applied / 4).into() };
                let run = workflow.run(Uuid::from_u128(u128::from(applied / 4)));
                let put = |key, bytes| Op::Put(key, vec![7; bytes].into());
                let ops = vec![
                    put(RowKey::Execution(run.clone()), 400),
                    put(RowKey::History { run: run.clone(), first_event_id: applied as i64 }, 300),
                    put(RowKey::Timer { due: Timestamp(applied as i64), subject: run.clone().into() }, 0),
                    Op::Delete(RowKey::Timer { due: Timestamp(applied as i64 - 1), subject: run.into() }),
                ];
                write_set::encode([&WriteSet { ops }])
            })
            .collect();
        let reached = Applied { index: applied, meta: Bytes::from_static(&[7; 60]) };
        rows.apply(&reached, sets.iter().map(|set| &set[..]))?;
    }
    let rate = applied as f64 / begin.elapsed().as_secs_f64();
    let unflushed = storage.state().unflushed_bytes() >> 10;
    let begin = Instant::now();
    storage.state().flush()?;
    println!(
        "rows, {entries} entries a batch: {rate:.0} entries/s; then a flush of {unflushed} KiB in {:?}",
        begin.elapsed()
    );
    Ok(())
}

fn quantiles(sorted: &[Duration]) -> String {
    let at = |q: f64| sorted[((sorted.len() - 1) as f64 * q) as usize].as_micros();
    format!("p50 {} us, p99 {} us, max {} us", at(0.5), at(0.99), at(1.0))
}
