import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { measuredHandshake } from '../../src/figures/measured-handshake.ts';
import { run } from './recorded-environment.ts';

const output = async (...args: string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await run(['calculate', ...args]);
  assert.deepEqual([exitCode, stderr], [0, '']);
  return stdout;
};

describe('coapsule calculate', () => {
  test('handshake: printed figures beside the right ones, and a handshake of our own, made and counted', async () => {
    const text = await output('handshake');
    assert.match(text, /0\.064 mAh +0\.2304 mAs +0\.064 µAh +0\.76 mJ/);
    assert.match(text, /0\.6 mAs +0\.6 mAs +0\.1667 µAh +1\.98 mJ/);
    assert.match(text, /0\.0006 mAs each \(6 messages of 100 bytes\)/);
    const { sentBytes, receivedBytes, datagrams } = await measuredHandshake();
    assert.deepEqual([sentBytes + receivedBytes, datagrams], [512, 6], 'as docs/dtls.md says');
    assert.ok(text.includes(`made here: ${sentBytes} + ${receivedBytes} bytes`));
  });

  test('battery: the presets as they are printed, and what follows from them', async () => {
    const text = await output('battery', '--presets');
    assert.match(text, /OSCORE +18 months +43\.2 +1519\.5 +18\.2/);
    assert.match(text, /handshake at every wake +6 months +1123\.2/);
  });

  test('battery: with numbers of one’s own', async () => {
    assert.equal(
      await output('battery', '--sleep', '10', '--wake', '500', '--policy', 'every-wake'),
      `23976 J, 16320 mJ a day: 48.3 months (4 years)
of a day: messages 13123.2 mJ, sleep 3196.8 mJ, self-discharge 0 mJ
on average 51.05 µA
`,
    );
  });

  test('protection: each suite, and OSCORE by the length of the ID and the number of the message', async () => {
    const text = await output('protection');
    assert.match(text, /^TLS_PSK_WITH_AES_128_CCM_8 +29 +29 +29$/m);
    assert.match(text, /^OSCORE, AES-CCM-16-64-128 +16 +11 +14$/m);
    const other = await output('protection', '--sender-id', '0', '--sequence', '256', '--connection-id', '4');
    assert.match(other, /^TLS_PSK_WITH_AES_128_CCM_8 +34 +34 +34$/m);
    assert.match(other, /^OSCORE, AES-CCM-16-64-128 +14 +11 +15$/m);
    const { oscore } = JSON.parse(await output('protection', '--json'));
    assert.deepEqual(oscore[1], { aead: 'AES-CCM-16-128-128', request: 24, response: 19, notification: 22 });
  });

  test('latency: three round trips, four to the first answer', async () => {
    assert.equal(
      await output('latency', '--round-trip', '50'),
      `plain: 50 ms
handshake: 150 ms, 3 round trips
first request with it: 200 ms
later requests: 55 ms
`,
    );
  });

  test('retransmission: the schedule, and when it fails', async () => {
    assert.equal(
      await output('retransmission'),
      `transmission         after the one before  after the first
first                                      0 s
retransmission 1     2–3 s                 2–3 s
retransmission 2     4–6 s                 6–9 s
retransmission 3     8–12 s                14–21 s
retransmission 4     16–24 s               30–45 s
the sender gives up                        62–93 s
at 20 % of loss: 1.25 transmissions of a message if only requests get lost, 1.553 if acknowledgements do too, 5 at most
`,
    );
  });

  test('sizes of 6LoWPAN', async () => {
    assert.equal(
      await output('sizes', '--baud', '9600'),
      `the largest block: 64 plain, 32 with 29 bytes of protection
51200 bytes are 3200 blocks of 16, 1600 blocks of 32, 800 blocks of 64, 400 blocks of 128, 200 blocks of 256, 100 blocks of 512, 50 blocks of 1024
1024 bytes in frames of 80 are 13 fragments, and lost 48.7 times of 100 where 5 % of frames are
a frame takes 83.3 ms at 9600 baud
`,
    );
  });

  test('delivery, fleet and observe', async () => {
    assert.match(
      await output('delivery', '--loss', '40'),
      /89\.2626 % are acknowledged, with 2\.48 transmissions/,
    );
    assert.match(await output('fleet'), /2880 a day of each device, 576000 of all, 6\.67 a second/);
    assert.equal(
      await output('observe'),
      'asking every 30 s: 6 messages\nobserving: 6 messages\nobserving saves nothing: it costs 0 more\n',
    );
  });

  test('--json is one object, and a number that is none is refused', async () => {
    assert.deepEqual(JSON.parse(await output('latency', '--no-cookie', '--json')), {
      ...{ plainMs: 20, handshakeMs: 40, firstMs: 60, laterMs: 25 },
    });
    const { exitCode, stderr } = await run(['calculate', 'latency', '--round-trip', 'soon']);
    assert.equal(exitCode, 64);
    assert.match(stderr, /Give a number of 0\.001 to 10000000\./);
  });
});
