//! Compiles our own protocols with protox; no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../../proto");
    let set = protox::compile(["tenure/peer/v1/peer.proto", "tenure/admin/v1/admin.proto"], ["../../proto"])?;
    tonic_prost_build::configure().bytes(".").compile_fds(set)?;
    Ok(())
}
