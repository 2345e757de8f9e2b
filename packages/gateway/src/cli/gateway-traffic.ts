/**
 * `--gateway URL`: what passed a gateway in the last minutes, from its HTTP endpoint (`GET /api/traffic`).
 *
 * @module
 */

import { type Command, Option } from 'commander';
import { isLoopbackName } from '../http/host-names.ts';
import { printable } from '../text/printable.ts';
import type { CaptureInput } from './capture-input.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { optionSecret } from './option-content.ts';
import { warningsTo } from './warnings.ts';

/** As they stand on the command line. */
export interface GatewayTrafficOptions {
  readonly gateway?: string;
  readonly minutes?: string;
  readonly tokenFile?: string;
  readonly gatewayKeys?: boolean;
}

/** Most bytes that are taken. */
const mostBytes = 512 * 1024 * 1024;

const patienceMs = 60_000;

/** Adds the options. */
export function addGatewayOptions(command: Command): Command {
  return command
    .option('--gateway <url>', 'what passed a gateway that runs, such as http://127.0.0.1:8080, not a file')
    .option('--minutes <n>', 'with --gateway: of how many minutes; 5 without it')
    .option(
      '--token-file <file>',
      'with --gateway: file with its token; without it, the environment variable COAPSULE_TOKEN',
    )
    .addOption(
      new Option(
        '--gateway-keys',
        'with --gateway: its keys too, to look into DTLS, if it keeps and gives them',
      ),
    );
}

/** @throws CommandFailure for what is not what it should be, with what to do. */
export async function gatewayTraffic(
  { gateway = '', minutes = '5', tokenFile, gatewayKeys = false }: GatewayTrafficOptions,
  { variables, stderr }: Pick<CommandEnvironment, 'variables' | 'stderr'>,
): Promise<CaptureInput> {
  const url = URL.canParse(gateway) ? new URL('/api/traffic', gateway) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new CommandFailure(
      ExitCode.Usage,
      `--gateway ${printable(gateway)} is no URL of a gateway`,
      'give its HTTP endpoint, as the ready line of "coapsule serve" has it: http://127.0.0.1:8080',
    );
  }
  url.searchParams.set('minutes', minutes);
  if (gatewayKeys) url.searchParams.set('keys', '1');
  const token = (optionSecret('--token-file', tokenFile) ?? variables['COAPSULE_TOKEN'])?.trim();
  const headers = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` };
  if ('authorization' in headers && url.protocol === 'http:' && !isLoopbackName(url.hostname))
    warningsTo({ stderr })(
      `the token goes to ${printable(url.host)} in the clear: give the gateway --http-tls, and https here`,
    );
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.timeout(patienceMs), redirect: 'error' });
  } catch (error) {
    const cause =
      (error as Error).cause instanceof Error ? ((error as Error).cause as Error) : (error as Error);
    throw new CommandFailure(
      ExitCode.Failure,
      `${printable(url.origin)} does not answer: ${cause.message}`,
      'check that the gateway runs with --http, and that the address is that of its HTTP endpoint; certificates of an own authority are taken with NODE_EXTRA_CA_CERTS=FILE',
    );
  }
  if (response.status !== 200) throw await refusal(response, url);
  const pieces: Uint8Array[] = [];
  let length = 0;
  let isCut = false;
  for await (const piece of response.body ?? []) {
    pieces.push(piece);
    length += piece.length;
    if (length < mostBytes) continue;
    isCut = true;
    break;
  }
  return { bytes: Buffer.concat(pieces), isCut };
}

async function refusal(response: Response, url: URL): Promise<CommandFailure> {
  const text = printable(
    (await response.text())
      .slice(0, 1000)
      .trim()
      .replace(/^\{"error":"(.*)"\}$/, '$1'),
  );
  const { status } = response;
  if (status === 401 || status === 403) {
    return new CommandFailure(
      ExitCode.Security,
      `${printable(url.origin)} gives its traffic not to everyone (${status}): ${text}`,
      'give --token-file FILE, or COAPSULE_TOKEN, with a token whose rules have GET:/api/traffic, and GET:/api/traffic/keys for --gateway-keys',
    );
  }
  return new CommandFailure(
    ExitCode.Failure,
    `${printable(url.origin)} answered ${status}: ${text}`,
    'start the gateway with --traffic 16M; docs/diagnosis.md has the whole',
  );
}
