/**
 * From the options of a verb to those of the library.
 *
 * @module
 */

import type { RequestOptions } from 'coapsule';
import type { RequestCommandOptions } from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { requestPayload, wholePayload } from './payload-source.ts';

/**
 * The options of a verb as the library takes them.
 *
 * @param isOnce The request is made once, so that a payload may be read as it is sent.
 */
export async function requestOptionsOf(
  options: RequestCommandOptions,
  environment: CommandEnvironment,
  isOnce = false,
): Promise<RequestOptions> {
  // Blocks that may come in any order need all of a body.
  const isRead = isOnce && options.qBlock !== true;
  const payload = await (isRead ? requestPayload : wholePayload)(options, environment);
  return {
    ...(payload !== undefined && { payload }),
    ...(options.contentFormat !== undefined && { contentFormat: options.contentFormat }),
    ...(options.accept !== undefined && { accept: options.accept }),
    ...(options.non === true && { confirmable: false }),
    ...(options.blockSize !== undefined && { blockSize: options.blockSize }),
    ...(options.qBlock === true && { qBlock: true }),
    ...(options.token !== undefined && { token: options.token }),
    ...(options.option !== undefined && { options: options.option }),
    ...(options.suppress !== undefined && { noResponse: options.suppress }),
    ...(options.timeout !== undefined && { timeoutMs: options.timeout * 1000 }),
  };
}
