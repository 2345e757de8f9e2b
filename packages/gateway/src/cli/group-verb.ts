/**
 * The verbs get, put, …, observe and discover with a multicast group in the URI: who of the group answers what.
 *
 * RFC 7252 §8. Standard output carries payloads, or links that name their device; who answered stands on standard error
 * or, with `--json`, in each object.
 *
 * @module
 */

import type { MulticastOptions, MulticastResponses, Response } from 'coapsule';
import { encodeLinkFormat, type Link, type Method } from 'coapsule/message';
import { printable, printableJson } from '../text/printable.ts';
import type { ClientCommandOptions, RequestCommandOptions } from './client-command-options.ts';
import { withClient } from './client-session.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { codeLabel } from './message-text.ts';
import { requestOptionsOf } from './request-options.ts';
import { openResponseOutput } from './response-output.ts';
import type { TargetUri } from './target-uri.ts';

/** Longest link that is shown, in characters. */
const maxLink = 10_000;

/** Asks the group and prints each response as it comes; with `observe` until time or an interrupt ends it. */
export async function runGroupRequest(
  method: Method,
  uri: TargetUri,
  options: RequestCommandOptions,
  environment: CommandEnvironment,
  observe = false,
): Promise<ExitCode> {
  const {
    confirmable: _confirmable,
    timeoutMs: _timeoutMs,
    qBlock: _qBlock,
    ...request
  } = await requestOptionsOf(options, environment);
  const asked = { ...request, ...wayOf(options), ...(observe ? { observe } : {}) };
  return withClient(uri, options, environment, async (client) => {
    const output = await openResponseOutput(uri.text, options, environment, 'as it comes');
    try {
      const responses = client.multicast(method, uri.text, asked);
      const exitCodes: ExitCode[] = [];
      await follow(responses, observe ? options.seconds : undefined, environment, (response) => {
        if (!options.json) environment.stderr.write(`${deviceLine(response)}\n`);
        exitCodes.push(output.response(response, true));
      });
      if (exitCodes.length === 0 && request.noResponse === undefined) throw nobodyAnswered(uri);
      return exitCodes.includes(ExitCode.Success) ? ExitCode.Success : (exitCodes[0] ?? ExitCode.Success);
    } finally {
      output.close();
    }
  });
}

/** Prints the links of all devices, each with the device it belongs to. */
export async function runGroupDiscover(
  uri: TargetUri,
  options: ClientCommandOptions & { readonly query?: readonly string[] },
  environment: CommandEnvironment,
): Promise<ExitCode> {
  return withClient(uri, options, environment, async (client) => {
    const { query = [] } = options;
    const devices = await client.discoverDevices(uri.text, { query, ...wayOf(options) });
    for (const { uri: device, links, problem } of devices) {
      if (problem !== undefined) {
        environment.stderr.write(`coapsule: ${device} sent no links: ${printable(problem)}\n`);
      }
      for (const link of links)
        environment.stdout.write(`${linkLine(device, link, options.json === true)}\n`);
    }
    if (devices.length === 0) throw nobodyAnswered(uri);
    const resources = devices.reduce((sum, { links }) => sum + links.length, 0);
    environment.stderr.write(
      `coapsule: ${count(devices.length, 'device')}, ${count(resources, 'resource')}\n`,
    );
    return ExitCode.Success;
  });
}

/** How the request leaves, and how long is waited: `-B` is the window. */
function wayOf(options: ClientCommandOptions): Pick<MulticastOptions, 'interface' | 'hopLimit' | 'windowMs'> {
  return {
    ...(options.interface !== undefined && { interface: options.interface }),
    ...(options.hops !== undefined && { hopLimit: options.hops }),
    ...(options.timeout !== undefined && { windowMs: options.timeout * 1000 }),
  };
}

/** Takes responses until the window is over, `seconds` have passed, or an interrupt comes. */
async function follow(
  responses: MulticastResponses,
  seconds: number | undefined,
  environment: CommandEnvironment,
  take: (response: Response) => void,
): Promise<void> {
  const stop = (): void => responses.cancel();
  const forget = environment.onInterrupt(stop);
  const clearTimer = seconds === undefined ? undefined : environment.after(seconds * 1000, stop);
  try {
    for await (const response of responses) take(response);
  } finally {
    clearTimer?.();
    forget();
  }
}

function deviceLine({ peer, code, roundTripMs }: Response): string {
  return `coapsule: ${printable(peer.address.key)} ${codeLabel(code)} after ${(roundTripMs / 1000).toFixed(2)} s`;
}

function linkLine(device: string, { target, attributes }: Link, asJson: boolean): string {
  if (asJson) {
    const named = attributes.map(([name, value]) => ({ name, value: value ?? null }));
    return printableJson({ device, target, attributes: named });
  }
  // A target with a scheme stands for itself; others are relative to their device (RFC 7252 §8.2, RFC 6690 §2.1).
  const isAbsolute = /^[a-z][a-z0-9+.-]*:/i.test(target);
  const absolute = isAbsolute ? target : `${device}${target.startsWith('/') ? '' : '/'}${target}`;
  return printable(encodeLinkFormat([{ target: absolute, attributes }]), maxLink);
}

function nobodyAnswered(uri: TargetUri): CommandFailure {
  return new CommandFailure(
    ExitCode.NoAnswer,
    `no device of the group ${uri.host} answered`,
    'devices with nothing to tell are silent; wait longer with -B SECONDS, or choose the network with --interface NAME',
  );
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
