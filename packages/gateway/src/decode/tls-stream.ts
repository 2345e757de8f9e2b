/**
 * A TLS connection as it is seen on the wire: its records, and what is in them where a key log has their secrets.
 *
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446), without early data and renegotiation; TLS 1.2 with nothing but a pre-shared key also by that. Which
 * side is which, the ClientHello tells; a connection whose beginning was not seen stays closed.
 *
 * @module
 */

import { alertName } from 'coapsule/dtls';
import { type DecodedField, FieldReader } from './decoded-field.ts';
import type { KnownSecrets } from './secrets.ts';
import {
  isPlainPsk,
  nextSecret,
  opener13,
  openers12,
  pskMasterSecret,
  type RecordOpener,
  type TlsSuite,
  tlsSuite,
} from './tls-keys.ts';
import { WaitingBytes } from './waiting-bytes.ts';

/** One record. */
export interface TlsRecord {
  /** With its header. */
  readonly bytes: Uint8Array;
  readonly fields: readonly DecodedField[];
  readonly summary: string;
  /** What an application said, if it could be opened. */
  readonly applicationData?: Uint8Array;
  /** What was encrypted and is no application data: messages of the handshake, alerts. */
  readonly decrypted?: Uint8Array;
}

/** RFC 8446 §5.2, RFC 5246 §6.2.3: 2^14 and what may come on top. */
const longestFragment = 16_384 + 2048;

const contentTypes: Readonly<Record<number, string>> = {
  20: 'ChangeCipherSpec',
  21: 'Alert',
  22: 'Handshake',
  23: 'ApplicationData',
};

const messageTypes: Readonly<Record<number, string>> = {
  1: 'ClientHello',
  2: 'ServerHello',
  4: 'NewSessionTicket',
  5: 'EndOfEarlyData',
  8: 'EncryptedExtensions',
  11: 'Certificate',
  12: 'ServerKeyExchange',
  13: 'CertificateRequest',
  14: 'ServerHelloDone',
  15: 'CertificateVerify',
  16: 'ClientKeyExchange',
  20: 'Finished',
  24: 'KeyUpdate',
};

/** RFC 8446 §4.1.3: the random of a HelloRetryRequest. */
const retryRandom = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';

/** Messages of a handshake before its keys are there. */
const mostMessages = 32;

/** One direction. */
class Side {
  readonly rest = new WaitingBytes();
  /** A handshake message that is not whole yet. */
  readonly message = new WaitingBytes();
  opener: RecordOpener | undefined;
  /** Of TLS 1.3: what the opener is made of. */
  secret: Uint8Array | undefined;
  isProtected = false;
  /** TLS 1.3: its Finished was seen. */
  hasFinished = false;
  isLost = false;
}

/** Whether bytes begin as a TLS record does; undefined while there are too few. */
export function isTls(bytes: Uint8Array): boolean | undefined {
  const [type = 20, major = 3, minor = 0] = bytes;
  if (type < 20 || type > 23 || major !== 3 || minor > 4) return false;
  return bytes.length < 3 ? undefined : true;
}

/** See the module comment. */
export class TlsStream {
  readonly #secrets: KnownSecrets;
  /** By the address that sends. */
  readonly #sides = new Map<string, Side>();
  #client: string | undefined;
  #clientRandom: Uint8Array | undefined;
  #serverRandom: Uint8Array | undefined;
  #suite: TlsSuite | undefined;
  #suiteId = 0;
  #hasExtendedMasterSecret = false;
  /** Of TLS 1.2 with a pre-shared key alone. */
  #masterSecret: Uint8Array | undefined;
  /** All messages so far, until the secret is known. */
  #session: Uint8Array[] = [];

  constructor(secrets: KnownSecrets) {
    this.#secrets = secrets;
  }

  /** Bytes are missing: what comes cannot be told apart any more. */
  lose(sender: string): void {
    this.#side(sender).isLost = true;
  }

  /** The records that are whole with these bytes. */
  feed(sender: string, bytes: Uint8Array): readonly TlsRecord[] {
    const side = this.#side(sender);
    if (side.isLost) return [];
    side.rest.push(bytes);
    const records: TlsRecord[] = [];
    while (side.rest.length >= 5) {
      const { bytes: rest } = side.rest;
      const length = (rest[3]! << 8) | rest[4]!;
      if (isTls(rest) !== true || length > longestFragment) {
        side.isLost = true;
        side.rest.clear();
        break;
      }
      if (rest.length < 5 + length) break;
      records.push(this.#record(sender, side, side.rest.take(5 + length)));
    }
    return records;
  }

  #side(sender: string): Side {
    const known = this.#sides.get(sender);
    if (known !== undefined) return known;
    const side = new Side();
    this.#sides.set(sender, side);
    return side;
  }

  #record(sender: string, side: Side, bytes: Uint8Array): TlsRecord {
    const reader = new FieldReader(bytes);
    const type = reader.uint('Content Type', 1, (value) => contentTypes[value] ?? String(value));
    reader.uint('Version', 2, versionName);
    const length = reader.uint('Length', 2);
    const fragment = bytes.subarray(5);
    // RFC 8446 §5: a ChangeCipherSpec of TLS 1.3 means nothing, and is in the clear.
    const isClear = type === 20 || !(side.isProtected || (this.#suite?.isTls13 === true && type === 23));
    if (isClear) {
      const summary = this.#clear(sender, side, type, fragment);
      reader.take('Fragment', length, () => summary);
      return { bytes, fields: reader.fields, summary: `TLS ${summary}` };
    }
    const opened = this.#opener(sender, side)?.open(bytes.subarray(0, 5), fragment);
    const name = contentTypes[type] ?? String(type);
    if (opened === undefined) {
      const why =
        side.opener !== undefined
          ? 'not authentic under the keys of this connection'
          : this.#clientRandom === undefined || this.#serverRandom === undefined
            ? 'its handshake was not seen'
            : this.#suite === undefined
              ? 'its cipher suite is none that is opened here'
              : 'its secrets are not known';
      reader.take('Encrypted Fragment', length, () => `${length} bytes, ${why}`);
      return { bytes, fields: reader.fields, summary: `TLS ${name} (encrypted, ${length} bytes)` };
    }
    reader.take('Encrypted Fragment', length, () => `${length} bytes`);
    const { fields } = reader;
    const inner = this.#suite?.isTls13 === true ? inner13(opened) : { type, content: opened };
    if (inner.type === 23) {
      const { content: applicationData } = inner;
      return {
        bytes,
        fields,
        summary: `TLS ApplicationData ${applicationData.length} bytes`,
        applicationData,
      };
    }
    const summary =
      inner.type === 22
        ? this.#messages(sender, side, inner.content)
        : this.#clear(sender, side, inner.type, inner.content);
    return { bytes, fields, summary: `TLS ${summary}`, decrypted: inner.content };
  }

  #clear(sender: string, side: Side, type: number, fragment: Uint8Array): string {
    switch (type) {
      case 20:
        // In TLS 1.2 all that follows is protected (RFC 5246 §7.1).
        if (this.#suite?.isTls13 !== true) side.isProtected = true;
        return 'ChangeCipherSpec';
      case 21:
        return `Alert ${fragment[0] === 2 ? 'fatal' : 'warning'} ${alertName(fragment[1] ?? 0)}`;
      case 22:
        return this.#messages(sender, side, fragment);
      default:
        return `${contentTypes[type] ?? type} ${fragment.length} bytes`;
    }
  }

  /** The handshake messages that are whole with this fragment. */
  #messages(sender: string, side: Side, fragment: Uint8Array): string {
    side.message.push(fragment);
    const names: string[] = [];
    while (side.message.length >= 4) {
      const { bytes: rest } = side.message;
      const length = (rest[1]! << 16) | (rest[2]! << 8) | rest[3]!;
      if (length > 256 * 1024) {
        side.message.clear();
        break;
      }
      if (rest.length < 4 + length) break;
      const message = side.message.take(4 + length);
      names.push(messageTypes[message[0]!] ?? `handshake type ${message[0]}`);
      this.#note(message);
      this.#message(sender, side, message[0]!, message.subarray(4));
    }
    return names.length > 0 ? names.join(', ') : 'Handshake (a part of a message)';
  }

  #message(sender: string, side: Side, type: number, body: Uint8Array): void {
    if (type === 1) {
      this.#client = sender;
      this.#clientRandom = Uint8Array.from(body.subarray(2, 34));
    } else if (type === 2) this.#serverHello(body);
    else if (type === 16) this.#clientKeyExchange(body);
    else if (this.#suite?.isTls13 === true && type === 20) {
      // RFC 8446 §2: behind Finished come the secrets of the application.
      side.hasFinished = true;
      side.opener = undefined;
    } else if (this.#suite?.isTls13 === true && type === 24 && side.secret !== undefined) {
      this.#under(side, nextSecret(this.#suite, side.secret));
    }
  }

  #serverHello(body: Uint8Array): void {
    const at = 35 + (body[34] ?? 0);
    this.#suiteId = ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0);
    this.#suite = tlsSuite(this.#suiteId);
    this.#hasExtendedMasterSecret = hasExtension(body.subarray(at + 3), 23);
    const random = body.subarray(2, 34);
    if (Buffer.from(random).toString('hex') === retryRandom) return;
    this.#serverRandom = Uint8Array.from(random);
  }

  /** Bounded by the longest message: a handshake has few of them. */
  #note(message: Uint8Array): void {
    if (message[0] === 1) this.#session = [];
    if (this.#session.length < mostMessages) this.#session.push(message);
  }

  /** RFC 4279 §2: the identity says which key it is. */
  #clientKeyExchange(body: Uint8Array): void {
    const session = Buffer.concat(this.#session);
    this.#session = [];
    if (this.#suite === undefined || this.#suite.isTls13 || !isPlainPsk(this.#suiteId)) return;
    const key = this.#secrets.presharedKey(body.subarray(2, 2 + (((body[0] ?? 0) << 8) | (body[1] ?? 0))));
    const [clientRandom, serverRandom] = [this.#clientRandom, this.#serverRandom];
    if (key === undefined || clientRandom === undefined || serverRandom === undefined) return;
    const seed = this.#hasExtendedMasterSecret ? { session } : { clientRandom, serverRandom };
    this.#masterSecret = pskMasterSecret(this.#suite, key, seed);
  }

  #opener(sender: string, side: Side): RecordOpener | undefined {
    if (side.opener !== undefined) return side.opener;
    const suite = this.#suite;
    if (suite === undefined || this.#clientRandom === undefined || this.#serverRandom === undefined)
      return undefined;
    if (suite.isTls13) {
      const name = side.hasFinished ? 'TRAFFIC_SECRET_0' : 'HANDSHAKE_TRAFFIC_SECRET';
      this.#under(side, this.#secretOf(sender, name));
      return side.opener;
    }
    const master = this.#secrets.masterSecret(this.#clientRandom) ?? this.#masterSecret;
    if (master === undefined) return undefined;
    const both = openers12(suite, master, this.#clientRandom, this.#serverRandom);
    side.opener = sender === this.#client ? both.client : both.server;
    return side.opener;
  }

  #secretOf(sender: string, name: string): Uint8Array | undefined {
    if (this.#clientRandom === undefined) return undefined;
    const who = sender === this.#client ? 'CLIENT' : 'SERVER';
    return this.#secrets.trafficSecret(`${who}_${name}`, this.#clientRandom);
  }

  #under(side: Side, secret: Uint8Array | undefined): void {
    side.secret = secret;
    side.opener =
      secret === undefined || this.#suite === undefined ? undefined : opener13(this.#suite, secret);
  }
}

/** RFC 8446 §5.2: what is inside, its type, and zeros. */
function inner13(opened: Uint8Array): { readonly type: number; readonly content: Uint8Array } {
  let end = opened.length;
  while (end > 0 && opened[end - 1] === 0) end--;
  return end === 0
    ? { type: 0, content: opened.subarray(0, 0) }
    : { type: opened[end - 1]!, content: opened.subarray(0, end - 1) };
}

/** @param bytes A list of extensions with its length before it (RFC 5246 §7.4.1.4). */
function hasExtension(bytes: Uint8Array, wanted: number): boolean {
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (((bytes[at]! << 8) | bytes[at + 1]!) === wanted) return true;
    at += 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return false;
}

function versionName(version: number): string {
  return { 769: 'TLS 1.0', 770: 'TLS 1.1', 771: 'TLS 1.2', 772: 'TLS 1.3' }[version] ?? String(version);
}
