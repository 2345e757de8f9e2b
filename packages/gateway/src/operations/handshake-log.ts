/**
 * The latest handshakes of a thread, with why they failed: for who asks in the console why a device does not get in.
 */
import type { AssociationEvent } from 'coapsule';
import type { WallClock } from '../server/wall-clock.ts';

/** One handshake, as plain values that go to another thread. */
export interface HandshakeReport {
  readonly atMs: number;
  readonly address: string;
  readonly scheme: string;
  readonly identity: string | null;
  readonly isOk: boolean;
  /** Why it failed, in words, and what to do. */
  readonly cause: string | null;
  readonly nextStep: string | null;
}

/** Of a thread, and of all together. */
export const mostHandshakes = 200;

/** Of a text that a stranger chose, in characters. */
const longestText = 300;

/** See the module comment. */
export class HandshakeLog {
  readonly #clock: WallClock;
  readonly #kept: HandshakeReport[] = [];

  constructor(clock: WallClock) {
    this.#clock = clock;
  }

  /** The newest first. */
  get handshakes(): readonly HandshakeReport[] {
    return this.#kept.toReversed();
  }

  readonly note = (event: AssociationEvent): void => {
    const atMs = this.#clock();
    if (event.kind === 'connected') {
      if (event.imported === true) return;
      const { address, security, transport } = event.peer;
      this.#add({
        ...{ atMs, address: address.key, isOk: true, cause: null, nextStep: null },
        scheme: security.kind === 'dtls' ? 'coaps' : `coaps+${transport}`,
        identity:
          security.kind === 'none' || security.authentication.kind === 'none' ? null : security.identity,
      });
    } else if (event.kind === 'handshake-failed') {
      const { address, identity = null, failure, nextStep } = event;
      this.#add({
        ...{ atMs, address: address.key, scheme: 'coaps', identity, isOk: false },
        cause: `${failure.cause}: ${failure.detail}`,
        nextStep: nextStep === '' ? null : nextStep,
      });
    }
  };

  #add(view: HandshakeReport): void {
    const { identity, cause } = view;
    this.#kept.push({ ...view, identity: cut(identity), cause: cut(cause) });
    if (this.#kept.length > mostHandshakes) this.#kept.shift();
  }
}

function cut(text: string | null): string | null {
  return text === null || text.length <= longestText ? text : `${text.slice(0, longestText)}…`;
}
