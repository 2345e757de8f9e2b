/**
 * Watches DTLS 1.2 associations that others have: which records their datagrams hold, and what is in them if a secret is known.
 *
 * For captures, for proxies that show what passes, for tests. Datagrams go in with the addresses they travelled between; records
 * come out. It belongs to no association, holds no socket, and never throws for what it sees. A record with a connection id is
 * found by it, also after a change of address (RFC 9146 §6).
 *
 * Bounded: beyond `mostAssociations` the one that was quiet for longest is forgotten.
 *
 * @module
 */

import { toHex } from '../../foundation/bytes.ts';
import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import { RecencyMap } from '../../foundation/recency-map.ts';
import { HandshakeType } from '../handshake/handshake-type.ts';
import { type RecordView, splitRecords } from '../record/demultiplex.ts';
import { ContentType, connectionIdRecordType } from '../record/record-header.ts';
import { ObservedAssociation } from './observed-association.ts';
import type { ObservedDatagram, ObservedSide, ObserverSecrets } from './observed-record.ts';
import { ObservedSessions } from './observed-sessions.ts';

/** How many associations are kept in mind. */
const mostAssociations = 10_000;

/** An association and the addresses that it was last seen between. */
interface Watched {
  readonly association: ObservedAssociation;
  client: string | undefined;
  server: string | undefined;
  /** The two addresses, by which a record without connection id finds it. */
  path: string;
  /** Connection ids by which it is found, as keys of the table. */
  names: readonly string[];
}

/** Watches any number of associations. */
export class DtlsObserver {
  readonly #crypto: CryptoProvider;
  readonly #secrets: ObserverSecrets;
  readonly #sessions = new ObservedSessions();
  /** In the order in which they were last heard of. */
  readonly #byPath = new RecencyMap<Watched>();
  readonly #byConnectionId = new Map<string, Watched>();
  /** Lengths that connection ids here have, with how many associations have them. */
  readonly #idLengths = new Map<number, number>();
  #lastNumber = 0;

  constructor(crypto: CryptoProvider, secrets: ObserverSecrets) {
    this.#crypto = crypto;
    this.#secrets = secrets;
  }

  /**
   * Looks at one datagram, which stays as it is.
   *
   * @param source, destination Any names for addresses, such as `host:port`.
   */
  observe(source: string, destination: string, datagram: Uint8Array): ObservedDatagram {
    const known = this.#byPath.get(pathOf(source, destination));
    const moved = this.#byId(datagram, known, destination);
    const split = moved?.split ?? splitRecords(datagram, idLengthTo(known, destination));
    const watched = moved?.watched ?? known ?? this.#begin(source, destination);
    const sender = moved?.sender ?? senderOf(watched, source, split.records);
    const records = watched.association.observe(sender, split.records);
    // RFC 9146 §6: only an authentic record moves it. Without keys nobody can tell.
    const isForged = records.some(({ unreadable }) => unreadable === 'not-authentic');
    if (moved === undefined || !isForged) noteSides(watched, sender, source, destination);
    if (moved !== undefined && !isForged) this.#moveTo(watched, source, destination);
    this.#touch(watched);
    this.#nameAgain(watched);
    return {
      ...{ sender, records, association: watched.association.number, suite: watched.association.suite },
      ...(split.fault !== undefined && { fault: split.fault }),
    };
  }

  /** The association that a record with a connection id belongs to, where its addresses do not tell. */
  #byId(datagram: Uint8Array, known: Watched | undefined, destination: string) {
    if (datagram[0] !== connectionIdRecordType) return undefined;
    // A short id of another association may be how a long one begins: what the addresses say comes first, then the longest.
    const ownLength = idLengthTo(known, destination);
    if (ownLength > 0 && known?.names.includes(idOf(datagram, ownLength) ?? '') === true) return undefined;
    for (const length of [...this.#idLengths.keys()].sort((one, other) => other - one)) {
      const name = idOf(datagram, length);
      const watched = name === undefined ? undefined : this.#byConnectionId.get(name);
      // Both directions may have ids; the one in the record is the receiver's.
      const ids = watched?.association.connectionIds;
      if (watched === undefined || watched === known || ids === undefined) continue;
      const sender: ObservedSide = toHex(ids.server) === name ? 'client' : 'server';
      return { watched, sender, split: splitRecords(datagram, length) };
    }
    return undefined;
  }

  #begin(source: string, destination: string): Watched {
    this.#lastNumber += 1;
    const association = new ObservedAssociation(
      this.#lastNumber,
      this.#crypto,
      this.#secrets,
      this.#sessions,
    );
    const path = pathOf(source, destination);
    const watched: Watched = { association, client: undefined, server: undefined, path, names: [] };
    this.#byPath.set(path, watched);
    if (this.#byPath.size > mostAssociations) {
      const quietest = this.#byPath.get(this.#byPath.oldest() ?? '');
      if (quietest !== undefined) this.#forget(quietest);
    }
    return watched;
  }

  #moveTo(watched: Watched, source: string, destination: string): void {
    if (this.#byPath.get(watched.path) === watched) this.#byPath.delete(watched.path);
    watched.path = pathOf(source, destination);
  }

  #touch(watched: Watched): void {
    const there = this.#byPath.get(watched.path);
    if (there !== undefined && there !== watched) this.#forget(there);
    this.#byPath.set(watched.path, watched);
  }

  #nameAgain(watched: Watched): void {
    const ids = watched.association.connectionIds;
    const names =
      ids === undefined ? [] : [ids.client, ids.server].flatMap((id) => (id.length > 0 ? toHex(id) : []));
    if (names.join() === watched.names.join()) return;
    this.#unname(watched);
    watched.names = names;
    for (const name of names) {
      this.#byConnectionId.set(name, watched);
      this.#idLengths.set(name.length / 2, (this.#idLengths.get(name.length / 2) ?? 0) + 1);
    }
  }

  #unname(watched: Watched): void {
    for (const name of watched.names) {
      if (this.#byConnectionId.get(name) === watched) this.#byConnectionId.delete(name);
      const left = (this.#idLengths.get(name.length / 2) ?? 1) - 1;
      if (left === 0) this.#idLengths.delete(name.length / 2);
      else this.#idLengths.set(name.length / 2, left);
    }
    watched.names = [];
  }

  #forget(watched: Watched): void {
    this.#unname(watched);
    if (this.#byPath.get(watched.path) === watched) this.#byPath.delete(watched.path);
  }
}

function noteSides(
  watched: Watched,
  sender: ObservedSide | undefined,
  source: string,
  destination: string,
): void {
  if (sender === 'client') [watched.client, watched.server] = [source, destination];
  else if (sender === 'server') [watched.server, watched.client] = [source, destination];
}

/** The same for both directions. */
function pathOf(source: string, destination: string): string {
  return source < destination ? `${source} ${destination}` : `${destination} ${source}`;
}

/** The connection id of a record that has one of this length, as a key of the table (RFC 9146 §4). */
function idOf(datagram: Uint8Array, length: number): string | undefined {
  return datagram.length < 11 + length ? undefined : toHex(datagram.subarray(11, 11 + length));
}

/** How long the connection ids are that records to this address carry. */
function idLengthTo(watched: Watched | undefined, destination: string): number {
  const ids = watched?.association.connectionIds;
  if (watched === undefined || ids === undefined) return 0;
  return (destination === watched.client ? ids.client : ids.server).length;
}

/** Who sent it: by address once that is known, else by what only one side sends in the clear. */
function senderOf(
  watched: Watched,
  source: string,
  records: readonly RecordView[],
): ObservedSide | undefined {
  for (const { recordType, epoch, datagram, fragmentOffset, fragmentLength } of records) {
    if (recordType !== ContentType.Handshake || epoch !== 0 || fragmentLength === 0) continue;
    const type = datagram[fragmentOffset];
    if (type === HandshakeType.ClientHello) return 'client';
    if (type === HandshakeType.ServerHello || type === HandshakeType.HelloVerifyRequest) return 'server';
  }
  if (source === watched.client) return 'client';
  return source === watched.server ? 'server' : undefined;
}
