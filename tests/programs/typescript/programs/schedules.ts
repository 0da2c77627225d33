/** What the official SDK's own tests of schedules hold its client and the server to, and some more. */
import assert from 'node:assert/strict';
import {
  ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy, type CalendarSpec,
  type ScheduleDescription, type ScheduleHandle, type ScheduleOptions, type ScheduleSummary,
} from '@temporalio/client';
import { defaultPayloadConverter, defineSearchAttributeKey } from '@temporalio/common';
import proto from '@temporalio/proto';
import { job, sleeper } from '../workflows/chains.ts';
import { heirs } from '../workflows/data.ts';
import { callers } from '../activities.ts';
import { endedAs, eventually, fails, program, unique, type Stage } from '../stage.ts';

const HOUR = 3_600_000;
const team = defineSearchAttributeKey('Team', 'KEYWORD');

type Options = Partial<Omit<ScheduleOptions, 'action'>> & { action?: object };

/** A schedule that does nothing by itself, unless the options say otherwise. */
async function create(stage: Stage, options: Options = {}): Promise<ScheduleHandle> {
  const { action, ...others } = options;
  return await stage.client.schedule.create({
    scheduleId: unique('schedule'),
    spec: { calendars: [{ hour: 3, month: 'JANUARY', year: 2098 }] },
    ...others,
    action: { type: 'startWorkflow', workflowType: sleeper, taskQueue: stage.queue, args: [1], ...action } as never,
  });
}

/** The handle at the next address. */
function again(stage: Stage, { scheduleId }: ScheduleHandle): ScheduleHandle {
  return stage.client.schedule.getHandle(scheduleId);
}

async function until(stage: Stage, schedule: ScheduleHandle, wanted: (found: ScheduleDescription) => boolean): Promise<ScheduleDescription> {
  let found: ScheduleDescription | undefined;
  const probe = async () => (wanted((found = await again(stage, schedule).describe())) ? found : undefined);
  return await eventually(probe).catch((error) => {
    throw new Error(`${wanted} is not true of ${JSON.stringify({ ...found, raw: undefined })}`, { cause: error });
  });
}

const range = <T>(start: T, end: T = start, step = 1) => ({ start, end, step });

/** A calendar as descriptions have it, every day at midnight but for what is said. */
function calendar(said: object) {
  return {
    second: [range(0)], minute: [range(0)], hour: [range(0)], dayOfMonth: [range(1, 31)],
    month: [range('JANUARY', 'DECEMBER')], dayOfWeek: [range('SUNDAY', 'SATURDAY')], year: [], comment: '', ...said,
  };
}

program('schedules by calendar, interval and cron', { short: true }, async (stage) => {
  const all: CalendarSpec = { second: '*', minute: '*', hour: '*', dayOfMonth: '*', month: '*', year: '*', dayOfWeek: '*' };
  const schedule = await create(stage, {
    spec: {
      calendars: [
        { comment: 'in the night', hour: range(2, 7) },
        { hour: [4, { start: 10, end: 13 }, range(20, 22, 2)], month: ['MARCH', range('JUNE', 'AUGUST')], dayOfWeek: 'MONDAY', year: 2098 },
      ],
      intervals: [{ every: '1h', offset: '5m' }, { every: '20m' }],
      cronExpressions: ['0 12 * * MON-WED,FRI'],
      skip: [{ ...all, dayOfMonth: 13 }],
      startAt: new Date('2098-01-01T00:00:00Z'),
      endAt: new Date('2098-12-31T00:00:00Z'),
      jitter: '30s',
      timezone: 'Europe/Berlin',
    },
    policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow: '1m', pauseOnFailure: true },
    state: { note: 'of a test', remainingActions: 4 },
  });
  const found = await again(stage, schedule).describe();
  assert.deepEqual(found.spec.calendars, [
    calendar({ hour: [range(2, 7)], comment: 'in the night' }),
    calendar({
      hour: [range(4), range(10, 13), range(20, 22, 2)], month: [range('MARCH'), range('JUNE', 'AUGUST')],
      dayOfWeek: [range('MONDAY')], year: [range(2098)],
    }),
    calendar({ hour: [range(12)], dayOfWeek: [range('MONDAY', 'WEDNESDAY'), range('FRIDAY')] }),
  ]);
  assert.deepEqual(found.spec.intervals, [{ every: HOUR, offset: HOUR / 12 }, { every: HOUR / 3, offset: undefined }]);
  assert.deepEqual(found.spec.skip!.map(({ dayOfMonth }) => dayOfMonth), [[range(13)]]);
  assert.deepEqual([found.spec.startAt, found.spec.endAt].map((at) => at!.toISOString().slice(0, 10)), ['2098-01-01', '2098-12-31']);
  assert.deepEqual([found.spec.jitter, found.spec.timezone], [30_000, 'Europe/Berlin']);
  assert.deepEqual(found.policies, { overlap: 'BUFFER_ONE', catchupWindow: 60_000, pauseOnFailure: true });
  assert.deepEqual(found.state, { paused: false, note: 'of a test', remainingActions: 4 });
  assert.equal(found.info.nextActionTimes.length, 4);
  assert(found.info.nextActionTimes.every((at) => at.getUTCFullYear() === 2098 || at.getUTCFullYear() === 2097));
  assert.equal(found.info.numActionsTaken, 0);
  await again(stage, schedule).delete();
});

program('what a schedule starts', {}, async (stage) => {
  const schedule = await create(stage, {
    action: {
      workflowId: `${stage.queue}-run`, args: [7], memo: { mood: 'fine' }, retry: { maximumAttempts: 3 },
      workflowExecutionTimeout: '3h', workflowRunTimeout: '2h', workflowTaskTimeout: '7s', staticSummary: 'sleeps',
    },
    memo: { owner: 'Ann' },
  });
  const { action, memo } = await again(stage, schedule).describe();
  assert.deepEqual([action.type, action.workflowType, action.workflowId, action.taskQueue], ['startWorkflow', 'sleeper', `${stage.queue}-run`, stage.queue]);
  assert.deepEqual([action.args, action.memo, memo], [[7], { mood: 'fine' }, { owner: 'Ann' }]);
  assert.deepEqual([action.workflowExecutionTimeout, action.workflowRunTimeout, action.workflowTaskTimeout], [3 * HOUR, 2 * HOUR, 7000]);
  assert.equal(action.retry!.maximumAttempts, 3);
  await stage.worker(async () => {
    await again(stage, schedule).trigger();
    const { info } = await until(stage, schedule, (found) => found.info.numActionsTaken === 1);
    const { workflowId, firstExecutionRunId } = info.recentActions[0]!.action.workflow;
    assert(workflowId.startsWith(`${stage.queue}-run-`), workflowId);
    const run = stage.handle(workflowId, firstExecutionRunId);
    await run.result();
    const described = await run.describe();
    assert.deepEqual([described.memo, await described.staticSummary()], [{ mood: 'fine' }, 'sleeps']);
    assert.deepEqual(described.searchAttributes['TemporalScheduledById'], [schedule.scheduleId]);
  });
  await again(stage, schedule).delete();
});

program('headers of a schedule stay when it is updated', {}, async (stage) => {
  const caller = defaultPayloadConverter.toPayload('the schedule')!;
  const create = async (input: any, next: any) => await next({ ...input, headers: { ...input.headers, caller } });
  const client = stage.clientWith({ interceptors: { schedule: [{ create }] } });
  const action = { type: 'startWorkflow' as const, workflowType: heirs, taskQueue: stage.queue, args: [0] as [number] };
  const schedule = await client.schedule.create({ scheduleId: unique('schedule'), spec: {}, action });
  await again(stage, schedule).update((previous) => ({ ...previous, spec: { intervals: [{ every: '9h' }] } }) as never);
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
      await again(stage, schedule).trigger();
      const { info } = await until(stage, schedule, (found) => found.info.numActionsTaken === 1);
      const { workflowId } = info.recentActions[0]!.action.workflow;
      assert.deepEqual(await stage.handle(workflowId).result(), ['the schedule']);
    },
    { interceptors: { activity: [activity] } }
  );
  await again(stage, schedule).delete();
});

program('a schedule is paused and goes on', { short: true }, async (stage) => {
  const schedule = await create(stage, { state: { paused: true, note: 'made so' } });
  const { state } = await again(stage, schedule).describe();
  assert.deepEqual([state.paused, state.note], [true, 'made so']);
  for (const [change, paused, note] of [
    [(at: ScheduleHandle) => at.unpause('go'), false, 'go'],
    [(at: ScheduleHandle) => at.pause('stop'), true, 'stop'],
    [(at: ScheduleHandle) => at.unpause(), false, 'Unpaused via TypeScript SDK'],
    [(at: ScheduleHandle) => at.pause(), true, 'Paused via TypeScript SDK'],
  ] as const) {
    await change(again(stage, schedule));
    await until(stage, schedule, ({ state }) => state.paused === paused && state.note!.startsWith(note));
  }
  await again(stage, schedule).delete();
});

program('a schedule is updated', { short: true }, async (stage) => {
  const schedule = await create(stage, { spec: { calendars: [{ hour: range(2, 7) }] } });
  await again(stage, schedule).update((previous) => ({ ...previous, spec: { calendars: [{ hour: range(6, 9, 2) }] } }) as never);
  let found = await until(stage, schedule, ({ spec }) => spec.calendars![0]!.hour[0]!.start === 6);
  assert.deepEqual(found.spec.calendars, [calendar({ hour: [range(6, 9, 2)] })]);

  const spec = { intervals: [{ every: '5h' }, { every: 10 * 60_000, offset: '30s' }] };
  await again(stage, schedule).update((previous) => ({ ...previous, spec }) as never);
  found = await until(stage, schedule, ({ spec }) => spec.intervals?.length === 2);
  assert.deepEqual(found.spec.calendars ?? [], []);
  assert.deepEqual(found.spec.intervals, [{ every: 5 * HOUR, offset: undefined }, { every: HOUR / 6, offset: 30_000 }]);

  await again(stage, schedule).update((previous) => ({
    ...previous,
    action: { type: 'startWorkflow', workflowType: job, taskQueue: 'elsewhere', args: [] },
    policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL, pauseOnFailure: true },
    state: { paused: true, note: 'changed', remainingActions: 2 },
  }) as never);
  found = await until(stage, schedule, ({ action }) => action.workflowType === 'job');
  assert.deepEqual([found.action.taskQueue, found.action.args], ['elsewhere', []]);
  assert.deepEqual([found.policies.overlap, found.policies.pauseOnFailure], ['ALLOW_ALL', true]);
  assert.deepEqual(found.state, { paused: true, note: 'changed', remainingActions: 2 });
  assert(found.info.lastUpdatedAt! >= found.info.createdAt);
  await again(stage, schedule).delete();
});

program('what a schedule cannot be', {}, async (stage) => {
  const schedule = await create(stage);
  await fails(create(stage, { scheduleId: schedule.scheduleId }), ScheduleAlreadyRunning);
  // Said by the server, once: what is invalid is not tried again.
  let calls = 0;
  const invalid = again(stage, schedule).update((previous) => {
    calls += 1;
    return { ...previous, spec: { calendars: [{ hour: 42 }] } } as never;
  });
  const refused = await fails(invalid, Error);
  assert.match(`${refused} ${(refused as Error).cause ?? ''}`, /hour|INVALID_ARGUMENT/i);
  assert.equal(calls, 1);
  assert.match(String(await fails(create(stage, { spec: { cronExpressions: ['61 * * * *'] } }), TypeError)), /Minute is not in range/);
  const gone = again(stage, schedule);
  await gone.delete();
  await fails(again(stage, schedule).describe(), ScheduleNotFoundError);
  await fails(again(stage, schedule).trigger(), ScheduleNotFoundError);
});

async function listed(stage: Stage, query: string): Promise<ScheduleSummary[]> {
  const found: ScheduleSummary[] = [];
  for await (const each of stage.client.schedule.list({ query, pageSize: 2 })) found.push(each);
  return found.sort((a, b) => a.scheduleId.localeCompare(b.scheduleId));
}

program('schedules are listed by their search attributes', { short: true }, async (stage) => {
  const searchAttributes = { [team.name]: proto.temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD };
  await stage.client.connection.operatorService.addSearchAttributes({ namespace: 'default', searchAttributes });
  const group = unique('list');
  const handles = [];
  for (const [at, name] of ['red', 'blue', 'red', 'red', 'blue'].entries()) {
    handles.push(await create(stage, {
      scheduleId: `${group}-${at}`, memo: { at }, spec: { intervals: [{ every: '9h' }] }, state: { paused: at === 0 },
      typedSearchAttributes: [{ key: team, value: `${group}-${name}` }],
    }));
  }
  const ids = async (query: string) => (await listed(stage, query)).map(({ scheduleId }) => Number(scheduleId.slice(-1)));
  const red = `Team = '${group}-red'`;
  await eventually(async () => ((await ids(`ScheduleId STARTS_WITH '${group}'`)).length === 5 ? true : undefined));
  assert.deepEqual(await ids(red), [0, 2, 3]);
  assert.deepEqual(await ids(`Team = '${group}-blue'`), [1, 4]);
  assert.deepEqual(await ids(`${red} AND TemporalSchedulePaused = false`), [2, 3]);
  const [first] = await listed(stage, `ScheduleId = '${group}-0'`);
  assert.deepEqual([first!.memo, first!.state.paused, first!.action!.workflowType], [{ at: 0 }, true, 'sleeper']);
  assert.deepEqual(first!.spec!.intervals, [{ every: 9 * HOUR, offset: undefined }]);
  assert.equal(first!.typedSearchAttributes!.get(team), `${group}-red`);
  assert(first!.info.nextActionTimes.length > 0);

  // An update without search attributes leaves them; one that names others replaces them.
  await again(stage, handles[0]!).update(({ searchAttributes: _, typedSearchAttributes: __, ...others }) => ({ ...others, state: { paused: false } }) as never);
  const value = `${group}-green`;
  await again(stage, handles[4]!).update(({ searchAttributes: _, ...others }) => ({ ...others, typedSearchAttributes: [{ key: team, value }] }) as never);
  await eventually(async () => ((await ids(`Team = '${value}'`)).length === 1 ? true : undefined));
  assert.deepEqual(await ids(red), [0, 2, 3]);
  assert.equal((await again(stage, handles[4]!).describe()).typedSearchAttributes.get(team), value);
  await Promise.all(handles.map((handle) => again(stage, handle).delete()));
  await eventually(async () => ((await ids(red)).length === 0 ? true : undefined));
});

program('a schedule acts when it is asked to', { short: true }, async (stage) => {
  await stage.worker(async () => {
    const day = new Date('2026-03-02T00:00:00Z').getTime();
    const schedule = await create(stage, {
      spec: { intervals: [{ every: '1h' }] },
      action: { workflowType: job, args: [] },
      state: {
        paused: true, triggerImmediately: true,
        backfill: [{ start: new Date(day), end: new Date(day + 2 * HOUR), overlap: ScheduleOverlapPolicy.ALLOW_ALL }],
      },
    });
    await until(stage, schedule, ({ info }) => info.numActionsTaken === 4);
    await again(stage, schedule).backfill([
      { start: new Date(day + 10 * HOUR), end: new Date(day + 11 * HOUR), overlap: ScheduleOverlapPolicy.ALLOW_ALL },
      { start: new Date(day + 20 * HOUR), end: new Date(day + 20 * HOUR), overlap: ScheduleOverlapPolicy.ALLOW_ALL },
    ]);
    // Triggers of the same second are for one workflow id.
    const second = (at: Date) => Math.floor(at.getTime() / 1000);
    const { createdAt } = (await again(stage, schedule).describe()).info;
    await eventually(async () => (second(new Date()) > second(createdAt) ? true : undefined));
    await again(stage, schedule).trigger(ScheduleOverlapPolicy.ALLOW_ALL);
    const { info } = await until(stage, schedule, ({ info }) => info.numActionsTaken === 8);
    const hours = info.recentActions.map(({ scheduledAt }) => (scheduledAt.getTime() - day) / HOUR).filter((hour) => hour < 24);
    assert.deepEqual(hours.sort((a, b) => a - b), [0, 1, 2, 10, 11, 20]);
    await again(stage, schedule).delete();
  });
});

program('what overlaps is skipped, waits, or starts beside', {}, async (stage) => {
  const ends = async (overlap: ScheduleOverlapPolicy, done: (found: ScheduleDescription) => boolean, ms = HOUR) => {
    const spec = { intervals: [{ every: '1h' }] };
    const schedule = await create(stage, { spec, action: { args: [ms] }, policies: { overlap }, state: { paused: true } });
    const start = new Date('2026-03-02T00:00:00Z');
    await again(stage, schedule).backfill({ start, end: new Date(start.getTime() + 2 * HOUR), overlap });
    const found = await until(stage, schedule, done);
    await again(stage, schedule).delete();
    return found.info;
  };
  const { runningActions } = await ends('SKIP', ({ info }) => info.numActionsTaken === 1 && info.numActionsSkippedOverlap === 2);
  assert.equal(runningActions.length, 1);
  await ends('BUFFER_ONE', ({ info }) => info.numActionsTaken === 1 && info.numActionsSkippedOverlap === 1);
  await ends('ALLOW_ALL', ({ info }) => info.numActionsTaken === 3);
  await stage.worker(async () => {
    const waited = await ends('BUFFER_ALL', ({ info }) => info.numActionsTaken === 3, 1);
    assert.equal(waited.numActionsSkippedOverlap, 0);
  });
});

program('what runs is ended by what comes due', {}, async (stage) => {
  await stage.worker(async () => {
    for (const [overlap, status] of [['TERMINATE_OTHER', 'TERMINATED'], ['CANCEL_OTHER', 'CANCELLED']] as const) {
      const schedule = await create(stage, { action: { args: [HOUR] }, policies: { overlap } });
      await again(stage, schedule).trigger(overlap);
      await until(stage, schedule, ({ info }) => info.numActionsTaken === 1);
      await again(stage, schedule).trigger(overlap);
      const { info } = await until(stage, schedule, ({ info }) => info.numActionsTaken === 2);
      const { workflowId, firstExecutionRunId } = info.recentActions[0]!.action.workflow;
      await endedAs(stage.handle(workflowId, firstExecutionRunId), status);
      await again(stage, schedule).delete();
    }
  });
});

program('the times that a schedule has', {}, async (stage) => {
  const schedule = await create(stage, { spec: { cronExpressions: ['30 2 * * MON-FRI'], timezone: 'Europe/Berlin' } });
  const seconds = (text: string) => ({ seconds: Date.parse(text) / 1000 as never });
  const { startTime } = await stage.client.workflowService.listScheduleMatchingTimes({
    namespace: 'default', scheduleId: schedule.scheduleId, startTime: seconds('2026-03-25T00:00:00Z'), endTime: seconds('2026-04-01T00:00:00Z'),
  });
  const times = startTime.map((at) => new Date(Number(at.seconds) * 1000).toISOString().slice(0, 16));
  assert.deepEqual(times, ['2026-03-25T01:30', '2026-03-26T01:30', '2026-03-27T01:30', '2026-03-30T00:30', '2026-03-31T00:30']);
  await again(stage, schedule).delete();
});
