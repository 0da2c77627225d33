/** Where a program plays: a task queue of its own, and a client for each address in turn. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client, Connection, type ClientOptions, type WorkflowHandle, type WorkflowHandleWithFirstExecutionRunId,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { Workflow, WorkflowResultType } from '@temporalio/common';
import proto, { type temporal } from '@temporalio/proto';

type Play = (stage: Stage) => Promise<void>;
export type Program = { name: string; play: Play };
export const programs: Program[] = [];

/**
 * Told to the test, which reads it from the source. `short`: runs without --all; `needs`: features, see
 * tests/programs/missing.py; `tenure`: not for the reference server.
 */
type Kind = { short?: boolean; needs?: string[]; tenure?: boolean };

export function program(name: string, _kind: Kind, play: Play): void {
  programs.push({ name, play });
}

/** What all programs share: connections to each address, and the bundle of all workflows. */
export interface House {
  connections: Connection[];
  natives: NativeConnection[];
  bundle: WorkflowBundleWithSourceMap;
  activities: object;
}

type Options<W extends Workflow> = Partial<WorkflowStartOptions<W>> & { args?: unknown[] };

export class Stage {
  readonly queue = unique('q');
  private turn = 0;
  readonly house: House;

  constructor(house: House) {
    this.house = house;
  }

  /** A client of the next address. */
  get client(): Client {
    return this.clientWith({});
  }

  clientWith(options: Partial<ClientOptions>): Client {
    return new Client({ connection: this.next(this.house.connections), ...options });
  }

  /** Runs a worker while `play` lasts. */
  async worker<R>(play: () => Promise<R>, options: Partial<WorkerOptions> = {}): Promise<R> {
    const worker = await Worker.create({
      connection: this.next(this.house.natives),
      taskQueue: this.queue,
      workflowBundle: this.house.bundle,
      activities: this.house.activities,
      shutdownGraceTime: '1s',
      ...options,
    });
    return await worker.runUntil(play);
  }

  async start<W extends Workflow>(workflow: W | string, options: Options<W> = {}): Promise<WorkflowHandleWithFirstExecutionRunId<W>> {
    const all = { taskQueue: this.queue, workflowId: unique('wf'), args: [], ...options };
    return (await this.client.workflow.start(workflow as string, all)) as unknown as WorkflowHandleWithFirstExecutionRunId<W>;
  }

  /** Starts and waits for the result. */
  async run<W extends Workflow>(workflow: W, options: Options<W> = {}): Promise<WorkflowResultType<W>> {
    return await (await this.start(workflow, options)).result();
  }

  handle(workflowId: string, runId?: string): WorkflowHandle {
    return this.client.workflow.getHandle(workflowId, runId);
  }

  private next<T>(those: T[]): T {
    return those[this.turn++ % those.length]!;
  }
}

export function unique(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 13)}`;
}

/** Names of a history's events, e.g. WorkflowExecutionStarted. */
export async function eventNames(handle: WorkflowHandle): Promise<string[]> {
  return (await events(handle)).map((event) => {
    const name = proto.temporal.api.enums.v1.EventType[event.eventType!]!;
    return name.replace('EVENT_TYPE_', '').toLowerCase().replace(/(^|_)([a-z])/g, (_, __, letter) => letter.toUpperCase());
  });
}

export async function events(handle: WorkflowHandle): Promise<temporal.api.history.v1.IHistoryEvent[]> {
  return (await handle.fetchHistory()).events ?? [];
}

/** The first true value of `probe`. */
export async function eventually<T>(probe: () => Promise<T>, seconds = 20): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await probe();
    if (value) return value;
    assert(Date.now() < deadline, `not within ${seconds} s: ${probe}`);
    await sleep(50);
  }
}

/** Waits until the workflow has closed, and asserts how, e.g. COMPLETED. */
export async function endedAs(handle: WorkflowHandle, status: string): Promise<void> {
  const found = await eventually(async () => {
    const { name } = (await handle.describe()).status;
    return name === 'RUNNING' ? undefined : name;
  });
  assert.equal(found, status);
}

/** The error that `promise` ends with, which must be one of `type`. */
export async function fails<E extends Error>(promise: Promise<unknown>, type: abstract new (...args: any[]) => E): Promise<E> {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof type, `${(error as Error).stack}`);
    return error;
  }
  assert.fail('it succeeded');
}

export { sleep };
