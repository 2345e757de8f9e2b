/**
 * `coapsule decode` beside tshark: both say the same of captures that others have made, and of connections over TCP, TLS and WebSocket. Not of wireshark-snakeoil-dtls.pcap, whose
 * version (0x0100) is that of OpenSSL before RFC 4347.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Client, content, Server } from 'coapsule';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { hexText } from '../../src/cli/option-values.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { captureOf, recordingRelay, segmentsOf } from '../decode/recorded-stream.ts';
import { peerTest } from './peer.ts';
import { run, temporaryFolder } from './process.ts';

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

/** Over TCP there are no types and Message IDs. */
const streamFields = ['frame.number', 'coap.code', 'coap.token', 'coap.opt.uri_path', 'coap.payload_length'];

describe('decode and tshark agree on streams', () => {
  const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };
  const cases = [
    { scheme: 'coap+tcp', port: 5683, as: ['tcp.port==5683,coap'] },
    { scheme: 'coap+ws', port: 8080, as: ['tcp.port==8080,http'] },
    { scheme: 'coaps+tcp', port: 5684, as: ['tcp.port==5684,tls', 'tls.port==5684,coap'] },
  ] as const;
  for (const { scheme, port, as } of cases) {
    peerTest(`${scheme}, in small segments, two of them repeated`, ['tshark'], async (t) => {
      const keyLog: string[] = [];
      await using server = new Server()
        .resource('/small', { get: () => content('22.5') })
        .resource('/large', { get: () => content('x'.repeat(3000)) });
      const isSecured = scheme === 'coaps+tcp';
      const listener = await server.listen(
        `${scheme}://127.0.0.1:0`,
        isSecured
          ? {
              psk: { lookup: new Map([[psk.identity, psk.key]]) },
              keylog: (line: string) => void keyLog.push(line),
            }
          : {},
      );
      const relay = await recordingRelay(t, listener.port);
      await using client = new Client(isSecured ? { psk } : {});
      for (const path of ['small', 'large']) await client.get(`${scheme}://127.0.0.1:${relay.port}/${path}`);
      const segments = [...segmentsOf(relay.pieces, 90)];
      for (const at of [12, 5]) segments.splice(at + 1, 0, segments[at]!);
      const path = join(temporaryFolder(t), 'stream.pcapng');
      const file = captureOf(segments, port, keyLog);
      writeFileSync(path, file);
      const { code, stdout, output } = await run(t, 'tshark', [
        ...['-n', '-r', path, '-T', 'fields', '-E', 'separator=|', '-Y', 'coap'],
        ...as.flatMap((how) => ['-d', how]),
        ...streamFields.flatMap((field) => ['-e', field]),
      ]);
      assert.equal(code, 0, output);
      const { packets, keyLog: known } = readCapture(file);
      const secrets = new KnownSecrets();
      for (const line of known) secrets.addLine(line);
      const decoder = new CaptureDecoder(secrets);
      const theirs = stdout.toString().split('\n').filter(Boolean);
      const shown = new Map(theirs.map((row) => [row.split('|')[0], row.split('|')[1]!.split(',').length]));
      const ours = packets.flatMap((packet) => {
        // Of two messages in one segment tshark 4.0 shows the first alone.
        const messages = decoder
          .decode(packet)
          .parts.flatMap(({ message }) => message ?? [])
          .slice(0, shown.get(String(packet.frame)) ?? Infinity);
        const all = (values: readonly (string | number)[]): string => values.join(',');
        if (messages.length === 0) return [];
        return [
          packet.frame,
          all(messages.map((message) => message.code)),
          all(messages.flatMap(({ token }) => (token.length === 0 ? [] : hexText(token)))),
          all(messages.flatMap(({ options }) => options.texts(11))),
          all(messages.flatMap(({ payload }) => (payload.length === 0 ? [] : payload.length))),
        ].join('|');
      });
      assert.ok(ours.length >= 5, ours.join('\n'));
      assert.deepEqual(ours, theirs);
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
