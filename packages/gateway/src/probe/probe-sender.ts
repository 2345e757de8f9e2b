/**
 * Carries the steps of checks out: requests on the link of the URI, datagrams from sockets of their own, connections.
 *
 * @module
 */

import { collect, DatagramSocket } from './datagram-socket.ts';
import type { ProbePace } from './probe-pace.ts';
import type {
  Answer,
  AskStep,
  DatagramStep,
  DatagramsSeen,
  ProbeStep,
  Seen,
  StreamStep,
} from './probe-step.ts';
import { connectStream } from './stream-attempt.ts';

/** The way that the URI names. */
export interface ProbeLink {
  ask(step: AskStep): Promise<Answer>;
  /** Missing where there are no datagrams. */
  exchange?(step: DatagramStep): Promise<DatagramsSeen>;
  close(): Promise<void>;
}

/** Ports of the peer by transport. */
export interface ProbePorts {
  readonly udp: number;
  readonly dtls: number;
  readonly tcp: number;
  readonly tls: number;
  readonly ws: number;
  readonly wss: number;
}

/** Requests without any answer before no other is sent. */
const mostSilences = 2;

/** See the module comment. */
export class ProbeSender {
  readonly #link: ProbeLink;
  readonly #host: string;
  readonly #serverName: string | undefined;
  readonly #ports: ProbePorts;
  readonly #pace: ProbePace;
  #socket: DatagramSocket | undefined;
  #silences = 0;
  #hasAnswered = false;

  /** @param host IP literal. */
  constructor(
    link: ProbeLink,
    pace: ProbePace,
    peer: { readonly host: string; readonly serverName: string | undefined; readonly ports: ProbePorts },
  ) {
    this.#link = link;
    this.#pace = pace;
    this.#host = peer.host;
    this.#serverName = peer.serverName;
    this.#ports = peer.ports;
  }

  /** Whether anything at all came back. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  async carryOut(step: ProbeStep): Promise<Seen> {
    switch (step.kind) {
      case 'ask':
        return { kind: 'answer', answer: await this.#ask(step) };
      case 'datagrams': {
        const seen = await this.#datagrams(step);
        if (seen.received.length > 0) this.#hasAnswered = true;
        return seen;
      }
      case 'stream':
        return this.#stream(step);
    }
  }

  async close(): Promise<void> {
    await this.#socket?.close();
    await this.#link.close();
  }

  async #ask(step: AskStep): Promise<Answer> {
    if (this.#silences >= mostSilences) {
      return { kind: 'not-sent', reason: 'not tried: the peer answered no request' };
    }
    const answer = await this.#link.ask(step);
    if (answer.kind === 'response' || answer.kind === 'reset') {
      this.#hasAnswered = true;
      this.#silences = Number.NEGATIVE_INFINITY;
    } else if (answer.kind === 'silence' || answer.kind === 'unreachable') this.#silences++;
    return answer;
  }

  async #datagrams(step: DatagramStep): Promise<DatagramsSeen> {
    if (step.to === 'link') {
      return (
        (await this.#link.exchange?.(step)) ?? {
          kind: 'datagrams',
          received: [],
          notSent: 'not tried: there are no datagrams',
        }
      );
    }
    const refusal = await this.#pace.turn();
    if (refusal !== undefined) return { kind: 'datagrams', received: [], notSent: refusal };
    if (step.isFresh || this.#socket === undefined) {
      await this.#socket?.close();
      this.#socket = undefined;
      this.#socket = await DatagramSocket.open({ host: this.#host, port: this.#ports[step.to] });
    }
    const socket = this.#socket;
    const startMs = performance.now();
    const seen = await collect(
      (heard, failed) => socket.listen(heard, failed),
      () => {
        for (const datagram of step.datagrams) socket.send(datagram);
      },
      {
        waitMs:
          step.isLast === true
            ? 0
            : step.listensLong === true
              ? this.#pace.longListeningMs
              : this.#pace.listeningMs,
        isEnough: (received) => {
          if (received.length === 1) this.#pace.answered(performance.now() - startMs);
          return step.isEnough?.(received) ?? false;
        },
      },
    );
    return { kind: 'datagrams', ...seen };
  }

  async #stream(step: StreamStep): Promise<Seen> {
    const refusal = await this.#pace.turn();
    if (refusal !== undefined) return { kind: 'stream', state: 'not-sent', reason: refusal };
    const seen = await connectStream(step, {
      host: this.#host,
      port: this.#ports[step.to],
      serverName: this.#serverName,
      waitMs: this.#pace.answerMs,
    });
    if (seen.state === 'open' || seen.state === 'alert') this.#hasAnswered = true;
    return seen;
  }
}
