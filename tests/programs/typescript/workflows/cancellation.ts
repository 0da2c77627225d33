import { CancellationScope, condition, defineSignal, isCancellation, proxyActivities, setHandler, sleep } from '@temporalio/workflow';
import type * as activities from '../activities.ts';

const { greet, told } = proxyActivities<typeof activities>({ startToCloseTimeout: '20s', heartbeatTimeout: '2s' });

export const enough = defineSignal('enough');

/** Is cancelled in an activity, and cleans up in a scope that cannot be cancelled. */
export async function tidy(): Promise<void> {
  try {
    await told();
  } catch (error) {
    if (!isCancellation(error)) throw error;
    await CancellationScope.nonCancellable(async () => {
      await sleep(20);
      await greet('cleaner');
    });
    throw error;
  }
}

/** Goes on although it was cancelled. */
export async function stoic(): Promise<string> {
  return await CancellationScope.nonCancellable(async () => {
    let told = false;
    setHandler(enough, () => void (told = true));
    await condition(() => told);
    return 'went on';
  });
}

/** Which of a slow timer and a time-out ends first. */
export async function hurried(): Promise<string> {
  try {
    await CancellationScope.withTimeout(100, async () => await sleep(60_000));
    return 'slow';
  } catch (error) {
    if (!isCancellation(error)) throw error;
    return 'timed out';
  }
}
