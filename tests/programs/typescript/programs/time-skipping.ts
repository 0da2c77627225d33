import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { sleeper } from '../workflows/chains.ts';
import { program } from '../stage.ts';

const DAY = 24 * 3600 * 1000;
const path = fileURLToPath(new URL('../../../../scripts/test-server', import.meta.url));

program('a month passes at once', { tenure: true, needs: ['time-skipping'] }, async (stage) => {
  const environment = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } });
  try {
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: stage.queue,
      workflowBundle: stage.house.bundle,
    });
    const began = await environment.currentTimeMs();
    await worker.runUntil(async () => {
      await environment.client.workflow.execute(sleeper, {
        args: [30 * DAY], workflowId: stage.queue, taskQueue: stage.queue,
      });
      const month = (await environment.currentTimeMs()) - began;
      assert(month >= 30 * DAY && month < 31 * DAY, `${month} ms`);
      await environment.sleep('2 days');
    });
    assert((await environment.currentTimeMs()) - began >= 32 * DAY);
  } finally {
    await environment.teardown();
  }
});
