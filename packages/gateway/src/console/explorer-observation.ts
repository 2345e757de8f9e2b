/**
 * An observation of the explorer as a stream of events, until nobody reads any more.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { WallClock } from '../server/wall-clock.ts';
import type { ExplorerEvents, ExplorerRequest, ExplorerResult } from './api-types.ts';
import type { EventSource } from './event-stream.ts';
import { type BegunRequest, explorerClient, type explorerOptions, explorerResponse } from './explorer.ts';
import { requestCommands } from './explorer-commands.ts';
import { ExchangeLadder } from './explorer-exchange.ts';
import { hexOf } from './hex.ts';
import { peerProblem } from './peer-problem.ts';

const now = (): number => performance.now();

/** How long a notification is waited for that is to be reset. */
const resetWithinMs = 60_000;

/** An observation as events: the first response with its ladder, then the newest state each time the reader has taken the one before. */
export class Observed implements EventSource<keyof ExplorerEvents> {
  isOver = false;
  problem: ExplorerEvents['end'] = null;
  onChange: () => void = () => {};
  #first: ExplorerResult | undefined;
  #newest: ExplorerEvents['notification'] | undefined;
  #skipped = 0;
  readonly #abort = new AbortController();

  constructor(
    body: ExplorerRequest,
    begun: BegunRequest,
    options: ReturnType<typeof explorerOptions>,
    clock: WallClock,
  ) {
    void this.#run(body, begun, options, clock);
  }

  take(): { readonly event: 'response' | 'notification'; readonly data: unknown } | undefined {
    if (this.#first !== undefined) {
      const data = this.#first;
      this.#first = undefined;
      return { event: 'response', data };
    }
    if (this.#newest === undefined) return undefined;
    const data = { ...this.#newest, skipped: this.#skipped };
    this.#newest = undefined;
    this.#skipped = 0;
    return { event: 'notification', data };
  }

  /** Nobody reads any more. */
  close(): void {
    this.#abort.abort();
  }

  async #run(
    body: ExplorerRequest,
    begun: BegunRequest,
    options: ReturnType<typeof explorerOptions>,
    clock: WallClock,
  ): Promise<void> {
    const { plan } = begun;
    const ladder = new ExchangeLadder(now, plan.notes);
    const reset = Promise.withResolvers<void>();
    let received = '';
    const client = explorerClient(begun, body, (event) => {
      ladder.trace(event);
      if (event.kind !== 'message') return;
      // Not the Reset that answers a ping, which is empty (RFC 7252 §4.3).
      if (event.direction === 'received') received = isEmpty(event.bytes) ? '' : messageId(event.bytes);
      else if (isReset(event.bytes) && messageId(event.bytes) === received) reset.resolve();
    });
    const result = (outcome: Pick<ExplorerResult, 'response' | 'problem'>): ExplorerResult => ({
      ...outcome,
      elapsedMs: ladder.elapsedMs,
      ladder: [...ladder.steps],
      isLadderCut: ladder.isCut,
      commands: requestCommands(body, plan, options.options ?? [], true),
    });
    let hasBegun = false;
    try {
      const { signal } = this.#abort;
      const method = body.method === 'FETCH' ? ('FETCH' as const) : ('GET' as const);
      const cancelBy = body.cancelBy === 'RST' ? ('reset' as const) : ('deregister' as const);
      const observation = client.observe(plan.uri.text, { ...options, method, signal, cancelBy });
      for await (const response of observation) {
        const view = explorerResponse(response, response.payload);
        if (!hasBegun) {
          hasBegun = true;
          this.#first = result({ response: view, problem: null });
        } else {
          if (this.#newest !== undefined) this.#skipped++;
          this.#newest = { atMs: clock(), sequence: response.observe ?? null, response: view, skipped: 0 };
        }
        this.onChange();
      }
    } catch (error) {
      const problem = peerProblem(error);
      if (hasBegun) this.problem = problem;
      else this.#first = result({ response: null, problem });
    } finally {
      this.isOver = true;
      this.onChange();
      // The next notification has to find this client, so that it can be reset.
      if (hasBegun && body.cancelBy === 'RST' && this.#abort.signal.aborted)
        await Promise.race([reset.promise, delay(resetWithinMs, undefined, { ref: false })]);
      begun.end(client);
    }
  }
}

/** RFC 7252 §3: the type is in the third and fourth bit. */
function isReset([first = 0]: Uint8Array): boolean {
  return ((first >> 4) & 3) === 3;
}

function isEmpty([, code = 0]: Uint8Array): boolean {
  return code === 0;
}

function messageId(bytes: Uint8Array): string {
  return hexOf(bytes.subarray(2, 4));
}
