/**
 * The other gateways behind one address, as this one passes records on to them: a UDP socket between them, frames that nobody else can
 * make or read (node-frames.ts), and the table of who is where (redis-nodes.ts).
 *
 * Which records go to whom is decided in the library, by the number in the Connection ID. While Redis is away the table stays as it
 * was known last.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { NodeLink, NodeLinkEvents, PeerAddress } from 'coapsule';
import { startTick, type TickTimer } from '../resources/periodic-tick.ts';
import type { Log } from '../server/log.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { Store } from '../store/store.ts';
import { NodeFrames } from './node-frames.ts';
import type { NodeAddress, RedisNodes } from './redis-nodes.ts';

/** What it works with. */
export interface GatewayNodesParts {
  /** Where the others reach this gateway. */
  readonly address: NodeAddress;
  /** 32 bytes. */
  readonly sharedKey: Uint8Array;
  /** The name of this gateway among them. */
  readonly node: string;
  readonly nodes: Pick<RedisNodes, 'claim' | 'all'>;
  readonly isThere: () => boolean;
  readonly store: Pick<Store, 'sharedState' | 'setSharedState'>;
  readonly log: Log;
  readonly clock: WallClock;
  readonly timer: TickTimer;
}

/** What went between the gateways: datagrams. */
export type NodeCounts = Readonly<
  Record<'forwarded' | 'received' | 'answered' | 'answers_received' | 'refused', number>
>;

/** How often it says where it is, and asks where the others are. */
const refreshMs = 5000;

/** How long the start waits for Redis where no number is known yet. */
const patienceMs = 5000;
const lookMs = 20;

const stateName = 'node-number';

/** See the module comment. */
export class GatewayNodes implements NodeLink {
  readonly number: number;
  readonly #parts: GatewayNodesParts;
  readonly #socket: Socket;
  readonly #frames: NodeFrames;
  readonly #stopTick: () => void;
  #table: ReadonlyMap<number, NodeAddress> = new Map();
  #events: NodeLinkEvents | undefined;
  #isTaken = false;
  #isClosed = false;
  readonly #counts: { -readonly [Name in keyof NodeCounts]: number } = {
    ...{ forwarded: 0, received: 0, answered: 0, answers_received: 0, refused: 0 },
  };

  /**
   * Opens the socket, and gets a number, which is the one that the gateway had.
   *
   * @returns undefined where there is no number: Redis is away at the first start, or all are taken. The log says so.
   * @throws StartUpFault (rejects) for an address that cannot be had.
   */
  static async open(parts: GatewayNodesParts): Promise<GatewayNodes | undefined> {
    const { address, store, log } = parts;
    const socket = createSocket(isIPv6(address.host) ? 'udp6' : 'udp4');
    try {
      socket.bind(address.port, address.host);
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw new StartUpFault(
        `the link between gateways cannot open ${address.host} port ${address.port}: ${(error as Error).message}`,
        'give an address of this machine that the other gateways reach, and a free port, with --redis-link HOST:PORT',
      );
    }
    const bound = { ...address, port: socket.address().port };
    let opened: GatewayNodes | undefined;
    try {
      const number = await numberOf(parts, bound);
      if (number === undefined) {
        log.warning(
          'shared: no number for the link between gateways (Redis is away, or has 255 of them): records of devices of others are not passed on until the next start',
        );
        return undefined;
      }
      await store.setSharedState({ name: stateName, value: String(number) });
      opened = new GatewayNodes({ ...parts, address: bound }, number, socket);
    } finally {
      if (opened === undefined) socket.close();
    }
    await opened.#refresh();
    return opened;
  }

  private constructor(parts: GatewayNodesParts, number: number, socket: Socket) {
    this.number = number;
    this.#parts = parts;
    this.#socket = socket;
    this.#frames = new NodeFrames(parts.sharedKey, parts.clock);
    socket.on('message', (bytes, { address: host, port }) => this.#receive(bytes, { host, port }));
    socket.on('error', (error) => parts.log.warning(`shared: the link between gateways: ${error.message}`));
    this.#stopTick = startTick(refreshMs, () => void this.#refresh(), parts.timer);
  }

  /** Where the others reach this one. */
  get address(): NodeAddress {
    return this.#parts.address;
  }

  /** Since the start. */
  get counts(): NodeCounts {
    return { ...this.#counts };
  }

  has(number: number): boolean {
    return number !== this.number && !this.#isTaken && this.#table.has(number);
  }

  forward(number: number, datagram: Uint8Array, peer: PeerAddress): void {
    this.#send('forward', number, datagram, peer);
  }

  answer(number: number, datagram: Uint8Array, peer: PeerAddress): void {
    this.#send('answer', number, datagram, peer);
  }

  open(events: NodeLinkEvents): () => void {
    this.#events = events;
    return () => {
      this.#events = undefined;
    };
  }

  /** Nothing is passed on any more. The number stays reserved. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopTick();
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #send(kind: 'forward' | 'answer', to: number, datagram: Uint8Array, { host, port }: PeerAddress): void {
    const address = this.#table.get(to);
    if (address === undefined || this.#isClosed) return;
    this.#counts[kind === 'forward' ? 'forwarded' : 'answered']++;
    const frame = this.#frames.seal({ kind, from: this.number, host, port, datagram }, to);
    // What cannot go is lost, as on any network.
    this.#socket.send(frame, address.port, address.host, () => {});
  }

  #receive(bytes: Uint8Array, sender: NodeAddress): void {
    const frame = this.#frames.open(bytes, this.number);
    if (frame === undefined) {
      // Once: whoever can send to the port can do so for ever.
      if (this.#counts.refused++ === 0)
        this.#parts.log.warning(
          'shared: something came to the link between gateways that does not open: another key or clock, or somebody who is no gateway',
        );
      return;
    }
    const { kind, from, host, port, datagram } = frame;
    // Started while Redis is away, this one knows nobody but who comes.
    if (!this.#table.has(from)) this.#table = new Map([...this.#table, [from, sender]]);
    this.#counts[kind === 'forward' ? 'received' : 'answers_received']++;
    if (kind === 'forward') this.#events?.forwarded(from, datagram, host, port);
    else this.#events?.answered(datagram, host, port);
  }

  async #refresh(): Promise<void> {
    const { nodes, node, address, isThere, log } = this.#parts;
    if (!isThere()) return;
    try {
      const claimed = await nodes.claim(node, this.number, address);
      const table = await nodes.all();
      const isTaken = claimed !== this.number;
      if (isTaken && !this.#isTaken)
        log.error(
          `shared: another gateway has the number ${this.number} of this one, which was away too long: start this one again for another number`,
        );
      this.#isTaken = isTaken;
      this.#table = table;
    } catch {
      // That Redis is away is told where it matters; the table stays.
    }
  }
}

/** The number that a gateway had, or gets; undefined where there is none. */
async function numberOf(
  { store, log, timer, isThere, nodes, node }: GatewayNodesParts,
  bound: NodeAddress,
): Promise<number | undefined> {
  const had = Number((await store.sharedState(stateName)) ?? 0);
  const until = timer.now() + patienceMs;
  while (!isThere() && timer.now() < until && had === 0)
    await new Promise<void>((resolve) => timer.after(lookMs, resolve));
  try {
    if (isThere()) return await nodes.claim(node, had, bound);
  } catch (error) {
    log.warning(`shared: ${(error as Error).message}`);
  }
  return had === 0 ? undefined : had;
}
