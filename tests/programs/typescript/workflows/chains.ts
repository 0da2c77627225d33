import {
  ApplicationFailure, condition, continueAsNew, defineSignal, makeContinueAsNewFunc, setHandler, sleep, workflowInfo,
} from '@temporalio/workflow';

export const add = defineSignal<[number]>('add');

/** Counts down, one run a step. */
export async function count(left: number): Promise<string> {
  if (left > 0) return await continueAsNew<typeof count>(left - 1);
  return workflowInfo().firstExecutionRunId;
}

/** Hands a growing list of signals on, ten at a time, until it has `total`. */
export async function relay(total: number, had: number[]): Promise<number[]> {
  const fresh: number[] = [];
  setHandler(add, (number) => void fresh.push(number));
  await condition(() => fresh.length >= Math.min(10, total - had.length));
  const have = [...had, ...fresh];
  return have.length >= total ? have : await continueAsNew<typeof relay>(total, have);
}

/** Goes on as something else, with a memo of its own. */
export async function caterpillar(): Promise<unknown> {
  const become = makeContinueAsNewFunc<typeof butterfly>({ workflowType: 'butterfly', memo: { was: 'caterpillar' } });
  return await become('a leaf');
}

export async function butterfly(ate: string): Promise<unknown> {
  return [ate, workflowInfo().memo];
}

/** Fails until its attempt `good`. */
export async function stubborn(good: number, type: string): Promise<number> {
  const { attempt } = workflowInfo();
  if (attempt < good) throw ApplicationFailure.create({ message: `attempt ${attempt}`, type });
  return attempt;
}

/** Gives one more than its last run did; the second run fails. */
export async function job(): Promise<number> {
  const { lastResult, lastFailure } = workflowInfo();
  if (lastResult === 1 && !lastFailure) throw ApplicationFailure.create({ message: 'the second run', type: 'Second' });
  return ((lastResult as number) ?? 0) + 1;
}

export async function sleeper(ms: number): Promise<void> {
  await sleep(ms);
}
