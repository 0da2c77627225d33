//! What the reference server (1.32, with SQLite) answered to queries over a fixed set of runs, and where we answer otherwise.
//!
//! A line of `answers.jsonl` has a query and the reference's answer: ids of runs in their order, a count with its groups, or
//! code and message. `ours` is our own answer where it is another, and `why` the row of `docs/visibility.md` that says why.

use super::{CUSTOM, Owned, Run, attributes};
use crate::{Filter, Type, Value, status_name, system, times};
use serde_json::{Map, Value as Json, json};
use std::{collections::BTreeMap, fs, path::Path};

fn read(path: &str) -> String {
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("run with cargo")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn lines(path: &str) -> Vec<Map<String, Json>> {
    read(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn runs() -> Vec<Run> {
    lines("tests/reference/runs.jsonl")
        .iter()
        .map(|line| {
            let values = line["values"].as_object().unwrap().iter().map(|(name, value)| own(name, value)).collect();
            Run { id: line["id"].as_str().unwrap().to_owned(), values }
        })
        .collect()
}

fn own(name: &str, value: &Json) -> (String, Owned) {
    let custom = CUSTOM.iter().find(|(alias, ..)| *alias == name).map(|(_, field, kind)| (*field, *kind));
    let (field, kind) = custom.or_else(|| system().find(|(system, _)| *system == name)).unwrap();
    let text = || value.as_str().unwrap().to_owned();
    let value = match kind {
        Type::Int => Owned::Int(value.as_i64().unwrap()),
        Type::Keyword if name == "ExecutionStatus" => Owned::Int(value.as_i64().unwrap()),
        Type::Keyword => Owned::Keyword(text()),
        Type::Text => Owned::Text(text()),
        Type::Double => Owned::Double(value.as_f64().unwrap()),
        Type::Bool => Owned::Bool(value.as_bool().unwrap()),
        Type::Datetime => Owned::Datetime(value.as_i64().unwrap_or_else(|| times::time(&text()).unwrap())),
        Type::KeywordList => {
            let list = value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned());
            Owned::List(list.collect())
        }
    };
    (field.to_owned(), value)
}

/// Our answer, as the file has it.
fn answer(query: &str, counts: bool, runs: &[Run]) -> Json {
    let filter = match Filter::parse(query, &attributes()) {
        Ok(filter) => filter,
        Err(error) => return json!({"code": "INVALID_ARGUMENT", "message": error.message()}),
    };
    let mut found: Vec<&Run> = runs.iter().filter(|run| filter.matches(*run)).collect();
    found.sort_by_key(|run| filter.sort_key(*run));
    if !counts {
        return json!({"ids": found.iter().map(|run| run.id.as_str()).collect::<Vec<_>>()});
    }
    let Some(by) = filter.group_by() else { return json!({"count": found.len()}) };
    let mut groups: BTreeMap<String, u64> = BTreeMap::new();
    for run in &found {
        use crate::Record;
        let name = match run.value(&by.field) {
            Value::Int(number) => status_name(number).unwrap().to_owned(),
            Value::Keyword(text) => text.to_owned(),
            _ => String::new(),
        };
        *groups.entry(name).or_default() += 1;
    }
    json!({"count": found.len(), "groups": groups})
}

/// Positions within the SQL that the reference makes of a query help nobody: of malformed ones only that they are counts.
fn comparable(mut answer: Json) -> Json {
    const MALFORMED: &str = "invalid query: malformed SQL query";
    if answer["message"].as_str().is_some_and(|message| message.starts_with(MALFORMED)) {
        answer["message"] = MALFORMED.into();
    }
    answer
}

#[test]
fn answers_are_the_reference_servers() {
    let runs = runs();
    let differences = read("../../docs/visibility.md");
    let (mut good, mut bad, mut wrong) = (0, 0, Vec::new());
    for mut line in lines("tests/reference/answers.jsonl") {
        let (count, list) = (line.remove("count_query"), line.remove("query"));
        let query = count.as_ref().or(list.as_ref()).unwrap().as_str().unwrap().to_owned();
        let why = line.remove("why");
        let expected = line.remove("ours").unwrap_or_else(|| Json::Object(line.clone()));
        *if line.contains_key("code") { &mut bad } else { &mut good } += 1;
        let ours = answer(&query, count.is_some(), &runs);
        if comparable(ours.clone()) != comparable(expected.clone()) {
            wrong.push(
                json!({"query": query, "counts": count.is_some(), "ours": ours, "expected": expected}).to_string(),
            );
        }
        if let Some(why) = why {
            let row = format!("| {} |", why.as_str().unwrap());
            assert!(differences.contains(&row), "docs/visibility.md has no row {row} for {query}");
        }
    }
    assert!(good >= 200 && bad >= 120, "{good} good, {bad} bad");
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), good + bad, wrong.join("\n"));
}

#[test]
fn errors_tell_the_attribute_and_the_place() {
    let check = |query: &str, attribute: Option<&str>, message: &str| {
        let error = Filter::parse(query, &attributes()).unwrap_err();
        assert_eq!((error.attribute(), error.to_string().as_str()), (attribute, message), "{query}");
    };
    let message = "invalid query: invalid search attribute: Foo (at line 2, column 4)";
    check("CustomInt = 1\nOR Foo = 2", Some("Foo"), message);
    let message =
        "invalid query: invalid expression: unable to parse datetime 'x', in what is asked of CloseTime (at column 25)";
    check("CloseTime > 5 OR NOT (   CloseTime < 'x')", Some("CloseTime"), &message.replace("25", "38"));
    let message = "invalid query: operation is not supported: 'GROUP BY' clause is not supported for search attribute StartTime (at column 10)";
    check("GROUP BY StartTime", Some("StartTime"), message);
    check("CustomInt = ", None, "invalid query: malformed SQL query: syntax error at the end");
    check("CustomInt 5", None, "invalid query: malformed SQL query: syntax error near '5' (at column 11)");
}
