/**
 * `coapsule calculate protection`: the bytes that DTLS and OSCORE add to a message.
 *
 * @module
 */

import { Option } from 'commander';
import { comparedSuites, dtlsBytes, madeSenderIdBytes, oscoreBytes } from '../figures/protection-sizes.ts';
import { type Finding, table } from './advice-output.ts';
import { wholeNumber } from './option-values.ts';

/** Its options. */
export const protectionOptions: readonly Option[] = [
  new Option('--connection-id <bytes>', 'of a Connection ID in each record (RFC 9146)')
    .argParser((text) => wholeNumber(text, 0, 255))
    .default(0),
  new Option('--sender-id <bytes>', 'of the Sender ID under OSCORE')
    .argParser((text) => wholeNumber(text, 0, 10))
    .default(madeSenderIdBytes),
  new Option('--sequence <n>', 'number of the message under OSCORE')
    .argParser((text) => wholeNumber(text, 0, 2 ** 40 - 1))
    .default(0),
];

/** The table of all suites, and of OSCORE with both lengths of tags. */
export function protection(options: {
  readonly connectionId: number;
  readonly senderId: number;
  readonly sequence: number;
}): Finding {
  const dtls = comparedSuites.map((suite) => ({ suite, bytes: dtlsBytes(suite, options.connectionId) }));
  const sending = { senderIdLength: options.senderId, sequenceNumber: options.sequence };
  const oscore = (['AES-CCM-16-64-128', 'AES-CCM-16-128-128'] as const).map((aead) => ({
    ...{ aead, ...oscoreBytes({ ...sending, aead }) },
  }));
  return {
    value: { dtls, oscore },
    lines: table([
      ['protection', 'request', 'response', 'notification'],
      ...dtls.map(({ suite, bytes }) => [suite, ...Array.from({ length: 3 }, () => String(bytes))]),
      ...oscore.map(({ aead, request, response, notification }) => [
        `OSCORE, ${aead}`,
        ...[request, response, notification].map(String),
      ]),
    ]),
  };
}
