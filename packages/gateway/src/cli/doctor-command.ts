/**
 * `coapsule doctor`: what is wrong with this machine, before a device says so.
 *
 * @module
 */

import { Command } from 'commander';
import type { Check, CheckResult } from '../doctor/check.ts';
import { dataFolderCheck, serialCheck } from '../doctor/device-checks.ts';
import {
  addressCheck,
  loopbackCheck,
  mtuCheck,
  multicastCheck,
  portCheck,
} from '../doctor/network-checks.ts';
import { clockCheck, cryptographyCheck, nodeCheck, randomnessCheck } from '../doctor/runtime-checks.ts';
import { printable, printableJson } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { ExitCode } from './exit-code.ts';

const help = `
Exit codes: 0 when nothing is in trouble, 1 else. Nothing is sent to other machines.

Example:
  coapsule doctor --data ./data`;

/** The command; `end` is given its exit code. */
export function doctorCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  return new Command('doctor')
    .option('--data <folder>', 'data folder of the gateway', './data')
    .option('--json', 'one JSON object for each check')
    .addHelpText('after', help)
    .action(async ({ data, json }: { readonly data: string; readonly json?: true }) => {
      const checks: readonly Check[] = [
        nodeCheck(process.versions.node),
        cryptographyCheck,
        randomnessCheck,
        clockCheck(environment.wallTimeMs()),
        loopbackCheck,
        addressCheck,
        portCheck,
        multicastCheck,
        mtuCheck,
        serialCheck,
        dataFolderCheck(data),
      ];
      end(await examine(checks, json === true, environment));
    });
}

/** Runs checks one after the other, and prints each as it ends. */
export async function examine(
  checks: readonly Check[],
  asJson: boolean,
  { stdout }: Pick<CommandEnvironment, 'stdout'>,
): Promise<ExitCode> {
  let isInTrouble = false;
  for (const check of checks) {
    const result = await resultOf(check);
    if (result.state === 'trouble') isInTrouble = true;
    if (asJson) stdout.write(`${printableJson({ name: check.name, ...result })}\n`);
    else {
      stdout.write(`${printable(`${result.state.padEnd(8)}${check.name}: ${result.found}`, 1000)}\n`);
      if (result.advice !== undefined) stdout.write(`${printable(`        ${result.advice}`, 1000)}\n`);
    }
  }
  return isInTrouble ? ExitCode.Failure : ExitCode.Success;
}

/** A check that fails itself has found something, too. */
async function resultOf(check: Check): Promise<CheckResult> {
  try {
    return await check.run();
  } catch (error) {
    return {
      state: 'trouble',
      found: (error as Error).message,
      advice: 'this should not happen: please report it',
    };
  }
}
