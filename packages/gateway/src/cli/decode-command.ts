/**
 * `coapsule decode`: what bytes mean, out of a capture file or given as hex, layer by layer.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type CaptureContents, captureFaultText, readCapture } from '../capture/capture-reader.ts';
import { CaptureDecoder, type DecodedPacket } from '../decode/capture-decoder.ts';
import { DatagramDecoder, type DecodedPart } from '../decode/datagram-decoder.ts';
import type { DecodedField } from '../decode/decoded-field.ts';
import type { KnownSecrets } from '../decode/secrets.ts';
import { printable, printableJson } from '../text/printable.ts';
import { addSecretOptions, knownSecrets, type SecretOptions } from './capture-secrets.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { hexBytes, repeatedNumber } from './option-values.ts';
import { byteRows } from './trace-bytes.ts';

const help = `
A capture is pcap or pcapng. DTLS is read with what the capture itself holds (the secrets that "coapsule -w" puts into it), with
a key log, or with a pre-shared key where the suite has nothing else.

Exit codes: 0; 1 when the capture is damaged, what can be read is printed; 64 wrong usage.

Examples:
  coapsule decode session.pcapng
  coapsule decode wifi.pcap -k KEY --frame 17 -vv
  coapsule decode --hex "44 01 84 9e 51 55 77 e8 b2 48 69 04 54 65 73 74"`;

/** Most characters of a line about a packet: paths in it are of others, and as long as they like. */
const longestSummary = 1000;

/** Most milliseconds before and after 1970 that a date has (ECMA-262 §21.4.1.1). */
const latestDateMs = 8.64e15;

interface DecodeOptions extends SecretOptions {
  readonly hex?: Uint8Array;
  readonly frame?: readonly number[];
  readonly verbose?: number;
  readonly json?: true;
}

/** The command; `end` is given its exit code. */
export function decodeCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('decode')
    .argument('[file]', 'a capture, - for standard input')
    .description('what the bytes of captures and messages mean')
    .addOption(new Option('--hex <digits>', 'one datagram instead of a capture').argParser(hexValue));
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
  if ((file === undefined) === (options.hex === undefined)) {
    throw new CommandFailure(
      ExitCode.Usage,
      'there is nothing to decode, or too much',
      'name a capture, or give one datagram with --hex',
    );
  }
  const secrets = knownSecrets(options, environment);
  const datagrams = new DatagramDecoder(secrets, options.port);
  if (options.hex !== undefined) {
    // As if it were at a port of CoAP: whoever gives bytes says what they are.
    const { parts, summary } = datagrams.decode('hex:5683', 'hex:5683', options.hex);
    if (options.json === true)
      environment.stdout.write(`${printableJson({ summary, parts: parts.map(jsonOf) })}\n`);
    else {
      const lines = partLines(parts, (options.verbose ?? 0) > 1);
      environment.stdout.write([printable(summary, longestSummary), ...lines, ''].join('\n'));
    }
    return ExitCode.Success;
  }
  const bytes = file === '-' ? await environment.readStandardInput() : readFileSync(file!);
  return decodeCapture(readCapture(bytes), secrets, new CaptureDecoder(datagrams), options, environment);
}

function decodeCapture(
  { packets, keyLog, fault }: CaptureContents,
  secrets: KnownSecrets,
  decoder: CaptureDecoder,
  { frame: frames, verbose = 0, json }: DecodeOptions,
  { stdout, stderr }: CommandEnvironment,
): ExitCode {
  for (const line of keyLog) secrets.addLine(line);
  const start = packets[0]?.wallTimeMs ?? 0;
  for (const packet of packets) {
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
  if (fault === undefined) return ExitCode.Success;
  stderr.write(`coapsule: ${captureFaultText(fault)}\n`);
  return ExitCode.Failure;
}

function packetLine({ packet, source, destination, summary }: DecodedPacket, startMs: number): string {
  const seconds = ((packet.wallTimeMs - startMs) / 1000).toFixed(6);
  const ends = source === undefined ? '' : ` ${source} → ${destination}`;
  return printable(`${packet.frame} ${seconds}${ends} ${summary}`, longestSummary);
}

function partLines(parts: readonly DecodedPart[], withBytes: boolean): readonly string[] {
  return parts.flatMap(({ name, bytes, fields, record }) => [
    `  ${name}`,
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

function jsonOf({ name, fields, problems }: DecodedPart): object {
  return { name, fields, problems };
}

function hexValue(text: string): Uint8Array {
  const bytes = hexBytes(text.replace(/^0x/, '').replaceAll(/[\s:]+/g, ''));
  if (bytes === undefined) throw new InvalidArgumentError('Give pairs of hexadecimal digits.');
  return bytes;
}
