/**
 * Fuzz target: whoever watches messages under OSCORE opens those that an end protected, and nothing else.
 */

import { isRequestCode } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage } from '../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { OscoreObserver } from '../../src/core/oscore/oscore-observer.ts';
import type { OscoreContent } from '../../src/core/oscore/plaintext.ts';
import {
  clientParameters,
  contentResponse,
  ends,
  protectedRequest,
  protectedResponse,
  sources,
  verifiedRequest,
} from '../unit/oscore/contexts.ts';

const idContext = Uint8Array.of(1, 2, 3);
const { client, server } = ends({ idContext }, { dangerouslyVolatile: true });
const request = protectedRequest(client, undefined, idContext);
const { binding } = verifiedRequest(server, request.message);
const messages = [request.message, ...[1, 2].map(() => protectedResponse(binding, contentResponse))];
const genuine = new Set(messages.map(({ payload }) => toHex(payload)));

function datagramOf({ code, options, payload }: OscoreContent): Uint8Array {
  return encodeMessage({ type: 'CON', messageId: 1, token: noBytes, code, options, payload });
}

const observer = new OscoreObserver(sources(), [
  { name: 'with an ID Context', parameters: { ...clientParameters, idContext } },
  { name: 'with any', parameters: clientParameters },
]);

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'oscore-observer',
  corpus: messages.map(datagramOf),
  run(input) {
    const message = decodeMessage(input);
    if (isDecodeFault(message) || !message.options.has(OptionNumber.Oscore)) return;
    const isRequest = isRequestCode(message.code);
    if (!isRequest) observer.observeRequest('exchange', 'server', request.message);
    const observed = isRequest
      ? observer.observeRequest('exchange', 'server', message)
      : observer.observeResponse('exchange', message);
    if (observed.kind === 'opened' && !genuine.has(toHex(message.payload)))
      throw new Error('a message opens that nobody protected');
  },
};
