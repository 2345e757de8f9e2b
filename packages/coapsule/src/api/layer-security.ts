/**
 * Credentials for a `DtlsLayer` that a program runs itself: the settings of the layer, and the answers to what it asks in a handshake.
 *
 * They are the options of `Client` and `Server`, read and judged as those do. Who brings own sockets, such as a relay that ends DTLS
 * on both sides, needs no key handling of its own by that.
 *
 * @module
 */

import type { DtlsConfig } from '../core/dtls/dtls-config.ts';
import type { DtlsLayer, DtlsOutput } from '../core/dtls/dtls-layer.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { PskCredential } from './client-options.ts';
import { clientSecurity } from './client-security.ts';
import type { ClientCredentialOptions, ServerCredentialOptions } from './credential-options.ts';
import type { PskOptions } from './listen-options.ts';
import { judgePeer, type PeerPlace, refusedBy, type VerificationPolicy } from './peer-verification.ts';
import { findPsk } from './psk-lookup.ts';
import { pskIdentityBytes } from './secured-server.ts';
import { serverSecurity } from './server-security.ts';

/** What a layer asks in a handshake. */
export type LayerQuestion = Extract<DtlsOutput, { kind: 'psk-lookup' | 'verify-peer' }>;

/** See the module comment. */
export interface LayerSecurity {
  /** A part of the `config` of the layer. */
  readonly config: Pick<DtlsConfig, 'credentials'> & Partial<Pick<DtlsConfig, 'serverNames'>>;
  /** Answers a question; poll the layer after it. Never rejects: what goes wrong refuses the peer. */
  answer(layer: DtlsLayer, question: LayerQuestion, now: () => Instant): Promise<void>;
}

/**
 * For a layer that connects to one server.
 *
 * @param server host: as in the URI; serverName: what is announced, where it is a name.
 * @returns nothing when the options could neither prove us nor recognise a server.
 * @throws ApiMisuseError for keys or certificates that cannot be used, and for options that contradict each other.
 */
export function clientLayerSecurity(
  options: ClientCredentialOptions & { readonly psk?: PskCredential },
  server: {
    readonly address: PeerAddress;
    readonly host: string;
    readonly serverName?: string | undefined;
  },
): LayerSecurity | undefined {
  const security = clientSecurity(options);
  if (security === undefined) return undefined;
  const { address, host, serverName } = server;
  const policy = security.policy({
    ...{ scheme: 'coaps', transport: 'udp', secure: true },
    ...{ address, host, serverName },
  });
  return {
    config: { credentials: security.credentials },
    async answer(layer, question, now) {
      if (question.kind === 'verify-peer') {
        await answerVerification(layer, question, { address, host, serverName }, policy, now);
        return;
      }
      const { psk } = options;
      const answer = psk && { identity: pskIdentityBytes(psk), key: psk.key };
      layer.answerPskLookup(question.lookup, answer, now());
    },
  };
}

/**
 * For a layer that devices connect to.
 *
 * @param where what the options are of, for messages.
 * @throws ApiMisuseError when there is nothing that a client could connect with, or something cannot be used.
 */
export function serverLayerSecurity(
  where: string,
  options: ServerCredentialOptions & { readonly psk?: PskOptions },
): LayerSecurity {
  const { credentials, serverNames, policy } = serverSecurity(where, options, options.psk !== undefined);
  return {
    config: { credentials, serverNames },
    async answer(layer, question, now) {
      if (question.kind === 'verify-peer') {
        const { address, serverName } = question;
        await answerVerification(layer, question, { address, host: undefined, serverName }, policy, now);
        return;
      }
      const identity = question.identity ?? new Uint8Array();
      const match = await findPsk(options.psk ?? {}, identity, () => {});
      const others = match?.others ?? [];
      layer.answerPskLookup(
        question.lookup,
        match && { key: match.key, otherKeys: others.map(({ key }) => key) },
        now(),
      );
    },
  };
}

async function answerVerification(
  layer: DtlsLayer,
  { verification, credential }: Extract<LayerQuestion, { kind: 'verify-peer' }>,
  place: PeerPlace,
  policy: VerificationPolicy,
  now: () => Instant,
): Promise<void> {
  const judgement = await judgePeer(credential, place, policy).catch((error: unknown) => refusedBy(error));
  layer.answerPeerVerification(verification, judgement.verdict, now());
}
