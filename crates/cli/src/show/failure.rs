//! Failures as one line: what happened, and what it came from.

use super::text::shorten;
use tenure_api::failure::v1::Failure as Proto;
use tenure_client::{DataConverter, Failure};

/// How many characters of it a table shows.
const BRIEF: usize = 400;

/// The chain of a failure from its outside to its cause, with the type of the innermost one; cut where it is long.
pub(crate) fn line(failure: Option<&Proto>) -> String {
    let Some(failure) = failure else { return String::new() };
    let failure = Failure::from_proto(failure.clone(), &DataConverter::default());
    let chain = failure.to_string();
    let chain = shorten(&chain, BRIEF);
    match failure.root().application_type() {
        Some(kind) if !kind.is_empty() => format!("{chain} ({kind})"),
        _ => chain.into_owned(),
    }
}
