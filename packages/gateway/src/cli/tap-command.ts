/**
 * `coapsule tap`: stands between devices and a server, shows what passes and lets people and rules change it.
 *
 * `coapsule diagnose --live` is the same with nothing shown but what is wrong.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { type CoapScheme, linkProfiles } from 'coapsule/message';
import { Command } from 'commander';
import type { CredentialReference } from '../copy-as/seen-request.ts';
import type { Finding } from '../diagnosis/finding.ts';
import type { Filter } from '../filter/filter.ts';
import { parseFilter } from '../filter/parse-filter.ts';
import { LiveDiagnosis } from '../tap/live-diagnosis.ts';
import type { PassingMessage } from '../tap/passing-message.ts';
import { startTap } from '../tap/start-tap.ts';
import { faultText, TapConsole } from '../tap/tap-console.ts';
import { countsText, eventJson, eventLines, findingLines } from '../tap/tap-report.ts';
import { printable, printableJson } from '../text/printable.ts';
import { openSecrets } from './client-session.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { addOwnOptions, addTapOptions, type TapCommandOptions, tapOptionsOf } from './tap-options.ts';

const help = `
Standard output: a line "ready {…}" with the real address, then what passes. Over coaps with -k, --psk-file, -c or -M the tap is an
end of DTLS on both sides; without them, or with --passive, records go through as they are. docs/tap.md has filters, rules and commands.

Exit codes: 0; 1 a socket or file could not be used; with --diagnose also: something was found; 64 wrong usage.

Examples:
  coapsule tap --listen 5693 --to coap://192.0.2.1
  coapsule tap --listen 5694 --to coaps://gateway.lan --psk-file keys.psk --rule 'path=/temp => edit payload=99' --diagnose
  coapsule tap --listen 5693 --to coap://192.0.2.1 --rule 'type=ACK => drop probability 30% seed 7' -w lossy.pcapng`;

/** Longest line of a command. */
const longestCommand = 65_536;

/** The command; `end` is given its exit code. */
export function tapCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('tap');
  addOwnOptions(addTapOptions(command))
    .addHelpText('after', help)
    .action(async (options: TapCommandOptions) => {
      end(await runTap(options, environment, true));
    });
  return command;
}

/** Runs until it is interrupted, its time is over, or somebody says `quit`. */
export async function runTap(
  options: TapCommandOptions,
  environment: CommandEnvironment,
  showsMessages: boolean,
): Promise<ExitCode> {
  const { stdout, stderr } = environment;
  const { json = false, verbose = 0, link } = options;
  const write = (line: string): void => stdout.write(`${line}\n`);
  const { uri, ...parts } = await tapOptionsOf(options, environment);
  const pause = pauseOf(options);
  // Read before anything is opened, so that a file that is not there is told at once.
  const script = scriptOf(options);
  const tell = (finding: Finding): void => {
    if (json) write(printableJson({ event: 'finding', ...finding }));
    else for (const line of findingLines(finding)) write(line);
  };
  const diagnosis =
    options.diagnose === true ? new LiveDiagnosis(link && linkProfiles[link], tell) : undefined;
  const secrets = openSecrets(options, environment);
  const ended = Promise.withResolvers<void>();
  try {
    const running = await startTap({
      ...parts,
      ...{ diagnosis, keylog: secrets.keylog, capture: secrets.capture },
      wallTimeMs: () => environment.wallTimeMs(),
      onEvent(event) {
        if (!showsMessages && event.kind !== 'note') return;
        if (json) write(eventJson(event));
        else for (const line of eventLines(event, verbose)) write(line);
      },
    });
    const { tap, local } = running;
    tap.command((gate) => {
      for (const rule of options.rule ?? []) gate.addRule(rule);
      if (pause !== undefined) gate.pause(pause);
    });
    const listen = `${local.host.includes(':') ? `[${local.host}]` : local.host}:${local.port}`;
    const isEnd = parts.security !== undefined;
    const ready = {
      listen,
      to: uri.text,
      ...(uri.secure && { dtls: isEnd ? 'ended here' : 'passed through' }),
    };
    write(json ? printableJson({ event: 'ready', ...ready }) : `ready ${JSON.stringify(ready)}`);
    const stops = [environment.onInterrupt(ended.resolve)];
    if (options.seconds !== undefined) stops.push(environment.after(options.seconds * 1000, ended.resolve));
    const tapConsole = new TapConsole({
      tap,
      server: { scheme: uri.scheme as CoapScheme, host: uri.host, port: uri.port },
      credentials: (message) => credentialOf(message, options),
      write: (text) => write(json ? printableJson({ event: 'output', text }) : text),
      quit: ended.resolve,
    });
    for (const line of script) tapConsole.line(line);
    if (showsMessages && takesTyped(options, environment)) stops.push(readCommands(environment, tapConsole));
    await ended.promise;
    for (const stop of stops) stop();
    await running.close();
    const counts = tap.command((gate) => gate.counts);
    const findings = diagnosis?.end() ?? [];
    if (json) write(printableJson({ event: 'end', seen: tap.passed, ...counts, findings }));
    stderr.write(`coapsule: ${countsText(tap.passed, counts)}\n`);
    if (diagnosis === undefined) return ExitCode.Success;
    for (const { kind, where, count } of findings)
      stderr.write(`coapsule: ${kind}, ${printable(where)}: ${count} in all\n`);
    stderr.write(`coapsule: ${findings.length} finding${findings.length === 1 ? '' : 's'}\n`);
    return findings.length === 0 ? ExitCode.Success : ExitCode.Failure;
  } finally {
    secrets.close();
  }
}

function pauseOf({ pause }: TapCommandOptions): Filter | undefined {
  if (pause === undefined) return undefined;
  const text = pause === true ? '' : pause;
  const filter = parseFilter(text);
  if (filter.kind === 'fault')
    throw new CommandFailure(
      ExitCode.Usage,
      `--pause ${faultText(text, filter)}`,
      'docs/tap.md has the filters',
    );
  return filter;
}

/** With what a device's request was protected, as far as it can be said. */
function credentialOf(
  { link: { identity } }: PassingMessage,
  { cert, rpk, key, pskFile }: TapCommandOptions,
): CredentialReference | undefined {
  if (identity !== undefined && (key !== undefined || pskFile !== undefined))
    return { kind: 'psk', identity };
  if (cert !== undefined) return { kind: 'certificate' };
  return rpk === undefined ? undefined : { kind: 'raw-public-key' };
}

/** The commands of a file. */
function scriptOf({ commands }: TapCommandOptions): readonly string[] {
  return commands === undefined || commands === '-' ? [] : readFileSync(commands, 'utf8').split('\n');
}

function takesTyped({ commands }: TapCommandOptions, { terminal }: CommandEnvironment): boolean {
  return commands === '-' || (commands === undefined && terminal?.() !== undefined);
}

/** Reads commands as they come; returns a function that stops it. */
function readCommands(environment: CommandEnvironment, tapConsole: TapConsole): () => void {
  const input = environment.standardInput();
  let isStopped = false;
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of input) {
      if (isStopped) return;
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      // A line that never ends is no command.
      rest = (lines.pop() as string).slice(0, longestCommand);
      for (const line of lines) tapConsole.line(line);
    }
    tapConsole.line(rest);
  };
  // Standard input that is closed under us ends the commands, and nothing else.
  read().catch(() => {});
  return () => {
    isStopped = true;
    (input as { destroy?: () => void }).destroy?.();
  };
}
