/**
 * A server and a client at the two ends of a line of pseudo-terminals.
 *
 * @module
 */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type AssociationEvent,
  Client,
  type ClientOptions,
  changed,
  content,
  type Listener,
  type ListenOptions,
  Server,
  type ServerOptions,
} from '../../src/index.ts';
import { PtyPair } from '../node/pty-pair.ts';

const pskIdentity = 'sensor-042';
const pskKey: Uint8Array = new TextEncoder().encode('MySecret16ByteK!');

const file = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'certificates', name));
export const trustAnchors: Buffer = file('ca.pem');
export const certificate = (name: string): { chain: Buffer; privateKey: Buffer } => ({
  chain: file(`${name}.pem`),
  privateKey: file(`${name}.key`),
});

/** How the two sides of a line know each other. */
export interface LineSecurity {
  readonly name: string;
  readonly secure: boolean;
  readonly server: ListenOptions;
  readonly client: ClientOptions;
}

export const plain: LineSecurity = { name: 'plain', secure: false, server: {}, client: {} };

export const psk: LineSecurity = {
  name: 'PSK',
  secure: true,
  server: { psk: { lookup: new Map([[pskIdentity, pskKey]]) } },
  client: { psk: { identity: pskIdentity, key: pskKey } },
};

export const rawPublicKeys: LineSecurity = {
  name: 'raw public keys',
  secure: true,
  server: {
    rawPublicKey: { privateKey: file('server.key') },
    clientPublicKeys: new Map([['sensor-7', file('device.key')]]),
  },
  client: { rawPublicKey: { privateKey: file('device.key') }, peerPublicKeys: file('server.key') },
};

export const mutualX509: LineSecurity = {
  name: 'mutual X.509',
  secure: true,
  server: { certificate: certificate('server'), clientCertificates: { trustAnchors } },
  client: { certificate: certificate('device'), trustAnchors },
};

/** 8 KB that begin and end with something to look for on the wire, in which nothing is escaped. */
export const body: Uint8Array = Uint8Array.from(
  Buffer.concat([Buffer.from('the beginning...'), randomBytes(8160), Buffer.from('...and the end!!')]),
);

/** A line with something at each end. */
export class LinePair {
  readonly pty: PtyPair;
  readonly baudRate = 115_200;
  readonly events: AssociationEvent[] = [];
  readonly errors: unknown[] = [];
  /** What is at the ends. */
  readonly #open: { close(): Promise<void> }[] = [];

  private constructor(pty: PtyPair) {
    this.pty = pty;
  }

  static async open(t: TestContext): Promise<LinePair> {
    const pair = new LinePair(await PtyPair.open());
    t.after(() => pair.#close());
    return pair;
  }

  /** The URI of a resource, from the one or the other end. */
  uri(end: 'a' | 'b', secure: boolean, path = ''): string {
    const scheme = secure ? 'coaps+serial' : 'coap+serial';
    return `${scheme}://${encodeURIComponent(this.pty[end])}:${this.baudRate}${path}`;
  }

  /** A server with some resources, at end a unless it is said otherwise. */
  async serve(
    security: LineSecurity,
    options: ListenOptions = {},
    { end = 'a', server = this.server() }: { readonly end?: 'a' | 'b'; readonly server?: Server } = {},
  ): Promise<Listener> {
    return server.listen(this.uri(end, security.secure), {
      onAssociation: (event) => this.events.push(event),
      ...security.server,
      ...options,
    });
  }

  /**
   * `/a` says Hello World, `/whoami` who asks, `/store` keeps what is put there, `/counter` can be observed and grows with
   * each POST.
   */
  server(options: ServerOptions = {}): Server {
    let stored = body;
    let count = 0;
    const server = new Server({ onError: (error) => this.errors.push(error), ...options })
      .resource('/a', { get: () => content('Hello World') })
      .resource('/whoami', {
        get: ({ peer: { security } }) =>
          content(
            security.kind === 'none' ? 'nobody' : `${security.authentication.kind} ${security.identity}`,
          ),
      })
      .resource('/store', {
        get: () => content(stored),
        put: ({ payload }) => {
          stored = payload.slice();
          return changed();
        },
      })
      .resource('/counter', {
        observable: true,
        get: () => content(`${count}`),
        post: () => {
          count++;
          server.notify('/counter');
          return changed();
        },
      });
    this.#open.push(server);
    return server;
  }

  client(security: LineSecurity, options: ClientOptions = {}): Client {
    const client = new Client({ ...security.client, ...options });
    this.#open.push(client);
    return client;
  }

  /** The line goes last: what is said at the end would not get through. */
  async #close(): Promise<void> {
    await Promise.all(this.#open.map((one) => one.close()));
    await this.pty.close();
  }
}
