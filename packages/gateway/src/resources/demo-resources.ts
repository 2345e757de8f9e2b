/**
 * The demo resources of a small house: sensors that change by themselves, a light, a lock, a thermostat, a
 * configuration. They live in memory and start the same way each time.
 */
import { Code, changed, content, expectPreconditions, failure, type Resource } from 'coapsule';
import { decodeCbor, encodeCbor, isDecodeFault } from 'coapsule/cbor';
import { encodeSenmlCbor, encodeSenmlJson, inPrimaryUnit } from 'coapsule/senml';
import { adminConfiguration, configuration } from './configuration.ts';
import { helloWorld } from './constant-resources.ts';
import type { GatewayResource, Notify, TickingResources } from './gateway-resource.ts';
import { KeptText } from './kept-text.ts';
import { firstLockState, lock } from './lock.ts';
import { acceptedFormat, ContentFormat } from './negotiation.ts';
import { startTick, type TickTimer } from './periodic-tick.ts';
import { firstSetpoint, setpoint } from './setpoint.ts';

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
      ...configuration({
        config: KeptText.inMemory(JSON.stringify({ interval: firstInterval, name: 'demo' })),
        defaultInterval: firstInterval,
        notify,
        onInterval: (seconds) => {
          stop();
          stop = measureEach(seconds);
        },
      }).map(([path, resource]) => isPublic(path, resource)),
      isPublic(
        '/thermostat/setpoint',
        setpoint(KeptText.inMemory(firstSetpoint), () => notify('/thermostat/setpoint')),
      ),
      isPublic('/adc', brokenSensor),
      isPublic('/calibration', calibration()),
      {
        path: '/admin/config',
        protection: 'guarded',
        resource: adminConfiguration(KeptText.inMemory('interval=30')),
      },
      {
        path: '/lock',
        protection: 'secured',
        // Whoever opens a door is known.
        resource: lock(KeptText.inMemory(firstLockState), () => notify('/lock')),
      },
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
    // As a small device would: more than this comes in blocks.
    maxPayloadBytes: 256,
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
