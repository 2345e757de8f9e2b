/**
 * Watches messages under OSCORE that others exchange: which context they are of, what is in them, and whether their number was seen
 * before.
 *
 * RFC 8613 §8.2 and §8.4, without what an endpoint does with the message; contexts that two endpoints derive anew are followed
 * (Appendix B.2). For captures, and for proxies that show what passes. It has no socket, stores nothing, and never throws for
 * what it sees. A context may be given as either end has it.
 *
 * Bounded: beyond `mostExchanges` and `mostDerived` the oldest are forgotten.
 *
 * @module
 */

import { codeText, isRequestCode, isResponseCode } from '../coap/code.ts';
import { concatBytes, equalBytes, toHex } from '../foundation/bytes.ts';
import { isDecodeFault } from '../foundation/errors.ts';
import { RecencyMap } from '../foundation/recency-map.ts';
import { type ContextParameters, type ContextSources, deriveSecurityContext } from './derive-context.ts';
import { unwrapId } from './id-nonces.ts';
import { type OscoreOption, oscoreOptionOf } from './oscore-option.ts';
import { decodePartialIv, deriveNonce } from './partial-iv.ts';
import { decodePlaintext, type OscoreContent, openPlaintext } from './plaintext.ts';
import { minReplayWindowSize, ReplayWindow } from './replay-window.ts';
import { type RequestInput, requestInput } from './request-binding.ts';
import { type SecurityContext, unusedContext } from './security-context.ts';
import { joinOptions } from './split-options.ts';
import { readRequestHeader } from './verify-request.ts';

/** A context that an observer is given. */
export interface ObservableContext {
  /** How it is called where it is told of. */
  readonly name: string;
  /** As one of the two ends has them. */
  readonly parameters: ContextParameters;
  /** Width of the Replay Windows, up to 65,536; 32 at least, and by default. */
  readonly replayWindow?: number;
}

/** What was seen of one message. */
export type ObservedMessage =
  | {
      readonly kind: 'opened';
      /** The name of its context. */
      readonly context: string;
      /** Code, Inner options and payload as they were encrypted (§5.3). */
      readonly plaintext: Uint8Array;
      /** The message inside, with the Outer options that are its own too. */
      readonly message: OscoreContent;
      /** The number of a request; of a response that has one of its own. */
      readonly sequenceNumber: number | undefined;
      /** Of a request: its number was in one before, to the same receiver, or is too old to tell (§7.4). A copy of the same message has it too. */
      readonly isReplay: boolean;
    }
  | {
      readonly kind: 'closed';
      readonly cause: 'malformed' | 'no-context' | 'not-authentic' | 'no-request';
      /** One sentence for people, with the names of the contexts that nearly fit. */
      readonly detail: string;
    };

const mostExchanges = 10_000;
const mostDerived = 1000;
const mostWindows = 10_000;

/** A context as the receiver of requests has it. */
interface Candidate {
  readonly given: ObservableContext;
  /** As the receiver of requests has them. */
  readonly parameters: ContextParameters;
}

interface Seen {
  readonly candidate: Candidate;
  readonly context: SecurityContext;
  readonly input: RequestInput;
}

/** Watches any number of exchanges. */
export class OscoreObserver {
  readonly #sources: ContextSources;
  readonly #candidates: readonly Candidate[];
  readonly #derived = new RecencyMap<SecurityContext>();
  /** What responses are opened with, by the exchange. */
  readonly #requests = new RecencyMap<Seen>();
  readonly #windows = new RecencyMap<ReplayWindow>();
  /** The ID Context that the two ends came to last, by candidate (Appendix B.2). */
  readonly #current = new Map<Candidate, Uint8Array>();
  readonly #used = new Set<ObservableContext>();

  /** @throws ApiMisuseError for parameters of which no context can be made, and for windows that are too wide. */
  constructor(sources: ContextSources, contexts: readonly ObservableContext[]) {
    this.#sources = sources;
    this.#candidates = contexts.flatMap((given): readonly Candidate[] => {
      const { parameters } = given;
      const { senderId, recipientId } = parameters;
      const mirrored = { ...parameters, senderId: recipientId, recipientId: senderId };
      return [
        { given, parameters },
        { given, parameters: mirrored },
      ];
    });
    for (const candidate of this.#candidates) {
      this.#contextOf(candidate, candidate.parameters.idContext);
      // Refused now, not when a message is seen.
      replayWindowOf(candidate.given);
    }
  }

  /** Names of contexts that have opened nothing so far. */
  get unused(): readonly string[] {
    const given = new Set(this.#candidates.map((candidate) => candidate.given));
    return [...given].filter((one) => !this.#used.has(one)).map(({ name }) => name);
  }

  /**
   * A request, whole (Outer blocks are put together before, §8.2.1).
   *
   * @param exchange Any name for it, by which its responses are told to belong to it.
   * @param receiver Any name for whom it goes to, such as `host:port`: replays are found by it.
   */
  observeRequest(exchange: string, receiver: string, message: OscoreContent): ObservedMessage {
    const header = readRequestHeader(message);
    if (header.kind !== 'header') return closed('malformed', header.detail);
    const { kid, kidContext, partialIv, sequenceNumber } = header;
    const sameKid = this.#candidates.filter(({ parameters }) => equalBytes(parameters.recipientId, kid));
    // What says itself which ID Context it has comes before what may have any.
    const withKid = [
      ...sameKid.filter(({ parameters }) => parameters.idContext !== undefined),
      ...sameKid.filter(({ parameters }) => parameters.idContext === undefined),
    ];
    if (withKid.length === 0)
      return closed('no-context', `no context that was given has the kid ${idText(kid)}`);
    let hasTried = false;
    for (const candidate of withKid) {
      for (const idContext of this.#idContexts(candidate, kidContext)) {
        hasTried = true;
        const context = this.#contextOf(candidate, idContext);
        const input = requestInput(context, kid, partialIv);
        const { aead, recipientKey: key } = context;
        const plaintext = openPlaintext({ aead, key, ...input }, message.payload);
        if (plaintext === undefined) continue;
        this.#used.add(candidate.given);
        if (candidate.parameters.idContext === undefined && idContext !== undefined)
          this.#current.set(candidate, idContext);
        this.#remember(exchange, { candidate, context, input });
        const inner = decodePlaintext(plaintext);
        if (isDecodeFault(inner)) return closed('malformed', `what it holds is no message: ${inner.reason}`);
        if (!isRequestCode(inner.code))
          return closed('malformed', `the code inside is ${codeText(inner.code)}, no request`);
        return {
          ...{ kind: 'opened', context: candidate.given.name, plaintext, sequenceNumber },
          message: { ...inner, options: joinOptions(inner.options, message.options) },
          isReplay: this.#isReplay(candidate, context, receiver, sequenceNumber),
        };
      }
    }
    const names = [...new Set(withKid.map(({ given }) => given.name))].join(', ');
    return hasTried
      ? closed(
          'not-authentic',
          `${names} has the kid ${idText(kid)}, and does not open it: another Master Secret or Salt, ID Context or algorithm`,
        )
      : closed(
          'no-context',
          `${names} has the kid ${idText(kid)}, with another ID Context than the kid context ${idText(kidContext)}`,
        );
  }

  /** A response, whole, to a request that was seen before. */
  observeResponse(exchange: string, message: OscoreContent): ObservedMessage {
    const option = oscoreOptionOf(message.options);
    if (option === undefined) return closed('malformed', 'expected one OSCORE option');
    if (isDecodeFault(option)) return closed('malformed', option.reason);
    const request = this.#requests.use(exchange);
    if (request === undefined)
      return closed('no-request', 'its request was not seen, or not opened: its numbers are needed');
    for (const context of this.#responseContexts(request, option)) {
      const { aead, senderId, senderKey: key, commonIv } = context;
      const { partialIv } = option;
      const nonce =
        partialIv === undefined ? request.input.nonce : deriveNonce(commonIv, senderId, partialIv);
      const { additionalData } = request.input;
      const plaintext = openPlaintext({ aead, key, nonce, additionalData }, message.payload);
      if (plaintext === undefined) continue;
      const inner = decodePlaintext(plaintext);
      if (isDecodeFault(inner)) return closed('malformed', `what it holds is no message: ${inner.reason}`);
      if (!isResponseCode(inner.code))
        return closed('malformed', `the code inside is ${codeText(inner.code)}, no response`);
      return {
        ...{ kind: 'opened', context: request.candidate.given.name, plaintext },
        message: { ...inner, options: joinOptions(inner.options, message.options) },
        sequenceNumber: partialIv === undefined ? undefined : decodePartialIv(partialIv),
        isReplay: false,
      };
    }
    return closed(
      'not-authentic',
      `${request.candidate.given.name} has opened the request, and does not open this response`,
    );
  }

  #remember(exchange: string, seen: Seen): void {
    this.#requests.set(exchange, seen);
    this.#requests.keepLatest(mostExchanges);
  }

  /** Those that a kid context may mean (§5.1, Appendix B.2). */
  #idContexts(candidate: Candidate, kidContext: Uint8Array | undefined): readonly (Uint8Array | undefined)[] {
    const { idContext } = candidate.parameters;
    if (kidContext === undefined) {
      const current = this.#current.get(candidate);
      return current === undefined ? [idContext] : [current, idContext];
    }
    if (idContext !== undefined) return equalBytes(idContext, kidContext) ? [idContext] : [];
    const inside = unwrapId(kidContext);
    return inside === undefined ? [kidContext] : [inside, kidContext];
  }

  /** That of the request; after a kid context of its own, one that is derived anew (Appendix B.2 step 3). */
  #responseContexts({ candidate, context }: Seen, { kidContext }: OscoreOption): readonly SecurityContext[] {
    const r2 = unwrapId(kidContext);
    if (r2 === undefined || context.idContext === undefined) return [context];
    return [this.#contextOf(candidate, concatBytes(r2, context.idContext)), context];
  }

  #contextOf(candidate: Candidate, idContext: Uint8Array | undefined): SecurityContext {
    const key = `${this.#candidates.indexOf(candidate)} ${idContext === undefined ? '-' : toHex(idContext)}`;
    const known = this.#derived.use(key);
    if (known !== undefined) return known;
    const { idContext: _given, ...parameters } = candidate.parameters;
    const context = deriveSecurityContext(
      this.#sources,
      idContext === undefined ? parameters : { ...parameters, idContext },
      unusedContext,
      { dangerouslyVolatile: true },
    );
    this.#derived.set(key, context);
    this.#derived.keepLatest(mostDerived);
    return context;
  }

  #isReplay(candidate: Candidate, context: SecurityContext, receiver: string, number: number): boolean {
    const { idContext } = context;
    const id = idContext === undefined ? '-' : toHex(idContext);
    const key = `${this.#candidates.indexOf(candidate)} ${id} ${receiver}`;
    const window = this.#windows.use(key) ?? replayWindowOf(candidate.given);
    this.#windows.set(key, window);
    this.#windows.keepLatest(mostWindows);
    if (window.verdict(number) === 'replay') return true;
    window.markReceived(number);
    return false;
  }
}

function replayWindowOf({ replayWindow = minReplayWindowSize }: ObservableContext): ReplayWindow {
  return new ReplayWindow(0, Math.max(minReplayWindowSize, replayWindow));
}

function closed(
  cause: Extract<ObservedMessage, { kind: 'closed' }>['cause'],
  detail: string,
): ObservedMessage {
  return { kind: 'closed', cause, detail };
}

function idText(id: Uint8Array | undefined): string {
  return id === undefined || id.length === 0 ? '(empty)' : toHex(id);
}
