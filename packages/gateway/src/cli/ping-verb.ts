/**
 * The verb ping: an empty Confirmable message and the Reset that answers it (RFC 7252 §4.3).
 *
 * @module
 */

import { printableJson } from '../text/printable.ts';
import type { ClientCommandOptions } from './client-command-options.ts';
import { withClient } from './client-session.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { ExitCode } from './exit-code.ts';
import { interruptible } from './request-verb.ts';
import { expectOneServer, targetUri } from './target-uri.ts';

/** Sends one ping and prints how long the answer took. */
export async function runPing(
  uriText: string,
  options: ClientCommandOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText, environment.variables);
  expectOneServer(uri, 'a ping is Confirmable, and goes to one server (RFC 7252 §8.1)');
  return withClient(uri, options, environment, async (client) => {
    const { roundTripMs, handshakeMs } = await interruptible(environment, (signal) =>
      client.ping(uri.text, {
        signal,
        ...(options.timeout !== undefined && { timeoutMs: options.timeout * 1000 }),
      }),
    );
    const handshake = handshakeMs === undefined ? '' : `, after a handshake of ${handshakeMs.toFixed(1)} ms`;
    environment.stdout.write(
      options.json === true
        ? `${printableJson({ uri: uri.text, roundTripMs, handshakeMs: handshakeMs ?? null })}\n`
        : `${uri.text} answers in ${roundTripMs.toFixed(1)} ms${handshake}\n`,
    );
    return ExitCode.Success;
  });
}
