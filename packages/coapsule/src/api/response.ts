/**
 * What a server answered, as the caller of a client gets it.
 *
 * @module
 */

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
import type { PeerInfo } from './peer-info.ts';

/** RFC 7252 §5.10.7. */
const reservedLocationOptions: readonly number[] = [128, 132, 136, 140];

/** A response with its whole body (RFC 7252 §5.2). Any code is a response: look at `ok`. */
export class Response {
  readonly code: Code;
  readonly options: OptionReader;
  /** The whole body, also when it came in blocks (RFC 7959). */
  readonly payload: Uint8Array;
  readonly peer: PeerInfo;
  /** How long the handshake took, when this request caused one. */
  readonly handshakeMs: number | undefined;
  /** From sending the request (after the handshake) to having the whole response; for a notification 0. */
  readonly roundTripMs: number;
  /** Whether the body is a stored one, still fresh or found good by the server (RFC 7252 §5.6). */
  readonly fromCache: boolean;

  constructor(
    response: IncomingResponse,
    peer: PeerInfo,
    timing: {
      readonly handshakeMs: number | undefined;
      readonly roundTripMs: number;
      readonly fromCache?: boolean;
    },
  ) {
    this.code = response.code;
    this.options = response.options;
    this.payload = response.payload;
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
}
