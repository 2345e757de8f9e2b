/**
 * The way that a URI with a connection names: requests by the library's client, and the first response as it came.
 *
 * RFC 8323. The client knows the methods that there are; others cannot be asked for.
 *
 * @module
 */

import type { Client, TraceEvent } from 'coapsule';
import { decodeStreamMessage, isDecodeFault, isResponseCode, methodOf, OptionNumber } from 'coapsule/message';
import type { ProbePace } from './probe-pace.ts';
import type { Answer, AskStep } from './probe-step.ts';

/** Those that say where: the client takes them from the URI. */
const ofUri: readonly number[] = [
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
];

/** See the module comment. */
export class ClientLink {
  readonly #client: Pick<Client, 'request'>;
  readonly #server: string;
  readonly #pace: ProbePace;
  /** The first response since the request left: the client goes on by itself with blocks and Echo. */
  #first: Answer | undefined;

  /** @param server URI without path. */
  constructor(client: Pick<Client, 'request'>, server: string, pace: ProbePace) {
    this.#client = client;
    this.#server = server;
    this.#pace = pace;
  }

  /** To be given what the client's trace tells. */
  event(event: TraceEvent): void {
    if (event.kind !== 'stream-message' || event.direction !== 'received') return;
    const message = decodeStreamMessage(event.bytes, event.transport);
    if (isDecodeFault(message) || !isResponseCode(message.code)) return;
    const { code, options, payload } = message;
    this.#first ??= { kind: 'response', code, options, payload, isSeparate: false };
  }

  async ask({ code, options, payload, token }: AskStep): Promise<Answer> {
    const method = methodOf(code);
    if (method === undefined) return { kind: 'not-sent', reason: 'not tried: only over UDP and DTLS' };
    const refusal = await this.#pace.turn();
    if (refusal !== undefined) return { kind: 'not-sent', reason: refusal };
    this.#first = undefined;
    const startMs = performance.now();
    try {
      await this.#client.request(method, this.#uriOf(options), {
        options: options.filter(({ number }) => !ofUri.includes(number)),
        timeoutMs: 2 * this.#pace.answerMs,
        whenBusy: 'send',
        ...(payload.length > 0 && { payload }),
        ...(token !== undefined && { token }),
      });
      this.#pace.answered(performance.now() - startMs);
      return this.#answer() ?? { kind: 'silence' };
    } catch (error) {
      const answer = this.#answer();
      if (answer !== undefined) return answer;
      const { code: cause, message } = error as Error & { readonly code?: string };
      if (cause === 'ERR_TIMEOUT') return { kind: 'silence' };
      if (cause === 'ERR_API_MISUSE') return { kind: 'not-sent', reason: `not tried: ${message}` };
      return { kind: 'unreachable', reason: message };
    }
  }

  /** The client belongs to who made it. */
  async close(): Promise<void> {}

  #answer(): Answer | undefined {
    return this.#first;
  }

  #uriOf(options: AskStep['options']): string {
    const text = (wanted: number): readonly string[] =>
      options
        .filter(({ number }) => number === wanted)
        .map(({ value }) => encodeURIComponent(new TextDecoder().decode(value)));
    const query = text(OptionNumber.UriQuery);
    const path = text(OptionNumber.UriPath).join('/');
    return `${this.#server}/${path}${query.length === 0 ? '' : `?${query.join('&')}`}`;
  }
}
