//! API messages inside persisted state, and durations between the API's form and Rust's.

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};
use std::{fmt, marker::PhantomData, time::Duration};

/// A message of the API in its encoding: cheap to clone and to persist, decoded where it is read.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Encoded<M> {
    bytes: Bytes,
    #[serde(skip)]
    message: PhantomData<fn() -> M>,
}

impl<M: Message + Default> Encoded<M> {
    pub fn of(message: &M) -> Self {
        Encoded { bytes: message.encode_to_vec().into(), message: PhantomData }
    }

    /// Bytes of the encoding.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn decode(&self) -> M {
        M::decode(self.bytes.clone()).expect("only `Encoded::of` writes these bytes")
    }
}

impl<M> Clone for Encoded<M> {
    fn clone(&self) -> Self {
        Encoded { bytes: self.bytes.clone(), message: PhantomData }
    }
}

impl<M> PartialEq for Encoded<M> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// Bytes equal themselves.
impl<M> Eq for Encoded<M> {}

impl<M: Message + Default + fmt::Debug> fmt::Debug for Encoded<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decode().fmt(f)
    }
}

/// The API's duration is negative, which no option may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("negative duration")]
pub struct NegativeDuration;

/// A duration option of the API; zero and absent both mean "not set".
pub fn optional_duration(duration: Option<&prost_types::Duration>) -> Result<Option<Duration>, NegativeDuration> {
    let Some(d) = duration else { return Ok(None) };
    let seconds = u64::try_from(d.seconds).map_err(|_| NegativeDuration)?;
    let nanos = u64::try_from(d.nanos).map_err(|_| NegativeDuration)?;
    let duration = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos));
    Ok(Some(duration).filter(|d| !d.is_zero()))
}

/// The API's form of a duration, saturating.
pub fn duration_to_proto(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: duration.subsec_nanos() as i32,
    }
}
