import { activityInfo, CompleteAsyncError, Context, heartbeat, sleep } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';

export async function greet(name: string): Promise<string> {
  return `hello ${name}`;
}

/** Fails until its attempt `good`. */
export async function flaky(good: number, type: string): Promise<number> {
  const { attempt } = activityInfo();
  if (attempt < good) throw ApplicationFailure.create({ message: `attempt ${attempt}`, type, details: [attempt] });
  return attempt;
}

/** Goes on from where its last attempt's heartbeat stood, and falls once on the way. */
export async function climb(steps: number): Promise<number[]> {
  const { attempt, heartbeatDetails } = activityInfo();
  const reached: number = heartbeatDetails ?? 0;
  for (let step = reached + 1; step <= steps; step++) {
    heartbeat(step);
    if (step === steps / 2 && attempt === 1) {
      await sleep(200);
      throw new Error('fell');
    }
  }
  return [reached, attempt];
}

export async function slow(ms: number): Promise<string> {
  await sleep(ms);
  return 'done';
}

/** Waits to be told that it is cancelled. */
export async function told(): Promise<string> {
  try {
    for (;;) {
      heartbeat();
      await sleep(50);
    }
  } catch (error) {
    if (error instanceof CancelledFailure) await new Promise((resolve) => setTimeout(resolve, 100));
    throw error;
  }
}

/** Is completed by someone else. */
export async function elsewhere(): Promise<string> {
  throw new CompleteAsyncError();
}

/** The header that an interceptor put into the activity's context. */
export async function whoAsks(): Promise<string> {
  return callers.get(Context.current()) ?? 'nobody';
}

export const callers = new WeakMap<Context, string>();

let notes: Record<string, number> = {};

/** Counts its calls under a name. */
export async function note(name: string): Promise<number> {
  notes[name] = (notes[name] ?? 0) + 1;
  return notes[name];
}

export async function large(size: number): Promise<string> {
  return 'x'.repeat(size);
}
