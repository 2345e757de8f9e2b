/** Request bodies that are begun by peers about whom nothing is known (RFC 7959 §7.1), and what they may take from others. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { equalBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { RequestResponseLayer } from '../../src/core/request-response/request-response-layer.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { drain, message, type OptionList } from '../unit/request-response/harness.ts';
import { body, request, SpoofedSource } from './spoofed-source.ts';

const mebibyte = 1024 * 1024;
const firmware = body(mebibyte);

/** One block of 1024 bytes of a PUT. */
function block(num: number, options: OptionSet = new OptionSet()): Uint8Array {
  const value = encodeBlock({ num, more: (num + 1) * 1024 < mebibyte, szx: 6 });
  return request('/firmware', {
    ...{
      code: Code.Put,
      messageId: num,
      token: Uint8Array.of(1, 2),
      options: options.set(OptionNumber.Block1, value),
    },
    payload: firmware.subarray(num * 1024, (num + 1) * 1024),
  });
}

/** What came for the block `num`. */
function answerTo(peer: SpoofedSource, num: number): MessageView | undefined {
  return peer.received.findLast(({ type, messageId }) => type === 'ACK' && messageId === num);
}

/** Sends blocks until one is not answered by 2.31, and says which. */
function upload(peer: SpoofedSource, from = 0): number {
  for (let num = from; ; num++) {
    peer.send(block(num));
    if (answerTo(peer, num)?.code !== Code.Continue) return num;
  }
}

test('C6: 64 KiB of a body are taken from an address that nothing proves; the next block waits, and is refused 4.13 with Size1', () => {
  const silent = new SpoofedSource(() => ({ code: Code.Changed }));
  const last = upload(silent);
  assert.ok(last >= 60 && last * 1024 <= 65_536, `${last} KiB were taken`);
  const pings = silent.received.filter(({ type, code }) => type === 'CON' && code === Code.Empty);
  assert.equal(pings.length, 1, 'it was asked whether it is there, long before');
  silent.pass(500);
  assert.equal(answerTo(silent, last)?.code, Code.Empty, 'the block waits');
  silent.pass(100_000);
  const refusal = silent.received.findLast(({ code }) => code === Code.RequestEntityTooLarge);
  const size1 = refusal?.options.uint(OptionNumber.Size1) ?? 0;
  assert.ok(size1 > 60_000 && size1 < 65_536, `${size1}`);
  assert.equal(silent.asked.length, 0);
  silent.pass(300_000);
  assert.equal(silent.server.nextTimeout(), undefined, 'nothing is left');
});

test('C6: one that answers the ping uploads 1 MiB, also when the first ping and its answer were lost', () => {
  for (const isLost of [false, true]) {
    const there = new SpoofedSource(() => ({ code: Code.Changed }));
    there.isThere = !isLost;
    let next = upload(there);
    if (isLost) {
      assert.ok(next < 1023, 'the block waits for the proof');
      there.isThere = true;
      there.pass(3_000); // the ping is repeated
      assert.equal(there.received.at(-1)?.code, Code.Continue);
      next = upload(there, next + 1);
    }
    assert.equal(next, 1023);
    assert.equal(answerTo(there, next)?.code, Code.Changed);
    assert.ok(equalBytes(there.asked[0]?.request.payload ?? Uint8Array.of(), firmware));
  }
});

test('C6: a small body in blocks costs no ping', () => {
  const silent = new SpoofedSource(() => ({ code: Code.Changed }));
  for (let num = 0; num < 8; num++) silent.send(block(num));
  assert.ok(silent.received.every(({ code }) => code === Code.Continue));
});

/** A layer for which no address is ever proved. */
function unprovedLayer(
  changes: ConstructorParameters<typeof RequestResponseLayer>[0]['config'] = {},
): RequestResponseLayer {
  return new RequestResponseLayer({
    random: new SeededRandom(1),
    config: changes,
    addressLimit: {
      allowance: () => 4096,
      takesEcho: () => false,
      mayAsk: () => false,
      isAsking: () => false,
    },
  });
}

function put(layer: RequestResponseLayer, peer: string, options: OptionList, length = 1024): void {
  const one = message(Code.Put, { token: Uint8Array.of(1), options, payload: new Uint8Array(length) });
  layer.receiveRequest(peer, one, 'reply', instant(0), false);
  drain(layer);
}

test('C6: the memory for all unfinished bodies of such a peer is never more than 64 KiB, in blocks of either kind', () => {
  const layer = unprovedLayer();
  let most = 0;
  for (let num = 0; num < 100; num++) {
    for (let name = 0; name < 4; name++) {
      const path = [OptionNumber.UriPath, `${name}`] as const;
      put(layer, 'peer', [path, [OptionNumber.Block1, encodeBlock({ num, more: true, szx: 6 })]]);
      most = Math.max(most, layer.load().requestBodyBytes);
      const parts: OptionList = [
        [OptionNumber.QBlock1, encodeBlock({ num: 99 - num, more: num > 0, szx: 6 })],
        [OptionNumber.Size1, 100 * 1024],
        [OptionNumber.RequestTag, Uint8Array.of(name)],
      ];
      put(layer, 'peer', [path, ...parts]);
      most = Math.max(most, layer.load().requestBodyBytes);
    }
  }
  assert.ok(most > 50_000, `${most}`);
  assert.ok(most <= 65_536, `${most}`);
});

test('C6: bodies of such a peer that are whole, and kept for repetitions of their last block, are no more either', () => {
  const layer = unprovedLayer();
  for (let i = 0; i < 8; i++) {
    const path = [OptionNumber.UriPath, `${i}`] as const;
    for (let num = 0; num < 20; num++) {
      put(layer, 'peer', [path, [OptionNumber.Block1, encodeBlock({ num, more: num < 19, szx: 6 })]]);
    }
  }
  assert.equal(layer.load().serverExchanges, 8, 'all of them were taken');
  assert.ok(layer.load().requestBodyBytes <= 65_536 + 21 * 1024);
});

test('C6: a flood of spoofed addresses that each begin a body takes no proved peer its own', () => {
  const there = new SpoofedSource(() => ({ code: Code.Changed }), {
    requestResponse: { maxRequestBodies: 100 },
  });
  there.isThere = true;
  const size = new OptionSet().set(OptionNumber.Size1, mebibyte);
  there.send(block(0, size));
  there.send(block(1));
  for (let i = 0; i < 2_000; i++) there.send(block(0), ipAddress('10.0.0.1', 1 + i));
  assert.equal(upload(there, 2), 1023);
  assert.equal(answerTo(there, 1023)?.code, Code.Changed);
});
