/**
 * The serial lines of the gateway: each is a CoAP endpoint in both roles.
 *
 * Whoever is at the other end writes its telemetry as over any other endpoint, and its own resources are at
 * `/serial/NAME/…` of the gateway, for those who may use them there (RFC 7252 §5.7.3). A device that is not there, or is
 * unplugged, stops nothing: its line is opened as soon as it can be.
 */
import {
  Client,
  type ClientOptions,
  content,
  type PskCredential,
  type Resource,
  reverseProxy,
  type SerialEvent,
  type SerialLineStatus,
} from 'coapsule';
import { serialLineUri } from 'coapsule/message';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { acceptedFormat, ContentFormat } from '../resources/negotiation.ts';
import { type Log, RateLimit } from '../server/log.ts';
import { type SerialLineOption, shortDevice } from '../server/serial-option.ts';
import { StartUpFault } from '../server/start-up-fault.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { printable } from '../text/printable.ts';

/** One line of the gateway. */
export interface GatewayLine {
  /** How it is called in paths: the last part of its device's path, `ttyUSB0`. */
  readonly name: string;
  /** `coaps+serial://ttyUSB0:115200`. */
  readonly uri: string;
  readonly isSecured: boolean;
  readonly framing: SerialLineOption['framing'];
  /** What the gateway proves itself with where it begins the handshake, when that is a pre-shared key. */
  readonly psk: PskCredential | undefined;
  /** Asks whoever is at the other end. */
  readonly client: Client;
}

/** What the lines are made of. */
export interface LineSettings {
  readonly lines: readonly SerialLineOption[];
  /** Whether lines are secured that do not say so. */
  readonly hasCredentials: boolean;
  /** What the gateway proves itself with where it begins the handshake, by the URI of the line. */
  readonly clientOptions: (uri: string) => ClientOptions;
  readonly log: Log;
}

/**
 * The lines that the options name; none is opened yet.
 *
 * @throws StartUpFault for two that have the same name.
 */
export function gatewayLines({
  lines,
  hasCredentials,
  clientOptions,
  log,
}: LineSettings): readonly GatewayLine[] {
  expectDistinctNames(lines);
  return lines.map(({ device, baudRate, security, framing }) => {
    const name = nameOf(device);
    const isSecured = security === undefined ? hasCredentials : security === 'secured';
    if (security === undefined && !isSecured) {
      log.warning(
        `the serial line ${name} is not secured: there are no credentials yet; say so with --serial ${device},${baudRate},plain, or add a device first`,
      );
    }
    const uri = serialLineUri({ secure: isSecured, device: shortDevice(device), baudRate });
    const own = isSecured ? clientOptions(uri) : {};
    const psk = typeof own.psk === 'object' ? own.psk : undefined;
    return { name, uri, isSecured, framing, psk, client: new Client(own) };
  });
}

/** @throws StartUpFault for two lines that would have the same path. */
export function expectDistinctNames(lines: readonly SerialLineOption[]): void {
  const names = new Set<string>();
  for (const { device } of lines) {
    const name = nameOf(device);
    if (names.has(name)) {
      throw new StartUpFault(
        `two serial lines are called ${name}`,
        'name each --serial once; devices in different folders need different names',
      );
    }
    names.add(name);
  }
}

function nameOf(device: string): string {
  return device.split(/[\\/]/).findLast((part) => part !== '') ?? device;
}

/** How the lines fare, as JSON at `/serial`, and everything that their devices offer, at `/serial/NAME/…`. */
export function lineResources(
  lines: readonly GatewayLine[],
  status: () => readonly SerialLineStatus[],
): readonly GatewayResource[] {
  if (lines.length === 0) return [];
  const list: Resource = {
    get: (request) =>
      content(JSON.stringify(status()), { contentFormat: acceptedFormat(request, [ContentFormat.json]) }),
    attributes: { ct: ContentFormat.json, title: 'serial lines' },
  };
  return [
    { path: '/serial', protection: 'guarded', isBeyondPolicy: true, resource: list },
    ...lines.map(lineResource),
  ];
}

function lineResource({ name, uri, client }: GatewayLine): GatewayResource {
  const below = `/serial/${encodeURIComponent(name)}`;
  return {
    path: `${below}/*`,
    protection: 'guarded',
    isBeyondPolicy: true,
    resource: reverseProxy({ below, to: uri, client }),
  };
}

/** Tells what happens on the lines, at a bounded rate. */
export function lineLogger(log: Log, clock: WallClock): (event: SerialEvent) => void {
  const losses = new RateLimit(5, 60_000);
  const texts = new RateLimit(100, 10_000);
  /** Why a line is not there, as it was told last. */
  const missing = new Map<string, string>();
  return (event) => {
    const { line } = event;
    switch (event.kind) {
      case 'text': {
        const passed = texts.pass(clock());
        if (passed !== undefined) log.detail(1, `${line} prints: ${printable(event.text)}`);
        return;
      }
      case 'lost': {
        const { reason, bytes, advice } = event;
        const passed = losses.pass(clock());
        if (passed === undefined) return;
        const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} before, not shown)`;
        const text = `${line}: ${bytes} bytes were no packet: ${reason}${more}`;
        // Noise and what a device prints when it starts are usual on a line; what can be mended is worth a warning.
        if (advice === undefined) log.detail(1, text);
        else log.warning(`${text}; ${advice}`);
        return;
      }
      case 'failure': {
        const { message, nextStep } = event.failure;
        // It is tried again all the time: the same is told once.
        if (missing.get(line) === message) return;
        missing.set(line, message);
        log.warning(`${line}: ${message}; ${nextStep}. The gateway goes on, and opens it as soon as it can`);
        return;
      }
      case 'reopened':
        missing.delete(line);
        log.detail(0, `${line} is there again`);
        return;
    }
  };
}
