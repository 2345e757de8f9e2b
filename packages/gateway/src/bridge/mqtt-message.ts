/**
 * What the bridge writes into MQTT messages, and reads from those of commands, as pure functions.
 *
 * With MQTT 5, what a payload is stands in the properties of the message; MQTT 3.1.1 has none, and the JSON form says it there.
 */
import { contentFormatName, contentFormatOf } from 'coapsule/message';
import { senmlPack } from '../telemetry/measurement-senml.ts';
import {
  measurementMembers,
  type TimedMeasurement,
  timedMeasurements,
} from '../telemetry/timed-measurement.ts';
import type { MqttPayloadForm } from './mqtt-options.ts';

/** A value on its way to the broker. */
export interface BridgedValue {
  readonly path: string;
  readonly value: Uint8Array;
  readonly contentFormat: number | undefined;
  readonly identity: string | undefined;
  readonly atMs: number;
}

/** Properties of an MQTT 5 message, as the bridge uses them. */
export interface MessageProperties {
  readonly contentType?: string;
  readonly userProperties?: Readonly<Record<string, string>>;
}

/** A payload with what it is. */
export interface ValueMessage {
  readonly payload: Uint8Array;
  readonly properties: MessageProperties;
}

/** The message of a value. What has no SenML goes as it came in the form for SenML, too. */
export function valueMessage(form: MqttPayloadForm, value: BridgedValue): ValueMessage {
  const { path, contentFormat, identity, atMs } = value;
  const userProperties = {
    path,
    receivedAt: new Date(atMs).toISOString(),
    ...(identity === undefined ? {} : { identity }),
  };
  const timed = form === 'raw' ? [] : timedMeasurements({ ...value, receivedAtMs: atMs });
  if (form === 'senml' && timed.length > 0) {
    const payload = new TextEncoder().encode(senmlPack(timed, 110) as string);
    return { payload, properties: { ...contentTypeOf(110), userProperties } };
  }
  if (form !== 'json')
    return { payload: value.value, properties: { ...contentTypeOf(contentFormat), userProperties } };
  const payload = jsonPayload({
    path,
    identity: identity ?? null,
    receivedAt: userProperties.receivedAt,
    contentFormat: contentFormat ?? null,
    ...(timed.length === 0 ? {} : { values: timed.map(valueJson) }),
    ...bodyJson(value.value),
  });
  return { payload, properties: { ...contentTypeOf(contentFormat), userProperties } };
}

function valueJson(value: TimedMeasurement): object {
  return { ...measurementMembers(value), at: new Date(value.atMs).toISOString() };
}

/** The answer of a command. */
export interface CommandAnswer {
  /** `2.04`. */
  readonly code: string;
  readonly contentFormat: number | undefined;
  readonly payload: Uint8Array;
  readonly locationPath: string | undefined;
}

/** The answer as JSON: where a message has no properties, or nobody has named a response topic. */
export function answerPayload({ code, contentFormat, payload, locationPath }: CommandAnswer): Uint8Array {
  return jsonPayload({
    code,
    contentFormat: contentFormat ?? null,
    ...(locationPath === undefined ? {} : { locationPath }),
    ...bodyJson(payload),
  });
}

/** The properties of an answer. */
export function answerProperties({ code, contentFormat, locationPath }: CommandAnswer): MessageProperties {
  return {
    ...contentTypeOf(contentFormat),
    userProperties: { code, ...(locationPath === undefined ? {} : { locationPath }) },
  };
}

/** The content format of a command, by the content type of its message; undefined when it says none that CoAP has. */
export function commandFormat(contentType: string | undefined): number | undefined {
  return contentType === undefined ? undefined : contentFormatOf(contentType);
}

function contentTypeOf(contentFormat: number | undefined): MessageProperties {
  const contentType = contentFormat === undefined ? undefined : contentFormatName(contentFormat);
  return contentType === undefined ? {} : { contentType };
}

function bodyJson(bytes: Uint8Array): { readonly payload: string } | { readonly payloadBase64: string } {
  try {
    return { payload: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { payloadBase64: Buffer.from(bytes).toString('base64') };
  }
}

function jsonPayload(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
