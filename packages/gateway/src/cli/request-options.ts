/**
 * From the options of a verb to those of the library.
 *
 * @module
 */

import type { RequestOptions } from 'coapsule';
import type { RequestCommandOptions } from './client-command-options.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { payloadForm } from './payload-forms.ts';
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
  const form = await payloadForm(options, environment);
  const payload =
    'bytes' in form ? form.bytes : await (isRead ? requestPayload : wholePayload)(form, environment);
  const contentFormat = options.contentFormat ?? ('bytes' in form ? form.contentFormat : undefined);
  return {
    ...(payload !== undefined && { payload }),
    ...(contentFormat !== undefined && { contentFormat }),
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
