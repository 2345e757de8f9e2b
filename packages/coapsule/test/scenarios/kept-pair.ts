/**
 * A pair whose server keeps its associations in a store that outlives it, as a gateway does.
 *
 * @module
 */

import type { EndpointConfigInput } from '../../src/core/endpoint/endpoint-config.ts';
import type { EndpointOutput } from '../../src/core/endpoint/outputs.ts';
import type { PeerAddress } from '../../src/core/foundation/peer-address.ts';
import { Pair, type PairOptions } from '../../src/testing/pair.ts';

type Keep = Extract<EndpointOutput, { kind: 'keep-association' }>;

interface StoredAssociation {
  readonly kept: Keep;
  address: PeerAddress;
  state: Uint8Array;
  reserved: number;
  edge: number;
  exact: boolean;
}

/** See the module comment. Call `settle` after whatever may have changed something. */
export class KeptPair extends Pair {
  /** What is on the disk. */
  readonly stored = new Map<number, StoredAssociation>();
  /** A store that takes no writes: what is asked for waits. */
  isStuck = false;
  #seen = 0;
  #waiting: EndpointOutput[] = [];

  constructor(options: PairOptions = {}) {
    const server: EndpointConfigInput = {
      ...options.server,
      dtls: { ...options.server?.dtls, keepAssociations: true },
    };
    super({ security: 'dtls', ...options, server });
  }

  override step(): boolean {
    const stepped = super.step();
    this.settle();
    return stepped;
  }

  settle(): void {
    while (this.#seen < this.events.length) {
      const event = this.events[this.#seen++];
      if (event?.side === 'server') this.#waiting.push(event.output);
    }
    if (this.isStuck) return;
    for (const output of this.#waiting.splice(0)) this.#store(output);
    if (this.#seen < this.events.length) this.settle();
  }

  #store(output: EndpointOutput): void {
    switch (output.kind) {
      case 'keep-association': {
        const { state, reserved, edge, address } = output;
        this.stored.set(output.association, { kept: output, address, state, reserved, edge, exact: false });
        return;
      }
      case 'reserve-sequence': {
        const { association, upTo } = output;
        const stored = this.stored.get(association);
        if (stored !== undefined) stored.reserved = Math.max(stored.reserved, upTo);
        this.command('server', (server, now) => server.reservationStored(association, upTo, now));
        return;
      }
      case 'advance-edge': {
        const { association, edge } = output;
        const stored = this.stored.get(association);
        if (stored !== undefined) stored.edge = edge;
        this.command('server', (server) => server.edgeStored(association, edge));
        return;
      }
      case 'closed':
        if (output.reason !== 'exported') this.stored.delete(output.association);
        return;
    }
  }

  /** The server loses its memory and goes on with what is on the disk. */
  crashServer(): void {
    this.#waiting = [];
    this.#seen = this.events.length;
    this.restart('server');
    this.#resume();
  }

  /** The server ends cleanly, and another one begins. */
  restartServer(): void {
    this.command('server', (server, now) => {
      for (const one of server.suspendAssociations(now)) {
        const stored = this.stored.get(one.association);
        if (stored === undefined) continue;
        Object.assign(stored, { state: one.state, reserved: one.next, edge: one.edge, exact: true });
      }
    });
    this.settle();
    this.restart('server');
    this.#resume();
  }

  #resume(): void {
    const before = [...this.stored.values()];
    this.stored.clear();
    for (const stored of before) {
      const { kept, address, state, edge, exact } = stored;
      const { identity, authentication } = kept;
      const writeFrom = stored.reserved;
      const reserved = writeFrom + 64;
      this.command('server', (server, now) => {
        const association = server.importAssociation(
          state,
          address,
          { identity, authentication, writeFrom, reserved, ...(exact ? {} : { crashedAt: edge }) },
          now,
        );
        if (typeof association === 'string') throw new Error(association);
        this.stored.set(association, { ...stored, reserved, exact: false });
      });
    }
  }
}
