//! What the server tells beside its answers, to those who ask for it: both go by metadata, so that the API stays what it is.

use tonic::metadata::MetadataMap;

/// The header that asks, with the value 1.
pub(crate) const ASK: &str = "tenure-explain";

const TOLD: &str = "tenure-plan-bin";

/// The text that an answer carries.
pub(crate) fn told(metadata: &MetadataMap) -> Option<String> {
    let text = metadata.get_bin(TOLD)?.to_bytes().ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::metadata::MetadataValue;

    #[test]
    fn a_text_is_read_from_metadata() {
        let mut metadata = MetadataMap::new();
        assert_eq!(told(&metadata), None);
        metadata.insert_bin(TOLD, MetadataValue::from_bytes(b"shard 1: index on WorkflowType\nshard 2: scan"));
        assert_eq!(told(&metadata).unwrap(), "shard 1: index on WorkflowType\nshard 2: scan");
    }
}
