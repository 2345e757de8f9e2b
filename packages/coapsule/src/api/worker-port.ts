/**
 * A listener in a worker: who binds the port first, and what the workers tell each other about it.
 *
 * @module
 */

import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { SharedPort } from '../node/shared-port.ts';
import type { WorkerLink } from '../node/worker-link.ts';
import type { ListenOptions } from './listen-options.ts';
import { type ListenerPlace, placeUri } from './listener-place.ts';
import { linkOf } from './workers.ts';

/** The place of a listener among workers. */
export interface WorkerPort {
  readonly place: ListenerPlace;
  readonly sharedPort: SharedPort;
  /** The port is bound: the others may bind it. */
  readonly announce: (local: PeerAddress) => void;
}

/**
 * Makes a socket's place one of several workers'. Worker 0 binds the port; the others wait for that.
 */
export async function workerPort(
  uri: string,
  place: Extract<ListenerPlace, { transport: 'udp' }>,
  link: WorkerLink,
): Promise<WorkerPort> {
  const sharedPort = new SharedPort(link, uri);
  const announce = (local: PeerAddress): void => {
    if (link.index > 0) return;
    link.announce({ uri, openUri: placeUri(place, local), host: local.host, port: local.port });
  };
  // Alone it needs nothing that the platform may lack.
  if (link.count === 1) return { place, sharedPort, announce };
  const begins = link.index === 0 && !link.isReplacement;
  const bound = link.index === 0 ? link.bound(uri) : await link.awaitBound(uri);
  const port = bound?.port ?? place.socket.port ?? 0;
  const socket = { ...place.socket, port, amongWorkers: begins ? 'begin' : 'join' } as const;
  // Worker 0 joins the groups; the others stay out of them.
  const multicast = link.index === 0 ? place.multicast : undefined;
  return { place: { ...place, socket, multicast }, sharedPort, announce };
}

/** The link of the worker that listens, if one does. */
export function listeningLink({ worker }: ListenOptions): WorkerLink | undefined {
  return worker === undefined ? undefined : linkOf(worker);
}
