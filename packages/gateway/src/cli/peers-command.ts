/**
 * `coapsule peers`: who is connected to a gateway that runs, how, and what went by.
 *
 * On the same machine over the socket in the data folder (operations/operator-socket.ts); from elsewhere over its HTTP endpoint.
 *
 * @module
 */

import { Command } from 'commander';
import type { PeersPage } from '../operations/gateway-operations.ts';
import { askGateway } from '../operations/operator-socket.ts';
import type { PeerView } from '../operations/peers-view.ts';
import { printable, printableJson } from '../text/printable.ts';
import { table } from './advice-output.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { optionSecret } from './option-content.ts';
import { pathValue } from './option-values.ts';

type OutputStreams = Pick<CommandEnvironment, 'stdout' | 'stderr'>;

interface PeersOptions {
  readonly data: string;
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: true;
}

/** Peers that are asked for at a time. */
const pageSize = 1000;

const patienceMs = 10_000;

/** Makes the command. */
export function peersCommand(streams: OutputStreams): Command {
  return new Command('peers')
    .option('--data <folder>', 'the data folder of a gateway on this machine', pathValue, './data')
    .option('--url <url>', 'the HTTP endpoint of a gateway instead, such as https://gateway.example:8080')
    .option('--token-file <file>', 'its token, which may do GET:/api/peers, as --http-tokens says', pathValue)
    .option('--json', 'one JSON array')
    .addHelpText('after', peersHelp)
    .action((options: PeersOptions) => printPeers(streams, options));
}

const peersHelp = `
Devices under OSCORE alone have no association: they are known by their requests since the gateway was started.

Example:
  coapsule peers --data /var/lib/coapsule
  coapsule peers --url http://localhost:8080 --token-file operator.token --json`;

async function printPeers({ stdout, stderr }: OutputStreams, options: PeersOptions): Promise<void> {
  const peers = await allPeers(
    options.url === undefined ? fromFolder(options.data) : fromUrl(options.url, options),
  );
  if (options.json) {
    stdout.write(`${printableJson(peers)}\n`);
    return;
  }
  if (peers.length === 0) {
    stderr.write('nobody is connected over a secured endpoint\n');
    return;
  }
  stdout.write(`${table([columns.map(([name]) => name), ...peers.map(rowOf)]).join('\n')}\n`);
}

type AskPage = (after: string | undefined) => Promise<PeersPage>;

async function allPeers(ask: AskPage): Promise<readonly PeerView[]> {
  const peers: PeerView[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const page: PeersPage = await ask(after);
    peers.push(...page.peers);
    after = page.next;
  }
  return peers;
}

function fromFolder(data: string): AskPage {
  return async (after) => {
    try {
      return await askGateway(data, { ask: 'peers', limit: pageSize, after });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const isNone = code === 'ENOENT' || code === 'ECONNREFUSED';
      throw new CommandFailure(
        ExitCode.Failure,
        isNone
          ? `no gateway runs with the data folder ${printable(data)}`
          : `the gateway cannot be asked: ${message}`,
        isNone
          ? 'name its folder with --data; a gateway elsewhere, or on Windows, is asked with --url and --token-file'
          : 'run as the user of the gateway, or ask it over HTTP with --url and --token-file',
      );
    }
  };
}

function fromUrl(url: string, { tokenFile }: PeersOptions): AskPage {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new CommandFailure(
      ExitCode.Usage,
      `--url ${printable(url)} is no address of an HTTP endpoint`,
      'give it as http://HOST:PORT or https://HOST:PORT',
    );
  }
  const token = optionSecret('--token-file', tokenFile);
  return async (after) => {
    const asked = new URL('/api/peers', url);
    asked.searchParams.set('limit', String(pageSize));
    if (after !== undefined) asked.searchParams.set('after', after);
    let response: Response;
    try {
      response = await fetch(asked, {
        ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
        redirect: 'error',
        signal: AbortSignal.timeout(patienceMs),
      });
    } catch (error) {
      const { cause, message } = error as Error;
      throw new CommandFailure(
        ExitCode.Failure,
        `${printable(url)} does not answer: ${cause instanceof Error ? cause.message : message}`,
        'start the gateway with --http, and see that the address, the port and its certificate are right',
      );
    }
    if (response.ok) return (await response.json()) as PeersPage;
    const isToken = response.status === 401 || response.status === 403;
    throw new CommandFailure(
      isToken ? ExitCode.Security : ExitCode.Failure,
      `${printable(url)} answers ${response.status}: ${printable((await response.text()).trim())}`,
      isToken
        ? 'give a token that may do GET:/api/peers with --token-file'
        : 'is it the HTTP endpoint of a gateway? see docs/operations.md',
    );
  };
}

const columns: readonly (readonly [name: string, text: (peer: PeerView) => string])[] = [
  ['identity', ({ identity }) => (identity === '' ? '-' : printable(identity, 40))],
  ['address', ({ address }) => printable(address)],
  ['endpoint', ({ scheme }) => printable(scheme)],
  ['proved by', ({ authentication, resumed }) => `${printable(authentication)}${resumed ? ', resumed' : ''}`],
  ['suite', ({ suite }) => (suite === '' ? '-' : printable(suite))],
  ['cid', ({ connectionId }) => (connectionId === null ? '-' : `${connectionId.own}/${connectionId.peer}`)],
  ['age', ({ ageSeconds }) => durationText(ageSeconds)],
  ['idle', ({ idleSeconds }) => durationText(idleSeconds)],
  ['in', ({ bytesReceived }) => bytesText(bytesReceived)],
  ['out', ({ bytesSent }) => bytesText(bytesSent)],
  ['rtt', ({ roundTripMs }) => (roundTripMs === null ? '-' : `${Math.round(roundTripMs)} ms`)],
  ['loss', ({ lossRate }) => (lossRate === null ? '-' : `${Math.round(lossRate * 1000) / 10} %`)],
  ['observes', ({ observations }) => String(observations)],
];

function rowOf(peer: PeerView): readonly string[] {
  return columns.map(([, text]) => text(peer));
}

function durationText(seconds: number | null): string {
  if (seconds === null) return '-';
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

function bytesText(bytes: number | null): string {
  if (bytes === null) return '-';
  if (bytes < 10_000) return `${bytes} B`;
  return bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1_000_000)} MB`;
}
