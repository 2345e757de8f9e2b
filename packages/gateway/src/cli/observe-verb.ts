/**
 * The verb observe, and get with `-s` (RFC 7641).
 *
 * @module
 */

import type { Observation } from 'coapsule';
import type { RequestCommandOptions } from './client-command-options.ts';
import { withClient } from './client-session.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode, exitCodeOfResponse } from './exit-code.ts';
import type { NotificationProgram } from './notification-program.ts';
import { requestOptionsOf } from './request-options.ts';
import { openResponseOutput } from './response-output.ts';
import { targetUri } from './target-uri.ts';

/** How long a server may take to answer the cancellation before we leave anyway. */
const cancelWaitMs = 2000;

/**
 * Prints each notification until `-s` seconds are over, an interrupt comes, or the server ends it.
 *
 * Time and interrupts cancel the observation and are a success; an error response or a failure is not.
 */
export async function runObserve(
  uriText: string,
  options: RequestCommandOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText, environment.variables);
  if (uri.isGroup) {
    if (options.observeExec !== undefined) {
      throw new CommandFailure(
        ExitCode.Usage,
        `${uri.text} is a multicast group, and --observe-exec is for one resource`,
        'observe one of its devices; --json tells which of them sent what',
      );
    }
    const { runGroupRequest } = await import('./group-verb.ts');
    return runGroupRequest('GET', uri, options, environment, true);
  }
  const requestOptions = await requestOptionsOf(options, environment);
  return withClient(uri, options, environment, async (client) => {
    const program = await programOf(uri.text, options, environment);
    const output = await openResponseOutput(uri.text, options, environment, 'as it comes');
    let isWhole = false;
    try {
      const observation = client.observe(uri.text, requestOptions);
      program?.onFailed(() => void observation.cancel());
      const exitCode = await followObservation(
        observation,
        options.seconds,
        environment,
        (response, isFirst) => {
          if (response.ok) program?.take(response);
          // Standard output is the program's, unless something else was asked for too.
          const isPrinted = program === undefined || !response.ok || options.json === true || output.isFile;
          const exitCode = isPrinted ? output.response(response, true) : exitCodeOfResponse(response.code);
          if (isFirst && response.ok && response.observe === undefined) {
            environment.stderr.write('coapsule: the resource is not observable, this is its state now\n');
          }
          return exitCode;
        },
      );
      isWhole = true;
      return exitCode;
    } finally {
      output.close();
      await program?.end(!isWhole);
    }
  });
}

/** The program of `--observe-exec`; loaded where there is one. */
async function programOf(
  uri: string,
  { observeExec }: RequestCommandOptions,
  environment: CommandEnvironment,
): Promise<NotificationProgram | undefined> {
  if (observeExec === undefined) return undefined;
  const { NotificationProgram } = await import('./notification-program.ts');
  return new NotificationProgram(observeExec, uri, environment);
}

type Notification = Observation extends AsyncIterable<infer Item> ? Item : never;

/**
 * Takes notifications until time, an interrupt or the server ends it; then cancels it if it still runs.
 *
 * @param seconds Counted from the first notification, or no limit.
 * @param take Gets each response; returns the exit code that it stands for.
 */
export async function followObservation(
  observation: Observation,
  seconds: number | undefined,
  environment: CommandEnvironment,
  take: (response: Notification, isFirst: boolean) => ExitCode,
): Promise<ExitCode> {
  let stopped: Promise<void> | undefined;
  const stop = (): void => {
    stopped ??= boundedCancellation(observation, environment);
  };
  const forget = environment.onInterrupt(stop);
  let clearTimer: (() => void) | undefined;
  let exitCode: ExitCode = ExitCode.Success;
  let isFirst = true;
  try {
    for await (const response of observation) {
      exitCode = take(response, isFirst);
      // Without the Observe option it is an answer, and there is no observation (RFC 7641 §3.1).
      if (response.observe === undefined || !response.ok) break;
      if (isFirst && seconds !== undefined) clearTimer = environment.after(seconds * 1000, stop);
      isFirst = false;
      if (stopped !== undefined) break;
    }
  } catch (error) {
    if (stopped === undefined) throw error;
  } finally {
    clearTimer?.();
    forget();
    await stopped;
  }
  return exitCode;
}

/** Cancels it, and waits for the answer, but not for ever. */
export function boundedCancellation(
  observation: Pick<Observation, 'cancel'>,
  environment: Pick<CommandEnvironment, 'after'>,
): Promise<void> {
  const cancelled = observation.cancel();
  return new Promise((resolve) => {
    const clear = environment.after(cancelWaitMs, resolve);
    const done = (): void => {
      clear();
      resolve();
    };
    cancelled.then(done, done);
  });
}
