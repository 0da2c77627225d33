import assert from 'node:assert/strict';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import proto, { type temporal } from '@temporalio/proto';
import { callers } from '../activities.ts';
import { announcer, chainOfFailures, city, echo, finish, heirs, size } from '../workflows/data.ts';
import { begun } from './children.ts';
import { events, eventually, fails, program } from '../stage.ts';

program('search attributes, memo and details', {}, async (stage) => {
  const { IndexedValueType } = proto.temporal.api.enums.v1;
  const searchAttributes = {
    [city.name]: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, [size.name]: IndexedValueType.INDEXED_VALUE_TYPE_INT,
  };
  await stage.client.connection.operatorService.addSearchAttributes({ namespace: 'default', searchAttributes });
  await stage.worker(async () => {
    const handle = await stage.start(announcer, {
      memo: { mood: 'unknown', from: 'client' }, staticSummary: 'announces', staticDetails: 'to the world',
      typedSearchAttributes: [{ key: size, value: 1 }],
    });
    await eventually(() => begun(handle));
    const described = await handle.describe();
    assert.equal(described.typedSearchAttributes.get(city), 'Bergen');
    assert.equal(described.typedSearchAttributes.get(size), 7);
    assert.equal(await described.staticSummary(), 'announces');
    assert.equal(await described.staticDetails(), 'to the world');
    await handle.signal(finish);
    assert.deepEqual(await handle.result(), { mood: 'fine', from: 'client' });
    const timer = (await events(handle)).find((event) => event.timerStartedEventAttributes)!;
    assert.equal(defaultPayloadConverter.fromPayload(timer.userMetadata!.summary!), 'a short nap');
  });
});

program('headers go to activities and children', { needs: ['children'] }, async (stage) => {
  const caller = defaultPayloadConverter.toPayload('the test')!;
  const client = stage.clientWith({
    interceptors: {
      workflow: [{ start: async (input, next) => await next({ ...input, headers: { ...input.headers, caller } }) }],
    },
  });
  const activity = (context: object) => ({
    inbound: {
      execute: async (input: any, next: any) => {
        const found = input.headers.caller;
        if (found) callers.set(context as never, defaultPayloadConverter.fromPayload(found));
        return await next(input);
      },
    },
  });
  await stage.worker(
    async () => {
      const workflowId = stage.queue;
      const handle = await client.workflow.start(heirs, { workflowId, taskQueue: stage.queue, args: [1] });
      assert.deepEqual(await handle.result(), ['the test', 'the test']);
    },
    { interceptors: { activity: [activity] } }
  );
});

program('a chain of failures', {}, async (stage) => {
  await stage.worker(async () => {
    const { cause } = await fails(stage.run(chainOfFailures), WorkflowFailedError);
    assert(cause instanceof ApplicationFailure && cause.message === 'top' && cause.nonRetryable);
    assert(cause.cause instanceof ApplicationFailure && cause.cause.message === 'middle');
    const root = cause.cause.cause;
    assert(root instanceof ApplicationFailure);
    assert.deepEqual([root.type, root.message, root.details], ['Root', 'root', [{ deep: [1, 2] }]]);
  });
});

program('a large input', {}, async (stage) => {
  const text = 'é'.repeat(400_000);
  await stage.worker(async () => assert.equal(await stage.run(echo, { args: [text] }), text));
});
