import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { DecodedPacket } from '../../src/decode/capture-decoder.ts';
import { DatagramDecoder } from '../../src/decode/datagram-decoder.ts';
import type { DecodedField } from '../../src/decode/decoded-field.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { assertWithin, decodedCapture } from './decoded-capture.ts';

const captures = join(import.meta.dirname, '../vectors/captures');
const long = process.env['COAPSULE_LONG'] === '1';

/** Published with the captures. */
const keys: Readonly<Record<string, string>> = {
  'golioth_basics_psk.pcapng': '3639616631363835626139303830626539303739323237323863316539376335',
  'golioth_ota_download.pcapng': '3234363835646335663162323237366138663433303038653230633062653932',
  'wireshark-dtls12-aes128ccm8.pcap': 'ca19e028a8a372ad2d325f950fcaceed',
};

function decode(name: string): readonly DecodedPacket[] {
  const key = keys[name];
  return decodedCapture(
    readFileSync(join(captures, name)),
    key === undefined ? undefined : Buffer.from(key, 'hex'),
  );
}

describe('captures of others', () => {
  test('a session with a pre-shared key: every record is read, and each is CoAP without a fault', () => {
    const packets = decode('golioth_basics_psk.pcapng').filter(
      ({ datagram }) => datagram?.dtls !== undefined,
    );
    assert.equal(packets.length, 70);
    assert.deepEqual(
      packets.flatMap(({ parts }) => parts.flatMap(({ problems }) => problems)),
      [],
    );
    const messages = packets.flatMap(({ parts }) => parts.flatMap(({ message }) => message ?? []));
    assert.equal(messages.length, 64);
    assert.equal(packets[0]!.datagram!.summary, 'ClientHello');
    assert.equal(packets[6]!.summary, 'CON POST id a894 token 7d5b825d /logs 87 bytes');
  });

  test('a block-wise download under another key and a 16-byte tag', () => {
    const blocks = decode('golioth_ota_download.pcapng').flatMap(({ parts }) =>
      parts.flatMap(({ fields }) => fields.filter(({ name }) => name === 'Block2').map(({ value }) => value)),
    );
    assert.ok(blocks.length > 200, `${blocks.length} blocks`);
    assert.match(blocks.at(-1)!, /^block \d+, the last, 1024 bytes/);
  });

  test('the secrets inside of a capture open it', () => {
    for (const name of ['wireshark-dtls12-aes128ccm8-dsb.pcapng', 'wireshark-dtls12-aes128ccm8.pcap']) {
      const summaries = decode(name).map(({ summary }) => summary);
      assert.deepEqual(summaries.slice(0, 8), [
        'ClientHello',
        'HelloVerifyRequest',
        'ClientHello',
        'ServerHello',
        'ServerHelloDone',
        'ClientKeyExchange, ChangeCipherSpec, Finished',
        'ChangeCipherSpec',
        'Finished',
      ]);
      // It is not CoAP that they talk.
      assert.match(summaries[8]!, /^ApplicationData \d+ bytes$/);
      assert.equal(summaries[12], 'Alert warning close_notify');
    }
  });

  test('CoAP among TCP is found at its own port, and at another one where it makes sense as such', () => {
    const ports = decode('ndpi-coap_mqtt.pcap').flatMap(({ source, destination, parts }) =>
      parts.flatMap(({ message }) =>
        message === undefined
          ? []
          : [source, destination].some((address) => address!.endsWith(':5683'))
            ? 5683
            : 17_500,
      ),
    );
    assert.deepEqual(
      [5683, 17_500].map((port) => ports.filter((other) => other === port).length),
      [19, 800],
    );
  });

  test('certificates in fragments and a session that is asked for with a cookie', () => {
    const text = decode('ndpi-dtls_certificate_fragments.pcap')
      .map(({ summary }) => summary)
      .join('\n');
    assert.match(text, /Certificate \[0–\d+ of \d+\]/);
    assert.equal(decode('ndpi-dtls_session_id_and_coockie_both.pcap').length, 4);
  });

  for (const name of [
    'golioth_basics_psk.pcapng',
    'ndpi-coap_mqtt.pcap',
    'ndpi-dtls_certificate_fragments.pcap',
    'wireshark-snakeoil-dtls.pcap',
    'zeek-dtls-sequence-number-jumps.pcap',
    'zeek-dtls13-cid.pcap',
    'zeek-dtls13-wolfssl.pcap',
    'zeek-dtls1_2.pcap',
  ]) {
    test(`${name}: every field lies within its bytes`, () => {
      for (const { parts } of decode(name)) {
        for (const { fields, bytes } of parts) assertWithin(fields, 0, bytes.length);
      }
    });
  }
});

describe('one datagram', () => {
  const decodeHex = (digits: string) =>
    new DatagramDecoder(new KnownSecrets()).decode('a:5683', 'b:5683', Buffer.from(digits, 'hex'));

  test('what is wrong is named at its field', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['4f01849e', /Token Length: 15 is reserved/],
      ['44018', /Message ID: it ends before its 2 bytes do/],
      ['40018490ff', /Payload Marker: no payload comes after it/],
      ['40018490f0', /Option Delta: 15 is reserved/],
      ['40018490b5', /Option Value: it ends before its 5 bytes do/],
      ['c0018490', /neither DTLS nor CoAP/],
      ['4001849064abcdef12', /Observe: 4 bytes are no value of this option: it is ignored/],
      ['40018490d10c00', /Option 25: critical, and unknown/],
    ];
    for (const [digits, expected] of cases) {
      const { parts } = decodeHex(digits.length % 2 === 0 ? digits : `${digits}4`.slice(0, 6));
      assert.match(parts.flatMap(({ problems }) => problems).join('; '), expected, digits);
    }
  });

  test('payloads are shown by their format: CBOR in diagnostic notation, SenML by record, links one by one', () => {
    const withFormat = (format: number, payload: string): string =>
      `604500${'01'}c1${format.toString(16).padStart(2, '0')}ff${payload}`;
    const payloadOf = (digits: string): DecodedField =>
      decodeHex(digits).parts[0]!.fields.find(({ name }) => name === 'Payload')!;
    assert.equal(payloadOf(withFormat(60, 'a1616101')).value, '{"a": 1}');
    const links = payloadOf(withFormat(40, Buffer.from('</a>;rt="x",</b>').toString('hex')));
    assert.deepEqual(
      links.fields!.map(({ value }) => value),
      ['</a>;rt="x"', '</b>'],
    );
    const senml = payloadOf(withFormat(110, Buffer.from('[{"n":"t","u":"Cel","v":21.5}]').toString('hex')));
    assert.deepEqual(
      senml.fields!.map(({ name, value }) => [name, value]),
      [['t', '21.5 Cel']],
    );
    assert.match(payloadOf(withFormat(50, Buffer.from('{').toString('hex'))).problem!, /not JSON/);
  });

  test('what is small and becomes large or slow is not followed: deep CBOR, a base name for thousands of Records', () => {
    const payloadOf = (format: number, payload: Uint8Array): DecodedField =>
      decodeHex(
        `60450001c1${format.toString(16).padStart(2, '0')}ff${Buffer.from(payload).toString('hex')}`,
      ).parts[0]!.fields.find(({ name }) => name === 'Payload')!;
    const deep = new Uint8Array(10_000).fill(0x81, 0, 1000);
    assert.match(payloadOf(60, deep).problem!, /not CBOR, or deeper than 64 levels/);
    const pack = `[{"bn":"${'x'.repeat(30_000)}","n":"a","v":1}${',{"n":"b","v":1}'.repeat(2000)}]`;
    assert.match(
      payloadOf(110, Buffer.from(pack)).problem!,
      /base names and base units make more than \d+ characters/,
    );
  });

  test('nothing moves the cursor: control characters are escaped', () => {
    const { parts } = decodeHex(`40018490b3${Buffer.from('\u001b[2').toString('hex')}`);
    assert.equal(parts[0]!.fields.at(-1)!.value, '"\\u{1b}[2"');
  });

  test('no bytes make it throw, and fields stay within them', () => {
    const good = ['golioth_basics_psk.pcapng', 'ndpi-coap_mqtt.pcap', 'zeek-dtls1_2.pcap'].flatMap((name) =>
      decode(name).flatMap(({ parts }) => parts.map(({ bytes }) => bytes)),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 100 }),
          fc
            .tuple(fc.constantFrom(...good), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
            .map(([bytes, changes]) => {
              const copy = bytes.slice();
              for (const [at, byte] of changes) if (copy.length > 0) copy[at % copy.length] = byte;
              return copy;
            }),
        ),
        (bytes) => {
          const decoder = new DatagramDecoder(new KnownSecrets());
          for (const part of decoder.decode('a:5684', 'b:5684', bytes).parts) {
            assertWithin(part.fields, 0, part.bytes.length);
          }
        },
      ),
      { numRuns: long ? 100_000 : 1000, seed: 11 },
    );
  });
});
