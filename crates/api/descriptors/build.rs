//! Hands the path of the descriptor set that `temporalio-protos` publishes to the program's source.

fn main() {
    let published = std::env::var("DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH")
        .expect("temporalio-protos publishes the path of its descriptor set");
    println!("cargo:rustc-env=PUBLISHED={published}");
    println!("cargo:rerun-if-changed={published}");
}
