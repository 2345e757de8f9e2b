/**
 * Parts of the gateway that ask its own resources, such as the MQTT bridge: each is somebody with a name and rules.
 */
import type { PeerInfo } from 'coapsule';
import type { Rule } from './rule.ts';

/** Who asks from within. */
export interface LocalAsker {
  /** In parentheses, as no device is called: `(mqtt)`. */
  readonly identity: string;
  readonly rules: readonly Rule[];
}

const askers = new WeakMap<PeerInfo, LocalAsker>();

/** The peer that `Server.request` is given for requests of this asker. */
export function localPeer(asker: LocalAsker): PeerInfo {
  const { identity } = asker;
  const peer: PeerInfo = {
    address: { key: identity, host: identity, port: 0 },
    transport: 'local',
    security: { kind: 'none' },
  };
  askers.set(peer, asker);
  return peer;
}

/** Undefined for all who came over a network or line. */
export function localAskerOf(peer: PeerInfo): LocalAsker | undefined {
  return askers.get(peer);
}

/** Whether a request came by HTTP, with a token or without one. */
export function isFromHttp(peer: PeerInfo): boolean {
  return peer.transport === 'local' && (peer.address.key === 'http' || peer.address.key.startsWith('(http '));
}
