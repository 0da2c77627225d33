//! Errors of an application's own: how they become failures, and keep the kind of the failures in them.

use crate::failure::{Application, Failure, FailureData, FailureKind, Link, MAX_CAUSES, chained};
use std::{error::Error, fmt, iter::successors};

/// An error of an application's own that says what callers and retry policies match on: `#[derive(ApplicationError)]`
/// gives each variant of an enum its name as its type.
///
/// A workflow, an activity or a handler that returns such an error fails with that type. (`?` into a [`Failure`] does not
/// know of it: there, the type is the error's type name; [`Failure::of`] is the way.)
///
/// ```
/// use tenure_client::{ApplicationError, Failure};
///
/// #[derive(Debug, thiserror::Error)]
/// enum ChargeError {
///     #[error("the card was declined")]
///     Declined,
///     #[error(transparent)]
///     Other(#[from] Failure),
/// }
///
/// // What the derive writes:
/// impl ApplicationError for ChargeError {
///     fn failure_type(&self) -> &str {
///         match self {
///             ChargeError::Declined => "Declined",
///             ChargeError::Other(_) => "Other",
///         }
///     }
///
///     fn is_retryable(&self) -> bool {
///         !matches!(self, ChargeError::Declined)
///     }
/// }
///
/// let failure = Failure::of(ChargeError::Declined);
/// assert_eq!((failure.application_type(), failure.is_retryable()), (Some("Declined"), false));
/// // A failure that it carries stays what it is.
/// assert!(Failure::of(ChargeError::Other(Failure::cancelled("stop"))).is_cancelled());
/// ```
pub trait ApplicationError: Error {
    /// What retry policies and callers match on.
    fn failure_type(&self) -> &str;

    /// Whether a retry policy may try again after it.
    fn is_retryable(&self) -> bool {
        true
    }
}

impl Failure {
    /// The failure that an error of the application's own stands for.
    pub fn of(error: impl ApplicationError + 'static) -> Self {
        let application = Application {
            r#type: error.failure_type().to_owned(),
            non_retryable: !error.is_retryable(),
            ..Application::default()
        };
        of_error(&error, application, Prefer::Own)
    }

    /// The failure that an error of unknown type stands for: the one in it, if there is one, or one of the type `Error`.
    pub fn of_dyn(error: &(dyn Error + 'static)) -> Self {
        let application = Application { r#type: "Error".to_owned(), ..Application::default() };
        of_error(error, application, Prefer::Found)
    }

    /// Lets a `thiserror` enum have a failure as its source, as if it were a `std::error::Error`.
    #[doc(hidden)]
    pub fn as_dyn_error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let r#type = short_name(std::any::type_name::<E>()).to_owned();
        of_error(&error, Application { r#type, ..Application::default() }, Prefer::Found)
    }
}

/// Whose type and retryability count, if an error and the failure in it both have one.
#[derive(Clone, Copy, PartialEq)]
enum Prefer {
    Own,
    Found,
}

fn of_error(error: &(dyn Error + 'static), mut application: Application, prefer: Prefer) -> Failure {
    let message = error.to_string();
    let Some(found) = successors(Some(error), |&error| error.source()).take(MAX_CAUSES).find_map(failure_in) else {
        let sources = successors(error.source(), |&error| error.source());
        let causes = chained(sources.take(MAX_CAUSES).map(Failure::msg).collect(), None);
        let mut failure = Failure::new(FailureKind::Application(application), message);
        failure.cause = causes;
        return failure;
    };
    // The error says nothing of its own.
    if found.kind == FailureKind::ContinueAsNew || message == found.to_string() {
        return found;
    }
    if found.is_cancelled() {
        return Failure::cancelled(message).caused_by(found);
    }
    if prefer == Prefer::Found {
        match &found.kind {
            FailureKind::Application(inner) => application = Application { details: Vec::new(), ..inner.clone() },
            _ => application.non_retryable = !found.is_retryable(),
        }
    }
    Failure::new(FailureKind::Application(application), message).caused_by(found)
}

/// The failure that an error is, without its sources.
fn failure_in(error: &(dyn Error + 'static)) -> Option<Failure> {
    let data = error.downcast_ref::<Link>().map(|link| &link.0).or_else(|| error.downcast_ref::<FailureData>())?;
    Some(Failure::with(data.clone()))
}

/// The type's own name, without path and parameters.
fn short_name(name: &str) -> &str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

impl fmt::Display for FailureData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Failure::with(self.clone()), f)
    }
}

impl fmt::Debug for FailureData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Failure::with(self.clone()), f)
    }
}

impl Error for FailureData {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(Failure::as_dyn_error)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl From<Failure> for Box<dyn Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

#[cfg(feature = "anyhow")]
impl From<Failure> for anyhow::Error {
    fn from(failure: Failure) -> Self {
        anyhow::Error::from_boxed(failure.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum OrderError {
        #[error("declined")]
        Declined,
        #[error("{0}")]
        Shown(#[from] Failure),
        #[error(transparent)]
        Transparent(Failure),
        #[error("step {step} failed")]
        Step {
            step: u8,
            #[source]
            source: Failure,
        },
    }

    fn ways(failure: &Failure) -> [Failure; 3] {
        let boxed = || -> Box<dyn Error + Send + Sync> { failure.clone().into() };
        [
            OrderError::Shown(failure.clone()).into(),
            OrderError::Transparent(failure.clone()).into(),
            Failure::of_dyn(&*boxed()),
        ]
    }

    #[test]
    fn a_failure_in_an_error_keeps_its_kind() {
        let activity = Failure::timeout(crate::TimeoutType::Heartbeat, "late").caused_by(Failure::msg("x"));
        let never = Failure::application("Declined", "no money").non_retryable().detail(7u32);
        let next = Failure::new(FailureKind::ContinueAsNew, "next");
        for failure in [Failure::cancelled("stop"), activity, never, next] {
            for kept in ways(&failure) {
                assert_eq!(kept, failure);
            }
        }
    }

    #[test]
    fn an_error_with_words_of_its_own_says_them_and_is_of_the_same_kind() {
        let step = |source| Failure::from(OrderError::Step { step: 3, source });
        assert!(step(Failure::cancelled("stop")).is_cancelled());
        let declined = step(Failure::application("Declined", "no money").non_retryable());
        assert_eq!(declined.to_string(), "step 3 failed: no money");
        assert_eq!((declined.application_type(), declined.is_retryable()), (Some("Declined"), false));
        let late = step(Failure::timeout(crate::TimeoutType::StartToClose, "late"));
        assert_eq!((late.application_type(), late.is_retryable()), (Some("OrderError"), true));
        assert!(late.timed_out().is_some());
    }

    #[test]
    fn an_error_without_a_failure_is_of_its_own_type() {
        let failure = Failure::from(OrderError::Declined);
        assert_eq!((failure.application_type(), failure.is_retryable()), (Some("OrderError"), true));
    }

    #[test]
    fn results_are_small() {
        assert_eq!(size_of::<Result<(), Failure>>(), size_of::<usize>());
    }
}
