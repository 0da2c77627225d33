//! What a reference server answered for some hundred specs, of which most are made at random: which it refuses and why,
//! what it makes of the others, and their times in ten years. `tests/reference/record.py` writes the answers.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use prost::Message;
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};
use tenure_api::schedule::v1::ScheduleSpec;
use tenure_schedule::Spec;

/// Names of zones that are not in the bundled data, or mean what the reference server's machine is set to.
const OTHER_ZONES: &[&str] = &["Local"];

struct Answers {
    namespace_id: String,
    lines: Vec<Value>,
}

fn answers() -> Answers {
    let path = std::env::var_os("CARGO_MANIFEST_DIR").expect("run with cargo");
    let path = Path::new(&path).join("tests/reference/answers.jsonl");
    let path = std::env::var_os("TENURE_SCHEDULE_ANSWERS").map_or(path, Into::into);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let head = lines.next().expect("there is a first line");
    println!("seed {}", head["seed"]);
    Answers { namespace_id: head["namespace_id"].as_str().unwrap().to_owned(), lines: lines.collect() }
}

fn decoded(value: &Value) -> Option<ScheduleSpec> {
    let bytes = BASE64_STANDARD.decode(value.as_str()?).expect("base64");
    Some(ScheduleSpec::decode(&bytes[..]).expect("a spec"))
}

/// Messages of protobuf's runtime have one blank or two in some places, as each build of it pleases.
fn normal(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_same_specs_are_refused_with_the_same_words() {
    let (mut refused, mut different) = (0, Vec::new());
    for answer in answers().lines {
        let spec = decoded(&answer["spec"]).unwrap();
        let ours = Spec::compile(&spec).map(|_| ()).map_err(|error| normal(&error.to_string()));
        let theirs = answer.get("message").map_or(Ok(()), |message| Err(normal(message.as_str().unwrap())));
        refused += usize::from(theirs.is_err());
        assert!(theirs.is_ok() || answer["code"] == "INVALID_ARGUMENT");
        if ours != theirs {
            println!("{}: {ours:?} for {theirs:?}", answer["words"]);
            different.push(answer["id"].clone());
        }
    }
    assert_eq!(different, Vec::<Value>::new());
    assert!(refused > 60, "only {refused} specs are refused");
}

#[test]
fn specs_are_described_in_the_same_form() {
    for answer in answers().lines.iter().filter(|answer| answer.get("message").is_none()) {
        let spec = decoded(&answer["spec"]).unwrap();
        let described = decoded(&answer["canonical"]).unwrap_or_else(|| spec.clone());
        let ours = Spec::compile(&spec).unwrap();
        assert_eq!(ours.canonical(), &described, "{}", answer["words"]);
        assert_eq!(Spec::compile(ours.canonical()).unwrap(), ours, "{}", answer["words"]);
    }
}

/// Times of a window as they are recorded: seconds to the first and from each to the next, `60*3` for three times 60; of
/// others than whole seconds, `5m` for 5 milliseconds.
fn recorded(window: &Value) -> Vec<Timestamp> {
    let (mut at, mut times) = (0, Vec::new());
    for entry in window["times"].as_str().unwrap().split_whitespace() {
        let (length, count) = entry.split_once('*').unwrap_or((entry, "1"));
        let number = |text: &str| text.parse::<i64>().expect("a number");
        let step = length.strip_suffix('m').map_or_else(|| number(length) * 1000, number);
        for _ in 0..number(count) {
            at += step;
            times.push(Timestamp::from_millisecond(at).unwrap());
        }
    }
    times
}

/// Whether the clocks are changed within so many hours of a time.
fn clocks_change_near(zone: &TimeZone, at: Timestamp, hours: i64) -> bool {
    let (from, to) = (at - SignedDuration::from_hours(hours), at + SignedDuration::from_hours(hours));
    zone.following(from).next().is_some_and(|change| change.timestamp() <= to)
}

#[test]
fn times_are_the_same() {
    let Answers { namespace_id, lines } = answers();
    let (mut compared, mut different, mut specs) = (0, 0, BTreeSet::new());
    for answer in lines.iter().filter(|answer| answer.get("message").is_none()) {
        let id = answer["id"].as_str().unwrap();
        let seed = format!("{namespace_id}-{id}");
        let spec = Spec::compile(&decoded(&answer["spec"]).unwrap()).unwrap();
        let canonical = spec.canonical();
        let zone = match (canonical.timezone_name.as_str(), canonical.timezone_data.is_empty()) {
            ("", true) => TimeZone::UTC,
            (name, true) if OTHER_ZONES.contains(&name) => TimeZone::UTC,
            (name, true) => TimeZone::get(name).unwrap(),
            (name, false) => TimeZone::tzif(name, &canonical.timezone_data).unwrap(),
        };
        for window in answer["windows"].as_array().unwrap() {
            if window.get("message").is_some() {
                continue;
            }
            let bound = |key: &str| Timestamp::from_second(window[key].as_i64().unwrap()).unwrap();
            let ours: Vec<_> =
                spec.matching(bound("from"), bound("to"), &seed).map(|firing| firing.unwrap().jittered).collect();
            let theirs = recorded(window);
            compared += theirs.len();
            let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) = (ours.into_iter().collect(), theirs.into_iter().collect());
            for at in ours.symmetric_difference(&theirs) {
                let whose = if ours.contains(at) { "only ours" } else { "only theirs" };
                println!("{id} {at} {whose}: {}", answer["words"]);
                assert!(clocks_change_near(&zone, *at, 26), "{id} {at} {whose}: {}", answer["words"]);
                different += 1;
                specs.insert(id);
            }
        }
    }
    println!("{compared} times compared, {different} of {} specs differ where clocks change", specs.len());
    assert!(compared > 10_000, "only {compared} times were compared");
}
