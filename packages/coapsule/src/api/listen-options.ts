/**
 * What a listener can be told, and what it tells of its associations.
 *
 * @module
 */

import type { ConnectionEndCause } from '../core/connection/connection-output.ts';
import type { CloseReason } from '../core/dtls/dtls-output.ts';
import type { HandshakeFailure } from '../core/dtls/handshake/handshake-failure.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { NodeLink } from '../node/node-port.ts';
import type { AssociationStore } from './association-store.ts';
import type { Client } from './client.ts';
import type { ServerCredentialOptions } from './credential-options.ts';
import { type EndpointOptions, endpointOptionNames } from './endpoint-options.ts';
import type { OptionNames } from './known-options.ts';
import type { MulticastListenOptions } from './multicast-options.ts';
import type { ObserverLimits } from './observer-limits.ts';
import type { OscoreContexts } from './oscore-context.ts';
import type { PeerInfo } from './peer-info.ts';
import type { PortWorker } from './workers.ts';

/** A key, and what the application wants to remember of where it came from. */
export interface PskMatch {
  readonly key: Uint8Array;
  /** Kept with the association as `PeerSecurity.context`; never looked into. */
  readonly context: unknown;
  /**
   * Other keys that a client may have under this identity, each with its own `context`, such as the one before while a device
   * gets a new one: three at most count. Which one a client has shows in the first record that it protects; a client with
   * `key` costs no more than without them. Over TLS a client is asked for one key at a time: after a handshake that failed, its
   * host's next one is held against the next key.
   */
  readonly others?: readonly Omit<PskMatch, 'others'>[];
}

/** What a look-up finds. */
export type PskAnswer = Uint8Array | PskMatch | undefined;

/** Who may connect with a pre-shared key (RFC 4279). */
export interface PskOptions {
  /**
   * The key of an identity, or `undefined` for one that is not known. Asked at each handshake, so that changes
   * count at once. An unknown identity and a wrong key look alike to the client.
   */
  readonly lookup?:
    | ((identity: string, identityBytes: Uint8Array) => PskAnswer | Promise<PskAnswer>)
    | ReadonlyMap<string, Uint8Array>;
  /** Told to clients before they choose their identity (RFC 4279 §5.2). */
  readonly hint?: string;
  /** One key for every identity that `lookup` does not know: whoever has it can call itself anything. */
  readonly dangerouslyAcceptAnyIdentity?: Uint8Array;
}

/** Options of one listener; those of the server count where they are absent. */
export interface ListenOptions extends EndpointOptions, ServerCredentialOptions {
  /** Clients with a pre-shared key. `coaps` needs this, or an own certificate or raw public key, or several of them. */
  readonly psk?: PskOptions;
  /** Gets each association that begins or ends, and each handshake that fails with its exact cause: for the log. */
  readonly onAssociation?: (event: AssociationEvent) => void;
  /**
   * Handshakes of DTLS that clients may begin in a second, and twice as many at once; 10,000 by default. More are dropped, and
   * the clients try again a second later. Those that are connected already are served in time whatever it is: handshakes
   * get what the others leave.
   */
  readonly handshakeRate?: number;
  /**
   * Keeps associations over restarts and crashes: devices go on without a handshake. `close` then ends none of them, and
   * waits up to 5 s for handlers that run. Requests wait until the store has what they need to be recognised when
   * they come again, also in the next process, unless their resource has `effectsInStore`.
   */
  readonly associationStore?: AssociationStore;
  /**
   * Connections over TCP, TLS and WebSocket that may be open at a time; 10,000 by default. With so many open, a newcomer takes
   * the place of the one that was silent longest, of the host that has most of them.
   */
  readonly maxConnections?: number;
  /**
   * Joins the groups of all CoAP nodes, or others, so that clients find this server (RFC 7252 §7.2, §8); `coap` only.
   * Off by default: requests to a group come from anybody, and answers go to whoever they claim to be from. A group that
   * cannot be joined is told to `onError` and in `Listener.groups`; the listener works without it. On `[::]:5683` other
   * programs of this machine can then bind the port as well.
   */
  readonly multicast?: boolean | MulticastListenOptions;
  /** How many observers this listener keeps. */
  readonly observers?: ObserverLimits;
  /**
   * Serial lines only: a `Client` that asks whoever is at the other end of this line, which a device can be open for but
   * once. It uses the association that is there, whoever began it, and begins one with its own credentials where there is
   * none. Give it to the listener before its first request to the line.
   */
  readonly client?: Client;
  /**
   * Plain `coap` only: answers of any size go to addresses that nothing proves, so that whoever spoofs one can flood it
   * with many times what he sends (RFC 7252 §11.3). By default such an address gets three times what came from there,
   * until it is proved; larger answers wait for that, two seconds at most, and go in blocks that fit (RFC 9175 §2.6).
   */
  readonly dangerouslyUnlimitedAmplification?: boolean;
  /**
   * The worker that listens, from `portWorker()`: the port is shared with the other workers, or, where only one can have it,
   * is that of worker 0 (docs/workers.md).
   */
  readonly worker?: PortWorker | undefined;
  /**
   * Other machines that answer `coaps` at the same address, behind a balancer or by turns: a record of an association that another
   * one has goes there, by the number of that machine in its connection id (RFC 9146), and its answer leaves from here. Needs
   * connection ids of 6 bytes or more (8 by default), and a listener that is no one of several workers.
   */
  readonly nodes?: NodeLink;
  /** Whose requests under OSCORE are understood (RFC 8613), on any scheme. They come and go with `add` and `remove`. */
  readonly oscore?: OscoreContexts;
}

/** The names of `ListenOptions`. */
export const listenOptionNames: OptionNames<Required<ListenOptions>> = {
  ...endpointOptionNames,
  psk: true,
  certificate: true,
  rawPublicKey: true,
  clientCertificates: true,
  clientPublicKeys: true,
  clientAuthentication: true,
  verifyPeer: true,
  deniedCertificates: true,
  serverNames: true,
  requireServerName: true,
  onAssociation: true,
  handshakeRate: true,
  associationStore: true,
  maxConnections: true,
  multicast: true,
  client: true,
  observers: true,
  dangerouslyUnlimitedAmplification: true,
  worker: true,
  nodes: true,
  oscore: true,
};

/** Those that make no sense without DTLS. */
export const credentialOptionNames = [
  'psk',
  'certificate',
  'rawPublicKey',
  'clientCertificates',
  'clientPublicKeys',
  'serverNames',
  'associationStore',
  'nodes',
] as const;

/** The life of associations; on a line that is lent to a client, also of those that the client began. */
export type AssociationEvent =
  | {
      readonly kind: 'connected';
      readonly peer: PeerInfo;
      /** It comes from `associationStore`: there was no handshake. */
      readonly imported?: true;
    }
  | { readonly kind: 'closed'; readonly peer: PeerInfo; readonly reason: CloseReason | ConnectionEndCause }
  | {
      readonly kind: 'handshake-failed';
      readonly address: PeerAddress;
      /** What the client called itself, if it came so far. */
      readonly identity: string | undefined;
      readonly failure: HandshakeFailure;
      /** One sentence for people: what to do about it. */
      readonly nextStep: string;
    };
