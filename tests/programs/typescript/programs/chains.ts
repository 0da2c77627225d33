import assert from 'node:assert/strict';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import { add, caterpillar, count, job, relay, sleeper, stubborn } from '../workflows/chains.ts';
import { endedAs, events, eventually, fails, program } from '../stage.ts';

program('continue-as-new', { short: true, needs: ['continue-as-new'] }, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(count, { args: [4], memo: { kept: true } });
    assert.equal(await handle.result(), handle.firstExecutionRunId);
    const last = await stage.handle(handle.workflowId).describe();
    assert.notEqual(last.runId, handle.firstExecutionRunId);
    assert.deepEqual(last.memo, { kept: true });
    assert.deepEqual(await stage.run(caterpillar), ['a leaf', { was: 'caterpillar' }]);
  });
});

program('no signal is lost between runs', { needs: ['continue-as-new'] }, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(relay, { args: [40, []] });
    const all = Array.from({ length: 40 }, (_, n) => n);
    await Promise.all(all.map((n) => stage.handle(handle.workflowId).signal(add, n)));
    assert.deepEqual((await handle.result()).sort((a, b) => a - b), all);
  });
});

program('a workflow is tried again', { short: true, needs: ['workflow-retry'] }, async (stage) => {
  const retry = { initialInterval: 100, maximumAttempts: 4, nonRetryableErrorTypes: ['Fatal'] };
  await stage.worker(async () => {
    assert.equal(await stage.run(stubborn, { args: [3, 'Passing'], retry }), 3);
    const { cause } = await fails(stage.run(stubborn, { args: [9, 'Fatal'], retry }), WorkflowFailedError);
    assert(cause instanceof ApplicationFailure && cause.message === 'attempt 1');
  });
});

program('a run that times out is tried again', { needs: ['workflow-retry'] }, async (stage) => {
  await stage.worker(async () => {
    const retry = { initialInterval: 100, maximumAttempts: 2 };
    const handle = await stage.start(sleeper, { args: [600_000], workflowRunTimeout: '1s', retry });
    const { cause } = await fails(handle.result(), WorkflowFailedError);
    assert(cause instanceof TimeoutFailure);
    const [started] = await events(stage.handle(handle.workflowId));
    assert.equal(started!.workflowExecutionStartedEventAttributes!.attempt, 2);
  });
});

program('cron', { needs: ['cron'] }, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(job, { cronSchedule: '@every 1s' });
    const current = stage.handle(handle.workflowId);
    const third = await eventually(async () => {
      const started = (await events(current))[0]!.workflowExecutionStartedEventAttributes!;
      return started.continuedFailure ? started : undefined;
    });
    assert.equal(third.continuedFailure!.applicationFailureInfo!.type, 'Second');
    assert.equal(third.firstExecutionRunId, handle.firstExecutionRunId);
    await current.terminate();
    await endedAs(current, 'TERMINATED');
  });
});
