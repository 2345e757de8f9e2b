/** `coapsule simulate`: what is refused, and fleets against a gateway in a process of its own. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { readCapture } from '../../src/capture/capture-reader.ts';
import type { OutputStream } from '../../src/cli/command-environment.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { CoapsuleProcess, coapsule } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { run } from './recorded-environment.ts';

interface Gateway {
  readonly coap: string;
  readonly coaps: string;
  readonly data: string;
  readonly process: CoapsuleProcess;
}

async function gateway(t: TestContext, ...args: string[]): Promise<Gateway> {
  const data = temporaryFolder(t);
  const process = new CoapsuleProcess(t, [
    ...['serve', '--data', data, '--coap', '127.0.0.1:0', '--coaps', '127.0.0.1:0'],
    ...args,
  ]);
  const { coap, coaps } = await process.ready();
  return { coap: `coap://${coap}`, coaps: `coaps://${coaps}`, data, process };
}

/** In this process, with real clients. */
async function simulate(...args: string[]): Promise<Simulated> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written): OutputStream => ({
    isTerminal: false,
    write: (data) => {
      written[name] += typeof data === 'string' ? data : new TextDecoder().decode(data);
    },
  });
  const environment = { ...processEnvironment(), stdout: stream('stdout'), stderr: stream('stderr') };
  const code = await runCommandLine(['simulate', ...args, '--report', 'json'], environment);
  const report = written.stdout.startsWith('{') ? JSON.parse(written.stdout) : {};
  return { code, stderr: written.stderr, report };
}

interface Simulated {
  readonly code: number;
  readonly stderr: string;
  readonly report: SimulatedReport;
}

interface SimulatedGroup {
  readonly group: string;
  readonly devices: number;
  readonly messages: Readonly<Record<string, number>> & {
    readonly refusedCodes: Readonly<Record<string, number>>;
    readonly byPurpose: Readonly<Record<string, number>>;
  };
  readonly handshakes: { readonly full: number; readonly takenOver: number };
  readonly bytes: Readonly<Record<string, number>>;
  readonly churn: Readonly<Record<string, number>>;
  readonly notifications: number;
}

interface SimulatedReport {
  readonly total: SimulatedGroup;
  readonly groups: readonly SimulatedGroup[];
  readonly discovery: { readonly servers: number; readonly resources: number } | null;
}

function devicesIn(t: TestContext, data: string): readonly string[] {
  const opened = openDatabase(data, { create: false, asGateway: false });
  t.after(() => opened.close());
  return new DeviceTable(opened).all().map(({ id }) => id);
}

/** What was asked for, in a capture that has its own secrets. */
function writtenPaths(file: string): ReadonlySet<string> {
  const { packets, keyLog, fault } = readCapture(readFileSync(file));
  assert.equal(fault, undefined);
  const secrets = new KnownSecrets();
  for (const line of keyLog) secrets.addLine(line);
  const decoder = new CaptureDecoder(secrets);
  return new Set(
    packets.flatMap((packet) =>
      decoder.decode(packet).parts.flatMap(({ message }) => message?.options.texts(11).join('/') ?? []),
    ),
  );
}

describe('what cannot be is refused with 64, cause and next step', () => {
  for (const [why, args, cause, next] of [
    ['an unknown scenario', ['zoo', 'coaps://h'], /Allowed choices are hospital, agriculture/, /--help/],
    ['no keys', ['hospital', 'coaps://h'], /the devices have no keys/, /--provision/],
    [
      'two sources of keys',
      ['hospital', 'coaps://h', '--provision', 'd', '--psk-file', 'f'],
      /together/,
      /leave one/,
    ],
    ['TCP', ['hospital', 'coaps+tcp://h', '--provision', 'd'], /coaps\+tcp is not simulated/, /coaps/],
    ['many devices on a line', ['hospital', 'coap+serial://ttyS0'], /room for one/, /coaps:/],
    [
      'more than one on a line',
      ['industrial', 'coap+serial://ttyS0', '--devices', '2'],
      /one controller/,
      /leave/,
    ],
    [
      'a link on a line',
      ['industrial', 'coap+serial://ttyS0', '--loss', '3'],
      /for networks/,
      /its own rate/,
    ],
    ['a group', ['hvac', 'coap://224.0.1.187', '--provision', 'd'], /multicast group/, /ask a group/],
    [
      'ways of others',
      ['hospital', 'coaps://h', '--provision', 'd', '--way', 'oscore'],
      /for agriculture/,
      /leave/,
    ],
    ['agriculture in clear', ['agriculture', 'coap://h'], /ways to secure/, /coaps URI/],
    ['a group to find by', ['hospital', 'coap://h', '--group', 'coap://224.0.1.187'], /for hvac/, /leave/],
    ['a speed of nothing', ['hospital', 'coap://h', '--speed', '0'], /more than 0/, /--help/],
    ['a time without one', ['hospital', 'coap://h', '--duration', 'long'], /such as 90, 10m/, /--help/],
    ['churn of another kind', ['hospital', 'coap://h', '--churn', '5,maybe'], /,keep or ,lose/, /--help/],
    ['a prefix with a slash', ['hospital', 'coap://h', '--prefix', 'a/b'], /letters, digits/, /--help/],
  ] as const) {
    test(why, async () => {
      const { exitCode, stderr } = await run(['simulate', ...args]);
      assert.equal(exitCode, 64, stderr);
      assert.match(stderr, cause);
      assert.match(stderr, next);
    });
  }

  test('a data folder that is not there', async (t) => {
    const folder = join(temporaryFolder(t), 'nowhere');
    const { exitCode, stderr } = await run(['simulate', 'hospital', 'coaps://h', '--provision', folder]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /nowhere/);
  });

  test('too few identities in a file, and agriculture under OSCORE with one', async (t) => {
    const file = join(temporaryFolder(t), 'keys');
    writeFileSync(file, 'a:0x00112233445566778899aabbccddeeff\n', { mode: 0o600 });
    const few = await run(['simulate', 'hospital', 'coaps://h', '--psk-file', file, '--devices', '2']);
    assert.equal(few.exitCode, 64);
    assert.match(few.stderr, /has 1 identities, and 2 are needed[\s\S]*keys psk/);
    const oscore = await run(['simulate', 'agriculture', 'coaps://h', '--psk-file', file, '--way', 'oscore']);
    assert.equal(oscore.exitCode, 64);
    assert.match(oscore.stderr, /no OSCORE contexts/);
  });
});

// Each has a gateway of its own, and waits for the time that is simulated.
describe('coapsule simulate', { concurrency: 3 }, () => {
  test('a device that may be a real one is neither replaced nor removed, whatever the prefix', async (t) => {
    const data = temporaryFolder(t);
    await coapsule(t, 'device', 'add', 'pump-001', '--data', data, '--psk', 'generate');
    const { exitCode, stderr } = await run([
      ...['simulate', 'hospital', 'coaps://h', '--provision', data, '--prefix', 'pump', '--devices', '2'],
    ]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /has a device pump-001 already[\s\S]*choose another --prefix/);
    assert.deepEqual(devicesIn(t, data), ['pump-001']);
  });

  test('hospital: devices are there for the run, readings and alarms arrive, and none of it is in clear', async (t) => {
    const { coaps, data, process } = await gateway(t, '-v');
    const { code, report, stderr } = await simulate(
      ...['hospital', coaps, '--provision', data, '--devices', '10', '--duration', '10m', '--speed', '200'],
      ...['--confirm-every', '1', '--seed', '3', '--write', join(data, 'fleet.pcapng')],
    );
    assert.equal(code, 0, `${stderr}${JSON.stringify(report.total)}`);
    const { messages, handshakes, bytes } = report.total;
    assert.ok(writtenPaths(join(data, 'fleet.pcapng')).has('sensors/sim-hospital-001/vitals'));
    assert.equal(messages['due'], 200 + (messages.byPurpose['alert'] ?? 0));
    assert.ok((messages.byPurpose['alert'] ?? 0) > 0, 'no alarm: the seed shows nothing');
    assert.equal(messages['lost'], 0);
    assert.equal(messages['acknowledged'], messages['sent']);
    assert.equal(handshakes.full, 10);
    assert.ok((bytes['payload'] ?? 0) > 0 && (bytes['dtls'] ?? 0) > 0 && (bytes['handshake'] ?? 0) > 0);
    assert.match(process.stderr, /PUT \/sensors\/sim-hospital-001\/vitals 2\.0[14]/);
    assert.match(process.stderr, /POST \/sensors\/sim-hospital-\d+\/alarm 2\.0[14]/);
    assert.deepEqual(devicesIn(t, data), []);
    const audit = readFileSync(join(data, 'audit-changes.ndjson'), 'utf8');
    assert.match(audit, /device-added.*coapsule simulate.*sim-hospital-010/);
    assert.match(audit, /device-removed.*coapsule simulate.*sim-hospital-010/);
  });

  test('agriculture: of the broken way the first message of each device is acknowledged and no other, of the others all', async (t) => {
    const { coap, coaps, data, process } = await gateway(t, '-vv');
    const { code, report, stderr } = await simulate(
      ...['agriculture', coaps, '--plain-uri', coap, '--provision', data, '--devices', '6'],
      ...['--duration', '6h', '--speed', '100000'],
    );
    assert.equal(code, 0, `${stderr}${JSON.stringify(report.total)}`);
    const group = (name: string): SimulatedGroup =>
      report.groups.find((one) => one.group === name) ?? assert.fail(name);
    const broken = group('broken-reuse');
    assert.deepEqual([broken.messages['acknowledged'], broken.messages['lost']], [2, 10]);
    assert.equal(broken.handshakes.full, 2);
    const session = group('saved-session');
    assert.deepEqual([session.messages['acknowledged'], session.messages['lost']], [12, 0]);
    assert.deepEqual([session.handshakes.full, session.handshakes.takenOver], [2, 10]);
    const largest = session.churn['largestStateBytes'] ?? 0;
    assert.ok(largest > 0 && largest <= 256, String(largest));
    const oscore = group('oscore');
    assert.deepEqual([oscore.messages['acknowledged'], oscore.messages['lost']], [12, 0]);
    assert.deepEqual([oscore.handshakes.full, oscore.bytes['handshake']], [0, 0]);
    assert.ok((oscore.bytes['oscore'] ?? 0) > 0);
    assert.match(process.stderr, /under OSCORE/);
    // The gateway says what is wrong with such a device.
    assert.match(process.stderr, /records without effect: they were seen before; the peer may have restored/);
  });

  test('wearables change their address and keep their association; hvac units hear what is set', async (t) => {
    const { coaps, data } = await gateway(t);
    const worn = await simulate(
      ...[
        'wearables',
        coaps,
        '--provision',
        data,
        '--devices',
        '3',
        '--speed',
        '600',
        '--confirm-every',
        '1',
        '--duration',
        '30m',
      ],
    );
    assert.equal(worn.code, 0, worn.stderr);
    assert.ok((worn.report.total.churn['addressChanges'] ?? 0) > 2);
    // A move in the middle of a handshake costs that handshake; one after it costs nothing.
    assert.ok(worn.report.total.handshakes.full <= 3 + (worn.report.total.messages['lost'] ?? 0));
    assert.ok((worn.report.total.messages['acknowledged'] ?? 0) > 0);
    const hvac = await simulate(...['hvac', coaps, '--provision', data, '--devices', '3', '--speed', '600']);
    assert.equal(hvac.code, 0, hvac.stderr);
    assert.ok(hvac.report.total.notifications > 0, String(hvac.report.total.notifications));
    assert.ok((hvac.report.discovery?.resources ?? 0) > 0);
  });

  test('metering: load profiles arrive whole, in blocks', async (t) => {
    const { coaps, data } = await gateway(t);
    const { code, report, stderr } = await simulate(
      ...[
        'metering',
        coaps,
        '--provision',
        data,
        '--devices',
        '2',
        '--speed',
        '20000',
        '--link',
        '6lowpan',
        '--loss',
        '0',
      ],
    );
    assert.equal(code, 0, `${stderr}${JSON.stringify(report.total)}`);
    assert.equal(report.total.messages.byPurpose['upload'], 2);
    const opened = openDatabase(data, { create: false, asGateway: false });
    t.after(() => opened.close());
    const rows = opened.database
      .prepare("SELECT CAST(value AS TEXT) AS value FROM reading WHERE path LIKE '%/load-profile'")
      .all() as { value: string }[];
    assert.deepEqual(
      rows.map(({ value }) => value.trim().split('\n').length),
      [97, 97],
    );
  });

  test('devices that lose their power come back, those that lost their state with a handshake', async (t) => {
    const { coaps, data } = await gateway(t);
    const lost = await simulate(
      ...['hospital', coaps, '--provision', data, '--devices', '4', '--speed', '600', '--churn', '100,lose'],
    );
    assert.equal(lost.code, 0, lost.stderr);
    const { churn, handshakes, messages } = lost.report.total;
    assert.ok((churn['deaths'] ?? 0) > 0 && (messages['missed'] ?? 0) > 0);
    assert.equal(churn['statesKept'], 0);
    assert.ok(handshakes.full > 4 && handshakes.full <= 4 + (churn['deaths'] ?? 0));
    const kept = await simulate(
      ...['hospital', coaps, '--provision', data, '--devices', '4', '--speed', '600', '--churn', '100,keep'],
    );
    const back = kept.report.total;
    assert.ok(back.handshakes.full < 4 + (back.churn['deaths'] ?? 0));
    assert.ok((kept.report.total.churn['statesKept'] ?? 0) > 0);
  });

  test('a wrong key ends the run before it begins, with 7; what a device may not write is told with the next step', async (t) => {
    const { coaps, data } = await gateway(t);
    const folder = temporaryFolder(t);
    const keys = join(folder, 'keys');
    await coapsule(
      t,
      'device',
      'add',
      'a',
      '--data',
      data,
      '--psk',
      '0x00112233445566778899aabbccddeeff',
      '--allow',
      'GET:/x',
    );
    writeFileSync(keys, 'a:0xffffffffffffffffffffffffffffffff\n', { mode: 0o600 });
    const wrong = await simulate('hospital', coaps, '--psk-file', keys);
    assert.equal(wrong.code, 7, wrong.stderr);
    assert.match(wrong.stderr, /identity unknown or key wrong/);
    writeFileSync(keys, 'a:0x00112233445566778899aabbccddeeff\n', { mode: 0o600 });
    const forbidden = await simulate(
      ...[
        'hospital',
        coaps,
        '--psk-file',
        keys,
        '--speed',
        '600',
        '--duration',
        '5m',
        '--confirm-every',
        '1',
      ],
    );
    assert.equal(forbidden.code, 4, forbidden.stderr);
    assert.equal(
      forbidden.report.total.messages.refusedCodes['4.03'],
      forbidden.report.total.messages['refused'],
    );
    assert.match(forbidden.stderr, /answered 4\.03: a device may not write there: allow it/);
  });

  test('HTML goes to a file, and an interrupt ends the run with a report and without the devices', async (t) => {
    const { coaps, data } = await gateway(t);
    const output = join(temporaryFolder(t), 'report.html');
    const running = new CoapsuleProcess(t, [
      ...['simulate', 'hospital', coaps, '--provision', data, '--devices', '2', '--speed', '100'],
      ...['--duration', '24h', '--report', 'html', '--output', output],
    ]);
    await running.waitFor('stderr', /acknowledged/);
    const { code, stderr } = await running.kill('SIGINT');
    assert.equal(code, 0, stderr);
    assert.match(readFileSync(output, 'utf8'), /interrupted/);
    assert.deepEqual(devicesIn(t, data), []);
  });
});
