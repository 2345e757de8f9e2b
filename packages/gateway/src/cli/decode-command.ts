/**
 * `coapsule decode`: what bytes mean, out of a capture file or given as hex, layer by layer.
 *
 * @module
 */

import { Command, InvalidArgumentError, Option } from 'commander';
import { type CaptureContents, captureFaultText, readCapture } from '../capture/capture-reader.ts';
import { CaptureDecoder, type DecodedPacket } from '../decode/capture-decoder.ts';
import { DatagramDecoder } from '../decode/datagram-decoder.ts';
import { decodedBytes } from '../decode/decoded-bytes.ts';
import type { DecodedField } from '../decode/decoded-field.ts';
import type { DecodedPart } from '../decode/decoded-part.ts';
import type { KnownSecrets } from '../decode/secrets.ts';
import { printable, printableJson } from '../text/printable.ts';
import { type CaptureInput, captureInput, cutText, fileInput } from './capture-input.ts';
import {
  addSecretOptions,
  knownContexts,
  knownSecrets,
  type SecretOptions,
  tellUnused,
} from './capture-secrets.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { contentFormatValue, hexBytes, repeatedNumber } from './option-values.ts';
import { ProgressLine } from './progress-line.ts';
import { byteRows } from './trace-bytes.ts';

const help = `
A capture is pcap or pcapng. DTLS is read with what the capture itself holds (the secrets that "coapsule -w" puts into it), with
a key log, or with a pre-shared key where the suite has nothing else; OSCORE with the contexts of --oscore. CoAP over TCP, TLS and
WebSocket is read too, TLS with a key log.

--hex and --base64 give one datagram; --as says that it is something else, -t that it is a payload. With -t, a file is a payload too.

Exit codes: 0 when all was read; 1 when the capture is damaged, what can be read is printed; 64 wrong usage.

Examples:
  coapsule decode session.pcapng
  coapsule decode wifi.pcap -k KEY --frame 17 -vv
  coapsule decode session.pcapng --oscore client.conf -v
  coapsule decode --hex "44 01 84 9e 51 55 77 e8 b2 48 69 04 54 65 73 74"
  coapsule decode --hex "81 a2 00 61 74 02 15" -t application/senml+cbor
  coapsule decode --hex "09 14 00" --as oscore-option`;

/** Most characters of a line about a packet: paths in it are of others, and as long as they like. */
const longestSummary = 1000;

/** Most milliseconds before and after 1970 that a date has (ECMA-262 §21.4.1.1). */
const latestDateMs = 8.64e15;

/** What bytes that are given may be. */
const forms = ['datagram', 'tcp', 'websocket', 'oscore-option'] as const;

interface DecodeOptions extends SecretOptions {
  readonly hex?: Uint8Array;
  readonly base64?: Uint8Array;
  readonly as?: (typeof forms)[number];
  readonly contentFormat?: number | string;
  readonly frame?: readonly number[];
  readonly verbose?: number;
  readonly json?: true;
}

/** The command; `end` is given its exit code. */
export function decodeCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('decode')
    .argument('[file]', 'a capture, - for standard input')
    .addOption(new Option('--hex <digits>', 'one datagram instead of a capture').argParser(hexValue))
    .addOption(new Option('--base64 <text>', 'the same in base64 or base64url').argParser(base64Value))
    .addOption(
      new Option('--as <form>', 'what the bytes of --hex or --base64 are; a datagram without it').choices(
        forms,
      ),
    )
    .addOption(
      new Option(
        '-t, --content-format <n|name>',
        'the bytes, or those of the file, are a payload of this format',
      ).argParser(contentFormatValue),
    );
  return addSecretOptions(command)
    .option(
      '--frame <n>',
      'only this packet, as Wireshark numbers them; repeatable',
      repeatedNumber(1, 2 ** 32),
    )
    .option('-v, --verbose', 'all fields; with -vv their bytes too', (_, before: number = 0) => before + 1)
    .option('--json', 'one JSON object a packet, with all fields')
    .addHelpText('after', help)
    .action(async (file: string | undefined, options: DecodeOptions) => {
      end(await decode(file, options, environment));
    });
}

async function decode(
  file: string | undefined,
  options: DecodeOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const { hex, base64, contentFormat, as: form, json = false, verbose = 0 } = options;
  const given = hex ?? base64;
  if ([file, hex, base64].filter((one) => one !== undefined).length !== 1) {
    throw new CommandFailure(
      ExitCode.Usage,
      'there is nothing to decode, or too much',
      'name one capture, or give bytes with --hex or --base64',
    );
  }
  if (form !== undefined && (given === undefined || contentFormat !== undefined)) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--as says what the bytes of --hex and --base64 are, and -t that they are a payload',
      'give one of the two, and no file with --as',
    );
  }
  const secrets = knownSecrets(options, environment);
  const contexts = knownContexts(options, environment);
  if (given !== undefined || contentFormat !== undefined) {
    const bytes = given ?? (await payloadOf(file!, environment));
    const { parts, summary } = decodedBytes(
      bytes,
      contentFormat ?? form ?? 'datagram',
      new DatagramDecoder(secrets, options.port, contexts),
    );
    if (json) environment.stdout.write(`${printableJson({ summary, parts: parts.map(jsonOf) })}\n`);
    else {
      const lines = partLines(parts, verbose > 1);
      environment.stdout.write([printable(summary, longestSummary), ...lines, ''].join('\n'));
    }
    tellUnused(contexts, environment);
    return ExitCode.Success;
  }
  const input = await captureInput(file!, environment);
  const decoder = new CaptureDecoder(secrets, options.port, contexts);
  const exitCode = decodeCapture(readCapture(input.bytes), secrets, decoder, input, options, environment);
  tellUnused(contexts, environment);
  if (!input.isCut) return exitCode;
  environment.stderr.write(cutText(file!, input));
  return ExitCode.Failure;
}

/** Longest payload that is read: no message has a longer one. */
const longestPayload = 64 * 1024 * 1024;

async function payloadOf(file: string, environment: CommandEnvironment): Promise<Uint8Array> {
  const { bytes, isCut } = await fileInput(file, environment, longestPayload);
  if (!isCut) return bytes;
  throw new CommandFailure(
    ExitCode.Usage,
    `${file === '-' ? 'standard input' : file} has more than 64 MiB: that is no payload of CoAP`,
    'give the payload alone',
  );
}

/** Packets between two steps of the line of progress. */
const packetsOfStep = 5000;

function decodeCapture(
  { packets, keyLog, fault }: CaptureContents,
  secrets: KnownSecrets,
  decoder: CaptureDecoder,
  { isCut }: CaptureInput,
  { frame: frames, verbose = 0, json }: DecodeOptions,
  environment: CommandEnvironment,
): ExitCode {
  const { stdout, stderr } = environment;
  for (const line of keyLog) secrets.addLine(line);
  const start = packets[0]?.wallTimeMs ?? 0;
  // Packets that are shown on the terminal show by themselves how far it came.
  const progress = stdout.isTerminal && frames === undefined ? undefined : new ProgressLine(environment);
  for (const [index, packet] of packets.entries()) {
    if (index > 0 && index % packetsOfStep === 0)
      progress?.show(`${index} of ${packets.length} packets`, index / packets.length);
    // All of them are looked at: keys of a later packet come from the ones before.
    const decoded = decoder.decode(packet);
    if (frames !== undefined && !frames.includes(packet.frame)) continue;
    if (json === true) {
      stdout.write(`${printableJson(jsonPacket(decoded))}\n`);
      continue;
    }
    const lines = [packetLine(decoded, start)];
    if (verbose > 0) lines.push(...partLines(decoded.parts, verbose > 1));
    else
      lines.push(
        ...decoded.parts.flatMap(({ problems }) => problems).map((text) => `  ! ${printable(text)}`),
      );
    stdout.write(`${lines.join('\n')}\n`);
  }
  progress?.end();
  // Where it was cut it makes no sense, of course.
  if (fault === undefined || isCut) return ExitCode.Success;
  stderr.write(`coapsule: ${captureFaultText(fault)}\n`);
  return ExitCode.Failure;
}

function packetLine({ packet, source, destination, summary }: DecodedPacket, startMs: number): string {
  const seconds = ((packet.wallTimeMs - startMs) / 1000).toFixed(6);
  const ends = source === undefined ? '' : ` ${source} → ${destination}`;
  return printable(`${packet.frame} ${seconds}${ends} ${summary}`, longestSummary);
}

function partLines(parts: readonly DecodedPart[], withBytes: boolean): readonly string[] {
  return parts.flatMap(({ name, about, bytes, fields, record }) => [
    printable(`  ${name}${about === undefined ? '' : ` (${about})`}`, 1000),
    ...fieldLines(fields, '    '),
    ...(withBytes
      ? byteRows(record === undefined ? bytes : bytes.subarray(record.offset, record.offset + record.length))
      : []),
  ]);
}

function fieldLines(fields: readonly DecodedField[], indent: string): readonly string[] {
  return fields.flatMap(({ name, value, start, end, problem, fields: inner }) => {
    const place = end - start === 1 ? `${start}` : `${start}–${end - 1}`;
    const text = value === '' ? name : `${name}: ${value}`;
    return [
      printable(`${indent}${text} [${end === start ? `${start}, empty` : place}]`, 5000),
      ...(problem === undefined ? [] : [printable(`${indent}! ${problem}`, 1000)]),
      ...(inner === undefined ? [] : fieldLines(inner, `${indent}  `)),
    ];
  });
}

function jsonPacket({ packet, parts, summary, ...about }: DecodedPacket): object {
  const { datagram: _, ...rest } = about;
  return {
    frame: packet.frame,
    time: timeText(packet.wallTimeMs),
    ...rest,
    summary,
    parts: parts.map(jsonOf),
  };
}

/** `null` for a time that is none: a file may say anything. */
function timeText(wallTimeMs: number): string | null {
  return Math.abs(wallTimeMs) <= latestDateMs ? new Date(wallTimeMs).toISOString() : null;
}

function jsonOf({ name, about, fields, problems }: DecodedPart): object {
  return { name, ...(about !== undefined && { about }), fields, problems };
}

function base64Value(text: string): Uint8Array {
  const packed = text.replaceAll(/\s+/g, '').replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  const bytes = Buffer.from(packed, 'base64');
  if (!/^[A-Za-z0-9+/]*$/.test(packed) || packed.length % 4 === 1)
    throw new InvalidArgumentError('Give base64 or base64url (RFC 4648).');
  return Uint8Array.from(bytes);
}

function hexValue(text: string): Uint8Array {
  const bytes = hexBytes(text.replace(/^0x/, '').replaceAll(/[\s:]+/g, ''));
  if (bytes === undefined) throw new InvalidArgumentError('Give pairs of hexadecimal digits.');
  return bytes;
}
