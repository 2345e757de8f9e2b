/**
 * RFC 8613 §7: binding, sequence numbers, replay protection of requests and notifications, and state that a crash takes.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { toHex } from '../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../src/core/foundation/errors.ts';
import type { OscoreContent } from '../../src/core/oscore/plaintext.ts';
import { protectRequest } from '../../src/core/oscore/protect-request.ts';
import { protectResponse } from '../../src/core/oscore/protect-response.ts';
import type { ServerBinding } from '../../src/core/oscore/request-binding.ts';
import type { SecurityContext } from '../../src/core/oscore/security-context.ts';
import { verifyResponse } from '../../src/core/oscore/verify-response.ts';
import {
  content,
  contentResponse,
  ends,
  getRequest,
  plain,
  protectedRequest,
  protectedResponse,
  restarted,
  verdictOf,
  verifiedRequest,
} from '../unit/oscore/contexts.ts';

const register = content(Code.Get, [[OptionNumber.Observe, 0]]);
const notification = (value: number): OscoreContent =>
  content(Code.Content, [[OptionNumber.Observe, value]], String(value));

/** Partial IV of a protected message. */
function partialIvOf({ options }: OscoreContent): string {
  const value = options.first(OptionNumber.Oscore) as Uint8Array;
  return toHex(value.subarray(1, 1 + ((value[0] ?? 0) & 7)));
}

/** Requests of one client, number 0 and up. */
function requests(client: SecurityContext, count: number): OscoreContent[] {
  return Array.from({ length: count }, () => protectedRequest(client).message);
}

/** What a server makes of requests in this order: `ok`, or why not. */
function outcomes(server: SecurityContext, messages: readonly OscoreContent[]): string[] {
  return messages.map((message) => {
    const verdict = verdictOf(server, message);
    if (verdict.kind === 'store-first') server.stored(verdict.record);
    return verdict.kind === 'refused' ? verdict.fault : verdict.kind === 'challenged' ? 'challenged' : 'ok';
  });
}

describe('§7.1: message binding', () => {
  test('a response verifies only with the request that it answers', () => {
    const { client, server } = ends();
    const first = protectedRequest(client);
    const second = protectedRequest(client);
    const { binding } = verifiedRequest(server, first.message);
    for (const answer of [protectedResponse(binding), protectedResponse(binding)]) {
      const verdict = verifyResponse(second.binding, answer);
      assert.ok(verdict.kind === 'discarded' && verdict.fault === 'decryption-failed');
    }
    assert.equal(verifyResponse(first.binding, protectedResponse(binding)).kind, 'verified');
  });
});

describe('§7.2: sequence numbers', () => {
  test('numbers grow by one, and none is used twice, by requests and notifications together', () => {
    const { client, server } = ends();
    const own = requests(server, 2);
    const { binding } = verifiedRequest(server, protectedRequest(client, register).message);
    const notifications = [1, 2, 3].map((value) => protectedResponse(binding, notification(value)));
    assert.deepEqual([...own, ...notifications].map(partialIvOf), ['00', '01', '', '02', '03']);
  });

  test('no number is used that is not below the stored edge', () => {
    const { client } = ends({}, { senderBatch: 3 });
    const outcome = protectRequest(client, getRequest);
    assert.ok(outcome.kind === 'store-first');
    assert.deepEqual(outcome.record, { senderEdge: 3, recipientEdge: 0 });
    // Asking again takes nothing and asks for the same.
    assert.deepEqual(protectRequest(client, getRequest), outcome);
    client.stored(outcome.record);
    assert.equal(requests(client, 3).map(partialIvOf).join(), '00,01,02');
    const next = protectRequest(client, getRequest);
    assert.ok(next.kind === 'store-first');
    assert.equal(next.record.senderEdge, 6);
  });

  test('a batch is asked for before the last one is used up, so that nothing waits for it', () => {
    const { client } = ends({}, { senderBatch: 4 });
    client.stored({ senderEdge: 4, recipientEdge: 32 });
    assert.equal(client.recordDue(), undefined);
    requests(client, 2);
    const due = client.recordDue();
    assert.deepEqual(due, { senderEdge: 8, recipientEdge: 32 });
    assert.equal(client.recordDue(), undefined, 'once');
    client.stored({ senderEdge: 8, recipientEdge: 32 });
    assert.equal(protectRequest(client, getRequest).kind, 'protected');
  });

  test('records that are stored late or twice take nothing back', () => {
    const { client } = ends();
    client.stored({ senderEdge: 200, recipientEdge: 64 });
    client.stored({ senderEdge: 100, recipientEdge: 32 });
    assert.deepEqual(client.recordToStore, { senderEdge: 200, recipientEdge: 64 });
    assert.throws(() => client.stored({ senderEdge: 2 ** 40 + 1, recipientEdge: 0 }), ApiMisuseError);
  });

  test('a crash at any moment repeats no number: a new process begins at the stored edge', () => {
    for (let used = 0; used <= 12; used++) {
      let record = { senderEdge: 0, recipientEdge: 0 };
      const seen = new Set<string>();
      for (let life = 0; life < 4; life++) {
        const client = restarted('client', record, { senderBatch: 5 });
        for (let sent = 0; sent < used; sent++) {
          const outcome = protectRequest(client, getRequest);
          if (outcome.kind === 'store-first') {
            record = outcome.record;
            client.stored(record);
          } else {
            assert.ok(outcome.kind === 'protected');
            const partialIv = partialIvOf(outcome.message);
            assert.equal(seen.has(partialIv), false, `Partial IV ${partialIv} again`);
            seen.add(partialIv);
          }
        }
      }
    }
  });

  test('§7.2.1: after 2^40 - 1 the endpoint MUST NOT process any more messages with the Sender Context', () => {
    const last = 2 ** 40 - 1;
    const client = restarted('client', { senderEdge: last - 1, recipientEdge: 0 });
    const server = restarted('server', { senderEdge: last - 1, recipientEdge: 0 });
    const outcome = protectRequest(client, getRequest);
    assert.ok(outcome.kind === 'store-first');
    assert.equal(outcome.record.senderEdge, 2 ** 40);
    const [beforeLast, atLast] = [protectedRequest(client), protectedRequest(client)];
    assert.equal(partialIvOf(atLast.message), 'ffffffffff');
    assert.equal(protectRequest(client, getRequest).kind, 'exhausted');
    assert.equal(client.recordDue()?.senderEdge ?? 2 ** 40, 2 ** 40);

    // The peer takes them both, and answers until its own numbers are used up.
    const observer = verifiedRequest(server, protectedRequest(ends().client, register).message);
    const [first, second] = [beforeLast.message, atLast.message].map((message) =>
      verifiedRequest(server, message),
    );
    assert.deepEqual(outcomes(server, [atLast.message]), ['replay']);
    protectedResponse(first?.binding as ServerBinding);
    for (let value = 0; value < 3; value++) protectedResponse(observer.binding, notification(value));
    assert.equal(protectResponse(observer.binding, notification(4)).kind, 'exhausted');
    assert.equal(protectResponse(second?.binding as ServerBinding, contentResponse).kind, 'exhausted');
  });

  test('a closed context protects and verifies nothing more, and its exact record leaves no gap', () => {
    const { client, server } = ends();
    const [zero, one] = [protectedRequest(client), protectedRequest(client)];
    const { binding } = verifiedRequest(server, zero.message);
    const answer = protectedResponse(binding);
    assert.deepEqual(client.close(), { senderEdge: 2, recipientEdge: 0 });
    const record = server.close();
    assert.deepEqual(record, { senderEdge: 0, recipientEdge: 1 });
    assert.equal(protectRequest(client, getRequest).kind, 'closed');
    assert.equal(protectResponse(binding, contentResponse).kind, 'closed');
    const verdict = verifyResponse(zero.binding, answer);
    assert.ok(verdict.kind === 'discarded' && verdict.fault === 'closed');
    assert.equal(verdictOf(server, one.message).kind, 'refused');
    assert.deepEqual(outcomes(restarted('server', record), [one.message, one.message]), ['ok', 'replay']);
  });
});

describe('§7.4: replay protection', () => {
  test('Partial IV 0 is taken, once', () => {
    const { client, server } = ends();
    const [zero] = requests(client, 1);
    assert.deepEqual(outcomes(server, [zero, zero, zero] as OscoreContent[]), ['ok', 'replay', 'replay']);
  });

  test('order 5, 3, 4: each is taken once, whatever the order', () => {
    const { client, server } = ends();
    const all = requests(client, 6);
    const order = [5, 3, 4, 5, 3, 4, 0, 1, 2, 0].map((index) => all[index] as OscoreContent);
    assert.deepEqual(outcomes(server, order), [
      ...['ok', 'ok', 'ok', 'replay', 'replay', 'replay'],
      ...['ok', 'ok', 'ok', 'replay'],
    ]);
  });

  for (const size of [32, 33, 64, 100]) {
    test(`a window of ${size}: the oldest number inside is taken, the one behind it is not`, () => {
      const { client, server } = ends({}, { replayWindow: size });
      const all = requests(client, size + 2);
      const at = (index: number): OscoreContent => all[index] as OscoreContent;
      assert.deepEqual(outcomes(server, [at(size)]), ['ok']);
      assert.deepEqual(outcomes(server, [at(1), at(0), at(1)]), ['ok', 'replay', 'replay']);
      assert.deepEqual(outcomes(server, [at(size + 1), at(2), at(1)]), ['ok', 'ok', 'replay']);
    });
  }

  test('the default window is 32 wide: 31 behind the highest is taken, 32 and 33 are not', () => {
    for (const [behind, outcome] of [
      [31, 'ok'],
      [32, 'replay'],
      [33, 'replay'],
    ] as const) {
      const { client, server } = ends();
      const all = requests(client, 41);
      assert.deepEqual(outcomes(server, [all[40], all[40 - behind]] as OscoreContent[]), ['ok', outcome]);
    }
  });

  test('a jump as wide as the window, and wider, forgets nothing that it must know', () => {
    for (const jump of [31, 32, 33, 64, 1000]) {
      const { client, server } = ends();
      const all = requests(client, jump + 2);
      const [first, last] = [all[0] as OscoreContent, all[jump] as OscoreContent];
      assert.deepEqual(outcomes(server, [first, last]), ['ok', 'ok']);
      assert.deepEqual(outcomes(server, all.slice(0, 1)), ['replay']);
      const inside = all.slice(Math.max(1, jump - 31), jump);
      assert.deepEqual(
        outcomes(server, inside),
        inside.map(() => 'ok'),
      );
      assert.deepEqual(
        outcomes(server, [...inside, last]),
        [...inside, last].map(() => 'replay'),
      );
    }
  });

  test('a forged message with a high Partial IV does not move the window', () => {
    const { client, server } = ends();
    const [zero, one] = requests(client, 2) as [OscoreContent, OscoreContent];
    const forged: OscoreContent = {
      ...zero,
      options: content(0, [[OptionNumber.Oscore, Uint8Array.of(0x0d, 0xff, 0xff, 0xff, 0xff, 0xff)]]).options,
    };
    assert.deepEqual(outcomes(server, [forged, zero, forged, one]), [
      'decryption-failed',
      'ok',
      'decryption-failed',
      'ok',
    ]);
    assert.equal(server.window.edge, 2);
  });

  test('a window narrower than 32 is refused', () => {
    for (const replayWindow of [0, 1, 31, 32.5, 70_000]) {
      assert.throws(() => ends({}, { replayWindow }), ApiMisuseError);
    }
  });
});

describe('§7.4.1: replay protection of notifications', () => {
  /** A registration, and its notifications 0 (without a Partial IV) to 5. */
  function observation(): {
    binding: ReturnType<typeof protectedRequest>['binding'];
    sent: OscoreContent[];
    server: SecurityContext;
  } {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client, register);
    const asked = verifiedRequest(server, message);
    const sent = Array.from({ length: 6 }, (_, value) =>
      protectedResponse(asked.binding, notification(value)),
    );
    return { binding, sent, server };
  }

  /** Which of these notifications are taken, with the Observe value that each gets. */
  function taken(order: readonly number[]): (string | number)[] {
    const { binding, sent } = observation();
    return order.map((index) => {
      const verdict = verifyResponse(binding, sent[index] as OscoreContent);
      if (verdict.kind === 'discarded') return verdict.fault;
      assert.equal(new TextDecoder().decode(verdict.response.payload), String(index));
      assert.equal(verdict.final, false);
      return verdict.response.options.uint(OptionNumber.Observe) as number;
    });
  }

  const stale = 'stale-notification';

  test('in order all are taken, with Observe values that grow', () => {
    assert.deepEqual(taken([0, 1, 2, 3, 4, 5]), [1, 2, 3, 4, 5, 6]);
  });

  test('the client MUST stop processing notifications with a Partial IV that was received', () => {
    assert.deepEqual(taken([0, 1, 1, 2, 1, 2]), [1, 2, stale, 3, stale, stale]);
  });

  test('the one with the highest Partial IV is the freshest, regardless of the order of arrival', () => {
    assert.deepEqual(taken([3, 1, 2, 5, 4]), [1, stale, stale, 2, stale]);
  });

  test('at most one without Partial IV is taken, and it is the oldest', () => {
    assert.deepEqual(taken([0, 0]), [1, stale]);
    assert.deepEqual(taken([1, 0, 2]), [1, stale, 2]);
  });

  test('an Outer Observe value changes nothing', () => {
    const { binding, sent } = observation();
    for (const [index, outer] of [9, 3, 200].entries()) {
      const entries = [...(sent[index] as OscoreContent).options.entries()];
      const options = content(0, [
        ...entries
          .filter(({ number }) => number !== OptionNumber.Observe)
          .map(({ number, value }) => [number, value] as const),
        [OptionNumber.Observe, outer],
      ]).options;
      const verdict = verifyResponse(binding, { ...(sent[index] as OscoreContent), options });
      assert.ok(verdict.kind === 'verified');
      assert.equal(verdict.response.options.uint(OptionNumber.Observe), index + 1);
    }
  });

  test('a forged notification does not raise the Notification Number', () => {
    const { binding, sent } = observation();
    const first = sent[1] as OscoreContent;
    const forged = {
      ...first,
      options: content(0, [[OptionNumber.Oscore, Uint8Array.of(0x05, 0xff, 0xff, 0xff, 0xff, 0xff)]]).options,
    };
    assert.equal(verifyResponse(binding, forged).kind, 'discarded');
    assert.equal(verifyResponse(binding, first).kind, 'verified');
  });

  test('a response without Inner Observe ends the observation, and nothing is taken after it', () => {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client, register);
    const asked = verifiedRequest(server, message);
    const first = protectedResponse(asked.binding, notification(1));
    const end = protectedResponse(asked.binding, content(Code.NotFound));
    const late = protectedResponse(asked.binding, notification(2));
    assert.equal(verifyResponse(binding, first).kind, 'verified');
    const verdict = verifyResponse(binding, end);
    assert.ok(verdict.kind === 'verified' && verdict.final);
    const after = verifyResponse(binding, late);
    assert.ok(after.kind === 'discarded' && after.fault === 'already-answered');
  });

  test('only a single response to a request is accepted', () => {
    const { client, server } = ends();
    const { message, binding } = protectedRequest(client);
    const asked = verifiedRequest(server, message);
    const [one, two] = [protectedResponse(asked.binding), protectedResponse(asked.binding)];
    assert.equal(verifyResponse(binding, two).kind, 'verified');
    for (const again of [one, two]) {
      const verdict = verifyResponse(binding, again);
      assert.ok(verdict.kind === 'discarded' && verdict.fault === 'already-answered');
    }
  });
});

describe('§7.5: state that a crash takes', () => {
  test('a request is delivered only after an edge above its Partial IV is stored', () => {
    const { client, server } = ends({}, { recipientStep: 4 });
    const all = requests(client, 6);
    const first = verdictOf(server, all[0] as OscoreContent);
    assert.ok(first.kind === 'store-first');
    assert.deepEqual(first.record, { senderEdge: 0, recipientEdge: 4 });
    // The next one waits for the same record.
    const second = verdictOf(server, all[1] as OscoreContent);
    assert.ok(second.kind === 'store-first');
    assert.deepEqual(second.record, first.record);
    server.stored(first.record);
    assert.equal(verdictOf(server, all[2] as OscoreContent).kind, 'verified');
    assert.equal(verdictOf(server, all[3] as OscoreContent).kind, 'verified');
    const fifth = verdictOf(server, all[4] as OscoreContent);
    assert.ok(fifth.kind === 'store-first');
    assert.equal(fifth.record.recipientEdge, 8);
  });

  test('the edge is moved ahead before it is reached, so that requests do not wait for it', () => {
    const { client, server } = ends({}, { recipientStep: 4 });
    server.stored({ senderEdge: 100, recipientEdge: 4 });
    const all = requests(client, 6);
    assert.deepEqual(outcomes(server, all.slice(0, 1)), ['ok']);
    assert.equal(server.recordDue(), undefined);
    outcomes(server, all.slice(1, 3));
    assert.deepEqual(server.recordDue(), { senderEdge: 100, recipientEdge: 8 });
    server.stored({ senderEdge: 100, recipientEdge: 8 });
    assert.equal(verdictOf(server, all[4] as OscoreContent).kind, 'verified');
  });

  test('a crash at any moment: no request is delivered twice, and what is above the stored edge is fresh', () => {
    for (let crashAfter = 0; crashAfter <= 20; crashAfter++) {
      const { client } = ends({}, { senderBatch: 1000 });
      const all = requests(client, 40);
      const delivered = new Set<number>();
      let record = { senderEdge: 0, recipientEdge: 0 };
      for (let life = 0; life < 3; life++) {
        const server = restarted('server', record, { recipientStep: 5 });
        const fresh = record.recipientEdge;
        // An attacker replays all that was ever sent.
        for (const [index, message] of all.slice(0, crashAfter + life * 5).entries()) {
          const verdict = verdictOf(server, message);
          if (verdict.kind === 'store-first') {
            record = verdict.record;
            server.stored(record);
          }
          if (verdict.kind === 'store-first' || verdict.kind === 'verified') {
            assert.equal(delivered.has(index), false, `request ${index} again`);
            assert.ok(index >= fresh);
            delivered.add(index);
          }
        }
      }
      assert.equal(delivered.has(crashAfter + 20), false);
    }
  });

  test('until the request is covered, its nonce is not used: a crash would have it answered twice', () => {
    const { client } = ends();
    const { message } = protectedRequest(client);
    const server = restarted('server', { senderEdge: 0, recipientEdge: 0 });
    const verdict = verdictOf(server, message);
    assert.ok(verdict.kind === 'store-first');
    // The record cannot be stored: only numbers that are reserved can say so, and there is none.
    assert.equal(protectResponse(verdict.binding, content(Code.ServiceUnavailable)).kind, 'store-first');
    assert.equal(verdict.binding.takeRequestNonce(), undefined);
    server.stored({ senderEdge: 10, recipientEdge: 0 });
    const refusal = protectedResponse(verdict.binding, content(Code.ServiceUnavailable));
    assert.equal(partialIvOf(refusal), '00');
    server.stored(verdict.record);
    assert.equal(partialIvOf(protectedResponse(verdict.binding)), '', 'now it is');
  });

  test('the record of another role is kept as it is', () => {
    const both = restarted('client', { senderEdge: 7, recipientEdge: 9 });
    assert.equal(partialIvOf(protectedRequest(both).message), '07');
    assert.deepEqual(both.recordToStore, { senderEdge: 107, recipientEdge: 9 });
    for (const record of [
      { senderEdge: -1, recipientEdge: 0 },
      { senderEdge: 0, recipientEdge: 2 ** 40 + 1 },
      { senderEdge: Number.NaN, recipientEdge: 0 },
    ]) {
      assert.throws(() => restarted('client', record), ApiMisuseError);
    }
  });

  test('a volatile context stores nothing', () => {
    const { client, server } = ends({}, { dangerouslyVolatile: true });
    const outcome = protectRequest(client, getRequest);
    assert.ok(outcome.kind === 'protected');
    assert.equal(verdictOf(server, outcome.message).kind, 'verified');
    assert.equal(client.recordDue(), undefined);
  });
});

test('§3.1: one context serves both roles, with the same keys and one count of numbers', () => {
  const { client, server } = ends();
  const forward = protectedRequest(client);
  const back = protectedRequest(server);
  const atServer = verifiedRequest(server, forward.message);
  const atClient = verifiedRequest(client, back.message);
  assert.deepEqual(plain(atClient.request), plain(getRequest));
  assert.equal(verifyResponse(forward.binding, protectedResponse(atServer.binding)).kind, 'verified');
  assert.equal(verifyResponse(back.binding, protectedResponse(atClient.binding)).kind, 'verified');
});
