/**
 * A DTLS client and a DTLS server made by hand from the codecs, one message at a time, so that tests can leave
 * out, change, repeat and misplace whatever they like. They keep no rules.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type CipherSuite, type CipherSuiteName, suiteByName } from '../../src/core/dtls/cipher-suites.ts';
import type { DtlsConfig } from '../../src/core/dtls/dtls-config.ts';
import { DtlsLayer, type DtlsOutput } from '../../src/core/dtls/dtls-layer.ts';
import type { ExtensionList } from '../../src/core/dtls/handshake/extensions/extension-list.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import {
  decodeMessageFragment,
  encodeMessageFragment,
  type HandshakeMessage,
  type MessageFragment,
} from '../../src/core/dtls/handshake/message-header.ts';
import { encodeClientHello } from '../../src/core/dtls/handshake/messages/client-hello.ts';
import { encodeClientKeyExchange } from '../../src/core/dtls/handshake/messages/client-key-exchange.ts';
import { encodeServerHello } from '../../src/core/dtls/handshake/messages/server-hello.ts';
import { Transcript } from '../../src/core/dtls/handshake/transcript.ts';
import {
  extendedMasterSecret,
  keyBlock,
  masterSecret,
  pskPremasterSecret,
  verifyData,
} from '../../src/core/dtls/key-schedule/prf-12.ts';
import { fragmentOf, splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import { createEpochKeys, type EpochKeys } from '../../src/core/dtls/record/epoch-keys.ts';
import { encodePlaintextRecord } from '../../src/core/dtls/record/plaintext-record.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { sealRecord } from '../../src/core/dtls/record/seal-record.ts';
import { ByteReader } from '../../src/core/foundation/byte-reader.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import type { CryptoProvider } from '../../src/core/foundation/crypto-provider.ts';
import { after } from '../../src/core/foundation/instant.ts';
import { ipAddress, type PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { sensorIdentity, sensorKey } from './dtls-pair.ts';

export const extendedMasterSecretOffer = { type: 23, data: noBytes };

/** A layer on its own, and everything it says. */
export class LonelyLayer {
  readonly layer: DtlsLayer;
  readonly clock = new VirtualClock();
  readonly peer: PeerAddress = ipAddress('192.0.2.1', 40_000);
  readonly outputs: DtlsOutput[] = [];
  key: Uint8Array | undefined = sensorKey;

  constructor(
    role: 'client' | 'server',
    config: Partial<DtlsConfig> = {},
    seed = 5,
    crypto: CryptoProvider = nodeCrypto,
  ) {
    this.layer = new DtlsLayer({ role, crypto, random: new SeededRandom(seed), config });
  }

  /** Hands one datagram in, and returns the datagrams that come out. */
  give(datagram: Uint8Array, from: PeerAddress = this.peer): Uint8Array[] {
    this.layer.handle({ address: from, datagram: datagram.slice() }, this.clock.now);
    return this.drain();
  }

  /** Lets time pass, timer by timer, and returns the datagrams that come out. */
  wait(ms: number): Uint8Array[] {
    const end = after(this.clock.now, ms);
    const sent: Uint8Array[] = [];
    for (;;) {
      const next = this.layer.nextTimeout();
      if (next === undefined || next > end) break;
      this.clock.advanceTo(next);
      this.layer.handleTimeout(next);
      sent.push(...this.drain());
    }
    this.clock.advanceTo(end);
    return sent;
  }

  drain(): Uint8Array[] {
    const sent: Uint8Array[] = [];
    for (let output = this.layer.poll(); output !== undefined; output = this.layer.poll()) {
      this.outputs.push(output);
      if (output.kind === 'transmit') sent.push(output.datagram);
      if (output.kind === 'psk-lookup') {
        const answer = this.key === undefined ? undefined : { identity: sensorIdentity, key: this.key };
        this.layer.answerPskLookup(output.lookup, answer, this.clock.now);
      }
      if (output.kind === 'verify-peer') {
        const verdict = { accepted: true, identity: noBytes } as const;
        this.layer.answerPeerVerification(output.verification, verdict, this.clock.now);
      }
    }
    return sent;
  }

  all<Kind extends DtlsOutput['kind']>(kind: Kind): Extract<DtlsOutput, { kind: Kind }>[] {
    return this.outputs.filter((output) => output.kind === kind) as Extract<DtlsOutput, { kind: Kind }>[];
  }

  get failure(): string | undefined {
    return this.all('handshake-failed')[0]?.failure.cause;
  }

  get connected(): boolean {
    return this.all('connected').length > 0;
  }
}

/** What both scripted sides can do. */
export class ScriptedPeer {
  readonly suite: CipherSuite;
  readonly transcript = new Transcript(nodeCrypto);
  readonly key: Uint8Array;
  clientRandom: Uint8Array;
  serverRandom: Uint8Array = new Uint8Array(32).fill(0x22);
  master: Uint8Array | undefined;
  clientKeys: EpochKeys | undefined;
  serverKeys: EpochKeys | undefined;
  recordSequence = 0;
  sealedSequence = 0;

  constructor(suite: CipherSuiteName, key: Uint8Array, clientRandom: Uint8Array) {
    this.suite = suiteByName(suite) as CipherSuite;
    this.key = key;
    this.clientRandom = clientRandom;
    this.transcript.begin(this.suite.hash);
  }

  record(contentType: ContentType, content: Uint8Array, epoch = 0): Uint8Array {
    return encodePlaintextRecord(contentType, 0xfefd, epoch, this.recordSequence++, content);
  }

  messageRecord(message: HandshakeMessage, epoch = 0): Uint8Array {
    return this.record(ContentType.Handshake, encodeMessageFragment(message, 0, message.body.length), epoch);
  }

  changeCipherSpec(epoch = 0): Uint8Array {
    return this.record(ContentType.ChangeCipherSpec, Uint8Array.of(1), epoch);
  }

  derive(sharedSecret: Uint8Array | undefined, extended: boolean): void {
    const { suite, clientRandom, serverRandom } = this;
    const premaster = pskPremasterSecret(this.key, sharedSecret);
    const master = extended
      ? extendedMasterSecret(nodeCrypto, suite.hash, premaster, this.transcript.digest())
      : masterSecret(nodeCrypto, suite.hash, premaster, clientRandom, serverRandom);
    this.useMaster(master);
  }

  /** The keys of a master secret, also of a session that goes on. */
  useMaster(master: Uint8Array): void {
    const { suite, clientRandom, serverRandom } = this;
    const block = keyBlock(nodeCrypto, suite, master, clientRandom, serverRandom);
    this.master = master;
    this.clientKeys = createEpochKeys(nodeCrypto, suite, block.clientWriteKey, block.clientWriteIv);
    this.serverKeys = createEpochKeys(nodeCrypto, suite, block.serverWriteKey, block.serverWriteIv);
  }

  finished(side: 'client' | 'server', messageSeq: number): HandshakeMessage {
    const body = verifyData(
      nodeCrypto,
      this.suite.hash,
      this.master as Uint8Array,
      side,
      this.transcript.digest(),
    );
    return { type: HandshakeType.Finished, messageSeq, body };
  }

  sealed(
    contentType: ContentType,
    content: Uint8Array,
    epoch = 1,
    side: 'client' | 'server' = 'client',
  ): Uint8Array {
    const keys = (side === 'client' ? this.clientKeys : this.serverKeys) as EpochKeys;
    return sealRecord(keys, contentType, epoch, this.sealedSequence++, content);
  }
}

export interface ScriptedClientOptions {
  readonly suite?: CipherSuiteName;
  readonly key?: Uint8Array;
  readonly extensions?: ExtensionList;
  readonly cipherSuites?: readonly number[];
  readonly version?: number;
  readonly seed?: number;
  readonly sessionId?: Uint8Array;
  readonly identity?: Uint8Array;
}

/** A client for plain PSK. */
export class ScriptedClient extends ScriptedPeer {
  readonly options: ScriptedClientOptions;

  constructor(options: ScriptedClientOptions = {}) {
    super(
      options.suite ?? 'TLS_PSK_WITH_AES_128_CCM_8',
      options.key ?? sensorKey,
      new Uint8Array(32).fill(options.seed ?? 0x11),
    );
    this.options = options;
  }

  get offersExtendedMasterSecret(): boolean {
    return this.extensions.some(({ type }) => type === 23);
  }

  get extensions(): ExtensionList {
    return this.options.extensions ?? [extendedMasterSecretOffer];
  }

  hello(cookie: Uint8Array, messageSeq: number): HandshakeMessage {
    const body = encodeClientHello({
      version: this.options.version ?? 0xfefd,
      random: this.clientRandom,
      sessionId: this.options.sessionId ?? noBytes,
      cookie,
      cipherSuites: this.options.cipherSuites ?? [this.suite.id],
      compressionMethods: Uint8Array.of(0),
      extensions: this.extensions,
    });
    return { type: HandshakeType.ClientHello, messageSeq, body };
  }

  /** Fetches a cookie and returns the second ClientHello, which is in the transcript then. */
  helloWithCookie(layer: LonelyLayer): HandshakeMessage {
    const [answer] = layer.give(this.messageRecord(this.hello(noBytes, 0)));
    const hello = this.hello(cookieOf(answer), 1);
    this.transcript.add(hello);
    return hello;
  }

  /** Takes flight 4 into the transcript. */
  takeServerFlight(datagrams: readonly Uint8Array[]): void {
    for (const { type, messageSeq, fragment } of messagesOf(datagrams)) {
      if (type === HandshakeType.ServerHello) this.serverRandom = fragment.slice(2, 34);
      this.transcript.add({ type, messageSeq, body: fragment });
    }
  }

  /** ClientKeyExchange and Finished; the keys are there then. */
  secondFlight(firstMessageSeq = 2): {
    readonly keyExchange: HandshakeMessage;
    readonly finished: HandshakeMessage;
  } {
    const keyExchange = {
      type: HandshakeType.ClientKeyExchange,
      messageSeq: firstMessageSeq,
      body: encodeClientKeyExchange({ identity: this.options.identity ?? sensorIdentity }),
    };
    this.transcript.add(keyExchange);
    this.derive(undefined, this.offersExtendedMasterSecret);
    return { keyExchange, finished: this.finished('client', firstMessageSeq + 1) };
  }

  sealedFinished(finished: HandshakeMessage, epoch = 1): Uint8Array {
    return this.sealed(
      ContentType.Handshake,
      encodeMessageFragment(finished, 0, finished.body.length),
      epoch,
    );
  }

  /** A whole handshake as it should be. */
  connect(layer: LonelyLayer): void {
    this.takeServerFlight(layer.give(this.messageRecord(this.helloWithCookie(layer))));
    const { keyExchange, finished } = this.secondFlight();
    layer.give(
      concatBytes(this.messageRecord(keyExchange), this.changeCipherSpec(), this.sealedFinished(finished)),
    );
  }

  data(text: string, epoch = 1): Uint8Array {
    return this.sealed(ContentType.ApplicationData, new TextEncoder().encode(text), epoch);
  }
}

export interface ScriptedServerOptions {
  readonly suite?: CipherSuiteName;
  readonly version?: number;
  readonly extensions?: ExtensionList;
  readonly cipherSuite?: number;
  readonly compressionMethod?: number;
  readonly sessionId?: Uint8Array;
}

/** A server for plain PSK that asks for no cookie. */
export class ScriptedServer extends ScriptedPeer {
  readonly options: ScriptedServerOptions;

  constructor(options: ScriptedServerOptions = {}) {
    super(options.suite ?? 'TLS_PSK_WITH_AES_128_CCM_8', sensorKey, noBytes);
    this.options = options;
  }

  /** Takes the ClientHello of a client layer that has just been told to connect. */
  takeHello(datagrams: readonly Uint8Array[]): void {
    for (const { type, messageSeq, fragment } of messagesOf(datagrams)) {
      this.clientRandom = fragment.slice(2, 34);
      this.transcript.add({ type, messageSeq, body: fragment });
    }
  }

  serverHello(messageSeq = 0): HandshakeMessage {
    const { options } = this;
    const message = {
      type: HandshakeType.ServerHello,
      messageSeq,
      body: encodeServerHello({
        version: options.version ?? 0xfefd,
        random: this.serverRandom,
        sessionId: options.sessionId ?? noBytes,
        cipherSuite: options.cipherSuite ?? this.suite.id,
        compressionMethod: options.compressionMethod ?? 0,
        extensions: options.extensions ?? [extendedMasterSecretOffer],
      }),
    };
    this.transcript.add(message);
    return message;
  }

  helloDone(messageSeq = 1): HandshakeMessage {
    const message = { type: HandshakeType.ServerHelloDone, messageSeq, body: noBytes };
    this.transcript.add(message);
    return message;
  }

  /** Takes flight 5 (plain PSK), and returns the records of flight 6; `ticket` is a message of it that goes before. */
  finish(
    flight5: readonly Uint8Array[],
    messageSeq = 2,
    ticket?: HandshakeMessage,
  ): { changeCipherSpec: Uint8Array; finished: Uint8Array } {
    const [keyExchange] = messagesOf(flight5);
    assert.ok(keyExchange !== undefined);
    this.transcript.add({ ...keyExchange, body: keyExchange.fragment });
    const extensions = this.options.extensions ?? [extendedMasterSecretOffer];
    this.derive(
      undefined,
      extensions.some(({ type }) => type === 23),
    );
    this.transcript.add(this.finished('client', keyExchange.messageSeq + 1));
    if (ticket !== undefined) this.transcript.add(ticket);
    const finished = this.finished('server', messageSeq);
    return {
      changeCipherSpec: this.changeCipherSpec(),
      finished: this.sealed(
        ContentType.Handshake,
        encodeMessageFragment(finished, 0, finished.body.length),
        1,
        'server',
      ),
    };
  }
}

/** The cookie of a datagram with a HelloVerifyRequest. */
export function cookieOf(datagram: Uint8Array | undefined): Uint8Array {
  assert.equal(datagram?.[13], HandshakeType.HelloVerifyRequest);
  return (datagram as Uint8Array).slice(28);
}

/** All handshake messages of epoch 0 in some datagrams. */
export function messagesOf(datagrams: readonly Uint8Array[]): MessageFragment[] {
  return datagrams.flatMap((datagram) =>
    splitRecords(datagram)
      .records.filter(({ recordType, epoch }) => recordType === ContentType.Handshake && epoch === 0)
      .map((record) => decodeMessageFragment(new ByteReader(fragmentOf(record))) as MessageFragment),
  );
}
