/**
 * Who is at the other end, as handlers and callers see it.
 *
 * @module
 */

import type { CipherSuiteName } from '../core/dtls/cipher-suites.ts';
import type { DtlsOutput } from '../core/dtls/dtls-layer.ts';
import { toHex } from '../core/foundation/bytes.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { randomBytes } from '../core/foundation/random-source.ts';
import { decodeUtf8 } from '../core/foundation/utf8.ts';
import { systemRandom } from '../node/system-random.ts';

/** How a peer is protected, and who it has proved to be. */
export type PeerSecurity =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'dtls';
      /** The PSK identity as text, or `0x` and its hexadecimal digits when it is not UTF-8. */
      readonly identity: string;
      readonly identityBytes: Uint8Array;
      readonly suite: CipherSuiteName;
      /** Whether the master secret is bound to the handshake (RFC 7627). */
      readonly extendedMasterSecret: boolean;
      /** Names this association; never the same for two associations, also over restarts. */
      readonly association: string;
      /** What the server's key look-up gave along with the key; `undefined` on a client. */
      readonly context: unknown;
    };

/** The remote endpoint of an exchange. */
export interface PeerInfo {
  readonly address: PeerAddress;
  readonly security: PeerSecurity;
}

/** A PSK identity for people: its text, or hexadecimal digits when it is not UTF-8 or not printable. */
export function identityText(identity: Uint8Array): string {
  const text = decodeUtf8(identity);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not reach a log
  return text === undefined || /[\u0000-\u001f\u007f-\u009f]/.test(text) ? `0x${toHex(identity)}` : text;
}

/** Association numbers start again with each process: this tells the processes apart. */
const processName = toHex(randomBytes(systemRandom, 8));

/** The security of a new association. */
export function associationSecurity(
  connected: Extract<DtlsOutput, { kind: 'connected' }>,
  context: unknown = undefined,
): PeerSecurity {
  return {
    kind: 'dtls',
    identity: identityText(connected.identity),
    identityBytes: connected.identity,
    suite: connected.suite,
    extendedMasterSecret: connected.extendedMasterSecret,
    association: `${processName}-${connected.association}`,
    context,
  };
}

export const noSecurity: PeerSecurity = { kind: 'none' };
