//! Generates the API's messages, and with the feature `grpc` its clients and servers.

use prost::Message;
use std::{env, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut set = prost_types::FileDescriptorSet::decode(tenure_api_descriptors::DESCRIPTORS)?;
    set.file.retain(|file| {
        let package = file.package();
        package.starts_with("temporal.api.") && !package.starts_with("temporal.api.cloud")
            || package.starts_with("google.api")
            || package.starts_with("google.protobuf")
    });
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), set.encode_to_vec())?;
    // Well-known types stay: prost maps them to its own, but looks at them.
    set.file.retain(|file| !file.package().starts_with("google.api"));

    let grpc = env::var_os("CARGO_FEATURE_GRPC").is_some();
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .build_client(grpc)
        .build_server(grpc)
        // `bytes` so that decoding copies no payload, ordered maps so that encoding is stable.
        .bytes(".")
        .btree_map(".")
        .include_file("temporal.rs")
        .compile_fds_with_config(set, config)?;
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}
