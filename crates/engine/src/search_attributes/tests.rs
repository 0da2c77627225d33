use super::*;

fn payload(json: &str) -> Payload {
    let metadata = [("encoding".to_owned(), "json/plain".into())].into();
    Payload { metadata, data: json.to_owned().into(), ..Default::default() }
}

fn given(values: &[(&str, Payload)]) -> SearchAttributes {
    let indexed_fields = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    SearchAttributes { indexed_fields }
}

fn registry() -> Registry {
    let aliases = columns().filter(|(column, _)| column.ends_with("01"));
    let aliases = aliases.map(|(column, _)| (column.clone(), format!("My{}", column.trim_end_matches("01"))));
    let config = NamespaceConfig { custom_search_attribute_aliases: aliases.collect(), ..Default::default() };
    Registry::of(Some(&config))
}

/// The error of one attribute; empty where there is none.
fn error(name: &str, value: Payload) -> String {
    registry().check("space", &mut given(&[(name, value)])).err().map(|e| e.to_string()).unwrap_or_default()
}

#[track_caller]
fn check(name: &str, json: &str, shown: &str) {
    let kind = registry().type_of(name).map_or_else(String::new, type_name);
    let expected = match shown {
        "" => String::new(),
        shown => format!("invalid value for search attribute {name} of type {kind}: {shown}"),
    };
    assert_eq!(error(name, payload(json)), expected, "{name} {json}");
}

#[test]
fn values_have_the_type_of_their_attribute() {
    for name in ["MyText", "MyKeyword"] {
        check(name, r#""t""#, "");
        check(name, r#"["t"]"#, "");
        check(name, r#"["t", "u"]"#, "[t u]");
        check(name, "true", "true");
        check(name, r#"{"a":[1,null,{"b":2}],"c":"x"}"#, "map[a:[1 <nil> map[b:2]] c:x]");
    }
    check("MyInt", "3", "");
    check("MyInt", "[3]", "");
    check("MyInt", "1.5", "1.5");
    check("MyInt", r#""1""#, "1");
    check("MyInt", "9223372036854775808", "9.223372036854776e+18");
    check("MyDouble", "1", "");
    check("MyDouble", "[1.0, 2.0]", "[1 2]");
    check("MyBool", "false", "");
    check("MyBool", "1", "1");
    check("MyDatetime", r#""2024-01-02T03:04:05.123+02:00""#, "");
    check("MyDatetime", r#""2024-01-02""#, "2024-01-02");
    check("MyDatetime", r#""2024-01-02 03:04:05Z""#, "2024-01-02 03:04:05Z");
    check("MyKeywordList", r#"["a", "b"]"#, "");
    check("MyKeywordList", r#""a""#, "a");
    check("MyKeywordList", r#"["a", 1]"#, "[a 1]");
    for name in ["MyText", "MyInt", "MyDatetime", "MyKeywordList"] {
        check(name, "null", "");
        check(name, "[]", "");
    }
}

#[test]
fn numbers_are_shown_as_the_reference_server_shows_them() {
    for (number, shown) in [
        ("100000", "100000"),
        ("1000000", "1e+06"),
        ("1234567.5", "1.2345675e+06"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1e22", "1e+22"),
        ("-0.0", "-0"),
    ] {
        check("MyText", number, shown);
    }
}

#[test]
fn what_cannot_be_read_is_shown_as_it_came() {
    check("MyText", "{", r#"value from <metadata:{key:"encoding"  value:"json/plain"}  data:"{">"#);
    assert!(error("MyText", Payload::default()).ends_with("value from <>"));
}

#[test]
fn names_that_the_namespace_does_not_have_are_refused_and_so_are_those_that_are_the_servers() {
    for name in ["NoSuch", "Keyword02", "TemporalFoo", ""] {
        let expected = format!("Namespace space has no mapping defined for search attribute {name}");
        assert_eq!(error(name, payload("null")), expected);
    }
    for name in ["RunId", "WorkflowType", "TemporalWorkerDeployment"] {
        assert_eq!(error(name, payload("null")), format!("{name} attribute can't be set in SearchAttributes"));
    }
    assert_eq!(error("BatcherUser", payload(r#""me""#)), "");
}

#[test]
fn values_get_their_type_unless_they_have_one() {
    let mut said = payload(r#""t""#);
    said.metadata.insert(TYPE.into(), "Keyword".into());
    let mut given = given(&[("MyInt", payload("3")), ("MyText", said)]);
    registry().check("space", &mut given).unwrap();
    let types: Vec<_> = given.indexed_fields.values().map(|payload| &payload.metadata[TYPE][..]).collect();
    assert_eq!(types, [&b"Int"[..], b"Keyword"]);
}

#[test]
fn sizes_are_limited() {
    let long = format!("\"{}\"", "x".repeat(3000));
    assert_eq!(error("MyText", payload(&long)), "search attribute MyText value size 3002 exceeds size limit 2048");
    let fits = payload(&format!("\"{}\"", "x".repeat(2000)));
    let names: Vec<String> = (0..21).map(|n| format!("A{n:02}")).collect();
    let many = given(&names.iter().map(|name| (name.as_str(), fits.clone())).collect::<Vec<_>>());
    let Err(BadSearchAttributes::TooLarge(message)) = check_sizes(&many) else { panic!("not too large") };
    assert!(message.ends_with("exceeds size limit 40960"), "{message}");
}

#[test]
fn attributes_without_a_value_are_left_out() {
    let null = Payload { metadata: [("encoding".to_owned(), "binary/null".into())].into(), ..Default::default() };
    let empty = given(&[("A", payload("null")), ("B", payload("[]")), ("C", null)]);
    assert_eq!(with_values(Some(empty)), None);
    let left = with_values(Some(given(&[("A", payload("null")), ("B", payload("1"))]))).unwrap();
    assert_eq!(left.indexed_fields.keys().collect::<Vec<_>>(), ["B"]);
}
