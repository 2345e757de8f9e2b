/**
 * RFC 8323 §3.3, §5.5 and §10.1: what belongs to one connection stays there: tokens, responses, and whom it is with.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { SignalingCode, SignalingOption } from '../../src/core/coap/signaling.ts';
import { decodeStreamMessage, encodeStreamMessage } from '../../src/core/coap/stream-codec.ts';
import { StreamEndpoint } from '../../src/core/endpoint/stream-endpoint.ts';
import type { ConnectionId, StreamOutput } from '../../src/core/endpoint/stream-outputs.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../src/core/foundation/errors.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

const now = instant(0);

/** One endpoint whose transports are played, and what it has to say. */
class Played {
  readonly endpoint: StreamEndpoint;
  readonly outputs: StreamOutput[] = [];

  constructor(role: 'client' | 'server') {
    this.endpoint = new StreamEndpoint({ config: { role }, random: new SeededRandom(3) });
  }

  accept(port: number): ConnectionId {
    const connection = this.endpoint.accept(ipAddress('192.0.2.1', port), now);
    this.say(connection, SignalingCode.Csm);
    return connection;
  }

  say(connection: ConnectionId, code: Code, options = new OptionSet(), token = noBytes, text = ''): void {
    const bytes = encodeStreamMessage({ code, options, token, payload: encodeUtf8(text) }, 'tcp');
    this.endpoint.handle({ kind: 'received', connection, bytes }, now);
    this.drain();
  }

  drain(): void {
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      this.outputs.push(output);
    }
  }

  /** Connection, code, token and payload of what was sent, signaling left out. */
  get sent(): readonly string[] {
    return this.outputs.flatMap((output) => {
      if (output.kind !== 'transmit') return [];
      const message = decodeStreamMessage(output.bytes, 'tcp');
      if (isDecodeFault(message) || message.code >> 5 === 7) return [];
      return [`${output.connection} ${message.code} ${toHex(message.token)} ${decodeUtf8(message.payload)}`];
    });
  }
}

suite('RFC 8323 §3.3: message transmission', () => {
  test('responses MUST be returned over the connection of their request, also when both have the same token', () => {
    const server = new Played('server');
    const connections = [server.accept(1), server.accept(2)] as const;
    const path = new OptionSet().add(OptionNumber.UriPath, 'a');
    for (const connection of connections) server.say(connection, Code.Get, path, Uint8Array.of(7));
    const requests = server.outputs.filter((output) => output.kind === 'request');
    assert.deepEqual(
      requests.map(({ peer }) => peer.connection),
      connections,
    );
    for (const { exchange, peer } of [...requests].reverse()) {
      const payload = encodeUtf8(`for ${peer.connection}`);
      server.endpoint.respond(
        exchange,
        { code: Code.Content, options: new OptionSet(), payload, keepAnswer: false },
        now,
      );
      server.drain();
    }
    const [first, second] = connections;
    assert.deepEqual(server.sent, [
      `${second} ${Code.Content} 07 for ${second}`,
      `${first} ${Code.Content} 07 for ${first}`,
    ]);
  });

  test('when the connection is gone its response goes nowhere', () => {
    const server = new Played('server');
    const [gone, other] = [server.accept(1), server.accept(2)];
    server.say(gone, Code.Get, new OptionSet(), Uint8Array.of(7));
    const request = server.outputs.find((output) => output.kind === 'request');
    assert.ok(request);
    server.endpoint.handle({ kind: 'closed', connection: gone, cause: 'closed', detail: 'by the peer' }, now);
    server.drain();
    assert.ok(server.outputs.some((output) => output.kind === 'exchange-ended'));
    const response = { code: Code.Content, options: new OptionSet(), payload: noBytes, keepAnswer: false };
    server.endpoint.respond(request.exchange, response, now);
    server.drain();
    assert.deepEqual(server.sent, []);
    assert.equal(server.endpoint.load.connections, 1, `${other} is still there`);
  });

  test('the token is scoped to the connection: a response on another one is not taken', () => {
    const client = new Played('client');
    const opened: ConnectionId[] = [];
    const requests = [1, 2].map((last) => {
      const get = { code: Code.Get, options: new OptionSet(), payload: noBytes, type: 'CON' } as const;
      const request = client.endpoint.request(ipAddress(`192.0.2.${last}`, 5683), get, now);
      client.drain();
      const open = client.outputs.findLast((output) => output.kind === 'open');
      assert.ok(open);
      opened.push(open.connection);
      client.endpoint.handle({ kind: 'opened', connection: open.connection }, now);
      client.say(open.connection, SignalingCode.Csm);
      return request;
    });
    const token = Uint8Array.from(Buffer.from(client.sent[0]?.split(' ')[2] ?? '', 'hex'));
    client.say(opened[1] as ConnectionId, Code.Content, new OptionSet(), token, 'forged');
    assert.ok(!client.outputs.some((output) => output.kind === 'response'));
    assert.equal(client.endpoint.counters.unmatchedResponses, 1);
    client.say(opened[0] as ConnectionId, Code.Content, new OptionSet(), token, 'right');
    const response = client.outputs.find((output) => output.kind === 'response');
    assert.deepEqual(
      [response?.request, decodeUtf8(response?.response.payload ?? noBytes)],
      [requests[0], 'right'],
    );
  });
});

suite('RFC 8323 §5.5, §10.1: Alternative-Address', () => {
  test('it MUST NOT be assumed to have the security of this connection: it is told, and never connected to', () => {
    const client = new Played('client');
    const server = ipAddress('192.0.2.2', 5683);
    const get = { code: Code.Get, options: new OptionSet(), payload: noBytes, type: 'CON' } as const;
    for (const round of [1, 2]) {
      client.endpoint.request(server, get, now);
      client.drain();
      const open = client.outputs.findLast((output) => output.kind === 'open');
      assert.ok(open);
      client.endpoint.handle({ kind: 'opened', connection: open.connection }, now);
      client.say(open.connection, SignalingCode.Csm);
      const alternative = new OptionSet().add(SignalingOption.AlternativeAddress, '198.51.100.66:5683');
      client.say(open.connection, SignalingCode.Release, alternative, noBytes, 'moved');
      const token = Uint8Array.from(Buffer.from(client.sent.at(-1)?.split(' ')[2] ?? '', 'hex'));
      client.say(open.connection, Code.Content, new OptionSet(), token);
      const ended = client.outputs.findLast((output) => output.kind === 'connection-ended');
      assert.deepEqual(ended?.end.release?.alternativeAddresses, ['198.51.100.66:5683'], `round ${round}`);
    }
    const opens = client.outputs.filter((output) => output.kind === 'open');
    assert.deepEqual(
      opens.map(({ address }) => address.key),
      [server.key, server.key],
    );
  });
});
