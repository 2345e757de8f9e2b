/**
 * A client and a server that send whatever messages they are told, in any order and epoch, with any kind of credential.
 *
 * In all else they do their best: messages are numbered as they are sent, and signatures, keys and Finished are made
 * over what was really sent. So nothing but the order and the epochs of the messages gives them away.
 *
 * @module
 */

import type { CipherSuiteName } from '../../src/core/dtls/cipher-suites.ts';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import {
  certificateTypeExtension,
  certificateTypesExtension,
} from '../../src/core/dtls/handshake/extensions/certificate-types.ts';
import type { ExtensionList } from '../../src/core/dtls/handshake/extensions/extension-list.ts';
import {
  chooseSignatureScheme,
  signatureAlgorithmsExtension,
  signatureSchemeValue,
  signatureSchemeValues,
} from '../../src/core/dtls/handshake/extensions/signature-algorithms.ts';
import { supportedGroupsExtension } from '../../src/core/dtls/handshake/extensions/supported-groups.ts';
import { HandshakeType } from '../../src/core/dtls/handshake/handshake-type.ts';
import { encodeMessageFragment } from '../../src/core/dtls/handshake/message-header.ts';
import { encodeCertificate } from '../../src/core/dtls/handshake/messages/certificate.ts';
import { encodeCertificateRequest } from '../../src/core/dtls/handshake/messages/certificate-request.ts';
import { encodeCertificateVerify } from '../../src/core/dtls/handshake/messages/certificate-verify.ts';
import { encodeClientHello } from '../../src/core/dtls/handshake/messages/client-hello.ts';
import {
  decodeClientKeyExchange,
  encodeClientKeyExchange,
} from '../../src/core/dtls/handshake/messages/client-key-exchange.ts';
import { encodeServerHello } from '../../src/core/dtls/handshake/messages/server-hello.ts';
import {
  decodeServerKeyExchange,
  encodeServerKeyExchange,
  signedParams,
} from '../../src/core/dtls/handshake/messages/server-key-exchange.ts';
import { extendedMasterSecret, pskPremasterSecret } from '../../src/core/dtls/key-schedule/prf-12.ts';
import { ContentType } from '../../src/core/dtls/record/record-header.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import type { KeyShare, SigningKey } from '../../src/core/foundation/crypto-provider.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import type { CredentialKind } from './dtls-credentials.ts';
import { sensorIdentity, sensorKey } from './dtls-pair.ts';
import {
  cookieOf,
  extendedMasterSecretOffer,
  type LonelyLayer,
  messagesOf,
  ScriptedPeer,
} from './dtls-scripted-peer.ts';

/** What can be sent: a message by its name, or ChangeCipherSpec. */
export type RogueContent = keyof typeof HandshakeType | 'ChangeCipherSpec';

/** One record. */
export interface RogueStep {
  readonly content: RogueContent;
  readonly epoch: number;
}

const group = { name: 'x25519', value: 0x1d } as const;

/** What both sides have in common. */
abstract class RoguePeer extends ScriptedPeer {
  readonly layer: LonelyLayer;
  readonly share: KeyShare = nodeCrypto.keyShare(group.name);
  abstract readonly side: 'client' | 'server';
  abstract readonly credentials: EndpointCredentials;
  messageSeq = 0;
  /** Everything the layer has answered so far. */
  readonly answers: Uint8Array[] = [];

  constructor(layer: LonelyLayer, kind: CredentialKind, clientRandom: Uint8Array) {
    super((kind.client.suites as readonly CipherSuiteName[])[0] as CipherSuiteName, sensorKey, clientRandom);
    this.layer = layer;
  }

  get usesPsk(): boolean {
    return this.suite.keyExchange === 'PSK' || this.suite.keyExchange === 'ECDHE_PSK';
  }

  get usesEcdh(): boolean {
    return this.suite.keyExchange !== 'PSK';
  }

  /** The body of a message that this side sends in a handshake. */
  abstract bodyOf(content: RogueContent): Uint8Array | undefined;

  /** Called when a message is in the transcript. */
  protected abstract noteSent(content: RogueContent): void;

  /** The key of whatever this side can show. */
  protected get signingKey(): SigningKey | undefined {
    return (this.credentials.certificate ?? this.credentials.rawPublicKey)?.key;
  }

  protected certificate(): Uint8Array {
    const { certificate, rawPublicKey } = this.credentials;
    if (rawPublicKey !== undefined) {
      return encodeCertificate({ kind: 'raw-public-key', publicKey: rawPublicKey.key.publicKey.spki });
    }
    return encodeCertificate(
      certificate === undefined ? undefined : { kind: 'x509', chain: certificate.chain },
    );
  }

  protected sign(...parts: readonly Uint8Array[]): {
    readonly scheme: number;
    readonly signature: Uint8Array;
  } {
    const key = this.signingKey;
    const scheme = key && chooseSignatureScheme(key.publicKey.type, signatureSchemeValues);
    if (key === undefined || scheme === undefined) return { scheme: 0x0403, signature: new Uint8Array(70) };
    return { scheme: signatureSchemeValue(scheme), signature: key.sign(scheme, ...parts) };
  }

  /** Sends one record. A protected one goes out in the clear as long as there are no keys. */
  send({ content, epoch }: RogueStep): void {
    if (content === 'ChangeCipherSpec') {
      this.#give(ContentType.ChangeCipherSpec, Uint8Array.of(1), epoch);
      return;
    }
    if (content === 'Finished') this.#makeUpKeys();
    const body = content === 'Finished' ? this.finished(this.side, 0).body : this.bodyOf(content);
    this.sendBody(content, body ?? new Uint8Array(4), epoch);
  }

  /** Sends a message with another body than its own. */
  sendBody(content: Exclude<RogueContent, 'ChangeCipherSpec'>, body: Uint8Array, epoch = 0): void {
    const type = HandshakeType[content];
    const message = { type, messageSeq: this.messageSeq++, body };
    this.transcript.add(message);
    this.noteSent(content);
    this.#give(ContentType.Handshake, encodeMessageFragment(message, 0, body.length), epoch);
  }

  #give(contentType: ContentType, content: Uint8Array, epoch: number): void {
    const record =
      epoch > 0 && this.master !== undefined
        ? this.sealed(contentType, content, epoch, this.side)
        : this.record(contentType, content, epoch);
    this.answers.push(...this.layer.give(record));
  }

  /** A peer that skipped the key exchange may hope for a secret of zeros on the other side. */
  #makeUpKeys(): void {
    if (this.master === undefined) this.useMaster(new Uint8Array(48));
  }

  protected installSecret(sharedSecret: Uint8Array | undefined): void {
    const premaster = this.usesPsk
      ? pskPremasterSecret(this.key, sharedSecret)
      : (sharedSecret ?? new Uint8Array(32));
    this.useMaster(extendedMasterSecret(nodeCrypto, this.suite.hash, premaster, this.transcript.digest()));
  }
}

/** A client that has fetched its cookie and got flight 4. */
export class RogueClient extends RoguePeer {
  readonly side = 'client';
  readonly credentials: EndpointCredentials;
  #sharedSecret: Uint8Array | undefined;

  constructor(layer: LonelyLayer, kind: CredentialKind) {
    super(layer, kind, new Uint8Array(32).fill(0x11));
    this.credentials = kind.client.credentials ?? { psk: true, peerTypes: [], clientAuthentication: 'none' };
    const [request] = layer.give(this.messageRecord(this.#hello(noBytes, 0)));
    const hello = this.#hello(cookieOf(request), 1);
    this.transcript.add(hello);
    this.messageSeq = 2;
    for (const { type, messageSeq, fragment } of messagesOf(layer.give(this.messageRecord(hello)))) {
      this.transcript.add({ type, messageSeq, body: fragment });
      if (type === HandshakeType.ServerHello) this.serverRandom = fragment.slice(2, 34);
      if (type !== HandshakeType.ServerKeyExchange || !this.usesEcdh) continue;
      const exchange = decodeServerKeyExchange(fragment, this.suite.keyExchange);
      if ('ecdh' in exchange && exchange.ecdh !== undefined) {
        this.#sharedSecret = this.share.agree(exchange.ecdh.publicKey);
      }
    }
  }

  override bodyOf(content: RogueContent): Uint8Array | undefined {
    switch (content) {
      case 'ClientHello':
        return this.#hello(new Uint8Array(32), 0).body;
      case 'Certificate':
        return this.certificate();
      case 'ClientKeyExchange':
        return encodeClientKeyExchange({
          ...(this.usesPsk ? { identity: sensorIdentity } : {}),
          ...(this.usesEcdh ? { publicKey: this.share.publicKey } : {}),
        });
      case 'CertificateVerify':
        return encodeCertificateVerify(this.sign(...this.transcript.messages));
      default:
        return undefined;
    }
  }

  protected override noteSent(content: RogueContent): void {
    if (content === 'ClientKeyExchange' && this.master === undefined) this.installSecret(this.#sharedSecret);
  }

  #hello(
    cookie: Uint8Array,
    messageSeq: number,
  ): {
    readonly type: number;
    readonly messageSeq: number;
    readonly body: Uint8Array;
  } {
    const { certificate, rawPublicKey, peerTypes } = this.credentials ?? { peerTypes: [] };
    const own = [
      ...(certificate === undefined ? [] : ['x509' as const]),
      ...(rawPublicKey === undefined ? [] : ['raw-public-key' as const]),
    ];
    const types = [certificateTypesExtension('client', own), certificateTypesExtension('server', peerTypes)];
    const extensions: ExtensionList = [
      extendedMasterSecretOffer,
      ...(this.usesEcdh ? [supportedGroupsExtension()] : []),
      ...(this.usesPsk ? [] : [signatureAlgorithmsExtension()]),
      ...types.filter((extension) => extension !== undefined),
    ];
    const body = encodeClientHello({
      version: 0xfefd,
      random: this.clientRandom,
      sessionId: noBytes,
      cookie,
      cipherSuites: [this.suite.id],
      compressionMethods: Uint8Array.of(0),
      extensions,
    });
    return { type: HandshakeType.ClientHello, messageSeq, body };
  }
}

/** A server that has got a ClientHello and asks for no cookie. */
export class RogueServer extends RoguePeer {
  readonly side = 'server';
  readonly credentials: EndpointCredentials;
  readonly #asksForRawKey: boolean;

  constructor(layer: LonelyLayer, kind: CredentialKind) {
    super(layer, kind, noBytes);
    this.credentials = kind.server.credentials ?? { psk: true, peerTypes: [], clientAuthentication: 'none' };
    this.#asksForRawKey =
      this.credentials.clientAuthentication !== 'none' &&
      this.credentials.peerTypes.includes('raw-public-key');
    layer.layer.connect(layer.peer, {}, layer.clock.now);
    for (const { type, messageSeq, fragment } of messagesOf(layer.drain())) {
      this.clientRandom = fragment.slice(2, 34);
      this.transcript.add({ type, messageSeq, body: fragment });
    }
  }

  override send(step: RogueStep): void {
    // Whatever the client has answered is part of the transcript from here on.
    if (step.content === 'Finished' || step.content === 'ChangeCipherSpec') this.#takeFlight5();
    super.send(step);
  }

  #takeFlight5(): void {
    if (this.master !== undefined) return;
    const flight5 = messagesOf(this.answers);
    if (!flight5.some(({ type }) => type === HandshakeType.ClientKeyExchange)) return;
    for (const { type, messageSeq, fragment } of flight5) {
      this.transcript.add({ type, messageSeq, body: fragment });
      if (type !== HandshakeType.ClientKeyExchange) continue;
      const exchange = decodeClientKeyExchange(fragment, this.suite.keyExchange);
      const publicKey = 'publicKey' in exchange ? exchange.publicKey : undefined;
      this.installSecret(publicKey && this.share.agree(publicKey));
    }
    const last = flight5.at(-1)?.messageSeq ?? 0;
    this.transcript.add(this.finished('client', last + 1));
  }

  override bodyOf(content: RogueContent): Uint8Array | undefined {
    switch (content) {
      case 'ServerHello':
        return encodeServerHello({
          version: 0xfefd,
          random: this.serverRandom,
          sessionId: noBytes,
          cipherSuite: this.suite.id,
          compressionMethod: 0,
          extensions: [
            extendedMasterSecretOffer,
            ...(this.credentials.rawPublicKey ? [certificateTypeExtension('server', 'raw-public-key')] : []),
            ...(this.#asksForRawKey ? [certificateTypeExtension('client', 'raw-public-key')] : []),
          ],
        });
      case 'Certificate':
        return this.certificate();
      case 'ServerKeyExchange':
        return this.#keyExchange();
      case 'CertificateRequest':
        return encodeCertificateRequest({
          certificateTypes: [1, 64],
          signatureSchemes: signatureSchemeValues,
        });
      case 'ServerHelloDone':
        return noBytes;
      default:
        return undefined;
    }
  }

  protected override noteSent(): void {}

  #keyExchange(): Uint8Array {
    if (!this.usesEcdh) return encodeServerKeyExchange({ hint: Uint8Array.of(0x68) });
    const ecdh = { group: group.value, publicKey: this.share.publicKey };
    if (this.usesPsk) return encodeServerKeyExchange({ hint: noBytes, ecdh });
    const signed = this.sign(this.clientRandom, this.serverRandom, signedParams(ecdh));
    return encodeServerKeyExchange({ hint: noBytes, ecdh, signed });
  }
}
