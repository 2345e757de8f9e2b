/**
 * `coapsule decode` beside tshark: both say the same of captures that others have made. Not of wireshark-snakeoil-dtls.pcap, whose
 * version (0x0100) is that of OpenSSL before RFC 4347.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { hexText } from '../../src/cli/option-values.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { run } from './process.ts';

const captures = join(import.meta.dirname, '../vectors/captures');

const cases: readonly (readonly [file: string, ports: { coap?: number; dtls?: number }, key?: string])[] = [
  [
    'golioth_basics_psk.pcapng',
    { dtls: 5684 },
    '3639616631363835626139303830626539303739323237323863316539376335',
  ],
  [
    'golioth_ota_download.pcapng',
    { dtls: 5684 },
    '3234363835646335663162323237366138663433303038653230633062653932',
  ],
  ['wireshark-dtls12-aes128ccm8.pcap', {}, 'ca19e028a8a372ad2d325f950fcaceed'],
  ['wireshark-dtls12-aes128ccm8-dsb.pcapng', {}],
  ['ndpi-coap_mqtt.pcap', { coap: 5683 }],
  ['ndpi-dtls_session_id_and_coockie_both.pcap', {}],
  ['zeek-dtls1_2.pcap', {}],
  ['zeek-dtls-sequence-number-jumps.pcap', {}],
];

describe('decode and tshark agree', () => {
  for (const [file, ports, key] of cases) {
    test(file, async (t) => {
      const fields = [
        ...['frame.number', 'coap.type', 'coap.code', 'coap.mid', 'coap.token', 'coap.opt.uri_path'],
        ...['dtls.record.content_type', 'dtls.record.epoch', 'dtls.record.sequence_number'],
      ];
      const { code, stdout, output } = await run(t, 'tshark', [
        ...['-n', '-r', join(captures, file), '-T', 'fields', '-E', 'separator=|', '-Y', 'dtls or coap'],
        ...(ports.dtls === undefined
          ? []
          : ['-d', `udp.port==${ports.dtls},dtls`, '-d', `dtls.port==${ports.dtls},coap`]),
        ...fields.flatMap((field) => ['-e', field]),
        ...(key === undefined ? [] : ['-o', `dtls.psk:${key}`]),
      ]);
      assert.equal(code, 0, output);
      const theirs = stdout.toString().split('\n').filter(Boolean);
      assert.ok(theirs.length > 0);
      assert.deepEqual(ourRows(file, key, theirs), theirs);
    });
  }
});

/** The same fields in the form of tshark, of the frames that it names. */
function ourRows(file: string, key: string | undefined, theirs: readonly string[]): readonly string[] {
  const named = new Set(theirs.map((row) => Number(row.split('|', 1)[0])));
  const { packets, keyLog } = readCapture(readFileSync(join(captures, file)));
  const secrets = new KnownSecrets(key === undefined ? [] : [{ key: Buffer.from(key, 'hex') }]);
  for (const line of keyLog) secrets.addLine(line);
  const decoder = new CaptureDecoder(secrets);
  const types = { CON: '0', NON: '1', ACK: '2', RST: '3' } as const;
  return packets.flatMap((packet) => {
    const { parts } = decoder.decode(packet);
    if (!named.has(packet.frame)) return [];
    const messages = parts.flatMap(({ message }) => message ?? []);
    const records = parts.flatMap(({ record }) => record ?? []);
    const all = (values: readonly (string | number)[]): string => values.join(',');
    return [
      packet.frame,
      all(messages.map(({ type }) => types[type])),
      all(messages.map((message) => message.code)),
      all(messages.map(({ messageId }) => messageId)),
      all(messages.flatMap(({ token }) => (token.length === 0 ? [] : hexText(token)))),
      all(messages.flatMap(({ options }) => options.texts(11))),
      all(records.map(({ recordType }) => recordType)),
      all(records.map(({ epoch }) => epoch)),
      all(records.map(({ sequenceNumber }) => sequenceNumber)),
    ].join('|');
  });
}
