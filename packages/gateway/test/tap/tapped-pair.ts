/** Our client, a tap and our server on real sockets of this machine. */
import type { TestContext } from 'node:test';
import {
  Client,
  type ClientOptions,
  content,
  ipAddress,
  type ListenOptions,
  type Request,
  Server,
  type ServerOptions,
} from 'coapsule';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { parseRule } from '../../src/tap/rule.ts';
import { type RunningTap, startTap, type TapOptions } from '../../src/tap/start-tap.ts';
import type { TapEvent } from '../../src/tap/tap.ts';

/** What a server got. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly payload: string;
  readonly options: readonly (readonly [number: number, value: string])[];
  readonly identity: string | undefined;
}

/** The three, and what they saw. */
export interface TappedPair {
  readonly client: Client;
  readonly running: RunningTap;
  readonly received: Received[];
  readonly events: TapEvent[];
  /** `coap://…` of the tap. */
  readonly uri: string;
  readonly serverPort: number;
  /** Waits until an event or something else is so. */
  until(condition: () => boolean): Promise<void>;
}

/** What is not usual. */
export interface TappedPairOptions {
  readonly scheme?: 'coap' | 'coaps' | 'coap+tcp';
  readonly rules?: readonly string[];
  readonly client?: ClientOptions;
  readonly listen?: ListenOptions;
  readonly server?: ServerOptions;
  readonly tap?: Partial<TapOptions>;
}

/** Opens them for one test. `/temp` answers `21`, anything else echoes its payload. */
export async function tappedPair(t: TestContext, options: TappedPairOptions = {}): Promise<TappedPair> {
  const { scheme = 'coap', rules = [] } = options;
  const received: Received[] = [];
  const events: TapEvent[] = [];
  let wake = (): void => {};
  const server = new Server(options.server ?? {});
  const handler = (request: Request) => {
    const payload = request.text();
    const { security } = request.peer;
    received.push({
      method: request.method,
      path: request.path,
      payload,
      options: Array.from(request.options.entries(), ({ number, value }) => [
        number,
        Buffer.from(value).toString('hex'),
      ]),
      identity: security.kind === 'dtls' ? security.identity : undefined,
    });
    wake();
    return content(request.path === '/temp' ? '21' : payload);
  };
  server.resource('/temp', { get: handler, put: handler, observable: true });
  server.resource('/echo', {
    get: handler,
    post: handler,
    put: handler,
    fetch: handler,
    delete: handler,
    patch: handler,
    ipatch: handler,
  });
  const listener = await server.listen(`${scheme}://127.0.0.1:0`, options.listen ?? {});
  t.after(() => server.close());
  const { port } = listener;
  const running = await startTap({
    ...{ listen: { host: '127.0.0.1', port: 0 }, server: ipAddress('127.0.0.1', port) },
    ...{ transport: scheme === 'coap+tcp' ? 'tcp' : 'udp', secrets: new KnownSecrets() },
    ...{ mostPeers: 100, mostWaiting: 100, mostKept: 1000, wallTimeMs: () => Date.now() },
    onEvent(event) {
      events.push(event);
      wake();
    },
    ...options.tap,
  });
  t.after(() => running.close());
  for (const text of rules) {
    const rule = parseRule(text);
    if ('kind' in rule) throw new Error(rule.reason);
    running.tap.command((gate) => gate.addRule(rule));
  }
  const client = new Client(options.client ?? {});
  t.after(() => client.close());
  return {
    ...{ client, running, received, events, serverPort: port },
    uri: `${scheme}://127.0.0.1:${running.local.port}`,
    async until(condition) {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
