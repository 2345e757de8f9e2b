/** A tap among strangers: bytes that mean nothing, more devices than it takes, commands of every kind. It goes on. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { encodeMessage, OptionNumber, OptionSet } from 'coapsule/message';
import { SeededRandom } from 'coapsule/testing';
import { mutate } from '../../../coapsule/test/fuzz/mutate.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { LiveDiagnosis } from '../../src/tap/live-diagnosis.ts';
import { TapConsole } from '../../src/tap/tap-console.ts';
import { eventJson, eventLines } from '../../src/tap/tap-report.ts';
import { type TappedPairOptions, tappedPair } from './tapped-pair.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const identity = new TextEncoder().encode('sensor-042');
const lookup = new Map([['sensor-042', key]]);
const client = { psk: { identity: 'sensor-042', key } };

const coap = encodeMessage({
  ...{
    type: 'CON',
    code: 2,
    messageId: 7,
    token: Uint8Array.of(1, 2, 3),
    payload: new TextEncoder().encode('x'),
  },
  options: new OptionSet().add(OptionNumber.UriPath, 'echo').add(OptionNumber.Observe, 0),
});
/** A ClientHello of TLS_PSK_WITH_AES_128_CCM_8, and a record of epoch 1 with a connection id. */
const hello = Buffer.from(
  `16feff000000000000000000360100002a000000000000002afefd${'11'.repeat(32)}00000004c0a800ff0100`,
  'hex',
);
const record = Buffer.from(`19fefd00010000000000050102030400100${'a'.repeat(31)}`, 'hex');

/** Mutated datagrams from so many sockets. */
async function flood(t: TestContext, port: number, devices: number, each: number): Promise<void> {
  const random = new SeededRandom(3);
  const corpus = [coap, hello, record, Uint8Array.of(0x40), new Uint8Array(1200)];
  const sockets: Socket[] = [];
  for (let count = 0; count < devices; count++) {
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    t.after(() => socket.close());
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    sockets.push(socket);
  }
  for (let round = 0; round < each; round++) {
    for (const socket of sockets) {
      await new Promise((resolve) => socket.send(mutate(corpus, random), port, '127.0.0.1', resolve));
    }
  }
}

const bothEnds = {
  keys: [{ identity, key }],
  ...{ towardsDevices: {}, towardsServer: {}, config: {}, serverHost: '127.0.0.1' },
};

const secured: TappedPairOptions = { scheme: 'coaps', client, listen: { psk: { lookup } } };
const modes: Readonly<Record<string, TappedPairOptions & { readonly isEnd?: true }>> = {
  'plain CoAP': { scheme: 'coap' },
  'DTLS of which it is no end': secured,
  'DTLS of which it is an end': { ...secured, isEnd: true },
};

describe('a tap among strangers', () => {
  for (const [name, mode] of Object.entries(modes)) {
    test(`relays on after 600 mutated datagrams of 30 addresses, where 20 may be: ${name}`, async (t) => {
      const { client, uri, running, events } = await tappedPair(t, {
        ...mode,
        rules: ['path~e => edit option.Max-Age=1', 'protocol=dtls every=7 => duplicate'],
        tap: {
          ...(mode.isEnd === true ? { security: bothEnds } : {}),
          ...{ mostPeers: 20, mostWaiting: 5, mostKept: 50, secrets: new KnownSecrets([{ identity, key }]) },
          diagnosis: new LiveDiagnosis(undefined, () => {}),
        },
      });
      await flood(t, running.local.port, 30, 20);
      const response = await client.request('GET', `${uri}/temp`);
      assert.equal(response.text(), '21');
      for (const event of events) {
        const lines = eventLines(event, 1);
        assert.ok(
          lines.every((line) => !/[\p{Cc}\p{Cf}]/u.test(line)),
          lines.join(),
        );
        JSON.parse(eventJson(event));
      }
      assert.ok(running.tap.history.all().length <= 50);
      if (name === 'plain CoAP') {
        const forgotten = events.filter(
          (event) => event.kind === 'note' && event.text.includes('is forgotten'),
        );
        assert.ok(forgotten.length >= 11, `${forgotten.length}`);
      }
    });
  }

  test('a stream that makes no sense ends alone', async (t) => {
    const { client, uri, running, events, until } = await tappedPair(t, { scheme: 'coap+tcp' });
    const socket = connect(running.local.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.end(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    await until(() => events.some((event) => event.kind === 'note' && event.text.includes('makes no sense')));
    assert.equal((await client.request('GET', `${uri}/temp`)).text(), '21');
  });

  test('no line that is typed makes it fail', async (t) => {
    const { client, uri, running } = await tappedPair(t);
    await client.request('PUT', `${uri}/echo`, { payload: 'a' });
    const hand = new TapConsole({
      tap: running.tap,
      server: { scheme: 'coap', host: '127.0.0.1', port: 5683 },
      ...{ credentials: () => undefined, write: () => {}, quit: () => {} },
    });
    const random = new SeededRandom(5);
    const corpus = [
      ...[
        'pause code=PUT',
        'resume 1',
        'step',
        'list path=/echo',
        'show 1',
        'edit 1 payload=b',
        'drop 1',
        'replay 1',
      ],
      ...[
        'replay 1 after 5s',
        'copy 1 as typescript',
        'rule add code=GET => drop',
        'rule remove 1',
        'rules',
        'help',
        'resume',
      ],
    ].map((line) => new TextEncoder().encode(line));
    for (let count = 0; count < 5000; count++) hand.line(new TextDecoder().decode(mutate(corpus, random)));
    for (const { id } of running.tap.command((gate) => gate.rules)) hand.line(`rule remove ${id}`);
    hand.line('resume');
    assert.equal((await client.request('GET', `${uri}/temp`)).text(), '21');
  });
});
