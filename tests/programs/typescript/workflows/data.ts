import { defineSearchAttributeKey } from '@temporalio/common';
import {
  ApplicationFailure, condition, defineSignal, executeChild, proxyActivities, setCurrentDetails, setHandler, sleep, upsertMemo,
  upsertSearchAttributes, workflowInfo,
} from '@temporalio/workflow';
import type * as activities from '../activities.ts';

const { whoAsks } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });

export const finish = defineSignal('finish');
export const city = defineSearchAttributeKey('ProgramsCity', 'KEYWORD');
export const size = defineSearchAttributeKey('ProgramsSize', 'INT');

/** Tells the world about itself. */
export async function announcer(): Promise<unknown> {
  let done = false;
  setHandler(finish, () => void (done = true));
  upsertSearchAttributes([{ key: city, value: 'Bergen' }, { key: size, value: 7 }]);
  upsertMemo({ mood: 'fine', old: undefined as never });
  setCurrentDetails('all is *well*');
  await sleep(10, { summary: 'a short nap' });
  await condition(() => done);
  return workflowInfo().memo;
}

/** Who asked for this workflow, its child, and its activity, by the header that interceptors carry. */
export async function heirs(depth: number): Promise<string[]> {
  const here = await whoAsks();
  return depth === 0 ? [here] : [here, ...(await executeChild(heirs, { args: [depth - 1] }))];
}

/** Fails with a chain of causes. */
export async function chainOfFailures(): Promise<void> {
  const root = ApplicationFailure.create({ message: 'root', type: 'Root', details: [{ deep: [1, 2] }] });
  const middle = ApplicationFailure.create({ message: 'middle', cause: root });
  throw ApplicationFailure.create({ message: 'top', nonRetryable: true, cause: middle });
}

export async function echo(text: string): Promise<string> {
  return text;
}
