//! The Rust code of the API is checked in, so that nobody who uses it has to generate it. It is what the descriptors
//! say: `scripts/generate` writes it again.

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};
use protox::{
    Compiler,
    file::{ChainFileResolver, DescriptorSetFileResolver, GoogleFileResolver, IncludeFileResolver},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

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
    [("temporal.api.failure.v1", "cause", ".nested.Cause"), ("temporal.api.nexus.v1", "cause", ".nested.NexusCause")];

/// Gives a field of a package's `Failure` a type that is written by hand.
fn nest(set: &mut FileDescriptorSet, package: &str, name: &str, by_hand: &str) {
    let files = set.file.iter_mut().filter(|file| file.package() == package);
    let failures = files.flat_map(|file| &mut file.message_type).filter(|message| message.name() == "Failure");
    let mut fields = failures.flat_map(|message| &mut message.field).filter(|field| field.name() == name);
    fields.next().expect("the field is there").type_name = Some(by_hand.to_owned());
}

/// The package of the messages whose history stays encoded.
const ENCODED: &str = "encoded";

const SERVICE: &str = ".temporal.api.workflowservice.v1.";
const HISTORY: &str = ".temporal.api.history.v1.History";

/// The service's messages that hold a history, or one that does, once more in a package of their own: the same on the
/// wire, but history is bytes.
fn encoded(set: &FileDescriptorSet) -> FileDescriptorProto {
    let mut files = set.file.iter().filter(|file| SERVICE == format!(".{}.", file.package()));
    let file = files.find(|file| !file.message_type.is_empty()).expect("the file is there");
    let holding = holding_history(&file.message_type);
    let mut messages = file.message_type.clone();
    messages.retain(|message| holding.contains(message.name()));
    messages.iter_mut().for_each(|message| encode_history(message, &holding));
    FileDescriptorProto {
        name: Some(format!("{ENCODED}.proto")),
        package: Some(ENCODED.to_owned()),
        message_type: messages,
        syntax: file.syntax.clone(),
        ..Default::default()
    }
}

/// The names of those among the service's messages that hold a history, however deep.
fn holding_history(messages: &[DescriptorProto]) -> BTreeSet<String> {
    fn holds(message: &DescriptorProto, holding: &BTreeSet<String>) -> bool {
        let mut fields = message.field.iter().map(|field| field.type_name());
        fields.any(|name| name == HISTORY || in_service(name).is_some_and(|message| holding.contains(message)))
            || message.nested_type.iter().any(|message| holds(message, holding))
    }
    let mut holding = BTreeSet::new();
    loop {
        let known = holding.len();
        let found: Vec<_> = messages.iter().filter(|message| holds(message, &holding)).collect();
        holding.extend(found.into_iter().map(|message| message.name().to_owned()));
        if holding.len() == known {
            return holding;
        }
    }
}

/// The message of the service that a type is, or is nested in.
fn in_service(type_name: &str) -> Option<&str> {
    type_name.strip_prefix(SERVICE)?.split('.').next()
}

/// Makes fields that are a history bytes, and has the others refer to the messages of the package.
fn encode_history(message: &mut DescriptorProto, holding: &BTreeSet<String>) {
    message.nested_type.iter_mut().for_each(|message| encode_history(message, holding));
    for field in &mut message.field {
        if field.type_name() == HISTORY {
            field.set_type(Type::Bytes);
            field.type_name = None;
            // A history without events is not the same as none.
            field.proto3_optional = Some(true);
        } else if in_service(field.type_name()).is_some_and(|message| holding.contains(message)) {
            field.type_name = Some(field.type_name().replacen(SERVICE, &format!(".{ENCODED}."), 1));
        }
    }
}

/// No type but those of [`NESTED`] contains itself: it would be decoded by recursion, and no deeper than prost allows.
#[test]
fn nothing_else_contains_itself() {
    let boxed = |(name, code): (String, String)| code.contains("boxed::Box<").then_some(name);
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("run with cargo");
    let files: Vec<_> = read(&Path::new(&package).join("src/generated")).into_iter().filter_map(boxed).collect();
    assert!(files.is_empty(), "{files:?}: give the field a type of `tenure_api::nested`");
}

/// The descriptors of our own API, with the options that say where it is found in HTTP.
fn compile_our_own(package: &Path) -> Vec<u8> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(package.join("../../proto")));
    resolver.add(DescriptorSetFileResolver::decode(tenure_api::TEMPORAL_DESCRIPTORS).unwrap());
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.open_file("tenure/api/v1/service.proto").unwrap();
    compiler.encode_file_descriptor_set()
}

fn generate(folder: &Path, our_own: &[u8]) {
    let mut set = FileDescriptorSet::decode([tenure_api::TEMPORAL_DESCRIPTORS, our_own].concat().as_slice()).unwrap();
    // Well-known types stay: prost maps them to its own, but looks at them.
    set.file
        .retain(|file| !file.package().starts_with("google.api") && !file.package().starts_with("nexusannotations"));
    for (message, field, by_hand) in NESTED {
        nest(&mut set, message, field, by_hand);
    }
    let encoded = encoded(&set);
    set.file.push(encoded);
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        // Who calls the API compiles no servers.
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        // `bytes` so that decoding copies no payload, ordered maps so that encoding is stable.
        .bytes(".")
        .extern_path(".nested", "crate::nested")
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
    let (checked_in, descriptors) =
        ["src/generated", "src/tenure.bin"].map(|path| Path::new(&package).join(path)).into();
    let our_own = compile_our_own(Path::new(&package));
    if std::env::var_os("TENURE_GENERATE").is_some() {
        fs::remove_dir_all(&checked_in).unwrap();
        fs::create_dir_all(&checked_in).unwrap();
        fs::write(descriptors, &our_own).unwrap();
        return generate(&checked_in, &our_own);
    }
    assert!(fs::read(descriptors).unwrap() == our_own, "tenure.bin is stale; run scripts/generate");
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path(), &our_own);
    let (fresh, checked_in) = (read(fresh.path()), read(&checked_in));
    let differ: Vec<_> = fresh.iter().filter(|(name, code)| checked_in.get(*name) != Some(code)).collect();
    assert!(differ.is_empty(), "stale: {:?}; run scripts/generate", differ.iter().map(|it| it.0).collect::<Vec<_>>());
    assert_eq!(fresh.len(), checked_in.len(), "files that nothing generates: run scripts/generate");
}
