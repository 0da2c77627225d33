//! Orders are found by what they say of themselves.

use tenure_sdk::{Client, ClientError, SearchAttribute, WorkflowExecutionStatus, attributes};

const CITY: SearchAttribute<String> = SearchAttribute::keyword("City");
const WEIGHT: SearchAttribute<f64> = SearchAttribute::double("Weight");

/// Counts heavy orders that have not arrived.
pub async fn count_heavy(client: &Client) -> Result<u64, ClientError> {
    let heavy = CITY.is_in(["Lisbon", "Porto"]) & WEIGHT.gt(20.0);
    let open = attributes::STATUS.eq(WorkflowExecutionStatus::Running);
    client.count(heavy & open).await
}

/// Shows the orders that have been open for longest, and how many there are of each status.
pub async fn report(client: &Client) -> Result<(), ClientError> {
    let mut late = client.list("WorkflowType = 'Order' AND CloseTime IS NULL ORDER BY StartTime").limit(100);
    while let Some(order) = late.next().await? {
        println!("{} since {:?}", order.workflow_id, order.started);
    }
    for (status, count) in client.count_by(attributes::WORKFLOW_TYPE.eq("Order"), "ExecutionStatus").await? {
        println!("{}: {count}", status.as_deref().unwrap_or("none"));
    }
    Ok(())
}
