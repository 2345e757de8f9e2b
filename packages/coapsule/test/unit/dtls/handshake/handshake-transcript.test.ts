import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { HandshakeTrace } from '../../../../src/core/dtls/dtls-output.ts';
import {
  HandshakeTranscript,
  transcriptTotals,
} from '../../../../src/core/dtls/handshake/handshake-transcript.ts';
import { encodeUtf8 } from '../../../../src/core/foundation/utf8.ts';
import { certificateCredentials } from '../../../scenarios/dtls-credentials.ts';
import { DtlsPair, type DtlsPairOptions, sensorIdentity } from '../../../scenarios/dtls-pair.ts';

/** The client's view of a handshake that is done, as a list of its datagrams. */
function transcriptOf(
  options: DtlsPairOptions,
  prepare: (pair: DtlsPair) => void = () => {},
): HandshakeTranscript {
  const pair = new DtlsPair(options);
  prepare(pair);
  pair.connect();
  pair.run(120_000, () => pair.bothConnected);
  assert.ok(pair.bothConnected);
  const transcript = new HandshakeTranscript();
  for (const { at, output } of pair.client.outputs) {
    if (output.kind === 'handshake-trace') transcript.note(output, at);
  }
  const onTheWire = pair.network.sent.filter(({ fate }) => fate !== 'lost');
  const received = onTheWire.filter(({ from }) => from === pair.server.address);
  const totals = transcriptTotals(transcript.datagrams);
  assert.equal(
    totals.bytesReceived,
    received.reduce((sum, { datagram }) => sum + datagram.length, 0),
  );
  const sent = pair.network.sent.filter(({ from }) => from === pair.client.address);
  assert.equal(
    totals.bytesSent,
    sent.reduce((sum, { datagram }) => sum + datagram.length, 0),
  );
  return transcript;
}

suite('the transcript of a handshake', () => {
  test('has a line for each datagram, with time, direction, flight, size and contents', () => {
    const transcript = transcriptOf({ client: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] } });
    const lines = transcript.datagrams.map(
      ({ atMs, direction, flight, contents }) =>
        `${atMs} ${direction} ${flight} ${contents.map(({ name }) => name).join('+')}`,
    );
    assert.deepEqual(lines, [
      '0 sent 1 ClientHello',
      '20 received 2 HelloVerifyRequest',
      '20 sent 3 ClientHello',
      '40 received 4 ServerHello+ServerHelloDone',
      '40 sent 5 ClientKeyExchange+ChangeCipherSpec+Finished',
      '60 received 6 ChangeCipherSpec+Finished',
    ]);
    const { datagrams, flights, retransmitted, ms } = transcriptTotals(transcript.datagrams);
    assert.deepEqual([datagrams, flights, retransmitted, ms], [6, 6, 0, 60]);
  });

  test('costs hundreds of bytes with a pre-shared key, and 1 to 4 KB with certificates on both sides (N03)', () => {
    const psk = transcriptTotals(transcriptOf({}).datagrams);
    assert.ok(psk.bytesSent + psk.bytesReceived < 1000, JSON.stringify(psk));
    const certificates = transcriptTotals(
      transcriptOf({
        client: { credentials: certificateCredentials('client') },
        server: { credentials: certificateCredentials('server') },
      }).datagrams,
    );
    const bytes = certificates.bytesSent + certificates.bytesReceived;
    assert.ok(bytes > 1000 && bytes < 4096, JSON.stringify(certificates));
  });

  test('tells fragments, retransmissions and what came early', () => {
    const transcript = transcriptOf(
      {
        client: { credentials: certificateCredentials('client') },
        server: { credentials: certificateCredentials('server'), mtu: 300 },
      },
      (pair) => {
        // The first datagram of flight 4 comes last, and flight 5 gets lost once.
        pair.network.hook = ({ from, directionIndex }) => {
          if (from === pair.server.address && directionIndex === 1) return { kind: 'delay', extraMs: 15 };
          return from === pair.client.address && directionIndex === 2 ? { kind: 'drop' } : undefined;
        };
      },
    );
    const contents = transcript.datagrams.flatMap((datagram) => datagram.contents);
    assert.ok(contents.some(({ fragment }) => fragment !== undefined));
    assert.ok(contents.some(({ reordered }) => reordered));
    assert.ok(contents.some(({ retransmit }) => retransmit));
    assert.ok(transcriptTotals(transcript.datagrams).retransmitted > 0);
  });

  test('comes with each failure, on either side, and holds no key', () => {
    const pair = new DtlsPair();
    pair.client.lookUp = () => ({ identity: sensorIdentity, key: encodeUtf8('not the key at all') });
    pair.connect();
    pair.run(30_000);
    for (const node of [pair.client, pair.server]) {
      const { transcript = [] } = node.all('handshake-failed')[0]?.failure ?? {};
      assert.ok(
        transcript.some(({ contents }) => contents.some(({ name }) => name === 'alert decrypt_error')),
      );
      assert.ok(transcript.every(({ bytes }) => bytes !== undefined && bytes > 0));
      assert.ok(!JSON.stringify(transcript).includes('not the key'));
    }
    // A server keeps nothing of a client before its cookie came back.
    assert.equal(pair.server.all('handshake-failed')[0]?.failure.transcript?.[0]?.flight, 3);
    assert.equal(pair.client.all('handshake-failed')[0]?.failure.transcript?.[0]?.flight, 1);
  });

  test('keeps the first 40 and the last 24 of very many datagrams', () => {
    const transcript = new HandshakeTranscript();
    const trace = (number: number): HandshakeTrace => ({
      kind: 'handshake-trace',
      address: { key: '192.0.2.1:1', host: '192.0.2.1', port: 1 },
      role: 'client',
      direction: 'sent',
      name: 'ClientHello',
      epoch: 0,
      retransmit: number > 0,
      reordered: false,
      datagram: { bytes: 100, number },
    });
    for (let i = 0; i < 1000; i++) transcript.note(trace(i), i);
    assert.equal(transcript.datagrams.length, 64);
    assert.equal(transcript.leftOut, 936);
    assert.deepEqual([transcript.datagrams[39]?.atMs, transcript.datagrams[40]?.atMs], [39, 976]);
    // And not more than 96 contents beyond the first of each datagram; what goes makes room.
    for (let i = 0; i < 200; i++) transcript.note(trace(1000), 1000);
    assert.equal(transcript.datagrams.at(-1)?.contents.length, 97);
    for (let i = 1001; i < 1100; i++) for (let j = 0; j < 5; j++) transcript.note(trace(i), i);
    assert.equal(
      transcript.datagrams.reduce((sum, { contents }) => sum + contents.length, 0),
      64 + 96,
    );
  });
});
