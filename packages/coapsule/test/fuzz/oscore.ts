/**
 * Fuzz target: OSCORE messages (RFC 8613) are verified or refused, the option is read as it is written, and nothing
 * verifies that the other end did not protect.
 */

import { isResponseCode } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage } from '../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { decodeOscoreOption, encodeOscoreOption } from '../../src/core/oscore/oscore-option.ts';
import type { OscoreContent } from '../../src/core/oscore/plaintext.ts';
import { ClientBinding } from '../../src/core/oscore/request-binding.ts';
import { refusalResponse } from '../../src/core/oscore/verify-request.ts';
import { verifyResponse } from '../../src/core/oscore/verify-response.ts';
import {
  content,
  ends,
  getRequest,
  protectedRequest,
  protectedResponse,
  verdictOf,
  verifiedRequest,
} from '../unit/oscore/contexts.ts';

const { client, server } = ends({ idContext: Uint8Array.of(1, 2, 3) }, { dangerouslyVolatile: true });

const registration = protectedRequest(client, content(1, [[OptionNumber.Observe, 0]]), client.idContext);
const requests = [protectedRequest(client, getRequest), registration];
const responses = requests.flatMap(({ message }) => {
  const { binding } = verifiedRequest(server, message);
  return [1, 2].map(() => protectedResponse(binding, content(0x45, [[OptionNumber.Observe, 7]], 'payload')));
});
// Verified already: their numbers are used up, and those that mutations make are new.
const corpus = [...requests.map(({ message }) => message), ...responses].map(datagramOf);

/** Ciphertexts that the other end made. */
const genuine = new Set(
  [...requests.map(({ message }) => message), ...responses].map(({ payload }) => toHex(payload)),
);

function datagramOf({ code, options, payload }: OscoreContent): Uint8Array {
  return encodeMessage({ type: 'CON', messageId: 1, token: noBytes, code, options, payload });
}

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'oscore',
  corpus,
  run(input) {
    for (const value of [input, input.subarray(5)]) {
      const option = decodeOscoreOption(value);
      if (!isDecodeFault(option) && value.length <= 255 && toHex(encodeOscoreOption(option)) !== toHex(value))
        throw new Error('the option is written in another way');
    }
    const message = decodeMessage(input);
    if (isDecodeFault(message) || !message.options.has(OptionNumber.Oscore)) return;
    if (isResponseCode(message.code)) {
      const { context, request } = registration.binding;
      const verdict = verifyResponse(new ClientBinding(context, request), message);
      if (verdict.kind === 'verified' && !genuine.has(toHex(message.payload)))
        throw new Error('a response verifies that nobody protected');
      return;
    }
    const verdict = verdictOf(server, message);
    if (verdict.kind !== 'refused') throw new Error(`a request is ${verdict.kind} that nobody protected`);
    encodeMessage({ type: 'ACK', messageId: 1, token: noBytes, ...refusalResponse(verdict.fault) });
  },
};
