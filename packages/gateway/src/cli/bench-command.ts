/**
 * `coapsule bench URI`: a load of many clients on one resource, and how fast and how evenly it was answered.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { type BenchOptions, runBench } from './bench-verb.ts';
import { addCredentialOptions, addHandshakeOptions } from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import type { ExitCode } from './exit-code.ts';
import { contentFormatValue, repeatedMessageOption, secondsValue, wholeNumber } from './option-values.ts';

const help = `
Without --rate each client asks again as soon as it is answered, so that the rate is the most that the server does for that many
clients. With --rate requests are due at that rate, whoever is free, and a latency counts from the time its request was due.
The generator runs on one core: the report says when it was the limit, and not the server.

Exit codes: 0 when all answers were 2.xx; 4 or 5 when there were 4.xx or 5.xx; 6 when there were none; 7 security; 64 wrong
usage; 1 anything else.

Examples:
  coapsule bench coap://localhost/hello
  coapsule bench coaps://localhost/temperature --clients 200 --seconds 30 -u sensor-7 -k KEY
  coapsule bench coap://localhost/hello --rate 5000 --json`;

/** The command; `end` is given its exit code. */
export function benchCommand(environment: CommandEnvironment, end: (code: ExitCode) => void): Command {
  const command = new Command('bench')
    .argument('<uri>', 'the resource that is asked')
    .option('--clients <n>', 'how many clients, each with a port of its own', count(10_000), 64)
    .option('-s, --seconds <n>', 'how long it is measured', secondsValue, 10)
    .option('--warm-up <n>', 'seconds before anything counts, 0 for none', warmUpValue, 1)
    .option(
      '--rate <n>',
      'requests a second in all, instead of as many as there are answers',
      count(10_000_000),
    )
    .option('--connect <n>', 'how many clients connect at the same time', count(10_000), 16)
    .addOption(
      new Option('-m, --method <name>', 'what is asked')
        .choices(['get', 'put', 'post', 'delete', 'fetch', 'patch', 'ipatch'])
        .default('get'),
    )
    .option('-N, --non', 'send the requests Non-confirmable')
    .option('-e, --payload <text>', 'request payload')
    .option('-f, --file <file>', 'request payload from a file, - for standard input')
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
    .option('-B, --timeout <s>', 'a request without an answer is lost after s seconds', secondsValue, 10);
  return addHandshakeOptions(addCredentialOptions(command))
    .option('--json', 'the result as one JSON object on standard output')
    .addHelpText('after', help)
    .action(async (uri: string, options: BenchOptions) => end(await runBench(uri, options, environment)));
}

function count(most: number): (text: string) => number {
  return (text) => wholeNumber(text, 1, most);
}

function warmUpValue(text: string): number {
  return text === '0' ? 0 : secondsValue(text);
}
