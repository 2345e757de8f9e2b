/**
 * Rules about DTLS: handshakes that fail and why, and records that come to nothing (RFC 6347, RFC 9146).
 *
 * They need no key: what is looked at is in the clear.
 *
 * @module
 */

import { AlertDescription, type ObservedRecord } from 'coapsule/dtls';
import { BoundedMap } from '../memory/bounded-map.ts';
import type { Finding, FindingKind } from './finding.ts';
import { FoundFaults } from './found-faults.ts';
import { NumberRanges } from './number-ranges.ts';
import type { Rule } from './rule.ts';
import { SeenFrames } from './seen-frames.ts';
import type { SeenPacket } from './seen-message.ts';

const ClientHello = 1;
const ServerHello = 2;
const HelloVerifyRequest = 3;
const ClientKeyExchange = 16;

/** Cookies that are asked for one after the other. Two may be a retransmission. */
const mostCookies = 3;

/** Records that were seen before, or numbers that fall back, until it is called forgetting; copies by the network are single. */
const leastStale = 3;

/** A device slept when nothing came for so long. */
const silenceMs = 5000;

/** Of one client and one server, by their addresses. */
interface Path {
  readonly client: string;
  readonly server: string;
  /** Since the last ServerHello: the latest, and how many there were. */
  cookies: number[];
  cookieCount: number;
  hasServerHello: boolean;
  hasKeyExchange: boolean;
  /** Both sides sent protected records. */
  isEstablished: boolean;
  usesPresharedKey: boolean;
  lastFromClientMs: number;
  /** Highest number of a protected record, by sender. */
  readonly highest: Map<string, number>;
  readonly numbers: NumberRanges;
  readonly stale: SeenFrames;
}

/** What associations went through. */
export class AssociationRule implements Rule {
  readonly #paths: BoundedMap<string, Path>;
  readonly #connectionIds: BoundedMap<string, string>;
  readonly #found = new FoundFaults();

  constructor(most = 10_000) {
    this.#paths = new BoundedMap(most);
    this.#connectionIds = new BoundedMap(most);
  }

  see({ packet, frame, atMs }: SeenPacket): void {
    const { source, destination, datagram } = packet;
    const dtls = datagram?.dtls;
    if (dtls === undefined || source === undefined || destination === undefined) return;
    const key = [source, destination].sort().join(' ');
    for (const record of dtls.records) {
      const types = record.fragments.map(({ type }) => type);
      const known = this.#paths.get(key);
      const isClient = known === undefined ? dtls.sender !== 'server' : source === known.client;
      const path = this.#paths.ensure(key, () =>
        newPath(isClient ? source : destination, isClient ? destination : source),
      );
      if (record.epoch === 0) this.#clear(path, record, types, isClient, frame);
      else this.#protected(path, record, isClient, frame, atMs);
    }
  }

  findings(): readonly Finding[] {
    return this.#found.findings();
  }

  #clear(
    path: Path,
    record: ObservedRecord,
    types: readonly number[],
    isClient: boolean,
    frame: number,
  ): void {
    const { contentType, content } = record;
    if (types.includes(HelloVerifyRequest)) {
      path.cookies = [...path.cookies, frame].slice(-mostCookies);
      path.cookieCount += 1;
      if (path.cookieCount >= mostCookies) {
        this.#note(
          'cookie-loop',
          path,
          path.cookies,
          `${path.cookieCount} cookies were asked for, and no ServerHello followed`,
        );
      }
    }
    if (types.includes(ServerHello)) {
      path.cookies = [];
      path.cookieCount = 0;
      path.hasServerHello = true;
    }
    if (types.includes(ClientHello) && path.isEstablished) {
      // Another handshake: what was counted belongs to the association before.
      Object.assign(path, fresh());
      path.highest.clear();
      path.numbers.clear();
      path.stale.clear();
    }
    if (types.includes(ClientKeyExchange) && content !== undefined) {
      path.hasKeyExchange = true;
      path.usesPresharedKey = isPskIdentity(content);
    }
    if (contentType !== 21 || content === undefined || content.length < 2 || content[0] !== 2) return;
    this.#alert(path, content[1]!, isClient, frame);
  }

  #alert(path: Path, description: number, isClient: boolean, frame: number): void {
    if (path.isEstablished || isClient) return;
    if (description === AlertDescription.UnknownPskIdentity) {
      this.#note(
        'identity-unknown',
        path,
        [frame],
        'the server answered with the alert unknown_psk_identity',
      );
    } else if (!path.hasServerHello && description === AlertDescription.HandshakeFailure) {
      this.#note(
        'no-common-suite',
        path,
        [frame],
        'the server answered the ClientHello with the alert handshake_failure',
      );
    } else if (path.hasKeyExchange && path.usesPresharedKey && keyAlerts.has(description)) {
      this.#note(
        'pre-shared-key-wrong',
        path,
        [frame],
        `after the client's Finished the server sent alert ${description}`,
      );
    }
  }

  #protected(path: Path, record: ObservedRecord, isClient: boolean, frame: number, atMs: number): void {
    const side = isClient ? 'client' : 'server';
    const { sequenceNumber, contentType, recordType, connectionId } = record;
    this.#connectionId(path, record, isClient, frame);
    if (contentType === 23 || recordType === 25) {
      const highest = path.highest.get(side);
      if (isClient) {
        const isRepeated = path.numbers.has(sequenceNumber);
        const isAfterSilence = atMs - path.lastFromClientMs > silenceMs;
        // Disorder is of few records and soon over; a number far back after a silence is another count.
        if (highest !== undefined && (isRepeated || (isAfterSilence && sequenceNumber < highest - 64))) {
          this.#stale(path, frame);
        }
        path.numbers.add(sequenceNumber);
        path.lastFromClientMs = atMs;
      }
      path.highest.set(side, Math.max(highest ?? 0, sequenceNumber));
    }
    if (path.highest.size === 2) path.isEstablished = true;
    if (connectionId.length > 0) this.#connectionIds.set(`${path.client} ${path.server}`, side);
  }

  /** Records in the usual format from an address of which nothing is known, while the same host has an association with one. */
  #connectionId(path: Path, { recordType }: ObservedRecord, isClient: boolean, frame: number): void {
    if (!isClient || recordType === 25 || path.hasServerHello || path.isEstablished) return;
    const host = hostOf(path.client);
    for (const other of this.#paths.values()) {
      if (other === path || hostOf(other.client) !== host || other.server !== path.server) continue;
      if (this.#connectionIds.get(`${other.client} ${other.server}`) === undefined) continue;
      this.#note(
        'connection-id-lost',
        path,
        [frame],
        `${other.client} had an association with a connection id; from ${path.client} records come without one`,
      );
      return;
    }
  }

  #stale({ stale, client, server }: Path, frame: number): void {
    stale.add(frame);
    const { count, first } = stale;
    if (count < leastStale) return;
    this.#found.add(
      'association-forgotten',
      `${client} → ${server}`,
      count === leastStale ? first : [frame],
      `${count} records have numbers that were used before`,
    );
  }

  #note(kind: FindingKind, { client, server }: Path, frames: readonly number[], evidence: string): void {
    this.#found.renew(kind, `${client} → ${server}`, frames, evidence);
  }
}

/** With which servers answer a key that is not theirs (RFC 4279 §2, RFC 5246 §7.2.2). */
const keyAlerts: ReadonlySet<number> = new Set([
  AlertDescription.BadRecordMac,
  AlertDescription.HandshakeFailure,
  AlertDescription.DecryptError,
  AlertDescription.IllegalParameter,
]);

function newPath(client: string, server: string): Path {
  return {
    ...{ client, server, ...fresh() },
    ...{ highest: new Map(), numbers: new NumberRanges(), stale: new SeenFrames() },
  };
}

function fresh(): Omit<Path, 'client' | 'server' | 'highest' | 'numbers' | 'stale'> {
  return {
    cookies: [],
    cookieCount: 0,
    hasServerHello: false,
    hasKeyExchange: false,
    isEstablished: false,
    usesPresharedKey: false,
    lastFromClientMs: 0,
  };
}

/** A ClientKeyExchange that is an identity and nothing else, or an identity and a point (RFC 4279 §2, RFC 5489 §2). */
function isPskIdentity(content: Uint8Array): boolean {
  const at = 12;
  const length = ((content[at] ?? 0) << 8) | (content[at + 1] ?? 0);
  const bodyLength = content.length - at;
  return length + 2 <= bodyLength;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}
