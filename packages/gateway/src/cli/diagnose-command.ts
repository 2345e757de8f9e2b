/**
 * `coapsule diagnose`: what is wrong in a capture, with the frames that show it; with `--live`, on the wire.
 *
 * @module
 */

import { type LinkProfileName, linkProfileNames, linkProfiles } from 'coapsule/message';
import { Command, Option } from 'commander';
import { captureFaultText, readCapture } from '../capture/capture-reader.ts';
import { CaptureDecoder } from '../decode/capture-decoder.ts';
import { Diagnosis } from '../diagnosis/diagnosis.ts';
import type { Finding } from '../diagnosis/finding.ts';
import { printable, printableJson } from '../text/printable.ts';
import { captureInput, cutText } from './capture-input.ts';
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
import { addGatewayOptions, type GatewayTrafficOptions, gatewayTraffic } from './gateway-traffic.ts';
import { addTapOptions, type TapCommandOptions } from './tap-options.ts';

const help = `
Looks for faults of tokens, retransmission, sizes and block-wise transfers, response codes, types of messages, handshakes and
associations, OSCORE, observers and amplification. What is in DTLS is looked into with the secrets of the capture, a key log or a
pre-shared key; without one, at what is in the clear. OSCORE is looked into with the contexts of --oscore.

With --gateway it looks at what passed a gateway that runs (coapsule serve --traffic 16M), for a token with GET:/api/traffic. With
--live it looks at what passes while it runs, between devices that send to --listen and the server of --to: a finding is told when it
appears, and its count at the end.

Exit codes: 0 when nothing was found; 1 when something was, or the capture is damaged; 64 wrong usage.

Examples:
  coapsule diagnose session.pcapng
  coapsule diagnose field.pcap --psk-file keys.psk --link 6lowpan --json
  coapsule diagnose field.pcap --oscore client.conf
  coapsule diagnose --gateway http://127.0.0.1:8080 --minutes 10 --token-file token
  coapsule diagnose --live --listen 5694 --to coaps://gateway.lan --psk-file keys.psk`;

interface DiagnoseOptions extends SecretOptions, GatewayTrafficOptions {
  readonly link?: LinkProfileName;
  readonly json?: true;
  readonly live?: true;
}

/** The command; `end` is given its exit code. */
export function diagnoseCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('diagnose')
    .argument('[file]', 'a capture, - for standard input')
    .option('--live', 'of a line in use: the command is a tap (see "coapsule tap") with --listen and --to')
    .addOption(
      new Option('--link <link>', 'the narrowest link of the path; Ethernet without it').choices(
        linkProfileNames,
      ),
    );
  return addTapOptions(addSecretOptions(addGatewayOptions(command)))
    .option('--json', 'one JSON object for each finding')
    .addHelpText('after', help)
    .action(async (file: string | undefined, options: DiagnoseOptions & TapCommandOptions) => {
      end(await (options.live === true ? live : diagnose)(file, options, environment));
    });
}

/** The key log is one to read, as for captures. */
async function live(
  file: string | undefined,
  { keylog, ...options }: DiagnoseOptions & TapCommandOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  if (file !== undefined || options.gateway !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--live looks at the wire, not at what was kept',
      'leave the capture and --gateway out',
    );
  }
  const { runTap } = await import('./tap-command.ts');
  const secrets = keylog === undefined ? {} : { secrets: keylog };
  return runTap({ ...options, ...secrets, diagnose: true }, environment, false);
}

async function diagnose(
  file: string | undefined,
  options: DiagnoseOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const { stdout, stderr } = environment;
  if ((file === undefined) === (options.gateway === undefined)) {
    throw new CommandFailure(
      ExitCode.Usage,
      'there is nothing to diagnose, or too much',
      'name one capture, a gateway that runs with --gateway URL, or a tap with --live, --listen and --to',
    );
  }
  // Before anything is read: what is wrong with keys is said at once.
  const secrets = knownSecrets(options, environment);
  const contexts = knownContexts(options, environment);
  const input =
    file === undefined ? await gatewayTraffic(options, environment) : await captureInput(file, environment);
  const { packets, keyLog, fault } = readCapture(input.bytes);
  for (const line of keyLog) secrets.addLine(line);
  const decoder = new CaptureDecoder(secrets, options.port, contexts);
  const diagnosis = new Diagnosis(options.link && linkProfiles[options.link]);
  for (const packet of packets) diagnosis.see(decoder.decode(packet));
  const findings = diagnosis.findings();
  for (const finding of findings) {
    stdout.write(
      options.json === true ? `${printableJson(finding)}\n` : `${findingLines(finding).join('\n')}\n\n`,
    );
  }
  tellUnused(contexts, environment);
  if (input.isCut) stderr.write(cutText(file ?? 'the traffic of the gateway', input));
  else if (fault !== undefined) {
    stderr.write(`coapsule: ${captureFaultText(fault)}\n`);
    return ExitCode.Failure;
  }
  const counts = `${packets.length} packets, ${findings.length} finding${findings.length === 1 ? '' : 's'}`;
  stderr.write(`coapsule: ${counts}\n`);
  return findings.length === 0 && !input.isCut ? ExitCode.Success : ExitCode.Failure;
}

function findingLines(finding: Finding): readonly string[] {
  const { severity, kind, where, evidence, frames, count, cause, consequence, fix, reference } = finding;
  const more = count > frames.length ? ` and others, ${count} in all` : '';
  return [
    `${severity}: ${kind}, ${where}`,
    `  seen: ${evidence} (frames ${frames.join(', ')}${more})`,
    `  cause: ${cause}`,
    `  consequence: ${consequence}`,
    `  what to do: ${fix}`,
    `  see: ${reference}`,
  ].map((line) => printable(line, 1000));
}
