/**
 * A Security Context as Wireshark reads it: a line of its file `oscore_contexts`.
 *
 * With it Wireshark and tshark (3.0 and later) show what is inside OSCORE messages. The line holds the Master Secret: unlike
 * a key log of TLS it lets its reader also make messages, now and later.
 *
 * @module
 */

import { noBytes, toHex } from '../foundation/bytes.ts';
import { coseAead, defaultAead, type OscoreAead } from './cose-algorithms.ts';
import type { ContextParameters } from './derive-context.ts';

/** The algorithms that it has, by the names that it takes; HKDF is with SHA-256. */
const names: Partial<Readonly<Record<OscoreAead, string>>> = {
  'AES-CCM-16-64-128': 'AES-CCM-16-64-128 (CCM*)',
  'AES-CCM-16-128-128': 'AES-CCM-16-128-128 (CCM*)',
  'AES-CCM-64-64-128': 'AES-CCM-64-64-128 (CCM*)',
  'AES-CCM-64-128-128': 'AES-CCM-64-128-128 (CCM*)',
};

/**
 * The line for a context, without a line feed: for the file `oscore_contexts` of a profile, or after `uat:oscore_contexts:`
 * in option -o of tshark.
 *
 * Whoever has it can read and forge every message under the context, also later ones.
 *
 * @param parameters One end's.
 * @param role Of that end in the messages that are to be shown: Wireshark knows a context by the `kid` of its requests.
 * @returns `undefined` for algorithms that Wireshark does not have.
 */
export function dangerouslyWiresharkContext(
  parameters: ContextParameters,
  role: 'client' | 'server',
): string | undefined {
  const { aead = defaultAead, hkdf = 'SHA-256', idContext, masterSalt, masterSecret } = parameters;
  const algorithm = names[coseAead(aead)?.name ?? aead];
  if (algorithm === undefined || hkdf !== 'SHA-256') return undefined;
  const { senderId, recipientId } = parameters;
  const ids = role === 'client' ? [senderId, recipientId] : [recipientId, senderId];
  const fields = [...ids, masterSecret, masterSalt ?? noBytes, idContext ?? noBytes];
  return [...fields.map(toHex), algorithm].map((field) => `"${field}"`).join(',');
}
