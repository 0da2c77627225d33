import assert from 'node:assert/strict';
import { ServiceError, type WorkflowExecutionInfo } from '@temporalio/client';
import { sleeper } from '../workflows/chains.ts';
import { eventually, fails, program, unique, type Stage } from '../stage.ts';

/** Runs of which every other one is completed, and the query that finds them. */
async function played(stage: Stage, count: number): Promise<{ ids: string[]; query: string }> {
  const prefix = unique('listed');
  const ids = Array.from({ length: count }, (_, number) => `${prefix}-${String(number).padStart(2, '0')}`);
  await stage.worker(async () => {
    for (const [number, workflowId] of ids.entries()) {
      const handle = await stage.start(sleeper, { workflowId, args: [number % 2 === 0 ? 1 : 3_600_000], memo: { number } });
      if (number % 2 === 0) await handle.result();
    }
  });
  const query = `WorkflowId STARTS_WITH '${prefix}'`;
  await eventually(async () => {
    const found = await stage.client.workflow.count(`${query} AND ExecutionStatus = 'Completed'`);
    const all = await stage.client.workflow.count(query);
    return (found.count === Math.ceil(count / 2) && all.count === count) || undefined;
  });
  return { ids, query };
}

async function all(list: AsyncIterable<WorkflowExecutionInfo>): Promise<WorkflowExecutionInfo[]> {
  const found: WorkflowExecutionInfo[] = [];
  for await (const each of list) found.push(each);
  return found.sort((a, b) => a.workflowId.localeCompare(b.workflowId));
}

program('lists and counts', { short: true, needs: ['lists'] }, async (stage) => {
  const { ids, query } = await played(stage, 9);
  for (const pageSize of [1000, 2, 3]) {
    assert.deepEqual((await all(stage.client.workflow.list({ query, pageSize }))).map((each) => each.workflowId), ids);
  }
  const completed = await all(stage.client.workflow.list({ query: `${query} AND ExecutionStatus = 'Completed'` }));
  assert.deepEqual(completed.map((each) => [each.workflowId, each.status.name, each.type, each.memo]),
    ids.filter((_, number) => number % 2 === 0).map((id, at) => [id, 'COMPLETED', 'sleeper', { number: 2 * at }]));
  assert(completed.every((each) => each.closeTime! >= each.startTime && each.historyLength > 0));
  const counted = await stage.client.workflow.count(`${query} GROUP BY ExecutionStatus`);
  assert.equal(counted.count, 9);
  const groups = counted.groups.map((group) => [...group.groupValues.flat(), group.count]);
  assert.deepEqual(groups.sort(), [['Completed', 5], ['Running', 4]]);
});

program('histories of what a list finds', { needs: ['lists'] }, async (stage) => {
  const { ids, query } = await played(stage, 4);
  const found: string[] = [];
  for await (const each of stage.client.workflow.list({ query }).intoHistories()) {
    assert(each.history.events![0]!.workflowExecutionStartedEventAttributes);
    found.push(each.workflowId);
  }
  assert.deepEqual(found.sort(), ids);
});

program('a refused query', { needs: ['lists'] }, async (stage) => {
  const refused = await fails(all(stage.client.workflow.list({ query: 'NoSuch = 1' })), ServiceError);
  assert.match(String(refused.cause), /invalid search attribute: NoSuch/);
});
