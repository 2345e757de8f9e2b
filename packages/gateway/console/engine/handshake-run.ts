/**
 * A handshake for real: the library's own client and server, on its simulated network, in virtual time.
 *
 * Not a model: every datagram is what the engine sends. The cookie cannot be left out, since this server always asks for one.
 *
 * @module
 */

import { DtlsObserver } from 'coapsule/dtls';
import { clientAddress, Pair, pairPsk } from 'coapsule/testing';
import { fastCrypto } from './browser-crypto.ts';
import { demoCredential } from './demo-certificates.ts';
import { recordName } from './record-name.ts';

/** What to run. */
export interface HandshakeRun {
  readonly mode: 'psk' | 'certificate';
  /** The second handshake of the two, which goes on with the session of the first. */
  readonly resumption: boolean;
  readonly roundTripMs: number;
  /** 0 … 1, of datagrams, each way. */
  readonly loss: number;
  /** The luck of the losses. */
  readonly seed: number;
  /** Of a serial line, 8N1; else what the network carries is not limited. */
  readonly baud?: number;
}

/** One datagram. */
export interface RunDatagram {
  readonly from: 'client' | 'server';
  readonly atMs: number;
  readonly isLost: boolean;
  /** What is in it, such as `ClientHello`. */
  readonly messages: readonly string[];
  readonly bytes: Uint8Array;
  /** Of the handshake, and not of the request after it. */
  readonly isHandshake: boolean;
  /** The same messages left before. */
  readonly isRepeated: boolean;
}

/** What happened. */
export interface RunOutcome {
  readonly datagrams: readonly RunDatagram[];
  /** When the client was sure of the server; undefined where the handshake failed. */
  readonly connectedMs: number | undefined;
  /** When the first request had its answer. */
  readonly answeredMs: number | undefined;
  readonly resumed: boolean;
}

/** Shakes hands, asks one question, and tells all that went over the wire. */
export function runHandshake({ mode, resumption, roundTripMs, loss, seed, baud }: HandshakeRun): RunOutcome {
  const pair = new Pair({
    seed,
    security: 'dtls',
    conditions: {
      delayMs: roundTripMs / 2,
      lossRate: 0,
      ...(baud !== undefined && { bitsPerSecond: baud, bitsPerByte: 10, queueBytes: 65_536 }),
    },
    client: { dtls: dtlsConfig(mode, 'client', resumption), ...lineConfig(baud) },
    server: { dtls: dtlsConfig(mode, 'server', resumption), ...lineConfig(baud) },
  });
  if (resumption) {
    // The first handshake, of which only the session is wanted. The lossy one is the second.
    ask(pair);
    for (const association of pair.client.associations()) {
      pair.command('client', (endpoint, now) => endpoint.closeAssociation(association, now));
    }
    pair.run(1000);
  }
  pair.network.setConditions({ lossRate: loss });
  const begin = pair.network.sent.length;
  const seen = pair.events.length;
  const start = pair.now;
  const { answeredAt, connectedAt } = ask(pair);
  const events = pair.events.slice(seen);
  const connected = events.find(({ side, output }) => side === 'client' && output.kind === 'connected');
  return {
    datagrams: named(pair, begin, start),
    connectedMs: connectedAt === undefined ? undefined : connectedAt - start,
    answeredMs: answeredAt === undefined ? undefined : answeredAt - start,
    resumed: connected?.output.kind === 'connected' && connected.output.resumed,
  };
}

/** A question until it has its answer or failed, and when the client was connected meanwhile. */
function ask(pair: Pair): {
  readonly answeredAt: number | undefined;
  readonly connectedAt: number | undefined;
} {
  let looked = pair.events.length;
  let connectedAt: number | undefined;
  const request = pair.request('/ward-3/heart-rate');
  pair.runUntil(() => {
    for (; looked < pair.events.length; looked++) {
      const { side, output } = pair.events[looked]!;
      if (output.kind === 'connected' && side === 'client') connectedAt = pair.now;
      if (output.kind === 'verify-peer') judge(pair, side, output);
    }
    return request.final || request.error !== undefined;
  });
  return { answeredAt: request.answeredAt, connectedAt };
}

type PeerQuestion = Extract<Pair['events'][number]['output'], { readonly kind: 'verify-peer' }>;

/** Both know the certificate of the other: nothing else is accepted. */
function judge(pair: Pair, side: 'client' | 'server', { verification, credential }: PeerQuestion): void {
  const expected = demoCredential(side === 'client' ? 'server' : 'client').chain[0]!;
  const shown = credential.kind === 'x509' ? credential.chain[0] : undefined;
  const isRight = shown?.length === expected.length && expected.every((byte, at) => shown[at] === byte);
  pair.command(side, (endpoint, now) =>
    endpoint.answerPeerVerification(
      verification,
      isRight
        ? { accepted: true, identity: new Uint8Array() }
        : { accepted: false, cause: 'unknown-ca', detail: 'it is not the certificate of the demonstration' },
      now,
    ),
  );
}

function named(pair: Pair, begin: number, start: number): readonly RunDatagram[] {
  const observer = new DtlsObserver(fastCrypto(), {
    masterSecret: () => undefined,
    presharedKey: () => pairPsk.key,
  });
  const before = new Set<string>();
  return pair.network.sent
    .map((sent) => ({
      sent,
      observed: observer.observe(sent.from.key, sent.to.key, sent.datagram),
    }))
    .slice(begin)
    .map(({ sent, observed }): RunDatagram => {
      const from = sent.from.key === clientAddress.key ? 'client' : 'server';
      const messages = observed.records.flatMap(recordName);
      const hasData = messages.includes('ApplicationData');
      const key = `${from} ${messages.join()}`;
      const isRepeated = before.has(key) && !hasData && !messages.includes('ClientHello');
      before.add(key);
      return {
        ...{ from, messages, isRepeated, bytes: sent.datagram, atMs: sent.sentAt - start },
        isLost: sent.fate === 'lost',
        isHandshake: !hasData,
      };
    });
}

function dtlsConfig(mode: HandshakeRun['mode'], side: 'client' | 'server', resumption: boolean) {
  return {
    suites: [
      mode === 'psk'
        ? ('TLS_PSK_WITH_AES_128_CCM_8' as const)
        : ('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8' as const),
    ],
    connectionIdLength: 'off' as const,
    resumption: resumption ? ('session-id' as const) : ('off' as const),
    ...(mode === 'certificate' && {
      credentials: {
        psk: false,
        certificate: demoCredential(side),
        peerTypes: ['x509'] as const,
        clientAuthentication: side === 'server' ? ('required' as const) : ('none' as const),
      },
    }),
  };
}

function lineConfig(baud: number | undefined) {
  return baud === undefined ? {} : { mtu: 1024, bytesPerSecond: baud / 10 };
}
