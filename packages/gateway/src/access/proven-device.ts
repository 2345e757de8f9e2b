/**
 * Which device a request comes from, by what it has proved: OSCORE from end to end, or the secured hop.
 */
import type { PeerInfo } from 'coapsule';
import { localAskerOf } from './local-asker.ts';

/** A device, and the stamp of the credential that it proved itself with. */
export interface ProvenDevice {
  readonly identity: string;
  /** A `KeyStamp` of gateway/device-directory.ts. */
  readonly stamp: unknown;
}

/** Undefined for who has proved nothing. */
export function provenDevice(peer: PeerInfo): ProvenDevice | undefined {
  const { oscore, security } = peer;
  // From end to end: what the hop proves may be a proxy's. The gateway gives each of its contexts its device.
  if (oscore !== undefined) return oscore.context as ProvenDevice;
  const local = localAskerOf(peer);
  if (local !== undefined) return { identity: local.identity, stamp: undefined };
  // Who has proved nothing is nobody, over DTLS too.
  if (security.kind === 'none' || security.authentication.kind === 'none') return undefined;
  return { identity: security.identity, stamp: security.context };
}
