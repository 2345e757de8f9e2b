import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { checkDtlsConfig, type DtlsConfig } from '../../../../src/core/dtls/dtls-config.ts';
import { ServerSessions } from '../../../../src/core/dtls/session/server-sessions.ts';
import { noBytes } from '../../../../src/core/foundation/bytes.ts';
import { instant } from '../../../../src/core/foundation/instant.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../../src/testing/seeded-random.ts';
import { sampleSession } from './session-samples.ts';

const start = instant(0);

function sessions(config: Partial<DtlsConfig> = {}): ServerSessions {
  return new ServerSessions(
    nodeCrypto,
    new SeededRandom(1),
    checkDtlsConfig({ sessionLifetimeMs: 10_000, ...config }),
  );
}

suite('a server remembers sessions', () => {
  test('by a session id of 32 bytes', () => {
    const own = sessions();
    const sessionId = own.promise(false, false, start).sessionId;
    assert.equal(sessionId.length, 32);
    own.remember(sessionId, sampleSession, 1, start);
    for (const ticket of [undefined, noBytes]) {
      assert.deepEqual(own.recall({ sessionId, ticket }, instant(9999)), {
        session: sampleSession,
        by: 'session-id',
        isTicketOld: false,
      });
    }
    assert.equal(own.recall({ sessionId, ticket: undefined }, instant(10_000)), undefined);
  });

  test('by a ticket, and beside one the session id names nothing (RFC 5077 §3.4)', () => {
    const own = sessions();
    const sessionId = own.promise(false, false, start).sessionId;
    own.remember(sessionId, sampleSession, 1, start);
    const { ticket, lifetimeSeconds } = own.issueTicket(sampleSession, instant(2500))!;
    assert.equal(lifetimeSeconds, 7);
    assert.deepEqual(own.recall({ sessionId: noBytes, ticket }, instant(9999)), {
      session: sampleSession,
      by: 'ticket',
      isTicketOld: false,
    });
    assert.equal(own.recall({ sessionId: noBytes, ticket }, instant(10_000)), undefined, 'too old');
    assert.equal(own.recall({ sessionId, ticket: Uint8Array.of(1) }, start), undefined);
  });

  test('only in the ways that are configured', () => {
    for (const [resumption, byId, byTicket] of [
      ['off', false, false],
      ['session-id', true, false],
      ['ticket', false, true],
      ['both', true, true],
    ] as const) {
      const own = sessions({ resumption });
      assert.equal(own.promise(false, false, start).sessionId.length, byId ? 32 : 0);
      assert.equal(own.promise(false, false, start).ticket, false, 'nobody asked');
      assert.equal(own.promise(true, false, start).ticket, byTicket && !byId);
      own.remember(new Uint8Array(32), sampleSession, 1, start);
      const { ticket } = own.issueTicket(sampleSession, start)!;
      const recalls = (reference: Parameters<ServerSessions['recall']>[0]): boolean =>
        own.recall(reference, start) !== undefined;
      assert.equal(recalls({ sessionId: new Uint8Array(32), ticket: undefined }), byId);
      assert.equal(recalls({ sessionId: noBytes, ticket }), byTicket);
    }
  });

  test('by tickets once the cache is full, until one of its sessions is too old', () => {
    const own = sessions({ maxSessions: 1 });
    assert.equal(own.promise(true, false, start).ticket, false);
    own.remember(new Uint8Array(32), sampleSession, 1, start);
    const promised = own.promise(true, false, start);
    assert.deepEqual([promised.ticket, promised.sessionId.length], [true, 0]);
    assert.equal(own.promise(false, false, start).sessionId.length, 32, 'for who takes no tickets');
    assert.equal(own.promise(true, false, instant(10_000)).ticket, false);
  });

  test('with a chain of certificates by session id, and by ticket only where nothing else is allowed', () => {
    const promised = sessions().promise(true, true, start);
    assert.deepEqual([promised.ticket, promised.sessionId.length], [false, 32]);
    const other = sessions({ resumption: 'ticket' }).promise(true, true, start);
    assert.deepEqual([other.ticket, other.sessionId.length], [true, 0]);
  });

  test('an empty session id remembers nothing', () => {
    const own = sessions();
    own.remember(noBytes, sampleSession, 1, start);
    assert.equal(own.size, 0);
  });

  test('a ticket that would not fit a ClientHello is not made', () => {
    const own = sessions();
    const long = { ...sampleSession, identity: new Uint8Array(1000) };
    assert.equal(own.issueTicket(long, start), undefined);
  });

  test('a lifetime beyond 2^32 seconds is told as the longest there is, one under a second as one', () => {
    assert.equal(
      sessions({ sessionLifetimeMs: 2 ** 50 }).issueTicket(sampleSession, start)?.lifetimeSeconds,
      2 ** 32 - 1,
    );
    assert.equal(sessions({ sessionLifetimeMs: 500 }).issueTicket(sampleSession, start)?.lifetimeSeconds, 1);
  });
});
