/**
 * Opens the port of a listener over TCP, TLS or WebSocket, and judges those who come by TLS as those who come by DTLS.
 *
 * RFC 8323 §8 and §9.
 *
 * @module
 */

import { isSecureScheme, transportOf } from '../core/coap/uri.ts';
import { defaultMaxMessageSize } from '../core/connection/connection-config.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { unguessableKey } from '../crypto/tls-key.ts';
import { type StreamServer, type StreamTransport, TransportFailure } from '../node/stream-transport.ts';
import { listenTcp } from '../node/tcp-socket.ts';
import type { SecureContextOptions, TlsFacts, TlsListenOptions } from '../node/tls-socket.ts';
import { KeyTurns } from './key-turns.ts';
import { expectKey } from './known-options.ts';
import { credentialOptionNames, type ListenOptions } from './listen-options.ts';
import type { ListenAddress } from './listen-uri.ts';
import { noSecurity, type PeerSecurity } from './peer-info.ts';
import { claimedName, type Judgement, judgePeer } from './peer-verification.ts';
import { findPsk } from './psk-lookup.ts';
import { RenewableSecurity, type RenewedCredentials } from './renewable-security.ts';
import type { ServerSecurity } from './server-security.ts';
import { expectTlsCredentials, presented, secureContext, tlsProtocols, tlsSecurity } from './tls-settings.ts';

/** Whom to tell. */
interface StreamServerEvents {
  readonly onTransport: (transport: StreamTransport, security: PeerSecurity) => void;
  readonly onError: (error: unknown) => void;
}

const defaultHandshakeTimeoutMs = 20_000;

/** Opens the port. @throws ApiMisuseError for options that cannot be; the system's error when it cannot be opened. */
export async function openStreamServer(
  uri: string,
  { scheme, host, port }: ListenAddress,
  options: ListenOptions,
  { onTransport, onError }: StreamServerEvents,
): Promise<OpenStreamServer> {
  const isWebSocket = transportOf(scheme) === 'websocket';
  const { handshakeTimeoutMs = defaultHandshakeTimeoutMs, maxMessageSize = defaultMaxMessageSize } = options;
  if (options.associationStore !== undefined) {
    throw new ApiMisuseError(`${uri}: associationStore keeps associations of DTLS; leave it out here`);
  }
  const webSocket = { host, port, maxMessageSize, handshakeTimeoutMs, onError };
  if (!isSecureScheme(scheme)) {
    const given = credentialOptionNames.find((name) => options[name] !== undefined);
    if (given !== undefined) {
      throw new ApiMisuseError(
        `${uri} is not secured, but ${given} was given: use ${scheme.replace('coap', 'coaps')}`,
      );
    }
    const open = (transport: StreamTransport): void => onTransport(transport, noSecurity);
    const server = isWebSocket
      ? await (await webSockets()).listenWebSocket({ ...webSocket, tls: undefined, onTransport: open })
      : await listenTcp({
          host,
          port,
          onTransport: open,
          onError,
          ...(options.capture === undefined ? {} : { capture: options.capture }),
        });
    return { server, renew: undefined };
  }
  const tls = tlsListening(uri, options, isWebSocket, onError);
  const open = (transport: StreamTransport, facts: TlsFacts | undefined): void =>
    onTransport(transport, facts === undefined ? noSecurity : tls.securityOf(facts));
  const server = isWebSocket
    ? await (await webSockets()).listenWebSocket({ ...webSocket, tls: tls.settings, onTransport: open })
    : await (await import('../node/tls-socket.ts')).listenTls({
        ...tls.settings,
        host,
        port,
        handshakeTimeoutMs,
        onTransport: open,
        onError,
      });
  return { server, renew: (credentials) => server.renew?.(tls.renew(credentials)) };
}

/** Loaded by who listens there alone. */
const webSockets = (): Promise<typeof import('../node/websocket.ts')> => import('../node/websocket.ts');

/** An open port. */
interface OpenStreamServer {
  readonly server: StreamServer;
  /** What handshakes show and trust from now on; undefined where there are none. */
  readonly renew: ((credentials: RenewedCredentials) => void) | undefined;
}

type TlsSettings = Omit<TlsListenOptions, 'host' | 'port' | 'handshakeTimeoutMs' | 'onTransport' | 'onError'>;

function tlsListening(
  uri: string,
  options: ListenOptions,
  isWebSocket: boolean,
  onError: (error: unknown) => void,
): {
  settings: TlsSettings;
  securityOf(facts: TlsFacts): PeerSecurity;
  renew(credentials: RenewedCredentials): SecureContextOptions;
} {
  const { psk = {}, onAssociation } = options;
  const { lookup, dangerouslyAcceptAnyIdentity, hint } = psk;
  if (dangerouslyAcceptAnyIdentity)
    expectKey('psk.dangerouslyAcceptAnyIdentity', dangerouslyAcceptAnyIdentity);
  if (lookup instanceof Map) {
    for (const [identity, key] of lookup) expectKey(`psk.lookup: the key of '${identity}'`, key);
  }
  const hasPsk = !isWebSocket && (lookup !== undefined || dangerouslyAcceptAnyIdentity !== undefined);
  expectTlsCredentials(uri, options, hasPsk || options.certificate !== undefined);
  if (isWebSocket && options.certificate === undefined) {
    throw new ApiMisuseError(`${uri} needs a certificate: browsers know no pre-shared keys (RFC 8323 §9.2)`);
  }
  const security = new RenewableSecurity(uri, options, hasPsk);
  const { credentials, serverNames } = security;
  const judgements = new WeakMap<TlsFacts, Partial<Judgement>>();
  /** By the identity that a handshake named, of which each has bytes of its own. */
  const keyContexts = new WeakMap<Uint8Array, unknown>();
  const turns = new KeyTurns();
  const named =
    options.serverNames instanceof Map
      ? options.serverNames
      : new Map(Object.entries(options.serverNames ?? {}));
  const settings: TlsSettings = {
    context: secureContext(credentials, options, 'server', credentials.certificate?.chain, options.suites),
    names: new Map(
      [...named].map(([name, own]) => [
        name.toLowerCase(),
        secureContext(
          credentials,
          own,
          'server',
          serverNames.get(name.toLowerCase())?.certificate?.chain,
          options.suites,
        ),
      ]),
    ),
    requireName: options.requireServerName ?? false,
    requestCertificate: credentials.clientAuthentication !== 'none',
    protocols: tlsProtocols(options),
    psk: hasPsk
      ? {
          hint,
          lookUp: async (identity, remote) => {
            const found = await findPsk(psk, identity, onError);
            const match = found && turns.pick(found, identity, remote.host);
            keyContexts.set(identity, match?.context);
            return match?.key ?? unguessableKey();
          },
        }
      : undefined,
    judge: async (facts, remote) => {
      judgements.set(facts, await judgeClient(facts, remote, security));
    },
    keylog: options.keylog,
    onFailure: (address, detail, identity) => {
      if (identity !== undefined) turns.failed(identity, address.host);
      onAssociation?.({
        kind: 'handshake-failed',
        address,
        identity: identity === undefined ? undefined : new TextDecoder().decode(identity),
        failure: { cause: 'peer-refused', detail },
        nextStep: 'check the credentials of the client, and the time on both sides',
      });
    },
  };
  return {
    settings,
    renew: (renewed) => {
      security.renew(renewed);
      const { credentials: now } = security;
      return secureContext(now, renewed, 'server', now.certificate?.chain, options.suites);
    },
    securityOf: (facts) => {
      const judgement = judgements.get(facts) ?? {};
      if (facts.pskIdentity !== undefined) {
        const context = keyContexts.get(facts.pskIdentity);
        return tlsSecurity(facts, facts.pskIdentity, { context });
      }
      const { verdict } = judgement;
      return tlsSecurity(facts, verdict?.accepted ? verdict.identity : new Uint8Array(0), judgement);
    },
  };
}

/** Rejects with `TransportFailure` for a client that is not accepted. */
async function judgeClient(
  facts: TlsFacts,
  address: PeerAddress,
  { credentials, policy }: ServerSecurity,
): Promise<Partial<Judgement>> {
  const credential = presented(facts);
  if (credential === undefined) {
    if (facts.pskIdentity === undefined && credentials.clientAuthentication === 'required') {
      throw new TransportFailure('not-secured', 'the client shows no certificate');
    }
    return {};
  }
  const place = { address, host: undefined, serverName: facts.serverName };
  const judgement = await judgePeer(credential, place, policy);
  if (!judgement.verdict.accepted) {
    const { cause, detail } = judgement.verdict;
    throw new TransportFailure('not-secured', `${claimedName(credential)}: ${detail} (${cause})`);
  }
  return judgement;
}
