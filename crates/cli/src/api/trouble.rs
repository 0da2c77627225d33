//! Errors of the API for people: what happened, and what to do about it.

use crate::show::text::clean;
use std::{error::Error, fmt};
use tenure_client::ClientError;
use tonic::{Code, Status, TimeoutExpired};

/// A call that failed.
#[derive(Debug)]
struct Trouble {
    cause: String,
    advice: Option<String>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        self.advice.iter().try_for_each(|advice| write!(f, "\n  {advice}"))
    }
}

impl Error for Trouble {}

/// The error with its advice, if there is any to give.
pub(crate) fn explain(error: ClientError, namespace: &str) -> anyhow::Error {
    let (cause, advice) = match &error {
        ClientError::Unreachable { addresses, seconds, last } => unreachable(addresses, *seconds, last),
        ClientError::Status(status) => (said(status), advice(&error, status, namespace)),
        _ => (clean(&error.to_string()).into_owned(), None),
    };
    Trouble { cause, advice }.into()
}

/// What a server said, with the code by its name in the API.
fn said(status: &Status) -> String {
    let message = if status.message().is_empty() { status.code().description() } else { status.message() };
    format!("{} ({})", clean(message), name(status.code()))
}

fn unreachable(addresses: &str, seconds: u64, last: &Status) -> (String, Option<String>) {
    let addresses = clean(addresses);
    let (cause, advice) = match last.source() {
        // Without a source a server has said it.
        None => (format!("no answer from {addresses} within {seconds} s: {}", said(last)), None),
        // The time is over here, or a moment sooner there: then the server gives up the stream.
        Some(broken) if last.code() == Code::Cancelled || chain(broken).any(|error| error.is::<TimeoutExpired>()) => {
            let advice =
                "--timeout gives it longer; a query waits for a worker, and `tenure task-queue describe` shows them";
            (format!("no answer from {addresses} within {seconds} s"), Some(advice))
        }
        Some(broken) => {
            let advice = "is one running there? --address or TENURE_ADDRESS name others (gRPC, by default port 7233), \
                `tenure server start-dev` starts one";
            (format!("no server answers at {addresses}: {}", clean(&root_cause(broken))), Some(advice))
        }
    };
    (cause, advice.map(str::to_owned))
}

/// The error of a server that does not even know what it would say of itself.
pub(crate) fn not_the_api(addresses: &str) -> anyhow::Error {
    let cause = format!("what listens at {} does not speak the API", clean(addresses));
    let advice = "gRPC is at port 7233 by default; 7234 is for peers and `tenure cluster`, 8233 for HTTP".to_owned();
    Trouble { cause, advice: Some(advice) }.into()
}

fn advice(error: &ClientError, status: &Status, namespace: &str) -> Option<String> {
    let advice = match status.code() {
        _ if error.is_namespace_not_found() => {
            format!("`tenure namespace list` shows what there is, `tenure namespace create {namespace}` makes it")
        }
        Code::NotFound if is_of_schedule(status.message()) => {
            "`tenure schedule list` shows what there is; --namespace names another namespace".to_owned()
        }
        Code::NotFound if status.message().starts_with("Worker ") => {
            "`tenure worker list` shows what there is; one that has been silent for five minutes is forgotten"
                .to_owned()
        }
        Code::NotFound if status.message().contains("not found") => {
            "`tenure workflow list` shows what there is; --namespace names another namespace".to_owned()
        }
        Code::Unimplemented => "this server cannot do that; newer ones may".to_owned(),
        Code::PermissionDenied | Code::Unauthenticated => "the server does not let you".to_owned(),
        _ => return None,
    };
    Some(clean(&advice).into_owned())
}

/// Whether it is a schedule that was not found; the reference server keeps them as workflows.
fn is_of_schedule(message: &str) -> bool {
    message.starts_with("schedule") || message.contains(" temporal-sys-scheduler:")
}

/// `NotFound` as `NOT_FOUND`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// tonic's transport errors say "transport error"; what happened is at the bottom of the chain.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or_else(String::new, ToString::to_string)
}

/// An error and what it came from.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(error: impl Into<ClientError>, expected: Expect) {
        expected.assert_eq(&format!("{:#}", explain(error.into(), "shop")));
    }

    #[test]
    fn errors_name_their_cause_and_what_to_do() {
        check(
            Status::not_found("workflow execution already completed"),
            expect!["workflow execution already completed (NOT_FOUND)"],
        );
        check(
            Status::not_found("workflow not found for ID: a\x1b[31m"),
            expect![[r#"
            workflow not found for ID: a\u{1b}[31m (NOT_FOUND)
              `tenure workflow list` shows what there is; --namespace names another namespace"#]],
        );
        check(
            Status::unimplemented("DeleteNamespace is not implemented"),
            expect![[r#"
            DeleteNamespace is not implemented (UNIMPLEMENTED)
              this server cannot do that; newer ones may"#]],
        );
        check(Status::invalid_argument("invalid query"), expect!["invalid query (INVALID_ARGUMENT)"]);
        let refused = std::io::Error::other("Connection refused (os error 111)");
        let last = Status::from_error(Box::new(refused));
        check(
            ClientError::Unreachable { addresses: "a:1, b:2".to_owned(), seconds: 3, last },
            expect![[r#"
            no server answers at a:1, b:2: Connection refused (os error 111)
              is one running there? --address or TENURE_ADDRESS name others (gRPC, by default port 7233), `tenure server start-dev` starts one"#]],
        );
        let last = Status::from_error(Box::new(TimeoutExpired(())));
        check(
            ClientError::Unreachable { addresses: "a:1".to_owned(), seconds: 3, last },
            expect![[r#"
            no answer from a:1 within 3 s
              --timeout gives it longer; a query waits for a worker, and `tenure task-queue describe` shows them"#]],
        );
        let mut last = Status::cancelled("h2 protocol error");
        last.set_source(std::sync::Arc::new(std::io::Error::other("stream no longer needed")));
        check(
            ClientError::Unreachable { addresses: "a:1".to_owned(), seconds: 3, last },
            expect![[r#"
            no answer from a:1 within 3 s
              --timeout gives it longer; a query waits for a worker, and `tenure task-queue describe` shows them"#]],
        );
        let last = Status::unavailable("shard 3 has no leader");
        check(
            ClientError::Unreachable { addresses: "a:1".to_owned(), seconds: 30, last },
            expect!["no answer from a:1 within 30 s: shard 3 has no leader (UNAVAILABLE)"],
        );
    }
}
