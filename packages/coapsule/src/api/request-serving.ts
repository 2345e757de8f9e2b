/**
 * The requests that come to one listener, whatever its transport: from what the endpoint says of a request to what it is to
 * send back.
 *
 * A request whose handler answers at once is answered in the same turn; others are remembered until they are answered. How
 * they are answered is in `request-dispatch.ts`.
 *
 * @module
 */

import { isSafeRequest } from '../core/coap/code.ts';
import type { AssociationId } from '../core/dtls/dtls-output.ts';
import type { OutgoingResponse } from '../core/endpoint/endpoint.ts';
import type { IncomingRequest } from '../core/endpoint/outputs.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type { ExchangeId } from '../core/request-response/request-response-layer.ts';
import type { AssociationKeeper } from './association-keeper.ts';
import { type EndpointOptions, warnOfPayload } from './endpoint-options.ts';
import { isPending } from './eventual.ts';
import type { PeerInfo } from './peer-info.ts';
import type { RequestHandler } from './request-handler.ts';
import { answerOnce, type HandledAnswer } from './request-once.ts';
import {
  type AskBack,
  type CommandRunner,
  type RunningRequest,
  RunningRequests,
  type ServingCommands,
} from './running-requests.ts';

/** What an endpoint of any transport does with an answer. */
interface AnsweringCommands extends ServingCommands {
  respond(exchange: ExchangeId, response: OutgoingResponse, now: Instant): void;
}

/** How requests of a listener are served. */
export interface ServingOptions {
  readonly handler: RequestHandler;
  /** Who remembers what was carried out, over a restart; undefined without `associationStore`. */
  readonly keeper: AssociationKeeper | undefined;
  /** Of the listener, as far as its link asks for small payloads; undefined where there are no datagrams. */
  readonly link: EndpointOptions | undefined;
  /** Whether a copy of an unsafe request may come, which is to get the answer of the first. */
  readonly hasDuplicates: boolean;
  /** How a handler asks the sender of its request. */
  readonly askBack: AskBack;
}

/** See the module comment. */
export class RequestServing {
  readonly running: RunningRequests;
  readonly #runner: CommandRunner<AnsweringCommands>;
  readonly #serving: ServingOptions;
  /** Those that are not answered. */
  readonly #pending = new Set<Promise<void>>();

  constructor(runner: CommandRunner<AnsweringCommands>, serving: ServingOptions) {
    this.#runner = runner;
    this.#serving = serving;
    this.running = new RunningRequests(runner, serving.askBack);
  }

  /** Runs the handler of a request, and answers. */
  serve(
    exchange: ExchangeId,
    incoming: IncomingRequest,
    peer: PeerInfo,
    association: AssociationId | undefined,
  ): void {
    const { handler, keeper } = this.#serving;
    const running = this.running.begin(exchange, incoming, peer);
    const answer = answerOnce(running.request, association, keeper, handler);
    if (!isPending(answer)) {
      this.#respond(running, answer);
      return;
    }
    this.running.keep(running);
    const served = answer
      .then((settled) => {
        this.running.answered(running);
        this.#respond(running, settled);
      })
      .catch((error: unknown) => handler.onError(error))
      .finally(() => this.#pending.delete(served));
    this.#pending.add(served);
  }

  /** All handlers that are at work now have answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #respond({ exchange, request }: RunningRequest, { answer, handled, observe }: HandledAnswer): void {
    const { handler, link, hasDuplicates } = this.#serving;
    if (link?.onWarning !== undefined) {
      const length = answer.body?.length ?? answer.payload.length;
      warnOfPayload(link, length, `the response of ${request.path}`);
    }
    if (this.#runner.closed) return;
    const response = {
      ...answer,
      observe: request.observe && observe !== false && handler.observable(request),
      // RFC 7252 §4.5: running a safe, idempotent handler again costs less than keeping its answer.
      keepAnswer: hasDuplicates && handled && !isSafeRequest(request.code),
    };
    this.#runner.run((endpoint, now) => endpoint.respond(exchange, response, now));
  }
}
