/**
 * `coapsule probe URI`: what a peer supports, and which rules it breaks.
 *
 * @module
 */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isDecodeFault, OptionNumber, parseCoapUri, uriOptions } from 'coapsule/message';
import { Command, InvalidArgumentError, Option } from 'commander';
import { freePort } from '../load/datagram-client.ts';
import { ClientLink } from '../probe/client-link.ts';
import { DatagramLink, type TakenOver } from '../probe/datagram-link.ts';
import type { ProbeAddress } from '../probe/datagram-socket.ts';
import {
  type Finding,
  found,
  type ProbeGroup,
  type ProbeResult,
  probeGroups,
  rule,
  ruleLink,
} from '../probe/finding.ts';
import type { ProbeContext, ProbeTransport } from '../probe/probe-check.ts';
import { probeChecks } from '../probe/probe-checks.ts';
import { ProbePace } from '../probe/probe-pace.ts';
import { type GroupedFinding, runProbe } from '../probe/probe-run.ts';
import { type ProbeLink, type ProbePorts, ProbeSender } from '../probe/probe-sender.ts';
import { printable, printableJson } from '../text/printable.ts';
import {
  addCredentialOptions,
  addHandshakeOptions,
  type ClientCommandOptions,
} from './client-command-options.ts';
import { withClient } from './client-session.ts';
import type { CommandClient, CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { secondsValue, wholeNumber } from './option-values.ts';
import { expectOneServer, type TargetUri, targetUri } from './target-uri.ts';

const help = `
Groups: ${probeGroups.join(', ')}.

Results: supported (there, or as its rule asks), absent (not there, as allowed), violates (breaks its rule), unknown (what was seen
does not tell). The probe is gentle: one datagram after the other, nothing that changes a resource without --allow-write, nothing malformed
without --malformed, which is for devices that you can switch off and on.

Exit codes: 0 when no rule is broken, 1 when one is; 6 no answer in time; 7 security (handshake, credentials); 64 wrong usage.

Examples:
  coapsule probe coap://device.local/temperature
  coapsule probe coaps://device.local -u sensor-7 -k KEY --only dtls suites
  coapsule probe coap://192.0.2.7 --malformed --json`;

/** Options of the command. */
interface ProbeOptions extends ClientCommandOptions {
  readonly only?: readonly ProbeGroup[];
  readonly skip?: readonly ProbeGroup[];
  readonly malformed?: true;
  readonly allowWrite?: true;
  readonly port?: Partial<ProbePorts>;
  readonly wait: number;
  readonly rate: number;
  readonly maxDatagrams: number;
  readonly timeout: number;
}

/** The command; `end` is given its exit code. */
export function probeCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('probe')
    .argument('<uri>', 'scheme, host and port of the peer, or a resource of it')
    .addOption(new Option('--only <groups...>', 'these groups alone').choices(probeGroups))
    .addOption(new Option('--skip <groups...>', 'all but these groups').choices(probeGroups))
    .option('--malformed', 'also send malformed input: a weak device may need a hand at its switch after it')
    .option(
      '--allow-write',
      'also try PUT, POST, PATCH, iPATCH, DELETE and Block1, on the path of the URI: name one made for it',
    )
    .option(
      '--port <transport=port>',
      'port of another transport: udp, dtls, tcp, tls, ws or wss; repeatable',
      portValue,
    )
    .option('--wait <s>', 'longest wait for one answer', secondsValue, 2)
    .option(
      '--rate <n>',
      'datagrams and connections a second, at most',
      (text) => wholeNumber(text, 1, 1000),
      10,
    )
    .option(
      '--max-datagrams <n>',
      'datagrams and connections in all, at most',
      (text) => wholeNumber(text, 1, 100_000),
      500,
    )
    .option(
      '-B, --timeout <s>',
      'ends the probe after s seconds; what was not tried is unknown then',
      secondsValue,
      300,
    )
    .option('--json', 'one JSON object for each finding')
    .addHelpText('after', help);
  addHandshakeOptions(addCredentialOptions(command));
  return command.action(async (uri: string, options: ProbeOptions) => {
    end(await probe(uri, options, environment));
  });
}

async function probe(
  uriText: string,
  options: ProbeOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText, environment.variables);
  expectOneServer(uri, 'a probe looks at one server');
  if (uri.line !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      'a probe needs a network, not a serial line',
      'coapsule ping and discover ask over lines',
    );
  }
  const server = { host: await addressOf(uri, options, environment), port: uri.port };
  const pace = new ProbePace(
    {
      rate: options.rate,
      maxDatagrams: options.maxDatagrams,
      maxMs: options.timeout * 1000,
      waitMs: options.wait * 1000,
    },
    () => performance.now(),
  );
  const report = new ProbeReport(uri, options.json === true, environment);
  const session = { uri, options, environment, server, pace, report };
  if (uri.scheme.includes('+')) {
    const link: { current?: ClientLink } = {};
    await withClient(
      uri,
      options,
      environment,
      async (client) => {
        link.current = new ClientLink(client, uri.text.replace(/^([^:]+:\/\/[^/?]*).*$/, '$1'), pace);
        await probeOver(session, link.current);
      },
      { trace: (event) => link.current?.event(event) },
    );
  } else {
    const takenOver = uri.secure ? await shakeHands(session) : undefined;
    await probeOver(session, await DatagramLink.open(server, pace, environment.randomBytes, takenOver));
  }
  return report.end(pace);
}

interface Session {
  readonly uri: TargetUri;
  readonly options: ProbeOptions;
  readonly environment: CommandEnvironment;
  readonly server: ProbeAddress;
  readonly pace: ProbePace;
  readonly report: ProbeReport;
}

async function probeOver(session: Session, link: ProbeLink): Promise<void> {
  const { uri, options, environment, server, pace, report } = session;
  const serverName = options.sni ?? (isIP(uri.host.replace(/%.*$/, '')) === 0 ? uri.host : undefined);
  const sender = new ProbeSender(link, pace, { host: server.host, serverName, ports: portsOf(uri, options) });
  const stop = environment.onInterrupt(() => pace.stop());
  try {
    const groups = groupsOf(options);
    const context = contextOf(session, serverName);
    for await (const finding of runProbe(probeChecks, groups, context, (step) => sender.carryOut(step))) {
      report.add(finding);
    }
    if (groups.has('oscore') && options.oscore !== undefined) report.add(await withContext(session));
  } finally {
    stop();
    await sender.close();
  }
  if (!sender.hasAnswered && !report.hasFound) {
    throw new CommandFailure(
      ExitCode.NoAnswer,
      `nothing came back from ${uri.text}`,
      'check address and port, that the device is awake and that UDP gets through; wait longer with --wait SECONDS',
    );
  }
}

/** A request under the context of `--oscore`. */
async function withContext({ uri, options, environment }: Session): Promise<GroupedFinding> {
  const subject = {
    check: 'oscore-context',
    title: 'a request under the context of --oscore',
    rule: rule(8613, '8.4', 'MAY'),
  };
  const finding = await withClient(
    uri,
    options,
    environment,
    async (client: CommandClient): Promise<Finding> => {
      try {
        const response = await client.request('GET', uri.text, { timeoutMs: 4000 * options.wait });
        return found(subject, 'supported', `${response.codeText}, protected`);
      } catch (error) {
        return found(subject, 'unknown', (error as Error).message);
      }
    },
  );
  return { group: 'oscore', ...finding };
}

/** A handshake with all checks of the library, and its association with the port that it was made from. */
async function shakeHands({ uri, options, environment, server }: Session): Promise<TakenOver> {
  const port = await freePort({ key: '', ...server });
  const state: Uint8Array | undefined = await withClient(
    uri,
    options,
    environment,
    async (client) => {
      await client.ping(uri.text, { timeoutMs: 10_000 * options.wait });
      return client.exportAssociation(uri.text);
    },
    { bind: { port } },
  );
  if (state === undefined) {
    throw new CommandFailure(
      ExitCode.Security,
      'the server closed the association right after its handshake',
      'look at its log',
    );
  }
  const { suite, ems, cid } = options;
  return {
    port,
    state,
    config: {
      ...(suite !== undefined && { suites: suite }),
      ...(ems === false && { extendedMasterSecret: 'preferred' as const }),
      ...(cid !== undefined &&
        cid !== true && { connectionIdLength: cid === false ? ('off' as const) : cid }),
    },
  };
}

function contextOf({ uri, options, environment }: Session, serverName: string | undefined): ProbeContext {
  const parsed = parseCoapUri(uri.text);
  if (isDecodeFault(parsed)) throw new Error(`"${uri.text}" was parsed before`);
  const own = [...uriOptions(parsed).entries()];
  const where = own.filter(
    ({ number }) => number === OptionNumber.UriHost || number === OptionNumber.UriPort,
  );
  const text = (part: string): Uint8Array => new TextEncoder().encode(part);
  const linkList = [
    ...where,
    ...['.well-known', 'core'].map((part) => ({ number: OptionNumber.UriPath, value: text(part) })),
  ];
  const hasPath = own.some(({ number }) => number === OptionNumber.UriPath);
  return {
    transport: transportOf(uri),
    target: hasPath ? own : linkList,
    path: hasPath ? `/${parsed.path.join('/')}` : '/.well-known/core',
    linkList,
    mayWrite: options.allowWrite === true && hasPath,
    serverName,
    known: { echo: undefined, refusesUnknownOptions: undefined, hasDtls: undefined },
    random: (length) => environment.randomBytes(length),
  };
}

const transports: Readonly<Record<string, ProbeTransport>> = {
  coap: 'udp',
  coaps: 'dtls',
  'coap+tcp': 'tcp',
  'coaps+tcp': 'tls',
  'coap+ws': 'ws',
  'coaps+ws': 'wss',
};

function transportOf({ scheme }: TargetUri): ProbeTransport {
  return transports[scheme] ?? 'udp';
}

const defaultPorts: ProbePorts = { udp: 5683, dtls: 5684, tcp: 5683, tls: 5684, ws: 80, wss: 443 };

function portsOf(uri: TargetUri, { port = {} }: ProbeOptions): ProbePorts {
  return { ...defaultPorts, [transportOf(uri)]: uri.port, ...port };
}

function groupsOf({ only = probeGroups, skip = [], malformed }: ProbeOptions): ReadonlySet<ProbeGroup> {
  return new Set(
    only.filter((group) => !skip.includes(group) && (group !== 'malformed' || malformed === true)),
  );
}

/** Of several addresses of a name, the one where somebody answers: the library tries them. */
async function addressOf(
  uri: TargetUri,
  options: ProbeOptions,
  environment: CommandEnvironment,
): Promise<string> {
  const { host } = uri;
  if (isIP(host.replace(/%.*$/, '')) !== 0) return host;
  const [first, ...others] = await lookup(host, { all: true, order: 'verbatim' }).catch(() => []);
  if (first === undefined) {
    throw new CommandFailure(
      ExitCode.Failure,
      `${host} has no address`,
      'check the spelling of the host, or use its IP address',
    );
  }
  if (others.length === 0) return first.address;
  let answering: string | undefined;
  await withClient(
    uri,
    options,
    environment,
    (client) => client.ping(uri.text, { timeoutMs: 5000 * options.wait }),
    {
      trace: (event) => {
        if ('address' in event && 'direction' in event && event.direction === 'received') {
          answering = event.address.host;
        }
      },
    },
  );
  return answering ?? first.address;
}

function portValue(text: string, before: Partial<ProbePorts> = {}): Partial<ProbePorts> {
  const [name = '', port = ''] = text.split('=');
  if (!Object.hasOwn(defaultPorts, name)) {
    throw new InvalidArgumentError(
      `Give TRANSPORT=PORT with one of ${Object.keys(defaultPorts).join(', ')}.`,
    );
  }
  return { ...before, [name]: wholeNumber(port, 1, 65_535) };
}

/** Prints findings as they come, and counts them. */
class ProbeReport {
  readonly #json: boolean;
  readonly #environment: CommandEnvironment;
  readonly #counts: Record<ProbeResult, number> = { supported: 0, absent: 0, violates: 0, unknown: 0 };
  #group: ProbeGroup | undefined;

  constructor({ text }: TargetUri, json: boolean, environment: CommandEnvironment) {
    this.#json = json;
    this.#environment = environment;
    if (!json) environment.stdout.write(`${printable(text)}\n`);
  }

  /** Whether anything but `unknown` was said. */
  get hasFound(): boolean {
    return this.#counts.supported + this.#counts.violates > 0;
  }

  add(finding: GroupedFinding): void {
    const { group, check, title, result, evidence, rule: of } = finding;
    const { stdout } = this.#environment;
    this.#counts[result]++;
    const link = ruleLink(of);
    if (this.#json) {
      const { level, rfc, section } = of;
      stdout.write(
        `${printableJson({ group, check, title, result, evidence, level, rfc, section, link })}\n`,
      );
      return;
    }
    if (group !== this.#group) stdout.write(`\n${group}\n`);
    this.#group = group;
    stdout.write(`  ${result.padEnd(11)}${printable(`${title}: ${evidence}`, 1000)}\n`);
    stdout.write(`             RFC ${of.rfc} §${of.section} (${of.level}) ${link}\n`);
  }

  end(pace: ProbePace): ExitCode {
    const { supported, absent, violates, unknown } = this.#counts;
    const text = `${supported} supported, ${absent} absent, ${violates} against a rule, ${unknown} unknown; ${pace.sent} datagrams and connections in ${(pace.elapsedMs / 1000).toFixed(1)} s`;
    if (!this.#json) this.#environment.stdout.write(`\n${text}\n`);
    return violates > 0 ? ExitCode.Failure : ExitCode.Success;
  }
}
