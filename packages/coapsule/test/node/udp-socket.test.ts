/** A socket that shares its port begins on one that nobody has. */

import assert from 'node:assert/strict';
import { createSocket, type SocketOptions } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { openUdpSocket, type UdpSocketOptions } from '../../src/node/udp-socket.ts';

/** So many that of 200 sockets that only asked for port 0 some would have met one, but once in a thousand runs. */
const others = 1000;

const kinds: readonly [string, SocketOptions, Partial<UdpSocketOptions>][] = [
  ['the other workers', { type: 'udp4', reusePort: true }, { amongWorkers: 'begin' }],
  ['sockets of groups', { type: 'udp4', reuseAddr: true }, { sharesPort: true }],
];
for (const [whom, theirs, ours] of kinds) {
  test(`port 0 gives no port that another program shares, to a socket that will share its own with ${whom}`, async (t) => {
    const taken = new Set<number>();
    for (let index = 0; index < others; index++) {
      const socket = createSocket(theirs);
      t.after(() => socket.close());
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      taken.add(socket.address().port);
    }
    for (let index = 0; index < 200; index++) {
      const opened = await openUdpSocket({
        host: '127.0.0.1',
        ...ours,
        onDatagram: () => {},
        onError: assert.ifError,
      });
      await opened.close();
      assert.ok(!taken.has(opened.local.port), `port ${opened.local.port}, the ${index + 1}th socket`);
    }
  });
}
