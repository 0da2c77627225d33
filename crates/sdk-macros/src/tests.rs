//! What the attributes say of code that they cannot make sense of: each message tells what to write instead.

use crate::{activity, error, handlers, workflow};
use proc_macro2::TokenStream;
use std::str::FromStr;

type Expand = fn(TokenStream, TokenStream) -> syn::Result<TokenStream>;

/// The messages, the first line of each.
fn messages(expand: Expand, options: &str, code: &str) -> Vec<String> {
    let tokens = |text| TokenStream::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    match expand(tokens(options), tokens(code)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.to_string()).collect(),
    }
}

fn check(expand: Expand, cases: &[(&str, &str)]) {
    for (code, expected) in cases {
        let messages = messages(expand, "", code);
        assert!(messages.iter().any(|it| it.contains(expected)), "{code}\n  gives {messages:#?}\n  not {expected:?}");
    }
}

fn of_handlers(cases: &[(&str, &str)]) {
    for (code, expected) in cases {
        check(handlers::expand, &[(&format!("impl State {{ {code} }}"), expected)]);
    }
}

#[test]
fn workflows() {
    check(
        workflow::expand,
        &[
            ("fn w(cx: WorkflowContext) -> Result<()> { Ok(()) }", "make it an `async fn`"),
            (
                "async fn w(name: String) -> Result<()> { Ok(()) }",
                "the first argument of a workflow is `cx: WorkflowContext`",
            ),
            ("async fn w() {}", "the first argument of a workflow is `cx: WorkflowContext`"),
            ("async fn w(cx: &WorkflowContext) {}", "take the context by value: `cx: WorkflowContext`"),
            (
                "async fn w(cx: ActivityContext) {}",
                "the context comes first, once, and is of type `WorkflowContext` here",
            ),
            ("async fn w(name: String, cx: WorkflowContext) {}", "the context comes first"),
            ("async fn w(&self, cx: WorkflowContext) {}", "a workflow is no method: what it keeps is the `State`"),
            ("async fn w(cx: WorkflowContext, name: &str) {}", "take it by value, e.g. `String` for `&str`"),
            ("async fn w<T>(cx: WorkflowContext, it: T) {}", "it cannot be generic"),
            (
                "async fn w(cx: WorkflowContext, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}",
                "6 arguments at most: make a struct of them",
            ),
            ("struct W;", "`#[workflow]` goes on an `async fn`"),
        ],
    );
    let code = "async fn w(cx: WorkflowContext) {}";
    assert!(messages(workflow::expand, "dynamic", code)[0].contains("takes one argument: `args: Vec<Raw>`"));
    assert_eq!(
        messages(workflow::expand, "nmae = \"x\"", code),
        ["unknown option: `name = ..` and `init = ..` and `fails_on(..)` and `dynamic` can be set here"]
    );
    assert!(messages(workflow::expand, "name = \"x\"", code).is_empty());
    assert!(messages(workflow::expand, "fails_on(panic, nondeterminism)", code).is_empty());
    assert!(
        messages(workflow::expand, "fails_on(errors)", code)[0].contains("can fail on `panic` and `nondeterminism`")
    );
}

#[test]
fn activities() {
    check(
        activity::function,
        &[
            ("async fn a(&self) {}", "put `#[activities]` on the `impl` around this method"),
            ("async fn a(cx: WorkflowContext) {}", "is of type `ActivityContext` here"),
            ("async fn a(x: &[u8]) {}", "take it by value"),
            ("impl Payments {}", "`#[activity]` goes on a function"),
        ],
    );
    check(
        activity::methods,
        &[
            ("impl P { #[activity] async fn a(&mut self) {} }", "an activity method takes `&self`"),
            ("impl P { #[activity] async fn a() {} }", "an activity method takes `&self`"),
            ("impl P { async fn a(&self) {} }", "no method is marked `#[activity]`"),
            ("impl Clone for P { fn clone(&self) -> P { P } }", "not on that of a trait"),
            (
                "impl P { #[activity] async fn a(&self) {} #[activity(name = \"a\")] async fn b(&self) {} }",
                "another activity here is called \"a\": give one of them `#[activity(name = \"..\")]`",
            ),
            ("fn p() {}", "`#[activities]` goes on an `impl` block"),
        ],
    );
}

#[test]
fn signals_queries_and_updates() {
    of_handlers(&[
        ("#[query] fn q(&mut self) -> u8 { 0 }", "a query takes `&self`: it changes nothing"),
        ("#[query] async fn q(cx: WorkflowContext<Self>) -> u8 { 0 }", "a query answers at once: it is not `async`"),
        ("#[query] fn q() -> u8 { 0 }", "a query takes `&self`"),
        ("#[signal] fn s(self) {}", "takes `&mut self` or `&self`"),
        ("#[signal] fn s(cx: WorkflowContext<Self>) {}", "takes `&mut self` or `&self`, and no context"),
        ("#[signal] async fn s(&mut self) {}", "takes `cx: WorkflowContext<Self>` instead of `self`"),
        ("#[signal] fn s(&mut self) -> u8 { 0 }", "a signal answers nothing"),
        ("#[signal] fn s(&mut self) -> Result<u8> { Ok(0) }", "a signal answers nothing"),
        ("#[signal] #[query] fn s(&self) {}", "a method is one handler: this one is marked as signal and query"),
        ("#[signal(validate = check)] fn s(&mut self) {}", "unknown option: `name = ..` and `dynamic` can be set here"),
        ("#[update(check = x)] fn u(&mut self) {}", "`name = ..` and `validate = ..` and `dynamic` can be set here"),
        (
            "#[signal(dynamic)] fn s(&mut self) {}",
            "takes the name and the arguments as they come: `name: String, args: Vec<Raw>`",
        ),
        ("#[signal(dynamic, name = \"s\")] fn s(&mut self) {}", "what is `dynamic` takes all names"),
        (
            "#[signal] fn s(&mut self) {} #[signal(name = \"s\")] fn t(&mut self) {}",
            "another signal here is called \"s\": give one of them `#[signal(name = \"..\")]`",
        ),
    ]);
    for fine in [
        "#[signal] fn s(&mut self) -> Result<()> { Ok(()) } #[query(name = \"s\")] fn q(&self) -> u8 { 0 }",
        "#[update] async fn u(cx: WorkflowContext<Self>, a: u8) -> Result<u8> { Ok(a) }",
    ] {
        assert_eq!(messages(handlers::expand, "", &format!("impl State {{ {fine} }}")), [""; 0], "{fine}");
    }
    check(handlers::expand, &[("impl<T> State<T> { #[query] fn q(&self) -> u8 { 0 } }", "it cannot be generic")]);
    let both = "impl State { #[signal] fn s(self) {} #[query] fn q(&mut self) {} }";
    assert_eq!(messages(handlers::expand, "", both).len(), 2, "each handler has its message");
}

#[test]
fn blocks_of_handlers() {
    let block = "impl State { #[query] fn q(&self) -> u8 { 0 } }";
    for (options, expected) in [
        ("parts = x", "expected parentheses"),
        ("part(x: X)", "unknown option: `group = name` makes a group"),
        ("group = a, parts(x: X)", "one block, without `group`, takes in all groups and parts"),
    ] {
        let messages = messages(handlers::expand, options, block);
        assert!(messages.iter().any(|it| it.contains(expected)), "{options} gives {messages:#?}");
    }
    let group = written(handlers::expand, "group = tips", block);
    assert!(group.contains("fn__handlers_of_tips(") && !group.contains("WorkflowState"), "{group}");
    let whole = written(handlers::expand, "groups(tips), parts(pause: Pause)", block);
    assert!(whole.contains("Self::__handlers_of_tips(handlers);handlers.part::<Pause>("), "{whole}");
    assert!(whole.contains("Handles<Pause>forState"), "{whole}");
}

#[test]
fn validators() {
    let update = "#[update(validate = check)] fn tip(&mut self, cents: u64, from: String) {}";
    let wanted = "the validator of `tip` is `fn check(&self, cents: &u64, from: &String) -> Result<()>`";
    for wrong in [
        "fn check(&self, cents: u64, from: String) -> Result<()> { Ok(()) }",
        "fn check(&mut self, cents: &u64, from: &String) -> Result<()> { Ok(()) }",
        "fn check(&self, cents: &u64) -> Result<()> { Ok(()) }",
        "fn check(&self, cents: &u64, from: &String) -> bool { true }",
        "async fn check(&self, cents: &u64, from: &String) -> Result<()> { Ok(()) }",
    ] {
        of_handlers(&[(&format!("{update} {wrong}"), wanted)]);
    }
    for right in ["&String", "&str"] {
        let right = format!("fn check(&self, cents: &u64, from: {right}) -> Result<()> {{ Ok(()) }}");
        assert_eq!(messages(handlers::expand, "", &format!("impl State {{ {update} {right} }}")), [""; 0]);
    }
}

#[test]
fn errors() {
    let messages = |code: &str| messages(|_, code| error::expand(code), "", code);
    assert!(messages("enum E { A(u8), #[failure(type = \"b\", non_retryable)] B { x: u8 }, C }").is_empty());
    assert!(messages("enum E { #[failure(retryable)] A }")[0].contains("`non_retryable` can be set here"));
    assert!(messages("union U { a: u8 }")[0].contains("a struct or an enum"));
}

/// What is written for `code`, without white space.
fn written(expand: Expand, options: &str, code: &str) -> String {
    let tokens = |text| TokenStream::from_str(text).unwrap();
    let expanded = crate::renamed::expand(tokens(options), |options| expand(options, tokens(code)));
    expanded.unwrap().to_string().replace(' ', "")
}

#[test]
fn names_and_conditions_are_those_of_the_code() {
    let signal =
        written(handlers::expand, "", "impl S { #[cfg(unix)] #[signal] fn r#move(&mut self, state: String) {} }");
    assert!(signal.contains("#[cfg(unix)]pubconstMOVE:::tenure_sdk::Signal<S,(String,)>"), "{signal}");
    assert!(signal.contains("new(\"move\")") && signal.contains("#[cfg(unix)]handlers.signal"), "{signal}");
    let activity =
        written(activity::methods, "", "impl P { #[activity] async fn f(&self) -> SearchResult { todo!() } }");
    assert!(activity.contains("ActivityRef<(),SearchResult>"), "{activity}");
    let workflow = written(workflow::expand, "", "async fn r#loop(cx: WorkflowContext) -> DbResult<u8> { Ok(1) }");
    assert!(workflow.contains("\"loop\"") && workflow.contains("<DbResult<u8>as"), "{workflow}");
}

#[test]
fn the_sdk_may_have_another_name() {
    let code = "async fn w(cx: durable::WorkflowContext) -> durable::Result<()> { Ok(()) }";
    let workflow = written(workflow::expand, "name = \"x\", crate = durable", code);
    assert!(workflow.contains("durable::WorkflowDefinitionforw") && workflow.contains("\"x\""), "{workflow}");
    assert!(!workflow.contains("tenure_sdk"), "{workflow}");
}
