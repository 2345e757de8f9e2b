/**
 * Which device is at the other end of a line, where the gateway has begun the handshake itself.
 *
 * Such an association has no stamp of the directory (device-directory.ts), since the look-ups of the listener were not asked.
 * Its peer is a device when it has proved itself with what that device has here: its certificate or raw public key, or the
 * same pre-shared key under the same identity. It is asked anew for each request, so what counts no more gives no rights.
 */
import { timingSafeEqual } from 'node:crypto';
import type { PeerInfo, PskCredential } from 'coapsule';
import type { DeviceDirectory, KeyStamp } from './device-directory.ts';

/** The stamp of the device at the other end; undefined when it is none of ours, or the peer is on no line. */
export type LinePeers = (peer: PeerInfo) => Promise<KeyStamp | undefined>;

/** @param psks the pre-shared keys that the gateway uses on its lines. */
export function linePeers(
  directory: Pick<DeviceDirectory, 'admission' | 'ownerOfKey' | 'ownerOfCertificate'>,
  psks: readonly PskCredential[],
): LinePeers {
  return async ({ transport, security }) => {
    if (transport !== 'serial' || security.kind !== 'dtls') return undefined;
    const { identity, authentication } = security;
    switch (authentication.kind) {
      case 'x509': {
        const { fingerprint } = authentication.certificate;
        return (await directory.ownerOfCertificate(identity, fingerprint))?.context;
      }
      case 'raw-public-key': {
        const owner = await directory.ownerOfKey(authentication.publicKey.fingerprint);
        return owner?.identity === identity ? owner.context : undefined;
      }
      case 'psk': {
        const used = psks.filter((psk) => Buffer.from(psk.identity).equals(security.identityBytes));
        const admission = used.length === 0 ? undefined : await directory.admission(identity);
        if (admission === undefined) return undefined;
        const { key, context } = admission;
        return used.every((psk) => isSame(psk.key, key)) ? context : undefined;
      }
      case 'none':
        return undefined;
    }
  };
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
