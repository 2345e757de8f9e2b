/**
 * Names that a peer chooses and that stand in the detail of a failure: nobody forges a line of a log by them.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationProtocolsExtension } from '../../src/core/dtls/handshake/extensions/application-protocols.ts';
import { peerText } from '../../src/core/foundation/peer-text.ts';
import {
  extendedMasterSecretOffer,
  LonelyLayer,
  ScriptedClient,
  ScriptedServer,
} from './dtls-scripted-peer.ts';

const forged = 'x\n2026-11-21 INFO sensor-042 connected\u001b[2J\u202e\u2028';

test('a name keeps its letters, and what does not print or is too much is not shown', () => {
  assert.equal(peerText('Gerät 7'), 'Gerät 7');
  assert.equal(peerText(forged), 'x?2026-11-21 INFO sensor-042 connected?[2J??');
  assert.equal(peerText('ab\ncd', 3), 'ab?…');
});

test('application protocols of a client are shown in one line of bounded length', () => {
  const server = new LonelyLayer('server', { protocols: ['coap'] });
  const names = [forged, ...Array.from({ length: 100 }, (_, i) => `${i}`.repeat(60))];
  const extensions = [extendedMasterSecretOffer, applicationProtocolsExtension(names)];
  const client = new ScriptedClient({ extensions });
  server.give(client.messageRecord(client.helloWithCookie(server)));
  const [failed] = server.all('handshake-failed');
  assert.equal(failed?.failure.cause, 'no-common-protocol');
  assert.match(failed.failure.detail, /protocols x\?2026-11-21 INFO/);
  assert.doesNotMatch(failed.failure.detail, /[\p{C}\p{Zl}\p{Zp}]/u);
  assert.ok(failed.failure.detail.length < 500);
});

test('the application protocol of a server is shown in one line', () => {
  const suite = 'TLS_PSK_WITH_AES_128_CCM_8';
  const client = new LonelyLayer('client', { suites: [suite], protocols: ['coap'] });
  client.layer.connect(client.peer, {}, client.clock.now);
  const server = new ScriptedServer({
    suite,
    extensions: [extendedMasterSecretOffer, applicationProtocolsExtension([forged])],
  });
  server.takeHello(client.drain());
  client.give(server.messageRecord(server.serverHello()));
  // What a server says before any proof ends the handshake when nothing better came.
  client.wait(300_000);
  const [failed] = client.all('handshake-failed');
  assert.match(failed?.failure.detail ?? '', /'x\?2026-11-21 INFO .*' was not offered/);
  assert.doesNotMatch(failed?.failure.detail ?? '', /[\p{C}\p{Zl}\p{Zp}]/u);
});
