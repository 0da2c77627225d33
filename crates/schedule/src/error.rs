//! Why a spec is refused, in the reference server's words where it has some.

/// Why a spec is refused, or its times are; to the client it is INVALID_ARGUMENT, and `Display` is the whole message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// What the spec says is no spec.
    #[error("Invalid schedule spec: {0}")]
    Invalid(String),
    /// The next time is further to seek than `SCHEDULE_SEARCH` allows, behind times that are excluded one by one.
    #[error("the schedule calendar specification has too many exclusions. Please modify the specification.")]
    TooManyExclusions,
}

/// Bytes of a message, which may repeat what a spec says, and goes in the headers of a response.
const LONGEST: usize = 1_000;

impl SpecError {
    pub(crate) fn invalid(reason: impl Into<String>) -> SpecError {
        let mut problems = Problems::default();
        problems.add(&reason.into());
        SpecError::Invalid(problems.0)
    }
}

/// Problems of one part of a spec, which are told together.
#[derive(Default)]
pub(crate) struct Problems(String);

impl Problems {
    pub(crate) fn add(&mut self, problem: &str) {
        if self.0.len() >= LONGEST {
            return;
        }
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        self.0.push_str(problem);
        if self.0.len() > LONGEST {
            let end = self.0.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST).last();
            self.0.truncate(end.unwrap_or_default());
            self.0.push_str("...");
        }
    }

    /// Refuses the part if it has any problem, with all of them behind `prefix`.
    pub(crate) fn refuse(self, prefix: &str) -> Result<(), SpecError> {
        if self.0.is_empty() { Ok(()) } else { Err(SpecError::Invalid(format!("{prefix}{}", self.0))) }
    }
}
