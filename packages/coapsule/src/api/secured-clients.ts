/**
 * The clients of one socket or line with DTLS: who they are found to be in a handshake, and the associations there are.
 *
 * By what a client is judged is in `peer-verification.ts` and `psk-lookup.ts`; which associations outlive the process in
 * `association-keeper.ts`.
 *
 * @module
 */

import type { AssociationId, Connected } from '../core/dtls/dtls-output.ts';
import type { Peer } from '../core/endpoint/peer.ts';
import type { Driver, DriverOutput } from '../node/driver.ts';
import type { AssociationKeeper } from './association-keeper.ts';
import { isPending } from './eventual.ts';
import { handshakeAdvice } from './handshake-advice.ts';
import type { ListenOptions, PskMatch } from './listen-options.ts';
import type { ListenerPlace } from './listener-place.ts';
import {
  type AssociationNotes,
  associationSecurity,
  identityText,
  newAssociationPrefix,
  noSecurity,
  type PeerProof,
  type PeerSecurity,
} from './peer-info.ts';
import { type PeerPage, type PeerPageOptions, peerPage } from './peer-report.ts';
import { claimedName, judgePeer, refusedBy, type VerificationPolicy } from './peer-verification.ts';
import { findPsk } from './psk-lookup.ts';

/** What an endpoint tells and asks about associations. */
export type AssociationOutput = Extract<
  DriverOutput,
  {
    kind:
      | 'psk-lookup'
      | 'verify-peer'
      | 'connected'
      | 'handshake-failed'
      | 'closed'
      | 'keep-association'
      | 'reserve-sequence'
      | 'advance-edge';
  }
>;

type PskLookup = Extract<AssociationOutput, { kind: 'psk-lookup' }>;
type PeerVerification = Extract<AssociationOutput, { kind: 'verify-peer' }>;

/** What the latest look-up or verification of a handshake that is not over was about, and what it said. */
interface PendingPeer {
  readonly of: PeerProof['kind'];
  readonly identity: string;
  readonly notes: AssociationNotes;
  /** Of the other keys that the identity may have. */
  readonly otherContexts?: readonly unknown[];
}

/** The note on a peer that was asked for. */
class NotedSecurity {
  readonly security: PeerSecurity;

  constructor(security: PeerSecurity) {
    this.security = security;
  }
}

/** See the module comment. */
export class SecuredClients {
  readonly #driver: Driver;
  readonly #place: ListenerPlace;
  readonly #options: ListenOptions;
  readonly #policy: VerificationPolicy | undefined;
  readonly #keeper: AssociationKeeper | undefined;
  readonly #onError: (error: unknown) => void;
  /** Of the names of the associations. */
  readonly prefix: string = newAssociationPrefix();
  /** What is known of associations beyond what the endpoint knows; of most nothing is. */
  readonly #notes = new Map<AssociationId, AssociationNotes>();
  /** By association, of handshakes that are not over. */
  readonly #pending = new Map<AssociationId, PendingPeer>();

  /** @param policy Undefined on plain `coap`, where there are none. */
  constructor(
    driver: Driver,
    place: ListenerPlace,
    options: ListenOptions,
    policy: VerificationPolicy | undefined,
    keeper: AssociationKeeper | undefined,
    onError: (error: unknown) => void,
  ) {
    this.#driver = driver;
    this.#place = place;
    this.#options = options;
    this.#policy = policy;
    this.#keeper = keeper;
    this.#onError = onError;
  }

  /** Those there are now. */
  list(): readonly PeerSecurity[] {
    return this.#all().map(([, security]) => security);
  }

  /** See `Listener.peerReports`. */
  reports(page: PeerPageOptions): PeerPage {
    const { transport } = this.#place;
    const associations = this.#driver.run((endpoint) => endpoint.associations());
    return peerPage(associations, page, (association) => {
      const security = this.#securityOf(association);
      const report = this.#driver.run((endpoint, now) => endpoint.associationReport(association, now));
      if (security === undefined || report === undefined) return undefined;
      const { address, ...told } = report;
      return { peer: { address, transport, security }, epoch: 1, ...told };
    });
  }

  /** How a peer has proved itself. */
  security(peer: Peer): PeerSecurity {
    if (peer.association === undefined) return noSecurity;
    if (peer.note instanceof NotedSecurity) return peer.note.security;
    const security = this.#securityOf(peer.association) ?? noSecurity;
    peer.note = new NotedSecurity(security);
    return security;
  }

  /** The association of which this is told; undefined when it is gone. */
  associationWith(security: PeerSecurity): AssociationId | undefined {
    if (security.kind !== 'dtls') return undefined;
    const { association: name } = security;
    const ofThisProcess = `${this.prefix}-`;
    if (name.startsWith(ofThisProcess)) {
      const association = Number(name.slice(ofThisProcess.length));
      return this.#connected(association) && association;
    }
    for (const [association, notes] of this.#notes) if (notes.name === name) return association;
    return undefined;
  }

  /** See `Listener.disconnect`. */
  disconnect(which: string | ((security: PeerSecurity) => boolean)): number {
    const matches =
      typeof which === 'function'
        ? which
        : (security: PeerSecurity) => security.kind === 'dtls' && security.identity === which;
    const found = this.#all().filter(([, security]) => matches(security));
    for (const [association] of found) {
      this.#driver.run((endpoint, now) => endpoint.closeAssociation(association, now));
    }
    return found.length;
  }

  #all(): readonly (readonly [AssociationId, PeerSecurity])[] {
    const associations = this.#driver.run((endpoint) => endpoint.associations());
    return associations.flatMap((association) => {
      const security = this.#securityOf(association);
      return security === undefined ? [] : [[association, security] as const];
    });
  }

  #connected(association: AssociationId): Connected | undefined {
    return this.#driver.run((endpoint) => endpoint.association(association));
  }

  #securityOf(association: AssociationId): PeerSecurity | undefined {
    const connected = this.#connected(association);
    return connected && associationSecurity(connected, this.prefix, this.#notes.get(association));
  }

  /** Answers, notes and tells what the endpoint asks or says. */
  handle(output: AssociationOutput): void {
    switch (output.kind) {
      case 'psk-lookup':
        this.#lookUpPsk(output);
        return;
      case 'verify-peer':
        this.#verifyClient(output).catch(this.#onError);
        return;
      case 'connected': {
        const { association, address } = output;
        const pending = this.#pending.get(association);
        // A handshake may end with another proof than the one that was asked about first, or with none: when a session
        // cannot go on, it goes on without it.
        const noted = pending?.of === output.authentication.kind ? notesOf(pending, output) : undefined;
        const notes = this.#keeper?.takeResumed(association) ?? noted;
        this.#pending.delete(association);
        if (output.imported || isWorthKeeping(notes)) {
          this.#notes.set(association, { ...notes, imported: output.imported === true });
        }
        const { onAssociation } = this.#options;
        if (onAssociation === undefined) return;
        const security = associationSecurity(output, this.prefix, notes);
        onAssociation({
          kind: 'connected',
          peer: { address, transport: this.#place.transport, security },
          ...(output.imported === undefined ? {} : { imported: output.imported }),
        });
        return;
      }
      case 'keep-association':
      case 'reserve-sequence':
      case 'advance-edge': {
        this.#keeper?.handle(output, this.#securityOf(output.association));
        return;
      }
      case 'closed': {
        const { association, address, reason, was } = output;
        const notes = this.#notes.get(association);
        this.#notes.delete(association);
        this.#keeper?.ended(association, reason === 'exported');
        const { onAssociation } = this.#options;
        if (onAssociation === undefined || reason === 'exported') return;
        const security = associationSecurity(was, this.prefix, notes);
        onAssociation({
          kind: 'closed',
          peer: { address, transport: this.#place.transport, security },
          reason,
        });
        return;
      }
      case 'handshake-failed': {
        const { association, address, failure, role } = output;
        const identity = this.#pending.get(association)?.identity;
        this.#pending.delete(association);
        const advice = this.#place.line?.handshakeAdvice(failure);
        const nextStep = advice ?? handshakeAdvice(failure, role);
        this.#options.onAssociation?.({ kind: 'handshake-failed', address, identity, failure, nextStep });
        return;
      }
    }
  }

  #lookUpPsk(question: PskLookup): void {
    const { psk = {} } = this.#options;
    const bytes = question.identity ?? new Uint8Array(0);
    const pending: PendingPeer = { of: 'psk', identity: identityText(bytes), notes: {} };
    this.#pending.set(question.association, pending);
    const found = findPsk(psk, bytes, this.#onError);
    if (!isPending(found)) this.#answerPsk(question, pending, found);
    else found.then((match) => this.#answerPsk(question, pending, match)).catch(this.#onError);
  }

  #answerPsk({ lookup, association }: PskLookup, pending: PendingPeer, match: PskMatch | undefined): void {
    if (this.#driver.closed) return;
    const { others = [] } = match ?? {};
    const otherContexts = others.map(({ context }) => context);
    this.#note(association, pending, { ...pending, notes: { context: match?.context }, otherContexts });
    const answer = match && { key: match.key, otherKeys: others.map(({ key }) => key) };
    this.#driver.run((endpoint, now) => endpoint.answerPskLookup(lookup, answer, now));
  }

  async #verifyClient(output: PeerVerification): Promise<void> {
    const { verification, association, address, credential, serverName } = output;
    const place = { address, host: undefined, serverName };
    const pending: PendingPeer = { of: credential.kind, identity: '', notes: {} };
    this.#pending.set(association, pending);
    const judgement = await judgePeer(credential, place, this.#policy).catch((error: unknown) => {
      this.#onError(error);
      return refusedBy(error);
    });
    if (this.#driver.closed) return;
    const { verdict } = judgement;
    const identity = verdict.accepted ? identityText(verdict.identity) : claimedName(credential);
    const { context, certificateExpiresAt } = judgement;
    const notes = { context, certificateExpiresAt };
    this.#note(association, pending, { of: credential.kind, identity, notes });
    this.#driver.run((endpoint, now) => endpoint.answerPeerVerification(verification, verdict, now));
  }

  /** The handshake may be over by the time of the answer, or have asked something else. */
  #note(association: AssociationId, asked: PendingPeer, answered: PendingPeer): void {
    if (this.#pending.get(association) === asked) this.#pending.set(association, answered);
  }
}

/** What came with the key that the client has. */
function notesOf({ notes, otherContexts }: PendingPeer, { otherPsk }: Connected): AssociationNotes {
  return otherPsk === undefined ? notes : { ...notes, context: otherContexts?.[otherPsk - 1] };
}

function isWorthKeeping(notes: AssociationNotes | undefined): boolean {
  return (
    notes?.context !== undefined || notes?.certificateExpiresAt !== undefined || notes?.name !== undefined
  );
}
