/**
 * How many connections of HTTP one stranger may have at a time: who takes all of them shuts out everybody else for as long as a
 * connection may be silent.
 */
import type { Socket } from 'node:net';
import { networkOf } from '../text/network.ts';

/** See the module comment. */
export class ConnectionShares {
  readonly #most: number;
  readonly #isExempt: (address: string) => boolean;
  /** By network, as long as it has any. */
  readonly #held = new Map<string, number>();

  /**
   * @param most Of one IPv4 address, or of the /64 of an IPv6 one.
   * @param isExempt Whether others stand behind an address: a reverse-proxy's.
   */
  constructor(most: number, isExempt: (address: string) => boolean) {
    this.#most = most;
    this.#isExempt = isExempt;
  }

  /** Networks with connections. */
  get size(): number {
    return this.#held.size;
  }

  /** A new connection: counted until it is closed, and closed at once where its network has as many as it may. */
  take(socket: Socket): void {
    // Without one it is closed already.
    const address = socket.remoteAddress ?? '';
    if (this.#isExempt(address)) return;
    const network = networkOf(address);
    const held = this.#held.get(network) ?? 0;
    if (held >= this.#most) {
      socket.destroy();
      return;
    }
    this.#held.set(network, held + 1);
    socket.once('close', () => this.#giveBack(network));
  }

  #giveBack(network: string): void {
    const left = (this.#held.get(network) ?? 1) - 1;
    if (left === 0) this.#held.delete(network);
    else this.#held.set(network, left);
  }
}
