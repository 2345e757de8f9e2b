/**
 * What the gateway tells about its traffic: one line a request, one a failed handshake, more with more `-v`.
 */
import { codeName, codeText, type Request, type ServerResponse, type TraceEvent } from 'coapsule';
import { type Log, printable, RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';

/** `PUT /sensors/a 2.04 Changed from [::1]:40000 as sensor-042`. */
export function requestLine(request: Request, response: ServerResponse): string {
  const { address, security } = request.peer;
  const who = security.kind === 'dtls' ? `as ${security.identity}` : 'unsecured';
  const { code } = response;
  const observe = request.observe ? ' (observed)' : '';
  return printable(
    `${request.method} ${request.path}${observe} ${codeText(code)} ${codeName(code) ?? ''} from ${address.key} ${who}`,
  );
}

/** Turns trace events of the endpoints into log lines; failed handshakes are always told, at a bounded rate. */
export function traceLogger(log: Log, clock: WallClock): (event: TraceEvent) => void {
  const failures = new RateLimit(20, 10_000);
  return (event) => {
    const where = event.address.key;
    switch (event.kind) {
      case 'handshake-failed': {
        const passed = failures.pass(clock());
        if (passed === undefined) return;
        if (passed.heldBack > 0) log.warning(`${passed.heldBack} more handshakes failed, not shown`);
        const { cause, detail } = event.failure;
        log.warning(printable(`handshake with ${where} failed: ${cause}: ${detail}`));
        return;
      }
      case 'connected':
        log.detail(1, `secured association with ${where} (${event.suite})`);
        return;
      case 'closed':
        log.detail(1, `secured association with ${where} ended: ${event.reason}`);
        return;
      case 'message': {
        const hex = log.verbosity >= 3 ? ` ${Buffer.from(event.bytes).toString('hex')}` : '';
        const way = event.direction === 'sent' ? 'sent to' : 'received from';
        log.detail(2, `message of ${event.bytes.length} bytes ${way} ${where}${hex}`);
        return;
      }
      case 'retransmission':
        log.detail(2, `retransmission ${event.attempt} to ${where}`);
        return;
      case 'discarded':
        log.detail(2, `discarded from ${where}: ${event.layer}: ${event.reason}`);
        return;
      case 'handshake-trace':
        log.detail(
          2,
          `handshake with ${where}: ${JSON.stringify({ ...event, kind: undefined, address: undefined })}`,
        );
        return;
    }
  };
}
