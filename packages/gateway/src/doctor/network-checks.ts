/**
 * Checks of the network: sockets, IPv6, multicast, MTU, whether the usual ports are free, whether own datagrams pass.
 *
 * @module
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type Check, fine, notice, trouble } from './check.ts';

/** Until a datagram on this machine counts as lost. */
const waitMs = 1000;

/** A datagram from a socket of this machine to another one of it. */
async function passes(host: string): Promise<boolean> {
  const type = host.includes(':') ? 'udp6' : 'udp4';
  await using receiver = await bound(type, 0, host);
  await using sender = await bound(type, 0, host);
  const arrival = once(receiver.socket, 'message', { signal: AbortSignal.timeout(waitMs) });
  sender.socket.send('coapsule doctor', receiver.socket.address().port, host);
  try {
    await arrival;
    return true;
  } catch {
    return false;
  }
}

interface Bound extends AsyncDisposable {
  readonly socket: Socket;
}

async function bound(type: 'udp4' | 'udp6', port: number, host: string): Promise<Bound> {
  const socket = createSocket(type);
  socket.bind(port, host);
  await once(socket, 'listening');
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** UDP over IPv4 and IPv6 within this machine. */
export const loopbackCheck: Check = {
  name: 'UDP',
  async run() {
    const results = await Promise.all(
      ['127.0.0.1', '::1'].map((host) => passes(host).catch((error: Error) => error.message)),
    );
    const [four, six] = results;
    if (four !== true)
      return trouble(`over 127.0.0.1: ${problem(four)}`, 'a firewall drops it, or there is no loopback');
    if (six !== true) {
      return notice(
        `IPv4; over ::1: ${problem(six)}`,
        'give addresses of IPv4: serve --coap 0.0.0.0:5683 --coaps 0.0.0.0:5684',
      );
    }
    return fine('IPv4 and IPv6');
  },
};

function problem(result: boolean | string | undefined): string {
  return typeof result === 'string' ? result : 'a datagram did not arrive';
}

/** The machine's own addresses: what a firewall drops between others it often drops here too. */
export const addressCheck: Check = {
  name: 'addresses',
  async run() {
    const own = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
      .map(({ address }) => address);
    if (own.length === 0)
      return notice('loopback only', 'other devices cannot reach this machine: see to its network');
    const lost: string[] = [];
    for (const address of own) if (!(await passes(address).catch(() => false))) lost.push(address);
    return lost.length === 0
      ? fine(own.join(', '))
      : trouble(`no datagram arrives at ${lost.join(', ')}`, 'let UDP 5683 and 5684 through the firewall');
  },
};

/** Whether the usual ports can be had. */
export const portCheck: Check = {
  name: 'ports',
  async run() {
    const taken: string[] = [];
    for (const port of [5683, 5684]) {
      try {
        await using _ = await bound('udp6', port, '::');
      } catch (error) {
        taken.push(`${port} (${(error as NodeJS.ErrnoException).code})`);
      }
    }
    return taken.length === 0
      ? fine('5683 and 5684 are free')
      : notice(
          taken.join(', '),
          'something listens there already, maybe a gateway; or choose others with --coap and --coaps',
        );
  },
};

/** The groups of all CoAP nodes (RFC 7252 §12.8). */
export const multicastCheck: Check = {
  name: 'multicast',
  async run() {
    const failures: string[] = [];
    for (const [type, host, group] of [
      ['udp4', '0.0.0.0', '224.0.1.187'],
      ['udp6', '::', 'ff02::fd'],
    ] as const) {
      try {
        await using one = await bound(type, 0, host);
        one.socket.addMembership(group);
      } catch (error) {
        failures.push(`${group}: ${(error as Error).message}`);
      }
    }
    return failures.length === 0
      ? fine('the groups of all CoAP nodes can be joined')
      : notice(failures.join('; '), 'devices cannot be found by multicast here: name their addresses');
  },
};

/** What the interfaces carry: CoAP counts on 1280 bytes (RFC 7252 §4.6). */
export const mtuCheck: Check = {
  name: 'MTU',
  async run() {
    const names = Object.keys(networkInterfaces());
    const known = names.flatMap((name): readonly (readonly [string, number])[] => {
      try {
        return [[name, Number(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8'))]];
      } catch {
        return [];
      }
    });
    if (known.length === 0)
      return notice('not known on this system', 'it should be 1280 or more on all of the path');
    const small = known.filter(([, mtu]) => mtu < 1280);
    const text = known.map(([name, mtu]) => `${name} ${mtu}`).join(', ');
    return small.length === 0
      ? fine(text)
      : trouble(text, 'below 1280: choose smaller blocks (-b 256) and datagrams (--mtu where there is one)');
  },
};
