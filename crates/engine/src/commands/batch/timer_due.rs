//! A job's timer row is due: while the job runs, so that it is worked on; once it is closed, to remove it.

use super::{
    super::call::{Stop, VerbResult, unchanged},
    advance::{deletions, pages},
    call::JobCall,
    change::change,
};
use crate::{
    batch::{self, state::row},
    command::Reply,
    row::BatchPart,
    rows::Op,
    transition::types::{Effect, Transition},
};

/// Rows that one entry removes.
pub(super) const PIECE: u64 = 1000;

pub(super) fn run(call: JobCall<'_, '_>) -> VerbResult {
    let Some(before) = batch::read(call.rows, call.lane)?.filter(|job| job.timer <= call.cx.now) else {
        // Fired before, or moved meanwhile.
        return Err(Stop::Answered(Reply::Done));
    };
    let Some(closed_at) = before.closed_at else {
        let effects = vec![Effect::BatchChanged { job: call.lane.clone(), running: true }];
        return Ok(Transition { effects, ..unchanged(Reply::TimerKept) });
    };
    let mut job = before.clone();
    let kept_until = call.kept_until(closed_at);
    if kept_until > call.cx.now {
        // The retention has grown, or is not known.
        job.timer = kept_until;
        return Ok(change(call.lane, Some(&before), Some(&job), Vec::new()));
    }
    let (all, piece) = (pages(&job), job.first_page + PIECE);
    let mut ops = deletions(call.lane, &mut job, all.min(piece));
    if piece < all {
        // Later than before, so that it is another row.
        job.timer = call.cx.now.plus(std::time::Duration::from_nanos(1));
        return Ok(change(call.lane, Some(&before), Some(&job), ops));
    }
    ops.push(Op::Delete(row(call.lane, BatchPart::Request)));
    Ok(change(call.lane, Some(&before), None, ops))
}
