//! A job goes because its namespace was deleted, whatever it does, a piece of its rows at a time.

use super::{
    super::call::{Stop, VerbResult},
    advance::{close, deletions, pages},
    call::JobCall,
    change::change,
    timer_due::PIECE,
};
use crate::{
    batch::{self, Phase, state::row},
    command::Reply,
    row::BatchPart,
    rows::Op,
};

pub(super) fn run(call: JobCall<'_, '_>) -> VerbResult {
    let Some(before) = batch::read(call.rows, call.lane)? else { return Err(Stop::Answered(Reply::Done)) };
    let mut job = before.clone();
    if job.is_running() {
        close(&call, &mut job, Phase::Stopped);
    }
    let (all, piece) = (pages(&job), job.first_page + PIECE);
    let mut ops = deletions(call.lane, &mut job, all.min(piece));
    if piece < all {
        return Ok(change(call.lane, Some(&before), Some(&job), ops));
    }
    ops.push(Op::Delete(row(call.lane, BatchPart::Request)));
    Ok(change(call.lane, Some(&before), None, ops))
}
