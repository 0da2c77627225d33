//! Histories from files, as the official CLI wrote them: of this server, and of the reference server.

use crate::{
    features::{Order, cleaning, local_and_patched, order, parent},
    subscription,
};
use std::{fs, path::PathBuf};
use tenure_sdk::{History, ReplayError, Replayer, history_from_json};

fn histories() -> PathBuf {
    // At run time: checkouts share a target directory.
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("run with cargo")).join("tests/histories")
}

fn replayer() -> Replayer {
    Replayer::new()
        .workflow(subscription)
        .workflow(order)
        .workflow(cleaning)
        .workflow(local_and_patched)
        .workflow(parent)
}

fn read(name: &str) -> (String, History) {
    let json = fs::read_to_string(histories().join(name)).unwrap();
    let history = history_from_json(&json).unwrap();
    (json, history)
}

#[test]
fn histories_of_both_servers_replay() {
    assert_eq!(replayer().strict().replay_dir(histories()).unwrap(), 10);
    for entry in fs::read_dir(histories()).unwrap() {
        let json = fs::read_to_string(entry.unwrap().path()).unwrap();
        replayer().strict().replay_all_prefixes(&history_from_json(&json).unwrap()).unwrap();
    }
}

/// `EVENT_TYPE_TIMER_FIRED` as `TimerFired`.
fn short(long: &str, prefix: &str) -> String {
    let words = long.trim_start_matches(prefix).split('_');
    words.map(|word| word[..1].to_owned() + &word[1..].to_lowercase()).collect()
}

#[test]
fn other_spellings_are_the_same_history() {
    let (json, history) = read("reference-order.json");
    let mut other = json.clone();
    let words: Vec<&str> = json.split('"').collect();
    for prefix in ["EVENT_TYPE_", "TASK_QUEUE_KIND_"] {
        for name in words.iter().filter(|word| word.starts_with(prefix)) {
            other = other.replace(&format!("\"{name}\""), &format!("\"{}\"", short(name, prefix)));
        }
    }
    assert!(other.contains("\"WorkflowExecutionStarted\"") && !other.contains("EVENT_TYPE_"));
    assert_eq!(history_from_json(&other).unwrap(), history);
    let events = json.trim().strip_prefix("{\n  \"events\":").unwrap().strip_suffix('}').unwrap();
    assert_eq!(history_from_json(events).unwrap(), history, "the events alone");
    let newer = json.replacen("\"eventId\"", "\"ofTomorrow\": {\"a\": [1]}, \"eventId\"", 1);
    assert_eq!(history_from_json(&newer).unwrap(), history, "what a newer server adds is left out");
}

#[test]
fn time_travel() {
    let (_, history) = read("tenure-order.json");
    let mut counts = Vec::new();
    let replayed = replayer().step(&history, |then, event| {
        let count = then.query(Order::COUNT, ()).unwrap();
        assert_eq!(replayer().at(&history, event.event_id).unwrap().query(Order::COUNT, ()).unwrap(), count);
        counts.push(count);
    });
    assert_eq!(counts.len(), history.events.len());
    counts.dedup();
    assert_eq!(counts, [0, 1, 2, 3]);
    assert_eq!(replayed.unwrap().query(Order::COUNT, ()).unwrap(), 3);
}

#[test]
fn what_differs_is_said_with_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let said = || replayer().replay_dir(dir.path()).unwrap_err().to_string();
    assert!(said().contains("there is no .json file"), "{}", said());
    let (json, _) = read("tenure-order.json");
    fs::write(dir.path().join("good.json"), &json).unwrap();
    fs::write(dir.path().join("renamed.json"), json.replace("\"check\"", "\"verify\"")).unwrap();
    fs::write(dir.path().join("torn.json"), &json[..json.len() / 2]).unwrap();
    fs::write(dir.path().join("unknown.json"), json.replace("\"name\": \"order\"", "\"name\": \"orders\"")).unwrap();
    for part in [
        "3 cannot be replayed",
        "renamed.json: the code does not do what it did before",
        "\"verify\"",
        "torn.json: not the JSON of a history: EOF",
        "unknown.json: no workflow \"orders\"",
    ] {
        assert!(said().contains(part), "{part} is not in:\n{}", said());
    }
    assert!(!said().contains("good.json"));
    assert!(matches!(history_from_json("{}"), Err(ReplayError::Unreadable(_))));
}
