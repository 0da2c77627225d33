//! Attempts to reach a leader.

use super::{leader, memory::Cluster, options};
use crate::{AttemptError, Attempted, Attempts, Leader};
use std::time::Duration;
use tenure_engine::transition::transition;
use tokio::time::Instant;

/// Far from the end of any pause.
const PATIENCE: Duration = Duration::from_millis(400);

async fn fail_until_the_deadline(mut attempts: Attempts) {
    while let Some(found) = attempts.next().await {
        assert_eq!(found, Leader::Here);
        let attempt = async { Err::<(), _>(AttemptError::NoAnswer { node: 2, cause: "it is away".into() }) };
        assert_eq!(attempts.run(found, attempt).await, Attempted::Failed);
    }
    assert_eq!(attempts.failure(), "shard 1: no answer from node 2, its leader: it is away");
}

/// The caller stops waiting 50 ms after the deadline, and must have been told why by then.
#[tokio::test]
async fn no_pause_goes_beyond_the_deadline() {
    let cluster = Cluster::start(&[1], 1, |_| 1, &options(), transition);
    leader(&cluster, 1, 1).await;
    let mut late = Vec::new();
    // A busy machine makes some of them late, and none of them early.
    for _ in 0..5 {
        let deadline = Instant::now() + PATIENCE;
        fail_until_the_deadline(cluster.node(1).attempts(1, deadline)).await;
        late.push(Instant::now().duration_since(deadline));
    }
    assert!(late.iter().min() < Some(&Duration::from_millis(40)), "{late:?}");
}

#[tokio::test]
async fn an_attempt_ends_at_the_deadline() {
    let cluster = Cluster::start(&[1], 1, |_| 1, &options(), transition);
    leader(&cluster, 1, 1).await;
    let mut attempts = cluster.node(1).attempts(1, Instant::now() + Duration::from_millis(50));
    let found = attempts.next().await.expect("it leads");
    assert_eq!(attempts.run(found, std::future::pending::<Result<(), _>>()).await, Attempted::Late);
    assert_eq!(attempts.failure(), "no answer in time");
    assert_eq!(attempts.next().await, None);
}
