//! Why a workflow command cannot be applied.

use tenure_api::enums::v1::WorkflowTaskFailedCause as Cause;

/// A command that cannot be applied: the whole completion is forgotten and its workflow task fails with this cause.
#[derive(Debug)]
pub(crate) struct BadCommand {
    pub(crate) cause: Cause,
    /// What is wrong; the message has it after the cause's name.
    pub(crate) detail: Option<String>,
    /// Whether the run is terminated as well, because trying again would bring the same.
    pub(crate) terminates: bool,
}

impl BadCommand {
    pub(crate) fn new(cause: Cause, detail: impl Into<String>) -> Self {
        BadCommand { cause, detail: Some(detail.into()), terminates: false }
    }

    /// An error whose cause says it all.
    pub(crate) fn bare(cause: Cause) -> Self {
        BadCommand { cause, detail: None, terminates: false }
    }

    /// The same error, with the run terminated too.
    #[must_use]
    pub(crate) fn terminating(self) -> Self {
        BadCommand { terminates: true, ..self }
    }

    /// The message that the worker gets and that history shows.
    pub(crate) fn message(&self) -> String {
        let name = cause_name(self.cause);
        match &self.detail {
            Some(detail) => format!("{name}: {detail}"),
            None => name,
        }
    }
}

/// The name of a cause as the reference server's messages spell it: `BadStartTimerAttributes`.
pub(crate) fn cause_name(cause: Cause) -> String {
    let name = cause.as_str_name().trim_start_matches("WORKFLOW_TASK_FAILED_CAUSE_");
    name.split('_').map(|word| format!("{}{}", &word[..1], word[1..].to_ascii_lowercase())).collect()
}
