/**
 * How a client opens transports to one server, and what the server has proved on the latest of them.
 *
 * RFC 8323 §8: which transport is in the scheme of the URI; §9: with TLS, the credentials are those of `coaps`.
 *
 * @module
 */

import { formatAuthority } from '../core/coap/uri.ts';
import { defaultMaxMessageSize } from '../core/connection/connection-config.ts';
import type { RequestError } from '../core/endpoint/outputs.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { encodeUtf8 } from '../core/foundation/utf8.ts';
import { type StreamTransport, TransportFailure } from '../node/stream-transport.ts';
import { connectTcp } from '../node/tcp-socket.ts';
import type { TlsClientOptions, TlsFacts } from '../node/tls-socket.ts';
import type { ClientOptions, PskCredential } from './client-options.ts';
import type { ClientSecurity } from './client-security.ts';
import { CoapsuleError } from './errors.ts';
import { noSecurity, type PeerSecurity } from './peer-info.ts';
import { judgePeer } from './peer-verification.ts';
import type { RemoteServer } from './remote-server.ts';
import { expectTlsCredentials, presented, secureContext, tlsProtocols, tlsSecurity } from './tls-settings.ts';

/** How long opening a transport may take, its TLS handshake included, unless `handshakeTimeoutMs` says otherwise. */
const defaultTimeoutMs = 30_000;

/** See the module comment. */
export class StreamDialer {
  readonly #server: RemoteServer;
  readonly #options: ClientOptions;
  readonly #security: ClientSecurity | undefined;
  /** What the server has proved. */
  security: PeerSecurity = noSecurity;
  /** Why the latest transport could not be opened, where the credentials are to blame. */
  #failure: CoapsuleError | undefined;

  /** @throws ApiMisuseError for credentials that TLS cannot use. */
  constructor(server: RemoteServer, options: ClientOptions, security: ClientSecurity | undefined) {
    this.#server = server;
    this.#options = options;
    this.#security = security;
    if (server.secure) {
      const { psk, certificate, trustAnchors } = options;
      const hasOther = psk !== undefined || certificate !== undefined || trustAnchors !== undefined;
      expectTlsCredentials('new Client', options, hasOther);
    }
  }

  /** Opens a transport; rejects with `TransportFailure`. */
  async dial(remote: PeerAddress): Promise<StreamTransport> {
    this.#failure = undefined;
    const { bind, capture, handshakeTimeoutMs: timeoutMs = defaultTimeoutMs, maxMessageSize } = this.#options;
    const connect = { remote, timeoutMs, ...(bind === undefined ? {} : { bind }) };
    const { transport, secure, host } = this.#server;
    const tls = secure ? await this.#tls(connect) : undefined;
    // What most clients never use is not loaded with them.
    if (transport === 'websocket') {
      const { connectWebSocket } = await import('../node/websocket.ts');
      return connectWebSocket({
        ...connect,
        tls,
        authority: formatAuthority(host, remote.port, secure ? 'coaps+ws' : 'coap+ws'),
        maxMessageSize: maxMessageSize ?? defaultMaxMessageSize,
      });
    }
    if (tls !== undefined) return (await import('../node/tls-socket.ts')).connectTls(tls);
    return connectTcp(capture === undefined ? connect : { ...connect, capture });
  }

  /** The error of a request that failed because no transport could be opened. */
  errorOf(error: RequestError): CoapsuleError | undefined {
    if (error.kind !== 'connection-ended') return undefined;
    const { cause } = error.end;
    return cause === 'not-opened' || cause === 'not-secured' ? this.#failure : undefined;
  }

  async #tls(connect: Pick<TlsClientOptions, 'remote' | 'timeoutMs' | 'bind'>): Promise<TlsClientOptions> {
    const { credentials } = this.#security as ClientSecurity;
    const psk = await this.#pskCredential();
    return {
      ...connect,
      context: secureContext(
        { ...credentials, psk: psk !== undefined },
        this.#options,
        'client',
        credentials.certificate?.chain,
        this.#options.suites,
      ),
      serverName: this.#server.serverName,
      protocols: tlsProtocols(this.#options),
      psk: psk && { identity: identityOf(psk), key: psk.key },
      judge: (facts, remote) => this.#judge(facts, remote),
      keylog: this.#options.keylog,
    };
  }

  /** TLS asks for it in the middle of the handshake and cannot wait: it is looked up before, without a hint. */
  async #pskCredential(): Promise<PskCredential | undefined> {
    const { psk } = this.#options;
    if (typeof psk !== 'function') return psk;
    const { host, address } = this.#server;
    try {
      return await psk({ host, port: address.port, hint: undefined });
    } catch (cause) {
      const text = `there is no pre-shared key for ${host}:${address.port}`;
      this.#failure = new CoapsuleError('ERR_CREDENTIALS', text, 'give `psk` with identity and key', {
        cause,
      });
      throw new TransportFailure('not-secured', text, { cause });
    }
  }

  async #judge(facts: TlsFacts, remote: PeerAddress): Promise<void> {
    const credential = presented(facts);
    const { host, serverName } = this.#server;
    if (credential === undefined) {
      // A server without a certificate has proved that it has the key.
      this.security = tlsSecurity(facts, facts.pskIdentity ?? new Uint8Array(0), {});
      return;
    }
    const policy = this.#security?.policy(this.#server);
    const judgement = await judgePeer(credential, { address: remote, host, serverName }, policy);
    const { verdict } = judgement;
    if (!verdict.accepted) {
      this.#failure = new CoapsuleError(
        'ERR_CREDENTIALS',
        `${this.#server.scheme}://${host} is not accepted: ${verdict.detail} (${verdict.cause})`,
        'check trustAnchors, and the name in the URI; give `serverName` when the server has another one',
      );
      throw new TransportFailure('not-secured', verdict.detail);
    }
    this.security = tlsSecurity(facts, verdict.identity, judgement);
  }
}

function identityOf({ identity }: PskCredential): string {
  if (typeof identity === 'string') return identity;
  const text = new TextDecoder().decode(identity);
  if (Buffer.compare(encodeUtf8(text), identity) !== 0) {
    throw new TransportFailure('not-secured', 'TLS here takes identities that are UTF-8 only');
  }
  return text;
}
