/**
 * Streams and serial lines among workers: worker 0 opens them, and the others see them as open elsewhere.
 *
 * @module
 */

import { noStatistics } from '../core/endpoint/endpoint-statistics.ts';
import type { WorkerLink } from '../node/worker-link.ts';
import type { Listener } from './open-listener.ts';
import { noPeers } from './peer-report.ts';

/** A listener of worker 0, as another worker has it: its peers and observers are there, and hear of changes from here. */
export async function elsewhereListener(
  uri: string,
  link: WorkerLink,
  onClosed: (listener: Listener) => void,
): Promise<Listener> {
  const { openUri, host, port } = await link.awaitBound(uri);
  const listener: Listener = {
    scheme: openUri.slice(0, openUri.indexOf(':')) as Listener['scheme'],
    host,
    port,
    uri: openUri,
    groups: [],
    observers: () => [],
    peers: () => [],
    peerReports: () => noPeers,
    statistics: () => noStatistics,
    disconnect: () => 0,
    // Worker 0 has the port, and is told the same.
    renewCredentials: () => {},
    notify: (path) => link.send(0, uri, { kind: 'notify', path }),
    close: () => {
      onClosed(listener);
      return Promise.resolve();
    },
  };
  return listener;
}

/** In worker 0: tells the others that a listener is open, and its observers what the others tell. */
export function ownForAll(uri: string, listener: Listener, link: WorkerLink): void {
  // Before anybody learns of it: what is listened on twice is refused here.
  link.receive(uri, (message) => {
    if (message.kind === 'notify') listener.notify(message.path);
  });
  link.announce({ uri, openUri: listener.uri, host: listener.host, port: listener.port });
}
