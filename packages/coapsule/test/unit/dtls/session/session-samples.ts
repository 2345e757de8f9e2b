/**
 * Sessions for tests.
 *
 * @module
 */

import { suiteByName } from '../../../../src/core/dtls/cipher-suites.ts';
import type { SessionState } from '../../../../src/core/dtls/session/session-state.ts';
import { instant } from '../../../../src/core/foundation/instant.ts';
import { encodeUtf8 } from '../../../../src/core/foundation/utf8.ts';

const suite = suiteByName('TLS_PSK_WITH_AES_128_CCM_8');
if (suite === undefined) throw new Error('no such suite');

/** A session of a PSK handshake at time 0. */
export const sampleSession: SessionState = {
  suite,
  masterSecret: new Uint8Array(48).fill(0x6d),
  identity: encodeUtf8('sensor-042'),
  proof: { kind: 'psk', keyDigest: new Uint8Array(16).fill(0x64), hint: new Uint8Array(0) },
  serverName: undefined,
  createdAt: instant(0),
};
