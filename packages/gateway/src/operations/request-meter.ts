/**
 * Counts the requests that a thread has answered, by method, code and transport, and how long each took.
 *
 * Names of paths and identities are not among it: what peers choose must not become more and more numbers.
 */
import { Code, codeText, type Middleware, type Request, RequestFailure } from 'coapsule';
import { type DurationCounts, DurationHistogram } from './duration-histogram.ts';

/** How many requests of one kind there were. */
export interface RequestCount {
  readonly method: string;
  /** Such as `2.05`. */
  readonly code: string;
  /** `udp`, `dtls`, `tcp`, `tls`, `ws`, `wss`, `serial`, `local`; with `+oscore` under OSCORE. */
  readonly transport: string;
  readonly count: number;
}

/** What the meter has counted, as plain values. */
export interface RequestMeterCounts {
  readonly requests: readonly RequestCount[];
  /** Of the answers to observers that nobody asked for anew, by code. */
  readonly notifications: readonly { readonly code: string; readonly count: number }[];
  readonly durations: DurationCounts;
  /** With a handler now. */
  readonly underWay: number;
}

/** See the module comment. */
export class RequestMeter {
  /** By method, transport and code: there are as many as these have combinations. */
  readonly #counts = new Map<string, Map<number, number>>();
  readonly #notifications = new Map<number, number>();
  readonly #durations = new DurationHistogram();
  readonly #now: () => number;
  #underWay = 0;

  /** @param now Milliseconds, never going back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The outermost of all. */
  readonly middleware: Middleware = (request, next) => {
    const start = this.#now();
    this.#underWay++;
    return next().then(
      (response) => {
        this.#answered(request, response.code, start);
        return response;
      },
      (error: unknown) => {
        // The server makes the answer of it; any other error is its 5.00.
        const code = error instanceof RequestFailure ? error.code : Code.InternalServerError;
        this.#answered(request, code, start);
        throw error;
      },
    );
  };

  counts(): RequestMeterCounts {
    const requests = [...this.#counts].flatMap(([kind, codes]) => {
      const [method = '', transport = ''] = kind.split(' ');
      return [...codes].map(([code, count]) => ({ method, code: codeText(code as Code), transport, count }));
    });
    const notifications = [...this.#notifications].map(([code, count]) => ({
      code: codeText(code as Code),
      count,
    }));
    return { requests, notifications, durations: this.#durations.counts(), underWay: this.#underWay };
  }

  #answered(request: Request, code: number, start: number): void {
    this.#underWay--;
    this.#durations.add(this.#now() - start);
    if (request.isRefresh) {
      this.#notifications.set(code, (this.#notifications.get(code) ?? 0) + 1);
      return;
    }
    const kind = `${request.method} ${transportOf(request)}`;
    let codes = this.#counts.get(kind);
    if (codes === undefined) {
      codes = new Map();
      this.#counts.set(kind, codes);
    }
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
}

const plainNames = { udp: 'udp', tcp: 'tcp', websocket: 'ws', serial: 'serial', local: 'local' } as const;
const securedNames = { udp: 'dtls', tcp: 'tls', websocket: 'wss', serial: 'serial', local: 'local' } as const;

function transportOf({ peer: { transport, security, oscore } }: Request): string {
  const hop = (security.kind === 'none' ? plainNames : securedNames)[transport];
  return oscore === undefined ? hop : `${hop}+oscore`;
}
