//! The API's description of a run's children, and of a child.

use super::state::PendingChild;
use crate::{info::ExecutionInfo, state::ExecutionState};
use tenure_api::{time::duration_to_proto, workflow::v1::PendingChildExecutionInfo};

/// The pending children as DescribeWorkflowExecution shows them.
pub(crate) fn pending_infos(state: &ExecutionState) -> Vec<PendingChildExecutionInfo> {
    let info = |(initiated_id, child): (i64, &PendingChild)| PendingChildExecutionInfo {
        workflow_id: child.workflow_id.to_string(),
        run_id: child.started.map(|started| started.run_id.to_string()).unwrap_or_default(),
        workflow_type_name: child.workflow_type.to_string(),
        initiated_id,
        parent_close_policy: child.parent_close_policy,
    };
    state.relations.children.iter().map(info).collect()
}

/// The run timeout as descriptions show it: a child, and a run that was continued as new, shows zero where it has none.
pub(crate) fn shown_run_timeout(info: &ExecutionInfo) -> Option<prost_types::Duration> {
    let shown = info.lineage.is_some() || info.chain.shows_zero_run_timeout;
    info.run_timeout.map(duration_to_proto).or(shown.then(prost_types::Duration::default))
}
