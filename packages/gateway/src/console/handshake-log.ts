/**
 * The latest handshakes of the main thread, with why they failed: for who asks in the console why a device does not get in.
 */
import type { AssociationEvent } from 'coapsule';
import type { WallClock } from '../server/wall-clock.ts';
import type { HandshakeView } from './api-types.ts';

const mostKept = 200;

/** Of a text that a stranger chose, in characters. */
const longestText = 300;

/** See the module comment. */
export class HandshakeLog {
  readonly #clock: WallClock;
  readonly #kept: HandshakeView[] = [];

  constructor(clock: WallClock) {
    this.#clock = clock;
  }

  /** The newest first. */
  get handshakes(): readonly HandshakeView[] {
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

  #add(view: HandshakeView): void {
    const { identity, cause } = view;
    this.#kept.push({ ...view, identity: cut(identity), cause: cut(cause) });
    if (this.#kept.length > mostKept) this.#kept.shift();
  }
}

function cut(text: string | null): string | null {
  return text === null || text.length <= longestText ? text : `${text.slice(0, longestText)}…`;
}
