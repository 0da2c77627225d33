import assert from 'node:assert/strict';
import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { enough, hurried, stoic, tidy } from '../workflows/cancellation.ts';
import { begun } from './children.ts';
import { eventNames, eventually, fails, program } from '../stage.ts';

program('a cancelled workflow cleans up', { short: true }, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(tidy);
    await eventually(async () => (await handle.describe()).raw.pendingActivities?.some(({ state }) => state === 2));
    await handle.cancel();
    const { cause } = await fails(handle.result(), WorkflowFailedError);
    assert(cause instanceof CancelledFailure);
    const names = await eventNames(handle);
    assert(names.includes('ActivityTaskCancelRequested') && names.includes('ActivityTaskCompleted'));
    assert.equal(names.at(-1), 'WorkflowExecutionCanceled');
  });
});

program('a workflow may refuse to be cancelled', {}, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(stoic);
    await eventually(() => begun(handle));
    await handle.cancel();
    await handle.signal(enough);
    assert.equal(await handle.result(), 'went on');
  });
});

program('a scope times out', {}, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(hurried);
    assert.equal(await handle.result(), 'timed out');
    assert((await eventNames(handle)).includes('TimerCanceled'));
  });
});
