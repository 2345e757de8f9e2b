/**
 * What the gateway tells about its traffic: one line a request, one a failed handshake. Single messages are in the
 * trace of the endpoints.
 */
import {
  type AssociationEvent,
  type CheckedPeer,
  CoapsuleError,
  type Code,
  codeName,
  codeText,
  OptionNumber,
  type PeerSecurity,
  type Request,
  type ServerResponse,
} from 'coapsule';
import { provenDevice } from '../access/proven-device.ts';
import { type Rule, ruleText } from '../access/rule.ts';
import type { RefusedRequest } from '../audit/refusal-count.ts';
import { type Log, type LogFields, RateLimit } from '../server/log.ts';
import { endingText } from '../server/serve-credentials.ts';
import { deviceIdProblem } from '../server/serve-options.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { StoreFault } from '../store/store-fault.ts';
import { networkOf } from '../text/network.ts';
import { printable } from '../text/printable.ts';
import type { Refusal } from './authorisation.ts';

/** `PUT /sensors/a 2.04 Changed from [::1]:40000 as sensor-042`. */
export function requestLine(request: Request, response: ServerResponse): string {
  const { address, security, oscore } = request.peer;
  const who =
    oscore !== undefined
      ? `as ${printable(provenDevice(request.peer)?.identity ?? '')} under OSCORE`
      : security.kind === 'none'
        ? request.peer.transport === 'local'
          ? 'from within'
          : 'unsecured'
        : security.authentication.kind === 'none'
          ? 'secured, as nobody'
          : `as ${printable(security.identity)}`;
  const { code } = response;
  const what = `${request.method} ${printable(request.isForward ? forwardedUri(request) : request.path)}${request.observe ? ' (observed)' : ''}`;
  return `${what} ${codeText(code)} ${codeName(code) ?? ''} from ${address.key} ${who}`;
}

/** What a request to the forward-proxy is for. */
function forwardedUri({ options, path }: Request): string {
  const scheme = options.text(OptionNumber.ProxyScheme) ?? '';
  return (
    options.text(OptionNumber.ProxyUri) ?? `${scheme}://${options.text(OptionNumber.UriHost) ?? ''}${path}`
  );
}

/** What a line about a request is about. */
export function requestFields(request: Request, { code }: { readonly code: Code }): LogFields {
  const { peer } = request;
  return {
    endpoint: peer.transport === 'local' ? 'local' : request.scheme,
    peer: peer.address.key,
    identity: provenDevice(peer)?.identity,
    method: request.method,
    path: request.isForward ? forwardedUri(request) : request.path,
    code: codeText(code),
  };
}

/** Tells the names of unknown identities, at a bounded rate: whose typing error it is shows in the name. */
export function unknownIdentityLogger(log: Log, clock: WallClock): (identity: string) => void {
  const names = new RateLimit(20, 10_000);
  return (identity) => {
    const passed = names.pass(clock());
    if (passed === undefined) return;
    if (passed.heldBack > 0) log.warning(`${passed.heldBack} more unknown identities, not shown`);
    log.warning(`a handshake names the identity ${printable(identity)}, which is no device here`, {
      cause: 'unknown-identity',
    });
  };
}

/** Tells of raw public keys and certificates that no device has, with what would add them, at a bounded rate. */
export function unknownPeerLogger(log: Log, clock: WallClock): (peer: UnknownPeer) => void {
  const limit = new RateLimit(20, 10_000);
  return ({ publicKey, certificate }) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    if (passed.heldBack > 0) log.warning(`${passed.heldBack} more unknown keys and certificates, not shown`);
    if (certificate === undefined) {
      log.warning(
        `a handshake shows a raw public key that no device here has; if you know it: coapsule device add ID --rpk ${publicKey.fingerprint}`,
      );
      return;
    }
    const { identity, subject, fingerprint } = certificate;
    const what = `no device here has the certificate that a handshake shows: ${printable(subject)} (${fingerprint})`;
    log.warning(
      deviceIdProblem(identity) === undefined
        ? `${what}; if you know it: coapsule device add ${shellWord(identity)} --cert FILE, or "device rotate" if ${printable(identity)} is there with another credential`
        : `${what}; it names no device: a certificate with the id of the device as common name could be added`,
    );
  };
}

/** Tells that somebody came with what is denied, at a bounded rate. */
export function deniedLogger(log: Log, clock: WallClock): (fingerprint: string) => void {
  const limit = new RateLimit(5, 60_000);
  return (fingerprint) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    const more = passed.heldBack === 0 ? '' : `; ${passed.heldBack} more were refused before, not shown`;
    log.warning(`a handshake was refused: ${fingerprint} is on the deny list${more}`);
  };
}

/** A word as it can be typed. */
function shellWord(text: string): string {
  return /^[\w.:@/+-]+$/.test(text) ? text : printable(`'${text.replaceAll("'", "'\\''")}'`);
}

/** Tells which device has a certificate that ends soon, once a day for each. */
export function expiryLogger(log: Log, clock: WallClock): (security: PeerSecurity) => void {
  const told = new Map<string, number>();
  return (security) => {
    if (security.kind === 'none' || security.certificateExpiresAt === undefined) return;
    const now = clock();
    const ending = endingText(security.certificateExpiresAt.getTime(), now);
    if (ending === undefined) return;
    const before = told.get(security.identity);
    if (before !== undefined && now >= before && now - before < dayMs) return;
    if (told.size >= maxTold) told.clear();
    told.set(security.identity, now);
    log.warning(`the certificate of ${printable(security.identity)}, or of its authority, ${ending}`);
  };
}

const dayMs = 24 * 60 * 60 * 1000;

/** Devices that are remembered as told of. */
const maxTold = 10_000;

/** What a peer showed. */
type UnknownPeer = Pick<CheckedPeer, 'publicKey' | 'certificate'>;

/** Tells what failed without anybody waiting for it, such as a key look-up, at a bounded rate. */
export function errorLogger(log: Log, clock: WallClock): (error: unknown) => void {
  const limit = new RateLimit(20, 10_000);
  return (error) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    if (passed.heldBack > 0) log.error(`${passed.heldBack} more errors, not shown`);
    log.error(errorText(error));
  };
}

/** An error for the log: what the operator can do about it, or where it comes from. */
export function errorText(error: unknown): string {
  if (error instanceof StoreFault || error instanceof CoapsuleError) {
    return `${error.message}; ${error.nextStep}`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Tells who wanted to store more than its quota, at a bounded rate. */
export function quotaLogger(
  log: Log,
  clock: WallClock,
): (identity: string | undefined, what: 'paths' | 'bytes') => void {
  const limit = new RateLimit(5, 60_000);
  return (identity, what) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    const who = identity === undefined ? 'the writers without identity together' : printable(identity);
    const more = passed.heldBack === 0 ? '' : `; ${passed.heldBack} more were refused before, not shown`;
    log.warning(`a reading was refused: ${who} reached --max-${what}${more}`);
  };
}

/** Tells which write the rules of an identity do not cover, and what it may do, at a bounded rate. */
export function forbiddenLogger(
  log: Log,
  clock: WallClock,
): (request: Request, rules: readonly Rule[]) => void {
  const limit = new RateLimit(5, 60_000);
  return ({ method, path, peer }, rules) => {
    const { identity } = provenDevice(peer) ?? {};
    if (method === 'GET' || method === 'FETCH' || identity === undefined) return;
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    const may = rules.length === 0 ? 'nothing' : printable(rules.map(ruleText).join(' '), maxRulesShown);
    const more = passed.heldBack === 0 ? '' : `; ${passed.heldBack} more were refused before, not shown`;
    log.warning(`${printable(identity)}: ${method} ${printable(path)} refused (it may: ${may})${more}`, {
      ...{ peer: peer.address.key, identity, method, path },
      cause: 'forbidden',
    });
  };
}

/** A refused request as the audit counts it: by who has proved to send it, or else by where it comes from. */
export function refusedRequest({ method, path, peer }: Request, reason: Refusal): RefusedRequest {
  const identity = provenDevice(peer)?.identity;
  return {
    reason,
    peer: identity === undefined ? networkOf(peer.address.host) : printable(identity),
    isProven: identity !== undefined,
    details: { from: peer.address.key, method, path: printable(path) },
  };
}

/** Tells that the audit cannot be written, at a bounded rate. */
export function auditErrorLogger(log: Log, clock: WallClock): (text: string) => void {
  const limit = new RateLimit(1, 60_000);
  return (text) => {
    if (limit.pass(clock()) !== undefined) log.error(text);
  };
}

/** Longest line about a failed handshake, in characters: both lists of suites fit. */
const maxFailureShown = 4000;

/** Longest list of rules in one line, in characters. */
const maxRulesShown = 1000;

/** Next steps where the library's own would name its options. */
const operatorSteps: Readonly<Record<string, string>> = {
  'peer-refused':
    'add the certificate with "coapsule device add", or replace the one that the device had with "device rotate"',
  'unknown-public-key': 'if you know the device, add its raw public key with "coapsule device add ID --rpk"',
  'unknown-ca': 'name the authority of the device with --ca, if you trust it',
  'no-extended-master-secret': 'the device lacks RFC 7627: update it, or take such devices with --no-ems',
  'client-certificate-missing':
    'give the device a certificate or raw public key, or have it use a pre-shared key',
};

/** Lines about associations; failed handshakes are always told, at a bounded rate. */
export function associationLogger(log: Log, clock: WallClock): (event: AssociationEvent) => void {
  const failures = new RateLimit(20, 10_000);
  return (event) => {
    switch (event.kind) {
      case 'handshake-failed': {
        const passed = failures.pass(clock());
        if (passed === undefined) return;
        if (passed.heldBack > 0) log.warning(`${passed.heldBack} more handshakes failed, not shown`);
        const { address, identity, failure, nextStep } = event;
        const who = identity === undefined ? address.key : `${address.key} as ${identity}`;
        // An alert tells of the other end: the gateway's own next steps do not help then.
        const ownStep = failure.alertReceived === undefined ? operatorSteps[failure.cause] : undefined;
        const detail = failure.detail.replace(
          /^the application does not accept/,
          'no device here has the certificate of',
        );
        const text = `handshake with ${who} failed: ${failure.cause}: ${detail}; ${ownStep ?? nextStep}`;
        log.warning(printable(text, maxFailureShown), { peer: address.key, cause: failure.cause });
        return;
      }
      case 'connected': {
        const { address, security } = event.peer;
        if (security.kind === 'none') return;
        const { identity, authentication, suite } = security;
        const resumed = security.kind === 'dtls' && security.resumed;
        const who = authentication.kind === 'none' ? 'nobody' : printable(identity);
        const how = `${authentication.kind}, ${suite}${resumed ? ', resumed' : ''}${event.imported ? ', kept from before' : ''}`;
        log.detail(
          1,
          `secured ${security.kind === 'tls' ? 'connection' : 'association'} with ${address.key} as ${who} (${how})`,
          { peer: address.key, identity: authentication.kind === 'none' ? undefined : identity },
        );
        return;
      }
      case 'closed':
        log.detail(1, `secured association with ${event.peer.address.key} ended: ${event.reason}`, {
          peer: event.peer.address.key,
          cause: event.reason,
        });
        return;
    }
  };
}
