/**
 * `-vv`: handshakes as they go on, a row for each datagram with time, flight, size and contents, and what they cost.
 *
 * The labels are what DTLS does itself because UDP does not: HVR (cookie), retransmit, reorder, fragment.
 *
 * @module
 */

import {
  HandshakeTranscript,
  type TraceEvent,
  type TranscriptContent,
  type TranscriptDatagram,
  transcriptTotals,
} from 'coapsule';

type HandshakeTrace = Extract<TraceEvent, { kind: 'handshake-trace' }>;

/** Handshakes that are followed at the same time; of others only single rows are shown. */
const maxHandshakes = 256;

/** The rows of all handshakes of an endpoint. */
export class HandshakeRows {
  readonly #print: (line: string) => void;
  readonly #later: (action: () => void) => void;
  readonly #nowMs: () => number;
  readonly #transcripts = new Map<number, HandshakeTranscript>();
  /** The datagram whose contents are still coming in, one by one. */
  #open: { readonly address: string; readonly datagram: TranscriptDatagram } | undefined;

  /** @param later Runs an action when the contents of the present datagram have all been noted. */
  constructor(
    print: (line: string) => void,
    later: (action: () => void) => void = queueMicrotask,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#print = print;
    this.#later = later;
    this.#nowMs = nowMs;
  }

  /** Takes one event; call it before anything else is printed for the event. */
  event(event: TraceEvent): void {
    if (event.kind === 'handshake-trace') {
      this.#note(event);
      return;
    }
    this.flush();
    if (event.kind !== 'connected' && event.kind !== 'handshake-failed') return;
    const transcript = this.#transcripts.get(event.association);
    // Later ones are repetitions: they go on with the same clock.
    if (transcript !== undefined) this.#print(`* ${event.address.key} ${totalsText(transcript)}`);
    if (event.kind === 'handshake-failed') this.#transcripts.delete(event.association);
  }

  /** Prints what is complete. */
  flush(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open !== undefined) this.#print(rowText(open.address, open.datagram));
  }

  #note(trace: HandshakeTrace): void {
    const transcript = this.#transcriptOf(trace.association);
    transcript.note(trace, this.#nowMs());
    const datagram = transcript.datagrams.at(-1);
    if (datagram === undefined || this.#open?.datagram === datagram) return;
    this.flush();
    this.#open = { address: trace.address.key, datagram };
    this.#later(() => {
      if (this.#open?.datagram === datagram) this.flush();
    });
  }

  #transcriptOf(association: number | undefined): HandshakeTranscript {
    const known = association === undefined ? undefined : this.#transcripts.get(association);
    if (known !== undefined) return known;
    const transcript = new HandshakeTranscript();
    if (association === undefined) return transcript;
    for (const oldest of this.#transcripts.keys()) {
      if (this.#transcripts.size < maxHandshakes) break;
      this.#transcripts.delete(oldest);
    }
    this.#transcripts.set(association, transcript);
    return transcript;
  }
}

/** `← [::1]:5684 DTLS    20.1 ms  flight 2    60 B  HelloVerifyRequest  · HVR`. */
function rowText(address: string, datagram: TranscriptDatagram): string {
  const { atMs, direction, bytes, flight, contents } = datagram;
  const columns = [
    `${atMs.toFixed(1).padStart(8)} ms`,
    (flight === undefined ? '' : `flight ${flight}`).padEnd(8),
    `${bytes ?? '?'} B`.padStart(7),
    contents.map(contentText).join(', '),
  ];
  const labels = labelsOf(datagram);
  const end = labels.length === 0 ? '' : `  · ${labels.join(', ')}`;
  return `${direction === 'sent' ? '→' : '←'} ${address} DTLS ${columns.join('  ')}${end}`;
}

function contentText({ name, fragment }: TranscriptContent): string {
  if (fragment === undefined) return name;
  return `${name} [${fragment.offset}–${fragment.offset + fragment.length} of ${fragment.total}]`;
}

function labelsOf({ contents, reducedTo }: TranscriptDatagram): string[] {
  return [
    ...(contents.some(({ name }) => name === 'HelloVerifyRequest') ? ['HVR'] : []),
    ...(contents.some(({ retransmit }) => retransmit) ? ['retransmit'] : []),
    ...(contents.some(({ reordered }) => reordered) ? ['reorder'] : []),
    ...(contents.some(({ fragment }) => fragment !== undefined) ? ['fragment'] : []),
    ...(reducedTo === undefined ? [] : [`made for ${reducedTo} B`]),
  ];
}

/** `DTLS handshake: 6 datagrams, 314 bytes sent, 287 received, 61 ms, nothing sent twice`. */
function totalsText(transcript: HandshakeTranscript): string {
  const { datagrams, bytesSent, bytesReceived, retransmitted, ms } = transcriptTotals(transcript.datagrams);
  const { leftOut } = transcript;
  const count = leftOut === 0 ? `${datagrams}` : `more than ${datagrams}`;
  const again = retransmitted === 0 ? 'nothing sent twice' : `${retransmitted} with retransmissions`;
  return `DTLS handshake: ${count} datagrams, ${bytesSent} bytes sent, ${bytesReceived} received, ${ms.toFixed(0)} ms, ${again}`;
}
