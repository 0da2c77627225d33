import assert from 'node:assert/strict';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, ChildWorkflowFailure, TerminatedFailure } from '@temporalio/common';
import { ChildWorkflowCancellationType, ParentClosePolicy } from '@temporalio/workflow';
import { canceller, child, family, leaver, parent, say, speaker } from '../workflows/children.ts';
import { endedAs, eventNames, eventually, fails, program, unique } from '../stage.ts';

program('a parent gets the result of its child', { short: true, needs: ['children'] }, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(parent, { args: ['yes'] });
    assert.equal(await handle.result(), 'yes from attempt 1');
    const seen = (await eventNames(handle)).filter((name) => name.includes('ChildWorkflow'));
    assert.deepEqual(seen, [
      'StartChildWorkflowExecutionInitiated', 'ChildWorkflowExecutionStarted', 'ChildWorkflowExecutionCompleted',
    ]);
    const described = await stage.handle(`${handle.workflowId}/child`).describe();
    assert.equal(described.parentExecution?.workflowId, handle.workflowId);
  });
});

program('the failure of a child keeps its cause', { needs: ['children'] }, async (stage) => {
  await stage.worker(async () => {
    const { cause } = await fails(stage.run(parent, { args: ['fail'] }), WorkflowFailedError);
    assert(cause instanceof ChildWorkflowFailure && cause.cause instanceof ApplicationFailure);
    assert.deepEqual([cause.cause.type, cause.cause.message, cause.cause.details], ['Told', 'as told', ['detail']]);
  });
});

program('a child is tried again', { needs: ['children', 'workflow-retry'] }, async (stage) => {
  await stage.worker(async () => {
    const retry = { initialInterval: 50, maximumAttempts: 3 };
    assert.equal(await stage.run(parent, { args: ['second try', { retry }] }), 'second try from attempt 2');
  });
});

program('a terminated child fails its parent', { needs: ['children'] }, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(parent, { args: ['wait'] });
    const below = stage.handle(`${handle.workflowId}/child`);
    await eventually(() => begun(below));
    await below.terminate('enough');
    const { cause } = await fails(handle.result(), WorkflowFailedError);
    assert(cause instanceof ChildWorkflowFailure && cause.cause instanceof TerminatedFailure);
  });
});

program('parent close policies', { needs: ['children'] }, async (stage) => {
  const ends = { TERMINATE: 'TERMINATED', REQUEST_CANCEL: 'CANCELLED', ABANDON: 'RUNNING' } as const;
  await stage.worker(async () => {
    for (const [policy, end] of Object.entries(ends)) {
      const handle = await stage.start(leaver, { args: [policy as ParentClosePolicy] });
      const below = stage.handle(`${handle.workflowId}/child`);
      await eventually(() => begun(below));
      await handle.signal(say, 'go');
      await handle.result();
      if (end === 'RUNNING') {
        await below.signal(say, 'alone');
        assert.equal(await below.result(), 'alone');
      } else {
        await endedAs(below, end);
      }
    }
  });
});

program('cancellation types of children', { needs: ['children'] }, async (stage) => {
  const seen = {
    WAIT_CANCELLATION_COMPLETED: 'ChildWorkflowExecutionCanceled',
    WAIT_CANCELLATION_REQUESTED: 'ExternalWorkflowExecutionCancelRequested',
    TRY_CANCEL: 'RequestCancelExternalWorkflowExecutionInitiated',
  };
  await stage.worker(async () => {
    for (const [type, event] of Object.entries(seen)) {
      const handle = await stage.start(canceller, { args: [type as ChildWorkflowCancellationType] });
      assert.equal(await handle.result(), 'cancelled');
      await endedAs(stage.handle(`${handle.workflowId}/child`), 'CANCELLED');
      assert((await eventNames(handle)).includes(event), type);
    }
    const handle = await stage.start(canceller, { args: [ChildWorkflowCancellationType.ABANDON] });
    assert.equal(await handle.result(), 'cancelled');
    const below = stage.handle(`${handle.workflowId}/child`);
    assert.equal((await below.describe()).status.name, 'RUNNING');
    await below.terminate();
  });
});

program('a tree of children', { short: true, needs: ['children'] }, async (stage) => {
  await stage.worker(async () => assert.equal(await stage.run(family, { args: [3, 2] }), 9));
});

program('a workflow signals and cancels others', { short: true, needs: ['external'] }, async (stage) => {
  await stage.worker(async () => {
    const first = await stage.start(child, { args: ['wait'] });
    assert.equal(await stage.run(speaker, { args: [first.workflowId, ['hush']] }), 'done');
    assert.equal(await first.result(), 'hush');
    const second = await stage.start(child, { args: ['wait'] });
    assert.equal(await stage.run(speaker, { args: [second.workflowId, []] }), 'done');
    await endedAs(second, 'CANCELLED');
    assert.match(await stage.run(speaker, { args: [unique('nobody'), ['hello']] }), /not found/);
    assert.match(await stage.run(speaker, { args: [unique('nobody'), []] }), /not found/);
  });
});

/** Whether the workflow is there and has had its first task. */
export async function begun(handle: WorkflowHandle): Promise<boolean> {
  try {
    return (await eventNames(handle)).includes('WorkflowTaskCompleted');
  } catch (error) {
    assert.match(`${error}`, /not ?found/i);
    return false;
  }
}
