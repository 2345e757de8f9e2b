/**
 * What devices are to be told about themselves: `/config`, a JSON object with an ETag, and `/config/interval`, one number of it:
 * the seconds between two reports. `/admin/config` is a text for the few who may write it.
 */
import { createHash } from 'node:crypto';
import {
  Code,
  changed,
  content,
  expectPreconditions,
  RequestFailure,
  type Resource,
  type ServerResponse,
} from 'coapsule';
import type { Notify } from './gateway-resource.ts';
import type { KeptText } from './kept-text.ts';
import { acceptedFormat, ContentFormat, expectFormat } from './negotiation.ts';

/** A configuration, and what follows when it changes. */
export interface ConfigurationParts {
  /** A JSON object. */
  readonly config: KeptText;
  /** The interval where the object has none. */
  readonly defaultInterval: number;
  readonly notify: Notify;
  /** Is told of another interval. */
  readonly onInterval?: (seconds: number) => void;
}

/** The two resources with their paths. */
export function configuration({
  config,
  defaultInterval,
  notify,
  onInterval,
}: ConfigurationParts): readonly (readonly [path: string, resource: Resource])[] {
  const intervalOf = ({ interval = defaultInterval }: Readonly<Record<string, unknown>>): unknown => interval;
  // RFC 7252 §5.10.6: 1 to 8 bytes.
  const etagOf = (text: string): Uint8Array => createHash('sha256').update(text).digest().subarray(0, 8);

  async function change(next: (text: string) => Readonly<Record<string, unknown>>): Promise<ServerResponse> {
    let [before, after]: readonly unknown[] = [];
    await config.change((text) => {
      const object = next(text);
      [before, after] = [intervalOf(jsonObject(text)), intervalOf(object)];
      return JSON.stringify(object);
    });
    if (typeof after === 'number' && after !== before) onInterval?.(after);
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
          return content(config.text, { contentFormat, etag: etagOf(config.text) });
        },
        put: (request) => {
          expectFormat(request, [ContentFormat.json, ContentFormat.text]);
          const next = jsonObject(request.text());
          if (next['interval'] !== undefined) expectInterval(next['interval']);
          return change((text) => {
            expectPreconditions(request, { exists: true, etag: etagOf(text) });
            return next;
          });
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
          return content(`${intervalOf(jsonObject(config.text))}`, { contentFormat });
        },
        put: (request) => {
          expectFormat(request, [ContentFormat.text, ContentFormat.json]);
          const trimmed = request.text().trim();
          const interval = expectInterval(/^\d+$/.test(trimmed) ? Number(trimmed) : undefined);
          // Conditions are about this resource, which has no ETag.
          expectPreconditions(request, { exists: true });
          return change((text) => ({ ...jsonObject(text), interval }));
        },
        observable: true,
        attributes: { ct: [ContentFormat.text, ContentFormat.json], title: 'seconds' },
        conditional: true,
        maxBodyBytes: 64,
      },
    ],
  ];
}

/** Any text, for devices with a rule for it alone. */
export function adminConfiguration(text: KeptText): Resource {
  return {
    get: () => content(text.text),
    put: async (request) => {
      await text.change(() => request.text());
      return changed();
    },
    maxBodyBytes: 256,
  };
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
