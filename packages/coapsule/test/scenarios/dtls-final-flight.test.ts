import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  encodeMessageFragment,
  type HandshakeMessage,
} from '../../src/core/dtls/handshake/message-header.ts';
import { concatBytes, noBytes } from '../../src/core/foundation/bytes.ts';
import { LonelyLayer, ScriptedClient } from './dtls-scripted-peer.ts';

/** An association just made, with a client whose record numbers of epoch 0 began at `firstRecord`. */
function connected(firstRecord = 0): {
  server: LonelyLayer;
  client: ScriptedClient;
  finished: HandshakeMessage;
} {
  const server = new LonelyLayer('server');
  const client = new ScriptedClient();
  client.recordSequence = firstRecord;
  client.takeServerFlight(server.give(client.messageRecord(client.helloWithCookie(server))));
  const { keyExchange, finished } = client.secondFlight();
  server.give(
    concatBytes(
      client.messageRecord(keyExchange),
      client.changeCipherSpec(),
      client.sealedFinished(finished),
    ),
  );
  assert.ok(server.connected);
  return { server, client, finished };
}

suite('the final flight', () => {
  test('is repeated for nothing but the very Finished of the client', () => {
    const { server, client, finished } = connected();
    server.wait(500);
    const whole = encodeMessageFragment(finished, 0, 12);
    for (const content of [
      Uint8Array.of(20),
      whole.subarray(0, 23),
      concatBytes(whole, whole),
      encodeMessageFragment(finished, 0, 11),
      encodeMessageFragment({ ...finished, messageSeq: finished.messageSeq + 1 }, 0, 12),
      encodeMessageFragment({ ...finished, body: new Uint8Array(13) }, 0, 13),
    ]) {
      assert.deepEqual(server.give(client.sealed(22, content)), []);
    }
    assert.equal(server.give(client.sealed(22, whole)).length, 1);
  });

  test('is repeated at most once per half of the first timeout, whatever comes in one datagram', () => {
    const { server, client, finished } = connected();
    const again = (): Uint8Array => client.sealedFinished(finished);
    assert.deepEqual(server.give(again()), [], 'it was sent a moment ago');
    server.wait(499);
    assert.deepEqual(server.give(again()), []);
    server.wait(1);
    const many = Array.from({ length: 100 }, again);
    assert.equal(server.give(concatBytes(...many)).length, 1);
    assert.deepEqual(server.give(again()), []);
  });

  test('is repeated 16 times and then forgotten', () => {
    const { server, client, finished } = connected();
    let sent = 0;
    for (let i = 0; i < 100; i++) {
      server.wait(500);
      sent += server.give(client.sealedFinished(finished)).length;
    }
    assert.equal(sent, 16);
    assert.equal(server.layer.nextTimeout(), undefined, 'its timer is gone too');
  });

  test('a client that repeats its Finished 40,000 times, from record number 2^48 - 2^15 on, does no harm', () => {
    const { server, client, finished } = connected(2 ** 48 - 1 - 0x7fff - 1);
    for (let i = 0; i < 40_000; i++) {
      server.wait(i % 100 === 0 ? 500 : 0);
      server.give(
        client.sealed(22, i % 2 === 0 ? Uint8Array.of(20) : encodeMessageFragment(finished, 0, 12)),
      );
    }
    server.give(client.data('goes on'));
    assert.equal(server.all('application-data').length, 1);
    assert.equal(server.all('closed').length, 0);
  });
});

test('a ClientHello with the highest record number there may be gets its whole handshake', () => {
  const server = new LonelyLayer('server');
  const client = new ScriptedClient();
  client.recordSequence = 2 ** 48 - 1 - 0x7fff - 1;
  const [answer] = server.give(client.messageRecord(client.hello(noBytes, 0)));
  assert.ok(answer !== undefined);
  server.give(client.messageRecord(client.hello(answer.slice(28), 1)));
  server.wait(120_000);
  assert.equal(server.failure, 'peer-silent');
});
