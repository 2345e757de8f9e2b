/**
 * The verbs get, put, post, delete, fetch, patch and ipatch.
 *
 * @module
 */

import { statSync } from 'node:fs';
import type { Method } from 'coapsule/message';
import type { RequestCommandOptions } from './client-command-options.ts';
import { withClient } from './client-session.ts';
import type { CommandClient, CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { isReadAsSent } from './payload-source.ts';
import { requestOptionsOf } from './request-options.ts';
import { openResponseOutput } from './response-output.ts';
import { targetUri } from './target-uri.ts';

/** Makes one request and prints its response. */
export async function runRequest(
  method: Method,
  uriText: string,
  options: RequestCommandOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText, environment.variables);
  if (options.observeExec !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--observe-exec runs a program for each notification, and get alone has none',
      'use coapsule observe, or give -s SECONDS',
    );
  }
  if (uri.isGroup) {
    const { runGroupRequest } = await import('./group-verb.ts');
    return runGroupRequest(method, uri, options, environment);
  }
  const requestOptions = await requestOptionsOf(options, environment, true);
  const use = async (client: CommandClient): Promise<ExitCode> => {
    const output = await openResponseOutput(uri.text, options, environment);
    try {
      return await interruptible(environment, async (signal) => {
        const asked = { ...requestOptions, signal };
        const isWhole = options.json === true || options.qBlock === true || options.prettyPrint === true;
        if (isWhole || !output.isFile) {
          const response = await client.request(method, uri.text, asked);
          // With --suppress silence is what was asked for.
          return response.silent ? ExitCode.Success : output.response(response, false);
        }
        // What goes to a file goes there as it comes: it may be larger than memory.
        return output.streamed(await client.stream(method, uri.text, asked));
      });
    } finally {
      output.close();
    }
  };
  return withClient(uri, options, environment, use, { ownProgress: hasOwnProgress(options) });
}

/** A large file that is read as it is sent tells by itself how far it came. */
function hasOwnProgress({ file }: RequestCommandOptions): boolean {
  return file !== undefined && file !== '-' && isReadAsSent(statSync(file, { throwIfNoEntry: false }));
}

/** Does something that an interrupt aborts. */
export async function interruptible<Result>(
  environment: CommandEnvironment,
  action: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const abort = new AbortController();
  const forget = environment.onInterrupt(() => abort.abort());
  try {
    return await action(abort.signal);
  } finally {
    forget();
  }
}
