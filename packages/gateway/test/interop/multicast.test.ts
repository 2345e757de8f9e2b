/**
 * Multicast with libcoap and among ourselves, IPv6 and IPv4, in a network namespace of its own: a bridge without ports,
 * so that nothing leaves this machine and no interface of it is touched. Loopback has no IPv6 multicast on Linux. Needs
 * root, as `.ci/run` has it.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import { peerTest } from './peer.ts';
import { type BackgroundProcess, type Finished, run, start, temporaryFolder, until } from './process.ts';
import { commandLine } from './programs.ts';

const setUp = [
  'ip link set lo up',
  'ip link add br0 type bridge',
  'ip addr add 10.9.0.1/24 dev br0',
  'ip addr add 10.9.0.2/24 dev br0',
  'ip -6 addr add fd09::1/64 dev br0 nodad',
  'ip -6 addr add fd09::2/64 dev br0 nodad',
  'ip link set br0 up',
  'ip route add 224.0.0.0/4 dev br0',
].join(' && ');

/** A network of its own, until the test ends; commands run in it. */
class Network {
  readonly #t: TestContext;
  readonly #holder: BackgroundProcess;

  static async open(t: TestContext): Promise<Network> {
    // `cat` ends with its input, so that nothing outlives the test.
    const holder = start(t, 'unshare', ['-n', 'sh', '-c', `${setUp} && echo open && exec cat`]);
    await holder.waitFor(/^open$/m);
    const network = new Network(t, holder);
    // The link-local address of the bridge can be used once it is known to be its own.
    const links = async (): Promise<boolean> => {
      const { output } = await network.run('ip', '-6', 'addr', 'show', 'dev', 'br0', 'scope', 'link');
      return /inet6 fe80/.test(output) && !/tentative/.test(output);
    };
    await until(links, 'br0 has its link-local address');
    return network;
  }

  private constructor(t: TestContext, holder: BackgroundProcess) {
    this.#t = t;
    this.#holder = holder;
  }

  start(command: string, ...args: string[]): BackgroundProcess {
    return start(this.#t, 'nsenter', [`--net=/proc/${this.#holder.pid}/ns/net`, command, ...args]);
  }

  run(command: string, ...args: string[]): Promise<Finished> {
    return run(this.#t, 'nsenter', [`--net=/proc/${this.#holder.pid}/ns/net`, command, ...args]);
  }

  coapsule(...args: string[]): Promise<Finished> {
    return this.run(process.execPath, '--conditions=@coapsule/source', commandLine, ...args);
  }

  /** A gateway with demo resources, at an address of the bridge. */
  async serve(address: string, ...args: string[]): Promise<BackgroundProcess> {
    const all = [
      'serve',
      '--demo',
      '--coap',
      address,
      '--coaps',
      'off',
      '--data',
      temporaryFolder(this.#t),
      ...args,
    ];
    const gateway = this.start(process.execPath, '--conditions=@coapsule/source', commandLine, ...all);
    await gateway.waitFor(/^ready /m, 30_000);
    return gateway;
  }

  /** libcoap's server as a member of a group. */
  async serveLibcoap(group: string): Promise<void> {
    const name = 'coap-server-notls';
    this.start(
      name,
      '-A',
      group.includes(':') ? '::' : '0.0.0.0',
      '-p',
      '5683',
      '-g',
      group,
      '-G',
      'br0',
      '-v',
      '4',
    );
    const isBound = async (): Promise<boolean> => /:5683/.test((await this.run('ss', '-uln')).output);
    await until(isBound, `${name} listens`);
  }
}

const addresses = [
  {
    group: 'coap://[ff02::fd%25br0]',
    libcoapGroup: 'ff02::fd',
    own: '[fd09::1]:5683',
    other: '[fd09::2]:5683',
  },
  { group: 'coap://[ff05::fd]', libcoapGroup: 'ff05::fd', own: '[fd09::1]:5683', other: '[fd09::2]:5683' },
  { group: 'coap://224.0.1.187', libcoapGroup: '224.0.1.187', own: '10.9.0.1:5683', other: '10.9.0.2:5683' },
] as const;

// Each has a network of its own, and waits for most of its time.
describe('multicast', { concurrency: 4 }, () => {
  for (const { group, libcoapGroup, own, other } of addresses) {
    peerTest(`${group}: two gateways on one host are two devices`, ['ip', 'unshare'], async (t) => {
      const network = await Network.open(t);
      await network.serve(own, '--multicast');
      await network.serve(other, '--multicast', 'br0');
      const args = ['-q', 'rt=temperature', '--interface', 'br0'];
      const { code, stdout, output } = await network.coapsule('discover', `${group}/`, ...args);
      assert.equal(code, 0, output);
      const devices = [...stdout.toString().matchAll(/^<(coap:\/\/.*)\/temperature>/gm)].map(
        ([, device]) => device,
      );
      assert.deepEqual(devices.sort(), [`coap://${own}`, `coap://${other}`], output);
    });

    peerTest(`${group}: our client finds coap-server`, ['coap-server-notls', 'ip', 'unshare'], async (t) => {
      const network = await Network.open(t);
      await network.serveLibcoap(libcoapGroup);
      const { code, stdout, output } = await network.coapsule(
        'get',
        `${group}/time`,
        '--interface',
        'br0',
        '--json',
      );
      assert.equal(code, 0, output);
      const { peer, payload } = JSON.parse(stdout.toString()) as {
        peer: { address: string };
        payload: string;
      };
      assert.match(peer.address, /^(\[(fe80|fd09).*\]|10\.9\.0\.1):5683$/);
      assert.match(payload, /\d\d:\d\d:\d\d/);
    });

    peerTest(`${group}: coap-client finds our gateway`, ['coap-client-notls', 'ip', 'unshare'], async (t) => {
      const network = await Network.open(t);
      await network.serve('[::]:5683', '--multicast');
      const ask = (path: string): Promise<Finished> =>
        // libcoap knows zones without percent-encoding only.
        network.run('coap-client-notls', '-N', '-B', '7', '-m', 'get', `${group.replace('%25', '%')}${path}`);
      const [found, silent] = await Promise.all([ask('/.well-known/core?rt=light'), ask('/nowhere')]);
      assert.match(found.output, /<\/light>;rt="light"/);
      assert.doesNotMatch(silent.output, /4\.04|Not Found/, 'an error is not told to a group');
    });
  }

  peerTest('on [::] what comes to the groups is not taken for unicast', ['ip', 'unshare'], async (t) => {
    const network = await Network.open(t);
    const gateway = await network.serve('[::]:5683', '--multicast', '-vv');
    for (const group of ['coap://[ff02::fd%25br0]', 'coap://[ff05::fd]', 'coap://224.0.1.187']) {
      // As unicast it would be answered 4.04.
      const { code } = await network.coapsule('get', `${group}/nowhere`, '--interface', 'br0', '-B', '2');
      assert.equal(code, 6, gateway.output);
    }
    assert.doesNotMatch(gateway.output, /4\.04/);
  });

  peerTest('simulated lights find the gateway by its group', ['ip', 'unshare'], async (t) => {
    const network = await Network.open(t);
    await network.serve('10.9.0.1:5683', '--multicast', '--dangerously-allow-plain-writes');
    const { code, stdout, output } = await network.coapsule(
      ...['simulate', 'lighting', 'coap://10.9.0.1', '--group', 'coap://224.0.1.187', '--devices', '10'],
      ...['--duration', '10m', '--speed', '60', '--report', 'json'],
    );
    assert.equal(code, 0, output);
    const { discovery, total } = JSON.parse(stdout.toString()) as {
      discovery: { servers: number; resources: number };
      total: { notifications: number };
    };
    assert.equal(discovery.servers, 1, output);
    assert.ok(discovery.resources > 5, output);
    assert.ok(total.notifications > 0, output);
  });
});
