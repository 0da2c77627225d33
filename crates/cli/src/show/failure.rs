//! Failures as one line: what happened, and what it came from.

use tenure_api::failure::v1::Failure as Proto;
use tenure_client::{DataConverter, Failure};

/// The chain of a failure from its outside to its cause, with the type of the innermost one.
pub(crate) fn line(failure: Option<&Proto>) -> String {
    let Some(failure) = failure else { return String::new() };
    let failure = Failure::from_proto(failure.clone(), &DataConverter::default());
    match failure.root().application_type() {
        Some(kind) if !kind.is_empty() => format!("{failure} ({kind})"),
        _ => failure.to_string(),
    }
}
