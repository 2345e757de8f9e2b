/**
 * Both sides as state machines: a peer leaves out, repeats, swaps, inserts and moves messages to other epochs, alone and in
 * pairs, and only what the RFC allows gets to CONNECTED (RFC 5246 §7.3, §7.4; the method of TLS-Attacker).
 *
 * The short form takes all single changes and a part of the pairs; COAPSULE_LONG=1 all pairs.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type CredentialKind, credentialKinds } from './dtls-credentials.ts';
import {
  changedOnce,
  flightOf,
  isRight,
  roguePeer,
  type Script,
  type Trace,
  textOf,
} from './dtls-rogue-plays.ts';
import { ResumingClient, ResumingServer } from './dtls-rogue-resumption.ts';
import type { LonelyLayer } from './dtls-scripted-peer.ts';

const long = process.env['COAPSULE_LONG'] === '1';

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
        for (const trace of changedOnce(script.right, script)) play(role, kind, script, trace);
      });

      test(`D8: a ${role} that changes two things connects only where that is allowed`, () => {
        const stride = long ? 1 : 23;
        let pairs = 0;
        for (const once of changedOnce(script.right, script)) {
          for (const twice of changedOnce(once, script)) {
            if (pairs++ % stride === 0) play(role, kind, script, twice);
          }
        }
      });
    }
  });
}

suite('a session that goes on', () => {
  const scripts = {
    client: {
      right: flightOf(),
      alsoRight: [],
      foreign: ['HelloRequest', 'ClientHello', 'Certificate', 'ClientKeyExchange', 'CertificateVerify'],
    },
    server: {
      right: flightOf('ServerHello'),
      alsoRight: [],
      foreign: ['HelloRequest', 'Certificate', 'ServerKeyExchange', 'ServerHelloDone', 'NewSessionTicket'],
    },
  } as const satisfies Record<string, Script>;

  for (const role of ['client', 'server'] as const) {
    const script: Script = scripts[role];

    /** Plays the trace to a layer of the other role, which knows the session. */
    const goesOn = (trace: Trace): boolean => {
      const peer = role === 'client' ? new ResumingClient() : new ResumingServer();
      const { layer }: { layer: LonelyLayer } = peer;
      for (const step of trace) peer.send(step);
      layer.wait(5000);
      assert.ok(!layer.connected || layer.all('connected')[0]?.resumed === true);
      return layer.connected;
    };

    test(`D8: a ${role} that changes one or two things goes on only where that is allowed`, () => {
      assert.ok(goesOn(script.right));
      const once = changedOnce(script.right, script);
      for (const trace of [...once, ...once.flatMap((changed) => changedOnce(changed, script))]) {
        const isAllowed = isRight(script, trace);
        traces++;
        if (isAllowed) right++;
        assert.equal(goesOn(trace), isAllowed, textOf(trace));
      }
    });
  }
});

test('more than 500 traces were played, and few of them were right', (context) => {
  const counts = `${right} of ${traces} traces`;
  context.diagnostic(counts);
  assert.ok(traces > 500 && right > 0 && right < traces / 4, counts);
});

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
