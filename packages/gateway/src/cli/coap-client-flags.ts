/**
 * A command line of libcoap's coap-client, with the flags of `coap-client-flag-table.ts`, and what it asks for.
 *
 * Like coap-client, some values that cannot be used are only warned about; the request is sent without them.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { OptionNumber } from 'coapsule/message';
import { percentDecoded } from '../text/percent-encoding.ts';
import { coapClientFlags } from './coap-client-flag-table.ts';
import { type GivenFlag, getopt } from './getopt.ts';
import type { KeptOscore } from './kept-oscore.ts';
import { hexBytes, type MessageOption } from './option-values.ts';

/** Letters in the form of getopt(3). */
const letters = coapClientFlags
  .map(({ letter, value }) => (value === undefined ? letter : `${letter}:`))
  .join('');

const refusedFlags: ReadonlyMap<string, string> = new Map(
  coapClientFlags.flatMap(({ letter, refused }) => (refused === undefined ? [] : [[letter, refused]])),
);

/** libcoap keeps so much of a token. */
const maxTokenLength = 24;

/** What a coap-client command line asks for. */
export interface CoapClientRequest {
  readonly uri: string;
  /** Lower case, as given; one that there is not is answered as a server would. */
  readonly method: string;
  readonly confirmable: boolean;
  readonly payload: PayloadFlag | undefined;
  readonly contentFormat: number | undefined;
  readonly accept: number | undefined;
  readonly options: readonly MessageOption[];
  readonly token: Uint8Array | undefined;
  readonly blockSize: number | undefined;
  /** Bodies in Q-Blocks where the server speaks them. */
  readonly qBlock: boolean;
  /** Block number of `-b num,size`: that block only. */
  readonly blockNumber: number | undefined;
  readonly observeSeconds: number | undefined;
  readonly waitSeconds: number | undefined;
  readonly repeatCount: number;
  readonly output: string | undefined;
  readonly appendLineFeed: boolean;
  readonly key: Uint8Array | undefined;
  readonly identity: string | undefined;
  readonly hints: readonly HintEntry[];
  /** Files: certificate chain, its key, the authority, further authorities (or a folder of them), raw key pair. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly caFile: string | undefined;
  readonly rootsFile: string | undefined;
  readonly rpkFile: string | undefined;
  /** `-E`: the end of an OSCORE context, and the file with its sequence number. */
  readonly oscore: KeptOscore | undefined;
  /** `-n`: the server is not verified. */
  readonly skipVerification: boolean;
  /** `-P`: scheme, host and port of a forward-proxy. */
  readonly proxy: string | undefined;
  /** `-S`: it is told the target by Proxy-Scheme. */
  readonly proxyScheme: boolean;
  readonly bindHost: string | undefined;
  readonly bindPort: number | undefined;
  /** `-r`: over TCP or TLS, where the URI names no transport. */
  readonly reliable: boolean;
  /** `-X`: largest message over streams, in bytes. */
  readonly maxMessageSize: number | undefined;
  /** `-K`: a ping after so long without a message. */
  readonly keepAliveSeconds: number | undefined;
  /** Share of datagrams lost, 0 … 1. */
  readonly loss: number | undefined;
  /** libcoap's log level. */
  readonly logLevel: number;
  readonly hidePayloadInLog: boolean;
  /** What coap-client warns about and goes on. */
  readonly warnings: readonly string[];
}

/** `-e` or `-f`, the last one wins. */
type PayloadFlag =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly path: string };

/** One line of a `-h` file: with this hint use that identity and key. */
interface HintEntry {
  readonly hint: string;
  readonly identity: string;
  readonly key: Uint8Array;
}

/** A command line that cannot be run. */
export interface RefusedRequest {
  readonly refused: string;
  /** Whether coap-client would print its usage. */
  readonly showUsage: boolean;
}

/** Reads a coap-client command line; reads the file of `-h`, no others. */
export function parseCoapClientFlags(args: readonly string[]): CoapClientRequest | RefusedRequest {
  const parsed = getopt(args, letters);
  if (parsed.kind === 'refused') return { refused: parsed.reason, showUsage: true };
  const request = new RequestBuilder();
  for (const flag of parsed.flags) {
    const refused = request.apply(flag);
    if (refused !== undefined) return refused;
  }
  const uri = parsed.operands[0];
  return uri === undefined ? { refused: 'a URI is missing', showUsage: true } : request.build(uri);
}

class RequestBuilder {
  #method = 'get';
  #confirmable = true;
  #payload: PayloadFlag | undefined;
  #contentFormat: number | undefined;
  #accept: number | undefined;
  readonly #options: MessageOption[] = [];
  #token: Uint8Array | undefined;
  #blockSize: number | undefined;
  #qBlock = false;
  #blockNumber: number | undefined;
  #observeSeconds: number | undefined;
  #waitSeconds: number | undefined;
  #repeatCount = 1;
  #output: string | undefined;
  #appendLineFeed = false;
  #key: Uint8Array | undefined;
  #identity: string | undefined;
  readonly #hints: HintEntry[] = [];
  #certFile: string | undefined;
  #keyFile: string | undefined;
  #caFile: string | undefined;
  #rootsFile: string | undefined;
  #rpkFile: string | undefined;
  #oscore: KeptOscore | undefined;
  #skipVerification = false;
  #proxy: string | undefined;
  #proxyScheme = false;
  #bindHost: string | undefined;
  #bindPort: number | undefined;
  #reliable = false;
  #maxMessageSize: number | undefined;
  #keepAliveSeconds: number | undefined;
  #loss: number | undefined;
  #logLevel = 4;
  #hidePayloadInLog = false;
  readonly #warnings: string[] = [];

  build(uri: string): CoapClientRequest {
    return {
      uri,
      method: this.#method,
      confirmable: this.#confirmable,
      payload: this.#payload,
      contentFormat: this.#contentFormat,
      accept: this.#accept,
      options: this.#options,
      token: this.#token,
      blockSize: this.#blockSize,
      qBlock: this.#qBlock,
      blockNumber: this.#blockNumber,
      observeSeconds: this.#observeSeconds,
      waitSeconds: this.#waitSeconds,
      repeatCount: this.#repeatCount,
      output: this.#output,
      appendLineFeed: this.#appendLineFeed,
      key: this.#key,
      identity: this.#identity,
      hints: this.#hints,
      certFile: this.#certFile,
      keyFile: this.#keyFile,
      caFile: this.#caFile,
      rootsFile: this.#rootsFile,
      rpkFile: this.#rpkFile,
      oscore: this.#oscore,
      skipVerification: this.#skipVerification,
      proxy: this.#proxy,
      proxyScheme: this.#proxyScheme,
      bindHost: this.#bindHost,
      bindPort: this.#bindPort,
      reliable: this.#reliable,
      maxMessageSize: this.#maxMessageSize,
      keepAliveSeconds: this.#keepAliveSeconds,
      loss: this.#loss,
      logLevel: this.#logLevel,
      hidePayloadInLog: this.#hidePayloadInLog,
      warnings: this.#warnings,
    };
  }

  apply({ letter, value }: GivenFlag): RefusedRequest | undefined {
    const refused = (reason: string): RefusedRequest => ({
      refused: `-${letter}: ${reason}`,
      showUsage: false,
    });
    const reason = refusedFlags.get(letter);
    if (reason !== undefined) return refused(reason);
    if ('cjCRM'.includes(letter) && value.startsWith('pkcs11:'))
      return refused('PKCS #11 is not there: keys and certificates come from files');
    switch (letter) {
      case 'a':
        this.#bindHost = value;
        return;
      case 'P':
        this.#proxy = value;
        return;
      case 'S':
        this.#proxyScheme = true;
        return;
      case 'p':
        this.#bindPort = Math.max(0, integer(value));
        return this.#bindPort > 65535 ? refused(`${value} is not a port`) : undefined;
      case 'b': {
        const [size = '', number] = value.split(',').reverse();
        const bytes = integer(size);
        if (bytes < 16) return refused('block sizes are 16, 32, 64, 128, 256, 512 and 1024');
        // As coap-client: the next one below.
        this.#blockSize = Math.min(1024, 2 ** Math.floor(Math.log2(bytes)));
        if (number !== undefined && integer(number) > 0) this.#blockNumber = integer(number);
        return;
      }
      case 'd':
        return integer(value) === 0
          ? undefined
          : refused('another port every few packets is a test aid that is not there; -d 0 is taken');
      case 'e': {
        const bytes = percentDecoded(value);
        // coap-client sends the request without payload then.
        if (bytes === undefined) this.#warnings.push('-e: "%" is not followed by two hexadecimal digits');
        this.#payload = bytes === undefined ? undefined : { kind: 'bytes', bytes };
        return;
      }
      case 'E': {
        const [, path = '', sequenceFile = ''] = /^([^,]*)(?:,(.*))?$/s.exec(value) ?? [];
        if (path === '') return refused('expected FILE or FILE,SEQ_FILE');
        this.#oscore = { path, ...(sequenceFile !== '' && { sequenceFile }) };
        return;
      }
      case 'f':
      case 'g':
        this.#payload = { kind: 'file', path: value };
        return;
      case 'h': {
        const hints = readHints(value);
        if (hints === undefined)
          return {
            refused: `Hint file: ${value}: Unable to open, or without a line hint,user,key`,
            showUsage: true,
          };
        this.#hints.push(...hints);
        return;
      }
      case 'k':
        if (value === '') return refused('Invalid pre-shared key specified');
        this.#key = keyOf(value).subarray(0, 64);
        return;
      case 'u':
        this.#identity = value;
        return;
      case 'c':
        this.#certFile = value;
        return;
      case 'j':
        this.#keyFile = value;
        return;
      case 'C':
        this.#caFile = value;
        return;
      case 'R':
        this.#rootsFile = value;
        return;
      case 'M':
        this.#rpkFile = value;
        return;
      case 'n':
        this.#skipVerification = true;
        return;
      case 'l': {
        const percent = /^(\d+(?:\.\d+)?)%$/.exec(value);
        if (percent === null) return refused('only a percentage is there (-l 10%), not a list of datagrams');
        this.#loss = Math.min(100, Number(percent[1])) / 100;
        return;
      }
      case 'm':
        this.#method = value.toLowerCase();
        return;
      case 'N':
        this.#confirmable = false;
        return;
      case 'o':
        this.#output = value;
        return;
      case 's':
        this.#observeSeconds = Math.max(0, integer(value));
        return;
      case 't':
      case 'A': {
        const format = contentFormatNumber(value);
        if (format === undefined) this.#warnings.push(`W: unknown content-format '${value}'`);
        else if (letter === 't') this.#contentFormat = format;
        else this.#accept = format;
        return;
      }
      case 'v':
        this.#logLevel = integer(value);
        return;
      case 'w':
        this.#appendLineFeed = true;
        return;
      case 'x':
        this.#hidePayloadInLog = true;
        return;
      case 'B':
        this.#waitSeconds = Math.max(0, integer(value));
        return;
      case 'G': {
        const count = integer(value);
        if (count < 1 || count > 255) this.#warnings.push("'-G count' has to be > 0 and < 256");
        else this.#repeatCount = count;
        return;
      }
      case 'H': {
        const limit = integer(value);
        if (limit < 1 || limit > 255) this.#warnings.push('Hop Limit has to be > 0 and < 256');
        else this.#options.push({ number: OptionNumber.HopLimit, value: Uint8Array.of(limit) });
        return;
      }
      case 'L':
        // Block-wise transfer is always done here; of the flags beside it, 4 tries Q-Block (RFC 9177).
        this.#qBlock = (integer(value) & 4) !== 0;
        return (integer(value) & 1) === 0
          ? refused('Block mode must include COAP_BLOCK_USE_LIBCOAP (1)')
          : undefined;
      case 'O': {
        const option = messageOption(value);
        if (option === undefined) return refused(`'${value}' is not num,text`);
        this.#options.push(option);
        return;
      }
      case 'r':
        this.#reliable = true;
        return;
      case 'X':
        if (!(integer(value) > 0)) return refused(`${value} is not a size in bytes`);
        this.#maxMessageSize = integer(value);
        return;
      case 'K':
        if (integer(value) > 0) this.#keepAliveSeconds = integer(value);
        return;
      case 'T':
        // Text, not hex.
        this.#token = new TextEncoder().encode(value).subarray(0, maxTokenLength);
        return;
      // Nothing to do: y (no session is kept open), U (Uri-Host is sent for
      // names only, and coap-client's server is then the one that was resolved), V and J (no TLS library, no token), 3 (test aid).
      case 'y':
      case 'U':
      case 'V':
      case 'J':
      case '3':
        return;
      default:
        return refused('it is not known');
    }
  }
}

/** As atoi(3): leading digits, else 0. */
function integer(text: string): number {
  const value = Number.parseInt(text, 10);
  return Number.isNaN(value) ? 0 : value;
}

/** `0x` and hex from four characters on, else text, as coap-client has it. */
function keyOf(text: string): Uint8Array {
  const hex = text.length >= 4 && text.startsWith('0x') ? leadingHex(text.slice(2)) : undefined;
  return hex ?? new TextEncoder().encode(text);
}

/** Pairs of hexadecimal digits up to the first character that is none. */
function leadingHex(text: string): Uint8Array {
  const digits = /^(?:[0-9a-fA-F]{2})*/.exec(text)![0];
  return hexBytes(digits) ?? new Uint8Array(0);
}

function messageOption(text: string): MessageOption | undefined {
  const parts = /^(\d+)(?:,(.*))?$/s.exec(text);
  if (parts === null || Number(parts[1]) > 65535) return undefined;
  const value = parts[2] ?? '';
  return { number: Number(parts[1]), value: value.startsWith('0x') ? leadingHex(value.slice(2)) : value };
}

/** The media types that coap-client knows, in its order: a beginning of one is enough. */
const mediaTypes: readonly (readonly [name: string, number: number])[] = [
  ['plain', 0],
  ['text/plain', 0],
  ['link', 40],
  ['link-format', 40],
  ['application/link-format', 40],
  ['xml', 41],
  ['application/xml', 41],
  ['binary', 42],
  ['octet-stream', 42],
  ['application/octet-stream', 42],
  ['exi', 47],
  ['application/exi', 47],
  ['json', 50],
  ['application/json', 50],
  ['cbor', 60],
  ['application/cbor', 60],
];

function contentFormatNumber(text: string): number | undefined {
  if (/^\d/.test(text)) return integer(text) & 0xffff;
  return mediaTypes.find(([name]) => name.startsWith(text))?.[1];
}

function readHints(path: string): HintEntry[] | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const entries: HintEntry[] = [];
  for (const line of text.split('\n')) {
    const parts = /^([^#,][^,]*|),([^,]*),(.+)$/.exec(line);
    if (parts !== null)
      entries.push({ hint: parts[1]!, identity: parts[2]!, key: new TextEncoder().encode(parts[3]!) });
  }
  return entries.length === 0 ? undefined : entries;
}
