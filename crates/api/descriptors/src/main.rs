//! Writes the descriptor set of the Temporal API, of what `temporalio-protos` publishes, to standard output.

use prost::Message;
use std::io::Write;

const PUBLISHED: &[u8] = include_bytes!(env!("PUBLISHED"));

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut set = prost_types::FileDescriptorSet::decode(PUBLISHED)?;
    set.file.retain(|file| {
        let package = file.package();
        package.starts_with("temporal.api.") && !package.starts_with("temporal.api.cloud")
            || package.starts_with("google.api")
            || package.starts_with("google.protobuf")
    });
    std::io::stdout().write_all(&set.encode_to_vec())?;
    Ok(())
}
