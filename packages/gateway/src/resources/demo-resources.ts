/**
 * The demo resources of a small house: sensors that change by themselves, a light, a lock, a thermostat, a
 * configuration. They live in memory and start the same way each time.
 */
import { createHash } from 'node:crypto';
import {
  Code,
  changed,
  content,
  expectPreconditions,
  failure,
  RequestFailure,
  type Resource,
  type ServerResponse,
} from 'coapsule';
import { decodeCbor, encodeCbor, isDecodeFault } from 'coapsule/cbor';
import { encodeSenmlCbor, encodeSenmlJson, inPrimaryUnit } from 'coapsule/senml';
import { helloWorld } from './constant-resources.ts';
import type { GatewayResource, Notify, TickingResources } from './gateway-resource.ts';
import { acceptedFormat, ContentFormat, expectFormat } from './negotiation.ts';
import { startTick, type TickTimer } from './periodic-tick.ts';

/** How often `/temperature`, `/humidity` and `/pressure` change, in seconds, until `/config/interval` is set. */
const firstInterval = 2;

/** Values a measuring resource goes through, over and over; the first one is there at the start. */
const measurements = [
  {
    ...{ path: '/temperature', type: 'temperature', unit: '°C', senmlUnit: 'Cel' },
    values: [22.5, 23.1, 22.9, 22.6, 22.2, 22.4],
  },
  {
    ...{ path: '/humidity', type: 'humidity', unit: ' %', senmlUnit: '%RH' },
    values: [48.0, 48.4, 48.9, 48.5, 47.8],
  },
  {
    ...{ path: '/pressure', type: 'pressure', unit: ' hPa', senmlUnit: 'hPa' },
    values: [1013.2, 1013.4, 1013.3, 1013.0],
  },
] as const;

/** Make the demo resources; they start to change at once. */
export function demoResources(notify: Notify, timer: TickTimer): TickingResources {
  let tick = 0;
  const measureEach = (seconds: number): (() => void) =>
    startTick(
      seconds * 1000,
      () => {
        tick++;
        for (const { path } of measurements) notify(path);
      },
      timer,
    );
  let stop = measureEach(firstInterval);
  const isPublic = (path: string, resource: Resource): GatewayResource => ({
    path,
    protection: 'public',
    resource,
  });
  return {
    resources: [
      helloWorld,
      ...measurements.map((measurement) =>
        isPublic(
          measurement.path,
          measuring(measurement, () => measurement.values[tick % measurement.values.length] as number),
        ),
      ),
      isPublic('/light', light(notify)),
      ...configuration(notify, (seconds) => {
        stop();
        stop = measureEach(seconds);
      }).map(([path, resource]) => isPublic(path, resource)),
      isPublic('/thermostat/setpoint', setpoint(notify)),
      isPublic('/adc', brokenSensor),
      isPublic('/calibration', calibration()),
      { path: '/admin/config', protection: 'guarded', resource: adminConfiguration() },
      { path: '/lock', protection: 'secured', resource: lock(notify) },
    ],
    stop: () => stop(),
  };
}

const measuringFormats = [
  ContentFormat.text,
  ContentFormat.json,
  ContentFormat.cbor,
  ContentFormat.senmlJson,
  ContentFormat.senmlCbor,
];

function measuring(
  { type, unit, senmlUnit }: { readonly type: string; readonly unit: string; readonly senmlUnit: string },
  value: () => number,
): Resource {
  return {
    get: (request) => {
      const contentFormat = acceptedFormat(request, measuringFormats);
      return content(measurementIn(contentFormat, value()), { contentFormat });
    },
    observable: true,
    multicast: true,
    attributes: { rt: type, ct: measuringFormats },
  };

  function measurementIn(contentFormat: number, measured: number): string | Uint8Array {
    // RFC 8798 §3: a Record has a primary unit.
    const pack = [{ name: `demo:${type}`, ...inPrimaryUnit(measured, senmlUnit) }];
    switch (contentFormat) {
      case ContentFormat.json:
        return measured.toFixed(1);
      case ContentFormat.cbor:
        return encodeCbor(measured);
      case ContentFormat.senmlJson:
        return encodeSenmlJson(pack);
      case ContentFormat.senmlCbor:
        return encodeSenmlCbor(pack);
      default:
        return `${measured.toFixed(1)}${unit}`;
    }
  }
}

/** A sensor whose hardware does not answer. */
const brokenSensor: Resource = {
  get: () => {
    throw new Error('demo: the analogue-digital converter does not answer');
  },
  attributes: { title: 'always 5.00' },
};

/** Takes and gives CBOR alone. */
function calibration(): Resource {
  let state = encodeCbor(new Map([['offset', 0]]));
  return {
    get: (request) => content(state, { contentFormat: acceptedFormat(request, [ContentFormat.cbor]) }),
    put: (request) => {
      if (request.contentFormat !== ContentFormat.cbor) {
        return failure(Code.UnsupportedContentFormat, 'understood: application/cbor');
      }
      if (isDecodeFault(decodeCbor(request.payload)))
        return failure(Code.BadRequest, 'the payload is not CBOR');
      state = request.payload.slice();
      return changed();
    },
    attributes: { ct: ContentFormat.cbor },
    maxBodyBytes: 1024,
  };
}

/** Read and written by devices with a rule for it alone. */
function adminConfiguration(): Resource {
  let state = 'interval=30';
  return {
    get: () => content(state),
    put: (request) => {
      state = request.text();
      return changed();
    },
    maxBodyBytes: 256,
  };
}

/** Keeps whatever short text it is given. */
function light(notify: Notify): Resource {
  let state = new TextEncoder().encode('{"status": true}');
  return {
    get: (request) => content(state, { contentFormat: acceptedFormat(request, [ContentFormat.text]) }),
    put: (request) => {
      if (request.payload.length === 0) return failure(Code.BadRequest, 'the new state is empty');
      expectPreconditions(request, { exists: true });
      state = request.payload.slice();
      notify('/light');
      return changed();
    },
    observable: true,
    // One request switches the lights of a whole room.
    multicast: true,
    attributes: { rt: 'light', ct: ContentFormat.text },
    conditional: true,
    maxBodyBytes: 100,
  };
}

/** Needs an authenticated identity: whoever opens a door is known. */
function lock(notify: Notify): Resource {
  const states: Readonly<Record<string, string>> = { lock: 'locked', unlock: 'unlocked' };
  let state = 'locked';
  return {
    get: (request) => content(state, { contentFormat: acceptedFormat(request, [ContentFormat.text]) }),
    put: (request) => {
      const next = Object.hasOwn(states, request.text()) ? states[request.text()] : undefined;
      if (next === undefined) return failure(Code.BadRequest, 'send lock or unlock');
      expectPreconditions(request, { exists: true });
      if (next !== state) {
        state = next;
        notify('/lock');
      }
      return changed();
    },
    observable: true,
    attributes: { rt: 'lock', ct: ContentFormat.text, title: 'coaps only' },
    conditional: true,
    maxBodyBytes: 64,
  };
}

function setpoint(notify: Notify): Resource {
  let target = 21;
  return {
    get: (request) => {
      const contentFormat = acceptedFormat(request, [ContentFormat.text, ContentFormat.json]);
      return content(`${target}`, { contentFormat });
    },
    put: (request) => {
      expectFormat(request, [ContentFormat.text, ContentFormat.json]);
      const text = request.text().trim();
      const value = Number(text);
      if (!/^-?\d+(\.\d+)?$/.test(text) || value < 5 || value > 35) {
        return failure(Code.BadRequest, 'send a temperature from 5 to 35 °C, such as 22.5');
      }
      expectPreconditions(request, { exists: true });
      target = value;
      notify('/thermostat/setpoint');
      return changed();
    },
    observable: true,
    attributes: { rt: 'setpoint', ct: [ContentFormat.text, ContentFormat.json] },
    conditional: true,
    maxBodyBytes: 64,
  };
}

/** `/config`, a JSON object, and `/config/interval`, one number of it: how often the sensors measure. */
function configuration(
  notify: Notify,
  measureEach: (seconds: number) => void,
): readonly (readonly [path: string, resource: Resource])[] {
  let config: Readonly<Record<string, unknown>> = { interval: firstInterval, name: 'demo' };
  const text = (): string => JSON.stringify(config);
  // RFC 7252 §5.10.6: 1 to 8 bytes.
  const etag = (): Uint8Array => createHash('sha256').update(text()).digest().subarray(0, 8);

  function change(next: Readonly<Record<string, unknown>>): ServerResponse {
    const { interval = firstInterval } = next;
    if (typeof interval === 'number' && interval !== config['interval']) measureEach(interval);
    config = next;
    notify('/config');
    notify('/config/interval');
    return changed();
  }

  return [
    [
      '/config',
      {
        get: (request) => {
          const contentFormat = acceptedFormat(request, [ContentFormat.json]);
          // The server itself answers 2.03 when the request lists this ETag.
          return content(text(), { contentFormat, etag: etag() });
        },
        put: (request) => {
          expectFormat(request, [ContentFormat.json, ContentFormat.text]);
          const next = jsonObject(request.text());
          if (next['interval'] !== undefined) expectInterval(next['interval']);
          expectPreconditions(request, { exists: true, etag: etag() });
          return change(next);
        },
        observable: true,
        attributes: { ct: ContentFormat.json },
        conditional: true,
        maxBodyBytes: 4096,
      },
    ],
    [
      '/config/interval',
      {
        get: (request) => {
          const contentFormat = acceptedFormat(request, [ContentFormat.text, ContentFormat.json]);
          return content(`${config['interval'] ?? firstInterval}`, { contentFormat });
        },
        put: (request) => {
          expectFormat(request, [ContentFormat.text, ContentFormat.json]);
          const trimmed = request.text().trim();
          const interval = expectInterval(/^\d+$/.test(trimmed) ? Number(trimmed) : undefined);
          // Conditions are about this resource, which has no ETag.
          expectPreconditions(request, { exists: true });
          return change({ ...config, interval });
        },
        observable: true,
        attributes: { ct: [ContentFormat.text, ContentFormat.json], title: 'seconds' },
        conditional: true,
        maxBodyBytes: 64,
      },
    ],
  ];
}

function expectInterval(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 86_400) {
    throw new RequestFailure(Code.BadRequest, 'the interval is whole seconds from 1 to 86400');
  }
  return value;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RequestFailure(Code.BadRequest, 'the payload is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestFailure(Code.BadRequest, 'send a JSON object');
  }
  return value as Readonly<Record<string, unknown>>;
}
