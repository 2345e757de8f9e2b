/**
 * Plays rogue peers to layers of the other role.
 *
 * @module
 */

import type { CredentialKind } from './dtls-credentials.ts';
import { RogueClient, RogueServer, type RogueStep } from './dtls-rogue-peer.ts';
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
