//! What one disk gives: raw fdatasync, and log writes with group commit at several depths.
//!
//! `cargo run --release -p tenure-storage --example sync -- <directory on the disk in question>`

use bytes::Bytes;
use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};
use tenure_storage::{LogOp, Options, Storage};

const PAYLOAD: usize = 512;
const TIME: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let under = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let dir = Path::new(&under).join(format!("sync-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    println!("{PAYLOAD} bytes an entry, {} s each, in {under}", TIME.as_secs());
    raw(&dir)?;
    let storage = Storage::open(Options::new(dir.join("data")))?;
    for depth in [1, 8, 64, 256] {
        depth_of(&storage, depth)?;
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

fn quantiles(sorted: &[Duration]) -> String {
    let at = |q: f64| sorted[((sorted.len() - 1) as f64 * q) as usize].as_micros();
    format!("p50 {} us, p99 {} us, max {} us", at(0.5), at(0.99), at(1.0))
}
