/**
 * The messages printed in RFC 7252 Appendix A and RFC 7641 Appendix A, both ways.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codeText } from '../../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage } from '../../../src/core/coap/message-codec.ts';
import type { MessageType } from '../../../src/core/coap/message-view.ts';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { encodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import { hex, printedOptions, readVectors } from './vectors.ts';

interface PrintedMessage {
  readonly type: MessageType;
  readonly code: string;
  readonly mid: number;
  readonly token: string;
  readonly options: readonly (readonly [string, string])[];
  readonly payload: string | null;
  readonly encoded: string;
}

interface Figures {
  readonly figures: readonly { figure: number; title: string; messages: readonly PrintedMessage[] }[];
}

for (const file of ['rfc7252-appendix-a.json', 'rfc7641-appendix-a.json']) {
  describe(file, () => {
    for (const { figure, title, messages } of readVectors<Figures>(file).figures) {
      it(`figure ${figure}: ${title}`, () => {
        assert.ok(messages.length > 0);
        for (const printed of messages) {
          const datagram = hex(printed.encoded);
          const payload = encodeUtf8(printed.payload ?? '');
          const options = printedOptions(printed.options);

          const message = decodeMessage(datagram);
          assert.ok(!isDecodeFault(message));
          assert.equal(message.type, printed.type);
          assert.equal(codeText(message.code), printed.code);
          assert.equal(message.messageId, printed.mid);
          assert.deepEqual(message.token, hex(printed.token));
          assert.deepEqual(message.options.entries(), options.entries());
          assert.deepEqual(message.payload, payload);

          const [codeClass, detail] = printed.code.split('.').map(Number) as [number, number];
          const encoded = encodeMessage({
            type: printed.type,
            code: codeClass * 32 + detail,
            messageId: printed.mid,
            token: hex(printed.token),
            options,
            payload,
          });
          assert.deepEqual(encoded, datagram);
        }
      });
    }
  });
}
