//! What is sent along with each call: keys, tenants, traces.

use crate::error::ClientError;
use std::{fmt, sync::Arc};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};

/// A call that is about to be sent.
pub struct Outgoing<'a> {
    pub(crate) method: &'static str,
    pub(crate) metadata: &'a mut MetadataMap,
}

impl Outgoing<'_> {
    /// The method of the API, as in `start_workflow_execution`.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Sets a header, in lower case and ASCII.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), ClientError> {
        let (name, value) = header(name, value)?;
        self.metadata.insert(name, value);
        Ok(())
    }
}

type Interceptor = dyn Fn(&mut Outgoing<'_>) -> Result<(), ClientError> + Send + Sync;

/// Headers that never change, and functions that look at each call, in this order.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    headers: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
    interceptors: Vec<Arc<Interceptor>>,
}

impl Extras {
    pub(crate) fn header(&mut self, name: &str, value: &str) -> Result<(), ClientError> {
        self.headers.push(header(name, value)?);
        Ok(())
    }

    pub(crate) fn intercept(&mut self, interceptor: Arc<Interceptor>) {
        self.interceptors.push(interceptor);
    }

    pub(crate) fn apply(&self, method: &'static str, metadata: &mut MetadataMap) -> Result<(), ClientError> {
        for (name, value) in &self.headers {
            metadata.insert(name.clone(), value.clone());
        }
        let mut call = Outgoing { method, metadata };
        self.interceptors.iter().try_for_each(|interceptor| interceptor(&mut call))
    }
}

/// Values may be secret.
impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.headers.iter().map(|(name, _)| name.as_str())).finish()
    }
}

fn header(name: &str, value: &str) -> Result<(AsciiMetadataKey, AsciiMetadataValue), ClientError> {
    let key = name.parse().map_err(|_| ClientError::Invalid(format!("{name:?} cannot be the name of a header")))?;
    // The value may be secret.
    let mut value: AsciiMetadataValue =
        value.parse().map_err(|_| ClientError::Invalid(format!("the value of the header {name:?} is not ASCII")))?;
    value.set_sensitive(true);
    Ok((key, value))
}
