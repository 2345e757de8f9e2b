/**
 * A handshake as somebody sees it who takes no part: what was agreed, and with a secret the keys (RFC 5246 §7.4, §8.1).
 *
 * Loss, repetition and order are handled as by a peer (`handshake/reassembly.ts`). Nothing is verified but what the keys will
 * verify by themselves. Keys come from a key log, from a pre-shared key where the suite has nothing else (RFC 4279 §2), or from a
 * session that was seen before (RFC 5246 §7.3, RFC 5077). It sends nothing, and never throws for what it sees.
 *
 * @module
 */

import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import { type CipherSuite, suiteById } from '../cipher-suites.ts';
import { isDecodeFault } from '../handshake/decode-fault.ts';
import { readConnectionId } from '../handshake/extensions/connection-id.ts';
import { readExtendedMasterSecret } from '../handshake/extensions/extended-master-secret.ts';
import { readSessionTicket } from '../handshake/extensions/session-ticket.ts';
import { HandshakeType } from '../handshake/handshake-type.ts';
import {
  type HandshakeMessage,
  type MessageFragment,
  messageHeaderLength,
} from '../handshake/message-header.ts';
import { type ClientHello, decodeClientHello } from '../handshake/messages/client-hello.ts';
import { decodeClientKeyExchange } from '../handshake/messages/client-key-exchange.ts';
import { decodeNewSessionTicket } from '../handshake/messages/new-session-ticket.ts';
import { decodeServerHello, type ServerHello } from '../handshake/messages/server-hello.ts';
import { Reassembly } from '../handshake/reassembly.ts';
import { Transcript } from '../handshake/transcript.ts';
import { extendedMasterSecret, keyBlock, masterSecret, pskPremasterSecret } from '../key-schedule/prf-12.ts';
import { createEpochKeys, type RecordKeys } from '../record/epoch-keys.ts';
import type { ObservedSide, ObserverSecrets } from './observed-record.ts';
import type { ObservedSessions } from './observed-sessions.ts';

/**
 * Bytes of the messages that are kept for the session hash. Those of a suite with nothing but a pre-shared key have no
 * certificates; a ClientHello with the longest ticket that can be put together has room.
 */
const longestTranscript = 20_480;

/** The keys of epoch 1, by who sends under them. */
export interface ObservedKeys {
  readonly client: RecordKeys;
  readonly server: RecordKeys;
}

/** One handshake, from its first ClientHello on. */
export class ObservedHandshake {
  readonly #crypto: CryptoProvider;
  readonly #secrets: ObserverSecrets;
  readonly #sessions: ObservedSessions;
  readonly #incoming = { client: new Reassembly(), server: new Reassembly() };
  /** What the session hash counts, in its order (RFC 7627 §3); `undefined` behind ClientKeyExchange, and when it is too long. */
  #transcript: Transcript | undefined;
  #transcriptLength = 0;
  #clientHello: ClientHello | undefined;
  #serverHello: ServerHello | undefined;
  #masterSecret: Uint8Array | undefined;
  /** Once they are known. */
  keys: ObservedKeys | undefined;

  constructor(crypto: CryptoProvider, secrets: ObserverSecrets, sessions: ObservedSessions) {
    this.#crypto = crypto;
    this.#secrets = secrets;
    this.#sessions = sessions;
    this.#transcript = new Transcript(crypto);
  }

  /** What the server chose; `undefined` before, and for a suite of others. */
  get suite(): CipherSuite | undefined {
    return this.#serverHello && suiteById(this.#serverHello.cipherSuite);
  }

  /** The random of the last ClientHello, 32 bytes: by it a repetition is told from another handshake. */
  get clientRandom(): Uint8Array | undefined {
    return this.#clientHello?.random;
  }

  /** The connection ids that records to each side carry (RFC 9146 §3); `undefined` unless both sides want them. */
  get connectionIds(): Readonly<Record<ObservedSide, Uint8Array>> | undefined {
    const [client, server] = [this.#clientHello, this.#serverHello].map(
      (hello) => hello && readConnectionId(hello.extensions),
    );
    if (!(client instanceof Uint8Array) || !(server instanceof Uint8Array)) return undefined;
    return { client, server };
  }

  /** Asks for the secret once more where there was none: a key log that is written meanwhile has it after the handshake. */
  useLateSecret(): void {
    const clientRandom = this.#clientHello?.random;
    if (this.keys !== undefined || clientRandom === undefined || this.#serverHello === undefined) return;
    const master = this.#secrets.masterSecret(clientRandom);
    if (master !== undefined) this.#derive(master);
  }

  /** Takes a fragment that came in the clear, or was opened. */
  handle(sender: ObservedSide, epoch: number, fragment: MessageFragment): void {
    const incoming = this.#incoming[sender];
    incoming.add(epoch, fragment);
    for (;;) {
      const message = this.#next(sender, epoch);
      if (message === undefined) return;
      this.#take(sender, message);
    }
  }

  #next(sender: ObservedSide, epoch: number): HandshakeMessage | undefined {
    const incoming = this.#incoming[sender];
    // RFC 6347 §4.2.1: servers without state number their first answers in different ways.
    if (sender === 'server' && this.#serverHello === undefined) {
      const message = incoming.takeOutOfOrder([HandshakeType.HelloVerifyRequest, HandshakeType.ServerHello]);
      if (message?.type === HandshakeType.ServerHello) incoming.skipTo(message.messageSeq + 1);
      return message;
    }
    // The cookie may have been asked for before anybody watched.
    if (sender === 'client' && this.#clientHello === undefined) {
      const message = incoming.takeOutOfOrder([HandshakeType.ClientHello]);
      if (message !== undefined) incoming.skipTo(message.messageSeq + 1);
      return message;
    }
    return incoming.take(epoch);
  }

  #take(sender: ObservedSide, message: HandshakeMessage): void {
    switch (message.type) {
      case HandshakeType.ClientHello: {
        const hello = decodeClientHello(message.body);
        if (sender !== 'client' || isDecodeFault(hello)) return;
        this.#clientHello = copied(hello);
        // RFC 6347 §4.2.1: neither the HelloVerifyRequest nor what it answered counts.
        this.#transcript = new Transcript(this.#crypto);
        this.#transcriptLength = 0;
        this.#count(message);
        return;
      }
      case HandshakeType.ServerHello: {
        const hello = decodeServerHello(message.body);
        if (sender !== 'server' || isDecodeFault(hello)) return;
        this.#serverHello = { ...hello, random: hello.random.slice(), sessionId: hello.sessionId.slice() };
        this.#count(message);
        this.#useKnownSecret();
        return;
      }
      case HandshakeType.ClientKeyExchange:
        this.#count(message);
        if (sender === 'client') this.#usePresharedKey(message.body);
        this.#transcript = undefined;
        return;
      case HandshakeType.NewSessionTicket: {
        const ticket = decodeNewSessionTicket(message.body);
        if (isDecodeFault(ticket) || this.#masterSecret === undefined) return;
        this.#sessions.remember(ticket.ticket, this.#masterSecret);
        return;
      }
      case HandshakeType.HelloRequest:
      case HandshakeType.HelloVerifyRequest:
        return;
      default:
        // Also when there are keys: those of a ticket that the server does not take are none of this handshake.
        this.#count(message);
    }
  }

  #count(message: HandshakeMessage): void {
    this.#transcriptLength += messageHeaderLength + message.body.length;
    if (this.#transcriptLength > longestTranscript) this.#transcript = undefined;
    this.#transcript?.add(message);
  }

  /** A key log has it, or the session goes on from one that was seen. */
  #useKnownSecret(): void {
    const [clientHello, serverHello] = [this.#clientHello, this.#serverHello];
    if (clientHello === undefined || serverHello === undefined) return;
    const { sessionId } = serverHello;
    const ticket = readSessionTicket(clientHello.extensions);
    const master =
      this.#secrets.masterSecret(clientHello.random) ??
      this.#sessions.recall(sessionId) ??
      (ticket === undefined ? undefined : this.#sessions.recall(ticket));
    if (master !== undefined) this.#derive(master);
  }

  #usePresharedKey(body: Uint8Array): void {
    const { suite } = this;
    const [clientHello, serverHello] = [this.#clientHello, this.#serverHello];
    if (suite?.keyExchange !== 'PSK' || clientHello === undefined || serverHello === undefined) return;
    // A full handshake: what a session that was seen before would say does not hold.
    const exchange = decodeClientKeyExchange(body, suite.keyExchange);
    if (isDecodeFault(exchange) || exchange.identity === undefined) return;
    const key = this.#secrets.presharedKey(exchange.identity);
    if (key === undefined) return;
    const premaster = pskPremasterSecret(key);
    const isExtended = [clientHello, serverHello].every(
      ({ extensions }) => readExtendedMasterSecret(extensions) === true,
    );
    if (!isExtended) {
      const { random } = serverHello;
      this.#derive(masterSecret(this.#crypto, suite.hash, premaster, clientHello.random, random));
      return;
    }
    const transcript = this.#transcript;
    if (transcript === undefined) return;
    transcript.begin(suite.hash);
    this.#derive(extendedMasterSecret(this.#crypto, suite.hash, premaster, transcript.digest()));
  }

  #derive(master: Uint8Array): void {
    const { suite, connectionIds } = this;
    const [clientHello, serverHello] = [this.#clientHello, this.#serverHello];
    if (suite === undefined || clientHello === undefined || serverHello === undefined) return;
    this.#masterSecret = master;
    this.#sessions.remember(serverHello.sessionId, master);
    const block = keyBlock(this.#crypto, suite, master, clientHello.random, serverHello.random);
    const keysOf = (key: Uint8Array, iv: Uint8Array, connectionId?: Uint8Array): RecordKeys =>
      createEpochKeys(this.#crypto, suite, key, iv, connectionId);
    this.keys = {
      // RFC 9146 §3: a record carries the connection id that its receiver wants.
      client: keysOf(block.clientWriteKey, block.clientWriteIv, connectionIds?.server),
      server: keysOf(block.serverWriteKey, block.serverWriteIv, connectionIds?.client),
    };
  }
}

/** The message is a view of what may be overwritten. */
function copied(hello: ClientHello): ClientHello {
  return {
    ...hello,
    random: hello.random.slice(),
    extensions: hello.extensions.map(({ type, data }) => ({ type, data: data.slice() })),
  };
}
