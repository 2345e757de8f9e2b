/**
 * The endpoints of a gateway: plain and secured sockets, reliable transports, serial lines, and by what devices are let in.
 */
import {
  type AssociationEvent,
  describeCertificates,
  type Listener,
  type ListenOptions,
  type NodeLink,
  type OscoreContexts,
  type PortWorker,
  type SerialEvent,
  SerialFailure,
  type Server,
} from 'coapsule';
import type { RefusalAudit } from '../audit/audit-log.ts';
import { type GatewayCredentials, listenCredentials, tellCredentials } from '../server/serve-credentials.ts';
import type { EndpointAddress, EndpointScheme, StreamScheme } from '../server/serve-options.ts';
import { endpointFault, StartUpFault } from '../server/start-up-fault.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { Store } from '../store/store.ts';
import { networkOf } from '../text/network.ts';
import { printable } from '../text/printable.ts';
import type { AssociationReview } from './association-review.ts';
import { AssociationStorage } from './association-storage.ts';
import type { DeviceDirectory } from './device-directory.ts';
import type { GatewayOptions } from './gateway-options.ts';
import {
  associationLogger,
  deniedLogger,
  errorLogger,
  expiryLogger,
  unknownIdentityLogger,
  unknownPeerLogger,
} from './request-log.ts';
import { type GatewayLine, lineLogger } from './serial-lines.ts';

/** What the endpoints of a gateway work with. */
export interface ListenContext {
  readonly server: Server;
  readonly store: Store;
  /** Each endpoint is added when it is open. */
  readonly listeners: Listener[];
  readonly directory: DeviceDirectory;
  readonly review: AssociationReview;
  readonly lines: readonly GatewayLine[];
  readonly oscore: OscoreContexts;
  readonly refusals: Pick<RefusalAudit, 'add'>;
  /** Other gateways behind the same address. */
  readonly nodes?: NodeLink | undefined;
  /** Is told of what happens to associations. */
  readonly noteAssociation: (event: AssociationEvent) => void;
}

/**
 * Opens the serial lines, then the sockets.
 *
 * @param worker The one that this thread is, when there are several: they share the ports for coap and coaps.
 * @throws StartUpFault (rejects) for a socket that cannot be opened.
 */
export async function listen(
  context: ListenContext,
  options: GatewayOptions,
  worker?: PortWorker,
): Promise<void> {
  const { server, listeners, lines, store, directory } = context;
  const { coap, coaps, log, clock = systemWallClock, streams = [] } = options;
  const protectedBy = { oscore: context.oscore };
  const traced = { ...protectedBy, ...(options.trace === undefined ? {} : { trace: options.trace }) };
  const captured = options.capture === undefined ? {} : { capture: options.capture };
  const isAnySecured =
    coaps !== undefined ||
    streams.some(({ scheme }) => isSecured(scheme)) ||
    lines.some((line) => line.isSecured);
  if (isAnySecured && options.credentials !== undefined && (worker?.index ?? 0) === 0)
    tellCredentials(options.credentials, log, clock());
  const { dtls, tls } = isAnySecured ? securedOptions(context, options) : { dtls: {}, tls: {} };
  const keptFor = (endpoint: string): Pick<ListenOptions, 'associationStore'> => ({
    associationStore: new AssociationStorage({
      ...{ store, directory, clock, log, endpoint },
      maxCount: options.maxSessions,
    }),
  });
  // First, so that no request for a device comes before its line is there.
  const onEvent = lineLogger(log, clock);
  for (const line of lines) {
    const { uri } = line;
    const more = { ...captured, ...(line.isSecured ? { ...dtls, ...keptFor(uri) } : traced) };
    const listenWith = (how: ListenOptions): Promise<Listener> => server.listen(uri, { ...more, ...how });
    listeners.push(await openLine(line, options.lineMtu, listenWith, onEvent));
  }
  if (coap !== undefined) {
    const { multicast, dangerouslyUnlimitedAmplification = false } = options;
    const plain = {
      ...traced,
      ...captured,
      worker,
      ...(multicast === undefined ? {} : { multicast }),
      dangerouslyUnlimitedAmplification,
    };
    const listener = await open('coap', coap, (uri) => server.listen(uri, plain));
    listeners.push(listener);
    for (const { group, port, interface: name, error } of listener.groups) {
      if (error === undefined) log.detail(0, `member of the group ${group} port ${port} on ${name}`);
    }
  }
  if (coaps !== undefined) {
    const associationStore = workerStorage(context, options, worker);
    const { nodes } = context;
    const kept = { ...dtls, ...captured, worker, associationStore, ...(nodes !== undefined && { nodes }) };
    listeners.push(await open('coaps', coaps, (uri) => server.listen(uri, kept)));
  }
  for (const { scheme, address } of streams) {
    // What is inside TLS and WebSocket the library does not give.
    const plain = scheme === 'coap+tcp' ? { ...traced, ...captured } : traced;
    const how = isSecured(scheme) ? tls : plain;
    listeners.push(await open(scheme, address, (uri) => server.listen(uri, how)));
  }
}

/** There may have been more workers, or fewer, before: each takes those over whose records come to it (docs/workers.md). */
function workerStorage(
  { store, directory }: ListenContext,
  { log, clock = systemWallClock, maxSessions: maxCount }: GatewayOptions,
  worker: PortWorker | undefined,
): AssociationStorage {
  const { index = 0, count = 1 } = worker ?? {};
  const endpointOf = (number: number): string => (number === 0 ? 'coaps' : `coaps ${number}`);
  const numbers = Array.from({ length: mostWorkers }, (_, number) => number);
  const own = new Set(
    numbers.filter((number) => number % count === index && number !== index).map(endpointOf),
  );
  const andOf = async (): Promise<readonly string[]> =>
    (await store.associationEndpoints()).filter((endpoint) => own.has(endpoint));
  const parts = { store, directory, clock, log, andOf, maxCount };
  return new AssociationStorage({ ...parts, endpoint: endpointOf(index) });
}

/** The number of a worker is one byte. */
const mostWorkers = 255;

/** A device that is not there is waited for; that there can be no lines at all is a fault. */
async function openLine(
  { client, framing }: GatewayLine,
  mtu: number | undefined,
  listenWith: (options: Pick<ListenOptions, 'serial' | 'client'>) => Promise<Listener>,
  onEvent: (event: SerialEvent) => void,
): Promise<Listener> {
  const how = {
    ...(framing === undefined ? {} : { framing }),
    // The same proportion as the usual 1024 of 2048.
    ...(mtu === undefined ? {} : { mtu, bufferBytes: Math.max(2048, 2 * mtu) }),
  };
  try {
    return await listenWith({ serial: { whenMissing: 'wait', onEvent, ...how }, client });
  } catch (error) {
    throw error instanceof SerialFailure ? new StartUpFault(error.message, error.nextStep) : error;
  }
}

/** By what devices are let in, over DTLS and over TLS. */
function securedOptions(
  { directory, store, review, oscore, refusals, noteAssociation }: ListenContext,
  options: GatewayOptions,
): { readonly dtls: ListenOptions; readonly tls: ListenOptions } {
  const { keylog, pskHint, clock = systemWallClock } = options;
  const logUnknown = unknownIdentityLogger(options.log, clock);
  const logAssociation = associationLogger(options.log, clock);
  const logExpiry = expiryLogger(options.log, clock);
  const onError = errorLogger(options.log, clock);
  const psk = {
    lookup: async (identity: string) => {
      const admission = await directory.admission(identity);
      if (admission === undefined) logUnknown(identity);
      return admission;
    },
    ...(pskHint === undefined ? {} : { hint: pskHint }),
  };
  const onAssociation = (event: AssociationEvent): void => {
    noteAssociation(event);
    logAssociation(event);
    if (event.kind === 'handshake-failed') auditFailure(refusals, event);
    if (event.kind !== 'connected') return;
    // One that came back was compared when it was taken over; `changed` looks at what happened since.
    if (event.imported !== true) {
      review.one(event.peer);
      const { security } = event.peer;
      if (security.kind !== 'none') directory.noteUse(security.identity, security.context).catch(onError);
    }
    logExpiry(event.peer.security);
  };
  const dtls = {
    oscore,
    psk,
    ...publicKeyCredentials(directory, store, options),
    onAssociation,
    ...(options.trace === undefined ? {} : { trace: options.trace }),
    ...(keylog === undefined ? {} : { keylog }),
    ...(options.requireExtendedMasterSecret === false ? { extendedMasterSecret: 'preferred' as const } : {}),
    ...(options.maxSessions === undefined ? {} : { maxAssociations: options.maxSessions }),
  };
  const {
    rawPublicKey: _key,
    clientPublicKeys: _keys,
    ...forTls
  } = { rawPublicKey: undefined, clientPublicKeys: undefined, ...dtls };
  // Who shows no certificate is nobody, as over plain coap; TLS here has no raw public keys.
  const clientAuthentication = forTls.clientCertificates === undefined ? 'none' : 'required';
  return {
    dtls,
    tls: { ...forTls, ...(forTls.certificate === undefined ? {} : { clientAuthentication }) },
  };
}

/** Longest name in the audit that nobody has proved; it may have 64 KB. */
const maxClaimed = 128;

/** Causes that nobody is to blame for: the peer went away, or began again. */
const unblamed: ReadonlySet<string> = new Set(['peer-silent', 'mtu-too-large', 'replaced', 'cancelled']);

/** What a peer called itself is not proved: it is counted by where it comes from. */
function auditFailure(
  refusals: Pick<RefusalAudit, 'add'>,
  { address, identity, failure: { cause } }: Extract<AssociationEvent, { kind: 'handshake-failed' }>,
): void {
  if (unblamed.has(cause)) return;
  refusals.add({
    reason: `handshake-${cause}`,
    peer: networkOf(address.host),
    isProven: false,
    details: {
      from: address.key,
      ...(identity === undefined ? {} : { claimed: printable(identity, maxClaimed) }),
    },
  });
}

/**
 * What the gateway shows and whose certificates it takes from now on, on all its secured endpoints.
 *
 * @throws ApiMisuseError for credentials of other kinds than before.
 */
export function renewCredentials(listeners: readonly Listener[], credentials: GatewayCredentials): void {
  const { clientAuthentication: _same, ...renewed } = listenCredentials(credentials);
  const { rawPublicKey: _dtlsAlone, ...forTls } = renewed;
  for (const listener of listeners) {
    const isTls = listener.scheme === 'coaps+tcp' || listener.scheme === 'coaps+ws';
    // Over TLS there may be pre-shared keys alone.
    if (isTls && credentials.certificate !== undefined) listener.renewCredentials(forTls);
    else if (!isTls && listener.scheme.startsWith('coaps')) listener.renewCredentials(renewed);
  }
}

function isSecured(scheme: StreamScheme): boolean {
  return scheme.startsWith('coaps');
}

/** Devices with a raw public key or certificate: each is known by exactly the one that was added for it. */
export function publicKeyCredentials(
  directory: Pick<DeviceDirectory, 'ownerOfKey' | 'ownerOfCertificate'>,
  store: Pick<Store, 'denied'>,
  { credentials, log, clock = systemWallClock }: Pick<GatewayOptions, 'credentials' | 'log' | 'clock'>,
): Partial<ListenOptions> {
  if (credentials === undefined) return {};
  const logUnknown = unknownPeerLogger(log, clock);
  const logDenied = deniedLogger(log, clock);
  const isDenied = async (fingerprints: readonly string[]): Promise<boolean> => {
    const denied = await store.denied(fingerprints);
    if (denied !== undefined) logDenied(denied);
    return denied !== undefined;
  };
  return {
    ...listenCredentials(credentials),
    clientPublicKeys: async (publicKey) => {
      // First: when it is denied from here on, the stamp of its owner is out of date. So with certificates.
      const owner = await directory.ownerOfKey(publicKey.fingerprint);
      if (await isDenied([publicKey.fingerprint])) return undefined;
      if (owner === undefined) logUnknown({ publicKey, certificate: undefined });
      return owner;
    },
    verifyPeer: async ({ publicKey, certificate, chain }) => {
      // What clientPublicKeys found stands.
      if (certificate === undefined) return true;
      const path = describeCertificates([...chain]);
      const owner = await directory.ownerOfCertificate(certificate.identity, certificate.fingerprint);
      if (await isDenied(path.flatMap((one) => [one.fingerprint, one.publicKey.fingerprint]))) return false;
      if (owner === undefined) logUnknown({ publicKey, certificate });
      return owner;
    },
  };
}

async function open(
  scheme: EndpointScheme,
  { host, port }: EndpointAddress,
  listenAt: (uri: string) => Promise<Listener>,
): Promise<Listener> {
  try {
    return await listenAt(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`);
  } catch (error) {
    throw endpointFault(scheme, host, port, error);
  }
}
