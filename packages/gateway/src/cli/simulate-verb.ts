/**
 * The verb simulate: the plan from the options, keys for its devices, the run with a line of progress, the report.
 *
 * A ping of the first device goes before: what is wrong with URI or credentials is told as every verb tells it.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import type { Client, ClientOptions, LinkProfileName } from 'coapsule';
import type { FleetCredential } from '../fleet/device-surroundings.ts';
import {
  type Churn,
  type DevicePlan,
  type Scenario,
  type SleepWay,
  sleepWays,
  withChurn,
} from '../fleet/fleet-plan.ts';
import { fleetReport } from '../fleet/fleet-report.ts';
import { type FleetProgress, type FleetServer, runFleet } from '../fleet/fleet-run.ts';
import { reportHtml } from '../fleet/report-html.ts';
import type { Discovery, FleetReport } from '../fleet/report-schema.ts';
import { duration, reportText } from '../fleet/report-text.ts';
import { scenarios } from '../fleet/scenarios/index.ts';
import { CaptureFile } from './capture-file.ts';
import type { CommandClient, CommandEnvironment } from './command-environment.ts';
import { CommandFailure, reportOf } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { expectEnough, fleetFromFile, ProvisionedFleet, usualPrefix } from './fleet-credentials.ts';
import { expectOneServer, type TargetUri, targetUri } from './target-uri.ts';
import { warningsTo } from './warnings.ts';

/** Options of the verb. */
export interface SimulateOptions {
  readonly devices?: number;
  readonly speed?: number;
  readonly duration?: number;
  readonly seed: number;
  readonly pskFile?: string;
  readonly provision?: string;
  /** Of the data folder. */
  readonly masterKey?: string;
  readonly prefix?: string;
  readonly link?: LinkProfileName;
  /** 0 … 1 */
  readonly loss?: number;
  readonly churn?: Churn;
  readonly confirmEvery?: number;
  readonly way?: string;
  readonly plainUri?: string;
  readonly group?: string;
  readonly report: 'text' | 'json' | 'html';
  readonly output?: string;
  readonly write?: string;
}

/** What a run takes when nothing is said of its speed. */
const usualRealSeconds = 60;
/** What is under way at the end may take so long: MAX_TRANSMIT_WAIT, after which a message is lost (RFC 7252 §4.8.2). */
const drainMs = 93_000;
/** A gateway looks for new OSCORE contexts once a second. */
const knownAgainMs = 250;
const knownTries = 40;
/** How long servers of a group are listened to. */
const discoveryMs = 5000;

/** Runs a fleet and reports. */
export async function runSimulate(
  scenarioName: string,
  uriText: string,
  options: SimulateOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const scenario = scenarios.find(({ name }) => name === scenarioName) as Scenario;
  const uri = targetUri(uriText, environment.variables);
  expectPossible(scenario, uri, options);
  const durationSeconds = options.duration ?? scenario.defaults.durationSeconds;
  const speed = options.speed ?? Math.max(1, durationSeconds / usualRealSeconds);
  const warn = warningsTo(environment);
  const file = options.pskFile === undefined ? undefined : fleetFromFile(options.pskFile, warn);
  const devices = devicesOf(scenario, options, file?.size);
  const ids = identitiesOf(scenario, options, devices, file);
  const ways = waysOf(scenario, options, uri, warn);
  const plans = withChurn(
    scenario.plan({ ids, seed: options.seed, durationSeconds, ways }),
    options.churn,
    options.seed,
    durationSeconds,
  );
  const provisioned =
    options.provision === undefined
      ? undefined
      : ProvisionedFleet.add(environment, { ...options, data: options.provision }, plans);
  const credentials = provisioned?.credentials ?? file ?? new Map<string, FleetCredential>();
  const abort = new AbortController();
  const forget = environment.onInterrupt(() => abort.abort());
  let report: FleetReport;
  let capture: CaptureFile | undefined;
  try {
    capture = options.write === undefined ? undefined : new CaptureFile(options.write);
    const server = serverOf(uri);
    const plain = plainServer(uri, options, environment);
    await expectAnswer(server, plans, credentials, environment, abort.signal);
    if (provisioned?.canary !== undefined) await expectKnown(plain, provisioned.canary, options, environment);
    const discovery = scenario.discovers
      ? await discover(server, options.group, plans, credentials, environment)
      : undefined;
    const { confirmEvery = scenario.defaults.confirmEvery, link, loss, churn, seed } = options;
    const result = await runFleet(
      {
        probingRate: scenario.probingRate,
        ...{ plans, credentials, server, speed, seed, durationSeconds, confirmEvery, drainMs },
        plainServer: plain,
        link: link === undefined && loss === undefined ? undefined : { profile: link, lossRate: loss },
        roams: scenario.roams,
        onProgress: progressLine(environment, durationSeconds),
        ...(capture !== undefined && {
          capture: (captured) => capture?.datagram(captured),
          keylog: (line) => capture?.secrets(line),
        }),
      },
      abort.signal,
    );
    report = fleetReport(
      {
        ...{ scenario: scenario.name, uri: server.text, devices, seed, speed, durationSeconds, confirmEvery },
        link: link ?? null,
        lossRate: loss ?? null,
        churnPerHour: churn?.perHour ?? 0,
      },
      result,
      discovery,
    );
  } finally {
    forget();
    capture?.close();
    provisioned?.remove();
  }
  writeReport(report, options, environment);
  tellRefusals(report, environment);
  return exitCodeOf(report);
}

function expectPossible(scenario: Scenario, uri: TargetUri, options: SimulateOptions): void {
  const refuse = (cause: string, nextStep: string): never => {
    throw new CommandFailure(ExitCode.Usage, cause, nextStep);
  };
  expectOneServer(uri, 'a fleet is for one gateway');
  if (uri.scheme.includes('+') && uri.line === undefined)
    refuse(`${uri.scheme} is not simulated`, 'use coap, coaps, coap+serial or coaps+serial');
  if (uri.line !== undefined && scenario.name !== 'industrial')
    refuse(`${scenario.name} has many devices, and a serial line room for one`, 'use coaps://HOST');
  if (uri.line !== undefined && (options.devices ?? 1) > 1)
    refuse('a serial line has room for one controller', 'leave --devices out');
  if (uri.line !== undefined && (options.link ?? options.loss) !== undefined)
    refuse('--link and --loss are for networks', 'a serial line has its own rate: give it behind the device');
  if (options.pskFile !== undefined && options.provision !== undefined)
    refuse('--psk-file and --provision cannot be used together', 'leave one of them out');
  if (uri.secure && options.pskFile === undefined && options.provision === undefined)
    refuse(
      'the devices have no keys',
      "give --provision with the gateway's data folder, or --psk-file with identities that it knows",
    );
  if (options.way !== undefined && scenario.name !== 'agriculture')
    refuse('--way is for agriculture', 'leave it out');
  if (scenario.name === 'agriculture' && !uri.secure)
    refuse(
      'agriculture compares ways to secure messages',
      'give the coaps URI of the gateway; devices under OSCORE go to --plain-uri',
    );
  if (options.group !== undefined && !scenario.discovers)
    refuse('--group is for hvac and lighting', 'leave it out');
}

/** Of an identity file all, unless fewer are asked for. */
function devicesOf(scenario: Scenario, options: SimulateOptions, there: number | undefined): number {
  if (options.devices !== undefined) return options.devices;
  if (there === undefined) return scenario.defaults.devices;
  return Math.max(1, there - (scenario.identities(1) - 1));
}

function identitiesOf(
  scenario: Scenario,
  { pskFile = '', prefix = `${usualPrefix}${scenario.name}` }: SimulateOptions,
  devices: number,
  file: ReadonlyMap<string, FleetCredential> | undefined,
): readonly string[] {
  const needed = scenario.identities(devices);
  if (file === undefined) {
    const digits = Math.max(3, String(needed).length);
    return Array.from(
      { length: needed },
      (_, index) => `${prefix}-${String(index + 1).padStart(digits, '0')}`,
    );
  }
  expectEnough(pskFile, file.size, needed);
  return [...file.keys()].slice(0, needed);
}

function waysOf(
  { name }: Scenario,
  { way = 'all', provision }: SimulateOptions,
  uri: TargetUri,
  warn: (text: string) => void,
): readonly SleepWay[] {
  const ways = sleepWays[way] ?? [];
  if (name !== 'agriculture' || provision !== undefined || !uri.secure) return ways;
  const others = ways.filter((one) => one !== 'oscore');
  if (others.length === 0) {
    throw new CommandFailure(
      ExitCode.Usage,
      'an identity file has no OSCORE contexts',
      'let them be made with --provision DIR',
    );
  }
  if (others.length < ways.length) warn('an identity file has no OSCORE contexts: that way is left out');
  return others;
}

function serverOf({ text, scheme, host, port }: TargetUri): FleetServer {
  // A path would be that of one resource, and devices have their own.
  const [server = text] = /^[^:]+:\/\/[^/?#]*/.exec(text) ?? [];
  return { text: server, scheme, host, port };
}

function plainServer(
  uri: TargetUri,
  { plainUri }: SimulateOptions,
  environment: CommandEnvironment,
): FleetServer {
  if (plainUri !== undefined) return serverOf(targetUri(plainUri, environment.variables));
  const host = uri.host.includes(':') ? `[${uri.host}]` : uri.host;
  return { text: `coap://${host}:5683`, scheme: 'coap', host: uri.host, port: 5683 };
}

function optionsFor(credential: FleetCredential | undefined): ClientOptions {
  return credential?.kind === 'psk' ? { psk: { identity: credential.identity, key: credential.key } } : {};
}

/** The first device with a key asks whether anybody is there. */
async function expectAnswer(
  server: FleetServer,
  plans: readonly DevicePlan[],
  credentials: ReadonlyMap<string, FleetCredential>,
  environment: CommandEnvironment,
  signal: AbortSignal,
): Promise<void> {
  const first = plans.map(({ id }) => credentials.get(id)).find((one) => one?.kind === 'psk');
  if (first === undefined && server.scheme.startsWith('coaps')) return;
  await withClient(environment, optionsFor(first), async (client) => {
    await client.ping(server.text, { signal });
  });
}

/** Waits until the gateway has opened the contexts of its new devices. */
async function expectKnown(
  server: FleetServer,
  { masterSecret, masterSalt, senderId, recipientId }: Extract<FleetCredential, { kind: 'oscore' }>,
  { provision: folder = '', plainUri }: SimulateOptions,
  environment: CommandEnvironment,
): Promise<void> {
  const { OscoreContext } = await import('coapsule');
  await using context = await OscoreContext.open({
    ...{ masterSecret, masterSalt, senderId, recipientId, firstUse: true },
    store: { load: async () => undefined, save: async () => {} },
  });
  for (let tries = knownTries; ; tries--) {
    try {
      await withClient(environment, { oscore: context }, (client) =>
        client.request('GET', `${server.text}/.well-known/core`, {}),
      );
      return;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_OSCORE') {
        const { exitCode, cause } = reportOf(error);
        if (plainUri !== undefined) throw error;
        throw new CommandFailure(
          exitCode,
          `${cause}: devices under OSCORE go there`,
          'say where the gateway listens for coap with --plain-uri, or leave them out with --way session',
        );
      }
      if (tries > 0) await new Promise<void>((resolve) => environment.after(knownAgainMs, resolve));
      else {
        throw new CommandFailure(
          ExitCode.Security,
          `${server.text} does not know the devices that were added to ${folder}`,
          'give the data folder of that gateway, and with --plain-uri its coap endpoint',
        );
      }
    }
  }
}

/** Finds the gateway as a device does that knows nothing of it, or lists its resources. */
async function discover(
  server: FleetServer,
  group: string | undefined,
  plans: readonly DevicePlan[],
  credentials: ReadonlyMap<string, FleetCredential>,
  environment: CommandEnvironment,
): Promise<Discovery> {
  const by = group ?? `${server.text}/.well-known/core`;
  try {
    return await withClient(
      environment,
      optionsFor(credentials.get(plans[0]?.id ?? '')),
      async (client): Promise<Discovery> => {
        if (group === undefined) {
          const response = await client.request('GET', by, { accept: 'application/link-format' });
          const resources = response.ok ? response.text().split(',<').length : 0;
          return { by, servers: 1, resources };
        }
        const found = await client.discoverDevices(group, { windowMs: discoveryMs });
        const resources = found.reduce((sum, { links }) => sum + links.length, 0);
        const problem = 'nobody answered: is the gateway run with --multicast?';
        return { by, servers: found.length, resources, ...(found.length === 0 && { problem }) };
      },
    );
  } catch (error) {
    return { by, servers: 0, resources: 0, problem: reportOf(error).cause };
  }
}

async function withClient<T>(
  environment: CommandEnvironment,
  options: ClientOptions,
  work: (client: CommandClient) => Promise<T>,
): Promise<T> {
  const client: CommandClient | Client = await environment.createClient(options);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** A line that is written over on a terminal, and one every ten seconds elsewhere. */
function progressLine(
  { stderr }: CommandEnvironment,
  durationSeconds: number,
): (progress: FleetProgress) => void {
  let calls = 0;
  return ({ seconds, tally, isLast }) => {
    if (!stderr.isTerminal && !isLast && ++calls % 10 !== 0) return;
    const { sent, outcomes, traffic } = tally.total();
    const text = `${duration(Math.min(durationSeconds, Math.floor(seconds)))} of ${duration(durationSeconds)}: ${sent} sent, ${outcomes.acknowledged} acknowledged, ${outcomes.lost} lost, ${traffic.fullHandshakes} handshakes`;
    stderr.write(stderr.isTerminal ? `\r\x1b[K${text}${isLast ? '\n' : ''}` : `coapsule: ${text}\n`);
  };
}

function writeReport(
  report: FleetReport,
  { report: form, output }: SimulateOptions,
  { stdout, stderr }: CommandEnvironment,
): void {
  const text =
    form === 'json'
      ? `${JSON.stringify(report, undefined, 2)}\n`
      : form === 'html'
        ? reportHtml(report)
        : reportText(report);
  if (output === undefined) {
    stdout.write(text);
    return;
  }
  writeFileSync(output, text);
  stderr.write(`coapsule: the report is in ${output}\n`);
}

/** Why a gateway refuses is seldom clear from a code alone. */
const refusalSteps: Readonly<Record<string, string>> = {
  '4.01': 'the gateway wants secured requests there: use its coaps URI',
  '4.03':
    'a device may not write there: allow it with "coapsule device allow", or let --provision add devices with the right rules',
  '4.29': 'a device has more than its rate or quota allows: lower --speed, or raise the limit of the gateway',
  '5.03': 'the gateway could not store: look at its log, its disk and its message broker',
};

function tellRefusals({ total: { messages } }: FleetReport, { stderr }: CommandEnvironment): void {
  for (const [code, refused] of Object.entries(messages.refusedCodes)) {
    const step = refusalSteps[code];
    stderr.write(
      `coapsule: ${refused} messages were answered ${code}${step === undefined ? '' : `: ${step}`}\n`,
    );
  }
  if ((messages.lostCauses['ERR_HANDSHAKE'] ?? 0) > 0)
    stderr.write('coapsule: handshakes failed: are all identities known to the gateway, with these keys?\n');
}

function exitCodeOf({ total: { messages } }: FleetReport): ExitCode {
  const codes = Object.keys(messages.refusedCodes);
  if (codes.some((code) => code.startsWith('5.'))) return ExitCode.ServerError;
  if (codes.length > 0) return ExitCode.ClientError;
  if (messages.acknowledged === 0 && messages.lost > 0) return ExitCode.NoAnswer;
  return ExitCode.Success;
}
