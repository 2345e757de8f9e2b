/**
 * Plays rogue peers to layers of the other role.
 *
 * @module
 */

import type { CredentialKind } from './dtls-credentials.ts';
import { RogueClient, type RogueContent, RogueServer, type RogueStep } from './dtls-rogue-peer.ts';
import { LonelyLayer } from './dtls-scripted-peer.ts';

/** A layer, and a rogue of the given role that has begun a handshake with it. */
export function roguePeer(
  role: 'client' | 'server',
  kind: CredentialKind,
): { readonly layer: LonelyLayer; readonly peer: RogueClient | RogueServer } {
  const layer =
    role === 'client' ? new LonelyLayer('server', kind.server) : new LonelyLayer('client', kind.client);
  return { layer, peer: role === 'client' ? new RogueClient(layer, kind) : new RogueServer(layer, kind) };
}

/** The records of a handshake as a client or a server sends them. */
export function rightSteps(
  role: 'client' | 'server',
  { client, server }: CredentialKind,
): readonly RogueStep[] {
  const isSigned = server.credentials !== undefined;
  const asksClient = isSigned && server.credentials.clientAuthentication === 'required';
  const isPlain = client.suites?.[0]?.startsWith('TLS_PSK') ?? false;
  const inClear: RogueStep['content'][] =
    role === 'client'
      ? asksClient
        ? ['Certificate', 'ClientKeyExchange', 'CertificateVerify']
        : ['ClientKeyExchange']
      : [
          'ServerHello',
          ...(isSigned ? (['Certificate'] as const) : []),
          ...(isPlain ? [] : (['ServerKeyExchange'] as const)),
          ...(asksClient ? (['CertificateRequest'] as const) : []),
          'ServerHelloDone',
        ];
  return [
    ...inClear.map((content) => ({ content, epoch: 0 })),
    { content: 'ChangeCipherSpec', epoch: 0 },
    { content: 'Finished', epoch: 1 },
  ];
}

/** Plays steps to a layer of the other role; `before` is called before each step and after the last. */
export function play(
  role: 'client' | 'server',
  kind: CredentialKind,
  steps: readonly RogueStep[],
  before: (layer: LonelyLayer) => void = () => {},
): LonelyLayer {
  const { layer, peer } = roguePeer(role, kind);
  for (const step of steps) {
    before(layer);
    peer.send(step);
  }
  before(layer);
  return layer;
}

/** Records in the order they are sent. */
export type Trace = readonly RogueStep[];

/** One shape of handshake: which messages a side sends, and in which places it may leave some out. */
export interface Script {
  readonly right: Trace;
  /** Other sequences of messages that the RFC allows. */
  readonly alsoRight: readonly Trace[];
  /** Messages that have no place in the sequence. */
  readonly foreign: readonly RogueContent[];
}

/** Messages of epoch 0 in this order, then ChangeCipherSpec and Finished. */
export function flightOf(...contents: readonly RogueContent[]): Trace {
  return [
    ...contents.map((content) => ({ content, epoch: 0 })),
    { content: 'ChangeCipherSpec', epoch: 0 },
    { content: 'Finished', epoch: 1 },
  ];
}

/** Everything one change can make of a trace. */
export function changedOnce(trace: Trace, { foreign }: Script): Trace[] {
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

/**
 * Whether some beginning of the trace is a handshake: all its messages in one of the right orders and in their epochs, and
 * a ChangeCipherSpec when the keys are there. ChangeCipherSpec has no number, so a datagram with it may overtake others or
 * come twice (RFC 6347 §4.2.2); and Finished, whatever comes behind that, may overtake it.
 */
export function isRight({ right, alsoRight }: Script, trace: Trace): boolean {
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

/** For messages of tests. */
export function textOf(trace: Trace): string {
  return trace.map(({ content, epoch }) => `${content} in ${epoch}`).join(', ');
}
