import assert from 'node:assert/strict';
import { AsyncCompletionClient, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { ActivityCancellationType } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import { note } from '../activities.ts';
import {
  carrier, climber, crowd, dice, evolving, flakyOne, go, impatient, locals, stops, waits,
} from '../workflows/activities.ts';
import { begun } from './children.ts';
import { eventNames, events, eventually, fails, program, unique } from '../stage.ts';

program('activities are tried again', { short: true }, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(flakyOne, { args: [3, 'Passing'] });
    assert.equal(await handle.result(), 3);
    const started = (await events(handle)).map((event) => event.activityTaskStartedEventAttributes).filter(Boolean);
    assert.deepEqual([started.length, started[0]!.attempt, started[0]!.lastFailure!.message], [1, 3, 'attempt 2']);
    for (const [type, attempts] of [['Passing', 4], ['Fatal', 1]] as const) {
      const { cause } = await fails(stage.run(flakyOne, { args: [9, type] }), WorkflowFailedError);
      assert(cause instanceof ActivityFailure && cause.cause instanceof ApplicationFailure);
      assert.deepEqual([cause.cause.message, cause.cause.details], [`attempt ${attempts}`, [attempts]]);
    }
  });
});

program('an attempt goes on from the last heartbeat', {}, async (stage) => {
  await stage.worker(async () => assert.deepEqual(await stage.run(climber, { args: [10] }), [5, 2]));
});

program('activities time out', {}, async (stage) => {
  const cases = {
    START_TO_CLOSE: { startToCloseTimeout: 300 },
    SCHEDULE_TO_CLOSE: { scheduleToCloseTimeout: 300, retry: {} },
    HEARTBEAT: { startToCloseTimeout: '10s', heartbeatTimeout: 300 },
    SCHEDULE_TO_START: { startToCloseTimeout: '10s', scheduleToStartTimeout: 300, taskQueue: unique('nobody') },
  };
  await stage.worker(async () => {
    const ends = Object.values(cases).map((options) => stage.run(impatient, { args: [3000, options] }));
    assert.deepEqual(await Promise.all(ends), Object.keys(cases));
  });
});

program('cancellation types of activities', {}, async (stage) => {
  await stage.worker(async () => {
    for (const type of ['WAIT_CANCELLATION_COMPLETED', 'TRY_CANCEL', 'ABANDON'] as ActivityCancellationType[]) {
      const handle = await stage.start(stops, { args: [type] });
      assert.equal(await handle.result(), 'cancelled');
      const names = await eventNames(handle);
      assert.equal(names.includes('ActivityTaskCancelRequested'), type !== 'ABANDON', type);
      if (type === 'WAIT_CANCELLATION_COMPLETED') assert(names.includes('ActivityTaskCanceled'));
    }
  });
});

program('an activity is completed from elsewhere', { short: true }, async (stage) => {
  await stage.worker(async () => {
    const handle = await stage.start(waits);
    const [pending] = await eventually(async () => {
      const { raw } = await handle.describe();
      return raw.pendingActivities?.some(({ state }) => state === 2) ? raw.pendingActivities : undefined;
    });
    const there: AsyncCompletionClient = stage.client.activity;
    const id = { workflowId: handle.workflowId, runId: handle.firstExecutionRunId, activityId: pending!.activityId! };
    await there.heartbeat(id, 'half');
    await there.complete(id, 'by another');
    assert.equal(await handle.result(), 'by another');
  });
});

program('local activities leave markers', { short: true }, async (stage) => {
  await stage.worker(
    async () => {
      const handle = await stage.start(locals, { args: [stage.queue] });
      assert.deepEqual(await handle.result(), [1, 3]);
      const names = await eventNames(handle);
      assert.equal(names.filter((name) => name === 'MarkerRecorded').length, 2);
      assert(!names.includes('ActivityTaskScheduled'));
      assert.equal(await note(stage.queue), 2);
    },
    { maxCachedWorkflows: 0 }
  );
});

program('many workflows with many activities', {}, async (stage) => {
  await stage.worker(async () => {
    const all = Array.from({ length: 20 }, () => stage.run(crowd, { args: [10] }));
    assert.deepEqual(new Set(await Promise.all(all)), new Set([10]));
  });
});

program('a large result', {}, async (stage) => {
  await stage.worker(async () => assert.equal(await stage.run(carrier, { args: [1_000_000] }), 1_000_000));
});

program('what was drawn is drawn again', {}, async (stage) => {
  await stage.worker(
    async () => {
      const handle = await stage.start(dice);
      assert.equal(new Set(await handle.result()).size, 9);
      await Worker.runReplayHistory({ workflowBundle: stage.house.bundle }, await handle.fetchHistory(), handle.workflowId);
    },
    { maxCachedWorkflows: 0 }
  );
});

program('patches are marked', {}, async (stage) => {
  let handle: WorkflowHandle<typeof evolving>;
  await stage.worker(async () => {
    handle = await stage.start(evolving);
    await eventually(() => begun(handle));
  });
  await stage.worker(async () => {
    await handle.signal(go);
    assert.equal(await handle.result(), 'new');
    assert.deepEqual((await eventNames(handle)).slice(4, 6), ['MarkerRecorded', 'UpsertWorkflowSearchAttributes']);
    const { searchAttributes } = await handle.describe();
    assert.deepEqual(searchAttributes.TemporalChangeVersion, ['new-way']);
  });
});
