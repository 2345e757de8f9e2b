/**
 * The options of `coapsule tap` and `coapsule diagnose --live`, and what they come to.
 *
 * @module
 */

import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { ipAddress } from 'coapsule';
import { type LinkProfileName, linkProfileNames } from 'coapsule/message';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { KnownSecrets } from '../decode/secrets.ts';
import { type EndpointAddress, parseEndpoint } from '../server/serve-options.ts';
import type { TapKey, TapSecurity } from '../tap/dtls-relay.ts';
import { parseRule, type Rule } from '../tap/rule.ts';
import type { TapOptions } from '../tap/start-tap.ts';
import { faultText } from '../tap/tap-console.ts';
import { knownContexts } from './capture-secrets.ts';
import {
  addHandshakeOptions,
  type ClientCommandOptions,
  handshakeOptionsOf,
  secretKeyValue,
} from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { type CertificateClientOptions, readCredentialFiles } from './credential-files.ts';
import { ExitCode } from './exit-code.ts';
import { pathValue, repeatedText, secondsValue, wholeNumber } from './option-values.ts';
import { pskFromOptions, warnAboutKey } from './psk-choice.ts';
import { readPskFile } from './psk-file.ts';
import { expectOneServer, type TargetUri, targetUri } from './target-uri.ts';
import { warningsTo } from './warnings.ts';

/** Messages that wait, and those that are kept, where nobody says how many. */
const mostMessages = 1000;

/** What was given. */
export interface TapCommandOptions extends Omit<ClientCommandOptions, 'oscore'> {
  /** Files and folders of contexts, of either end. */
  readonly oscore?: readonly string[];
  readonly listen?: EndpointAddress;
  readonly to?: string;
  readonly passive?: true;
  readonly secrets?: string;
  readonly deviceCert?: string;
  readonly deviceKey?: string;
  readonly deviceCa?: string;
  readonly deviceRpk?: string;
  readonly devicePeerRpk?: string;
  readonly rule?: readonly Rule[];
  readonly pause?: true | string;
  readonly commands?: string;
  readonly diagnose?: true;
  readonly link?: LinkProfileName;
  readonly peers: number;
  readonly waiting?: number;
  readonly history?: number;
  readonly seconds?: number;
}

/** Without what opens OSCORE, which says nothing of the tap itself. */
type OwnOptions = Omit<TapCommandOptions, 'oscore'>;

/** Adds those that both commands have, and that `diagnose` has not for captures already. */
export function addTapOptions(command: Command): Command {
  command
    .option('--listen <[host:]port>', 'where devices send to; port 0 takes a free one', listenValue)
    .option('--to <uri>', 'the server: coap://HOST, coaps://HOST or coap+tcp://HOST, with its port')
    .option('-c, --cert <file>', 'X.509 certificate that the server is shown, and devices')
    .option('-j, --private-key <file>', 'its private key, unless it is in the same file')
    .option('-C, --ca <file>', 'whom to trust as the server: authorities, or "system"')
    .option('-M, --rpk <file>', 'raw public key that the server is shown, and devices (RFC 7250)')
    .option('--peer-rpk <file>', "the server's raw public key, or its fingerprint")
    .option('--device-cert <file>', 'certificate that devices are shown, instead of -c')
    .option('--device-key <file>', 'its private key, unless it is in the same file')
    .option('--device-ca <file>', 'authorities of devices that show a certificate')
    .option('--device-rpk <file>', 'raw public key that devices are shown, instead of -M')
    .option('--device-peer-rpk <file>', 'raw public key of the device, or its fingerprint')
    .option('--passphrase-file <file>', 'for encrypted private keys')
    .option('--insecure', 'do NOT verify the server: anybody can pose as it')
    .option('--passive', 'let DTLS through as it is; with a key it is read, but not changed');
  return addHandshakeOptions(command)
    .option('--peers <n>', 'devices at a time', (text) => wholeNumber(text, 1, 100_000), 1000)
    .option('--seconds <n>', 'end after n seconds', secondsValue);
}

/** Those of the tap alone. */
export function addOwnOptions(command: Command): Command {
  return command
    .option('-u, --identity <id>', 'PSK identity, with -k')
    .option('-k, --key <key>', 'PSK of devices and server: text, or 0x and hex', secretKeyValue)
    .option(
      '--psk-file <file>',
      'identities and keys of devices as lines identity:key; -u names the one for devices without',
    )
    .option(
      '--oscore <context>',
      'OSCORE context, of either end, to look inside: a file of libcoap’s form, or a folder of aiocoap’s; repeatable',
      repeatedText,
    )
    .option('--secrets <file>', 'TLS key log that opens DTLS with --passive', pathValue)
    .option('--rule <rule>', 'FILTER => ACTION (docs/tap.md); repeatable', ruleValue)
    .option('--pause [filter]', 'hold messages from the start, or those that match')
    .option(
      '--commands <file>',
      'commands from a file, - for standard input; at a terminal they can be typed',
    )
    .option('--diagnose', 'tell what is wrong as it appears')
    .addOption(
      new Option(
        '--link <link>',
        'for --diagnose: the narrowest link of the path; Ethernet without it',
      ).choices(linkProfileNames),
    )
    .option('--waiting <n>', 'messages that may wait', (text) => wholeNumber(text, 1, 100_000), mostMessages)
    .option(
      '--history <n>',
      'messages that are kept',
      (text) => wholeNumber(text, 1, 1_000_000),
      mostMessages,
    )
    .option('--keylog <file>', 'append secrets of the tap for Wireshark (also: SSLKEYLOGFILE)')
    .option('-w, --write <file.pcapng>', 'capture of both sides with decryption secrets')
    .option('--json', 'one JSON object a line')
    .option('-v, --verbose', 'options and bytes of each message', (_, before: number = 0) => before + 1);
}

/** A tap as the options want it, without what it tells. */
export async function tapOptionsOf(
  options: TapCommandOptions,
  environment: CommandEnvironment,
): Promise<{ readonly uri: TargetUri } & Omit<TapOptions, 'onEvent' | 'wallTimeMs'>> {
  const { listen, to, peers, waiting = mostMessages, history = mostMessages } = options;
  if (listen === undefined || to === undefined)
    throw new CommandFailure(
      ExitCode.Usage,
      `${listen === undefined ? '--listen' : '--to'} is missing`,
      'such as --listen 5693 --to coap://192.0.2.1',
    );
  const warn = warningsTo(environment);
  const uri = targetUri(to, environment.variables);
  expectOneServer(uri, 'the tap stands before one server');
  if (/[/?]/.test(uri.text.slice(uri.text.indexOf('://') + 3).replace(/\/$/, '')))
    throw new CommandFailure(
      ExitCode.Usage,
      '--to names a server by scheme, host and port alone',
      'leave out its path',
    );
  expectRelayed(uri);
  const server = ipAddress(await addressOf(uri.host), uri.port);
  const { oscore, ...rest } = options;
  const keys = tapKeys(rest, warn);
  const isEnd = uri.secure && options.passive !== true && hasCredentials(options, keys);
  const secrets = new KnownSecrets(keys);
  if (options.secrets !== undefined)
    for (const line of readFileSync(options.secrets, 'utf8').split('\n')) secrets.addLine(line);
  return {
    ...{ uri, listen, server, secrets },
    transport: uri.scheme === 'coap+tcp' ? 'tcp' : 'udp',
    oscore: knownContexts({ ...(oscore !== undefined && { oscore }) }, environment),
    security: isEnd ? tapSecurity(uri, rest, keys, warn) : undefined,
    ...{ mostPeers: peers, mostWaiting: waiting, mostKept: history },
  };
}

/** Says what is missing where a transport cannot be relayed. */
function expectRelayed({ scheme }: TargetUri): void {
  if (scheme === 'coap' || scheme === 'coaps' || scheme === 'coap+tcp') return;
  const reasons: Readonly<Record<string, readonly [string, string]>> = {
    'coaps+tcp': [
      'TLS is not opened by the tap',
      'tap the server over coap+tcp, or capture with tcpdump and a key log',
    ],
    'coap+ws': [
      'WebSockets are not relayed',
      'tap the server over coap+tcp, or look at it with -vvv of a client',
    ],
    'coaps+ws': [
      'WebSockets are not relayed',
      'tap the server over coap+tcp, or look at it with -vvv of a client',
    ],
  };
  const [cause, step] = reasons[scheme] ?? [
    'a serial line has one device and one gateway, and no port to stand between',
    '-w and -vvv of a client, or of coapsule serve, show what goes over it',
  ];
  throw new CommandFailure(ExitCode.Usage, `${scheme}: ${cause}`, step);
}

async function addressOf(host: string): Promise<string> {
  if (isIP(host.split('%', 1)[0] as string) !== 0) return host;
  const { address } = await lookup(host);
  return address;
}

/** The keys of devices. */
function tapKeys(options: OwnOptions, warn: (text: string) => void): readonly TapKey[] {
  const { key, identity, pskFile } = options;
  if (key === undefined && pskFile !== undefined) return readPskFile(pskFile, warn);
  if (key !== undefined && identity === undefined)
    throw new CommandFailure(ExitCode.Usage, '-k needs an identity', 'give it with -u ID');
  const psk = key === undefined && identity === undefined ? undefined : pskFromOptions(options, warn);
  if (psk === undefined) return [];
  warnAboutKey(psk, warn);
  const bytes = typeof psk.identity === 'string' ? new TextEncoder().encode(psk.identity) : psk.identity;
  return [{ identity: bytes, key: psk.key }];
}

function hasCredentials(options: OwnOptions, keys: readonly TapKey[]): boolean {
  const { cert, rpk, deviceCert, deviceRpk } = options;
  return keys.length > 0 || [cert, rpk, deviceCert, deviceRpk].some((one) => one !== undefined);
}

function tapSecurity(
  { host }: TargetUri,
  options: OwnOptions,
  keys: readonly TapKey[],
  warn: (text: string) => void,
): TapSecurity {
  const { insecure, pskFile, identity, key, passphraseFile } = options;
  const { cert, privateKey, rpk, deviceCert, deviceKey, deviceRpk, deviceCa, devicePeerRpk } = options;
  if (insecure === true) warn('THE SERVER IS NOT VERIFIED (--insecure): anybody on the way can pose as it');
  const towardsServer: CertificateClientOptions = {
    ...readCredentialFiles(options, warn),
    ...(insecure === true && { dangerouslySkipVerification: true }),
  };
  const ownCert = deviceCert ?? cert;
  const ownKey = deviceCert === undefined ? privateKey : deviceKey;
  const ownRpk = deviceRpk ?? rpk;
  const shown = readCredentialFiles(
    {
      ...(ownCert !== undefined && { cert: ownCert }),
      ...(ownKey !== undefined && { privateKey: ownKey }),
      ...(ownRpk !== undefined && { rpk: ownRpk }),
      ...(deviceCa !== undefined && { ca: deviceCa }),
      ...(devicePeerRpk !== undefined && { peerRpk: devicePeerRpk }),
      ...(passphraseFile !== undefined && { passphraseFile }),
    },
    () => {},
    {
      ...{ cert: '--device-cert', privateKey: '--device-key', rpk: '--device-rpk', ca: '--device-ca' },
      ...{ peerRpk: '--device-peer-rpk', encrypted: 'give its passphrase with --passphrase-file FILE' },
    },
  );
  if (shown.trustAnchors === 'system')
    throw new CommandFailure(
      ExitCode.Usage,
      '--device-ca system would take certificates of anybody',
      'name the authority of your devices',
    );
  const { certificate, rawPublicKey, trustAnchors, peerPublicKeys } = shown;
  const provesItself = certificate !== undefined || rawPublicKey !== undefined;
  // A key that stands for devices without one: that of -u, of several.
  const psk =
    pskFile !== undefined && key === undefined && identity === undefined
      ? undefined
      : pskFromOptions(options, warn);
  const { suites, extendedMasterSecret, connectionId, serverName } = handshakeOptionsOf(options);
  return {
    keys,
    towardsDevices: {
      ...(certificate !== undefined && { certificate }),
      ...(rawPublicKey !== undefined && { rawPublicKey }),
      ...(trustAnchors !== undefined && { clientCertificates: { trustAnchors } }),
      ...(peerPublicKeys !== undefined && {
        clientPublicKeys: new Map([['device', peerPublicKeys as string | Uint8Array]]),
      }),
      ...(provesItself &&
        trustAnchors === undefined &&
        peerPublicKeys === undefined && { clientAuthentication: 'none' as const }),
    },
    towardsServer: { ...towardsServer, ...(psk !== undefined && { psk }) },
    config: {
      ...(suites !== undefined && { suites }),
      ...(extendedMasterSecret !== undefined && { extendedMasterSecret }),
      ...(connectionId !== undefined && { connectionIdLength: connectionId }),
    },
    serverName: serverName ?? (isIP(host.split('%', 1)[0] as string) === 0 ? host : undefined),
    serverHost: host,
  };
}

function listenValue(text: string): EndpointAddress {
  const address = parseEndpoint(text);
  if (address === 'off') throw new InvalidArgumentError('Give [HOST:]PORT.');
  if ('problem' in address) throw new InvalidArgumentError(address.problem);
  return address;
}

function ruleValue(text: string, before: readonly Rule[] = []): readonly Rule[] {
  const rule = parseRule(text);
  if ('kind' in rule) throw new InvalidArgumentError(faultText(text, rule));
  return [...before, rule];
}
