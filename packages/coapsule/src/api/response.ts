/**
 * What a server answered, as the caller of a client gets it.
 *
 * @module
 */

import { blockSize, decodeBlock } from '../core/coap/block-option.ts';
import { Code, codeText, isSuccessCode } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import type { OptionReader } from '../core/coap/option-set.ts';
import {
  decodeProblemDetails,
  type ProblemDetails,
  plainText,
  problemDetailsFormat,
} from '../core/content/problem-details.ts';
import type { IncomingResponse } from '../core/endpoint/outputs.ts';
import { isDecodeFault } from '../core/foundation/errors.ts';
import type { ReadableStream } from '../node/web-stream.ts';
import type { PeerInfo } from './peer-info.ts';

/** RFC 7252 §5.10.7. */
const reservedLocationOptions: readonly number[] = [128, 132, 136, 140];

/** What a response says beside its body (RFC 7252 §5.2). Any code is a response: look at `ok`. */
class ResponseHead {
  readonly code: Code;
  readonly options: OptionReader;
  readonly peer: PeerInfo;
  /** How long the handshake took, when this request caused one. */
  readonly handshakeMs: number | undefined;
  /** From sending the request (after the handshake) to having the response; for a notification 0. */
  readonly roundTripMs: number;
  /** Whether the body is a stored one, still fresh or found good by the server (RFC 7252 §5.6). */
  readonly fromCache: boolean;

  constructor(response: Omit<IncomingResponse, 'payload'>, peer: PeerInfo, timing: ResponseTiming) {
    this.code = response.code;
    this.options = response.options;
    this.peer = peer;
    this.handshakeMs = timing.handshakeMs;
    this.roundTripMs = timing.roundTripMs;
    this.fromCache = timing.fromCache ?? false;
  }

  /** The code as people write it: `2.05`. */
  get codeText(): string {
    return codeText(this.code);
  }

  /** Whether nothing came, as `noResponse` wanted or allowed; the code is 0.00 then. */
  get silent(): boolean {
    return this.code === Code.Empty;
  }

  /** Whether the code is 2.xx. */
  get ok(): boolean {
    return isSuccessCode(this.code);
  }

  get contentFormat(): number | undefined {
    return this.options.uint(OptionNumber.ContentFormat);
  }

  /** Seconds the response stays fresh; 60 when the server says nothing (RFC 7252 §5.10.5). */
  get maxAgeSeconds(): number {
    return this.options.uint(OptionNumber.MaxAge) ?? 60;
  }

  get etag(): Uint8Array | undefined {
    return this.options.first(OptionNumber.ETag);
  }

  /** The sequence number of a notification (RFC 7641 §3.4). */
  get observe(): number | undefined {
    return this.options.uint(OptionNumber.Observe);
  }

  /** Where a created resource is: `/sensors/42` (RFC 7252 §5.10.7). */
  get locationPath(): string | undefined {
    // §5.10.7: with an option of those that are reserved for it, the location means something we do not know.
    if (reservedLocationOptions.some((number) => this.options.has(number))) return undefined;
    const segments = this.options.texts(OptionNumber.LocationPath);
    if (segments.length === 0) return undefined;
    return `/${segments.map(encodeURIComponent).join('/')}`;
  }

  /** Each Location-Query of a created resource, such as `unit=C` (RFC 7252 §5.10.7). */
  get locationQuery(): readonly string[] {
    return this.options.texts(OptionNumber.LocationQuery);
  }

  /** Bytes of the whole body, as the server estimates it (RFC 7959 §4). */
  get size(): number | undefined {
    return this.options.uint(OptionNumber.Size2);
  }

  /** Which block of the body the payload is, where a single one was asked for (RFC 7959 §2.2). */
  get block(): { readonly num: number; readonly more: boolean; readonly size: number } | undefined {
    const value = this.options.first(OptionNumber.Block2);
    const block = value && decodeBlock(value);
    return block && { num: block.num, more: block.more, size: blockSize(block.szx) };
  }
}

/** How long a response took. */
export interface ResponseTiming {
  readonly handshakeMs: number | undefined;
  readonly roundTripMs: number;
  readonly fromCache?: boolean;
}

/** A response with its whole body. */
export class Response extends ResponseHead {
  /** The whole body, also when it came in blocks (RFC 7959). */
  readonly payload: Uint8Array;

  constructor(response: IncomingResponse, peer: PeerInfo, timing: ResponseTiming) {
    super(response, peer, timing);
    this.payload = response.payload;
  }

  /** The payload as UTF-8 text; bytes that are not UTF-8 show as U+FFFD. */
  text(): string {
    return new TextDecoder().decode(this.payload);
  }

  /** What went wrong, as the server told it for programs (RFC 9290); `undefined` where it did not, or not well. */
  get problem(): ProblemDetails | undefined {
    if (this.contentFormat !== problemDetailsFormat) return undefined;
    const details = decodeProblemDetails(this.payload);
    return isDecodeFault(details) ? undefined : details;
  }

  /** What went wrong, for people: the diagnostic payload of an error (RFC 7252 §5.5.2), or the text of `problem`. */
  get diagnostic(): string | undefined {
    const { problem } = this;
    if (problem !== undefined) return plainText(problem.detail) ?? plainText(problem.title);
    const isText = !this.ok && this.payload.length > 0 && (this.contentFormat ?? 0) === 0;
    return isText ? this.text() : undefined;
  }
}

/** A response of whose body the first block is there; the next ones come as they are read. */
export class StreamedResponse extends ResponseHead {
  /** To loop over, or to pipe. Whoever does not read it to its end cancels it. */
  readonly body: ReadableStream<Uint8Array>;

  constructor(
    response: Omit<IncomingResponse, 'payload'>,
    peer: PeerInfo,
    timing: ResponseTiming,
    body: ReadableStream<Uint8Array>,
  ) {
    super(response, peer, timing);
    this.body = body;
  }
}
