//! Whatever a query is made of, it is answered soon, and nothing panics.

use super::attributes;
use crate::{Filter, FilterError, Index, Indexes, KeyRange};
use proptest::prelude::*;
use tenure_limits::{FILTER, FILTER_DEPTH, FILTER_WORDS};

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, &attributes())
}

#[track_caller]
fn is_refused(text: &str, reason: &str) {
    let message = parse(text).unwrap_err().to_string();
    assert!(message.contains(reason), "{message}");
}

#[test]
fn a_long_query_is_refused() {
    let padded = |length: usize| format!("CustomInt = 1{}", " ".repeat(length - 13));
    parse(&padded(FILTER)).unwrap();
    is_refused(&padded(FILTER + 1), "longer than");
}

#[test]
fn a_query_of_many_words_is_refused() {
    let chain = |tests: usize, word: &str| vec!["CustomInt = 1"; tests].join(word);
    // A name, an operator, a value, and the word between two.
    let most = FILTER_WORDS.div_ceil(4);
    for word in [" AND ", " OR "] {
        let filter = parse(&chain(most, word)).unwrap();
        assert_eq!(parse(&filter.to_string()).unwrap(), filter);
        is_refused(&chain(most + 1, word), "words, values and operators");
    }
    is_refused(&"CustomInt = ".repeat(FILTER_WORDS / 2), "syntax error");
    is_refused(&"- ".repeat(FILTER_WORDS + 1), "words, values and operators");
    let list =
        |values: usize| format!("WorkflowId IN ({})", vec!["'some-workflow-id-that-is-not-short'"; values].join(", "));
    // Besides them: a name, an operator, and the parentheses.
    parse(&list(FILTER_WORDS - 4)).unwrap();
    is_refused(&format!("CustomText = '{}'", "word ".repeat(FILTER_WORDS)), "words, values and operators");
    is_refused(&list(FILTER_WORDS - 3), "words, values and operators");
}

#[test]
fn a_deep_query_is_refused() {
    let nested = |depth: usize| format!("{}CustomInt = 1{}", "(".repeat(depth), ")".repeat(depth));
    parse(&nested(FILTER_DEPTH)).unwrap();
    is_refused(&nested(FILTER_DEPTH + 1), "levels");
    is_refused(&format!("{}CustomInt = 1", "NOT ".repeat(4_000)), "levels");
    is_refused(&format!("CustomInt = {}1", "- ".repeat(4_000)), "levels");
    is_refused(&"(".repeat(4_000), "levels");
    let steps = |depth: usize| format!("{}CustomInt = 1{}", "CustomInt = 1 AND (".repeat(depth), ")".repeat(depth));
    parse(&steps(FILTER_DEPTH - 2)).unwrap();
}

/// An index of everything, and many records.
struct Everything;

impl Indexes for Everything {
    fn index(&self, _: &str) -> Option<Index> {
        Some(Index { has_nulls: true })
    }

    fn estimate(&self, _: &str, range: &KeyRange) -> u64 {
        range.start.len() as u64
    }

    fn total(&self) -> u64 {
        u64::MAX
    }
}

#[test]
fn the_largest_queries_are_planned() {
    let chain = |test: &str, words: usize, word: &str| vec![test; FILTER_WORDS / words].join(word);
    let list = (0..FILTER_WORDS / 2 - 8).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    for query in [
        chain("CustomList = 'a'", 4, " AND "),
        chain("CustomInt != 1", 4, " OR "),
        chain("NOT CustomBool = true", 5, " AND "),
        format!("CustomInt IN ({list}) AND CustomInt NOT IN ({list})"),
        format!("CustomInt NOT IN ({list}) OR NOT CustomInt IN ({list})"),
    ] {
        let plan = parse(&query).unwrap().plan(&Everything);
        assert!(plan.explain().starts_with("read "), "{}", plan.explain());
    }
}

#[test]
fn messages_are_short_whatever_they_repeat() {
    let long = "x".repeat(100_000);
    for query in
        [format!("{long} = 1"), format!("StartTime > '{long}'"), format!("CustomInt = 1 '{long}'"), format!("`{long}")]
    {
        let error = parse(&query).unwrap_err();
        assert!(error.to_string().len() < 2_500, "{}", error.to_string().len());
    }
}

/// Pieces of queries, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "CustomInt",
            "CustomText",
            "CloseTime",
            "ExecutionStatus",
            "ExecutionDuration",
            "`",
            "'",
            "\"",
            "\\",
            "(",
            ")",
            ",",
            "=",
            "!=",
            "<>",
            "<=>",
            "<",
            ">=",
            "&&",
            "||",
            "AND",
            "OR",
            "NOT",
            "IN",
            "BETWEEN",
            "IS",
            "NULL",
            "TRUE",
            "STARTS_WITH",
            "LIKE",
            "ORDER BY",
            "GROUP BY",
            "LIMIT",
            "SELECT",
            "CASE",
            "EXISTS",
            "CAST",
            "INTERVAL",
            "ARRAY[",
            "::",
            "[",
            "]",
            "{",
            "}",
            "--",
            "/*",
            "*/",
            ";",
            ":",
            "?",
            "@",
            "$$",
            "1",
            "-",
            "+",
            "~",
            "1e400",
            ".5",
            "0x7",
            "'1h'",
            "'2024-01-01T00:00:00Z'",
            "x'41'",
            "b'1'",
            "N'x'",
            "COLLATE",
            "\n",
            "\0",
            "é",
            "🦀",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![any::<String>(), pieces()]) {
        if let Ok(filter) = parse(&text) {
            prop_assert_eq!(parse(&filter.to_string()), Ok(filter));
        }
    }

    #[test]
    fn no_changed_query_panics(at in 0_usize..400, cut in 0_usize..80, by in any::<char>()) {
        let lines = include_str!("../../tests/reference/answers.jsonl").lines();
        let queries: Vec<String> = lines
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["query"].as_str().map(str::to_owned))
            .collect();
        let mut query: Vec<char> = queries[at % queries.len()].chars().collect();
        let place = cut % query.len();
        query[place] = by;
        let changed: String = query.iter().collect();
        let _ = parse(&changed);
        query.remove(place);
        let _ = parse(&query.iter().collect::<String>());
        let _ = parse(&query[..place].iter().collect::<String>());
    }
}
