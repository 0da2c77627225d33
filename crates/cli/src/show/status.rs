//! The API's enums as words, and the colours of statuses.

use super::{style::Tone, table::Cell};
use tenure_api::enums::v1::WorkflowExecutionStatus as Status;

/// The name of an enum's value without the enum's own: `WORKFLOW_EXECUTION_STATUS_TIMED_OUT` is `TimedOut`.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect::<String>()
    };
    name.strip_prefix(prefix).unwrap_or(name).split('_').map(capital).collect()
}

/// A workflow's status, as filters spell it.
pub(crate) fn of_workflow(status: Status) -> Cell {
    let name = word(status.as_str_name(), "WORKFLOW_EXECUTION_STATUS_");
    match tone(status) {
        Some(tone) => Cell::toned(name, tone),
        None => name.into(),
    }
}

fn tone(status: Status) -> Option<Tone> {
    match status {
        Status::Running => Some(Tone::Live),
        Status::Completed => Some(Tone::Good),
        Status::Failed | Status::TimedOut | Status::Terminated => Some(Tone::Bad),
        Status::Canceled | Status::ContinuedAsNew | Status::Paused | Status::Unspecified => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_those_of_filters() {
        let word = |name| super::word(name, "WORKFLOW_EXECUTION_STATUS_");
        assert_eq!(word("WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW"), "ContinuedAsNew");
        assert_eq!(word("SOMETHING_ELSE"), "SomethingElse");
    }
}
