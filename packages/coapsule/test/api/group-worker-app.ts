/** What each worker of group-workers.test.ts runs: a member of a group, on the port that it answers on. */
import { content, type PortWorker, portWorker, Server } from '../../src/index.ts';

/** Listens on all addresses. */
export async function listenInGroup(worker: PortWorker): Promise<void> {
  const { group, port } = worker.data as { readonly group: string; readonly port: number };
  const server = new Server({ onError: () => {} }).resource('/who', {
    multicast: true,
    get: (request) => content(`${worker.index} ${request.group?.host}`),
  });
  await server.listen(`coap://0.0.0.0:${port}`, {
    worker,
    multicast: { groups: [group], port, interfaces: ['lo'], leisure: 50 },
  });
}

const worker = portWorker();
if (worker !== undefined) await listenInGroup(worker);
