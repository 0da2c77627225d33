import {
  ActivityCancellationType, ActivityFailure, CancellationScope, CancelledFailure, condition, defineSignal, deprecatePatch,
  log, patched, proxyActivities, proxyLocalActivities, setHandler, sleep, TimeoutFailure, uuid4,
} from '@temporalio/workflow';
import type * as activities from '../activities.ts';

const retry = { initialInterval: 50, maximumAttempts: 4, nonRetryableErrorTypes: ['Fatal'] };
const { climb, flaky, greet, large } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s', retry });
const local = proxyLocalActivities<typeof activities>({ startToCloseTimeout: '10s', retry });

export const go = defineSignal('go');

export async function flakyOne(good: number, type: string): Promise<number> {
  return await flaky(good, type);
}

export async function climber(steps: number): Promise<number[]> {
  return await climb(steps);
}

/** How an activity that sleeps for `ms` under these options times out. */
export async function impatient(ms: number, options: object): Promise<string> {
  try {
    return await proxyActivities<typeof activities>({ retry: { maximumAttempts: 1 }, ...options }).slow(ms);
  } catch (error) {
    if (error instanceof ActivityFailure && error.cause instanceof TimeoutFailure) return `${error.cause.timeoutType}`;
    throw error;
  }
}

/** Cancels its activity after half a second. */
export async function stops(cancellationType: ActivityCancellationType): Promise<string> {
  const { told } = proxyActivities<typeof activities>({
    startToCloseTimeout: '20s', heartbeatTimeout: '2s', cancellationType, retry: { maximumAttempts: 1 },
  });
  try {
    const scope = new CancellationScope();
    const end = scope.run(() => told());
    await Promise.race([end, sleep(500)]);
    scope.cancel();
    return await end;
  } catch (error) {
    if (!(error instanceof ActivityFailure && error.cause instanceof CancelledFailure)) throw error;
    await sleep(100);
    return 'cancelled';
  }
}

export async function waits(): Promise<string> {
  const { elsewhere } = proxyActivities<typeof activities>({ startToCloseTimeout: '20s' });
  return await elsewhere();
}

/** Two local activities and a timer between. */
export async function locals(name: string): Promise<unknown[]> {
  const first = await local.note(name);
  await sleep(10);
  return [first, await local.flaky(3, 'Passing')];
}

export async function crowd(size: number): Promise<number> {
  const all = await Promise.all(Array.from({ length: size }, () => greet('you')));
  return all.length;
}

/** The length of what a large result from an activity comes to. */
export async function carrier(size: number): Promise<number> {
  return (await large(size)).length;
}

/** Draws ids and numbers in several tasks. */
export async function dice(): Promise<string[]> {
  const drawn: string[] = [];
  for (let i = 0; i < 3; i++) {
    drawn.push(uuid4(), `${Math.random()}`, `${Date.now()}`);
    await sleep(10);
  }
  log.info('drawn');
  return drawn;
}

/** What code of three ages does: none has a patch, the next has it, the last has forgotten the way before. */
export async function evolving(): Promise<string> {
  const now = patched('new-way') ? 'new' : 'old';
  let may = false;
  setHandler(go, () => void (may = true));
  await condition(() => may);
  return now;
}

export async function evolved(): Promise<string> {
  deprecatePatch('new-way');
  return 'new';
}
