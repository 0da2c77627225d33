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

/// Fields by which a message contains itself, and the types of `tenure_api::nested` that they have instead.
const NESTED: [(&str, &str, &str); 2] =
    [("temporal.api.failure.v1", "cause", ".tenure.Cause"), ("temporal.api.nexus.v1", "cause", ".tenure.NexusCause")];

/// Gives a field of a package's `Failure` a type that is written by hand.
fn nest(set: &mut prost_types::FileDescriptorSet, package: &str, name: &str, by_hand: &str) {
    let files = set.file.iter_mut().filter(|file| file.package() == package);
    let failures = files.flat_map(|file| &mut file.message_type).filter(|message| message.name() == "Failure");
    let mut fields = failures.flat_map(|message| &mut message.field).filter(|field| field.name() == name);
    fields.next().expect("the field is there").type_name = Some(by_hand.to_owned());
}

/// No type but those of [`NESTED`] contains itself: it would be decoded by recursion, and no deeper than prost allows.
#[test]
fn nothing_else_contains_itself() {
    let boxed = |(name, code): (String, String)| code.contains("boxed::Box<").then_some(name);
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("run with cargo");
    let files: Vec<_> = read(&Path::new(&package).join("src/generated")).into_iter().filter_map(boxed).collect();
    assert!(files.is_empty(), "{files:?}: give the field a type of `tenure_api::nested`");
}

fn generate(folder: &Path) {
    let mut set = prost_types::FileDescriptorSet::decode(tenure_api::DESCRIPTORS).unwrap();
    // Well-known types stay: prost maps them to its own, but looks at them.
    set.file.retain(|file| !file.package().starts_with("google.api"));
    for (message, field, by_hand) in NESTED {
        nest(&mut set, message, field, by_hand);
    }
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        // Who calls the API compiles no servers.
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        // `bytes` so that decoding copies no payload, ordered maps so that encoding is stable.
        .bytes(".")
        .extern_path(".tenure", "crate::nested")
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
