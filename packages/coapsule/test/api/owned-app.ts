/** What each worker of owned-requests.test.ts runs: resources that one worker has for all. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { isMainThread } from 'node:worker_threads';
import {
  type AssociationStore,
  CoapsuleError,
  changed,
  content,
  OscoreContexts,
  type PortWorker,
  portWorker,
  type Request,
  type Server,
  Server as ServerOf,
} from '../../src/index.ts';

/** `begun` when worker 0 has a request for /slow or /slow-body, which is answered at `go`; `closed` with the body. */
export const slow: EventEmitter = new EventEmitter();

/** The server of a worker, which does not listen yet. */
export function ownedServer(worker: Pick<PortWorker, 'index'>): Server {
  let state = 'first';
  let closed = 0;
  let noted: Request | undefined;
  const server: Server = new ServerOf({ onError: () => {} });
  return server
    .resource('/worker', { get: () => content(String(worker.index)) })
    .resource('/who', {
      observable: true,
      get: ({ peer }) => content(`${worker.index} ${peer.security.kind} ${peer.oscore !== undefined}`),
      put: () => {
        server.notify('/who');
        return changed();
      },
    })
    .resource('/large', { get: () => content('A'.repeat(5000)) })
    .resource('/state', {
      oneOwner: true,
      observable: true,
      get: (request) => content(`${state} in ${worker.index} for ${request.peer.security.kind}`),
      put: (request) => {
        state = request.text();
        server.notify('/state');
        return changed();
      },
    })
    .resource('/how', {
      oneOwner: true,
      observable: true,
      get: ({ observe, isRefresh }) => content(`${observe} ${isRefresh}`),
      put: () => {
        server.notify('/how');
        return changed();
      },
    })
    .resource('/upper', {
      oneOwner: true,
      streamRequestBody: true,
      post: async (request) => {
        let length = 0;
        for await (const part of request.body) length += part.length;
        return content(letters(length));
      },
    })
    .resource('/unreadable', {
      oneOwner: true,
      get: () => content({ length: 5000, read: () => assert.fail('no disk'), close: () => void closed++ }),
      post: () => changed(String(closed)),
    })
    .resource('/late', {
      oneOwner: true,
      get: async ({ signal }) => {
        await once(signal, 'abort');
        return content({ length: 1_000_000, read: () => new Uint8Array(5000), close: () => void closed++ });
      },
    })
    .resource('/slow', {
      oneOwner: true,
      get: async () => {
        slow.emit('begun');
        await once(slow, 'go');
        return content('at last');
      },
    })
    .resource('/slow-body', {
      oneOwner: true,
      get: async () => {
        slow.emit('begun');
        await once(slow, 'go');
        const close = (): void => void slow.emit('closed');
        return content({ length: 1_000_000, read: () => new Uint8Array(5000), close });
      },
    })
    .resource('/call-home', {
      oneOwner: true,
      post: async (request) => content(await nameOf(request)),
    })
    .resource('/refresh', {
      oneOwner: true,
      observable: true,
      get: ({ isRefresh }) => content(String(isRefresh)),
      put: () => {
        server.notify('/refresh');
        return changed();
      },
    })
    .resource('/note', {
      oneOwner: true,
      post: (request) => {
        noted = request;
        return changed();
      },
      get: async () => content(await whyNotAsked(noted)),
    })
    .resource('/wrong', {
      oneOwner: true,
      get: () => {
        throw new Error('it does not work');
      },
    })
    .resource('/end-owner', {
      oneOwner: true,
      post: () => {
        if (!isMainThread) process.exit(3);
        return changed();
      },
    })
    .resource('/end', {
      post: () => {
        // Worker 0 is the thread of the test.
        if (worker.index > 0) process.exit(3);
        return changed();
      },
    });
}

/** What the sender of a request answers at /name, or why it does not. */
async function nameOf(request: Request): Promise<string> {
  try {
    return (await request.ask('GET', '/name', { timeoutMs: 1000 })).text();
  } catch (error) {
    return String(error);
  }
}

/** Why the sender of a request cannot be asked, and whether it may have been. */
async function whyNotAsked(request: Request | undefined): Promise<string> {
  try {
    await request?.ask('GET', '/name', { timeoutMs: 1000 });
    return 'it was asked';
  } catch (error) {
    return error instanceof CoapsuleError ? `${error.code} ${error.mayHaveBeenCarriedOut}` : String(error);
  }
}

async function* letters(length: number): AsyncGenerator<string> {
  for (let left = length; left > 0; left -= 100) yield 'A'.repeat(Math.min(100, left));
}

const psk = { lookup: new Map([['sensor-042', new TextEncoder().encode('MySecret16ByteK!')]]) };

/** A listener with a store lets its handlers answer before it is closed. */
const nothingKept: AssociationStore = {
  resume: () => Promise.resolve([]),
  add: () => Promise.resolve(),
  reserve: () => Promise.resolve(),
  setEdge: () => Promise.resolve(),
  rememberRequest: () => Promise.resolve(undefined),
  setAnswer: () => Promise.resolve(),
  suspend: () => Promise.resolve(),
  remove: () => Promise.resolve(),
};

/** Opens the two ports of a worker; those of worker 0 are the ones that the system gives. */
export async function listenAsWorker(
  server: Server,
  worker: PortWorker,
  // The others have none: what is under OSCORE is for worker 0.
  oscore: OscoreContexts = new OscoreContexts(),
): Promise<void> {
  await server.listen('coap://127.0.0.1:0', { worker, oscore });
  await server.listen('coaps://127.0.0.1:0', { worker, psk, oscore, associationStore: nothingKept });
}

const worker = portWorker();
if (worker !== undefined) {
  worker.port?.postMessage(`worker ${worker.index} is there`);
  // As where keys are read first: others know of this thread before it listens.
  for (let i = 0; i < 3; i++) await readFile(new URL(import.meta.url));
  await listenAsWorker(ownedServer(worker), worker);
}
