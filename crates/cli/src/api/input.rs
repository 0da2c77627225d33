//! Values that are given on the command line.

use crate::{Usage, show::payload::ENCODING};
use anyhow::Context;
use std::path::PathBuf;
use tenure_api::common::v1::{Payload, Payloads};

/// Arguments of a workflow, signal or query.
#[derive(clap::Args, Default)]
pub(crate) struct Input {
    /// An argument, in JSON; may be given several times. Text has quotes: --input '"Ann"'
    #[arg(long, short, value_name = "JSON")]
    input: Vec<String>,
    /// A file with an argument, in JSON; may be given several times.
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    input_file: Vec<PathBuf>,
}

impl Input {
    /// The arguments as payloads; `None` if there are none.
    pub(crate) fn payloads(&self) -> anyhow::Result<Option<Payloads>> {
        let mut payloads = Vec::new();
        for json in &self.input {
            payloads.push(json_payload(json).map_err(|why| Usage(format!("--input {json} {why}")))?);
        }
        for file in &self.input_file {
            let name = file.display();
            let json = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            payloads.push(json_payload(&json).map_err(|why| Usage(format!("{name} {why}")))?);
        }
        Ok((!payloads.is_empty()).then_some(Payloads { payloads }))
    }
}

/// A payload of JSON, as it is written.
pub(crate) fn json_payload(json: &str) -> Result<Payload, String> {
    let json = json.trim();
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(json) {
        return Err(format!("is not JSON ({error}); text has quotes: '\"text\"'"));
    }
    let metadata = [(ENCODING.to_owned(), "json/plain".into())].into();
    Ok(Payload { metadata, data: json.to_owned().into(), ..Default::default() })
}

/// Reads `KEY=VALUE`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_json() {
        let input = |json: &str| Input { input: vec![json.to_owned()], ..Default::default() }.payloads();
        let payload = input(" {\"a\": 1.10} ").unwrap().unwrap().payloads.remove(0);
        assert_eq!((payload.data, payload.metadata[ENCODING].as_ref()), ("{\"a\": 1.10}".into(), &b"json/plain"[..]));
        let error = input("Ann").unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("text has quotes"), "{error}");
        assert_eq!(Input::default().payloads().unwrap(), None);
    }
}
