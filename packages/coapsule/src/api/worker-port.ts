/**
 * A listener in a worker: who binds the port first, and what the workers tell each other about it.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
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
 *
 * @throws ApiMisuseError for what only one of them could have.
 */
export async function workerPort(
  uri: string,
  place: Extract<ListenerPlace, { transport: 'udp' }>,
  options: ListenOptions,
  link: WorkerLink,
): Promise<WorkerPort> {
  if (place.multicast !== undefined) {
    throw new ApiMisuseError(
      `${uri}: multicast has one owner; give it to a listener without worker, on a port of its own, in worker 0`,
    );
  }
  if (options.oscore !== undefined) {
    throw new ApiMisuseError(
      `${uri}: contexts of OSCORE have one owner; give them to a listener without worker, on a port of its own, in worker 0`,
    );
  }
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
  return { place: { ...place, socket }, sharedPort, announce };
}

/** The link of the worker that listens, if one does. */
export function listeningLink({ worker }: ListenOptions): WorkerLink | undefined {
  return worker === undefined ? undefined : linkOf(worker);
}
