//! Dependencies between the crates point down only, and the pure crates have no runtime and no database below them.
//! Inside a crate, files that import each other in a circle are few, and the engine stands on floors.

#[path = "arrows/imports.rs"]
mod imports;

use imports::{Imports, knots};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::Path,
    process::Command,
};

/// The crates from the bottom up, each with those of ours that it may know.
const ARROWS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("limits", &[]),
    ("vital", &[]),
    ("clock", &[]),
    ("peer", &["clock", "limits", "vital"]),
    ("filter", &["limits"]),
    ("schedule", &["api", "limits"]),
    ("engine", &["api", "filter", "limits", "schedule"]),
    ("queue", &["api", "limits"]),
    ("storage", &["api", "engine", "limits", "vital"]),
    ("raft", &["api", "clock", "engine", "storage", "peer", "limits", "vital"]),
    ("shard", &["api", "clock", "engine", "filter", "queue", "limits", "vital"]),
    ("frontend", &["api", "engine", "filter", "peer", "queue", "shard", "limits", "schedule"]),
    ("server", &["api", "engine", "storage", "peer", "queue", "raft", "shard", "frontend", "limits", "vital"]),
    ("cli", &["api", "client", "server", "peer", "schedule"]),
    ("client", &["api"]),
    ("sdk-macros", &[]),
    ("sdk", &["api", "client", "sdk-macros"]),
    ("sdk-testing", &["api", "client", "sdk", "server"]),
    ("examples", &["sdk"]),
];

/// The floors of the engine, from the bottom up, each with its files and folders. A file imports from its own floor and
/// those below; a file that is named goes before the folder that it stands in.
const FLOORS: &[(&str, &[&str])] = &[
    // What everything else is said in: names, times, limits, rows and their keys, events on their way into history.
    (
        "words",
        &[
            "bad_command.rs",
            "chain/cron.rs",
            "chain/start.rs",
            "chain/timeouts.rs",
            "checks.rs",
            "codec/",
            "events.rs",
            "failures.rs",
            "feature_level.rs",
            "id.rs",
            "key.rs",
            "limits.rs",
            "poll.rs",
            "proto.rs",
            "retry.rs",
            "row.rs",
            "search_attributes/",
            "subject.rs",
            "time.rs",
            "token.rs",
            "update/with_start.rs",
        ],
    ),
    // What is kept of a run, and what is told of that alone.
    (
        "data",
        &[
            "activity/control.rs",
            "activity/describe.rs",
            "activity/state.rs",
            "activity/timeouts.rs",
            "batch/state.rs",
            "chain/state.rs",
            "child/describe.rs",
            "child/state.rs",
            "describe.rs",
            "explain/",
            "info.rs",
            "pause/state.rs",
            "pending.rs",
            "pending/",
            "properties.rs",
            "proposals.rs",
            "removal/state.rs",
            "reset.rs",
            "standalone/state.rs",
            "state.rs",
            "timer/state.rs",
            "update/state.rs",
            "update/status.rs",
            "visibility/",
            "workflow_task/events.rs",
            "workflow_task/state.rs",
        ],
    ),
    // What a transition reads and writes, and what goes in and out.
    (
        "buffer",
        &[
            "command.rs",
            "copy.rs",
            "outbox.rs",
            "queue_config.rs",
            "reclaim.rs",
            "rows.rs",
            "schedule/state.rs",
            "transition/types.rs",
            "txn.rs",
        ],
    ),
    // What becomes of each thing that a run has.
    (
        NOUNS,
        &[
            "activity/",
            "batch/",
            "chain/",
            "child/",
            "external/",
            "options.rs",
            "pause/",
            "removal/",
            "replay.rs",
            "schedule/",
            "signal.rs",
            "standalone/",
            "timer/",
            "update/",
            "workflow_task/",
        ],
    ),
    // What a shard can be asked to do.
    ("verbs", &["commands/", "system/", "transition/mod.rs"]),
    ("face", &["lib.rs"]),
];

/// Nouns do not import each other in a circle either.
const NOUNS: &str = "nouns";

/// The most files of each crate that may import each other in a circle.
const LARGEST_KNOTS: &[(&str, usize)] = &[("engine", 5), ("shard", 2)];

// At run time: checkouts share a target directory, and what was compiled in may be of another one.
fn from_cargo(name: &str) -> OsString {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name}: run with cargo"))
}

fn imports_of(name: &str) -> Imports {
    Imports::of(&Path::new(&from_cargo("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(from_cargo("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(from_cargo("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo speaks UTF-8")
}

/// Our crates, without the prefix, and which of ours each one names, tests aside.
fn known() -> BTreeMap<String, Vec<String>> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let ours = |name: &Value| name.as_str().and_then(|name| name.strip_prefix("tenure-")).map(str::to_owned);
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let known = dependencies.iter().filter(|d| d["kind"] != "dev").filter_map(|d| ours(&d["name"])).collect();
            (ours(&package["name"]).expect("a crate of ours is called tenure-..."), known)
        })
        .collect()
}

#[test]
fn arrows_point_down() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for (name, known) in known() {
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no place in the picture yet"));
        for below in known {
            assert!(allowed.contains(&below.as_str()), "{name} must not know {below}");
        }
    }
}

/// `cargo test -p tenure-engine --test arrows knots -- --nocapture` prints the largest of each crate.
#[test]
fn knots_are_small() {
    for &(name, limit) in LARGEST_KNOTS {
        let imports = imports_of(name);
        let largest = knots(imports.arrows()).into_iter().next().unwrap_or_default();
        println!("{name}: of {} files {} are in the largest knot", imports.files().count(), largest.len());
        for file in &largest {
            let tied: Vec<_> = imports.arrows().filter(|(from, to)| from == file && largest.contains(to)).collect();
            println!("  {file} -> {}", tied.iter().map(|(_, to)| *to).collect::<Vec<_>>().join(", "));
        }
        assert!(largest.len() <= limit, "{name}: {} files import each other in a circle: {largest:?}", largest.len());
    }
}

/// The floor of a file of the engine, as an index, and the place that names it there.
fn floor_of(file: &str) -> (usize, &'static str) {
    let places = FLOORS.iter().enumerate().flat_map(|(height, (_, places))| places.iter().map(move |p| (height, *p)));
    let named = places.filter(|(_, place)| file == *place || place.ends_with('/') && file.starts_with(place));
    named.max_by_key(|(_, place)| place.len()).unwrap_or_else(|| panic!("{file} stands on no floor yet"))
}

#[test]
fn the_engine_imports_downwards() {
    let imports = imports_of("engine");
    for (_, places) in FLOORS {
        for place in *places {
            assert!(imports.files().any(|file| floor_of(file).1 == *place), "nothing stands at {place} any more");
        }
    }
    for (from, to) in imports.arrows() {
        let (above, below) = (floor_of(from).0, floor_of(to).0);
        let (from_floor, to_floor) = (FLOORS[above].0, FLOORS[below].0);
        assert!(below <= above, "{from} ({from_floor}) must not import {to} ({to_floor})");
    }
    let noun = |file| Some(floor_of(file)).filter(|(height, _)| FLOORS[*height].0 == NOUNS).map(|(_, place)| place);
    let between = imports.arrows().filter_map(|(from, to)| Some((noun(from)?, noun(to)?))).filter(|(a, b)| a != b);
    assert_eq!(knots(between), Vec::<BTreeSet<&str>>::new(), "nouns that import each other in a circle");
}

#[test]
fn the_sdk_has_no_server_below_it() {
    let edges = "normal,build";
    let tree = ["tree", "--package", "tenure-sdk", "--all-features", "--edges", edges, "--prefix", "none"];
    let tree = cargo(&[&tree[..], &["--format", "{p}"]].concat());
    for name in tree.lines().filter_map(|line| line.split(' ').next()) {
        let of_servers = ["tenure-server", "tenure-engine", "rocksdb", "librocksdb-sys", "openraft"];
        assert!(!of_servers.contains(&name), "users of the SDK would compile {name}");
    }
}

#[test]
fn the_pure_crates_have_neither_runtime_nor_database_below_them() {
    for pure in ["tenure-engine", "tenure-filter", "tenure-queue", "tenure-schedule"] {
        let tree = cargo(&["tree", "--package", pure, "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
        assert!(tree.starts_with(pure), "{tree}");
        for line in tree.lines() {
            let name = line.split(' ').next().unwrap_or_default();
            let impure = ["tokio", "rocksdb", "librocksdb-sys", "tonic", "openraft"];
            assert!(!impure.contains(&name), "{pure} has {name} below it");
        }
    }
}
