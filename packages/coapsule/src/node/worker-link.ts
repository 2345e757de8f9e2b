/**
 * The link of one worker to the others that share its ports: messages between threads, addressed by the number of a worker.
 *
 * The threads are begun, replaced and introduced to each other by `worker-threads.ts`. A message to a worker that is not
 * there, because it has died and is being replaced, is lost: the network may lose any datagram. So is a datagram to a worker
 * that is behind by more than a bound: anybody can send records that name a worker, and a `MessagePort` takes all it is given.
 *
 * @module
 */

import type { MessagePort, Transferable } from 'node:worker_threads';
import { ApiMisuseError } from '../core/foundation/errors.ts';

export type { MessagePort };

/** A datagram that another worker received, and whose association is here. */
export interface DivertedDatagram {
  readonly kind: 'datagram';
  readonly datagram: Uint8Array;
  readonly host: string;
  readonly port: number;
}

/** What workers tell each other of messages under OSCORE, whose contexts worker 0 has (`api/oscore-owner.ts`). */
export type OscoreMessage =
  | {
      readonly kind: 'to-owner';
      /** The worker that received it. */
      readonly from: number;
      /** Decrypted, where it came by DTLS. */
      readonly datagram: Uint8Array;
      readonly host: string;
      readonly port: number;
      /** What is known of the peer's association, which names it; undefined of plain messages. */
      readonly security: unknown;
    }
  /** To be sealed and sent. */
  | { readonly kind: 'from-owner'; readonly association: string; readonly datagram: Uint8Array }
  | { readonly kind: 'association-ended'; readonly association: string };

/** What workers tell each other about a port that they share. */
export type PortMessage =
  | DivertedDatagram
  | OscoreMessage
  | { readonly kind: 'notify'; readonly path: string }
  /** Worker 0 has joined a group: sockets of the others keep out of it (`UdpSocket.keepOut`). */
  | { readonly kind: 'keep-out'; readonly group: string; readonly interfaceAddress: string }
  /** To worker 0: which groups has it joined? */
  | { readonly kind: 'which-groups'; readonly from: number }
  /** About a request that one worker serves for another (`api/owned-message.ts`). */
  | {
      readonly kind: 'owned';
      readonly content: unknown;
      /** Bytes of its payload. */
      readonly length: number;
      /** Whether it may be refused where too much waits. */
      readonly isRefusable: boolean;
    };

/** What goes from worker to worker. */
interface LinkMessage {
  /** The port, by the URI that it is listened on. */
  readonly uri: string;
  readonly message: PortMessage;
}

/** What worker 0 has opened. */
export interface BoundPort {
  /** As it was asked for: the same in all workers. */
  readonly uri: string;
  /** With the real port. */
  readonly openUri: string;
  readonly host: string;
  /** Of a serial line 0. */
  readonly port: number;
}

/** What the thread that began the workers tells each of them. */
export type ToWorker =
  | {
      readonly kind: 'introduce';
      readonly index: number;
      readonly port: MessagePort;
      /** Two numbers that both ends count in: bytes that wait at the worker with the lower index, and at the other. */
      readonly waiting: SharedArrayBuffer;
    }
  | ({ readonly kind: 'bound' } & BoundPort)
  | { readonly kind: 'close' };

/** What a worker tells the thread that began it. */
export type FromWorker = ({ readonly kind: 'bound' } & BoundPort) | { readonly kind: 'ready' };

/** What a worker is begun with. */
export interface WorkerPlace {
  readonly index: number;
  readonly count: number;
  /** Another worker had this number before: its ports may be bound by the others. */
  readonly isReplacement: boolean;
  /** Ports that worker 0 has bound already. */
  readonly bound: readonly BoundPort[];
  readonly control: MessagePort;
}

/** Another worker. */
interface OtherWorker {
  readonly port: MessagePort;
  readonly waiting: Int32Array;
}

/** Bytes that may wait at a worker, of each other one: as for a socket (`send-pressure.ts`). */
const waitingAtMost = 4 * 1024 * 1024;
/** What a message takes besides what it says. */
const messageBytes = 512;

/** Who is told about a port. */
interface PortReceiver {
  readonly message: (message: PortMessage) => void;
  readonly introduced: (index: number) => void;
}

/** Who waits for what worker 0 opens. */
interface AwaitedPort {
  readonly resolve: (bound: BoundPort) => void;
  readonly reject: (error: Error) => void;
}

/** The link as a port needs it. */
export type PortLink = Pick<WorkerLink, 'index' | 'count' | 'receive' | 'leave' | 'send' | 'sendToAll'>;

/** See the module comment. */
export class WorkerLink {
  readonly index: number;
  readonly count: number;
  readonly isReplacement: boolean;
  readonly #control: MessagePort;
  /** Datagrams that were not sent, because the other worker was behind. */
  lost = 0;
  readonly #others = new Map<number, OtherWorker>();
  readonly #receivers = new Map<string, PortReceiver>();
  readonly #bound = new Map<string, BoundPort>();
  readonly #awaitingBound = new Map<string, AwaitedPort>();
  readonly #onClose = new Set<() => Promise<void>>();

  constructor({ index, count, isReplacement, bound, control }: WorkerPlace) {
    this.index = index;
    this.count = count;
    this.isReplacement = isReplacement;
    this.#control = control;
    for (const one of bound) this.#bound.set(one.uri, one);
    control.on('message', (message: ToWorker) => this.#told(message));
    // A worker lives as long as its sockets do.
    control.unref();
  }

  /**
   * Gets what the other workers send about a port, until it is left.
   *
   * @param introduced Called when there is a worker with a number that was not, or that another one had.
   * @throws ApiMisuseError where it is listened on already.
   */
  receive(
    uri: string,
    message: (message: PortMessage) => void,
    introduced: (index: number) => void = () => {},
  ): void {
    if (this.#receivers.has(uri)) {
      throw new ApiMisuseError(`${uri} is listened on in this worker already; expected each URI once`);
    }
    this.#receivers.set(uri, { message, introduced });
  }

  /** Nothing more is received about a port. */
  leave(uri: string): void {
    this.#receivers.delete(uri);
  }

  /**
   * Sends to one worker.
   *
   * @param transfer What of the message changes hands, and is not copied.
   * @returns whether it is on its way: it is not to a worker that is not there, and a datagram not to one that is behind.
   */
  send(index: number, uri: string, message: PortMessage, transfer: readonly Transferable[] = []): boolean {
    const other = this.#others.get(index);
    if (other === undefined) return false;
    const { port, waiting } = other;
    const place = index < this.index ? 0 : 1;
    const bytes = bytesOf(message);
    if (isBounded(message) && Atomics.load(waiting, place) + bytes > waitingAtMost) {
      this.lost++;
      return false;
    }
    Atomics.add(waiting, place, bytes);
    try {
      port.postMessage({ uri, message } satisfies LinkMessage, transfer);
    } catch (error) {
      // What cannot be cloned does not wait there.
      Atomics.sub(waiting, place, bytes);
      throw error;
    }
    return true;
  }

  sendToAll(uri: string, message: PortMessage): void {
    for (const index of this.#others.keys()) this.send(index, uri, message);
  }

  /** Worker 0 has bound a port: the others bind the same. */
  announce(bound: BoundPort): void {
    this.#bound.set(bound.uri, bound);
    this.#tell({ kind: 'bound', ...bound });
  }

  /** What worker 0, or the one before it, has opened for a URI. */
  bound(uri: string): BoundPort | undefined {
    return this.#bound.get(uri);
  }

  /** What worker 0 opens for a URI, as soon as it has; rejects when the workers end before. */
  awaitBound(uri: string): Promise<BoundPort> {
    const bound = this.#bound.get(uri);
    if (bound !== undefined) return Promise.resolve(bound);
    // Nothing else may keep the thread alive while it waits.
    this.#control.ref();
    return new Promise((resolve, reject) => {
      this.#awaitingBound.set(uri, { resolve, reject });
    });
  }

  /** Runs when the workers are to end. */
  onClose(close: () => Promise<void>): void {
    this.#onClose.add(close);
  }

  /** The worker's module has been evaluated. */
  ready(): void {
    this.#tell({ kind: 'ready' });
  }

  #tell(message: FromWorker): void {
    this.#control.postMessage(message);
  }

  #told(message: ToWorker): void {
    switch (message.kind) {
      case 'introduce': {
        const { index, port } = message;
        const waiting = new Int32Array(message.waiting);
        const place = this.index < index ? 0 : 1;
        this.#others.get(index)?.port.close();
        this.#others.set(index, { port, waiting });
        port.on('message', ({ uri, message: inner }: LinkMessage) => {
          Atomics.sub(waiting, place, bytesOf(inner));
          this.#receivers.get(uri)?.message(inner);
        });
        port.unref();
        for (const { introduced } of this.#receivers.values()) introduced(index);
        return;
      }
      case 'bound': {
        this.#bound.set(message.uri, message);
        this.#awaitingBound.get(message.uri)?.resolve(message);
        this.#awaitingBound.delete(message.uri);
        if (this.#awaitingBound.size === 0) this.#control.unref();
        return;
      }
      case 'close':
        void this.#close();
        return;
    }
  }

  async #close(): Promise<void> {
    this.#control.ref();
    for (const [uri, { reject }] of this.#awaitingBound) {
      reject(new Error(`the workers ended before worker 0 had opened ${uri}`));
    }
    await Promise.allSettled([...this.#onClose].map((close) => close()));
    for (const { port } of this.#others.values()) port.close();
    this.#control.close();
  }
}

/** What a message counts as while it waits. */
function bytesOf(message: PortMessage): number {
  if ('datagram' in message) return messageBytes + message.datagram.length;
  return messageBytes + (message.kind === 'owned' ? message.length : 0);
}

/** Whether whoever sends it can do without it where too much waits: datagrams are lost, requests answered 5.03. */
function isBounded(message: PortMessage): boolean {
  return 'datagram' in message || (message.kind === 'owned' && message.isRefusable);
}
