/**
 * Every message of a handshake dropped, duplicated and overtaken by the next one, alone and in pairs, for each kind of
 * credential and for sessions that go on. One message travels in one datagram.
 *
 * The short form takes all single traces and a part of the pairs; COAPSULE_LONG=1 all pairs.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { copyRecord, splitRecords } from '../../src/core/dtls/record/demultiplex.ts';
import type { DatagramAction } from '../../src/testing/simulated-network.ts';
import { type CredentialKind, credentialKinds } from './dtls-credentials.ts';
import { assertSameView, closeAssociation, DtlsPair } from './dtls-pair.ts';

const long = process.env['COAPSULE_LONG'] === '1';
const actions = ['drop', 'duplicate', 'swap'] as const;
type Action = (typeof actions)[number];
const idLength = 8;

/** What happens to messages, by their position in a handshake in which nothing else does. */
type Trace = ReadonlyMap<number, Action>;

/** A way to connect, and whether a session goes on in it. */
interface Shape {
  readonly kind: CredentialKind;
  readonly resumption: 'off' | 'session-id' | 'ticket';
  readonly mtu?: number;
}

const psk = credentialKinds[0] as CredentialKind;
const certificates = credentialKinds.find(
  ({ name }) => name === 'certificates on both sides',
) as CredentialKind;
const shapes: readonly (Shape & { readonly name: string })[] = [
  ...credentialKinds.map((kind) => ({ name: kind.name, kind, resumption: 'off' as const })),
  { name: 'certificates on both sides, at MTU 256', kind: certificates, resumption: 'off', mtu: 256 },
  { name: 'PSK, with a new ticket', kind: psk, resumption: 'ticket' },
  { name: 'a session that goes on by its id', kind: psk, resumption: 'session-id' },
  { name: 'a session that goes on by a ticket', kind: psk, resumption: 'ticket' },
];

let traces = 0;

for (const shape of shapes) {
  suite(`each message of a handshake with ${shape.name}`, () => {
    const isResumed = shape.name.includes('goes on');
    const clean = runTrace(shape, isResumed, new Map(), 10_000);
    const count = clean.messages;

    test(`D20: dropped, duplicated or overtaken: connects within 8 s (${count} messages)`, () => {
      for (let position = 0; position < count; position++) {
        for (const action of actions) runTrace(shape, isResumed, new Map([[position, action]]), 8000);
      }
    });

    test('D8: and any second one too: connects, and both sides saw the same', () => {
      const stride = long ? 1 : count > 16 ? 41 : 7;
      let pairs = 0;
      for (let first = 0; first < count; first++) {
        // What is sent again can be hit as well.
        for (let second = first + 1; second < count + 3; second++) {
          for (const one of actions) {
            for (const other of actions) {
              const trace = new Map([
                [first, one],
                [second, other],
              ]);
              if (pairs++ % stride === 0) runTrace(shape, isResumed, trace, 60_000);
            }
          }
        }
      }
    });
  });
}

test('more than 500 traces were run', (context) => {
  context.diagnostic(`${traces} traces`);
  assert.ok(traces > 500, `${traces}`);
});

/** Connects while the network does what the trace says. */
function runTrace(
  { kind, resumption, mtu = 1232 }: Shape,
  isResumed: boolean,
  trace: Trace,
  limitMs: number,
): { readonly messages: number } {
  traces++;
  const what = [...trace].map(([position, action]) => `${action} ${position}`).join(', ');
  const pair = new DtlsPair({
    client: { ...kind.client, resumption, keylog: true, mtu, connectionIdLength: idLength },
    server: { ...kind.server, resumption, keylog: true, mtu, connectionIdLength: idLength },
  });
  sendOneRecordPerDatagram(pair);
  if (isResumed) {
    pair.connect();
    pair.run(10_000, () => pair.bothConnected);
    closeAssociation(pair);
  }
  const firstIndex = pair.network.sent.length;
  pair.network.hook = ({ index }): DatagramAction | undefined => {
    const action = trace.get(index - firstIndex);
    return action === undefined ? undefined : { kind: action };
  };
  pair.connect();
  pair.run(limitMs, () => pair.bothConnected);
  pair.network.hook = undefined;
  const messages = pair.network.sent.length - firstIndex;
  assert.ok(pair.bothConnected, what);
  assertSameView(pair, what);
  assert.equal(pair.client.all('connected')[0]?.resumed, isResumed, what);
  assert.ok(pair.exchange(), `${what}: data passes`);
  return { messages };
}

function sendOneRecordPerDatagram(pair: DtlsPair): void {
  const send = pair.network.send.bind(pair.network);
  pair.network.send = (from, to, datagram, now) => {
    for (const record of splitRecords(datagram, idLength).records) {
      send(from, to, copyRecord(record).datagram, now);
    }
  };
}
