//! Writes the descriptor set of the Temporal API, of the definitions that `temporalio-protos` brings, to standard output.
//!
//! Files are passed on as the bytes that the compiler wrote: as decoded messages they would lose what they say in
//! extensions, such as the HTTP paths of methods.

use prost::{
    Message,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field},
};
use prost_types::FileDescriptorProto;
use std::{
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// What nothing else imports.
const FILES: [&str; 6] = [
    "temporal/api/sdk/v1/workflow_metadata.proto",
    "temporal/api/workflowservice/v1/service.proto",
    "temporal/api/nexusservices/workerservice/v1/request_response.proto",
    "temporal/api/operatorservice/v1/service.proto",
    "temporal/api/errordetails/v1/message.proto",
    "temporal/api/testservice/v1/service.proto",
];

/// The number of the field of a `FileDescriptorSet` that holds a file.
const FILE: u32 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let protos = definitions()?;
    let mut compiler = protox::Compiler::new(["api_upstream", "testsrv_upstream", ""].map(|folder| protos.join(folder)))?;
    compiler.include_imports(true).include_source_info(true);
    for file in FILES {
        compiler.open_file(file)?;
    }
    let compiled = compiler.encode_file_descriptor_set();
    std::io::stdout().write_all(&needed(&compiled)?)?;
    Ok(())
}

/// The folder of the definitions.
fn definitions() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = Command::new(std::env::var_os("CARGO").ok_or("run with cargo")?)
        .args(["metadata", "--locked", "--format-version=1", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let package = packages.iter().find(|package| package["name"] == "temporalio-protos").ok_or("it is not there")?;
    let manifest = Path::new(package["manifest_path"].as_str().ok_or("no path")?);
    Ok(manifest.with_file_name("protos"))
}

/// The files of a set that belong to the API, or are imported by those that do.
fn needed(mut set: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut kept = Vec::new();
    while set.has_remaining() {
        let (number, wire) = decode_key(&mut set)?;
        if (number, wire) != (FILE, WireType::LengthDelimited) {
            skip_field(wire, number, &mut set, DecodeContext::default())?;
            continue;
        }
        let length = decode_varint(&mut set)? as usize;
        let (file, rest) = set.split_at_checked(length).ok_or("a file is cut off")?;
        set = rest;
        let package = FileDescriptorProto::decode(file)?.package().to_owned();
        if ["temporal.api", "google.api", "google.protobuf", "nexusannotations"].iter().any(|known| package.starts_with(known)) {
            encode_key(FILE, WireType::LengthDelimited, &mut kept);
            encode_varint(file.len() as u64, &mut kept);
            kept.extend_from_slice(file);
        }
    }
    Ok(kept)
}
