/**
 * The verbs get, put, post, delete, fetch, patch and ipatch.
 *
 * @module
 */

import type { Method } from 'coapsule/message';
import type { RequestCommandOptions } from './client-command-options.ts';
import { withClient } from './client-session.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { ExitCode } from './exit-code.ts';
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
  if (uri.isGroup) {
    const { runGroupRequest } = await import('./group-verb.ts');
    return runGroupRequest(method, uri, options, environment);
  }
  const requestOptions = await requestOptionsOf(options, environment, true);
  return withClient(uri, options, environment, async (client) => {
    const output = await openResponseOutput(uri.text, options, environment);
    try {
      return await interruptible(environment, async (signal) => {
        const asked = { ...requestOptions, signal };
        if (options.json === true || !output.isFile || options.qBlock === true) {
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
  });
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
