/**
 * The server that is measured: the library's `Server` with the smallest handlers, in a process of its own.
 *
 * Arguments: `plain`, `psk`, `certificate CHAIN KEY AUTHORITY` or `oscore SECRET CONTEXTS`; `workers N` before them for N worker
 * threads on the port. Prints its port. A line on standard
 * input has it collect its garbage and print its resident bytes (with `--expose-gc`). No limit that a load from one
 * address would run into: the handshake rate is one, as the gateway's default is 500 a second.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  content,
  type ListenOptions,
  OscoreContext,
  OscoreContexts,
  portWorker,
  Server,
  startWorkers,
} from 'coapsule';

const worker = portWorker();
const [kind, ...rest] = (worker?.data as readonly string[] | undefined) ?? process.argv.slice(2);
const large = Uint8Array.from({ length: 8192 }, (_, index) => 65 + (index % 26));
const server = new Server()
  .resource('/hello', { get: () => content('Hello, world!') })
  .resource('/large', { get: () => content(large) });
const handshakes = { handshakeRate: 1_000_000 } as const;
const key = new TextEncoder().encode('MySecret16ByteK!');

async function options(): Promise<ListenOptions> {
  const [chain = '', privateKey = '', authority = ''] = rest;
  switch (kind) {
    case 'psk':
      return { ...handshakes, psk: { lookup: () => key } };
    case 'certificate':
      return {
        ...handshakes,
        certificate: { chain: readFileSync(chain, 'utf8'), privateKey: readFileSync(privateKey, 'utf8') },
        clientCertificates: { trustAnchors: readFileSync(authority, 'utf8') },
      };
    case 'oscore': {
      const [secret = '', count = ''] = rest;
      const contexts = [];
      for (let number = 0; number < Number(count); number++) {
        let kept = { senderEdge: 0, recipientEdge: 0 };
        contexts.push(
          await OscoreContext.open({
            masterSecret: new TextEncoder().encode(secret),
            senderId: Uint8Array.of(0x53),
            recipientId: Uint8Array.of(number >> 8, number & 255),
            // In memory: what a disk costs is the gateway's.
            store: {
              load: async () => kept,
              save: async (state) => {
                kept = state;
              },
            },
          }),
        );
      }
      return { oscore: new OscoreContexts(contexts) };
    }
    default:
      return {};
  }
}

async function listen(): Promise<number> {
  if (kind === 'workers') {
    const [count = '', ...data] = rest;
    const workers = await startWorkers(new URL(import.meta.url), { count: Number(count), data });
    return workers.listeners[0]?.port ?? 0;
  }
  const scheme = kind === 'psk' || kind === 'certificate' ? 'coaps' : 'coap';
  const { port } = await server.listen(`${scheme}://127.0.0.1:0`, {
    ...(await options()),
    ...(worker !== undefined && { worker }),
  });
  return port;
}

const port = await listen();
if (worker === undefined) {
  console.log(String(port));
  await answerQuestions();
}

async function answerQuestions(): Promise<never> {
  for await (const _ of createInterface({ input: process.stdin })) {
    for (let round = 0; round < 4; round++) {
      // Gives back, too, what V8 holds for objects to come: 100 MB after many handshakes, whatever is left of them.
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      await sleep(50);
    }
    console.log(String(process.memoryUsage.rss()));
  }
  process.exit();
}
