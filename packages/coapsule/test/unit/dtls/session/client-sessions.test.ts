import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type ClientSession, ClientSessions } from '../../../../src/core/dtls/session/client-sessions.ts';
import { instant } from '../../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../../src/core/foundation/peer-address.ts';
import { sampleSession } from './session-samples.ts';

const server = ipAddress('192.0.2.2', 5684);
const byId: ClientSession = {
  session: sampleSession,
  by: { kind: 'session-id', sessionId: new Uint8Array(32).fill(1) },
};

function byTicket(lifetimeSeconds: number): ClientSession {
  return { ...byId, by: { kind: 'ticket', ticket: new Uint8Array(100), lifetimeSeconds } };
}

suite('a client remembers sessions', () => {
  test('of each server and name apart', () => {
    const own = new ClientSessions(10, 10_000);
    const named = { ...byId, session: { ...sampleSession, serverName: 'device.example' } };
    own.remember(server, byId, 1, instant(0));
    own.remember(server, named, 2, instant(0));
    assert.equal(own.find(server, undefined, instant(0)), byId);
    assert.equal(own.find(server, 'device.example', instant(0)), named);
    assert.equal(own.find(server, 'other.example', instant(0)), undefined);
    assert.equal(own.find(ipAddress('192.0.2.2', 5685), undefined, instant(0)), undefined);
  });

  test('the latest one only', () => {
    const own = new ClientSessions(10, 10_000);
    own.remember(server, byId, 1, instant(0));
    const later = byTicket(0);
    own.remember(server, later, 2, instant(1));
    assert.equal(own.size, 1);
    assert.equal(own.find(server, undefined, instant(1)), later);
  });

  test('for as long as both its own limit and the hint of the server allow', () => {
    const own = new ClientSessions(10, 10_000);
    own.remember(server, byId, 1, instant(5000));
    assert.notEqual(own.find(server, undefined, instant(9999)), undefined);
    assert.equal(own.find(server, undefined, instant(10_000)), undefined);
    assert.equal(own.size, 0);
    own.remember(server, byTicket(3), 1, instant(5000));
    assert.notEqual(own.find(server, undefined, instant(7999)), undefined);
    assert.equal(own.find(server, undefined, instant(8000)), undefined);
    own.remember(server, byTicket(2 ** 32 - 1), 1, instant(5000));
    assert.equal(own.find(server, undefined, instant(10_000)), undefined);
  });

  test('up to its limit, the oldest goes', () => {
    const own = new ClientSessions(3, 10_000);
    for (let port = 1; port <= 5; port++) own.remember(ipAddress('192.0.2.2', port), byId, port, instant(0));
    assert.equal(own.size, 3);
    assert.equal(own.find(ipAddress('192.0.2.2', 2), undefined, instant(0)), undefined);
    assert.notEqual(own.find(ipAddress('192.0.2.2', 3), undefined, instant(0)), undefined);
    const none = new ClientSessions(0, 10_000);
    none.remember(server, byId, 1, instant(0));
    assert.equal(none.size, 0);
  });

  test('until one is forgotten, by server and name or by the association it came from', () => {
    const own = new ClientSessions(10, 10_000);
    own.remember(server, byId, 7, instant(0));
    own.forgetOf(6);
    assert.equal(own.size, 1);
    own.forgetOf(7);
    assert.equal(own.size, 0);
    own.remember(server, byId, 7, instant(0));
    own.noteResumed(server, undefined, 8);
    own.forgetOf(7);
    assert.equal(own.size, 1, 'its latest association is 8');
    own.forget(server, undefined);
    assert.equal(own.size, 0);
  });
});
