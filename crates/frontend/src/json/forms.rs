//! The forms of JSON that a client may ask for, in its `Accept` header or by a parameter of its query, and send, by its
//! `Content-Type`: `application/json`, with `+pretty`, with `+no-payload-shorthand`, or with both.
//!
//! The official UI's pages ask for none and read payloads in full, which their own server gives them: they are known by
//! the header with which they say who they are.

use super::query::{NO_SHORTHAND, PRETTY};
use http::{HeaderMap, HeaderValue, header, request::Parts};

/// How a response is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) shorthand: bool,
    pub(super) pretty: bool,
}

/// The header by which the official UI's pages are known.
const CALLER_TYPE: &str = "caller-type";

const FORMS: [(&str, Form); 4] = [
    ("application/json", Form { shorthand: true, pretty: false }),
    ("application/json+pretty", Form { shorthand: true, pretty: true }),
    ("application/json+no-payload-shorthand", Form { shorthand: false, pretty: false }),
    ("application/json+pretty+no-payload-shorthand", Form { shorthand: false, pretty: true }),
];

impl Form {
    /// The form that a request asks for: by its query, or else by the first in its header that is known.
    pub(super) fn of(head: &Parts) -> Form {
        let query = head.uri.query().unwrap_or_default();
        let names: Vec<_> = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).collect();
        let named = |name: &str| names.iter().any(|given| given == name);
        let (pretty, no_shorthand) = (named(PRETTY), named(NO_SHORTHAND));
        if pretty || no_shorthand {
            return Form { shorthand: !no_shorthand, pretty };
        }
        let accepted = head.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let usual = Form { shorthand: !head.headers.contains_key(CALLER_TYPE), pretty: false };
        accepted.flat_map(|value| value.split(',')).find_map(known).unwrap_or(usual)
    }

    /// Whether a body says that its payloads are in full.
    pub(super) fn without_shorthand(headers: &HeaderMap) -> bool {
        content_type(headers).and_then(known).is_some_and(|form| !form.shorthand)
    }

    /// Whether a body says that it is JSON.
    pub(super) fn is_json(headers: &HeaderMap) -> bool {
        content_type(headers).and_then(known).is_some()
    }

    pub(super) fn content_type(self) -> HeaderValue {
        let form = FORMS.iter().find(|(_, form)| *form == self);
        HeaderValue::from_static(form.map_or(FORMS[0].0, |(name, _)| *name))
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

/// A form by its name, whatever parameters follow.
fn known(media: &str) -> Option<Form> {
    let name = media.split(';').next().unwrap_or_default().trim();
    FORMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, form)| *form)
}
