/** The programs under test, started as a user starts them: the gateway and the command line, from their sources. */

import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { runLive } from '../cli/live-environment.ts';
import { serveArguments } from '../serve-arguments.ts';
import { type BackgroundProcess, type Finished, run, start, temporaryFolder } from './process.ts';

/** The program, as a file that Node runs with the condition `@coapsule/source`. */
export const commandLine: string = join(import.meta.dirname, '../../src/cli/main.ts');

/** Demo identity and key. */
export const demo = {
  identity: 'sensor-042',
  key: 'MySecret16ByteK!',
  keyHex: '4d795365637265743136427974654b21',
} as const;

/** Arguments of a demo identity for `coapsule` and `coap-client` alike. */
export const demoCredentials: readonly string[] = ['-u', demo.identity, '-k', demo.key];

/** A gateway that is ready. */
export interface RunningGateway {
  readonly process: BackgroundProcess;
  readonly coapPort: number;
  readonly coapsPort: number;
  readonly coap: string;
  readonly coaps: string;
  readonly folder: string;
}

/** Starts `coapsule serve --demo` on free ports of 127.0.0.1 and waits for its ready line. */
export async function startGateway(t: TestContext, ...args: string[]): Promise<RunningGateway> {
  const folder = temporaryFolder(t);
  const gateway = coapsuleInBackground(
    t,
    'serve',
    '--demo',
    ...['--coap', '127.0.0.1:0', '--coaps', '127.0.0.1:0', '--data', folder],
    ...args,
  );
  const [, json = ''] = await gateway.waitFor(/^ready (\{.*\})$/m, 20_000);
  const ready: { coap: string; coaps: string } = JSON.parse(json);
  return {
    process: gateway,
    coapPort: portOf(ready.coap),
    coapsPort: portOf(ready.coaps),
    coap: `coap://${ready.coap}`,
    coaps: `coaps://${ready.coaps}`,
    folder,
  };
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

/** Runs one `coapsule` command to its end: in this process, but for the gateway, which needs one of its own for its signals. */
export async function coapsule(t: TestContext, ...args: string[]): Promise<Finished> {
  if (args[0] === 'serve')
    return run(t, process.execPath, ['--conditions=@coapsule/source', commandLine, ...serveArguments(args)]);
  const { exitCode, bytes, output } = await runLive(args);
  return { code: exitCode, signal: null, stdout: Buffer.from(bytes), output };
}

/** Starts one `coapsule` command and lets it run. */
export function coapsuleInBackground(t: TestContext, ...args: string[]): BackgroundProcess {
  return start(t, process.execPath, ['--conditions=@coapsule/source', commandLine, ...serveArguments(args)]);
}
