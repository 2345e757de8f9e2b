/**
 * `coapsule serve`: the gateway, from its options to a clean end.
 *
 * Standard output carries the ready line alone, everything else goes to standard error. SIGTERM and SIGINT end it
 * with exit code 0.
 *
 * @module
 */

import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { ChangeAudit } from '../audit/audit-log.ts';
import { defaultFirmwareBytes } from '../firmware/firmware-resources.ts';
import { defaultMaxSessions } from '../gateway/association-storage.ts';
import { Gateway } from '../gateway/gateway.ts';
import type { GatewayOptions, LiveOptions } from '../gateway/gateway-options.ts';
import { ServiceManager } from '../operations/service-manager.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { defaultRetention } from '../resources/telemetry.ts';
import { demoHint } from '../server/demo-credentials.ts';
import { type AdjustableLog, type Log, lineLog } from '../server/log.ts';
import { optionBounds } from '../server/serve-options.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { printable } from '../text/printable.ts';
import { type MasterKeySource, masterKeySource } from '../vault/master-key.ts';
import { linkWithheld } from './console-link-notice.ts';
import { addEndpointOptions, multicastOf, streamEndpoints } from './endpoint-options.ts';
import { gatewayCredentials } from './gateway-credentials.ts';
import { addHttpOptions, httpOptions } from './http-options.ts';
import { type Keylog, openKeylog } from './keylog-file.ts';
import { addMasterKeyOption } from './master-key-option.ts';
import { addMqttOptions, mqttOptions } from './mqtt-options.ts';
import { addOperationsOptions, overloadSettings } from './operations-options.ts';
import { pathValue, repeatedText, retentionValue, sizeValue, wholeNumber } from './option-values.ts';
import { OscoreLog } from './oscore-log.ts';
import { proxyOptions } from './proxy-options.ts';
import { addPskOptions, pskEntries } from './psk-options.ts';
import { addSerialOptions, serialOptions } from './serial-options.ts';
import { checkServe, expectFilesUsable, expectPossible, type ServeOptions } from './serve-check.ts';
import { configuredOptions, type Variables } from './serve-config.ts';
import { Reload } from './serve-reload.ts';
import { addSharedOptions, sharedOptions } from './shared-options.ts';
import { addSleepyOptions, sleepyOptions } from './sleepy-options.ts';
import { traceRenderer } from './trace-renderer.ts';
import { addTrafficOptions, type OpenedTraffic, openTraffic } from './traffic-options.ts';
import { addUpstreamOptions, OpenedUpstreams } from './upstream-options.ts';

/** Makes the command. */
export function serveCommand(variables: Variables): Command {
  const command = new Command('serve')
    .option(
      '--config <file>',
      'YAML or JSON file with what is not said here (docs/configuration.md)',
      pathValue,
    )
    .option('--print-schema', 'print the JSON Schema of that file for editors, and end')
    .option('--data <folder>', 'where readings, devices and keys are kept', pathValue, './data');
  addMasterKeyOption(command);
  addEndpointOptions(command);
  addHttpOptions(command);
  addPskOptions(command);
  command
    .option('--cert <file>', 'certificate of the gateway, with those that certify it', pathValue)
    .option('--private-key <file>', 'its key; without --cert, the raw public key of the gateway', pathValue)
    .option(
      '--ca <file>',
      'authorities of device certificates; clients then have to prove themselves',
      pathValue,
    )
    .option('--passphrase-file <file>', 'for an encrypted private key', pathValue)
    .option(
      '--proxy <uri>',
      'be a forward-proxy for devices, for servers such as coap://*.sensors.example or https://api.example; repeatable',
      repeatedText,
    )
    .option(
      '--proxy-network <network>',
      'network that these servers may be in although it is not public, such as 10.1.0.0/16; repeatable',
      repeatedText,
    )
    .option(
      '--proxy-credentials <file>',
      'what to prove itself with to coaps and HTTP servers of both proxies (docs/proxies.md)',
      pathValue,
    )
    .option(
      '--proxy-cache <size>',
      'what each proxy keeps of answers of CoAP servers, such as 64M (16M), or off',
      (text) => (text === 'off' ? text : sizeValue(text)),
    )
    .option('--no-ems', 'also take devices without extended master secret (RFC 7627)')
    .option('--keylog <file>', 'append secrets for Wireshark to this file (debugging only)')
    .option(
      '--dangerously-log-oscore <file>',
      'append the Master Secrets of OSCORE contexts for Wireshark: who reads it can forge, too',
    )
    .option(
      '--keep <n>',
      'newest readings kept of each path, 0 keeps all',
      (text) => wholeNumber(text, ...optionBounds.keep),
      defaultRetention.keepNewest,
    )
    .option(
      '--max-paths <n>',
      'paths that one identity may write; more are refused with 4.29',
      (text) => wholeNumber(text, ...optionBounds.maxPaths),
      defaultRetention.maxPaths,
    )
    .option(
      '--retain <rule>',
      'how long measurements of a path stay, and their aggregates: /sensors/*=raw:7d,newest:10000,1m:30d,15m:180d,1h:2y; repeatable',
      retentionValue,
    )
    .addOption(
      new Option('--max-bytes <size>', 'what the readings of one identity may take, such as 512K, 256M or 2G')
        .argParser(sizeValue)
        .default(defaultRetention.maxBytes, '256M'),
    )
    .addOption(
      new Option('--max-firmware <size>', 'what all firmware may take on the disk, such as 256M or 2G')
        .argParser(sizeValue)
        .default(defaultFirmwareBytes, '256M'),
    )
    .option(
      '--max-sessions <n>',
      'DTLS sessions of each endpoint and worker, live and kept over a restart; those of the longest silence give way',
      (text) => wholeNumber(text, ...optionBounds.maxSessions),
      defaultMaxSessions,
    )
    .option(
      '--workers <n>',
      'threads that share the ports for coap and coaps, such as one for each core (docs/workers.md)',
      (text) => wholeNumber(text, ...optionBounds.workers),
      1,
    )
    .addOption(
      new Option('--console <on|off>', 'the console in the browser, on the http endpoint')
        .choices(['on', 'off'])
        .default('on'),
    )
    .option('--demo', 'demo resources and published demo keys')
    .option('--dangerously-allow-plain-writes', 'let everyone store and read readings over plain coap')
    .option(
      '--dangerously-unlimited-amplification',
      'answer addresses over plain coap at any length before they have proved themselves: floods whom others spoof',
    )
    .option('--dangerously-open-proxy', 'let everyone use the proxy, over plain coap too')
    .option('--check', 'say whether options, data folder and ports can be used, and end')
    .option(
      '-v, --verbose',
      'requests; -vv messages and handshakes; -vvv bytes',
      (_, level: number) => level + 1,
      0,
    );
  addOperationsOptions(command);
  addTrafficOptions(command);
  addMqttOptions(command);
  addSharedOptions(command);
  addUpstreamOptions(command);
  addSleepyOptions(command);
  addSerialOptions(command);
  return command.addHelpText('after', help).action(() => configuredServe(command, variables));
}

const help = `
Ready when it prints one line: ready {"coap":"[::]:5683","coaps":"[::]:5684"}

On [::] answers come from the address that the kernel chooses; for clients of a
secondary one (127.0.0.2, a virtual IP) listen on it: --coaps 127.0.0.2:5684

Every option is also an environment variable: --psk-hint is COAPSULE_PSK_HINT, COAPSULE_DEMO=true
is --demo; options that can be repeated have their values with spaces between. A flag counts before
a variable, a variable before the file.

Examples:
  coapsule serve --demo
  coapsule serve --config gateway.yaml
  coapsule device add sensor-7 && coapsule serve
  coapsule serve --multicast eth0
  coapsule serve --workers 4
  coapsule serve --serial /dev/ttyUSB0,115200 --serial /dev/ttyACM0,9600,plain
  coapsule serve --reverse-proxy /cloud=coap://cloud.example/api,oscore=gw.oscore
  coapsule serve --cert localhost.pem --private-key localhost.key --ca ca.pem`;

async function configuredServe(command: Command, variables: Variables): Promise<void> {
  if (command.opts<ServeOptions>().printSchema) {
    const { configJsonSchema } = await import('../config/json-schema.ts');
    process.stdout.write(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
    return;
  }
  const write = (line: string): void => void process.stderr.write(`${line}\n`);
  const read = (): Promise<ServeOptions> => configuredOptions(command, variables, lineLog(write, 0));
  const options = await read();
  const masterKey = masterKeySource(options.masterKey, variables);
  const log = await logOf(options, write);
  await serve(options, masterKey, log, async () => {
    const again = await read();
    expectPossible(again);
    expectFilesUsable(
      again,
      lineLog(() => {}, 0),
    );
    return again;
  });
}

/** What writes JSON is loaded where it is wanted. */
async function logOf(
  { logFormat, verbose }: ServeOptions,
  write: (line: string) => void,
): Promise<AdjustableLog> {
  if (logFormat !== 'json') return lineLog(write, verbose);
  const { jsonLog } = await import('../server/json-log.ts');
  return jsonLog((line) => void process.stderr.write(line), verbose);
}

async function serve(
  options: ServeOptions,
  masterKey: MasterKeySource,
  log: AdjustableLog,
  readAgain: () => Promise<ServeOptions>,
): Promise<void> {
  expectPossible(options);
  if (options.check) await checkServe(options, masterKey, log);
  else await run(options, masterKey, log, readAgain);
}

async function run(
  options: ServeOptions,
  masterKey: MasterKeySource,
  log: AdjustableLog,
  readAgain: () => Promise<ServeOptions>,
): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  // It may be rejected before anybody waits for it.
  stopped.promise.catch(() => {});
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that went away (`serve | head -1`) must not end the gateway; who waits for the ready line must not wait.
    if (error.code === 'EPIPE') return;
    stopped.reject(
      new StartUpFault(`standard output cannot be written: ${error.message}`, 'write it somewhere else'),
    );
  });
  const stop = stopSignals(stopped.resolve);
  let reload: Reload<ServeOptions> | undefined;
  // One that comes while the gateway starts counts once it runs: the file may have been read some time ago.
  let isAskedEarly = false;
  const hangUp = (): void => {
    if (reload === undefined) isAskedEarly = true;
    else void reload.request();
  };
  if (options.config !== undefined) process.on('SIGHUP', hangUp);
  let keylog: Keylog | undefined;
  let traffic: OpenedTraffic | undefined;
  try {
    traffic = openTraffic(options, log);
    const { ring, capture, keylog: trafficKeys } = traffic;
    keylog = options.keylog === undefined ? undefined : openKeylog(options.keylog, log);
    const oscoreLog = openOscoreLog(options, log);
    const warn = (text: string): void => log.warning(text);
    await using upstreams = await OpenedUpstreams.open(options, warn, oscoreLog);
    const settings = liveOptions(options, log);
    const made = gatewayOptions(options, log);
    const proxy = await upstreams.protectedTargets(made.proxy, options.proxyCredentials);
    const starting = Gateway.start({
      ...{ ...made, proxy },
      ...settings,
      masterKey,
      upstreams: upstreams.servers,
      ...{ traffic: ring, capture },
      keylog: bothOf(keylog?.write, trafficKeys),
      dangerouslyLogOscore: oscoreLog && deviceLog(oscoreLog, log),
      // From -vv on.
      trace:
        options.verbose < 2
          ? undefined
          : traceRenderer(options.verbose, (line) => {
              if (log.verbosity >= 2) log.trace(line);
            }),
      onFailed: stopped.reject,
    });
    const started = await Promise.race([starting, stopped.promise]);
    if (started === undefined) {
      log.detail(0, 'stopping');
      // The store may need a while to open; what was opened is closed then, and a failure does not matter any more.
      starting.then(
        (gateway) => gateway.close(),
        () => {},
      );
      return;
    }
    await using gateway = started;
    const audit = new ChangeAudit(options.data, systemWallClock, (text) => log.warning(text));
    audit.add({ event: 'gateway-started', how: 'coapsule serve', ...gateway.endpoints });
    if (options.config !== undefined) {
      const live = (next: ServeOptions): LiveOptions => liveOptions(next, log);
      reload = new Reload({ options, settings, read: readAgain, live, gateway, upstreams, log, audit });
      if (isAskedEarly) void reload.request();
    }
    const { workers } = gateway;
    const ready = { ...gateway.endpoints, ...(workers > 1 ? { workers } : {}) };
    process.stdout.write(`ready ${JSON.stringify(ready)}\n`);
    tellConsoleLink(gateway.consoleLink, options, log);
    const manager = ServiceManager.of({
      variables: process.env,
      processId: process.pid,
      timer: systemTickTimer,
      onError: (text) => log.warning(text),
    });
    await manager?.ready();
    await stopped.promise;
    await manager?.stopping();
    log.detail(0, 'stopping');
    audit.add({ event: 'gateway-stopped', how: 'SIGTERM or SIGINT' });
  } finally {
    process.off('SIGHUP', hangUp);
    stop();
    keylog?.close();
    traffic?.close();
  }
}

function bothOf(
  one: ((line: string) => void) | undefined,
  other: ((line: string) => void) | undefined,
): ((line: string) => void) | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return (line) => {
    one(line);
    other(line);
  };
}

/** Where the build puts the app; beside the built sources, and beside those of a checkout. */
const consoleAppFolder = fileURLToPath(new URL('../../dist/console', import.meta.url));

function tellConsoleLink(link: string | undefined, { logFormat }: ServeOptions, log: Log): void {
  if (link === undefined) return;
  const { fd: descriptor } = process.stderr;
  const cause = linkWithheld({ logFormat, descriptor, journalStream: process.env['JOURNAL_STREAM'] });
  if (cause === undefined) process.stderr.write(`console: ${link} (logs in once, within 15 minutes)\n`);
  else {
    const [where = link] = link.split('/login#');
    log.detail(
      0,
      `the console is at ${where}/; no link to log in with is written here, since ${cause}: make one with "coapsule console link"`,
      { endpoint: 'http', next: 'coapsule console link' },
    );
  }
}

function openOscoreLog({ dangerouslyLogOscore: path }: ServeOptions, log: Log): OscoreLog | undefined {
  if (path === undefined) return undefined;
  try {
    return new OscoreLog(path, (text) => log.warning(text));
  } catch (error) {
    throw new StartUpFault(
      `the OSCORE log ${path} cannot be written: ${(error as Error).message}`,
      'name a writable file with --dangerously-log-oscore',
    );
  }
}

function deviceLog(file: OscoreLog, log: Log): GatewayOptions['dangerouslyLogOscore'] {
  return (id, parameters) => {
    try {
      const cause = file.add(parameters, 'server');
      if (cause !== undefined)
        log.warning(`the OSCORE context of ${printable(id)} is not in ${file.path}: ${cause}`);
    } catch (error) {
      // A debugging aid must not take the gateway down with it.
      log.error(
        `the OSCORE log ${file.path} has no context of ${printable(id)}: ${(error as Error).message}`,
      );
    }
  };
}

/** What can change while the gateway runs, but for the servers of reverse-proxies. */
function liveOptions(options: ServeOptions, log: Log): LiveOptions {
  const psk = pskEntries(options, log);
  return {
    psks: psk.filter(({ identity }) => identity !== '*'),
    anyIdentityKey: psk.find(({ identity }) => identity === '*')?.key,
    access: options.access,
    credentials: gatewayCredentials(options, log),
    httpSecrets: httpOptions(options),
    measurements: options.retain ?? [],
    overload: overloadSettings(options),
    retention: { keepNewest: options.keep, maxPaths: options.maxPaths, maxBytes: options.maxBytes },
  };
}

function gatewayOptions(options: ServeOptions, log: Log): GatewayOptions {
  const { coap, coaps, demo = false } = options;
  return {
    dataFolder: options.data,
    coap: coap === 'off' ? undefined : coap,
    coaps: coaps === 'off' ? undefined : coaps,
    multicast: multicastOf(options),
    streams: streamEndpoints(options),
    ...serialOptions(options, (text) => log.warning(text)),
    log,
    demo,
    workers: options.workers,
    maxFirmwareBytes: options.maxFirmware,
    requireExtendedMasterSecret: options.ems,
    maxSessions: options.maxSessions,
    pskHint: options.pskHint ?? (demo ? demoHint : undefined),
    proxy: proxyOptions(options, (text) => log.warning(text)),
    dangerouslyAllowPlainWrites: options.dangerouslyAllowPlainWrites ?? false,
    dangerouslyUnlimitedAmplification: options.dangerouslyUnlimitedAmplification ?? false,
    http: httpOptions(options, (text) => log.warning(text)),
    console: options.console === 'off' ? undefined : { appFolder: consoleAppFolder },
    metrics: options.metrics === 'off' ? undefined : options.metrics,
    maxObservers: options.maxObservers,
    mqtt: mqttOptions(options),
    shared: sharedOptions(options),
    sleepy: sleepyOptions(options),
  };
}

/** @returns a function that ends the watch. A second signal, later than a doubled Ctrl-C, ends at once. */
function stopSignals(stop: () => void): () => void {
  let firstAt: number | undefined;
  const handle = (): void => {
    const now = performance.now();
    // The terminal and the launcher may both pass on one Ctrl-C.
    if (firstAt !== undefined && now - firstAt > 500) process.exit(1);
    firstAt ??= now;
    stop();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, handle);
  return () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, handle);
  };
}
