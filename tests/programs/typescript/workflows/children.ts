import {
  ApplicationFailure, CancellationScope, ChildWorkflowCancellationType, condition, defineSignal, executeChild,
  getExternalWorkflowHandle, isCancellation, ParentClosePolicy, setHandler, sleep, startChild, workflowInfo,
} from '@temporalio/workflow';

export const say = defineSignal<[string]>('say');

/** Does as it is told: returns, fails, or waits for a signal. */
export async function child(what: string): Promise<string> {
  let said = '';
  setHandler(say, (word) => void (said = word));
  if (what === 'fail') throw ApplicationFailure.nonRetryable('as told', 'Told', 'detail');
  if (what === 'second try' && workflowInfo().attempt === 1) throw ApplicationFailure.retryable('first try');
  if (what === 'wait') {
    await condition(() => said !== '');
    return said;
  }
  return `${what} from attempt ${workflowInfo().attempt}`;
}

export async function parent(what: string, options: object = {}): Promise<string> {
  return await executeChild(child, { args: [what], workflowId: `${workflowInfo().workflowId}/child`, ...options });
}

/** Starts a child and closes as it is told. */
export async function leaver(policy: ParentClosePolicy): Promise<void> {
  let told = '';
  setHandler(say, (word) => void (told = word));
  await startChild(child, {
    args: ['wait'], workflowId: `${workflowInfo().workflowId}/child`, parentClosePolicy: policy,
  });
  await condition(() => told !== '');
}

/** Cancels its child and says how the wait for it ended. */
export async function canceller(type: ChildWorkflowCancellationType): Promise<string> {
  const scope = new CancellationScope();
  try {
    await scope.run(async () => {
      const started = await startChild(child, {
        args: ['wait'], workflowId: `${workflowInfo().workflowId}/child`, cancellationType: type,
        parentClosePolicy: ParentClosePolicy.ABANDON,
      });
      await CancellationScope.nonCancellable(async () => await sleep(50));
      scope.cancel();
      await started.result();
    });
  } catch (error) {
    if (!isCancellation(error)) throw error;
    // The request to cancel goes out once the task is completed, and not from a closed workflow.
    await sleep(200);
    return 'cancelled';
  }
  return 'went on';
}

/** Signals another workflow, or cancels it. */
export async function speaker(workflowId: string, words: string[]): Promise<string> {
  const other = getExternalWorkflowHandle(workflowId);
  try {
    if (!words.length) await other.cancel();
    for (const word of words) await other.signal(say, word);
  } catch (error) {
    return (error as Error).message;
  }
  return 'done';
}

/** A tree of workflows; the number of its leaves. */
export async function family(width: number, depth: number): Promise<number> {
  if (depth === 0) return 1;
  const { workflowId } = workflowInfo();
  const below = Array.from({ length: width }, (_, i) =>
    executeChild(family, { args: [width, depth - 1], workflowId: `${workflowId}/${i}` })
  );
  return (await Promise.all(below)).reduce((sum, leaves) => sum + leaves, 0);
}
