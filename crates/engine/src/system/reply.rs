//! What commands of the system shard are answered with.

use tenure_api::workflowservice::v1::DescribeNamespaceResponse;

/// The reply to a system command, sent once its entry is applied.
#[derive(Clone, Debug)]
pub enum SystemReply {
    Done,
    /// The namespace as it is now; the frontend adds what depends on the build (capabilities, limits).
    Namespace(Box<DescribeNamespaceResponse>),
}
