//! The Rust code of the API is checked in, so that nobody who uses it has to generate it. It is what the descriptors
//! say: `scripts/generate` writes it again.

use prost::Message;
use std::{collections::BTreeMap, fs, path::Path};

/// The code, by file name.
fn read(folder: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn generate(folder: &Path) {
    let mut set = prost_types::FileDescriptorSet::decode(tenure_api::DESCRIPTORS).unwrap();
    // Well-known types stay: prost maps them to its own, but looks at them.
    set.file.retain(|file| !file.package().starts_with("google.api"));
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        // Who calls the API compiles no servers.
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        // `bytes` so that decoding copies no payload, ordered maps so that encoding is stable.
        .bytes(".")
        .btree_map(".")
        .include_file("mod.rs")
        .out_dir(folder)
        .compile_fds_with_config(set, config)
        .unwrap();
}

#[test]
fn the_code_is_what_the_descriptors_say() {
    // At run time: checkouts share a target directory.
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("run with cargo");
    let checked_in = Path::new(&package).join("src/generated");
    if std::env::var_os("TENURE_GENERATE").is_some() {
        fs::remove_dir_all(&checked_in).unwrap();
        fs::create_dir_all(&checked_in).unwrap();
        return generate(&checked_in);
    }
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path());
    let (fresh, checked_in) = (read(fresh.path()), read(&checked_in));
    let differ: Vec<_> = fresh.iter().filter(|(name, code)| checked_in.get(*name) != Some(code)).collect();
    assert!(differ.is_empty(), "stale: {:?}; run scripts/generate", differ.iter().map(|it| it.0).collect::<Vec<_>>());
    assert_eq!(fresh.len(), checked_in.len(), "files that nothing generates: run scripts/generate");
}
