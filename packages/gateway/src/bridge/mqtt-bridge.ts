/**
 * The bridge between the gateway and a message broker (MQTT 3.1.1 and 5): readings and states go there, commands come from
 * there.
 *
 * A reading waits in the store from the transaction that stores it until the broker has acknowledged it
 * (outbox-publisher.ts); a state is published when it changes, the latest only. Connecting, and connecting again, is npm's
 * `mqtt`; what the topics are is in mqtt-topics.ts.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerInfo, Response, Server } from 'coapsule';
import mqtt, { type IClientPublishOptions, type IConnackPacket, type MqttClient } from 'mqtt';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { type Log, RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { printable } from '../text/printable.ts';
import { DevicePresence, deviceTopics } from './device-presence.ts';
import { MqttCommands } from './mqtt-commands.ts';
import { type BridgedValue, type MessageProperties, valueMessage } from './mqtt-message.ts';
import type { MqttOptions } from './mqtt-options.ts';
import { commandFilter, topicOf } from './mqtt-topics.ts';
import { ObservedStates } from './observed-states.ts';
import { type Outbox, OutboxPublisher } from './outbox-publisher.ts';

/** What a bridge works with. */
export interface BridgeParts {
  readonly options: MqttOptions;
  readonly server: Pick<Server, 'request' | 'watch'>;
  readonly store: Outbox;
  readonly peer: PeerInfo;
  /** Names the gateway at the broker, where no client id is given. */
  readonly dataFolder: string;
  readonly log: Log;
  readonly clock: WallClock;
}

/** How long the end waits for the broker. */
const farewellMs = 2000;

/** MQTT 5.0 §2.2.3: the most that a Remaining Length can say. */
const largestPacket = 268_435_455;

/** More than a PUBLISH has besides topic, properties and payload. */
const mostHeader = 64;

/** MQTT 5.0 §3.2.2.3.3, where the broker says nothing. */
const widestWindow = 65_535;

const reservedPlaces = 4;

/** A message that the broker will never take. */
class UnwantedMessage extends Error {
  override readonly name = 'UnwantedMessage';
}

/**
 * Reason codes of a broker that do not change by sending again (MQTT 5.0 §3.4.2.1): not authorized, topic name invalid, packet
 * too large, payload format invalid.
 */
const lastingReasons: ReadonlySet<unknown> = new Set([0x87, 0x90, 0x95, 0x99]);

/** Why a message is unwanted for good; undefined for other errors. */
function unwantedCause(error: unknown): string | undefined {
  if (error instanceof UnwantedMessage) return error.message;
  const isLasting = error instanceof Error && 'code' in error && lastingReasons.has(error.code);
  return isLasting ? error.message : undefined;
}

/** A bridge that is connected, or tries to be, until it is closed. */
export class MqttBridge {
  readonly #parts: BridgeParts;
  readonly #client: MqttClient;
  readonly #publisher: OutboxPublisher;
  readonly #states: ObservedStates;
  /** Undefined where nobody wants births and deaths. */
  readonly #devices: DevicePresence | undefined;
  readonly #faults = new RateLimit(1, 60_000);
  readonly #endWatch: () => void;
  readonly #refusals = new RateLimit(1, 60_000);
  #isConnected = false;
  #maximumPacketSize = largestPacket;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    const { options, server, log, clock } = parts;
    const status = `${options.base}/status`;
    this.#client = mqtt.connect(options.url, {
      protocolVersion: options.protocol,
      clientId: options.clientId ?? defaultClientId(parts.dataFolder),
      // The broker keeps commands of QoS 1 and 2 for us while we are away.
      clean: false,
      ...(options.protocol === 5 ? { properties: { sessionExpiryInterval: 24 * 60 * 60 } } : {}),
      ...(options.user === undefined ? {} : { username: options.user }),
      ...(options.password === undefined ? {} : { password: options.password }),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.certificate === undefined ? {} : { cert: options.certificate }),
      ...(options.privateKey === undefined ? {} : { key: options.privateKey }),
      will: { topic: status, payload: Buffer.from('offline'), qos: 1, retain: true },
      // Wrong credentials may be put right at the broker.
      reconnectOnConnackError: true,
      reconnectPeriod: 1000,
      connectTimeout: 10_000,
      // What waits does so in the store.
      queueQoSZero: false,
      resubscribe: false,
    });
    this.#publisher = new OutboxPublisher({
      outbox: parts.store,
      publish: async ({ reading: { receivedAtMs, ...value } }) => {
        await this.#publishReading({ ...value, atMs: receivedAtMs });
        if (value.identity !== undefined) this.#devices?.seen(value.identity, receivedAtMs);
      },
      timer: systemTickTimer,
      onError: (error) => this.#fault(error),
    });
    this.#states = new ObservedStates({
      paths: options.observe,
      read: (path) => server.request('GET', path, { peer: parts.peer }),
      publish: (path, response) => this.#publishState(path, response),
      timer: systemTickTimer,
      onError: (error) => this.#fault(error),
    });
    this.#devices =
      options.deviceSilenceMs === undefined
        ? undefined
        : new DevicePresence({
            base: options.base,
            silentMs: options.deviceSilenceMs,
            publish: (topic, payload) =>
              this.#publish(topic, payload, { contentType: 'application/json' }, { qos: 1, retain: true }),
            clock,
            timer: systemTickTimer,
            onError: (error) => this.#fault(error),
          });
    const commands = new MqttCommands({
      base: options.base,
      request: (method, path, request) => server.request(method, path, request),
      peer: parts.peer,
      answer: ({ topic, payload, properties }) =>
        this.#publish(topic, payload, properties, { qos: 1 }).catch((error: unknown) => this.#fault(error)),
      log,
      clock,
    });
    this.#endWatch = server.watch((path) => {
      this.#publisher.wake();
      this.#states.changed(path);
    });
    this.#client.on('connect', (connack) => void this.#connected(status, connack));
    this.#client.on('close', () => this.#disconnected());
    this.#client.on('error', (error) => this.#fault(error));
    this.#client.on('message', (topic, payload, { retain, properties }) => {
      if (topic.startsWith(deviceTopics(options.base))) {
        // Only what the broker has kept: our own comes back with MQTT 3.1.1.
        if (retain) this.#devices?.learned(topic, payload);
        return;
      }
      const { contentType, responseTopic, correlationData, userProperties } = properties ?? {};
      const query = userProperties?.['query'];
      void commands.handle({
        ...{ topic, payload, retain, contentType, responseTopic, correlationData },
        query: typeof query === 'string' ? query : undefined,
      });
    });
  }

  /** Whether the broker is there. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Says goodbye to the broker, when it is there. What it has not acknowledged stays in the store. */
  async close(): Promise<void> {
    this.#endWatch();
    this.#states.stop();
    this.#devices?.stop();
    if (this.#isConnected) {
      const farewell = this.#publish(
        `${this.#parts.options.base}/status`,
        Buffer.from('offline'),
        {},
        { qos: 1, retain: true },
      );
      const lost = new Promise<void>((resolve) => this.#client.once('close', () => resolve()));
      await Promise.race([farewell.catch(() => {}), lost, sleep(farewellMs, undefined, { ref: false })]);
    }
    await this.#publisher.stop();
    await this.#client.endAsync(true);
  }

  async #connected(status: string, { properties = {} }: IConnackPacket): Promise<void> {
    const { options, log } = this.#parts;
    this.#isConnected = true;
    this.#maximumPacketSize = properties.maximumPacketSize ?? largestPacket;
    log.detail(0, `mqtt: connected to ${options.url}`);
    // Some places of the broker's window are for states and answers.
    this.#publisher.open((properties.receiveMaximum ?? widestWindow) - reservedPlaces);
    this.#states.publishAll();
    try {
      // MQTT 5.0 §3.8.3.1: with No Local the broker does not send us what we have published.
      const subscription = options.protocol === 5 ? ({ qos: 2, nl: true } as const) : ({ qos: 2 } as const);
      if (options.allow.length > 0) {
        await this.#client.subscribeAsync(commandFilter(options.base), subscription);
      }
      if (this.#devices !== undefined) {
        await this.#client.subscribeAsync(`${deviceTopics(options.base)}+`, subscription);
        this.#devices.open();
      }
      // Who reads it can send commands.
      await this.#publish(status, Buffer.from('online'), {}, { qos: 1, retain: true });
    } catch (error) {
      this.#fault(error);
    }
  }

  #disconnected(): void {
    this.#publisher.pause();
    this.#devices?.pause();
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#parts.log.warning(
      `mqtt: the connection to ${this.#parts.options.url} is lost; readings wait on disk`,
    );
  }

  async #publishReading(value: BridgedValue): Promise<void> {
    const { topic: template, retain } = this.#parts.options;
    const topic = topicOf(template, value);
    try {
      if (topic === undefined) throw new UnwantedMessage('its topic would be too long');
      await this.#publishValue(topic, value, retain);
    } catch (error) {
      const cause = unwantedCause(error);
      if (cause === undefined) throw error;
      // The broker will never take it. It stays in the database here, goes out of the way of all behind it, and is told.
      this.#unwanted(value.path, cause);
    }
  }

  async #publishState(path: string, response: Response): Promise<void> {
    if (!this.#isConnected) return;
    const { payload, contentFormat } = response;
    const topic = topicOf(`${this.#parts.options.base}/state/{path}`, { path, identity: undefined });
    if (topic === undefined) return;
    const value = { path, value: payload, contentFormat, identity: undefined, atMs: this.#parts.clock() };
    await this.#publishValue(topic, value, true);
  }

  async #publishValue(topic: string, value: BridgedValue, retain: boolean): Promise<void> {
    const { form, qos } = this.#parts.options;
    const { payload, properties } = valueMessage(form, value);
    await this.#publish(topic, payload, properties, { qos, retain });
  }

  async #publish(
    topic: string,
    payload: Uint8Array,
    properties: MessageProperties & { readonly correlationData?: Uint8Array },
    options: Pick<IClientPublishOptions, 'qos' | 'retain'>,
  ): Promise<void> {
    const { correlationData, contentType, userProperties } = properties;
    const five = {
      ...(contentType === undefined ? {} : { contentType }),
      ...(userProperties === undefined ? {} : { userProperties: { ...userProperties } }),
      ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData) }),
    };
    const described = topic + JSON.stringify(properties);
    // mqtt would send it all the same, be disconnected for it, and send it again first of all.
    if (payload.length + Buffer.byteLength(described) + mostHeader > this.#maximumPacketSize) {
      throw new UnwantedMessage(`the broker takes ${this.#maximumPacketSize} bytes at a time`);
    }
    await this.#client.publishAsync(topic, Buffer.from(payload), {
      ...options,
      ...(this.#parts.options.protocol === 5 ? { properties: five } : {}),
    });
  }

  #unwanted(path: string, cause: string): void {
    const passed = this.#refusals.pass(this.#parts.clock());
    if (passed === undefined) return;
    const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} readings before, not shown)`;
    this.#parts.log.error(
      `mqtt: the broker does not take a reading of ${printable(path)}: ${printable(cause)}${more}; it is stored here only`,
    );
  }

  #fault(error: unknown): void {
    const passed = this.#faults.pass(this.#parts.clock());
    if (passed === undefined) return;
    const text = error instanceof Error ? error.message || error.name : String(error);
    const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} faults before, not shown)`;
    this.#parts.log.warning(`mqtt: ${this.#parts.options.url}: ${printable(text)}${more}; it is tried again`);
  }
}

/** The same after a restart, and another for each gateway: the broker keeps a session for it. */
function defaultClientId(dataFolder: string): string {
  const name = createHash('sha256').update(`${hostname()}\0${dataFolder}`).digest('hex').slice(0, 12);
  return `coapsule-${name}`;
}
