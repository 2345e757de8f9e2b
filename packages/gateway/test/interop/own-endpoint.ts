/** Our client and server as the library gives them, in the process of the test: for what no command line sets. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import {
  type AssociationEvent,
  Client,
  type ClientOptions,
  CoapsuleError,
  content,
  type HandshakeFailure,
  type ListenOptions,
  type PeerInfo,
  type PeerSecurity,
  Server,
} from 'coapsule';
import { type EndEntity, endEntity, type RawKey, rawKey, trustAnchor } from './certificates.ts';
import { until } from './process.ts';
import { demo } from './programs.ts';

/** What is known of a peer behind DTLS. */
export type DtlsSecurity = Extract<PeerSecurity, { kind: 'dtls' }>;

/** Our certificate and key from files. */
export function ownCertificate(entity: EndEntity): { chain: string; privateKey: string } {
  return { chain: readFileSync(entity.chain, 'utf8'), privateKey: readFileSync(entity.key, 'utf8') };
}

/** Our raw public key from files. */
export function ownRawKey(raw: RawKey): { privateKey: string } {
  return { privateKey: readFileSync(raw.key, 'utf8') };
}

/** PEM of the usual trust anchor. */
export function anchor(name: 'ca' | 'other-ca' = 'ca'): string {
  return readFileSync(trustAnchor(name), 'utf8');
}

/** PEM of a raw public key. */
export function publicKeyOf(name: 'server' | 'client' | 'stranger'): string {
  return readFileSync(rawKey(name).publicKey, 'utf8');
}

/** The demo key, for a client. */
export const ownPsk = { identity: demo.identity, key: new TextEncoder().encode(demo.key) };

/** The demo key, for a server. */
export const servedPsk = { lookup: new Map([[demo.identity, ownPsk.key]]) };

/** A server that asks for a certificate, and shows one with this kind of key. */
export function mutualServer(key: 'P-256' | 'P-384' | 'RSA' | 'Ed25519' = 'P-256'): ListenOptions {
  return {
    certificate: ownCertificate(endEntity({ role: 'server', key })),
    clientCertificates: { trustAnchors: anchor() },
  };
}

/** A client that shows a certificate with this kind of key. */
export function mutualClient(key: 'P-256' | 'P-384' | 'RSA' | 'Ed25519' = 'P-256'): ClientOptions {
  return { certificate: ownCertificate(endEntity({ role: 'client', key })), trustAnchors: anchor() };
}

/** A listening server of ours with `/hello` (13 bytes), `/large` (5,000 bytes). */
export class OwnServer {
  readonly port: number;
  readonly #events: readonly AssociationEvent[];

  constructor(port: number, events: readonly AssociationEvent[]) {
    this.port = port;
    this.#events = events;
  }

  /** Resolves with the nth peer that connected. */
  async connected(nth = 1): Promise<DtlsSecurity & { readonly address: PeerInfo['address'] }> {
    const find = (): PeerInfo | undefined =>
      this.#events.filter((event) => event.kind === 'connected').map(({ peer }) => peer)[nth - 1];
    await until(() => find() !== undefined, `our server has connection ${nth}`, 30_000);
    const { address, security } = find()!;
    if (security.kind !== 'dtls') throw new Error('not secured');
    return { ...security, address };
  }

  /** Resolves with the first handshake that failed. */
  async failed(): Promise<HandshakeFailure> {
    const find = (): HandshakeFailure | undefined =>
      this.#events.find((event) => event.kind === 'handshake-failed')?.failure;
    await until(() => find() !== undefined, 'a handshake has failed', 30_000);
    return find()!;
  }
}

/** Starts a server of ours on a free port of 127.0.0.1; it ends with the test. */
export async function startOwnServer(t: TestContext, options: ListenOptions): Promise<OwnServer> {
  const server = new Server();
  const events: AssociationEvent[] = [];
  server.resource('/hello', { get: () => content('Hello, world!') });
  server.resource('/large', { get: () => content('x'.repeat(5_000)) });
  const listener = await server.listen('coaps://127.0.0.1:0', {
    ...options,
    onAssociation: (event) => events.push(event),
  });
  t.after(() => server.close());
  return new OwnServer(Number(listener.uri.slice(listener.uri.lastIndexOf(':') + 1)), events);
}

/** A client of ours that is closed after the test. */
export function ownClient(t: TestContext, options: ClientOptions): Client {
  const client = new Client(options);
  t.after(() => client.close());
  return client;
}

/** What a client's response says about the server. */
export function securityOf(peer: PeerInfo): DtlsSecurity {
  if (peer.security.kind !== 'dtls') throw new Error('not secured');
  return peer.security;
}

/** Why the handshake for this request failed; fails when it did not. */
export async function refusalOf(request: Promise<unknown>): Promise<HandshakeFailure> {
  try {
    await request;
  } catch (error) {
    if (error instanceof CoapsuleError && error.handshake !== undefined) return error.handshake;
    throw error;
  }
  assert.fail('the handshake succeeded');
}
