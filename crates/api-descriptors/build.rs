//! Hands the path of the descriptor set that `temporalio-protos` publishes to the crate's source.

use std::{env, fs, path::PathBuf};

fn main() {
    let published = env::var("DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH")
        .expect("temporalio-protos publishes the path of its descriptor set");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy(&published, out.join("descriptors.bin")).expect("the published descriptor set can be copied");
    println!("cargo:rerun-if-changed={published}");
}
