/**
 * RFC 8613 Appendix C: keys, nonces, additional data and messages of all test vectors, byte by byte, both directions.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeMessage, encodeMessage } from '../../src/core/coap/message-codec.ts';
import type { Message } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import type { AeadAlgorithm, CryptoProvider } from '../../src/core/foundation/crypto-provider.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { additionalData } from '../../src/core/oscore/additional-data.ts';
import {
  type ContextParameters,
  derivationInfo,
  deriveSecurityContext,
} from '../../src/core/oscore/derive-context.ts';
import { decodeOscoreOption, encodeOscoreOption } from '../../src/core/oscore/oscore-option.ts';
import { deriveNonce, encodePartialIv } from '../../src/core/oscore/partial-iv.ts';
import type { OscoreContent } from '../../src/core/oscore/plaintext.ts';
import { type SecurityContext, unusedContext } from '../../src/core/oscore/security-context.ts';
import { verifyResponse } from '../../src/core/oscore/verify-response.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { hex, readVectors } from '../unit/crypto/vector-files.ts';
import {
  mirrored,
  plain,
  protectedRequest,
  protectedResponse,
  sources,
  verifiedRequest,
} from '../unit/oscore/contexts.ts';

interface KeyVector {
  readonly id: string;
  readonly inputs: {
    readonly master_secret: string;
    readonly master_salt: string | null;
    readonly sender_id: string;
    readonly recipient_id: string;
    readonly id_context: string | null;
  };
  readonly info_sender_key: string;
  readonly info_recipient_key: string;
  readonly info_common_iv: string;
  readonly sender_key: string;
  readonly recipient_key: string;
  readonly common_iv: string;
  readonly sender_nonce: string;
  readonly recipient_nonce: string;
}

interface MessageVector {
  readonly id: string;
  readonly kind: 'request' | 'response';
  readonly security_context: string;
  readonly answers_request: string | null;
  readonly unprotected: string;
  readonly sender_sequence_number: number;
  readonly partial_iv: string | null;
  readonly kid: string | null;
  readonly kid_context: string | null;
  readonly aad: string;
  readonly nonce: string;
  readonly oscore_option_value: string;
  readonly protected: string;
}

const { key_derivation: keys, messages } = readVectors<{
  readonly key_derivation: readonly KeyVector[];
  readonly messages: readonly MessageVector[];
}>('oscore/rfc8613-appendix-c.json');

function parametersOf({ inputs }: KeyVector): ContextParameters {
  return {
    masterSecret: hex(inputs.master_secret),
    senderId: hex(inputs.sender_id),
    recipientId: hex(inputs.recipient_id),
    ...(inputs.master_salt !== null && { masterSalt: hex(inputs.master_salt) }),
    ...(inputs.id_context !== null && { idContext: hex(inputs.id_context) }),
  };
}

function keyVector(id: string): KeyVector {
  return keys.find((vector) => vector.id === id) as KeyVector;
}

/** A context whose next Sender Sequence Number is `next`. */
function contextOf(parameters: ContextParameters, next = 0): SecurityContext {
  return deriveSecurityContext(sources(), parameters, { ...unusedContext, senderEdge: next });
}

function decoded(text: string): Message {
  const message = decodeMessage(hex(text));
  assert.ok(!isDecodeFault(message));
  return message;
}

/** The message on the wire: header and token of the original (RFC 8613 §4.2). */
function encoded({ type, messageId, token }: Message, { code, options, payload }: OscoreContent): string {
  return toHex(encodeMessage({ type, messageId, token, code, options, payload }));
}

describe('key derivation', () => {
  assert.equal(keys.length, 6);
  for (const vector of keys) {
    test(`${vector.id}: info, Sender Key, Recipient Key and Common IV`, () => {
      const parameters = parametersOf(vector);
      const derived: [AeadAlgorithm, string][] = [];
      const crypto: CryptoProvider = {
        ...nodeCrypto,
        aead: (algorithm, key) => {
          derived.push([algorithm, toHex(key)]);
          return nodeCrypto.aead(algorithm, key);
        },
      };
      const context = deriveSecurityContext({ ...sources(), crypto }, parameters, unusedContext);
      assert.deepEqual(derived, [
        ['AES_128_CCM_8', vector.sender_key],
        ['AES_128_CCM_8', vector.recipient_key],
      ]);
      assert.equal(toHex(context.commonIv), vector.common_iv);
      const { senderId, recipientId, idContext } = parameters;
      assert.equal(toHex(derivationInfo(senderId, idContext, 10, 'Key', 16)), vector.info_sender_key);
      assert.equal(toHex(derivationInfo(recipientId, idContext, 10, 'Key', 16)), vector.info_recipient_key);
      assert.equal(toHex(derivationInfo(noBytes, idContext, 10, 'IV', 13)), vector.info_common_iv);
      const partialIv = encodePartialIv(0);
      assert.equal(toHex(deriveNonce(context.commonIv, senderId, partialIv)), vector.sender_nonce);
      assert.equal(toHex(deriveNonce(context.commonIv, recipientId, partialIv)), vector.recipient_nonce);
    });
  }
});

describe('requests', () => {
  const requests = messages.filter(({ kind }) => kind === 'request');
  assert.equal(requests.length, 3);
  for (const vector of requests) {
    const parameters = parametersOf(keyVector(vector.security_context));
    const kidContext = vector.kid_context === null ? undefined : hex(vector.kid_context);

    test(`${vector.id}: the protected request, its nonce and its additional data`, () => {
      const context = contextOf(parameters, vector.sender_sequence_number);
      const original = decoded(vector.unprotected);
      const { message, binding } = protectedRequest(context, original, kidContext);
      assert.equal(encoded(original, message), vector.protected);
      assert.equal(toHex(binding.requestNonce), vector.nonce);
      assert.equal(toHex(binding.additionalData), vector.aad);
      assert.equal(
        toHex(message.options.first(OptionNumber.Oscore) as Uint8Array),
        vector.oscore_option_value,
      );
    });

    test(`${vector.id}: the server verifies it and has the original request`, () => {
      const server = contextOf(mirrored(parameters));
      const { request } = verifiedRequest(server, decoded(vector.protected));
      assert.deepEqual(plain(request), plain(decoded(vector.unprotected)));
    });

    test(`${vector.id}: the OSCORE option reads as kid, kid context and Partial IV, and is written the same`, () => {
      const option = decodeOscoreOption(hex(vector.oscore_option_value));
      assert.ok(!isDecodeFault(option));
      assert.equal(toHex(option.partialIv as Uint8Array), vector.partial_iv);
      assert.equal(toHex(option.kid as Uint8Array), vector.kid);
      assert.deepEqual(option.kidContext && toHex(option.kidContext), vector.kid_context ?? undefined);
      assert.equal(toHex(encodeOscoreOption(option)), vector.oscore_option_value);
    });
  }
});

describe('responses', () => {
  const responses = messages.filter(({ kind }) => kind === 'response');
  assert.equal(responses.length, 2);
  for (const vector of responses) {
    const asked = messages.find(({ id }) => id === vector.answers_request) as MessageVector;
    const parameters = parametersOf(keyVector(vector.security_context));

    test(`${vector.id}: the protected response and its additional data`, () => {
      const context = contextOf(parameters, vector.sender_sequence_number);
      const { binding } = verifiedRequest(context, decoded(asked.protected));
      // C.8 has a Partial IV of its own: the nonce of the request is taken.
      if (vector.partial_iv !== null) assert.ok(binding.takeRequestNonce());
      const original = decoded(vector.unprotected);
      assert.equal(encoded(original, protectedResponse(binding, original)), vector.protected);
      assert.equal(toHex(binding.additionalData), vector.aad);
    });

    test(`${vector.id}: the client verifies it and has the original response`, () => {
      const client = contextOf(mirrored(parameters), asked.sender_sequence_number);
      const { binding } = protectedRequest(client, decoded(asked.unprotected));
      const verdict = verifyResponse(binding, decoded(vector.protected));
      assert.equal(verdict.kind, 'verified');
      assert.deepEqual(plain(verdict.response), plain(decoded(vector.unprotected)));
    });
  }
});

test('§5.4: the example of additional data', () => {
  assert.equal(
    toHex(additionalData(10, Uint8Array.of(0), Uint8Array.of(0x25))),
    '8368456e63727970743040498501810a4100412540',
  );
});
