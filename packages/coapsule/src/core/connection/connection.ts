/**
 * One connection over a reliable transport: framing, capabilities, Ping, Release and Abort.
 *
 * RFC 8323 §3 to §5, RFC 8974 §2. Requests and responses go through it unread: the request/response layer is above, the
 * bytes are below.
 *
 * Decisions: the first CSM is sent at once by both sides (§3.3 lets an acceptor wait), and nothing else before the
 * peer's has come, since it may say that the peer takes less than the base values. A peer without a CSM is not spoken to.
 *
 * @module
 */

import { Code, isRequestCode } from '../coap/code.ts';
import type { MessageContent } from '../coap/message-view.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { decodeUint, encodeUint } from '../coap/option-value.ts';
import {
  baseCapabilities,
  type Capabilities,
  csmOptions,
  isSignalingCode,
  type ReleaseNotice,
  readCsm,
  readRelease,
  releaseOptions,
  SignalingCode,
  SignalingOption,
  unknownCriticalOption,
} from '../coap/signaling.ts';
import {
  decodeStreamMessage,
  encodeStreamMessage,
  StreamDecoder,
  type StreamFraming,
  type StreamMessage,
} from '../coap/stream-codec.ts';
import { noBytes } from '../foundation/bytes.ts';
import { type DecodeFault, isDecodeFault } from '../foundation/errors.ts';
import { after, earliest, type Instant } from '../foundation/instant.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import { peerText } from '../foundation/peer-text.ts';
import type { ProtocolMachine } from '../foundation/protocol-machine.ts';
import { decodeUtf8, encodeUtf8 } from '../foundation/utf8.ts';
import type { ConnectionConfig } from './connection-config.ts';
import type { ConnectionEnd, ConnectionEndCause, ConnectionOutput, PingId } from './connection-output.ts';

/** What became of a message to send. */
export type SendResult = 'sent' | 'too-large' | 'token-too-long' | 'not-open';

type State =
  /** For the peer's first CSM. */
  | 'waiting'
  | 'open'
  /** We have sent a Release. */
  | 'releasing'
  | 'ended';

/**
 * The machine. It begins with the CSM in its outputs. After the output `ended` it ignores everything.
 *
 * Its input is the bytes as they come, in any chunks; with WebSocket framing exactly one WebSocket message each.
 */
export class Connection implements ProtocolMachine<Uint8Array, ConnectionOutput> {
  readonly #framing: StreamFraming;
  readonly #config: ConnectionConfig;
  readonly #decoder: StreamDecoder;
  readonly #outputs = new OutputQueue<ConnectionOutput>();
  /** Pings without a Pong, with the time their patience ends; the oldest first. */
  readonly #pings = new Map<PingId, Instant>();
  #state: State = 'waiting';
  #peer: Capabilities = baseCapabilities;
  #release: ReleaseNotice | undefined;
  #heardAt: Instant;
  #csmDeadline: Instant | undefined;
  #messageDeadline: Instant | undefined;
  #releaseDeadline: Instant | undefined;
  #stallDeadline: Instant | undefined;
  #nextPing = 0;

  constructor(framing: StreamFraming, config: ConnectionConfig, now: Instant) {
    this.#framing = framing;
    this.#config = config;
    this.#decoder = new StreamDecoder(config);
    this.#heardAt = now;
    this.#csmDeadline = after(now, config.csmTimeoutMs);
    const { maxMessageSize, maxTokenLength } = config;
    // §3.3: the first message, before anything else.
    this.#signal(
      SignalingCode.Csm,
      noBytes,
      // §5.3.2: together with more than 1152 bytes it announces BERT.
      csmOptions({ maxMessageSize, maxTokenLength, blockWiseTransfer: true }),
    );
  }

  /** What the peer has said of itself; the base values until then. */
  get peer(): Capabilities {
    return this.#peer;
  }

  /** Whether requests may be sent: not before the peer's CSM, and not when either side has sent a Release (§5.5). */
  get isOpen(): boolean {
    return this.#state === 'open' && this.#release === undefined;
  }

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /** When the peer was last heard. */
  get heardAt(): Instant {
    return this.#heardAt;
  }

  /** Bytes kept of a message that is not complete. */
  get pendingBytes(): number {
    return this.hasEnded ? 0 : this.#decoder.pending;
  }

  handle(bytes: Uint8Array, now: Instant): void {
    // Over WebSocket no bytes are a message too, and none of CoAP.
    if (this.hasEnded || (bytes.length === 0 && this.#framing === 'tcp')) return;
    this.#heardAt = now;
    if (this.#framing === 'websocket') {
      this.#take(decodeStreamMessage(bytes, 'websocket', this.#config));
      return;
    }
    this.#decoder.push(bytes);
    for (let next = this.#decoder.next(); next !== undefined; next = this.#decoder.next()) {
      this.#messageDeadline = undefined;
      this.#take(next);
      if (this.hasEnded) return;
    }
    if (this.#decoder.pending === 0) this.#messageDeadline = undefined;
    else this.#messageDeadline ??= after(now, this.#config.messageTimeoutMs);
  }

  handleTimeout(now: Instant): void {
    const isDue = (deadline: Instant | undefined): boolean => deadline !== undefined && deadline <= now;
    if (this.hasEnded) return;
    const { keepAliveMs, csmTimeoutMs, messageTimeoutMs, pongTimeoutMs, stallTimeoutMs } = this.#config;
    if (isDue(this.#stallDeadline)) {
      // An Abort would wait behind what the peer does not take.
      this.#end('stalled', `the peer took nothing for ${stallTimeoutMs / 1000} s`);
    } else if (isDue(this.#releaseDeadline)) {
      this.#end('released', 'the peer did not close the connection after the Release');
    } else if (this.#stallDeadline !== undefined) {
      return; // it is not read
    } else if (isDue(this.#csmDeadline)) {
      this.abort('missing-csm', `no CSM within ${csmTimeoutMs / 1000} s`);
    } else if (isDue(this.#messageDeadline)) {
      this.abort('message-timeout', `a message took longer than ${messageTimeoutMs / 1000} s`);
    } else if (isDue(this.#pongDeadline())) {
      this.abort('pong-timeout', `no Pong within ${pongTimeoutMs / 1000} s`);
    } else if (isDue(this.#idleDeadline())) {
      this.release({ alternativeAddresses: [], holdOffSeconds: undefined, diagnostic: 'idle' }, now);
    } else if (keepAliveMs !== undefined && isDue(this.#keepAliveAt())) {
      this.ping(false, now);
    }
  }

  poll(): ConnectionOutput | undefined {
    return this.#outputs.shift();
  }

  nextTimeout(): Instant | undefined {
    if (this.hasEnded) return undefined;
    if (this.#stallDeadline !== undefined) return earliest(this.#stallDeadline, this.#releaseDeadline);
    return [
      this.#csmDeadline,
      this.#messageDeadline,
      this.#releaseDeadline,
      this.#pongDeadline(),
      this.#idleDeadline(),
      this.#keepAliveAt(),
    ].reduce(earliest, undefined);
  }

  /**
   * The transport is full, or, while it is, took something: what it holds is not waited for longer than `stallTimeoutMs`.
   * Nothing is read from the peer meanwhile, so that its silence means nothing.
   */
  transportBlocked(now: Instant): void {
    this.#stallDeadline = after(now, this.#config.stallTimeoutMs);
  }

  /** The transport holds nothing any more, and the peer is read again: its times begin anew. */
  transportDrained(now: Instant): void {
    if (this.#stallDeadline === undefined) return;
    const { messageTimeoutMs, pongTimeoutMs } = this.#config;
    this.#stallDeadline = undefined;
    this.#heardAt = now;
    if (this.#messageDeadline !== undefined) this.#messageDeadline = after(now, messageTimeoutMs);
    for (const ping of this.#pings.keys()) this.#pings.set(ping, after(now, pongTimeoutMs));
  }

  /**
   * Sends a request or response; a response also while the connection is being released.
   *
   * Throws `ApiMisuseError` for a message that has no encoding.
   */
  send(message: MessageContent): SendResult {
    if (this.#state !== 'open' && this.#state !== 'releasing') return 'not-open';
    if (message.token.length > this.#peer.maxTokenLength && isRequestCode(message.code)) {
      return 'token-too-long';
    }
    const bytes = encodeStreamMessage(message, this.#framing);
    if (bytes.length > this.#peer.maxMessageSize) return 'too-large';
    this.#outputs.push({ kind: 'transmit', bytes });
    return 'sent';
  }

  /**
   * Asks the peer for a sign of life (§5.4). One that does not answer within `pongTimeoutMs` has its connection ended.
   *
   * @param custody Asks it to answer only when it has processed everything that was sent before (§5.4.1).
   */
  ping(custody: boolean, now: Instant): PingId {
    const ping = this.#nextPing++;
    this.#pings.set(ping, after(now, this.#config.pongTimeoutMs));
    this.#signal(SignalingCode.Ping, encodeUint(ping), custody ? custodyOption() : new OptionSet());
    return ping;
  }

  /** Asks the peer for a sign of life, unless that is asked already. */
  checkHealth(now: Instant): void {
    if (this.#pings.size === 0 && this.#state === 'open') this.ping(false, now);
  }

  /** Answers a `custody-asked`. @param custody Everything that came before it is processed. */
  pong(token: Uint8Array, custody: boolean): void {
    if (this.hasEnded) return;
    this.#signal(SignalingCode.Pong, token, custody ? custodyOption() : new OptionSet());
  }

  /** Asks the peer to close the connection (§5.5); it is ended when that takes longer than `releaseTimeoutMs`. */
  release(notice: ReleaseNotice, now: Instant): void {
    if (this.#state !== 'open' && this.#state !== 'waiting') return;
    this.#signal(SignalingCode.Release, noBytes, releaseOptions(notice), notice.diagnostic);
    this.#state = 'releasing';
    this.#csmDeadline = undefined;
    this.#releaseDeadline = after(now, this.#config.releaseTimeoutMs);
  }

  /** Ends the connection with an Abort (§5.6), which tells the peer `detail`. */
  abort(cause: ConnectionEndCause, detail: string, badOption?: number): void {
    if (this.hasEnded) return;
    const options = new OptionSet();
    if (badOption !== undefined) options.add(SignalingOption.BadCsmOption, badOption);
    this.#signal(SignalingCode.Abort, noBytes, options, detail);
    this.#end(cause, detail);
  }

  /** Ends the connection without another word: all that was to be said is said. */
  close(cause: ConnectionEndCause, detail: string): void {
    if (!this.hasEnded) this.#end(cause, detail);
  }

  /** The transport is gone. A Release before, of either side, makes that its orderly end. */
  transportClosed(cause: ConnectionEndCause, detail: string): void {
    if (this.hasEnded) return;
    const isReleased = cause === 'closed' && (this.#state === 'releasing' || this.#release !== undefined);
    this.#end(isReleased ? 'released' : cause, detail);
  }

  #take(message: StreamMessage | DecodeFault): void {
    if (isDecodeFault(message)) {
      // §5.6: a syntax violation is answered with an Abort, and the message not processed.
      this.abort('format-error', `${message.reason} (at byte ${message.offset})`);
      return;
    }
    const { code } = message;
    if (code === Code.Empty) return; // §3.4: ignored, at any time
    if (this.#csmDeadline !== undefined && code !== SignalingCode.Csm && code !== SignalingCode.Abort) {
      this.abort('missing-csm', 'the first message is no CSM');
      return;
    }
    if (isSignalingCode(code)) this.#takeSignal(message);
    else this.#outputs.push({ kind: 'message', message });
  }

  #takeSignal(message: StreamMessage): void {
    const { code, options } = message;
    if (this.#config.trace) this.#outputs.push({ kind: 'signal', message });
    if (code === SignalingCode.Csm) {
      this.#takeCsm(options);
      return;
    }
    const unknown = unknownCriticalOption(options);
    if (unknown !== undefined && code !== SignalingCode.Abort) {
      this.abort('bad-signaling', `unknown critical option ${unknown} in a signaling message`);
      return;
    }
    switch (code) {
      case SignalingCode.Ping:
        if (hasCustody(options)) this.#outputs.push({ kind: 'custody-asked', token: message.token.slice() });
        else this.#signal(SignalingCode.Pong, message.token, new OptionSet());
        return;
      case SignalingCode.Pong:
        this.#takePong(message);
        return;
      case SignalingCode.Release:
        this.#takeRelease(message);
        return;
      case SignalingCode.Abort:
        this.#end('aborted', diagnosticOf(message) || abortReason(options));
        return;
      default:
        this.#outputs.push({ kind: 'ignored', reason: `signaling code 7.${code & 31} is not known` });
    }
  }

  #takeCsm(options: OptionReader): void {
    const read = readCsm(this.#peer, options);
    if ('kind' in read) {
      this.abort('bad-csm', `CSM option ${read.number}: ${read.reason}`, read.number);
      return;
    }
    this.#peer = read;
    const isFirst = this.#csmDeadline !== undefined;
    this.#csmDeadline = undefined;
    if (this.#state === 'waiting') this.#state = 'open';
    this.#outputs.push({ kind: isFirst ? 'established' : 'capabilities', peer: read });
  }

  #takePong({ token, options }: StreamMessage): void {
    const ping = token.length > 6 ? undefined : (decodeUint(token) as PingId);
    // The same bytes as were sent: 0 is empty, other numbers have no leading zero.
    const isOurs = ping !== undefined && this.#pings.has(ping) && encodeUint(ping).length === token.length;
    if (!isOurs) {
      this.#outputs.push({ kind: 'ignored', reason: 'a Pong that answers no Ping' });
      return;
    }
    this.#pings.delete(ping);
    this.#outputs.push({ kind: 'pong', ping, custody: hasCustody(options) });
  }

  #takeRelease(message: StreamMessage): void {
    const release = { ...readRelease(message.options), diagnostic: diagnosticOf(message) };
    if (this.#release !== undefined) return;
    this.#release = release;
    this.#outputs.push({ kind: 'release-asked', release });
  }

  #signal(code: Code, token: Uint8Array, options: OptionReader, diagnostic = ''): void {
    const message = { code, token, options, payload: encodeUtf8(diagnostic) };
    this.#outputs.push({ kind: 'transmit', bytes: encodeStreamMessage(message, this.#framing) });
  }

  #end(cause: ConnectionEndCause, detail: string): void {
    this.#state = 'ended';
    this.#pings.clear();
    const end: ConnectionEnd = {
      cause,
      detail,
      ...(this.#release === undefined ? {} : { release: this.#release }),
    };
    this.#outputs.push({ kind: 'ended', end });
  }

  #pongDeadline(): Instant | undefined {
    for (const deadline of this.#pings.values()) return deadline;
    return undefined;
  }

  #idleDeadline(): Instant | undefined {
    const { idleTimeoutMs } = this.#config;
    if (idleTimeoutMs === undefined || this.#state !== 'open') return undefined;
    return after(this.#heardAt, idleTimeoutMs);
  }

  #keepAliveAt(): Instant | undefined {
    const { keepAliveMs } = this.#config;
    if (keepAliveMs === undefined || this.#state !== 'open' || this.#pings.size > 0) return undefined;
    return after(this.#heardAt, keepAliveMs);
  }
}

function custodyOption(): OptionSet {
  return new OptionSet().add(SignalingOption.Custody, noBytes);
}

/** An elective option of the wrong length is as one that is not known (RFC 7252 §5.4.3). */
function hasCustody(options: OptionReader): boolean {
  return options.first(SignalingOption.Custody)?.length === 0;
}

function diagnosticOf({ payload }: StreamMessage): string {
  return peerText(decodeUtf8(payload) ?? '');
}

function abortReason(options: OptionReader): string {
  const bad = options.uint(SignalingOption.BadCsmOption);
  return bad === undefined ? 'without a reason' : `option ${bad} of our CSM cannot be processed`;
}
