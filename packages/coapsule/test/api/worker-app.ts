/** What each worker of workers.test.ts runs: resources that tell which worker answers, and that can make it end. */
import { changed, content, portWorker, Server } from '../../src/index.ts';

const worker = portWorker();
if (worker === undefined) throw new Error('worker-app.ts runs in a worker');
const { port, failing, streams } = worker.data as { port: number; failing?: boolean; streams?: boolean };
if (failing) throw new Error('this module cannot begin');

let state = 'first';
const server = new Server({ onError: () => {} })
  .resource('/worker', { get: () => content(String(worker.index)) })
  .resource('/state', {
    observable: true,
    get: () => content(state, { maxAgeSeconds: 3600 }),
    put: (request) => {
      state = request.text();
      server.notify('/state');
      return changed();
    },
  })
  .resource('/end', {
    post: () => {
      process.exit(3);
    },
  });
const psk = { lookup: new Map([['sensor-042', new TextEncoder().encode('MySecret16ByteK!')]]) };
await server.listen(`coap://127.0.0.1:${port}`, { worker });
await server.listen(`coaps://127.0.0.1:${port === 0 ? 0 : port + 1}`, { psk, worker });
if (streams) await server.listen('coap+tcp://127.0.0.1:0', { worker });
