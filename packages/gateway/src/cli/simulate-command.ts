/**
 * `coapsule simulate SCENARIO URI`: a fleet of devices against a gateway, and a report.
 *
 * @module
 */

import { linkProfileNames } from 'coapsule/testing';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Churn, sleepWays } from '../fleet/fleet-plan.ts';
import { scenarios } from '../fleet/scenarios/index.ts';
import type { CommandEnvironment } from './command-environment.ts';
import type { ExitCode } from './exit-code.ts';
import { addMasterKeyOption } from './master-key-option.ts';
import { pathValue, percentValue, secondsValue, wholeNumber } from './option-values.ts';
import { runSimulate, type SimulateOptions } from './simulate-verb.ts';

const help = `
Scenarios (devices and simulated time by default):
${scenarios
  .map(
    ({ name, summary, defaults }) =>
      `  ${name.padEnd(12)} ${summary} (${defaults.devices}, ${defaults.durationSeconds} s)`,
  )
  .join('\n')}

Devices need keys: --provision DIR adds them to the data folder of the gateway for the time of the run, --psk-file has those of
devices that are there. The same seed gives the same events, values and losses. Only the plan is faster with --speed: the times
of protocols and links stay as they are.

Exit codes: 0 when nothing was refused; 4 or 5 when something was answered 4.xx or 5.xx; 6 when nothing was answered; 7 security;
64 wrong usage; 1 anything else.

Examples:
  coapsule simulate hospital coaps://localhost --provision ./data
  coapsule simulate agriculture coaps://localhost --provision ./data --speed 3600 --report html --output farm.html
  coapsule simulate wearables coaps://localhost --provision ./data --link wifi --loss 5 --churn 20
  coapsule simulate industrial coaps+serial://ttyUSB0:115200 --provision ./data`;

/** The command; `end` is given its exit code. */
export function simulateCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('simulate')
    .addArgument(
      new Command()
        .createArgument('<scenario>', 'what kind of fleet')
        .choices(scenarios.map(({ name }) => name)),
    )
    .argument('<uri>', 'scheme, host and port of the gateway, or a serial line')
    .option('--devices <n>', 'how many', (text) => wholeNumber(text, 1, 10_000))
    .option(
      '--speed <x>',
      'how many times faster the plan is than real time (default: such that it takes a minute)',
      speedValue,
    )
    .option('--duration <time>', 'simulated time, such as 90, 10m, 24h', durationValue)
    .option('--seed <n>', 'of events, values and losses', (text) => wholeNumber(text, 0, 4_294_967_295), 1)
    .option(
      '--psk-file <file>',
      'identities and keys of devices that the gateway knows, as lines identity:key',
      pathValue,
    )
    .option(
      '--provision <folder>',
      'add the devices to this data folder of the gateway, and remove them after the run',
      pathValue,
    )
    .option('--prefix <text>', 'how names of devices begin (default: sim-SCENARIO)', prefixValue)
    .addOption(
      new Option('--link <profile>', 'a simulated link for each device').choices([...linkProfileNames]),
    )
    .option('--loss <percent>', 'share of frames that the link loses, each way', percentValue)
    .option(
      '--churn <percent[,keep|lose]>',
      'devices that lose power within an hour and come back, with or without their state (default: half and half)',
      churnValue,
    )
    .option(
      '--confirm-every <n>',
      'every n-th reading is Confirmable, 0 none; alarms, commands and uploads always are',
      (text) => wholeNumber(text, 0, 1_000_000),
    )
    .addOption(
      new Option('--way <name>', 'agriculture: how sleeping devices are secured').choices(
        Object.keys(sleepWays),
      ),
    )
    .option(
      '--plain-uri <uri>',
      'agriculture: where devices under OSCORE go (default: coap, the same host, port 5683)',
    )
    .option(
      '--group <uri>',
      'hvac, lighting: multicast group to find the gateway by, such as coap://224.0.1.187',
    )
    .addOption(
      new Option('--report <form>', 'form of the report').choices(['text', 'json', 'html']).default('text'),
    )
    .option(
      '-w, --write <file.pcapng>',
      'capture of all devices, with decryption secrets for Wireshark',
      pathValue,
    )
    .option('-o, --output <file>', 'where the report goes, instead of standard output', pathValue)
    .addHelpText('after', help);
  return addMasterKeyOption(command).action(async (scenario: string, uri: string, options: SimulateOptions) =>
    end(await runSimulate(scenario, uri, options, environment)),
  );
}

function speedValue(text: string): number {
  const speed = Number(text);
  if (text.trim() === '' || !(speed > 0 && speed <= 1_000_000)) {
    throw new InvalidArgumentError('Give a factor, more than 0, such as 100.');
  }
  return speed;
}

/** Seconds; with m, h or d minutes, hours or days. */
function durationValue(text: string): number {
  const [, amount = '', unit = 's'] = /^([\d.]+)([smhd]?)$/.exec(text) ?? [];
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[unit === '' ? 's' : unit] ?? 1;
  if (amount === '') throw new InvalidArgumentError('Give a time, such as 90, 10m, 24h or 2d.');
  return secondsValue(String(Number(amount) * seconds));
}

function prefixValue(text: string): string {
  if (!/^[A-Za-z0-9._-]{1,40}$/.test(text)) {
    throw new InvalidArgumentError('Give letters, digits, dots and dashes, 40 at most.');
  }
  return text;
}

function churnValue(text: string): Churn {
  const [share = '', state] = text.split(',');
  if (state !== undefined && state !== 'keep' && state !== 'lose') {
    throw new InvalidArgumentError('Give a percentage, and as you like ,keep or ,lose.');
  }
  return { perHour: percentValue(share), state: state ?? 'mixed' };
}
