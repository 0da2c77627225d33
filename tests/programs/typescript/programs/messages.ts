import assert from 'node:assert/strict';
import {
  QueryNotRegisteredError, QueryRejectedError, WithStartWorkflowOperation, WorkflowNotFoundError, WorkflowUpdateFailedError,
  WorkflowUpdateStage, type WorkflowHandle,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { ask, close, fault, ledger, lines, put, putLater, spoil, whoAmI, write } from '../workflows/messages.ts';
import { endedAs, eventNames, fails, program, sleep, type Stage, unique } from '../stage.ts';

async function withLedger(stage: Stage, play: (handle: WorkflowHandle<typeof ledger>) => Promise<void>): Promise<void> {
  await stage.worker(async () => {
    const handle = await stage.start(ledger);
    await play(handle);
    if ((await handle.describe()).status.name === 'RUNNING') await handle.terminate();
  });
}

program('queries see the signals before them', { short: true }, async (stage) => {
  await withLedger(stage, async (handle) => {
    for (let n = 1; n <= 8; n++) {
      await stage.handle(handle.workflowId).signal(write, `line ${n}`);
      assert.equal((await stage.handle(handle.workflowId).query(lines)).length, n);
    }
    assert.equal(await handle.query('anything', 1, 2), 'anything of 2');
    await fails(handle.query(fault), QueryNotRegisteredError);
    await handle.signal(close, 'well');
    assert.equal((await handle.result()).length, 8);
    assert.equal((await handle.query(lines)).length, 8);
  });
});

program('queries are rejected by status', {}, async (stage) => {
  for (const [end, condition, rejected] of [
    ['well', 'NOT_OPEN', true],
    ['well', 'NOT_COMPLETED_CLEANLY', false],
    ['fail', 'NOT_COMPLETED_CLEANLY', true],
  ] as const) {
    await withLedger(stage, async (handle) => {
      await handle.signal(close, end);
      await endedAs(handle, end === 'well' ? 'COMPLETED' : 'FAILED');
      const client = stage.clientWith({ workflow: { queryRejectCondition: condition } });
      const asked = client.workflow.getHandle(handle.workflowId).query(lines);
      if (rejected) await fails(asked, QueryRejectedError);
      else assert.deepEqual(await asked, []);
    });
  }
});

program('signal-with-start', { short: true, needs: ['signal-with-start'] }, async (stage) => {
  await stage.worker(async () => {
    const workflowId = unique('wf');
    const runs = new Set<string>();
    for (const line of ['a', 'b', 'c']) {
      const handle = await stage.client.workflow.signalWithStart(ledger, {
        workflowId, taskQueue: stage.queue, signal: write, signalArgs: [line],
      });
      runs.add(handle.signaledRunId);
    }
    assert.equal(runs.size, 1);
    await stage.handle(workflowId).signal(close, 'well');
    assert.deepEqual(await stage.handle(workflowId).result(), ['a', 'b', 'c']);
  });
});

program('updates answer, fail and are rejected', { short: true, needs: ['updates'] }, async (stage) => {
  await withLedger(stage, async (handle) => {
    assert.equal(await handle.executeUpdate(put, { args: ['a'] }), 1);
    assert.equal(await handle.executeUpdate(ask, { args: ['b'] }), 'hello b');
    assert.equal(await handle.executeUpdate(whoAmI, { updateId: 'mine' }), 'mine');
    const failed = await fails(handle.executeUpdate(spoil), WorkflowUpdateFailedError);
    assert(failed.cause instanceof ApplicationFailure && failed.cause.type === 'Spoilt');
    const before = await eventNames(handle);
    const rejected = await fails(handle.executeUpdate(put, { args: [''] }), WorkflowUpdateFailedError);
    assert(rejected.cause instanceof ApplicationFailure && rejected.cause.type === 'Empty');
    assert.deepEqual(await eventNames(handle), before);
    await handle.signal(close, 'well');
    assert.deepEqual(await handle.result(), ['a']);
  });
});

program('updates of one id are one update', { needs: ['updates'] }, async (stage) => {
  await withLedger(stage, async (handle) => {
    const same = [1, 2, 3].map((n) =>
      stage.handle(handle.workflowId).executeUpdate(put, { args: [`${n}`], updateId: 'only' })
    );
    assert.deepEqual(await Promise.all(same), [1, 1, 1]);
    await handle.signal(close, 'well');
    assert.equal((await handle.result()).length, 1);
    assert.equal(await handle.getUpdateHandle('only').result(), 1);
    await fails(handle.executeUpdate(put, { args: ['late'] }), WorkflowNotFoundError);
  });
});

program('an update is accepted first and completed later', { needs: ['updates'] }, async (stage) => {
  await withLedger(stage, async (handle) => {
    const update = await handle.startUpdate(putLater, { args: ['x'], waitForStage: WorkflowUpdateStage.ACCEPTED });
    let done = false;
    const result = update.result().then((value) => ((done = true), value));
    await sleep(200);
    assert(!done);
    await handle.signal(write, 'now');
    assert.equal(await result, 'x');
  });
});

program('update-with-start', { short: true, needs: ['update-with-start', 'updates'] }, async (stage) => {
  await stage.worker(async () => {
    const workflowId = unique('wf');
    for (const n of [1, 2]) {
      const startWorkflowOperation = new WithStartWorkflowOperation(ledger, {
        workflowId, taskQueue: stage.queue, workflowIdConflictPolicy: 'USE_EXISTING', args: [],
      });
      const length = await stage.client.workflow.executeUpdateWithStart(put, { args: ['x'], startWorkflowOperation });
      assert.equal(length, n);
      assert.equal((await startWorkflowOperation.workflowHandle()).workflowId, workflowId);
    }
    await stage.handle(workflowId).terminate();
  });
});
