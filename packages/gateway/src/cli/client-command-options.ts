/**
 * The options that the client verbs share, as they stand on the command line.
 *
 * @module
 */

import type { CipherSuiteName, ClientOptions, ResponseClass } from 'coapsule';
import type { SenmlRecord } from 'coapsule/senml';
import { type Command, Option } from 'commander';
import { repeatedSuite } from './cipher-suite-option.ts';
import { CommandFailure } from './command-failure.ts';
import type { CredentialFiles } from './credential-files.ts';
import { ExitCode } from './exit-code.ts';
import {
  blockSizeValue,
  commandWordsValue,
  contentFormatValue,
  keyValue,
  type MessageOption,
  payloadHexValue,
  percentValue,
  repeatedMessageOption,
  repeatedSenmlRecord,
  responseClassesValue,
  secondsValue,
  tokenValue,
  wholeNumber,
} from './option-values.ts';

/** Options that every client verb takes. */
export interface ClientCommandOptions extends CredentialFiles {
  readonly identity?: string;
  readonly key?: Uint8Array;
  readonly pskFile?: string;
  readonly credentials?: string;
  /** A file or folder with one end of a Security Context. */
  readonly oscore?: string;
  readonly insecure?: true;
  /** Length of the own connection id; `true` is the default one, `false` none. */
  readonly cid?: number | boolean;
  readonly timeout?: number;
  /** 0 … 1 */
  readonly loss?: number;
  readonly sni?: string;
  /** URI of the forward-proxy that is asked instead of the server. */
  readonly proxy?: string;
  readonly suite?: readonly CipherSuiteName[];
  /** False with `--no-ems`: peers without extended master secret are taken too. */
  readonly ems?: boolean;
  readonly mtu?: number;
  /** How packets are put on a serial line. */
  readonly framing?: NonNullable<ClientOptions['serial']>['framing'];
  /** Where requests to a multicast group leave. */
  readonly interface?: string;
  /** How many links they may cross. */
  readonly hops?: number;
  readonly session?: string;
  readonly sessionKey?: string;
  readonly keylog?: string;
  readonly dangerouslyLogOscore?: string;
  readonly write?: string;
  readonly json?: boolean;
  /** How often `-v` was given. */
  readonly verbose?: number;
}

/** Options of the verbs that make a request. */
export interface RequestCommandOptions extends ClientCommandOptions {
  readonly non?: boolean;
  readonly payload?: string;
  readonly file?: string;
  readonly payloadHex?: Uint8Array;
  /** CBOR in diagnostic notation. */
  readonly cborDiag?: string;
  /** The payload is JSON, and is sent as CBOR. */
  readonly jsonAsCbor?: true;
  readonly senml?: readonly SenmlRecord[];
  readonly contentFormat?: number | string;
  readonly accept?: number | string;
  readonly option?: readonly MessageOption[];
  readonly token?: Uint8Array;
  /** Responses that are not wanted. */
  readonly suppress?: 'all' | readonly ResponseClass[];
  readonly blockSize?: number;
  readonly qBlock?: boolean;
  readonly seconds?: number;
  /** Program and arguments that run for each notification. */
  readonly observeExec?: readonly string[];
  readonly output?: string;
  /** Whether payloads are written for people; otherwise on a terminal they are. */
  readonly prettyPrint?: boolean;
}

/** Adds the options of requests. `withObserve`: also `-s`. */
export function addRequestOptions(command: Command, withObserve: boolean): Command {
  command
    .option('-N, --non', 'send the request Non-confirmable')
    .option('-e, --payload <text>', 'request payload; diagnostic notation with a content format of CBOR')
    .option('-f, --file <file>', 'request payload from a file, - for standard input')
    .option('--payload-hex <digits>', 'request payload as hexadecimal digits', payloadHexValue)
    .option(
      '--cbor-diag <text>',
      'request payload in CBOR, as diagnostic notation (RFC 8949 section 8); -t is application/cbor by default',
    )
    .option('--json-as-cbor', 'send the JSON of -e or -f as CBOR; -t is application/cbor by default')
    .option(
      '--senml <name=value>',
      'a reading, such as "temp=22.5 Cel"; repeatable; -t is application/senml+json by default',
      repeatedSenmlRecord,
    )
    .option(
      '-t, --content-format <format>',
      'content format of the payload: number or name',
      contentFormatValue,
    )
    .option('-A, --accept <format>', 'content format that is wanted: number or name', contentFormatValue)
    .option(
      '-O, --option <num,value>',
      'one more option; value is text or 0x and hex; repeatable',
      repeatedMessageOption,
    )
    .option('-T, --token <hex>', 'token, up to 8 bytes', tokenValue)
    .option(
      '--suppress <classes>',
      'responses that are not wanted (No-Response, RFC 7967): all, or classes such as 2 or 2,4',
      responseClassesValue,
    )
    .option('-b, --block-size <n>', 'block size: 16, 32, … 1024', blockSizeValue)
    .option('--q-block', 'bodies in sets of blocks where the server speaks Q-Block (RFC 9177), best with -N');
  if (withObserve) {
    command
      .option('-s, --seconds <n>', 'observe for n seconds, then cancel and exit', secondsValue)
      .option(
        '--observe-exec <command>',
        'run a program for each notification, payload on its standard input, COAPSULE_CODE and others in its environment; no shell',
        commandWordsValue,
      );
  }
  command
    .option('-o, --output <file>', 'write the payload there, - for standard output')
    .option('--pretty-print', 'write payloads for people, by content format (the default on a terminal)')
    .option('--no-pretty-print', 'write payloads as they came');
  return addClientOptions(command);
}

/** Adds the options of every client verb. */
export function addClientOptions(command: Command): Command {
  addCredentialOptions(command)
    .option(
      '-B, --timeout <s>',
      'give up after s seconds (default: 120 for a handshake, 93 for a response; 8 for those of a group)',
      secondsValue,
    )
    .option('-l, --loss <percent>', 'drop that share of datagrams, both ways (test aid)', percentValue)
    .option('-P, --proxy <uri>', 'through the forward-proxy there; the credentials are for it');
  addHandshakeOptions(command)
    .option('--interface <name>', 'for a multicast group: the interface to send on, such as eth0')
    .option('--hops <n>', 'for a multicast group: hop limit, 1 by default', (text) =>
      wholeNumber(text, 1, 255),
    )
    .option(
      '--mtu <bytes>',
      'largest UDP payload to send; on a serial line largest packet, 1024 by default',
      (text) => wholeNumber(text, 64, 65507),
    )
    .addOption(
      new Option('--framing <name>', 'of packets on a serial line; raw is for programs without any').choices([
        'slipmux',
        'slip',
        'raw',
      ]),
    )
    .option('--session <file>', 'keep the association there and go on from it next time (deep sleep)')
    .option('--session-key <file>', 'what seals --session, instead of the credential')
    .option('--keylog <file>', 'append secrets for Wireshark (also: SSLKEYLOGFILE)')
    .option(
      '--dangerously-log-oscore <file>',
      'append the Master Secret of --oscore for Wireshark: who reads it can forge, too',
    )
    .option('-w, --write <file.pcapng>', 'capture with decryption secrets for Wireshark')
    .option('--json', 'one JSON object for each response on standard output')
    .option(
      '-v, --verbose',
      'message headers; -vv options and retransmissions; -vvv bytes',
      (_: string, count: number) => count + 1,
      0,
    );
  return command;
}

/** Adds the options for what a client proves itself with, and whom it trusts. */
export function addCredentialOptions(command: Command): Command {
  return command
    .option('-u, --identity <id>', 'PSK identity')
    .option('-k, --key <key>', 'PSK: text, or 0x and hex', secretKeyValue)
    .option('--psk-file <file>', 'identities and keys as lines identity:key; -u chooses among several')
    .option('-c, --cert <file>', 'X.509 certificate, with those that certify it')
    .option('-j, --private-key <file>', 'its private key, unless it is in the same file')
    .option(
      '-C, --ca <file>',
      'whom to trust: authorities, or "system" (the default with -c and no --peer-rpk)',
    )
    .option('-M, --rpk <file>', 'raw public key: the own key pair (RFC 7250)')
    .option('--peer-rpk <file>', "the server's raw public key, or its fingerprint")
    .option(
      '--oscore <file>',
      "OSCORE context: libcoap's file or aiocoap's folder; its sequence numbers are kept beside it",
    )
    .option('--passphrase-file <file>', 'for an encrypted private key')
    .option('--insecure', 'do NOT verify the server: anybody can pose as it')
    .option(
      '--credentials <file>',
      'JSON map from URI patterns to credentials (README: Credentials in a file)',
    );
}

/** Adds the options of DTLS handshakes. */
export function addHandshakeOptions(command: Command): Command {
  return command
    .option('--sni <name>', 'server name sent in the handshake')
    .option('--cid [length]', 'length of the own connection id, 0 to 20 (RFC 9146; on by default)', cidValue)
    .option('--no-cid', 'do without connection ids')
    .option('--suite <name>', 'cipher suites to offer, best first; repeatable', repeatedSuite)
    .option('--no-ems', 'accept a peer without extended master secret (RFC 7627)');
}

/** What these say, as the library takes it. */
export function handshakeOptionsOf({
  sni,
  suite,
  ems,
  cid,
}: Pick<ClientCommandOptions, 'sni' | 'suite' | 'ems' | 'cid'>): ClientOptions {
  return {
    ...(sni !== undefined && { serverName: sni }),
    ...(suite !== undefined && { suites: suite }),
    ...(ems === false && { extendedMasterSecret: 'preferred' }),
    ...(cid !== undefined && cid !== true && { connectionId: cid === false ? 'off' : cid }),
  };
}

function cidValue(text: string): number {
  return wholeNumber(text, 0, 20);
}

/** Leaves out `--cid` without a length, which says what is the default: it must not take the URI for its length. */
export function withoutBareCid(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  return args.filter(
    (argument, index) =>
      argument !== '--cid' || (end >= 0 && index > end) || /^\d/.test(args[index + 1] ?? ''),
  );
}

/** Value of `-k`. Commander's own message would repeat the key. */
export function secretKeyValue(text: string): Uint8Array {
  try {
    return keyValue(text);
  } catch (error) {
    throw new CommandFailure(
      ExitCode.Usage,
      `-k: ${(error as Error).message}`,
      'give the key as text, or as 0x and pairs of hexadecimal digits',
    );
  }
}
