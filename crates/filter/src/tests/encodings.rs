//! Bytes compare as values do.

use crate::{
    Value,
    encode::{key, keys, position},
};
use proptest::prelude::*;
use tenure_limits::INDEXED_VALUE;

/// Keys with something behind them, which must not matter.
fn compare(a: Value<'_>, b: Value<'_>) -> std::cmp::Ordering {
    let (mut a, mut b) = (key(a), key(b));
    let order = a.cmp(&b);
    if order.is_ne() {
        a.push(0xff);
        b.push(0);
        assert_eq!(a.cmp(&b), order);
        a.push(0);
        b.insert(b.len() - 1, 0xff);
        assert_eq!(a.cmp(&b), order);
    }
    order
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a\u{0}\u{1}\u{ff}]{0,4}"]
}

proptest! {
    #[test]
    fn integers_and_times(a: i64, b: i64) {
        prop_assert_eq!(compare(Value::Int(a), Value::Int(b)), a.cmp(&b));
        prop_assert_eq!(compare(Value::Datetime(a), Value::Datetime(b)), a.cmp(&b));
    }

    #[test]
    fn doubles(a in prop::num::f64::ANY, b in prop::num::f64::ANY) {
        if let Some(order) = a.partial_cmp(&b) {
            prop_assert_eq!(compare(Value::Double(a), Value::Double(b)), order);
        }
    }

    #[test]
    fn texts(a in text(), b in text()) {
        prop_assume!(a.len() <= INDEXED_VALUE && b.len() <= INDEXED_VALUE);
        prop_assert_eq!(compare(Value::Keyword(&a), Value::Keyword(&b)), a.cmp(&b));
    }

    #[test]
    fn positions(a: (Option<i64>, i64), b: (Option<i64>, i64), x: [u8; 16], y: [u8; 16]) {
        let newest_first = |closed: Option<i64>, started: i64| (closed.is_some(), closed.map(std::cmp::Reverse), std::cmp::Reverse(started));
        let order = newest_first(a.0, a.1).cmp(&newest_first(b.0, b.1)).then(x.cmp(&y));
        prop_assert_eq!(position(a.0, a.1, x).cmp(&position(b.0, b.1, y)), order);
    }
}

#[test]
fn long_values_are_cut_and_keep_their_order() {
    let base = "é".repeat(INDEXED_VALUE / 2);
    let [longer, longest] = [format!("{base}a"), format!("{base}b")];
    assert!(key(Value::Keyword(&base)) < key(Value::Keyword(&longer)));
    assert_eq!(key(Value::Keyword(&longer)), key(Value::Keyword(&longest)));
    assert!(key(Value::Keyword(&longest)).len() <= INDEXED_VALUE + 3);
    assert!(key(Value::Keyword(&longest)) < key(Value::Keyword("ê")));
}

#[test]
fn what_is_missing_comes_last() {
    let null = key(Value::Null);
    for value in [Value::Int(i64::MAX), Value::Double(f64::INFINITY), Value::Keyword("\u{10ffff}"), Value::Bool(true)] {
        assert!(key(value) < null);
    }
    assert_eq!(key(Value::KeywordList(&[])), null);
    assert_eq!(key(Value::Double(f64::NAN)), null);
    assert_eq!(key(Value::Double(0.0)), key(Value::Double(-0.0)));
}

#[test]
fn lists_and_texts_have_several_keys() {
    let list = ["b".to_owned(), "a".to_owned(), "b".to_owned()];
    assert_eq!(keys(Value::KeywordList(&list)), [key(Value::Keyword("a")), key(Value::Keyword("b"))]);
    assert_eq!(keys(Value::Text("Été, the été!")), [key(Value::Keyword("ete")), key(Value::Keyword("the"))]);
    assert_eq!(keys(Value::Text("!")), Vec::<Vec<u8>>::new());
    assert_eq!(keys(Value::Null), [key(Value::Null)]);
}
