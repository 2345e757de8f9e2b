import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { CommandClient } from '../../src/cli/command-environment.ts';
import { KeptSession } from '../../src/cli/kept-session.ts';
import { RecordingRelay, recordsOf } from '../crash/recording-relay.ts';
import { freeUdpPorts } from '../interop/process.ts';
import { CoapsuleProcess, coapsule, type Ended } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const credentials = ['-u', 'sensor-7', '-k', 'sensor-7-0123456789'];

interface Fixture {
  readonly gateway: CoapsuleProcess;
  readonly relay: RecordingRelay;
  readonly uri: string;
  readonly session: string;
  verb(verb: string, ...more: string[]): Promise<Ended>;
}

async function fixture(t: TestContext): Promise<Fixture> {
  const folder = temporaryFolder(t);
  const gateway = new CoapsuleProcess(t, [
    'serve',
    '--data',
    join(folder, 'data'),
    '--coap',
    'off',
    '--coaps',
    '127.0.0.1:0',
    '--psk',
    'sensor-7:sensor-7-0123456789',
  ]);
  const relay = await RecordingRelay.open(t, Number((await gateway.ready()).coaps?.split(':').at(-1)));
  const uri = `coaps://127.0.0.1:${relay.port}/sensors/sensor-7`;
  const session = join(folder, 'session');
  return {
    gateway,
    relay,
    uri,
    session,
    verb: (verb, ...more) => coapsule(t, verb, ...credentials, '--session', session, uri, ...more),
  };
}

/** Handshakes, and epoch and sequence number of each protected record, of all processes that used the relay. */
function sent({ devices }: RecordingRelay): { readonly handshakes: number; readonly numbers: string[] } {
  const ofProcess = [...devices.values()].map(({ fromDevice }) =>
    fromDevice.flatMap((datagram) => recordsOf(datagram, 8)),
  );
  const handshakes = ofProcess.filter((records) => records.some(({ epoch }) => epoch === 0)).length;
  const protectedRecords = ofProcess.flat().filter(({ epoch }) => epoch > 0);
  return { handshakes, numbers: protectedRecords.map(({ epoch, sequence }) => `${epoch}/${sequence}`) };
}

function expectNoNonceTwice(relay: RecordingRelay): void {
  const { numbers } = sent(relay);
  assert.equal(new Set(numbers).size, numbers.length);
}

// Each has a gateway and a folder of its own, and waits for most of its time.
describe('--session', { concurrency: 3 }, () => {
  test('six processes, one after the other, make one handshake', async (t) => {
    const { relay, uri, session } = await fixture(t);
    const verb = (name: string, ...more: string[]): Promise<Ended> =>
      new CoapsuleProcess(t, [name, ...credentials, '--session', session, uri, ...more]).ended;
    for (let i = 0; i < 5; i += 1) {
      const { code, stderr } = await verb('put', '-e', `${i}`);
      assert.equal(code, 0, stderr);
    }
    const { code, stdout } = await verb('get');
    assert.equal(code, 0);
    assert.equal(stdout, '4');
    assert.equal(sent(relay).handshakes, 1);
    expectNoNonceTwice(relay);
  });

  test('a process that is killed leaves numbers that it has not used', async (t) => {
    const { relay, uri, session, verb } = await fixture(t);
    assert.equal((await verb('put', '-e', 'first')).code, 0);
    for (let i = 0; i < 3; i += 1) {
      const observer = new CoapsuleProcess(t, ['observe', ...credentials, '--session', session, uri]);
      await observer.waitFor('stdout', /first/);
      await observer.kill('SIGKILL');
      const { code, stderr } = await verb('get');
      assert.equal(code, 0, stderr);
    }
    assert.equal(sent(relay).handshakes, 1);
    expectNoNonceTwice(relay);
  });

  test('the file names numbers above those of the process before its first record leaves', async (t) => {
    const { relay, uri, session, verb } = await fixture(t);
    assert.equal((await verb('put', '-e', 'first')).code, 0);
    const before = readFileSync(session);
    const observer = new CoapsuleProcess(t, ['observe', ...credentials, '--session', session, uri]);
    await observer.waitFor('stdout', /first/);
    assert.notDeepEqual(readFileSync(session), before);
    // What a crash would leave is put aside, and used after the process has sent what it wants and was killed.
    const left = `${session}.left`;
    copyFileSync(session, left);
    await observer.kill('SIGKILL');
    copyFileSync(left, session);
    assert.equal((await verb('get')).code, 0);
    expectNoNonceTwice(relay);
  });

  test('a second process is refused while the first one uses the session', async (t) => {
    const { uri, session, verb } = await fixture(t);
    assert.equal((await verb('put', '-e', 'first')).code, 0);
    const observer = new CoapsuleProcess(t, ['observe', ...credentials, '--session', session, uri]);
    await observer.waitFor('stdout', /first/);
    const { code, stderr } = await verb('get');
    assert.equal(code, 1);
    assert.match(stderr, /another process uses the session/);
    await observer.kill('SIGKILL');
    assert.equal((await verb('get')).code, 0, 'the lock goes with its process');
  });

  test('a damaged file and another key are told, and a new handshake overwrites the file', async (t) => {
    const { relay, session, verb } = await fixture(t);
    assert.equal((await verb('put', '-e', 'first')).code, 0);
    const damaged = readFileSync(session);
    damaged[60] = (damaged[60] as number) ^ 1;
    writeFileSync(session, damaged);
    const told = await verb('get');
    assert.equal(told.code, 0);
    assert.match(told.stderr, /made with another key, or it is damaged; a new handshake replaces it/);
    assert.equal(sent(relay).handshakes, 2);
    const keyFile = `${session}.key`;
    writeFileSync(keyFile, new Uint8Array(32).fill(7), { mode: 0o600 });
    assert.match((await verb('get', '--session-key', keyFile)).stderr, /a new handshake replaces it/);
    assert.equal((await verb('get', '--session-key', keyFile)).stderr, '');
    assert.equal(sent(relay).handshakes, 3);
  });

  test('a file that is no session is left as it is, and a coap URI has no session', async (t) => {
    const { session, verb } = await fixture(t);
    writeFileSync(session, 'my diary');
    const { code, stderr } = await verb('get');
    assert.equal(code, 64);
    assert.match(stderr, /is no session file/);
    assert.equal(readFileSync(session, 'utf8'), 'my diary');
    const plain = await coapsule(t, 'get', '--session', session, 'coap://127.0.0.1/a');
    assert.equal(plain.code, 64);
    const alone = await coapsule(t, 'get', '--session-key', session, 'coaps://127.0.0.1/a', ...credentials);
    assert.equal(alone.code, 64);
  });

  test('a server that has lost the association is not asked with it again after three runs without an answer', async (t) => {
    const { gateway, relay, verb } = await fixture(t);
    assert.equal((await verb('put', '-e', 'first')).code, 0);
    await gateway.kill('SIGKILL');
    for (const expected of [/kept until 3 runs .* \(now 1\)/, /\(now 2\)/, /next time .* new handshake/]) {
      const { code, stderr } = await verb('get', '-B', '1');
      assert.equal(code, 6);
      assert.match(stderr, expected);
    }
    assert.equal(sent(relay).handshakes, 1);
    expectNoNonceTwice(relay);
    assert.match(
      (await verb('get', '-B', '1')).stderr,
      /did not answer in 3 runs; a new handshake replaces it/,
    );
    assert.equal(sent(relay).handshakes, 2);
  });

  test('runs without an answer count only in a row, and killed ones only when nothing had come back', async (t) => {
    const { gateway, relay, uri, session, verb } = await fixture(t);
    assert.equal((await verb('put', '-e', 'first')).code, 0);
    const silent = async (): Promise<void> => {
      gateway.child.kill('SIGSTOP');
      assert.equal((await verb('get', '-B', '1')).code, 6);
      gateway.child.kill('SIGCONT');
    };
    await silent();
    await silent();
    for (let i = 0; i < 3; i += 1) {
      const observer = new CoapsuleProcess(t, ['observe', ...credentials, '--session', session, uri]);
      await observer.waitFor('stdout', /first/);
      await observer.kill('SIGKILL');
    }
    await silent();
    const { code, stdout, stderr } = await verb('get', '--json', '-v');
    assert.equal(code, 0);
    assert.match(stderr, new RegExp(`association taken over from ${session}, no handshake`));
    assert.equal(JSON.parse(stdout).peer.imported, true);
    assert.equal(sent(relay).handshakes, 1);
    expectNoNonceTwice(relay);
  });

  test('a stopped gateway is named at once, and costs no handshake when it runs again', async (t) => {
    const folder = temporaryFolder(t);
    const start = async (port: string): Promise<{ gateway: CoapsuleProcess; port: string }> => {
      const gateway = new CoapsuleProcess(t, [
        ...['serve', '--data', join(folder, 'data'), '--coap', 'off', '--coaps', `127.0.0.1:${port}`],
        ...['--psk', 'sensor-7:sensor-7-0123456789'],
      ]);
      return { gateway, port: (await gateway.ready()).coaps?.split(':').at(-1) ?? '' };
    };
    const first = await start(String(await freeUdpPorts(1)));
    const put = (): Promise<Ended> =>
      coapsule(
        t,
        ...['put', '-v', ...credentials, '--session', join(folder, 'session')],
        ...[`coaps://127.0.0.1:${first.port}/sensors/sensor-7`, '-e', '1'],
      );
    assert.equal((await put()).code, 0);
    await first.gateway.kill('SIGTERM');
    for (let i = 0; i < 4; i += 1) {
      const { code, stderr } = await put();
      assert.equal(code, 1);
      assert.match(stderr, /nobody listens there/);
    }
    await start(first.port);
    const { code, stderr } = await put();
    assert.equal(code, 0);
    assert.match(stderr, /taken over from/);
    assert.doesNotMatch(stderr, /established/);
  });

  for (const order of ['before', 'after'] as const) {
    test(`an association that its server ends is not kept, whether the library says so ${order} its trace`, async (t) => {
      const path = join(temporaryFolder(t), 'session');
      const open = (): KeptSession => {
        const session = KeptSession.open(
          {
            text: 'coaps://127.0.0.1:9/a',
            scheme: 'coaps',
            secure: true,
            host: '127.0.0.1',
            port: 9,
            isGroup: false,
          },
          { session: path },
          { psk: { identity: 'sensor-7', key: new Uint8Array(16).fill(7) } },
          (text) => t.diagnostic(text),
        );
        assert.ok(session !== undefined);
        return session;
      };
      const first = open();
      first.keep(new Uint8Array(100));
      first.close();
      const second = open();
      const client = {
        importAssociation: async () => {},
        exportAssociation: async () => undefined,
      } as unknown as CommandClient;
      await second.resume(client);
      const address = { key: '127.0.0.1:9', host: '127.0.0.1', port: 9 };
      if (order === 'before') second.keep(undefined);
      second.event({ kind: 'closed', association: 1, address, reason: 'close-notify' });
      if (order === 'after') second.keep(undefined);
      await second.leaveFailed(client, new Error('closed'));
      second.close();
      assert.equal(existsSync(path), false);
    });
  }

  for (const kind of ['certificate', 'raw public key'] as const) {
    test(`a session of a device with a ${kind} is sealed with its private key: another key cannot read it`, async (t) => {
      const folder = temporaryFolder(t);
      const at = (name: string): string => join(folder, name);
      const done = async (...args: string[]): Promise<Ended> => {
        const ended = await coapsule(t, ...args);
        assert.equal(ended.code, 0, `${args.join(' ')}: ${ended.stderr}`);
        return ended;
      };
      const data = ['--data', at('data')];
      const isCertificate = kind === 'certificate';
      const make = (name: string, ...more: string[]): Promise<Ended> =>
        isCertificate
          ? done('keys', 'cert', name, '--ca', at('ca.pem'), '--out', at(name), ...more)
          : done('keys', 'rpk', name, '--out', at(name));
      if (isCertificate) await done('keys', 'ca', '--out', at('ca'));
      await make('localhost', ...(isCertificate ? ['--server'] : []));
      for (const name of ['sensor-7', 'sensor-8']) {
        await make(name);
        const proof = isCertificate ? ['--cert', at(`${name}.pem`)] : ['--rpk', at(`${name}.pub`)];
        await done('device', 'add', name, ...proof, ...data);
      }
      const own = isCertificate ? ['--cert', at('localhost.pem'), '--ca', at('ca.pem')] : [];
      const gateway = new CoapsuleProcess(t, [
        ...['serve', ...data, '--coap', 'off', '--coaps', '127.0.0.1:0'],
        ...['--private-key', at('localhost.key'), ...own],
      ]);
      const relay = await RecordingRelay.open(t, Number((await gateway.ready()).coaps?.split(':').at(-1)));
      const session = at('session');
      const run = (name: string, verb: string, ...more: string[]): Promise<Ended> =>
        done(
          ...[verb, '--session', session, `coaps://localhost:${relay.port}/sensors/${name}`],
          ...(isCertificate
            ? ['-c', at(`${name}.pem`), '-j', at(`${name}.key`), '-C', at('ca.pem')]
            : ['-M', at(`${name}.key`), '--peer-rpk', at('localhost.pub')]),
          ...more,
        );
      await run('sensor-7', 'put', '-e', '21.9');
      assert.equal((await run('sensor-7', 'get')).stdout, '21.9');
      assert.equal(sent(relay).handshakes, 1);
      expectNoNonceTwice(relay);
      const other = await run('sensor-8', 'put', '-e', '3');
      assert.match(other.stderr, /made with another key, or it is damaged; a new handshake replaces it/);
      assert.equal((await run('sensor-8', 'get')).stdout, '3');
      assert.equal(sent(relay).handshakes, 2);
    });
  }
});
