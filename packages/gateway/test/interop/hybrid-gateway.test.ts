/**
 * A device on DTLS or on a serial line in front of the gateway, the cloud behind it, and OSCORE (RFC 8613): the gateway's own, from it to
 * the cloud; and the device's own, inside DTLS, which the gateway cannot read.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  Client,
  changed,
  content,
  OptionNumber,
  OscoreContext,
  OscoreContexts,
  type OscoreStore,
  Server,
} from 'coapsule';
import { decodeMessage, isDecodeFault } from 'coapsule/message';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, freeUdpPorts, temporaryFolder } from './process.ts';
import { coapsule, coapsuleInBackground } from './programs.ts';
import { lineUri, VirtualLine } from './virtual-line.ts';

const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const [ownId, cloudId] = [Uint8Array.of(0x0c), Uint8Array.of(0x05)];
const key = '00112233445566778899aabbccddeeff';
const psk = { identity: 'sensor-7', key: Buffer.from(key, 'hex') };
const letters = Buffer.alloc(8_192, 'abcdefghijklmnopqrstuvwxyz');

/** For an end that is used once: nothing is kept. */
function volatile(): OscoreStore {
  return { load: async () => undefined, save: async () => {} };
}

/** The cloud: it takes what is under one context, and has recorded all datagrams. */
class Cloud {
  readonly received: Uint8Array[] = [];
  readonly sent: Uint8Array[] = [];
  /** Who asked. */
  readonly askers = new Set<unknown>();
  readonly server: Server = new Server();
  uri = '';
  valve: Uint8Array = Buffer.from('shut-tight');
  puts = 0;

  static async listen(t: TestContext): Promise<Cloud> {
    const store = volatile();
    const oscore = await OscoreContext.open({
      ...{ masterSecret, senderId: cloudId, recipientId: ownId, store, firstUse: true },
      context: 'gateway-1',
    });
    const cloud = new Cloud();
    cloud.server.resource('/api/secret-valve', {
      requires: 'oscore',
      observable: true,
      get: ({ peer }) => {
        cloud.askers.add(peer.oscore?.context);
        return content(cloud.valve);
      },
      put: ({ payload, peer }) => {
        cloud.askers.add(peer.oscore?.context);
        cloud.puts++;
        cloud.valve = payload.slice();
        cloud.server.notify('/api/secret-valve');
        return changed();
      },
    });
    const { uri } = await cloud.server.listen('coap://127.0.0.1:0', {
      oscore: new OscoreContexts([oscore]),
      capture: ({ direction, datagram }) => cloud[direction].push(datagram.slice()),
    });
    cloud.uri = uri;
    t.after(async () => {
      await cloud.server.close();
      await oscore.close();
    });
    return cloud;
  }

  /** Nothing that crossed between the gateway and the cloud can be read. */
  expectUnreadable(): void {
    const wire = Buffer.concat([...this.received, ...this.sent]).toString('latin1');
    assert.ok(this.received.length >= 9);
    for (const word of ['api', 'secret-valve', 'shut-tight', 'half-open', 'abcdefgh'])
      assert.ok(!wire.includes(word), word);
  }

  /** The numbers of the requests: each was used for one ciphertext only. */
  expectNoReuse(): number {
    const ciphertexts = new Map<string, string>();
    for (const datagram of this.received) {
      const message = decodeMessage(datagram);
      if (isDecodeFault(message)) continue;
      const option = message.options.first(OptionNumber.Oscore);
      if (option === undefined || option.length === 0) continue;
      const [number, ciphertext] = [option, message.payload].map((bytes) =>
        Buffer.from(bytes).toString('hex'),
      );
      const known = ciphertexts.get(number as string);
      assert.ok(known === undefined || known === ciphertext, `${number} was used twice`);
      ciphertexts.set(number as string, ciphertext as string);
    }
    return ciphertexts.size;
  }
}

/** A gateway with the device sensor-7, and its end of the context with the cloud. */
class Hybrid {
  readonly folder: string;
  /** The gateway's end, in libcoap's form. */
  readonly oscore: string;
  readonly #t: TestContext;

  static async prepare(t: TestContext): Promise<Hybrid> {
    const hybrid = new Hybrid(t);
    const added = await coapsule(
      t,
      ...['device', 'add', psk.identity, '--data', hybrid.folder],
      ...[...['--psk', `0x${key}`, '--allow', 'GET,PUT:/cloud/secret-valve']],
    );
    assert.equal(added.code, 0, added.output);
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    writeFileSync(
      hybrid.oscore,
      [
        `master_secret,hex,"${hex(masterSecret)}"`,
        `sender_id,hex,"${hex(ownId)}"`,
        `recipient_id,hex,"${hex(cloudId)}"`,
        '',
      ].join('\n'),
      { mode: 0o600 },
    );
    return hybrid;
  }

  private constructor(t: TestContext) {
    this.#t = t;
    this.folder = temporaryFolder(t);
    this.oscore = join(temporaryFolder(t), 'cloud.oscore');
  }

  async serve(...args: string[]): Promise<{ process: BackgroundProcess; coaps: string }> {
    const process = coapsuleInBackground(
      this.#t,
      ...['serve', '--data', this.folder, '--http', 'off'],
      ...args,
    );
    const [, json = ''] = await process.waitFor(/^ready (\{.*\})$/m, 60_000);
    return { process, coaps: `coaps://${JSON.parse(json).coaps}` };
  }

  /** The rule for the cloud. */
  rule(cloud: Cloud): string[] {
    return ['--reverse-proxy', `/cloud=${cloud.uri}/api,oscore=${this.oscore}`];
  }
}

/** GET, 8 KB both ways, and the states that a change brings. */
async function useValve(
  client: Client,
  uri: string,
  options: { oscore?: OscoreContext; proxy?: string } = {},
): Promise<void> {
  assert.equal((await client.get(uri, options)).text(), 'shut-tight');
  assert.equal((await client.put(uri, { payload: letters, ...options })).codeText, '2.04');
  assert.deepEqual(Buffer.from((await client.get(uri, { ...options, cache: false })).payload), letters);
  const states: string[] = [];
  for await (const response of client.observe(uri, options)) {
    states.push(response.payload.length > 100 ? 'letters' : response.text());
    if (states.at(-1) === 'half-open') break;
    if (states.length === 1) await client.put(uri, { payload: 'half-open', ...options });
  }
  assert.deepEqual([states[0], states.at(-1)], ['letters', 'half-open']);
}

describe('OSCORE from the gateway to the cloud', () => {
  test('for a device on DTLS: the cloud knows the gateway, nothing can be read between them, and no second gateway has the context', async (t) => {
    const cloud = await Cloud.listen(t);
    const hybrid = await Hybrid.prepare(t);
    const { process, coaps } = await hybrid.serve(
      '--coap',
      '127.0.0.1:0',
      '--coaps',
      '127.0.0.1:0',
      '-v',
      ...hybrid.rule(cloud),
    );
    await using device = new Client({ psk });
    await useValve(device, `${coaps}/cloud/secret-valve`);
    assert.deepEqual([...cloud.askers], ['gateway-1']);
    cloud.expectUnreadable();
    cloud.expectNoReuse();
    // The gateway is an end: what it passes on it reads.
    assert.match(process.output, /PUT \/cloud\/secret-valve 2\.04/);
    // The rules of the device hold.
    assert.equal((await device.get(`${coaps}/cloud/other`)).codeText, '4.03');
    const [, coap] = /"coap":"([^"]+)"/.exec(process.output) ?? [];
    await using nobody = new Client();
    assert.equal((await nobody.get(`coap://${coap}/cloud/secret-valve`)).codeText, '4.01');
    // While it runs no other process has the context.
    const second = await coapsule(
      t,
      ...['serve', '--data', temporaryFolder(t), '--coap', 'off', '--coaps', '127.0.0.1:0'],
      ...hybrid.rule(cloud),
    );
    assert.equal(second.code, 1, second.output);
    assert.match(second.output, /cloud\.oscore\.sequence.* process \d+/);
  });

  test('killed with SIGKILL again and again, the gateway goes on, and no number is used twice', async (t) => {
    const cloud = await Cloud.listen(t);
    const hybrid = await Hybrid.prepare(t);
    const port = await freeUdpPorts(1);
    let puts = 0;
    for (let life = 0; life < 3; life++) {
      const { process, coaps } = await hybrid.serve(
        '--coap',
        'off',
        '--coaps',
        `127.0.0.1:${port}`,
        ...hybrid.rule(cloud),
      );
      await using device = new Client({ psk });
      const uri = `${coaps}/cloud/secret-valve`;
      for (let n = 0; n < 3; n++) {
        assert.equal((await device.put(uri, { payload: `${life}.${n}` })).codeText, '2.04');
        puts++;
      }
      // One is on its way when it is killed.
      const last = device.put(uri, { payload: 'half-open', timeoutMs: 100 }).catch(() => undefined);
      await process.stop('SIGKILL');
      await last;
    }
    assert.ok(cloud.puts >= puts && cloud.puts <= puts + 3, `${cloud.puts} of ${puts}`);
    assert.ok(cloud.expectNoReuse() >= puts);
    cloud.expectUnreadable();
  });

  test('named in the credentials map, for a path of the gateway and for a forward-proxy at once, over one context', async (t) => {
    const cloud = await Cloud.listen(t);
    const hybrid = await Hybrid.prepare(t);
    const credentials = join(temporaryFolder(t), 'credentials.json');
    const { port } = new URL(cloud.uri.replace('coap:', 'http:'));
    writeFileSync(
      credentials,
      JSON.stringify({ [`coap://127.0.0.1:${port}/*`]: { oscore: hybrid.oscore } }),
      {
        mode: 0o600,
      },
    );
    const { coaps } = await hybrid.serve(
      ...['--coap', 'off', '--coaps', '127.0.0.1:0', '--proxy-network', '127.0.0.1'],
      ...[
        '--reverse-proxy',
        `/cloud=${cloud.uri}/api`,
        '--proxy',
        cloud.uri,
        '--proxy-credentials',
        credentials,
      ],
    );
    await using device = new Client({ psk });
    await useValve(device, `${coaps}/cloud/secret-valve`);
    cloud.valve = Buffer.from('shut-tight');
    const through = await device.get(`${cloud.uri}/api/secret-valve`, { proxy: coaps });
    assert.equal(through.text(), 'shut-tight');
    assert.deepEqual([...cloud.askers], ['gateway-1']);
    cloud.expectUnreadable();
    cloud.expectNoReuse();
    // A context is of one server.
    writeFileSync(credentials, JSON.stringify({ 'coap://*:*/*': { oscore: hybrid.oscore } }));
    const many = await coapsule(
      t,
      ...['serve', '--data', temporaryFolder(t), '--coap', 'off', '--coaps', '127.0.0.1:0'],
      ...['--proxy', `coap://*:${port}`, '--proxy-credentials', credentials],
    );
    assert.equal(many.code, 64, many.output);
  });

  peerTest('for a device on a secured serial line', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const cloud = await Cloud.listen(t);
    const hybrid = await Hybrid.prepare(t);
    await hybrid.serve(
      '--coap',
      'off',
      '--coaps',
      'off',
      '--serial',
      `${line.far},115200,secured`,
      ...hybrid.rule(cloud),
    );
    await using device = new Client({ psk });
    await useValve(device, `${lineUri('coaps+serial', line.near)}/cloud/secret-valve`);
    assert.deepEqual([...cloud.askers], ['gateway-1']);
    cloud.expectUnreadable();
  });
});

describe('OSCORE from the device to the cloud, inside DTLS to the gateway', () => {
  /** The device's own end. */
  async function ownEnd(): Promise<OscoreContext> {
    const context = { masterSecret, senderId: ownId, recipientId: cloudId };
    return OscoreContext.open({ ...context, store: volatile(), firstUse: true });
  }

  const forward = ['--proxy', 'coap://127.0.0.1:*', '--proxy-network', '127.0.0.1'];

  test('the gateway passes on what it cannot read: its log has neither path nor payload', async (t) => {
    const cloud = await Cloud.listen(t);
    const hybrid = await Hybrid.prepare(t);
    const { process, coaps } = await hybrid.serve(
      '--coap',
      'off',
      '--coaps',
      '127.0.0.1:0',
      '-vvv',
      ...forward,
    );
    await using oscore = await ownEnd();
    await using device = new Client({ psk });
    await useValve(device, `${cloud.uri}/api/secret-valve`, { oscore, proxy: coaps });
    cloud.expectUnreadable();
    await process.stop();
    assert.match(process.output, /POST coap:\/\/127\.0\.0\.1:\d+ 2\.04 Changed from \S+ as sensor-7/);
    assert.doesNotMatch(process.output, /api|secret-valve|shut-tight|half-open|abcdefgh/);
  });

  peerTest('and inside DTLS on a serial line', ['socat'], async (t) => {
    const line = await VirtualLine.open(t);
    const cloud = await Cloud.listen(t);
    const hybrid = await Hybrid.prepare(t);
    const { process } = await hybrid.serve(
      '--coap',
      'off',
      '--coaps',
      'off',
      '--serial',
      `${line.far},115200,secured`,
      '-vvv',
      ...forward,
    );
    await using oscore = await ownEnd();
    await using device = new Client({ psk });
    await useValve(device, `${cloud.uri}/api/secret-valve`, {
      oscore,
      proxy: lineUri('coaps+serial', line.near),
    });
    cloud.expectUnreadable();
    await process.stop();
    assert.doesNotMatch(process.output, /api|secret-valve|shut-tight|half-open|abcdefgh/);
  });
});
