/**
 * Both sides as state machines: a peer leaves out, repeats, swaps, inserts and moves messages to other epochs, alone and in
 * pairs, and only what the RFC allows gets to CONNECTED (RFC 5246 §7.3, §7.4; the method of TLS-Attacker).
 *
 * The short form takes all single changes and a part of the pairs; COAPSULE_LONG=1 all pairs.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type CredentialKind, credentialKinds } from './dtls-credentials.ts';
import type { RogueContent, RogueStep } from './dtls-rogue-peer.ts';
import { roguePeer } from './dtls-rogue-plays.ts';

const long = process.env['COAPSULE_LONG'] === '1';

type Trace = readonly RogueStep[];

/** One shape of handshake: which messages a side sends, and in which places it may leave some out. */
interface Script {
  readonly right: Trace;
  /** Other sequences of messages that the RFC allows. */
  readonly alsoRight: readonly Trace[];
  /** Messages that have no place in the sequence. */
  readonly foreign: readonly RogueContent[];
}

let traces = 0;
let right = 0;

for (const kind of credentialKinds) {
  suite(`a handshake with ${kind.name}`, () => {
    for (const role of ['client', 'server'] as const) {
      const script = role === 'client' ? clientScript(kind) : serverScript(kind);

      test(`D8: a ${role} that keeps the order connects`, () => {
        for (const trace of [script.right, ...script.alsoRight]) {
          assert.ok(connects(role, kind, trace), textOf(trace));
        }
      });

      test(`D8: a ${role} that changes one thing connects only where that is allowed`, () => {
        for (const trace of changed(script.right, script)) play(role, kind, script, trace);
      });

      test(`D8: a ${role} that changes two things connects only where that is allowed`, () => {
        const stride = long ? 1 : 23;
        let pairs = 0;
        for (const once of changed(script.right, script)) {
          for (const twice of changed(once, script)) {
            if (pairs++ % stride === 0) play(role, kind, script, twice);
          }
        }
      });
    }
  });
}

test('more than 500 traces were played, and few of them were right', (context) => {
  const counts = `${right} of ${traces} traces`;
  context.diagnostic(counts);
  assert.ok(traces > 500 && right > 0 && right < traces / 4, counts);
});

/** Messages of epoch 0 in this order, then ChangeCipherSpec and Finished. */
function flightOf(...contents: readonly RogueContent[]): Trace {
  return [
    ...contents.map((content) => ({ content, epoch: 0 })),
    { content: 'ChangeCipherSpec', epoch: 0 },
    { content: 'Finished', epoch: 1 },
  ];
}

/** Flight 5. */
function clientScript(kind: CredentialKind): Script {
  const foreign = ['HelloRequest', 'ClientHello', 'ServerHelloDone', 'NewSessionTicket'] as const;
  const isProved = kind.server.credentials?.clientAuthentication === 'required';
  return {
    right: isProved
      ? flightOf('Certificate', 'ClientKeyExchange', 'CertificateVerify')
      : flightOf('ClientKeyExchange'),
    alsoRight: [],
    foreign: isProved ? foreign : [...foreign, 'Certificate', 'CertificateVerify'],
  };
}

/** Flights 4 and 6. */
function serverScript({ client, server }: CredentialKind): Script {
  const foreign = ['HelloRequest', 'ClientKeyExchange', 'NewSessionTicket', 'CertificateVerify'] as const;
  if (server.credentials === undefined) {
    const isPlain = client.suites?.[0]?.startsWith('TLS_PSK') ?? false;
    const withHint = flightOf('ServerHello', 'ServerKeyExchange', 'ServerHelloDone');
    return {
      right: withHint,
      // RFC 4279 §2: without a hint there is no ServerKeyExchange.
      alsoRight: isPlain ? [flightOf('ServerHello', 'ServerHelloDone')] : [],
      foreign: [...foreign, 'Certificate', 'CertificateRequest'],
    };
  }
  const signed = ['ServerHello', 'Certificate', 'ServerKeyExchange'] as const;
  return {
    right: flightOf(...signed, 'CertificateRequest', 'ServerHelloDone'),
    // A server need not ask who the client is (RFC 5246 §7.4.4).
    alsoRight: [flightOf(...signed, 'ServerHelloDone')],
    foreign,
  };
}

/** Everything one change can make of a trace. */
function changed(trace: Trace, { foreign }: Script): Trace[] {
  const made: Trace[] = [];
  for (const [i, step] of trace.entries()) {
    const [before, after] = [trace.slice(0, i), trace.slice(i + 1)];
    made.push([...before, ...after]);
    made.push([...before, step, step, ...after]);
    for (const epoch of [0, 1, 2]) {
      if (epoch !== step.epoch) made.push([...before, { ...step, epoch }, ...after]);
    }
    for (const content of foreign) made.push([...before, { content, epoch: step.epoch }, step, ...after]);
    for (let j = i + 1; j < trace.length; j++) {
      const swapped = [...trace];
      swapped[i] = trace[j] as RogueStep;
      swapped[j] = step;
      made.push(swapped);
    }
  }
  return made;
}

function play(role: 'client' | 'server', kind: CredentialKind, script: Script, trace: Trace): void {
  const isAllowed = isRight(script, trace);
  traces++;
  if (isAllowed) right++;
  assert.equal(connects(role, kind, trace), isAllowed, `${role}: ${textOf(trace)}`);
}

/** Plays the trace to a layer of the other role, and lets it wait for more. */
function connects(role: 'client' | 'server', kind: CredentialKind, trace: Trace): boolean {
  const { layer, peer } = roguePeer(role, kind);
  for (const step of trace) peer.send(step);
  layer.wait(5000);
  assert.equal(layer.all('application-data').length, 0);
  return layer.connected;
}

/**
 * Whether some beginning of the trace is a handshake: all its messages in one of the right orders and in their epochs, and
 * a ChangeCipherSpec when the keys are there. ChangeCipherSpec has no number, so a datagram with it may overtake others or
 * come twice (RFC 6347 §4.2.2); and Finished, whatever comes behind that, may overtake it.
 */
function isRight({ right, alsoRight }: Script, trace: Trace): boolean {
  return [right, ...alsoRight].some((one) => {
    const messages = one.filter(({ content }) => content !== 'ChangeCipherSpec');
    const lastInClear = messages.length - 1;
    let [taken, hasChanged] = [0, false];
    for (const step of trace) {
      if (step.content === 'ChangeCipherSpec') {
        if (step.epoch === 0 && taken >= lastInClear) hasChanged = true;
      } else if (taken < messages.length) {
        const expected = messages[taken];
        if (expected?.content !== step.content || expected.epoch !== step.epoch) return false;
        taken++;
      }
      if (taken === messages.length && hasChanged) return true;
    }
    return false;
  });
}

function textOf(trace: Trace): string {
  return trace.map(({ content, epoch }) => `${content} in ${epoch}`).join(', ');
}
