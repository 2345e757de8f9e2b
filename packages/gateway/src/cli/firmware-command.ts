/**
 * `coapsule firmware put` and `get`: transfers that go on where they stopped, over a new association or with a gateway that was
 * started again, and whose SHA-256 is right at the end (docs/resources.md).
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { Command } from 'commander';
import { addClientOptions, type ClientCommandOptions } from './client-command-options.ts';
import { withClient } from './client-session.ts';
import type { CommandClient, CommandEnvironment } from './command-environment.ts';
import { CommandFailure, reportOf } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { exitCodesHelp } from './exit-codes-help.ts';
import { blockSizeValue, hexText, pathValue, wholeNumber } from './option-values.ts';
import { fileBody } from './payload-source.ts';
import { interruptible } from './request-verb.ts';
import { ResponseOutput } from './response-output.ts';
import { targetUri } from './target-uri.ts';
import { TransferProgress } from './transfer-progress.ts';

interface TransferOptions extends ClientCommandOptions {
  readonly blockSize?: number;
  /** How often it goes on after it has stopped. */
  readonly retries: number;
}

const help = `
URI is coaps://HOST[:PORT]/firmware/NAME/VERSION; without VERSION: for get the newest, for put the first 12 digits of its SHA-256.
A transfer that stopped goes on the next time where it is.
${exitCodesHelp}

Examples:
  coapsule firmware put coaps://localhost/firmware/pump/1.2 -f image.bin -u ci -k KEY
  coapsule firmware get coaps://localhost/firmware/pump -o image.bin -u sensor-7 -k KEY`;

/** The command; `end` is given its exit code. */
export function firmwareCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('firmware').addHelpText('after', help);
  const put = command
    .command('put')
    .argument('<uri>', 'coaps://HOST[:PORT]/firmware/NAME/VERSION')
    .description('bring a firmware to the gateway, or the rest of one')
    .requiredOption('-f, --file <file>', 'the firmware', pathValue);
  addTransferOptions(put).action(async (uri: string, options: TransferOptions & { readonly file: string }) =>
    end(await runFirmwarePut(uri, options, environment)),
  );
  const get = command
    .command('get')
    .argument('<uri>', 'coaps://HOST[:PORT]/firmware/NAME/VERSION')
    .description('fetch a firmware, or the rest of one')
    .requiredOption('-o, --output <file>', 'where it goes when all of it is there', pathValue);
  addTransferOptions(get).action(
    async (uri: string, options: TransferOptions & { readonly output: string }) =>
      end(await runFirmwareGet(uri, options, environment)),
  );
  return command;
}

function addTransferOptions(command: Command): Command {
  command
    .option('-b, --block-size <n>', 'block size: 16, 32, … 1024', blockSizeValue)
    .option(
      '--retries <n>',
      'how often it goes on after it has stopped, 1 s later',
      (text) => wholeNumber(text, 0, 1_000_000),
      10,
    );
  return addClientOptions(command).addHelpText('after', help);
}

/** Brings a firmware, from where the gateway has it on. */
async function runFirmwarePut(
  uriText: string,
  options: TransferOptions & { readonly file: string },
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText, environment.variables);
  const { file, blockSize } = options;
  const { size } = statSync(file);
  if (size === 0) throw new CommandFailure(ExitCode.Usage, `${file} is empty`, 'name the firmware with -f');
  const sha256 = await digestOf(file);
  const { path, version } = firmwareUri(uriText);
  const target = `${path}/${version ?? sha256.slice(0, 12)}`;
  const progress = new TransferProgress(environment, size);
  return withClient(
    uri,
    options,
    environment,
    (client) =>
      goingOn(options, environment, async (signal) => {
        const from = await receivedOf(client, `${target}/upload`, { sha256, size, signal, options });
        if (from > 0) environment.stderr.write(`coapsule: the gateway has ${from} of ${size} bytes\n`);
        const body = fileBody(file, size, from, (position) => progress.at(position));
        const query = `sha256=${sha256}${from > 0 ? `&from=${from}` : ''}`;
        const putting = client.request('PUT', `${target}?${query}`, {
          ...requestOptions(options, signal),
          payload: body.length === 0 ? new Uint8Array() : body,
          contentFormat: 'application/octet-stream',
          ...(blockSize !== undefined && { blockSize }),
        });
        const response = await putting.finally(() => progress.end());
        return new ResponseOutput(target, options, environment).response(response, false);
      }),
    { ownProgress: true },
  );
}

/** Fetches a firmware, from what is there of it on. */
async function runFirmwareGet(
  uriText: string,
  options: TransferOptions & { readonly output: string },
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText, environment.variables);
  const { output } = options;
  const { path, version } = firmwareUri(uriText);
  const asked = version === undefined ? path : `${path}/${version}`;
  return withClient(
    uri,
    options,
    environment,
    (client) =>
      goingOn(options, environment, async (signal) => {
        const told = await client.request('GET', asked, {
          ...requestOptions(options, signal),
          accept: 'application/json',
        });
        if (!told.ok) return new ResponseOutput(asked, {}, environment).response(told, false);
        const described = descriptionOf(told.text());
        if (described === undefined) {
          throw new CommandFailure(
            ExitCode.Failure,
            `${asked} does not describe a firmware`,
            `see what it is with "coapsule get ${asked}"`,
          );
        }
        const target = `${path}/${described.version}`;
        const part = `${output}.${described.sha256.slice(0, 12)}.part`;
        const progress = new TransferProgress(environment, described.size);
        const fetching = { part, described, options, progress, signal };
        const refused = await fetchRest(client, target, fetching)
          .catch((error: unknown) => {
            // Nobody will go on with it.
            if (error instanceof Replaced) rmSync(part);
            throw error;
          })
          .finally(() => progress.end());
        if (refused !== undefined)
          return new ResponseOutput(target, {}, environment).response(refused, false);
        const sha256 = await digestOf(part);
        if (sha256 !== described.sha256) {
          rmSync(part);
          throw new CommandFailure(
            ExitCode.Failure,
            `what came has the SHA-256 ${sha256}, and not ${described.sha256}: it was thrown away`,
            'try again',
          );
        }
        renameSync(part, output);
        environment.stderr.write(`${described.version}: ${described.size} bytes, SHA-256 ${sha256}\n`);
        return ExitCode.Success;
      }),
    { ownProgress: true },
  );
}

/** Gets block after block into a file. Fulfils with a response that is none; nothing when all is there. */
async function fetchRest(
  client: CommandClient,
  target: string,
  {
    part,
    described,
    options,
    progress,
    signal,
  }: {
    readonly part: string;
    readonly described: FirmwareDescription;
    readonly options: TransferOptions;
    readonly progress: TransferProgress;
    readonly signal: AbortSignal;
  },
) {
  let size = options.blockSize ?? 1024;
  closeSync(openSync(part, 'a'));
  const file = openSync(part, 'r+');
  try {
    // A part of a block may have been written when it stopped.
    const there = statSync(part).size;
    let offset = there - (there % size);
    while (offset < described.size) {
      const response = await client.request('GET', target, {
        ...requestOptions(options, signal),
        singleBlock: { num: offset / size, size },
      });
      if (!response.ok) return response;
      const { payload, block, etag } = response;
      if (etag !== undefined && !described.sha256.startsWith(hexText(etag))) throw new Replaced();
      for (let done = 0; done < payload.length; ) {
        done += writeSync(file, payload, done, payload.length - done, offset + done);
      }
      offset += payload.length;
      progress.at(offset);
      if (payload.length === 0) break;
      // The gateway may want smaller blocks, of which this is a multiple.
      if (block !== undefined && block.size < size) size = block.size;
    }
    return undefined;
  } finally {
    closeSync(file);
  }
}

/** How much of a firmware the gateway has: of this very one. */
async function receivedOf(
  client: CommandClient,
  uri: string,
  {
    sha256,
    size,
    signal,
    options,
  }: {
    readonly sha256: string;
    readonly size: number;
    readonly signal: AbortSignal;
    readonly options: TransferOptions;
  },
): Promise<number> {
  const response = await client.request('GET', uri, requestOptions(options, signal));
  if (!response.ok) return 0;
  try {
    const state = JSON.parse(response.text()) as { sha256?: unknown; received?: unknown };
    const { received } = state;
    return state.sha256 === sha256 && typeof received === 'number' && received <= size ? received : 0;
  } catch {
    return 0;
  }
}

/** The version has another content than when it was begun. */
class Replaced extends Error {
  override readonly name = 'Replaced';
  readonly code = 'ERR_BLOCKWISE';

  constructor() {
    super('another firmware has taken the place of this one');
  }
}

/** Does it again while it stops for want of a connection, as often as the options say. */
async function goingOn<Result>(
  { retries }: TransferOptions,
  environment: CommandEnvironment,
  transfer: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return interruptible(environment, async (signal) => {
    for (let left = retries; ; left--) {
      try {
        return await transfer(signal);
      } catch (error) {
        if (left === 0 || signal.aborted || !isOfConnection(error)) throw error;
        environment.stderr.write(`coapsule: it stopped: ${reportOf(error).cause}; it goes on\n`);
        await new Promise<void>((resolve) => environment.after(1000, resolve));
      }
    }
  });
}

const connectionFaults: readonly unknown[] = [
  'ERR_TIMEOUT',
  'ERR_NETWORK',
  'ERR_ASSOCIATION_CLOSED',
  'ERR_RESET',
  'ERR_BLOCKWISE',
];

function isOfConnection(error: unknown): boolean {
  return connectionFaults.includes((error as { readonly code?: unknown } | undefined)?.code);
}

interface FirmwareDescription {
  readonly version: string;
  readonly size: number;
  readonly sha256: string;
}

function descriptionOf(text: string): FirmwareDescription | undefined {
  let value: Partial<Record<keyof FirmwareDescription, unknown>>;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { version, size, sha256 } = value ?? {};
  // It becomes a part of a URI and of a line on a terminal: a name as versions have one, and nothing else.
  const isWhole =
    typeof version === 'string' &&
    /^[\w.+~-]{1,64}$/.test(version) &&
    typeof size === 'number' &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256);
  return isWhole ? { version, size, sha256 } : undefined;
}

/** The URI without a version, and the version. @throws CommandFailure for another one. */
function firmwareUri(uri: string): { readonly path: string; readonly version: string | undefined } {
  const [, path, version] = /^(.*\/firmware\/[^/?]+)(?:\/([^/?]+))?$/.exec(uri) ?? [];
  if (path !== undefined) return { path, version };
  throw new CommandFailure(
    ExitCode.Usage,
    `"${uri}" names no firmware`,
    'write coaps://HOST[:PORT]/firmware/NAME or …/firmware/NAME/VERSION',
  );
}

function requestOptions(
  { timeout }: Pick<TransferOptions, 'timeout'>,
  signal: AbortSignal,
): { readonly signal: AbortSignal; readonly timeoutMs?: number; readonly whenBusy: 'wait' } {
  return { signal, whenBusy: 'wait', ...(timeout !== undefined && { timeoutMs: timeout * 1000 }) };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
