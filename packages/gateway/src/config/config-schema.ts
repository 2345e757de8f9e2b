/**
 * The schema of the configuration file of `coapsule serve`: its keys, what each may be, and what that means.
 *
 * What is read gets the types that the options of the command line have, so that one meaning stands behind both. Files that keys
 * name are not opened here, but for those that hold a single secret. It does not know of lines; that is config-file.ts.
 */
import * as z from 'zod';
import type { AccessSettings } from '../access/configured-access.ts';
import { parseProxyNetwork } from '../http/trusted-proxies.ts';
import { type ReverseProxyRule, reverseProxyProblem } from '../server/reverse-proxy-option.ts';
import { parseSerialLine, type SerialLineOption } from '../server/serial-option.ts';
import {
  type EndpointAddress,
  hintProblem,
  type LogFormat,
  localPort,
  logFormats,
  optionBounds,
  type PskEntry,
  parseEndpoint,
  pskIdentityProblem,
} from '../server/serve-options.ts';
import { accessSection } from './access-section.ts';
import { keys, refused, size, soundText, soundTexts, text, texts, whole, yesOrNo } from './config-values.ts';
import { type ConfiguredLimits, limitsSection } from './limits-section.ts';
import { type ConfiguredMqtt, mqttSection } from './mqtt-section.ts';
import { type ConfiguredSharing, sharedSection } from './shared-section.ts';
import { type ConfiguredSleepy, sleepySection } from './sleepy-section.ts';

/** What a file may refer to besides itself. */
export interface ConfigSurroundings {
  /** A path that stands in the file, from the folder of the file. */
  readonly resolvePath: (path: string) => string;
  /** The text of a file that holds a secret; throws what cannot be read. */
  readonly readSecret: (path: string) => string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** A key: text, or hex with a leading `0x`; throws for what is neither. */
  readonly keyOf: (text: string) => Uint8Array;
}

/** What a file says, by the names of the options of the command line; what does not stand there is undefined. */
export interface ConfiguredOptions
  extends ConfiguredLimits,
    ConfiguredMqtt,
    ConfiguredSharing,
    ConfiguredSleepy {
  readonly data?: string | undefined;
  readonly masterKey?: string | undefined;
  readonly coap?: EndpointAddress | 'off' | undefined;
  readonly coaps?: EndpointAddress | 'off' | undefined;
  readonly multicast?: true | readonly string[] | undefined;
  readonly tcp?: EndpointAddress | 'off' | undefined;
  readonly tls?: EndpointAddress | 'off' | undefined;
  readonly ws?: EndpointAddress | 'off' | undefined;
  readonly wss?: EndpointAddress | 'off' | undefined;
  readonly http?: EndpointAddress | 'off' | undefined;
  readonly metrics?: EndpointAddress | 'off' | undefined;
  readonly httpTokens?: string | undefined;
  readonly httpTls?: boolean | undefined;
  readonly httpCors?: readonly string[] | undefined;
  readonly httpName?: readonly string[] | undefined;
  readonly console?: 'on' | 'off' | undefined;
  readonly httpTemplate?: readonly string[] | undefined;
  readonly trustedProxy?: readonly string[] | undefined;
  readonly cert?: string | undefined;
  readonly privateKey?: string | undefined;
  readonly passphraseFile?: string | undefined;
  readonly ca?: string | undefined;
  readonly ems?: boolean | undefined;
  readonly psk?: readonly PskEntry[] | undefined;
  readonly pskFile?: string | undefined;
  readonly pskHint?: string | undefined;
  readonly serial?: readonly SerialLineOption[] | undefined;
  readonly serialCredentials?: string | undefined;
  readonly serialMtu?: number | undefined;
  readonly proxy?: readonly string[] | undefined;
  readonly proxyNetwork?: readonly string[] | undefined;
  readonly proxyCredentials?: string | undefined;
  readonly dangerouslyOpenProxy?: boolean | undefined;
  readonly proxyCache?: number | 'off' | undefined;
  readonly reverseProxy?: readonly ReverseProxyRule[] | undefined;
  readonly access?: AccessSettings | undefined;
  readonly verbose?: number | undefined;
  readonly logFormat?: LogFormat | undefined;
  readonly keylog?: string | undefined;
  readonly dangerouslyLogOscore?: string | undefined;
  readonly write?: string | undefined;
  readonly writeLimit?: number | undefined;
  readonly traffic?: number | 'off' | undefined;
  readonly dangerouslyTrafficKeys?: boolean | undefined;
  readonly workers?: number | undefined;
  readonly demo?: boolean | undefined;
  readonly dangerouslyAllowPlainWrites?: boolean | undefined;
  readonly dangerouslyUnlimitedAmplification?: boolean | undefined;
}

/** Makes the schema of a file, which gives what the file says. */
export function configSchema(surroundings: ConfigSurroundings): z.ZodType<ConfiguredOptions> {
  return sections(surroundings).transform(
    (file): ConfiguredOptions => ({
      data: file.data,
      masterKey: file.masterKey,
      ...file.endpoints,
      cert: file.credentials?.certificate,
      privateKey: file.credentials?.privateKey,
      passphraseFile: file.credentials?.passphraseFile,
      ca: file.credentials?.authorities,
      ems: file.credentials?.extendedMasterSecret,
      psk: file.psk?.keys,
      pskFile: file.psk?.file,
      pskHint: file.psk?.hint,
      serial: file.serial?.lines,
      serialCredentials: file.serial?.credentials,
      serialMtu: file.serial?.mtu,
      proxy: file.proxy?.targets,
      proxyNetwork: file.proxy?.networks,
      proxyCredentials: file.proxy?.credentials,
      dangerouslyOpenProxy: file.proxy?.dangerouslyOpen,
      proxyCache: file.proxy?.cache,
      reverseProxy: file.reverseProxy,
      access: file.access,
      httpTokens: file.http?.tokens,
      httpTls: file.http?.tls,
      httpCors: file.http?.cors,
      httpName: file.http?.names,
      console: file.http?.console === undefined ? undefined : file.http.console ? 'on' : 'off',
      httpTemplate: file.http?.templates,
      trustedProxy: file.http?.trustedProxies,
      ...file.mqtt,
      ...file.shared,
      ...file.sleepy,
      ...file.limits,
      verbose: file.log?.verbosity,
      logFormat: file.log?.format,
      keylog: file.log?.keylog,
      dangerouslyLogOscore: file.log?.dangerouslyOscore,
      write: file.traffic?.write,
      writeLimit: file.traffic?.writeLimit,
      traffic: file.traffic?.keep,
      dangerouslyTrafficKeys: file.traffic?.dangerouslyKeys,
      workers: file.workers,
      demo: file.demo,
      dangerouslyAllowPlainWrites: file.dangerouslyAllowPlainWrites,
      dangerouslyUnlimitedAmplification: file.dangerouslyUnlimitedAmplification,
    }),
  );
}

/** The keys as they stand in a file. */
function sections(surroundings: ConfigSurroundings) {
  const path = text('a path').min(1, 'expected a path').transform(surroundings.resolvePath);
  return keys({
    $schema: text('the address of the JSON Schema')
      .describe('For editors: where the JSON Schema of this file is, such as ./coapsule.schema.json.')
      .optional(),
    data: path.describe('Folder where readings, devices and keys are kept.').optional(),
    masterKey: path
      .describe('File with the key that opens the secrets of the store (docs/secrets.md).')
      .optional(),
    endpoints: keys({
      coap: endpoint('Plain endpoint.'),
      coaps: endpoint('Secured endpoint (DTLS).'),
      multicast: z
        .union([z.boolean(), z.array(z.string().min(1))], {
          error: 'expected true, false or names of interfaces',
        })
        .transform((value): true | readonly string[] =>
          value === true ? value : value === false ? ['off'] : value,
        )
        .describe(
          'Joins the groups of all CoAP nodes with the plain endpoint: on all interfaces, or on those that are named.',
        )
        .optional(),
      tcp: endpoint('Plain endpoint over TCP (coap+tcp), usual port 5683.'),
      tls: endpoint('Secured endpoint over TCP (coaps+tcp), usual port 5684.'),
      ws: endpoint('Plain endpoint over WebSocket (coap+ws), usual port 80.'),
      wss: endpoint('Secured endpoint over WebSocket (coaps+ws); needs credentials.certificate.'),
      http: endpoint(
        'HTTP: the console, own resources at /coap/…, other servers at /hc/coap://…; a port alone is on this machine alone.',
        localPort,
      ),
      metrics: endpoint(
        'Metrics, health and readiness alone, over HTTP; a port alone is on this machine alone.',
        localPort,
      ),
    })
      .describe('Where the gateway listens: [HOST:]PORT, a port alone, or off.')
      .optional(),
    credentials: keys({
      certificate: path
        .describe('File with the certificate of the gateway, and with those that certify it.')
        .optional(),
      privateKey: path
        .describe('File with its key; without a certificate, the raw public key of the gateway.')
        .optional(),
      passphraseFile: path.describe('File with the passphrase of an encrypted private key.').optional(),
      authorities: path
        .describe('File with the authorities of device certificates; clients then have to prove themselves.')
        .optional(),
      extendedMasterSecret: yesOrNo('False: also take devices without extended master secret (RFC 7627).'),
    })
      .describe('What the gateway proves itself with, and whose certificates it takes.')
      .optional(),
    psk: keys({
      keys: z
        .array(pskEntry(surroundings), { error: 'expected a list of identities with their keys' })
        .superRefine((entries, context) => {
          for (const [index, { identity }] of entries.entries()) {
            if (entries.findIndex((other) => other.identity === identity) === index) continue;
            context.addIssue({
              code: 'custom',
              message: `is "${identity}" a second time; give each identity one key`,
              path: [index, 'identity'],
            });
          }
        })
        .describe('More devices than those of the store.')
        .optional(),
      file: path.describe('File with more devices, as lines ID:KEY.').optional(),
      hint: soundText('text', hintProblem).describe('PSK identity hint for clients.').optional(),
    })
      .describe('Pre-shared keys besides those of the devices in the store.')
      .optional(),
    serial: keys({
      lines: z
        .array(serialLine(), { error: 'expected a list of lines' })
        .describe('Serial lines, whose devices are asked at /serial/NAME/…')
        .optional(),
      credentials: path
        .describe('File with what to prove oneself with to devices on lines that wait to be connected to.')
        .optional(),
      mtu: whole(...optionBounds.serialMtu)
        .describe('Largest packet on serial lines, in bytes.')
        .optional(),
    })
      .describe('Serial lines.')
      .optional(),
    proxy: keys({
      targets: texts('URIs such as coap://*.sensors.example')
        .describe('Be a forward-proxy for devices, for these servers; a * stands for parts of a name.')
        .optional(),
      networks: texts('networks such as 10.1.0.0/16')
        .describe('Networks that these servers may be in although they are not public.')
        .optional(),
      credentials: path
        .describe('File with what to prove oneself with to coaps and HTTP servers of both proxies.')
        .optional(),
      dangerouslyOpen: yesOrNo('Everyone may use the proxy, over plain coap too.'),
      cache: z
        .union([z.literal('off'), z.literal(false), size()], { error: 'expected a size such as 64M, or off' })
        .transform((value): number | 'off' => (value === false ? 'off' : value))
        .describe('What each proxy keeps of answers of CoAP servers; 16M without it.')
        .optional(),
    })
      .describe('The forward-proxy.')
      .optional(),
    reverseProxy: z
      .array(reverseProxyRule(surroundings), { error: 'expected a list of paths with their servers' })
      .describe('Other servers that are asked for what is below a path.')
      .optional(),
    sleepy: sleepySection()
      .describe(
        'Devices that sleep: what they told last is answered for them, and commands wait (docs/proxies.md).',
      )
      .optional(),
    access: accessSection()
      .describe('Who may do what, besides what the devices in the store may.')
      .optional(),
    http: keys({
      tokens: path
        .describe('File with who may do more by HTTP than everyone, as lines NAME TOKEN METHOD:PATH….')
        .optional(),
      tls: yesOrNo('TLS for HTTP, with the certificate and key of the gateway.'),
      console: yesOrNo('The console in the browser at /console/; it is there unless this says no.'),
      cors: texts('origins such as https://panel.example')
        .describe('Origins whose pages may read answers; "*": any; none without it.')
        .optional(),
      names: texts('names such as gateway.example')
        .describe(
          'Names that the endpoint is asked by, besides localhost, its address and those of its certificate.',
        )
        .optional(),
      templates: texts('templates such as "?target_uri={+tu}"')
        .describe('Other forms of requests for other servers behind /hc/ (RFC 8075 §5.4).')
        .optional(),
      trustedProxies: soundTexts('addresses such as 127.0.0.1 or 10.1.0.0/16', (given) => {
        const network = parseProxyNetwork(given);
        return typeof network === 'string' ? network : undefined;
      })
        .describe('Servers in front of the endpoint, whose X-Forwarded-For and X-Forwarded-Proto count.')
        .optional(),
    })
      .describe('The HTTP endpoint, where endpoints.http turns it on.')
      .optional(),
    mqtt: mqttSection(path)
      .describe('The message broker that readings and states go to, and commands come from.')
      .optional(),
    shared: sharedSection(path)
      .describe('Other gateways that devices, directory and readings are shared with, over a Redis server.')
      .optional(),
    limits: limitsSection()
      .describe('How much is kept of what devices send, and when they are turned away.')
      .optional(),
    log: keys({
      verbosity: whole(...optionBounds.verbose)
        .describe('0 warnings; 1 requests too; 2 messages and handshakes; 3 bytes.')
        .optional(),
      keylog: path.describe('File to add secrets for Wireshark to (debugging only).').optional(),
      dangerouslyOscore: path
        .describe(
          'File to add the Master Secrets of OSCORE contexts to, for Wireshark: who reads it can forge, too.',
        )
        .optional(),
      format: z
        .enum(logFormats, 'expected text or json')
        .describe('Lines for people, or JSON for programs.')
        .optional(),
    })
      .describe('What is told on standard error, and what is written for debugging.')
      .optional(),
    traffic: keys({
      write: path.describe('File for a capture of all datagrams (debugging only).').optional(),
      writeLimit: atLeast64K().describe('What it and the one before it may take; 64M without it.').optional(),
      keep: z
        .union([z.literal('off'), z.literal(false), atLeast64K()], {
          error: 'expected a size such as 16M, or off',
        })
        .transform((value): number | 'off' => (value === false ? 'off' : value))
        .describe('Memory for the last datagrams, for GET /api/traffic; off without it.')
        .optional(),
      dangerouslyKeys: yesOrNo('The keys of DTLS are kept with them: who gets them can read all traffic.'),
    })
      .describe('What is kept of the datagrams that pass.')
      .optional(),
    workers: whole(...optionBounds.workers)
      .describe('Threads that share the ports for coap and coaps: one for each core, to use them all.')
      .optional(),
    demo: yesOrNo('Demo resources and published demo keys.'),
    dangerouslyAllowPlainWrites: yesOrNo('Everyone may store and read readings over plain coap.'),
    dangerouslyUnlimitedAmplification: yesOrNo(
      'Answer addresses over plain coap at any length before they have proved themselves.',
    ),
  });
}

function atLeast64K() {
  return size().refine((bytes) => bytes >= 65_536, 'expected 64K or more');
}

const endpointWanted = 'expected [HOST:]PORT such as "[::1]:5683", a port from 0 to 65535, or off';

function endpoint(description: string, written: (text: string) => string = (text) => text) {
  return z
    .union([z.string(), z.int().min(0, endpointWanted).max(65_535, endpointWanted), z.literal(false)], {
      error: endpointWanted,
    })
    .transform((value, context): EndpointAddress | 'off' => {
      const address = parseEndpoint(value === false ? 'off' : written(String(value)));
      return typeof address === 'object' && 'problem' in address
        ? refused(context, address.problem)
        : address;
    })
    .describe(description)
    .optional();
}

/** Where a secret may be instead of in the file. */
const keySources = ['key', 'keyFile', 'keyEnvironment'] as const;

function pskEntry({ resolvePath, readSecret, variables, keyOf }: ConfigSurroundings) {
  return keys({
    identity: text('an identity').describe('Identity of the device; "*" takes any.'),
    key: text('a key').describe('The key: text, or 0x and hexadecimal digits.').optional(),
    keyFile: text('a path').describe('File with the key.').optional(),
    keyEnvironment: text('a name').describe('Environment variable with the key.').optional(),
  }).transform((entry, context): PskEntry => {
    const { identity, key, keyFile, keyEnvironment } = entry;
    const given = keySources.filter((source) => entry[source] !== undefined);
    if (given.length !== 1) return refused(context, `expected one of ${keySources.join(', ')}`);
    let secret = key ?? '';
    if (keyFile !== undefined) {
      try {
        secret = readSecret(resolvePath(keyFile)).replace(/\r?\n$/, '');
      } catch (error) {
        return refused(context, `cannot be read: ${(error as Error).message}`, ['keyFile']);
      }
    } else if (keyEnvironment !== undefined) {
      const found = variables[keyEnvironment];
      if (found === undefined)
        return refused(context, 'names a variable that is not set', ['keyEnvironment']);
      secret = found;
    }
    const problem = pskIdentityProblem(identity);
    if (problem !== undefined) return refused(context, `cannot be: ${problem}`, ['identity']);
    try {
      return { identity, key: keyOf(secret) };
    } catch {
      return refused(context, 'has an empty key, or other than pairs of hexadecimal digits after 0x', given);
    }
  });
}

function serialLine() {
  return keys({
    device: text('a device such as ttyUSB0 or COM3')
      .min(1, 'expected a device such as ttyUSB0 or COM3')
      .describe('Name (ttyUSB0, COM3) or path of the device.'),
    baud: z
      .int('expected a baud rate such as 115200')
      .min(1, 'expected a baud rate such as 115200')
      .describe('Baud rate; 115200 unless said otherwise.')
      .optional(),
    security: z
      .enum(['secured', 'plain'], 'expected secured or plain')
      .describe('Whether DTLS secures it; it does, unless said otherwise, when there are credentials.')
      .optional(),
    framing: z
      .enum(['slipmux', 'slip', 'raw'], 'expected slipmux, slip or raw')
      .describe('How packets are put on the line; slipmux unless said otherwise.')
      .optional(),
  }).transform(({ device, baud, security, framing }, context): SerialLineOption => {
    if (device.includes(',')) return refused(context, 'has a comma', ['device']);
    const line = parseSerialLine([device, baud ?? '', security ?? '', framing ?? ''].join(','));
    return 'problem' in line ? refused(context, line.problem) : line;
  });
}

function reverseProxyRule({ resolvePath }: ConfigSurroundings) {
  return keys({
    path: text('a path such as /cloud').describe('Path of the gateway: everything below it is asked for.'),
    uri: text('a URI such as coap://cloud.example/api').describe('The server, and the path there.'),
    oscore: text('a path')
      .describe("File or folder with the gateway's end of an OSCORE context (RFC 8613).")
      .optional(),
    cache: yesOrNo('False: nothing is kept of its answers.'),
  }).transform(({ path, uri, oscore, cache }, context): ReverseProxyRule => {
    const problem = reverseProxyProblem(path, uri);
    if (problem !== undefined) return refused(context, problem);
    return {
      ...{ path, uri, oscore: oscore === undefined ? undefined : resolvePath(oscore) },
      ...(cache === false && { cache: 'off' as const }),
    };
  });
}
