/**
 * What an application may give as a body: bytes, text, or something that is read as it is sent (RFC 7959).
 *
 * @module
 */

import { noBytes } from '../core/foundation/bytes.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { encodeUtf8 } from '../core/foundation/utf8.ts';
import type { BodySource } from '../core/request-response/request-response-layer.ts';
import type { ReadableStream } from '../node/web-stream.ts';

/** A body that can be read at any place, and more than once: an upload that is begun again needs such a one. */
export interface RandomAccessBody {
  /** Bytes of the whole. */
  readonly length: number;
  /** 1 to `length` bytes from `offset` on. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** Called when nothing more will be read. */
  close?(): void | Promise<void>;
}

/**
 * A body. An iterable, such as a `ReadableStream` or a generator, is read once and only as fast as it is sent; text in it
 * is UTF-8. A block of it that is refused goes again, as with an Echo (RFC 9175 §2.3); where the server has given up those
 * before (4.08), the request fails with `ERR_BLOCKWISE`. Bytes, text and bodies of random access begin again then.
 */
export type BodyInput =
  | Uint8Array
  | string
  | Iterable<Uint8Array | string>
  | AsyncIterable<Uint8Array | string>
  | RandomAccessBody;

/** A body as the core takes it. */
export interface BodyForCore {
  /** Empty where there is a `body`. */
  readonly payload: Uint8Array;
  readonly body?: SuppliedBody;
}

/** @throws ApiMisuseError for what is no body. */
function expectBody(input: unknown): asserts input is BodyInput | undefined {
  if (input === undefined || typeof input === 'string' || input instanceof Uint8Array) return;
  if (typeof input === 'object' && input !== null && (isRandomAccess(input) || isIterable(input))) return;
  throw new ApiMisuseError(
    `payload is ${typeof input}; expected text or bytes, such as JSON.stringify(…), or a body to read from`,
  );
}

/** Takes a body apart. @throws ApiMisuseError for what is none, and for a generator that was begun. */
export function bodyForCore(input: BodyInput | undefined): BodyForCore {
  expectBody(input);
  if (input === undefined) return { payload: noBytes };
  if (typeof input === 'string') return { payload: encodeUtf8(input) };
  if (input instanceof Uint8Array) return { payload: input };
  return { payload: noBytes, body: new SuppliedBody(input) };
}

/** Generators that were begun: whoever reads them once more gets the rest for the whole. */
const begun = new WeakSet<object>();

/** A body that is read as it is sent. */
export class SuppliedBody implements BodySource {
  readonly length?: number;
  readonly randomAccess: boolean;
  readonly #input: Exclude<BodyInput, Uint8Array | string>;
  #iterator: Iterator<Uint8Array | string> | AsyncIterator<Uint8Array | string> | undefined;
  /** What was read and not given yet, and its place in the body. */
  #rest: Uint8Array = noBytes;
  #position = 0;
  #closed = false;
  /** What reading failed with. */
  error: unknown;
  /** Called when the body is read for the first time: its request is under way. */
  onBegun: (() => void) | undefined;

  constructor(input: Exclude<BodyInput, Uint8Array | string>) {
    this.#input = input;
    this.randomAccess = isRandomAccess(input);
    if (!isRandomAccess(input)) {
      if (begun.has(input))
        throw new ApiMisuseError('payload: this iterable was read before; give a new one');
      return;
    }
    if (!Number.isSafeInteger(input.length) || input.length < 0) {
      throw new ApiMisuseError(`payload.length is ${input.length}; expected the bytes of the body`);
    }
    this.length = input.length;
  }

  /** At most `length` bytes from `offset` on, and whether they are the last. */
  async read(
    offset: number,
    length: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly last: boolean }> {
    this.onBegun?.();
    this.onBegun = undefined;
    if (isRandomAccess(this.#input)) {
      const bytes = await this.#input.read(offset, length);
      const end = offset + bytes.length;
      if (bytes.length === 0 && offset < this.#input.length) {
        throw new ApiMisuseError(`payload.read(${offset}, ${length}) gave nothing`);
      }
      return { bytes: bytes.subarray(0, length), last: end >= this.#input.length };
    }
    for (;;) {
      const skip = Math.min(offset - this.#position, this.#rest.length);
      this.#rest = this.#rest.subarray(skip);
      this.#position += skip;
      if (this.#rest.length > 0) break;
      const { done, value } = await this.#next(this.#input);
      if (done) return { bytes: noBytes, last: true };
      this.#rest = typeof value === 'string' ? encodeUtf8(value) : value;
      if (!(this.#rest instanceof Uint8Array)) {
        throw new ApiMisuseError(`payload gave ${typeof value}; expected text or bytes`);
      }
    }
    const bytes = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(bytes.length);
    this.#position += bytes.length;
    return { bytes, last: false };
  }

  /** Nothing more will be read. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (isRandomAccess(this.#input)) await this.#input.close?.();
    else if (this.#iterator !== undefined) await this.#iterator.return?.();
    // A stream has its source open before anything is read of it; what else is iterated has not begun.
    else if (isStream(this.#input) && !this.#input.locked) await this.#input.cancel();
  }

  async #next(
    input: Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>,
  ): Promise<IteratorResult<Uint8Array | string>> {
    if (this.#iterator === undefined) {
      const iterator =
        Symbol.asyncIterator in input ? input[Symbol.asyncIterator]() : input[Symbol.iterator]();
      if ((iterator as object) === input) begun.add(input);
      this.#iterator = iterator;
    }
    return this.#iterator.next();
  }
}

function isRandomAccess(input: object): input is RandomAccessBody {
  return 'read' in input && typeof input.read === 'function' && 'length' in input;
}

function isStream(input: object): input is ReadableStream {
  return 'getReader' in input && 'cancel' in input && typeof input.cancel === 'function';
}

function isIterable(
  input: object,
): input is Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string> {
  return Symbol.asyncIterator in input || Symbol.iterator in input;
}

/** Whether a body can be read once more. */
export function canBeReadAgain(input: BodyInput | undefined): boolean {
  if (input === undefined || typeof input === 'string' || input instanceof Uint8Array) return true;
  return isRandomAccess(input);
}
