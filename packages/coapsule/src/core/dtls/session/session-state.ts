/**
 * What is remembered of a session, so that another handshake can go on from it (RFC 5246 §7.3, RFC 5077 §4).
 *
 * Only sessions with an extended master secret are remembered at all (RFC 7627 §5.3), so none has to say so. What a
 * Hello negotiates anew in each handshake (connection ids, protocol, record sizes) is no part of it.
 *
 * @module
 */

import { ByteReader } from '../../foundation/byte-reader.ts';
import { ByteWriter } from '../../foundation/byte-writer.ts';
import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import { elapsedMs, type Instant, instant } from '../../foundation/instant.ts';
import { decodeUtf8, encodeUtf8 } from '../../foundation/utf8.ts';
import { type CipherSuite, suiteById } from '../cipher-suites.ts';
import type { PresentedCredential } from '../credentials.ts';

/** What the peer proved itself with: enough to ask the application again whether that still holds. */
export type SessionProof =
  /** `keyDigest`: 16 bytes of `pskDigest`. `hint`: what a client was told before it chose; empty on a server. */
  | { readonly kind: 'psk'; readonly keyDigest: Uint8Array; readonly hint: Uint8Array }
  | PresentedCredential
  | { readonly kind: 'none' };

/** One session. */
export interface SessionState {
  readonly suite: CipherSuite;
  /** 48 bytes; an extended one. */
  readonly masterSecret: Uint8Array;
  /** As in `connected`; at most 65535 bytes. */
  readonly identity: Uint8Array;
  readonly proof: SessionProof;
  /** server_name it was made for (RFC 6066 §3: it can go on for no other). */
  readonly serverName: string | undefined;
  /** When its full handshake ended. Abbreviated ones do not make it younger (RFC 9325 §3.4). */
  readonly createdAt: Instant;
}

/** Whether a session may still be resumed. */
export function isSessionAlive(
  { createdAt }: Pick<SessionState, 'createdAt'>,
  lifetimeMs: number,
  now: Instant,
): boolean {
  return elapsedMs(createdAt, now) < lifetimeMs;
}

const digestLabel = encodeUtf8('coapsule session psk');

/** Tells whether a pre-shared key is the same as it was, 16 bytes; kept where master secrets are, and no better known. */
export function pskDigest(crypto: CryptoProvider, key: Uint8Array): Uint8Array {
  return crypto.digest('SHA-256', digestLabel, key).slice(0, pskDigestLength);
}

const pskDigestLength = 16;
const masterSecretLength = 48;

/** Certificates of a chain, as in a handshake. */
const maxChainLength = 10;

const proofCode = { psk: 1, x509: 2, 'raw-public-key': 3, none: 4 } as const;

/** The bytes of a session, for a ticket; they hold its master secret. */
export function encodeSessionState(session: SessionState): Uint8Array {
  const { proof } = session;
  const writer = new ByteWriter(256)
    .u16(session.suite.id)
    // A fraction of a millisecond is lost.
    .u48(Math.max(0, Math.floor(session.createdAt)))
    .bytes(session.masterSecret)
    .vector16(session.identity)
    .vector8(encodeUtf8(session.serverName ?? ''))
    .u8(proofCode[proof.kind]);
  switch (proof.kind) {
    case 'psk':
      return writer.bytes(proof.keyDigest).vector16(proof.hint).finish();
    case 'x509':
      for (const certificate of proof.chain) writer.nested(3, () => writer.bytes(certificate));
      return writer.finish();
    case 'raw-public-key':
      return writer.vector16(proof.publicKey).finish();
    case 'none':
      return writer.finish();
  }
}

/** Reads the bytes of a session; `undefined` when they are not exactly one. Copies what it keeps. */
export function decodeSessionState(bytes: Uint8Array): SessionState | undefined {
  const reader = new ByteReader(bytes);
  const suite = suiteById(reader.u16());
  const createdAt = instant(reader.u48());
  const masterSecret = reader.view(masterSecretLength).slice();
  const identity = reader.vector16().slice();
  const serverName = decodeUtf8(reader.vector8());
  const proof = readProof(reader);
  if (!reader.finished || suite === undefined || serverName === undefined || proof === undefined) {
    return undefined;
  }
  return {
    suite,
    masterSecret,
    identity,
    proof,
    serverName: serverName === '' ? undefined : serverName,
    createdAt,
  };
}

function readProof(reader: ByteReader): SessionProof | undefined {
  switch (reader.u8()) {
    case proofCode.psk: {
      const keyDigest = reader.view(pskDigestLength).slice();
      return { kind: 'psk', keyDigest, hint: reader.vector16().slice() };
    }
    case proofCode.x509: {
      const chain: Uint8Array[] = [];
      while (reader.remaining > 0 && !reader.failed && chain.length < maxChainLength) {
        chain.push(reader.view(reader.u24()).slice());
      }
      return chain.length === 0 ? undefined : { kind: 'x509', chain };
    }
    case proofCode['raw-public-key']:
      return { kind: 'raw-public-key', publicKey: reader.vector16().slice() };
    case proofCode.none:
      return { kind: 'none' };
    default:
      return undefined;
  }
}
