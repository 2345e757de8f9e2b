/**
 * The payload of a request: `-e` text, or `-f` file. A large one is read as it is sent.
 *
 * @module
 */

import { closeSync, openSync, readFileSync, readSync, type Stats, statSync } from 'node:fs';
import type { BodyInput, RandomAccessBody } from 'coapsule';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { TransferProgress } from './transfer-progress.ts';

/** Up to here a payload is read beforehand: it may go in one message. */
const wholeBytes = 65_536;

/** What the options of a command say about its payload. */
interface PayloadOptions {
  readonly payload?: string;
  readonly file?: string;
}

/** The payload, or nothing when neither option was given. */
export async function requestPayload(
  options: PayloadOptions,
  environment: CommandEnvironment,
): Promise<BodyInput | undefined> {
  const { payload, file } = options;
  if (payload !== undefined || file === undefined) return wholePayload(options, environment);
  if (file === '-') return inputBody(environment.standardInput());
  const status = statSync(file);
  if (!isReadAsSent(status)) return readFileSync(file);
  const progress = new TransferProgress(environment, status.size);
  return fileBody(
    file,
    status.size,
    0,
    (position) => progress.at(position),
    () => progress.end(),
  );
}

/** Whether a file is larger than what is read beforehand. */
export function isReadAsSent(status: Stats | undefined): boolean {
  return status?.isFile() === true && status.size > wholeBytes;
}

/** The payload as bytes: for a request that is sent more than once. */
export async function wholePayload(
  { payload, file }: PayloadOptions,
  environment: CommandEnvironment,
): Promise<Uint8Array | undefined> {
  if (payload !== undefined && file !== undefined) {
    throw new CommandFailure(ExitCode.Usage, '-e and -f cannot be used together', 'leave one of them out');
  }
  if (payload !== undefined) return new TextEncoder().encode(payload);
  if (file === '-') return environment.readStandardInput();
  return file === undefined ? undefined : readFileSync(file);
}

/** Standard input: bytes where it is short, else what is left of it to read. */
async function inputBody(input: AsyncIterable<Uint8Array>): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const iterator = input[Symbol.asyncIterator]();
  const begun: Uint8Array[] = [];
  for (let length = 0; length <= wholeBytes; ) {
    const { done, value } = await iterator.next();
    if (done) return new Uint8Array(Buffer.concat(begun));
    begun.push(value);
    length += value.length;
  }
  return (async function* () {
    yield* begun;
    for (;;) {
      const { done, value } = await iterator.next();
      if (done) return;
      yield value;
    }
  })();
}

/**
 * A file that is read where and when its blocks are sent.
 *
 * @param length of the file, in bytes.
 * @param from where in the file the body begins.
 * @param onRead is told where in the file the next block is, all before which was sent; `onClose` that nothing more is read.
 */
export function fileBody(
  path: string,
  length: number,
  from = 0,
  onRead: (position: number) => void = () => {},
  onClose: () => void = () => {},
): RandomAccessBody {
  let file: number | undefined;
  return {
    length: length - from,
    read(offset, size) {
      file ??= openSync(path, 'r');
      onRead(from + offset);
      const bytes = new Uint8Array(size);
      return bytes.subarray(0, readSync(file, bytes, 0, size, from + offset));
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
      onClose();
    },
  };
}
