import {
  allHandlersFinished, ApplicationFailure, condition, currentUpdateInfo, defineQuery, defineSignal, defineUpdate, proxyActivities,
  setDefaultQueryHandler, setHandler,
} from '@temporalio/workflow';
import type * as activities from '../activities.ts';

const { greet } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });

export const write = defineSignal<[string]>('write');
export const close = defineSignal<[string]>('close');
export const lines = defineQuery<string[]>('lines');
export const fault = defineQuery<string>('fault');
export const put = defineUpdate<number, [string]>('put');
export const putLater = defineUpdate<string, [string]>('putLater');
export const ask = defineUpdate<string, [string]>('ask');
export const spoil = defineUpdate<void>('spoil');
export const whoAmI = defineUpdate<string>('whoAmI');

/** Takes signals, queries and updates until it is closed with 'well' or 'fail'. */
export async function ledger(): Promise<string[]> {
  const written: string[] = [];
  let end = '';
  setHandler(write, (line) => void written.push(line));
  setHandler(close, (how) => void (end = how));
  setHandler(lines, () => written);
  setHandler(fault, () => {
    throw new Error('a bad question');
  });
  setDefaultQueryHandler((name, ...args) => `${name} of ${args.length}`);
  setHandler(put, (line) => written.push(line), {
    validator: (line) => {
      if (!line) throw ApplicationFailure.create({ message: 'nothing to put', type: 'Empty' });
    },
  });
  setHandler(putLater, async (line) => {
    await condition(() => written.includes('now'));
    written.push(line);
    return line;
  });
  setHandler(ask, async (name) => await greet(name));
  setHandler(spoil, () => {
    throw ApplicationFailure.create({ message: 'it fell', type: 'Spoilt' });
  });
  setHandler(whoAmI, () => currentUpdateInfo()!.id);
  await condition(() => end !== '' && allHandlersFinished());
  if (end === 'fail') throw ApplicationFailure.nonRetryable('as told');
  return written;
}
