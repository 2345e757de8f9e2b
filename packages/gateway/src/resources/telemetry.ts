/**
 * The resources that keep what devices send: `/sensor`, `/sensors/…` and the list of them at `/sensors`.
 *
 * PUT and POST store a reading with time and authenticated identity; the answer leaves after the commit, so that an
 * acknowledged reading is never lost and a retransmission after a crash is not stored twice (RFC 7252 §4.5). What is known of its
 * values is stored with it. GET gives the newest reading, or those before it (telemetry/). Who may do it is decided around these handlers (gateway/authorisation.ts).
 */
import { createHash } from 'node:crypto';
import {
  Code,
  type CurrentState,
  changed,
  content,
  created,
  encodeLinkFormat,
  expectPreconditions,
  failure,
  type Request,
  RequestFailure,
  type Resource,
  type ServerResponse,
} from 'coapsule';
import { provenDevice } from '../access/proven-device.ts';
import type { ReadingKeeping } from '../keeping/readings.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { Quota, RecordRefused, RecordTerms, RequestFingerprint } from '../store/reading-table.ts';
import { measuredValues } from '../telemetry/measured-values.ts';
import type { RetentionRule } from '../telemetry/retention-rules.ts';
import { asksForHistory, history, newestReading } from '../telemetry/telemetry-answers.ts';
import type { MeasurementStore } from '../telemetry/telemetry-reader.ts';
import { pathSegments } from '../text/resource-path.ts';
import type { GatewayResource, Notify } from './gateway-resource.ts';
import { acceptedFormat, ContentFormat } from './negotiation.ts';

/** What the telemetry resources work with. */
export interface TelemetryContext {
  readonly store: ReadingKeeping & MeasurementStore;
  readonly notify: Notify;
  readonly clock: WallClock;
  /** What counts now. */
  readonly retention: () => Retention;
  /** How a reading of this request waits for the message broker; undefined: it does not go there. */
  readonly outbox: (request: Request) => OutboxTerms | undefined;
  /** Which guarded paths the sender of a request may read. */
  readonly readable: (request: Request) => Promise<(segments: readonly string[]) => boolean>;
  /** Paths below `/sensors/` that were made by POST. */
  readonly created?: () => readonly string[];
  /** An identity (undefined: somebody without) wanted to store more than its quota. */
  readonly onQuotaExceeded: (identity: string | undefined, what: 'paths' | 'bytes') => void;
}

/** See RecordTerms. */
export type OutboxTerms = Pick<RecordTerms, 'outboxBytes' | 'outboxShareBytes' | 'isAlert'>;

/** How much is kept. */
export interface Retention extends Quota {
  /** Newest readings of each path; 0 keeps all. */
  readonly keepNewest: number;
}

/** What counts when the operator says nothing. */
export const defaultRetention: Retention = {
  keepNewest: 100_000,
  maxPaths: 1000,
  maxBytes: 256 * 1024 * 1024,
};

/** When a reading that finds no room on its way to the message broker may come again. */
const outboxRetrySeconds = 30;

/** RFC 8516: not before; room does not come back by itself. */
const quotaRetrySeconds = 3600;

/** Largest reading in bytes; a larger one is answered 4.13. */
const maxReadingBytes = 64 * 1024;

/** Longest path in characters: it is an index key of the store. */
const maxPathLength = 512;

/** Links in one answer of `/sensors`. */
const maxLinks = 10_000;

// RFC 7252 §4.8.2 with the default transmission parameters.
const exchangeLifetimeMs = 247_000;
const nonLifetimeMs = 145_000;

/** A telemetry path of the demo that everyone may write. */
export interface OpenTelemetryPath {
  readonly path: string;
  /** What GET gives before anything was stored. */
  readonly initial: string;
}

/** Those of the demo. */
export const openDemoPaths: readonly OpenTelemetryPath[] = ['/sensor', '/sensors/temp'].map((path) => ({
  path,
  initial: '22.5',
}));

/** Readings kept of an open path: strangers must not fill the disk. */
const keptOfOpenPath = 1000;

/** What is measured there grows old as any other. */
export const openDemoRetention: readonly RetentionRule[] = openDemoPaths.map(({ path }) => ({
  path: { segments: pathSegments(path), below: false },
  ...{ rawMs: 86_400_000, newest: keptOfOpenPath, aggregatesMs: [86_400_000, 0, 0] },
}));

/** The telemetry resources; everything but `openPaths` is guarded. */
export function telemetryResources(
  context: TelemetryContext,
  openPaths: readonly OpenTelemetryPath[] = [],
): readonly GatewayResource[] {
  const guarded = ['/sensor', '/sensors/*'].filter((path) => !openPaths.some((open) => open.path === path));
  return [
    ...openPaths.map((open) => telemetryResource(context, open.path, open)),
    ...guarded.map((path) => telemetryResource(context, path)),
    {
      path: '/sensors',
      protection: 'filtered',
      isEverywhere: true,
      resource: sensorList(context, openPaths),
    },
  ];
}

function telemetryResource(
  context: TelemetryContext,
  path: string,
  open?: OpenTelemetryPath,
): GatewayResource {
  const write = (request: Request): Promise<ServerResponse> =>
    storeReading(context, request, open && keptOfOpenPath);
  const resource: Resource = {
    get: (request) => keptReadings(context, request, open?.initial),
    put: write,
    post: write,
    observable: true,
    attributes: { rt: 'coapsule.telemetry' },
    conditional: true,
    // An acknowledgement says that the reading is on disk; an Empty ACK would say so too early.
    acknowledgeWithAnswer: true,
    effectsInStore: true,
    maxBodyBytes: maxReadingBytes,
  };
  return { path, protection: open ? 'public' : 'guarded', isEverywhere: true, resource };
}

async function storeReading(
  context: TelemetryContext,
  request: Request,
  keepNewest: number | undefined,
): Promise<ServerResponse> {
  if (request.payload.length === 0) return failure(Code.BadRequest, 'a reading has at least one byte');
  if (request.path.length > maxPathLength) return failure(Code.BadRequest, 'the path is too long');
  if (request.segments.includes('')) return failure(Code.BadRequest, 'the path has an empty segment');
  const { store, notify, clock } = context;
  const retention = context.retention();
  const { address } = request.peer;
  const receivedAtMs = clock();
  const measurements = measuredValues(request.payload, request.contentFormat, receivedAtMs);
  if ('fault' in measurements) return failure(Code.BadRequest, measurements.fault);
  const outcome = await store.record(
    {
      path: request.path,
      value: request.payload,
      contentFormat: request.contentFormat,
      identity: writerOf(request),
      peerAddress: address.key,
      receivedAtMs,
      measurements,
    },
    fingerprintOf(request),
    {
      keepNewest: keepNewest ?? (retention.keepNewest || undefined),
      quota: retention,
      ...context.outbox(request),
      // Judged with the deduplication: the condition of a request that was stored no longer holds when it comes again.
      storeWhen: {
        exists: fulfilsConditions(request, { exists: true }),
        missing: fulfilsConditions(request, { exists: false }),
      },
    },
  );
  if ('refused' in outcome) return refusal(context, request, outcome);
  if (!outcome.repeat) notify(request.path);
  return outcome.first ? created() : changed();
}

/** Under whose name a reading is stored: from end to end before that of the hop. */
function writerOf({ peer }: Request): string | undefined {
  const proven = provenDevice(peer)?.identity;
  return proven ?? (peer.security.kind === 'none' ? undefined : peer.security.identity);
}

function fulfilsConditions(request: Request, state: CurrentState): boolean {
  try {
    expectPreconditions(request, state);
    return true;
  } catch (error) {
    if (error instanceof RequestFailure) return false;
    throw error;
  }
}

function refusal(
  { onQuotaExceeded }: TelemetryContext,
  request: Request,
  { refused }: RecordRefused,
): ServerResponse {
  switch (refused) {
    case 'exists':
    case 'missing':
      expectPreconditions(request, { exists: refused === 'exists' });
      return failure(Code.PreconditionFailed);
    case 'outbox-full':
    case 'outbox-share-full':
      // RFC 7252 §5.9.3.4: nothing is stored that could not reach the broker.
      return failure(
        Code.ServiceUnavailable,
        refused === 'outbox-full'
          ? 'the message broker is away, and what waits for it is full'
          : 'the message broker is away, and what waits for it of this identity is full',
        { maxAgeSeconds: outboxRetrySeconds },
      );
    case 'too-many-paths':
    case 'too-many-bytes': {
      const what = refused === 'too-many-paths' ? 'paths' : 'bytes';
      onQuotaExceeded(writerOf(request), what);
      // RFC 8516 §3: with a Max-Age that says when to try again.
      return {
        ...failure(Code.TooManyRequests, `this identity has all the ${what} it may have`),
        maxAgeSeconds: quotaRetrySeconds,
      };
    }
  }
}

/**
 * What recognises this request when it comes again, also after a restart. Over a reliable transport none does, and there is no
 * Message ID.
 */
function fingerprintOf(request: Request): RequestFingerprint | undefined {
  const { messageId } = request;
  if (messageId === undefined) return undefined;
  const { security, address } = request.peer;
  const hash = createHash('sha256');
  hash.update(Uint8Array.of(request.code));
  for (const { number, value } of request.options.entries()) {
    hash
      .update(Uint8Array.of(number >> 8, number & 0xff, value.length >> 8, value.length & 0xff))
      .update(value);
  }
  // Larger than any option number: options and payload cannot be mistaken for one another.
  hash.update(Uint8Array.of(0xff, 0xff, 0xff, 0xff)).update(request.payload);
  return {
    // RFC 7252 §9.1.1: an association is an endpoint of its own, with Message IDs of its own.
    peer: security.kind === 'dtls' ? `dtls ${security.association}` : `udp ${address.key}`,
    messageId,
    token: request.token,
    digest: hash.digest(),
    lifetimeMs: request.confirmable ? exchangeLifetimeMs : nonLifetimeMs,
  };
}

async function keptReadings(
  { store, clock }: TelemetryContext,
  request: Request,
  initial: string | undefined,
): Promise<ServerResponse> {
  if (asksForHistory(request)) return history(store, request, clock());
  const reading = await store.latest(request.path);
  if (reading === undefined) {
    if (initial !== undefined) {
      const contentFormat = acceptedFormat(request, [ContentFormat.text]);
      // Most readings here come without a format, and a notification in another one ends the observation (RFC 7641 §4.2).
      return request.accept === undefined
        ? { code: Code.Content, payload: initial }
        : content(initial, { contentFormat });
    }
    throw new RequestFailure(Code.NotFound, 'nothing was stored here');
  }
  return newestReading(request, reading);
}

/** The paths that the asker may read, out of those that have readings. */
function sensorList(
  { store, readable, created: made = () => [] }: TelemetryContext,
  openPaths: readonly OpenTelemetryPath[],
): Resource {
  const always = openPaths.map(({ path }) => path).filter((path) => path.startsWith('/sensors/'));
  return {
    get: async (request) => {
      const contentFormat = acceptedFormat(request, [ContentFormat.linkFormat]);
      const mayRead = await readable(request);
      const stored = [...made(), ...(await store.pathsBelow('/sensors/', maxLinks))].filter((path) =>
        mayRead(pathSegments(path)),
      );
      const links = [...new Set([...always, ...stored])].map((path) => ({
        target: linkTarget(path),
        attributes: [],
      }));
      return content(encodeLinkFormat(links), { contentFormat });
    },
    attributes: { ct: ContentFormat.linkFormat, title: 'paths with readings' },
  };
}

/** The path as a URI reference: `/` and `%` inside a segment are escaped in it already. */
function linkTarget(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(decodeURIComponent(segment)))
    .join('/');
}
