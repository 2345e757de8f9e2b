/**
 * From what ended a request to the error its caller gets: cause, value, next step.
 *
 * @module
 */

import { Code, codeName, codeText } from '../core/coap/code.ts';
import { hasSerialScheme, serialLineUri } from '../core/coap/serial-uri.ts';
import type { ConnectionEndCause } from '../core/connection/connection-output.ts';
import type { HandshakeFailure, HandshakeFailureCause } from '../core/dtls/handshake/handshake-failure.ts';
import type { RequestError } from '../core/endpoint/outputs.ts';
import { unreachable } from '../core/foundation/errors.ts';
import type { UploadPosition } from '../core/request-response/request-response-layer.ts';
import { CoapsuleError, type ErrorCode } from './errors.ts';
import { handshakeAdvice } from './handshake-advice.ts';
import type { RemoteServer } from './remote-server.ts';

/** What is known of a failure beside the failure itself. */
interface FailureContext {
  /** Of the request's body, when it could not be read. */
  readonly cause?: unknown;
  /** What looks wrong with the way to the server, where that is known. */
  readonly advice: string | undefined;
}

/** The error for a request that ended without a response. */
export function requestError(
  error: RequestError,
  server: RemoteServer,
  { cause, advice }: FailureContext = { advice: undefined },
): CoapsuleError {
  switch (error.kind) {
    case 'exchange':
      return exchangeError(error.failure, error.detail, server, {
        ...(cause === undefined ? {} : { cause }),
        ...(error.upload === undefined ? {} : { upload: error.upload }),
        ...(advice === undefined ? {} : { advice }),
      });
    case 'handshake':
      return handshakeError(error.failure, server, advice);
    case 'association-closed':
      return new CoapsuleError(
        'ERR_ASSOCIATION_CLOSED',
        `the DTLS association with ${place(server)} ended before the response came (${error.reason})`,
        'send the request again: it makes a new handshake',
      );
    case 'back-off':
      return backOffError(error, server);
    case 'connection-ended':
      return connectionError(error, server);
    case 'superseded':
      return new CoapsuleError(
        'ERR_SUPERSEDED',
        `a later message to ${place(server)} took the place of this one before it was sent`,
        'nothing: the later one tells what this one would have told',
      );
  }
}

/** The error for a request whose connection ended, or never was. */
function connectionError(
  { end: { cause, detail }, wasSent }: Extract<RequestError, { kind: 'connection-ended' }>,
  server: RemoteServer,
): CoapsuleError {
  const [code, nextStep] = connectionAdvice[cause];
  const fate = wasSent ? 'the request was sent and may have been carried out' : 'the request was not sent';
  return new CoapsuleError(
    code,
    `the connection to ${place(server)} ended: ${detail}; ${fate}`,
    wasSent && nextStep === again ? checkFirst : nextStep,
    { mayHaveBeenCarriedOut: wasSent },
  );
}

const again = 'send the request again: it makes a new connection';
const checkFirst = 'look whether it took effect, then send the request again: it makes a new connection';
const notCoap = 'check that the port is one of CoAP over this transport, and ask the maker of the server';

const connectionAdvice: Readonly<Record<ConnectionEndCause, readonly [ErrorCode, string]>> = {
  'not-opened': ['ERR_NETWORK', 'check host and port, and that the server listens on this transport'],
  'not-secured': ['ERR_HANDSHAKE', 'check credentials, trust anchors and the name of the server'],
  closed: ['ERR_CONNECTION', again],
  'transport-failed': ['ERR_CONNECTION', again],
  stalled: ['ERR_CONNECTION', again],
  aborted: ['ERR_CONNECTION', 'the server gave the reason; when it is not clear, look at its log'],
  released: ['ERR_CONNECTION', 'the server released the connection: try again later'],
  'format-error': ['ERR_CONNECTION', notCoap],
  'missing-csm': ['ERR_CONNECTION', `RFC 8323 §3.3 wants a CSM first: ${notCoap}`],
  'bad-csm': ['ERR_CONNECTION', notCoap],
  'bad-signaling': ['ERR_CONNECTION', notCoap],
  'message-timeout': ['ERR_CONNECTION', again],
  'pong-timeout': ['ERR_TIMEOUT', again],
  'no-room': ['ERR_BUSY', 'wait for other connections to end'],
  'shut-down': ['ERR_CLOSED', 'make a new Client'],
};

function backOffError(
  { code, retryAfterMs }: Extract<RequestError, { kind: 'back-off' }>,
  server: RemoteServer,
): CoapsuleError {
  const answer = `${codeText(code)} ${codeName(code)}`;
  const seconds = Math.ceil(retryAfterMs / 1000);
  const what = code === Code.TooManyRequests ? 'such requests' : 'requests';
  return new CoapsuleError(
    'ERR_RETRY_LATER',
    `${place(server)} answered ${answer} and wants no ${what} for another ${seconds} s: nothing was sent`,
    "send it again after `retryAfterMs`, or let it wait with `whenBusy: 'wait'`",
    { retryAfterMs },
  );
}

/** The error for an ICMP "port unreachable". */
export function unreachableError(server: RemoteServer, cause: NodeJS.ErrnoException): CoapsuleError {
  return new CoapsuleError(
    'ERR_NETWORK',
    `${place(server)} cannot be reached (${unreachableReason(cause)})`,
    'check host and port, and that the server runs',
    { cause },
  );
}

function unreachableReason(cause: NodeJS.ErrnoException): string {
  return cause.code === 'ECONNREFUSED' ? 'nobody listens there: port unreachable' : String(cause.code);
}

/** The error for a request that its caller gave up. */
export function abortedError(signal: AbortSignal | undefined): CoapsuleError {
  return new CoapsuleError(
    'ERR_ABORTED',
    'the request was aborted by its signal',
    'nothing: the caller asked for it',
    {
      cause: signal?.reason,
    },
  );
}

/** The error for a request that took longer than its caller wants to wait; `advice` as in `requestError`. */
export function timeoutError(uri: string, timeoutMs: number, advice: string | undefined): CoapsuleError {
  return new CoapsuleError(
    'ERR_TIMEOUT',
    `no response from ${uri} within ${timeoutMs / 1000} s`,
    advice ?? silenceAdvice(hasSerialScheme(uri) ? 'line' : wayOf(uri.split(':', 1)[0] as string)),
  );
}

/** RFC 7252 §3, RFC 6347 §4.1.2.1: what does not speak the protocol of a port is ignored there, so that both look like a loss. */
const silenceChecks = {
  line: 'the server runs and that the device speaks CoAP on this line',
  plain: 'the server runs, that its port is one of coap and not of coaps, and that UDP gets through',
  secured: 'the server runs, that its port is one of coaps and not of coap, and that UDP gets through',
  other: 'the server runs and that UDP gets through',
} as const;

function silenceAdvice(way: keyof typeof silenceChecks): string {
  return `check that ${silenceChecks[way]}; a longer timeout helps on a slow link`;
}

/** The error for a defect of this library that showed while something was received. */
export function defectError(cause: unknown): CoapsuleError {
  return new CoapsuleError('ERR_DEFECT', 'the client failed by a defect of its own', 'please report it', {
    cause,
  });
}

function wayOf(scheme: string): keyof typeof silenceChecks {
  return scheme === 'coap' ? 'plain' : scheme === 'coaps' ? 'secured' : 'other';
}

function wayTo({ transport, scheme }: RemoteServer): keyof typeof silenceChecks {
  if (transport === 'serial') return 'line';
  // With coaps the handshake has come to its end: it was the right port.
  return scheme === 'coap' ? 'plain' : 'other';
}

function exchangeError(
  failure: Extract<RequestError, { kind: 'exchange' }>['failure'],
  detail: string | undefined,
  server: RemoteServer,
  context: { readonly cause?: unknown; readonly upload?: UploadPosition; readonly advice?: string },
): CoapsuleError {
  const more = detail === undefined ? '' : `: ${detail}`;
  switch (failure) {
    case 'timeout':
      return new CoapsuleError(
        'ERR_TIMEOUT',
        `no response from ${place(server)} in time${more}`,
        context.advice ?? silenceAdvice(wayTo(server)),
        context,
      );
    case 'reset':
      return new CoapsuleError(
        'ERR_RESET',
        `${place(server)} answered with a Reset${more}`,
        'the server does not know what the message belongs to: send the request again',
      );
    case 'peer-closed':
      return new CoapsuleError(
        'ERR_ASSOCIATION_CLOSED',
        `the DTLS association with ${place(server)} ended before the response came${more}`,
        'send the request again: it makes a new handshake',
        context,
      );
    case 'cancelled':
      return new CoapsuleError(
        'ERR_ABORTED',
        'the request was cancelled',
        'nothing: the caller asked for it',
      );
    case 'message-too-large':
      return new CoapsuleError(
        'ERR_BLOCKWISE',
        `the request to ${place(server)} is larger than it takes${more}`,
        'use fewer or shorter options, or let the body go in blocks: as a request that waits for a response',
      );
    case 'blockwise':
      return new CoapsuleError(
        'ERR_BLOCKWISE',
        `the block-wise transfer with ${place(server)} failed${more}`,
        'send the request again, or try a smaller block size',
      );
    case 'body-too-large':
      return new CoapsuleError(
        'ERR_BLOCKWISE',
        `the response of ${place(server)} is larger than this client takes${more}`,
        'ask for a part of the resource',
      );
    case 'body-source':
      return new CoapsuleError(
        'ERR_BLOCKWISE',
        `the body for ${place(server)} could not be read to its end${more}`,
        'give a payload that can be read, and its right length',
        context,
      );
    case 'bad-option':
      return new CoapsuleError(
        'ERR_BAD_RESPONSE',
        `the response of ${place(server)} has a critical option that is not understood${more}`,
        'the response cannot be used (RFC 7252 §5.4.1): ask the maker of the server',
      );
    case 'unprotected-response':
      return new CoapsuleError(
        'ERR_OSCORE',
        `${place(server)}, or somebody on the way, gave ${detail ?? 'an answer without OSCORE'}`,
        'check that both ends have the same Security Context, and which state the server keeps of it (RFC 8613 §8.2)',
      );
    case 'cannot-protect':
      return new CoapsuleError(
        'ERR_OSCORE',
        `the request to ${place(server)} was not sent, as it cannot be protected${more}`,
        'make the store of the Security Context work again, or agree on a new context with the server',
      );
    case 'token-in-use':
      return new CoapsuleError(
        'ERR_BAD_RESPONSE',
        'the token given is in use by another request to the same server',
        'leave `token` out: a free one is chosen',
      );
    case 'too-many-exchanges':
      return new CoapsuleError('ERR_BUSY', 'too many requests are under way', 'wait for some of them to end');
    default:
      return unreachable(failure);
  }
}

function handshakeError(
  failure: HandshakeFailure,
  server: RemoteServer,
  advice: string | undefined,
): CoapsuleError {
  const { cause, detail, alertReceived } = failure;
  // What the peer said of a certificate in an alert it said about ours.
  const isAboutCredentials =
    credentialCauses.has(cause) || (alertReceived !== undefined && ownCertificateCauses.has(cause));
  return new CoapsuleError(
    isAboutCredentials ? 'ERR_CREDENTIALS' : 'ERR_HANDSHAKE',
    `handshake with ${place(server)} failed: ${detail}`,
    advice ?? handshakeAdvice(failure, 'client'),
    { handshake: failure },
  );
}

const credentialCauses: ReadonlySet<HandshakeFailureCause> = new Set<HandshakeFailureCause>([
  'identity-or-key',
  'no-credentials',
  'unknown-identity',
  'psk-mismatch',
  'client-certificate-missing',
  'credential-refused',
]);

const ownCertificateCauses: ReadonlySet<HandshakeFailureCause> = new Set<HandshakeFailureCause>([
  'certificate-expired',
  'certificate-revoked',
  'certificate-unsupported',
  'unknown-ca',
  'unknown-public-key',
  'no-common-certificate-type',
]);

function place(server: RemoteServer): string {
  if (server.transport === 'serial') return serialLineUri(server.line);
  const host = server.host.includes(':') ? `[${server.host}]` : server.host;
  return `${server.scheme}://${host}:${server.address.port}`;
}
