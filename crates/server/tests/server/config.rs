//! What configurations are accepted, and the one line that refuses the others.

use std::collections::HashMap;
use tenure_server::config::{Config, Environment, LogFormat};

fn load(toml: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    std::fs::write(&file, toml).unwrap();
    let env: Environment = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let directory = format!("{}/", dir.path().display());
    Config::load(Some(&file), &env).map_err(|error| error.to_string().replace(&directory, ""))
}

#[track_caller]
fn refused(toml: &str, env: &[(&str, &str)], message: &str) {
    match load(toml, env) {
        Ok(config) => panic!("accepted {toml:?} {env:?} as {config:?}"),
        Err(error) => {
            assert_eq!(error, message);
            assert!(!error.contains('\n'), "not one line: {error}");
        }
    }
}

#[test]
fn what_is_refused_is_named() {
    let three = "[node]\nid = 4\n[cluster.members]\n1 = \"a:1\"\n2 = \"b:1\"\n3 = \"c:1\"";
    for (toml, env, message) in [
        ("node.idd = 2", &[][..], "node.toml: unknown key `node.idd`, did you mean `node.id`?"),
        ("data_dir = \"x\"", &[], "node.toml: unknown key `data_dir`, did you mean `node.data_dir`?"),
        ("[banana]\nsplit = 2", &[], "node.toml: unknown key `banana.split`"),
        (
            "",
            &[("TENURE_LISTEN__GRCP", "1.2.3.4:5")],
            "the environment: unknown key `listen.grcp`, did you mean `listen.grpc`?",
        ),
        ("[node\nid = 1", &[], "node.toml:1: unclosed table, expected `]`"),
        ("[node]\nid = 0", &[], "`node.id`: must be 1 or more"),
        ("[node]\nid = \"one\"", &[], "node.toml: `node.id`: invalid type: string \"one\", expected an integer"),
        ("[listen]\ngrpc = \"localhost\"", &[], "`listen.grpc`: invalid socket address syntax"),
        ("", &[("TENURE_LISTEN__HTTP", "8233")], "`listen.http`: invalid socket address syntax"),
        ("[listen]\ngrpc = \"127.0.0.1:7234\"", &[], "`listen.peer`: 127.0.0.1:7234 is also `listen.grpc`"),
        (
            "[http]\ncors_origins = [\"example.com\"]",
            &[],
            "`http.cors_origins`: \"example.com\" is not http(s)://HOST or http(s)://HOST:PORT",
        ),
        ("[cluster]\nshards = 0", &[], "`cluster.shards`: 0 is not between 1 and 1024"),
        ("[cluster]\nshards = 1025", &[], "`cluster.shards`: 1025 is not between 1 and 1024"),
        (three, &[], "`node.id`: node 4 is not one of `cluster.members`"),
        ("[cluster.members]\none = \"a:1\"", &[], "`cluster.members.one`: the key must be a node id, 1 or more"),
        ("[cluster.members]\n1 = \"a\"", &[], "`cluster.members.1`: \"a\" is not HOST:PORT"),
        ("[cluster.members]\n1 = \"a:1\"\n2 = \"a:1\"", &[], "`cluster.members.2`: a:1 is also node 1's"),
        (
            "[log]\nfilter = \"tenure=loud\"",
            &[],
            "`log.filter`: \"tenure=loud\": error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
        ),
        ("[raft]\nheartbeat = \"fast\"", &[], "`raft.heartbeat`: invalid value: string \"fast\", expected a duration"),
        (
            "[raft]\nlease = \"100ms\"",
            &[],
            "`raft.lease`: must be three heartbeats or more, or every hiccup is an election",
        ),
        (
            "[limits]\nsuggest_continue_as_new_count = 0",
            &[],
            "`limits.suggest_continue_as_new_count`: must be more than 0",
        ),
        ("node = 3", &[], "`node`: invalid type: integer `3`, expected struct Node"),
    ] {
        refused(toml, env, message);
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some("/nowhere/node.toml".as_ref()), &HashMap::new()).unwrap_err().to_string();
    assert_eq!(error, "cannot read the configuration /nowhere/node.toml: No such file or directory (os error 2)");
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[node]\nid = 2\n[cluster.members]\n1 = \"a:1\"\n2 = \"b:1\"\n[log]\nformat = \"json\"";
    let env = [
        ("TENURE_NODE__ID", "1"),
        ("TENURE_CLUSTER__MEMBERS__3", "c:1"),
        ("TENURE_CLUSTER__NAMESPACES", "a,b"),
        ("TENURE_RAFT__HEARTBEAT", "50ms"),
        ("TENURE_HTTP__CORS_ORIGINS", "https://a,http://b:1"),
    ];
    let config = load(file, &env).unwrap();
    assert_eq!(config.node.id, 1);
    assert_eq!(config.cluster.namespaces, ["a", "b"]);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.http.cors_origins, ["https://a", "http://b:1"]);
    assert_eq!(config.raft.heartbeat.as_millis(), 50);
    let members: Vec<_> = config.members().into_iter().collect();
    assert_eq!(members, [(1, "a:1".to_owned()), (2, "b:1".to_owned()), (3, "c:1".to_owned())]);
}

#[test]
fn variables_of_the_scripts_are_not_configuration() {
    assert_eq!(load("", &[("TENURE_DATA", "/x"), ("TENURE_CACHE", "/y"), ("PATH", "/z")]).unwrap(), Config::default());
}

#[test]
fn a_node_without_members_is_a_cluster_of_itself() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.members().into_iter().collect::<Vec<_>>(), [(1, "127.0.0.1:7234".to_owned())]);
}

#[test]
fn the_shipped_configurations_are_accepted() {
    for node in 1..=3 {
        // Tests run in the directory of their crate.
        let path = format!("../../cluster/local/node{node}.toml");
        let config = Config::load(Some(path.as_ref()), &HashMap::new()).unwrap();
        assert_eq!((config.node.id, config.members().len()), (node, 3));
    }
}

/// `docs/configuration.md` has a row for each key, with its default.
#[test]
fn every_key_is_documented_with_its_default() {
    let document = include_str!("../../../../docs/configuration.md");
    let documented: Vec<(String, String)> = document
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
            Some((cells.next()?, cells.next()?))
        })
        .collect();
    let keys: Vec<(String, String)> = Config::keys().into_iter().map(|(k, v)| (k, v.to_string())).collect();
    let mut sorted = documented.clone();
    sorted.sort();
    assert_eq!(sorted, keys);
}
