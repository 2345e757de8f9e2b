/**
 * Sends the requests of a collection by the client of the command line: its credentials, traces and transports.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RequestOptions, Response } from 'coapsule';
import type { ClientCommandOptions } from '../cli/client-command-options.ts';
import { withClient } from '../cli/client-session.ts';
import type { CommandClient, CommandEnvironment } from '../cli/command-environment.ts';
import { reportOf } from '../cli/command-failure.ts';
import { KeptClients } from '../cli/kept-clients.ts';
import { boundedCancellation } from '../cli/observe-verb.ts';
import { expectOneServer, targetUri } from '../cli/target-uri.ts';
import type { ReceivedResponse } from '../collection/evaluate-response.ts';
import type { ResolvedRequest } from '../collection/resolved-request.ts';
import type { CollectionSender } from '../collection/run-collection.ts';

/** See the module comment. */
export class CommandSender implements CollectionSender {
  readonly #options: ClientCommandOptions;
  readonly #folder: string;
  readonly #environment: CommandEnvironment;
  readonly #clients: KeptClients;
  readonly #abort = new AbortController();
  readonly #forget: () => void;

  /** @param folder that names of files are from. */
  constructor({ write, ...options }: ClientCommandOptions, folder: string, environment: CommandEnvironment) {
    this.#options = options;
    this.#folder = folder;
    this.#clients = new KeptClients((wanted) => environment.createClient(wanted), write);
    this.#environment = { ...environment, createClient: (wanted) => this.#clients.take(wanted) };
    this.#forget = environment.onInterrupt(() => this.#abort.abort());
  }

  request(request: ResolvedRequest): Promise<ReceivedResponse> {
    return this.#withClient(request, async (client, options) =>
      received(await client.request(request.method, request.uri, options)),
    );
  }

  observe(
    request: ResolvedRequest,
    { notifications, within }: { readonly notifications: number; readonly within: number },
  ): Promise<readonly ReceivedResponse[]> {
    return this.#withClient(request, async (client, { signal: _signal, ...options }) => {
      const observation = client.observe(request.uri, options);
      let cancelled: Promise<void> | undefined;
      const cancel = (): void => {
        cancelled ??= boundedCancellation(observation, this.#environment);
      };
      const clear = this.#environment.after(within * 1000, cancel);
      this.#abort.signal.addEventListener('abort', cancel, { once: true });
      const came: ReceivedResponse[] = [];
      try {
        for await (const response of observation) {
          came.push(received(response));
          // Without the Observe option it is an answer, and there is no observation (RFC 7641 §3.1).
          if (came.length >= notifications || response.observe === undefined || !response.ok) break;
        }
      } catch (error) {
        if (cancelled === undefined) throw error;
      } finally {
        clear();
        this.#abort.signal.removeEventListener('abort', cancel);
        cancel();
        await cancelled;
      }
      return came;
    });
  }

  explain(error: unknown): string {
    return reportOf(error).cause;
  }

  isEnded(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    this.#forget();
    await this.#clients.close();
  }

  #withClient<Result>(
    request: ResolvedRequest,
    use: (client: CommandClient, options: RequestOptions) => Promise<Result>,
  ): Promise<Result> {
    const uri = targetUri(request.uri, this.#environment.variables);
    expectOneServer(uri, 'a collection asks one server at a time');
    const options = this.#requestOptions(request);
    return withClient(uri, this.#options, this.#environment, (client) => use(client, options));
  }

  #requestOptions(request: ResolvedRequest): RequestOptions {
    const { payload, contentFormat, accept, options, confirmable, timeout, blockSize } = request;
    const bytes =
      payload === undefined || payload instanceof Uint8Array
        ? payload
        : readFileSync(resolve(this.#folder, payload.file));
    const seconds = timeout ?? this.#options.timeout;
    return {
      ...(bytes !== undefined && { payload: bytes }),
      ...(contentFormat !== undefined && { contentFormat }),
      ...(accept !== undefined && { accept }),
      ...(options.length > 0 && { options }),
      ...(!confirmable && { confirmable }),
      ...(seconds !== undefined && { timeoutMs: seconds * 1000 }),
      ...(blockSize !== undefined && { blockSize }),
      signal: this.#abort.signal,
    };
  }
}

function received({ codeText, options, payload, roundTripMs }: Response): ReceivedResponse {
  return {
    code: codeText,
    options: Array.from(options.entries(), ({ number, value }) => ({ number, value })),
    payload,
    durationMs: roundTripMs,
  };
}
