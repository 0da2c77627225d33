//! Our own protocols: what nodes say to each other, and what operators ask of them.

#[allow(clippy::all, unreachable_pub, rust_2018_idioms, rustdoc::all)]
pub mod proto {
    tonic::include_proto!("tenure.peer.v1");
}

#[allow(clippy::all, unreachable_pub, rust_2018_idioms, rustdoc::all)]
pub mod admin {
    tonic::include_proto!("tenure.admin.v1");
}
