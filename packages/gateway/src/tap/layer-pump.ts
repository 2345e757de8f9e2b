/**
 * The pump between one socket and one `DtlsLayer`: what the layer says goes out, and its timer runs.
 *
 * @module
 */

import type { LayerSecurity, PeerAddress } from 'coapsule';
import type { Instant } from 'coapsule/core';
import type { DtlsLayer, DtlsOutput } from 'coapsule/dtls';
import { monotonicClock } from 'coapsule/node';

/** What the layer says, but for what is answered or sent here. */
export type LayerOutput = Exclude<DtlsOutput, { kind: 'transmit' | 'psk-lookup' | 'verify-peer' }>;

/** What it works with. */
interface LayerPumpParts {
  readonly layer: DtlsLayer;
  readonly security: LayerSecurity;
  readonly transmit: (datagram: Uint8Array, to: PeerAddress) => void;
  readonly onOutput: (output: LayerOutput) => void;
}

/** Longest timer: a layer with nothing to do for longer is asked anyway. */
const longestTimerMs = 60_000;

/** See the module comment. */
export class LayerPump {
  readonly #parts: LayerPumpParts;
  #timer: NodeJS.Timeout | undefined;
  #isDraining = false;
  #isClosed = false;

  constructor(parts: LayerPumpParts) {
    this.#parts = parts;
  }

  /** A datagram has come. It is opened where it lies. */
  receive(address: PeerAddress, datagram: Uint8Array): void {
    this.run((layer, now) => layer.handle({ address, datagram }, now));
  }

  /** Works with the layer, then carries out what it says. */
  run<Result>(command: (layer: DtlsLayer, now: Instant) => Result): Result {
    const result = command(this.#parts.layer, monotonicClock.now());
    this.#drain();
    return result;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #drain(): void {
    // What an output brings about may work with the layer: then the loop that is running goes on with it.
    if (this.#isDraining || this.#isClosed) return;
    this.#isDraining = true;
    const { layer, security, transmit, onOutput } = this.#parts;
    try {
      for (let output = layer.poll(); output !== undefined; output = layer.poll()) {
        if (output.kind === 'transmit') transmit(output.datagram, output.address);
        else if (output.kind === 'psk-lookup' || output.kind === 'verify-peer') {
          void security.answer(layer, output, () => monotonicClock.now()).then(() => this.#drain());
        } else onOutput(output);
      }
    } finally {
      this.#isDraining = false;
    }
    this.#setTimer();
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const next = this.#parts.layer.nextTimeout();
    if (next === undefined || this.#isClosed) return;
    const delay = Math.min(longestTimerMs, Math.max(1, Math.ceil(next - monotonicClock.now())));
    this.#timer = setTimeout(() => this.run((layer, now) => layer.handleTimeout(now)), delay);
  }
}
