//! A process that writes as fast as it can is killed again and again: what it had acknowledged is there, and rows are
//! those of one applied index, across all column families.

use crate::common::*;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};
use tenure_engine::{
    rows::{Op, RowKey, StateReader, TimerTable},
    time::Timestamp,
};
use tenure_storage::{LogOp, Options, Purged, Shard, Storage};

const DIR: &str = "TENURE_TEST_KILL_DIR";
const SHARD: u32 = 1;
const ROUNDS: u64 = 5;

/// Small buffers, so that the database flushes and compacts by itself all the time.
fn open_at(dir: &Path) -> Storage {
    Storage::open(Options { memory: tenure_limits::Memory::of(1 << 20), ..options(dir) }).unwrap()
}

fn ops(index: u64) -> Vec<Op> {
    let timer = |index| RowKey::Timer { due: Timestamp(index as i64), subject: run("w", 1).into() };
    vec![
        put(RowKey::Current(workflow("w")), index.to_string()),
        put(RowKey::History { run: run("w", 1), first_event_id: index as i64 }, vec![7; 200]),
        put(timer(index), ""),
        Op::Delete(timer(index - 1)),
    ]
}

/// The process that is killed; says on its standard output which entries are durable.
#[test]
#[ignore = "run by the other test of this file"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let storage = open_at(Path::new(&dir));
    let Shard { log, rows } = storage.shard(SHARD).unwrap();
    let last = log.last.map_or(0, |(index, _)| index);
    let applied = rows.applied().map_or(0, |a| a.index);
    for index in applied + 1..=last {
        apply(&rows, index, ops(index));
    }
    for index in last.max(applied) + 1.. {
        let entries = vec![(index, vec![7; 300].into())];
        storage.log().write_blocking(LogOp::Append { shard: SHARD, entries }).unwrap();
        println!("durable {index}");
        apply(&rows, index, ops(index));
        if index % 300 == 0 {
            storage.state().flush().unwrap();
            let purged = Purged { index: rows.durable().unwrap().index - 10, log_id: "".into() };
            storage.log().write_blocking(LogOp::Purge { shard: SHARD, purged }).unwrap();
        }
    }
}

fn run_and_kill(dir: &Path, acknowledgements: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut durable = || {
        let mut indexes = lines.by_ref().filter_map(|line| line.unwrap().strip_prefix("durable ")?.parse::<u64>().ok());
        indexes.next()
    };
    let mut last = 0;
    for _ in 0..acknowledgements {
        last = durable().expect("the child writes until it is killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it still said before it died.
    while let Some(index) = durable() {
        last = index;
    }
    last
}

#[test]
fn nothing_acknowledged_is_lost_and_rows_are_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let acknowledged = run_and_kill(dir.path(), 97 * round);
        let storage = open_at(dir.path());
        let Shard { log, rows } = storage.shard(SHARD).unwrap();
        let last = log.last.unwrap().0;
        assert!(last >= acknowledged, "round {round}: {acknowledged} was acknowledged, the log ends at {last}");

        let applied = rows.applied().map_or(0, |a| a.index);
        let purged = log.purged.map_or(0, |p| p.index);
        assert!(purged <= applied && applied <= last, "round {round}: {purged} <= {applied} <= {last}");
        let expected = (purged + 1..=last).collect::<Vec<_>>();
        assert_eq!(indexes(&storage, SHARD), expected, "round {round}");
        if applied == 0 {
            continue;
        }

        let reader = rows.reader();
        let view = reader.view().unwrap();
        let current = view.get(&RowKey::Current(workflow("w"))).unwrap();
        assert_eq!(current, Some(applied.to_string().into()), "round {round}");
        let timers = view.timers(TimerTable::Others, 10).unwrap();
        assert_eq!(timers, [(Timestamp(applied as i64), run("w", 1).into())], "round {round}");
        let latest = view.history_before(&run("w", 1), i64::MAX, 1).unwrap();
        assert_eq!(latest[0].first_event_id, applied as i64, "round {round}");
    }
}
