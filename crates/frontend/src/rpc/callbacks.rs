//! Callbacks that requests carry: which of them could be called at all. None can be yet, since no addresses are
//! configured; that of the server itself is for Nexus operations, and is refused by name where it would be kept.

use tenure_api::{
    common::v1::{Callback, callback::Variant},
    error::{ApiError, Code},
};

const LONGEST_URL: usize = 1000;
/// The address by which the server calls itself.
const SYSTEM: &str = "temporal://system";

pub(super) fn check(callbacks: &[Callback]) -> Result<(), ApiError> {
    callbacks.iter().try_for_each(|callback| match &callback.variant {
        Some(Variant::Nexus(nexus)) => check_url(&nexus.url),
        Some(Variant::Internal(_)) => {
            Err(ApiError::invalid_argument("unsupported callback variant: *common.Callback_Internal_"))
        }
        Some(Variant::NexusHandler(_)) => Err(ApiError::unimplemented("Callback.nexus_handler")),
        None => Err(ApiError::new(Code::Unimplemented, "unknown callback variant: <nil>")),
    })
}

fn check_url(url: &str) -> Result<(), ApiError> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let wrong = match scheme.to_ascii_lowercase().as_str() {
        _ if url.len() > LONGEST_URL => format!("url length longer than max length allowed of {LONGEST_URL}"),
        _ if url == SYSTEM => return Ok(()),
        "http" | "https" if rest.split(['/', '?', '#']).next().is_none_or(str::is_empty) => "missing host".into(),
        "http" | "https" => format!("url does not match any configured callback address: {url}"),
        _ => format!("unknown scheme: {url}"),
    };
    Err(ApiError::invalid_argument(format!("invalid url: {wrong}")))
}
