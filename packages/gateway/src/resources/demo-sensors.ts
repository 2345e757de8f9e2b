/**
 * The collection of the demo: POST to `/sensors` makes `/sensors/42`, `/sensors/43`, …, DELETE takes one away. They live
 * in memory; all other paths below `/sensors` are kept by telemetry.ts.
 */
import {
  Code,
  changed,
  content,
  created,
  deleted,
  expectPreconditions,
  failure,
  type Handler,
} from 'coapsule';
import type { GatewayResource, Notify } from './gateway-resource.ts';

/** As in the examples of the requirements. */
const firstNumber = 42;

/** Sensors that are there at a time; one more is answered 4.09. */
const maxSensors = 1000;

interface CreatedSensor {
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
}

/** The same resources, with the collection laid over those at `/sensors` and `/sensors/*`. */
export function withCreatedSensors(
  resources: readonly GatewayResource[],
  notify: Notify,
): readonly GatewayResource[] {
  const sensors = new Map<string, CreatedSensor>();
  let next = firstNumber;
  const create: Handler = (request) => {
    if (sensors.size >= maxSensors) {
      return failure(Code.Conflict, `there are ${maxSensors} sensors: delete one`);
    }
    const path = `/sensors/${next++}`;
    sensors.set(path, { payload: request.payload.slice(), contentFormat: request.contentFormat });
    return created(path);
  };
  const read =
    (stored: Handler | undefined): Handler =>
    (request) => {
      const sensor = sensors.get(request.path);
      if (sensor === undefined) return stored?.(request) ?? failure(Code.MethodNotAllowed);
      const { payload, contentFormat } = sensor;
      return content(payload, contentFormat === undefined ? {} : { contentFormat });
    };
  const write =
    (stored: Handler | undefined): Handler =>
    (request) => {
      if (!sensors.has(request.path)) return stored?.(request) ?? failure(Code.MethodNotAllowed);
      expectPreconditions(request, { exists: true });
      sensors.set(request.path, {
        payload: request.payload.slice(),
        contentFormat: request.contentFormat,
      });
      notify(request.path);
      return changed();
    };
  const remove: Handler = (request) => {
    if (!sensors.delete(request.path)) {
      return failure(Code.MethodNotAllowed, 'only what POST to /sensors has created can be deleted');
    }
    notify(request.path);
    return deleted();
  };
  return resources.map((entry) => {
    const { path, resource } = entry;
    // What POST makes is in memory.
    const shared = { ...entry, isEverywhere: false };
    if (path === '/sensors')
      return { ...shared, resource: { ...resource, post: create, maxBodyBytes: 1024 } };
    if (path !== '/sensors/*') return entry;
    const { get, put, post } = resource;
    const laid = { get: read(get), put: write(put), post: write(post), delete: remove };
    return { ...shared, resource: { ...resource, ...laid } };
  });
}
