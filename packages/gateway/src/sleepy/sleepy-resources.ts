/**
 * Devices that sleep, as resources at `/sleepy/ID/…`: for the device the place where it tells its state, for others its resources.
 *
 * A GET is answered with what the device has told last, with the Max-Age that is left of it; where there is nothing, or nothing
 * fresh, the request waits for the device within bounds, in a separate response (RFC 7252 §5.2.2). So does a command, which is
 * durable before anybody is told that it waits: then 2.04 with what becomes of it at `/sleepy/ID/.commands/N`. CoAP has no code for
 * "accepted": 2.04 says that the queue has changed, and its JSON that the device has not (docs/proxies.md).
 */
import {
  Code,
  changed,
  content,
  deleted,
  failure,
  OptionNumber,
  type Request,
  RequestFailure,
  type Resource,
  type ServerResponse,
} from 'coapsule';
import { codeText } from 'coapsule/message';
import { provenDevice } from '../access/proven-device.ts';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { ContentFormat } from '../resources/negotiation.ts';
import { timeOfDay } from '../server/lifetime-clock.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { uriSegmentsProblem } from '../text/resource-path.ts';
import type { CommandAnswer, CommandMethod, Representation, SleepyCommand } from './sleepy-command.ts';
import { mostBytes, type SleepyDevices } from './sleepy-devices.ts';
import { isLatestOnly, type SleepyOptions } from './sleepy-options.ts';

/** What the resources work with. */
export interface SleepyContext {
  readonly devices: SleepyDevices;
  readonly options: SleepyOptions;
  /** See `SleepyParts`. */
  readonly clock: WallClock;
  /** For times that are shown. */
  readonly wallClock: WallClock;
  /** Whether a device sleeps: by configuration, or by what it has registered. */
  readonly isSleepy: (device: string) => boolean;
  /** Whether a rule of its sender covers a request. */
  readonly isCovered: (request: Request) => Promise<boolean>;
}

/** Where commands are, below a device: no device has a resource of that name here. */
const commandsSegment = '.commands';

/** When a client may give the next command where too many wait, in seconds (RFC 8516). */
const retrySeconds = 60;

/** The path of a resource of a device, percent-encoded. */
export function sleepyPath(device: string, path: string): string {
  return `/sleepy/${encodeURIComponent(device)}${path}`;
}

/** The path of a command. */
export function commandPath(device: string, id: number): string {
  return sleepyPath(device, `/${commandsSegment}/${id}`);
}

/** See the file comment. */
export function sleepyResources(context: SleepyContext): readonly GatewayResource[] {
  const command = (method: CommandMethod) => (request: Request) => written(context, request, method);
  const resource: Resource = {
    get: (request) => read(context, request),
    put: command('PUT'),
    post: command('POST'),
    patch: command('PATCH'),
    ipatch: command('IPATCH'),
    delete: (request) => removed(context, request),
    observable: true,
    // They are for the device to check.
    conditional: true,
    hidden: true,
    maxBodyBytes: mostBytes,
  };
  return [{ path: '/sleepy/*', protection: 'secured', isBeyondPolicy: true, resource }];
}

/** Whom a request is about, and what of it. */
interface Place {
  readonly device: string;
  /** At the device, percent-encoded: `/temperature`; empty for the device itself. */
  readonly path: string;
  readonly segments: readonly string[];
  readonly isOwn: boolean;
}

/** @throws RequestFailure for who may not, and for devices that do not sleep. */
async function placeOf(context: SleepyContext, request: Request): Promise<Place> {
  const [, device = '', ...segments] = request.segments;
  const isOwn = provenDevice(request.peer)?.identity === device;
  if (!isOwn && !(await context.isCovered(request)))
    throw new RequestFailure(Code.Forbidden, 'this identity may not do that here');
  if (!context.isSleepy(device))
    throw new RequestFailure(Code.NotFound, 'no device of this name sleeps: name it with --sleepy');
  const problem = uriSegmentsProblem(segments);
  if (problem !== undefined) throw new RequestFailure(Code.BadOption, problem);
  return {
    device,
    segments,
    isOwn,
    path: segments.map((segment) => `/${encodeURIComponent(segment)}`).join(''),
  };
}

async function read(context: SleepyContext, request: Request): Promise<ServerResponse> {
  const place = await placeOf(context, request);
  const { device, segments, path } = place;
  if (segments.length === 0) return shownDevice(context, device);
  if (segments[0] === commandsSegment) return shownCommand(context, commandOf(context, place), request);
  const { devices, options, clock } = context;
  // What is kept was told without a query: with one it is another resource (RFC 7252 §5.6, §6.5), which the device alone knows.
  const target = targetOf(path, request.query);
  const known = target === path ? await devices.representation(device, path) : undefined;
  if (known !== undefined && (known.freshUntilMs > clock() || options.servesStale || request.observe))
    return shown(known, clock());
  const asked = await devices.read(device, target, request.signal);
  // Not 5.03, which would ask the client to leave the whole gateway alone for a while (RFC 7252 §5.9.3.4).
  if (asked === undefined)
    return failure(Code.GatewayTimeout, 'the device sleeps, and has told nothing that is fresh');
  return 'code' in asked ? passedOn(asked) : shown(asked, clock());
}

/** As the device is asked. */
function targetOf(path: string, query: readonly string[]): string {
  return query.length === 0 ? path : `${path}?${query.map(encodeURIComponent).join('&')}`;
}

/** RFC 7252 §5.10.5: Max-Age is what is left of it; 0 says that it is no longer the present state for sure. */
function shown(
  { payload, contentFormat, etag, freshUntilMs }: Representation,
  nowMs: number,
): ServerResponse {
  const maxAgeSeconds = Math.max(0, Math.floor((freshUntilMs - nowMs) / 1000));
  return content(payload, { etag, maxAgeSeconds, ...(contentFormat !== undefined && { contentFormat }) });
}

function passedOn({ code, payload, contentFormat }: CommandAnswer): ServerResponse {
  return { code: code as Code, payload, ...(contentFormat !== undefined && { contentFormat }) };
}

async function written(
  context: SleepyContext,
  request: Request,
  method: CommandMethod,
): Promise<ServerResponse> {
  const place = await placeOf(context, request);
  const { device, segments, path, isOwn } = place;
  if (segments.length === 0 || segments[0] === commandsSegment)
    return failure(Code.MethodNotAllowed, 'it is read only: resources of the device are below it');
  if (!isOwn) return commanded(context, request, place, method);
  if (method !== 'PUT' && method !== 'POST')
    return failure(Code.MethodNotAllowed, 'a device tells its state by PUT or POST');
  const { payload, contentFormat, options } = request;
  const maxAge = options.uint(OptionNumber.MaxAge);
  await context.devices.told(
    device,
    path,
    { payload, contentFormat },
    maxAge === undefined ? undefined : maxAge * 1000,
  );
  return changed();
}

async function removed(context: SleepyContext, request: Request): Promise<ServerResponse> {
  const place = await placeOf(context, request);
  const { device, segments, isOwn } = place;
  if (segments.length === 0) return failure(Code.MethodNotAllowed, 'a device is not removed here');
  if (segments[0] === commandsSegment) {
    const { id } = commandOf(context, place);
    if (await context.devices.cancel(device, id)) return deleted();
    return failure(Code.Conflict, 'it does not wait any more');
  }
  if (!isOwn) return commanded(context, request, place, 'DELETE');
  return failure(Code.MethodNotAllowed, 'a device tells its state by PUT or POST');
}

async function commanded(
  context: SleepyContext,
  request: Request,
  { device, segments, path }: Place,
  method: CommandMethod,
): Promise<ServerResponse> {
  const { payload, contentFormat, options, query, peer } = request;
  const replaces = (method === 'PUT' || method === 'DELETE') && isLatestOnly(context.options, segments);
  const command = await context.devices.command(
    {
      ...{ device, method, payload, contentFormat },
      target: targetOf(path, query),
      ifMatch: options.all(OptionNumber.IfMatch).map((etag) => etag.slice()),
      ifNoneMatch: options.has(OptionNumber.IfNoneMatch),
      from: provenDevice(peer)?.identity ?? '',
    },
    replaces,
  );
  if (command === undefined) {
    return failure(Code.TooManyRequests, 'too many commands wait for this device', {
      maxAgeSeconds: retrySeconds,
    });
  }
  const ended = (await context.devices.outcome(command, request.signal)) ?? command;
  if (ended.answer !== undefined) return passedOn(ended.answer);
  return changed(JSON.stringify(commandJson(context, ended)), { contentFormat: ContentFormat.json });
}

/** @throws RequestFailure 4.04 when there is none. */
function commandOf({ devices }: SleepyContext, { device, segments }: Place): SleepyCommand {
  const [, number = '', ...more] = segments;
  const found =
    more.length === 0 && /^\d{1,15}$/.test(number) ? devices.find(device, Number(number)) : undefined;
  if (found !== undefined) return found;
  throw new RequestFailure(Code.NotFound, 'there is no such command, or not any more');
}

function shownCommand(context: SleepyContext, command: SleepyCommand, request: Request): ServerResponse {
  expectJson(request);
  return content(JSON.stringify(commandJson(context, command)), {
    contentFormat: ContentFormat.json,
    maxAgeSeconds: 0,
  });
}

function shownDevice(context: SleepyContext, device: string): ServerResponse {
  const state = context.devices.stateOf(device);
  const json = {
    device,
    heardAt: state?.heardAtMs === undefined ? null : timeText(context, state.heardAtMs),
    awake: state?.isAwake ?? false,
    commands: (state?.commands ?? []).map((command) => commandJson(context, command)),
  };
  return content(JSON.stringify(json), { contentFormat: ContentFormat.json, maxAgeSeconds: 0 });
}

function expectJson({ accept }: Request): void {
  if (accept !== undefined && accept !== ContentFormat.json)
    throw new RequestFailure(Code.NotAcceptable, 'available: application/json');
}

function timeText({ clock, wallClock }: SleepyContext, atMs: number): string {
  return new Date(timeOfDay(atMs, clock, wallClock)).toISOString();
}

function commandJson(context: SleepyContext, command: SleepyCommand): Readonly<Record<string, unknown>> {
  const { device, id, state, method, target, from, createdAtMs, expiresAtMs, answer } = command;
  return {
    command: commandPath(device, id),
    state,
    ...{ method, target, from },
    createdAt: timeText(context, createdAtMs),
    expiresAt: timeText(context, expiresAtMs),
    ...(answer !== undefined && {
      code: codeText(answer.code as Code),
      payload: new TextDecoder().decode(answer.payload),
    }),
  };
}
