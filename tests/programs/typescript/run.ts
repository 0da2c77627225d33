/**
 *     node run.ts ADDRESS,ADDRESS,... [NAME...]
 *
 * runs the programs of these names, or all, some at a time, and prints a line of JSON for each: name, error or none, ms.
 */
import { fileURLToPath } from 'node:url';
import { readdirSync } from 'node:fs';
import { Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import * as activities from './activities.ts';
import { programs, Stage, type House } from './stage.ts';

const AT_ONCE = 4;
const LIMIT_MS = 60_000;

const [addresses, ...names] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {}, filter: 'ERROR' } } });

for (const file of readdirSync(new URL('programs/', import.meta.url)).sort()) {
  await import(`./programs/${file}`);
}
const wanted = names.length ? programs.filter(({ name }) => names.includes(name)) : programs;

const house: House = {
  connections: await Promise.all(addresses!.split(',').map((address) => Connection.connect({ address }))),
  natives: await Promise.all(addresses!.split(',').map((address) => NativeConnection.connect({ address }))),
  bundle: await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./workflows/index.ts', import.meta.url)),
    workflowInterceptorModules: [fileURLToPath(new URL('./workflows/interceptors.ts', import.meta.url))],
    logger: new DefaultLogger('ERROR'),
  }),
  activities,
};

async function perform(): Promise<void> {
  for (let one = wanted.shift(); one; one = wanted.shift()) {
    const began = Date.now();
    let error: string | null = null;
    let alarm: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        alarm = setTimeout(() => reject(new Error(`not done within ${LIMIT_MS} ms`)), LIMIT_MS);
      });
      await Promise.race([one.play(new Stage(house)), late]);
    } catch (caught) {
      error = describe(caught);
    }
    clearTimeout(alarm);
    console.log(JSON.stringify({ name: one.name, error, ms: Date.now() - began }));
  }
}

/** The stack of an error and of its causes. */
function describe(error: unknown): string {
  const { stack, cause } = error as Error;
  return `${stack ?? error}${cause ? `\ncaused by ${describe(cause)}` : ''}`;
}

await Promise.all(Array.from({ length: AT_ONCE }, perform));
// A program that was given up may still hold a worker.
process.exit(0);
