//! What becomes of starts that are due while what was started before is still running.
//!
//! | policy | nothing runs | something runs, or was just started |
//! |---|---|---|
//! | Skip | starts | is skipped |
//! | BufferOne | starts | waits, if nothing else does; is skipped otherwise |
//! | BufferAll | starts | waits |
//! | CancelOther | starts | what runs is asked to cancel itself, and this one waits; what was only about to start is replaced |
//! | TerminateOther | starts | the same, terminated |
//! | AllowAll | starts | starts |

use super::state::BufferedStart;
use crate::outbox::ClosePolicy;
use tenure_api::enums::v1::ScheduleOverlapPolicy as Policy;

/// What is to be done about the starts that are due.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decision {
    /// They start whatever else runs, and nothing waits for their end.
    pub(crate) beside: Vec<BufferedStart>,
    /// It starts because nothing runs; what comes later waits for its end.
    pub(crate) alone: Option<BufferedStart>,
    pub(crate) wait: Vec<BufferedStart>,
    pub(crate) skipped: u64,
    /// How what runs is to end.
    pub(crate) end: Option<ClosePolicy>,
}

/// Decides about starts in the order in which they became due, by the policy of the schedule where they have none of
/// their own.
pub(crate) fn decide(due: Vec<BufferedStart>, something_runs: bool, of_schedule: Policy) -> Decision {
    let mut decision = Decision::default();
    for start in due {
        let policy = match start.policy() {
            Policy::Unspecified => of_schedule,
            policy => policy,
        };
        if policy == Policy::AllowAll {
            decision.beside.push(start);
            continue;
        }
        if !something_runs && decision.alone.is_none() {
            decision.alone = Some(start);
            continue;
        }
        let end = match policy {
            Policy::BufferAll => {
                decision.wait.push(start);
                continue;
            }
            Policy::BufferOne if decision.wait.is_empty() => {
                decision.wait.push(start);
                continue;
            }
            Policy::CancelOther => ClosePolicy::RequestCancel,
            Policy::TerminateOther => ClosePolicy::Terminate,
            Policy::Unspecified | Policy::Skip | Policy::BufferOne | Policy::AllowAll => {
                decision.skipped += 1;
                continue;
            }
        };
        if something_runs {
            decision.wait.push(start);
            // Of both, the harder one.
            if decision.end != Some(ClosePolicy::Terminate) {
                decision.end = Some(end);
            }
        } else {
            decision.alone = Some(start);
        }
    }
    if decision.end.is_some() {
        // They would be ended together with what runs.
        decision.beside.clear();
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use expect_test::{Expect, expect};

    fn start(n: i64, policy: Policy) -> BufferedStart {
        BufferedStart { nominal: Timestamp(n), due: Timestamp(n), overlap_policy: policy.into(), manual: false }
    }

    fn check(something_runs: bool, policies: &[Policy], expected: &Expect) {
        let due = (1..).zip(policies).map(|(n, policy)| start(n, *policy)).collect();
        let Decision { beside, alone, wait, skipped, end } = decide(due, something_runs, Policy::Skip);
        let numbers = |starts: &[BufferedStart]| starts.iter().map(|start| start.due.0).collect::<Vec<_>>();
        expected.assert_eq(&format!(
            "beside {:?}, alone {:?}, wait {:?}, skipped {skipped}, end {end:?}",
            numbers(&beside),
            alone.map(|start| start.due.0),
            numbers(&wait)
        ));
    }

    #[test]
    fn the_first_starts_when_nothing_runs() {
        use Policy::*;
        check(false, &[Unspecified, Skip], &expect!["beside [], alone Some(1), wait [], skipped 1, end None"]);
        check(false, &[BufferOne; 3], &expect!["beside [], alone Some(1), wait [2], skipped 1, end None"]);
        check(false, &[BufferAll; 3], &expect!["beside [], alone Some(1), wait [2, 3], skipped 0, end None"]);
        check(false, &[CancelOther; 3], &expect!["beside [], alone Some(3), wait [], skipped 0, end None"]);
        check(false, &[TerminateOther; 2], &expect!["beside [], alone Some(2), wait [], skipped 0, end None"]);
        check(false, &[AllowAll; 2], &expect!["beside [1, 2], alone None, wait [], skipped 0, end None"]);
    }

    #[test]
    fn what_runs_is_respected_or_ended() {
        use Policy::*;
        check(true, &[Unspecified, Skip], &expect!["beside [], alone None, wait [], skipped 2, end None"]);
        check(true, &[BufferOne; 3], &expect!["beside [], alone None, wait [1], skipped 2, end None"]);
        check(true, &[BufferAll; 3], &expect!["beside [], alone None, wait [1, 2, 3], skipped 0, end None"]);
        check(
            true,
            &[CancelOther, AllowAll],
            &expect!["beside [], alone None, wait [1], skipped 0, end Some(RequestCancel)"],
        );
        let both = [TerminateOther, CancelOther];
        check(true, &both, &expect!["beside [], alone None, wait [1, 2], skipped 0, end Some(Terminate)"]);
        check(true, &[AllowAll; 2], &expect!["beside [1, 2], alone None, wait [], skipped 0, end None"]);
    }
}
