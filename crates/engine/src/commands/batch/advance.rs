//! Targets, or results, of a batch job are recorded. What was recorded before changes nothing.

use super::{
    super::call::{Stop, VerbResult},
    call::JobCall,
    change::change,
};
use crate::{
    batch::{Advance, BatchState, PAGE, Phase, state::row},
    codec,
    command::Reply,
    row::BatchPart,
    rows::Op,
    subject::Lane,
};
use tenure_limits::BATCH_TARGETS;

pub(super) fn run(call: JobCall<'_, '_>, advance: &Advance) -> VerbResult {
    let before = call.job()?;
    let mut job = before.clone();
    let mut ops = Vec::new();
    match (before.phase, advance) {
        (Phase::Finding, Advance::Targets { from, targets, place }) if *from == before.total => {
            job.total += targets.len() as u64;
            if job.total > BATCH_TARGETS as u64 {
                job.total = before.total;
                close(&call, &mut job, Phase::Failed);
                job.cause = Some(format!("there are more than {BATCH_TARGETS} targets"));
            } else {
                debug_assert!(from % PAGE == 0, "all pages but the last are full");
                if !targets.is_empty() {
                    ops.push(Op::Put(row(call.lane, BatchPart::Targets(from / PAGE)), codec::encode(targets)));
                }
                job.place.clone_from(place);
                if place.is_none() {
                    job.phase = Phase::Working;
                    complete_if_worked(&call, &mut job);
                }
            }
        }
        (Phase::Finding, Advance::Refused { cause }) => {
            close(&call, &mut job, Phase::Failed);
            job.cause = Some(cause.clone());
        }
        (Phase::Working | Phase::Stopped, Advance::Results { from, complete, failed })
            if *from == before.worked() && before.worked() + complete + failed <= before.total =>
        {
            job.complete += complete;
            job.failed += failed;
            if before.phase == Phase::Working {
                let pages = if job.worked() == job.total { pages(&job) } else { job.worked() / PAGE };
                ops.extend(deletions(call.lane, &mut job, pages));
                complete_if_worked(&call, &mut job);
            }
        }
        _ => return Err(Stop::Answered(Reply::Done)),
    }
    Ok(change(call.lane, Some(&before), Some(&job), ops))
}

fn complete_if_worked(call: &JobCall<'_, '_>, job: &mut BatchState) {
    if job.worked() == job.total {
        close(call, job, Phase::Completed);
    }
}

pub(super) fn close(call: &JobCall<'_, '_>, job: &mut BatchState, phase: Phase) {
    job.phase = phase;
    job.closed_at = Some(call.cx.now);
    job.timer = call.kept_until(call.cx.now);
}

/// The number of pages that the job's targets fill.
pub(super) fn pages(job: &BatchState) -> u64 {
    job.total.div_ceil(PAGE)
}

/// Deletes the rows of targets up to this page.
pub(super) fn deletions(lane: &Lane, job: &mut BatchState, up_to: u64) -> Vec<Op> {
    let pages = job.first_page..up_to.max(job.first_page);
    job.first_page = pages.end;
    pages.map(|page| Op::Delete(row(lane, BatchPart::Targets(page)))).collect()
}
